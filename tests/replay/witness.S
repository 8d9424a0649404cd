// SPDX-License-Identifier: Apache-2.0
// A small guest that remembers when it saw what: whatever comes to it from outside goes, with the time at which it looked, into a
// sum that is never reset. It polls its serial port, keyboard, mouse, power button, a word of memory and a register, counts NMIs,
// reads sector after sector of its disk, from 65537 on, and now and then waits for a tick. So an input that is missing, another one, or comes at
// another time is seen for ever after.
#include "rom.inc"
        .equ    kSum, 0x604
        .equ    kWord, 0x608
        .equ    kPm, 0xb000

        .macro  CONFIG address, value
        mov     $0xcf8, %dx
        mov     $\address, %eax
        out     %eax, %dx
        mov     $0xcfc, %dx
        mov     $\value, %eax
        out     %eax, %dx
        .endm

        .macro  TO_8042 port, value
1:      in      $0x64, %al
        test    $2, %al
        jnz     1b
        mov     $\value, %al
        out     %al, $\port
        .endm

main:   GATE    2, nmi
        GATE    0x20, tick
        GATE    0x24, tick
        lidt    idt_pointer
        PIC     0xee
        // A tick every 54.9 ms.
        mov     $0x34, %al
        out     %al, $0x43
        xor     %al, %al
        out     %al, $0x40
        out     %al, $0x40
        CONFIG  0x80000904, 5
        CONFIG  0x80000940, 0x80008000
        CONFIG  0x80000b40, kPm + 1
        CONFIG  0x80000b80, 1
        CONFIG  0x80000b04, 1
        // A FIFO for the serial port, and its interrupt, which ends a wait; keyboard and mouse on.
        mov     $0x3f9, %dx
        mov     $1, %al
        out     %al, %dx
        mov     $0x3fc, %dx
        mov     $8, %al
        out     %al, %dx
        mov     $0x3fa, %dx
        mov     $1, %al
        out     %al, %dx
        TO_8042 0x64, 0x60
        TO_8042 0x60, 0x40
        TO_8042 0x64, 0xd4
        TO_8042 0x60, 0xf4
        TO_8042 0x60, 0xf4
        mov     $0x12, %eax
        call    mix
        xor     %ebp, %ebp
        xor     %esi, %esi
        call    read_sector
again:  mov     $10000, %edi
poll:   mov     $0x3fd, %dx
        in      %dx, %al
        test    $1, %al
        jz      1f
        mov     $0x3f8, %dx
        in      %dx, %al
        out     %al, %dx
        call    mix
1:      in      $0x64, %al
        test    $1, %al
        jz      1f
        mov     %al, %ah
        in      $0x60, %al
        call    mix
1:      mov     $kPm, %dx
        in      %dx, %ax
        test    $1, %ah
        jz      1f
        mov     $0x100, %ax
        out     %ax, %dx
        call    mix
1:      mov     kWord, %eax
        test    %eax, %eax
        jz      1f
        movl    $0, kWord
        call    mix
1:      test    %ebp, %ebp
        jz      1f
        mov     %ebp, %eax
        xor     %ebp, %ebp
        call    mix
1:      mov     $0x1f7, %dx
        in      %dx, %al
        test    $0x80, %al
        jnz     3f
        call    mix
        test    $8, %al
        jz      2f
        push    %edi
        mov     $0x1f0, %dx
        mov     $0x9000, %edi
        mov     $256, %ecx
        rep insw
        pop     %edi
        mov     0x9000, %eax
        call    mix
2:      call    read_sector
3:      dec     %edi
        jnz     poll
        sti
        hlt
        cli
        jmp     again

        // %eax and the time into the sum; keeps %eax.
mix:    push    %edx
        push    %ecx
        push    %eax
        mov     %eax, %ecx
        rdtsc
        add     %ecx, %eax
        mov     kSum, %ecx
        rol     $7, %ecx
        add     %eax, %ecx
        mov     %ecx, kSum
        mov     %ecx, %ebx
        pop     %eax
        pop     %ecx
        pop     %edx
        ret

read_sector:
        inc     %esi
        and     $0x7ff, %esi
        mov     $0x1f2, %dx
        mov     $1, %al
        out     %al, %dx
        inc     %dx
        mov     %esi, %eax
        out     %al, %dx
        inc     %dx
        mov     %ah, %al
        out     %al, %dx
        inc     %dx
        mov     $1, %al
        out     %al, %dx
        inc     %dx
        mov     $0xe0, %al
        out     %al, %dx
        inc     %dx
        mov     $0x20, %al
        out     %al, %dx
        ret

nmi:    push    %eax
        mov     $0x4e, %eax
        call    mix
        pop     %eax
        iret
tick:   push    %eax
        END_OF_INTERRUPT
        IDT_POINTER
        END_OF_ROM
