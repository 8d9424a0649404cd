// SPDX-License-Identifier: Apache-2.0
// A guest with a race. 200 times: it asks for a timer interrupt in 10 us, waits until that is surely over (14 us), and then adds one to
// a number that the interrupt adds one to as well, which takes it some 50 steps. It leaves with 0 if no addition was lost, else with 1.
#include "rom.inc"
        .set kNumber, 0x500
        .set kTaken, 0x504
        .set kRounds, 200
main:   GATE 0x20, tick
        lidt idt_pointer
        PIC 0xfe                        // only IRQ 0 open
        movl $0, kNumber
        mov $kRounds, %esi
round:  movl $0, kTaken
        mov $0x30, %al                  // PIT counter 0: mode 0, 12 ticks of 838 ns
        out %al, $0x43
        mov $12, %al
        out %al, $0x40
        xor %al, %al
        out %al, $0x40
        sti
        mov $7000, %ecx
1:      dec %ecx
        jnz 1b
        mov kNumber, %eax
        mov $25, %ecx
1:      dec %ecx
        jnz 1b
        inc %eax
        mov %eax, kNumber
1:      cmpl $0, kTaken
        je 1b
        cli
        dec %esi
        jnz round
        cmpl $2 * kRounds, kNumber
        jne lost
        EXIT 0
lost:   EXIT 1
tick:   push %eax
        incl kNumber
        movl $1, kTaken
        END_OF_INTERRUPT
        IDT_POINTER
        END_OF_ROM
