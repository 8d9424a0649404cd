// SPDX-License-Identifier: Apache-2.0
// Prints, a line each on the first serial port, how many steps of guest time (TSC, at 1 ns a step) pass between two RDTSC
// around instruction sequences: "NAME HEX". The empty sequence shows what the measurement itself takes.
#include "rom.inc"

        .macro MEASURE name:vararg
        call 9f
        .asciz "\name"
9:      pop %esi
        call print
        call prepare
        rdtsc
        mov %eax, %ebp
        .endm
        .macro MEASURED
        rdtsc
        sub %ebp, %eax
        call print_number
        .endm

main:   mov $0x3fb, %dx        // 8 bits a character
        mov $3, %al
        out %al, %dx
        // IDT at 1000: #UD (6) and INT 30.
        mov $0x1000 + 6 * 8, %edi
        mov $skip_ud2, %eax
        call gate
        mov $0x1000 + 0x30 * 8, %edi
        mov $return, %eax
        call gate
        lidt idt_pointer

        MEASURE empty
        MEASURED
        MEASURE nop
        nop
        MEASURED
        MEASURE ten
        mov $5, %eax
        add %ecx, %eax
        push %eax
        pop %ebx
        lea (%eax,%ebx,4), %edx
        mov %edx, 0x8000
        xchg %eax, 0x8000
        mul %ebx
        cmp %eax, %ebx
        cmc
        MEASURED
        MEASURE call
        call return_near
        MEASURED
        MEASURE loop
        mov $1000, %ecx
1:      nop
        loop 1b
        MEASURED
        MEASURE int
        int $0x30
        MEASURED
        MEASURE fault
        ud2
        MEASURED
        MEASURE repmovs0
        xor %ecx, %ecx
        rep movsb
        MEASURED
        MEASURE repmovs1
        mov $1, %ecx
        rep movsb
        MEASURED
        MEASURE repmovs1000
        mov $1000, %ecx
        rep movsl
        MEASURED
        MEASURE repstos9000
        mov $9000, %ecx
        rep stosb
        MEASURED
        MEASURE repescas_all
        mov $100, %ecx
        xor %eax, %eax
        repe scasb
        MEASURED
        MEASURE repnescas_first
        mov $100, %ecx
        xor %eax, %eax
        repne scasb
        MEASURED
        MEASURE port
        in $0x80, %al
        out %al, $0x80
        MEASURED
        MEASURE sti_cli
        sti
        cli
        MEASURED
        MEASURE movss
        mov %ss, %eax
        mov %eax, %ss
        nop
        MEASURED
        MEASURE cr0
        mov %cr0, %eax
        mov %eax, %cr0
        MEASURED
        MEASURE far
        ljmp $8, $1f
1:      MEASURED
        EXIT 0

return: iret
return_near:
        ret
skip_ud2:
        addl $2, (%esp)
        iret
gate:   mov %ax, (%edi)
        movw $8, 2(%edi)
        movw $0x8e00, 4(%edi)
        shr $16, %eax
        mov %ax, 6(%edi)
        ret
        IDT_POINTER

// Registers for the string instructions, memory of zeros.
prepare:
        mov $0x20000, %edi
        xor %eax, %eax
        mov $0x4000, %ecx
        rep stosl
        mov $0x20000, %edi
        mov $0x28000, %esi
        mov $0x3fd, %edx
        ret

// The text at ESI and a blank.
print:  lodsb
        test %al, %al
        jz 1f
        call put
        jmp print
1:      mov $' ', %al
        jmp put
print_number:
        mov %eax, %ebx
        mov $8, %ecx
1:      rol $4, %ebx
        mov %bl, %al
        and $15, %al
        cmp $10, %al
        jb 2f
        add $'a' - '0' - 10, %al
2:      add $'0', %al
        call put
        loop 1b
        mov $10, %al
put:    push %eax
        mov $0x3fd, %dx
1:      in %dx, %al
        test $0x20, %al
        jz 1b
        pop %eax
        mov $0x3f8, %dx
        out %al, %dx
        ret
        END_OF_ROM
