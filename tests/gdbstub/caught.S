// SPDX-License-Identifier: Apache-2.0
// A bare guest that counts what happens to it, so that whoever is told of it by somebody else can be held against that. In each of 32
// rounds it divides by zero; in every second it executes UD2, in every fourth INT3; it writes once and reads four times where devices are,
// loads CR3 (6000 and 5000 in turn), prints a letter (A in the first round) on the first serial port, and lets timer interrupts in while
// it counts down. Then it leaves with status 7. Pages have 4 MiB: the first stands for itself and is at 400000 as well, and so does
// that of the two APICs.
#include "rom.inc"
        .set divisions,  0x20000        // by zero
        .set undefined,  0x20004
        .set traps,      0x20008
        .set device,     0x2000c        // accesses
        .set loads,      0x20010        // of CR3
        .set interrupts, 0x20014
        .set rounds,     0x20018
        .set IO_APIC, 0xfec00000
        .set LAPIC,   0xfee00000
        .globl main, round, divides, divided, no_opcode, undefined_opcode, traps_here, trapped, writes, wrote, reads, read, repeats, repeated
        .globl pages, paged, prints, printed, loads_cr3, loaded_cr3, waits, waited, timer, leave

main:   GATE 0, divided
        GATE 3, trapped
        GATE 6, undefined_opcode
        GATE 0x20, timer
        lidt idt_pointer
        PIC 0xfe                        // only IRQ 0 open
        // PIT counter 0: mode 2, 100 ticks.
        mov $0x34, %al
        out %al, $0x43
        mov $100, %al
        out %al, $0x40
        xor %al, %al
        out %al, $0x40
        mov $0x20000, %edi
        xor %eax, %eax
        mov $16, %ecx
        rep stosl
        .irp directory, 0x5000, 0x6000
        movl $0x83, \directory
        movl $0x83, \directory + 4
        movl $IO_APIC + 0x93, \directory + 4 * 0x3fb
        .endr
        mov %cr4, %eax
        or $0x10, %eax
        mov %eax, %cr4
        incl loads
        mov $0x5000, %eax
pages:  mov %eax, %cr3
paged:  mov %cr0, %eax
        or $0x80000000, %eax
        mov %eax, %cr0
round:  incl rounds
        xor %edx, %edx
        xor %ecx, %ecx
divides:
        div %ecx
        testb $1, rounds
        jnz 1f
no_opcode:
        ud2
1:      testb $3, rounds
        jnz 1f
traps_here:
        int3
1:      incl device
        mov $1, %eax
writes: mov %eax, IO_APIC
wrote:  incl device
reads:  mov LAPIC + 0x30, %eax
read:   addl $3, device
        mov $IO_APIC, %esi
        mov $3, %ecx
repeats:
        rep lodsl
repeated:
        incl loads
        mov rounds, %eax
        and $1, %eax
        shl $12, %eax
        add $0x5000, %eax
loads_cr3:
        mov %eax, %cr3
loaded_cr3:
        mov $'@', %al
        add rounds, %al
        mov $0x3f8, %edx
prints: out %al, (%dx)
printed:
        mov $30000, %ecx
        sti
waits:  loop waits
waited: cli
        cmpl $32, rounds
        jne round
leave:  EXIT 3

divided:
        incl divisions
        addl $2, (%esp)
        iret
undefined_opcode:
        incl undefined
        addl $2, (%esp)
        iret
trapped:
        incl traps
        iret
timer:  incl interrupts
        push %eax
        END_OF_INTERRUPT
        IDT_POINTER
        END_OF_ROM
