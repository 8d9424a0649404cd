// SPDX-License-Identifier: Apache-2.0
// A bare guest to be debugged. It counts at `counter` for ever; each round reads `looked_at`, writes `both` through a read and
// a write, and adds up the bytes of its own routine `bump` into `own_sum`. Every 256 rounds it writes `rarely`.
// Then it prints "rarely X" on the first serial port, X a letter from A to P that goes round.
// `leave` ends it with status 7; nothing goes there by itself.
#include "rom.inc"
        .set counter,   0x20000
        .set looked_at, 0x20004
        .set both,      0x20008
        .set own_sum,   0x2000c
        .set rarely,    0x20010
        .cfi_sections .debug_frame
        .globl main, loop, main_rarely, bump, bump_end, look, change, own, printed, crash, crashes, leave
        .type main, @function
        .cfi_startproc
main:   fninit
        fld1
        movl $0, counter
loop:   call bump
        call look
        call change
        call own
        testb $0xff, counter
        jnz loop
main_rarely:
        incl rarely
        call say
        jmp loop
        .cfi_endproc
        .size main, . - main

        .type bump, @function
        .cfi_startproc
bump:   mov counter, %eax
        inc %eax
        mov %eax, counter
        ret
bump_end:
        .cfi_endproc
        .size bump, . - bump

        .type look, @function
        .cfi_startproc
look:   mov looked_at, %edx
        ret
        .cfi_endproc
        .size look, . - look

        .type change, @function
        .cfi_startproc
change: incl both
        ret
        .cfi_endproc
        .size change, . - change

        .type own, @function
        .cfi_startproc
own:    mov $bump, %esi
        mov $(bump_end - bump), %ecx
        xor %ebx, %ebx
1:      xor %eax, %eax
        lodsb
        add %eax, %ebx
        loop 1b
        mov %ebx, own_sum
        ret
        .cfi_endproc
        .size own, . - own

        .type say, @function
        .cfi_startproc
say:    mov $text, %esi
        mov $0x3f8, %edx
1:      lodsb
        test %al, %al
        jz 2f
        out %al, (%dx)
        jmp 1b
2:      mov rarely, %al
        and $15, %al
        add $'A', %al
        out %al, (%dx)
printed:
        mov $10, %al
        out %al, (%dx)
        ret
        .cfi_endproc
        .size say, . - say
text:   .asciz "rarely "

        // The interrupt gates are taken away: a triple fault.
crash:  lidt no_idt
crashes:
        int3
no_idt: .word 0
        .long 0

leave:  EXIT 3
        END_OF_ROM
