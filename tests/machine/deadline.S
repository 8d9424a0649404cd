// SPDX-License-Identifier: Apache-2.0
// A bare guest whose interrupts write down when and where they came. At 4000: the mode that the test wants, written by it before
// the run. Log at 20000: one entry for each interrupt, {TSC at the handler's third instruction, ECX, EIP, EBX}; their number at 1FFFC.
// EBX is the TSC from before the instruction under test.
#include "rom.inc"
main:   xor %ebp, %ebp         // entries
        mov $0x1000 + 0x20 * 8, %edi
        mov $pit, %eax
        call gate
        mov $0x1000 + 0x30 * 8, %edi
        mov $lapic, %eax
        call gate
        lidt idt_pointer
        PIC 0xfe                        // only IRQ 0 open
        // PIT counter 0: mode 2, 100 ticks.
        mov $0x34, %al
        out %al, $0x43
        mov $100, %al
        out %al, $0x40
        mov $0, %al
        out %al, $0x40
        // LAPIC off the way of the PIC by default: LINT0 is ExtINT. Enabled; the timer periodic, 7001 counts of 1.
        movl $0x1ff, 0xfee000f0
        movl $0x700, 0xfee00350
        mov 0x4000, %eax
        jmp *modes(,%eax,4)
modes:  .long loop_mode, stos_mode, movs_mode, halt_mode, lapic_mode, sti_mode, movss_mode, sti_cli_mode

loop_mode:
        sti
1:      inc %ecx
        jmp 1b

lapic_mode:
        mov $0xff, %al
        out %al, $0x21
        mov $0x30, %al         // the 8254 waits for a count
        out %al, $0x43
        movl $0xb, 0xfee003e0
        movl $0x20030, 0xfee00320
        movl $7001, 0xfee00380
        jmp loop_mode

// EBX = TSC, then the REP is the next instruction.
stos_mode:
        sti
1:      mov $0x30000, %edi
        mov $0x8000, %ecx
        rdtsc
        mov %eax, %ebx
        rep stosb
        jmp 1b
movs_mode:
        sti
1:      mov $0x30000, %esi
        mov $0x40003, %edi
        mov $0x2000, %ecx
        rdtsc
        mov %eax, %ebx
        rep movsl
        jmp 1b
halt_mode:
        sti
        hlt
after_hlt:
        jmp halt_mode

// Waits with interrupts off until one is pending, then opens.
        .macro UNTIL_PENDING
        mov $0x0a, %al
        out %al, $0x20
7:      in $0x20, %al
        test $1, %al
        jz 7b
        .endm
sti_mode:
        UNTIL_PENDING
        sti
        nop
sti_taken:
        nop
        cli
        jmp sti_mode
movss_mode:
        mov %ss, %edx
1:      UNTIL_PENDING
        sti
        mov %edx, %ss          // in STI's shadow, and makes one of its own
        nop
movss_taken:
        nop
        cli
        jmp 1b
sti_cli_mode:
        UNTIL_PENDING
        sti
        cli
        nop
        jmp sti_cli_mode

        .macro HANDLER eoi:vararg
        push %eax
        push %edx
        rdtsc
        mov %ebp, %edx
        shl $4, %edx
        add $0x20000, %edx
        mov %eax, (%edx)
        mov %ecx, 4(%edx)
        mov 8(%esp), %eax
        mov %eax, 8(%edx)
        mov %ebx, 12(%edx)
        inc %ebp
        mov %ebp, 0x1fffc
        \eoi
        pop %edx
        pop %eax
        iret
        .endm
        .macro PIC_EOI
        mov $0x20, %al
        out %al, $0x20
        .endm
pit:    HANDLER PIC_EOI
lapic:  HANDLER movl $0, 0xfee000b0

gate:   mov %ax, (%edi)
        movw $8, 2(%edi)
        movw $0x8e00, 4(%edi)
        shr $16, %eax
        mov %ax, 6(%edi)
        ret
        IDT_POINTER
        // What the test has to know.
        .org 0xff00
        .long pit, lapic, sti_taken, movss_taken, after_hlt
        END_OF_ROM
