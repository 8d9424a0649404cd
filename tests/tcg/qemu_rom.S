# SPDX-License-Identifier: Apache-2.0
# Firmware of 64 KiB that puts a processor into a state from a list in memory (qemu_stepper.cc writes it) and goes there by IRET.
# What a debugger can write by itself, general registers, segment registers and CR0 to CR4, it writes afterwards.
# Done: tables, LDTR and TR with hidden parts of any kind, debug registers, the three MSRs of SYSENTER, EFLAGS, real mode with limits
# of its own ("unreal", SDM volume 3, 9.9), virtual-8086 mode. Not: the x87 and SSE state, MTRRs, NMI blocking, interrupt shadows.
#define LIST 0x800000
#define O(x) ((x) - base)
#define L(x) ((x) - base + 0xffff0000)
# Offsets in the list, as in qemu_stepper.cc.
#define GDTR 0x00
#define IDTR 0x08
#define DEBUG 0x10                    /* DR0-DR3, DR6, DR7 */
#define SYSENTER 0x28                 /* CS, ESP, EIP */
#define HAS_SYSENTER 0x34
#define HAS_APIC 0x38
#define REAL 0x3c
#define LDTR 0x40
#define TR 0x44
#define SELECTORS 0x48                /* of real mode: ES, FS, GS, DS */
#define FRAME 0x80
# Selectors in the table of 64 KiB behind the list: what the firmware itself needs, and the hidden parts for real mode.
#define CODE32 0xff00
#define DATA32 0xff08
#define CODE16 0xff10
#define LIST16 0xff18
#define HIDDEN 0xff20                 /* ES, FS, GS, DS */

.text
.code16
base:
    cli
    data32 lgdt %cs:O(table)
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    data32 ljmp $CODE32, $L(flat)

.code32
flat:
    movw $DATA32, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $LIST, %ebp
    movb $0xff, %al                   # no ticks of the timer
    outb %al, $0x21
    outb %al, $0xa1
    cmpl $0, HAS_APIC(%ebp)
    je 1f
    movl $0x1ff, 0xfee000f0           # on, LINT0 the 8259 and LINT1 an NMI: 10.5.1
    movl $0x700, 0xfee00350
    movl $0x400, 0xfee00360
1:  cmpl $0, HAS_SYSENTER(%ebp)
    je 1f
    xorl %edx, %edx
    movl $0x174, %ecx
    movl SYSENTER(%ebp), %eax
    wrmsr
    incl %ecx
    movl SYSENTER + 4(%ebp), %eax
    wrmsr
    incl %ecx
    movl SYSENTER + 8(%ebp), %eax
    wrmsr
1:  movw LDTR(%ebp), %ax
    lldt %ax
    movw TR(%ebp), %ax
    ltr %ax
    movl DEBUG(%ebp), %eax
    movl %eax, %db0
    movl DEBUG + 4(%ebp), %eax
    movl %eax, %db1
    movl DEBUG + 8(%ebp), %eax
    movl %eax, %db2
    movl DEBUG + 12(%ebp), %eax
    movl %eax, %db3
    movl DEBUG + 16(%ebp), %eax
    movl %eax, %db6
    movl DEBUG + 20(%ebp), %eax
    movl %eax, %db7
    cmpl $0, REAL(%ebp)
    jne real
    lidt IDTR(%ebp)
    lgdt GDTR(%ebp)
    leal FRAME(%ebp), %esp
    jmp 1f
    .org 0x200                        # where the debugger stops before a protected or virtual-8086 program
1:  iretl

real:
    movw SELECTORS(%ebp), %bx
    movw SELECTORS + 2(%ebp), %cx
    movw SELECTORS + 4(%ebp), %dx
    movw SELECTORS + 6(%ebp), %si
    movw $LIST16, %ax
    movw %ax, %ss
    movl $FRAME, %esp
    movw $HIDDEN, %ax
    movw %ax, %es
    movw $HIDDEN + 8, %ax
    movw %ax, %fs
    movw $HIDDEN + 16, %ax
    movw %ax, %gs
    movw $HIDDEN + 24, %ax
    movw %ax, %ds
    ljmp $CODE16, $O(real16)
.code16
real16:
    data32 lidt %ss:IDTR
    data32 lgdt %ss:GDTR
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    movw %bx, %es
    movw %cx, %fs
    movw %dx, %gs
    movw %si, %ds
    jmp 1f
    .org 0x300                        # and before a program of real mode
1:  iretl

table:
    .word 0xffff
    .long LIST + 0x10000

    .org 0xfff0
    jmp base
    .org 0x10000
