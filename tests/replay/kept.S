// SPDX-License-Identifier: Apache-2.0
// A small guest with a bit of everything that a recording tells of. It takes timer interrupts, echoes what comes in on the serial
// port, keeps it in memory, takes square roots and reads the clock; it never waits, until it reads `halt`: then it does between timer
// interrupts. `quit` ends it through isa-debug-exit.
#include "rom.inc"
main:   GATE 0x20, pit
        lidt idt_pointer
        PIC 0xfe                        // only IRQ 0 open
        // PIT counter 0: mode 2, 1000 ticks.
        mov $0x34, %al
        out %al, $0x43
        mov $1000 % 256, %al
        out %al, $0x40
        mov $1000 / 256, %al
        out %al, $0x40
        xor %esi, %esi
        xor %ebx, %ebx
        fninit
wait:   sti
        cmpl $0, 0x500
        je 1f
        hlt
1:      cli
        mov $0x3fd, %dx
        in %dx, %al
        test $1, %al
        jz work
        mov $0x3f8, %dx
        in %dx, %al
        out %al, %dx
        shl $8, %ebx
        mov %al, %bl
        cmp $0x71756974, %ebx
        je done
        cmp $0x68616c74, %ebx
        jne work
        movl $1, 0x500
work:   inc %esi
        mov %esi, %edi
        and $0xffff, %edi
        mov %ebx, 0x20000(,%edi,4)
        fildl 0x20000(,%edi,4)
        fsqrt
        fstpl 0x10000
        rdtsc
        add %eax, 0x18000
        mov $0x4000, %edi
        mov $200, %ecx
        rep stosl
        jmp wait
done:   EXIT 16
pit:    push %eax
        END_OF_INTERRUPT
        IDT_POINTER
        END_OF_ROM
