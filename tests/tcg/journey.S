# SPDX-License-Identifier: Apache-2.0
# A firmware image of 64 KiB that walks through the privileged architecture and reports on port E9: real mode, protected
# mode, rings by IRET and call gate, virtual-8086 mode, tasks, paging with and without PAE, debug exceptions, a triple fault.
# Any PC can run it. What it prints is in journey.expected, as another emulator printed it (QEMU 7.2:
#   qemu-system-i386 -accel tcg -cpu qemu32,+nx,+pae -m 16 -bios journey.bin -no-reboot -nodefaults -debugcon file:LOG)
# so what that one leaves out (limits and types of segments, GD, the MOV SS shadow of TF) is not in here. Every exception is printed as
# <vector:error:eip:cs:eflags without RF>.
#define L(x) ((x) - base + 0x10000)   /* linear address: the image copies itself to 64 KiB */
#define O(x) ((x) - base)             /* offset in segment 1000 */
#define RESUME 0x500                  /* where the handler returns to, unless 0 */
#define ESCAPE 0x504                  /* where it jumps to in ring 0 with a fresh stack, unless 0 */
#define KSTACK 0x9000
#define KCODE 0x08
#define KDATA 0x10
#define UCODE 0x1b
#define UDATA 0x23
#define TSSA 0x28
#define TSSB 0x30
#define CALLGATE 0x3b
#define ABSENT 0x40

.text
.code16
base:
start:
    cli
    cld
    movw $0xf000, %ax
    movw %ax, %ds
    movw $0x1000, %ax
    movw %ax, %es
    xorw %si, %si
    xorw %di, %di
    movw $0x8000, %cx
    rep movsw
    ljmp $0x1000, $O(real)

.macro say c
    pushw %ax
    movb $\c, %al
    outb %al, $0xe9
    popw %ax
.endm

real:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    movl $0, RESUME
    movl $0, ESCAPE
    movw $O(real_int), 4 * 0x21
    movw $0x1000, 4 * 0x21 + 2
    movw $O(real_fault), 4 * 6
    movw $0x1000, 4 * 6 + 2
    say 'R'
    sti
    int $0x21
    pushfw
    popw %ax
    call hex16
    cli
real_bad:
    ud2
    # Unreal mode: a limit of 4 GiB outlives protected mode.
    data32 lgdt %cs:O(gdtr)
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    movw $KDATA, %bx
    movw %bx, %es
    andb $0xfe, %al
    movl %eax, %cr0
    xorw %bx, %bx
    movw %bx, %es
    movl $0x100000, %ebx
    movl $0xfeedf00d, %es:(%ebx)
    movl %es:(%ebx), %eax
    call hex16
    say 'U'
    # For good.
    data32 lidt %cs:O(idtr)
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    data32 ljmp $KCODE, $L(protected)

real_int:
    say 'i'
    pushw %bp
    movw %sp, %bp
    movw 2(%bp), %ax
    call hex16
    movw 6(%bp), %ax
    call hex16
    pushfw
    popw %ax
    call hex16
    popw %bp
    iretw

real_fault:
    say 'u'
    pushw %bp
    movw %sp, %bp
    movw 2(%bp), %ax
    call hex16
    addw $2, 2(%bp)
    popw %bp
    iretw

hex16:
    pushw %cx
    movw $4, %cx
1:  rolw $4, %ax
    pushw %ax
    andb $15, %al
    cmpb $10, %al
    sbbb $0x69, %al
    das
    outb %al, $0xe9
    popw %ax
    decw %cx
    jnz 1b
    say ' '
    popw %cx
    ret

.code32
.macro tell c
    pushl %eax
    movb $\c, %al
    outb %al, $0xe9
    popl %eax
.endm
.macro show value
    pushl %eax
    movl \value, %eax
    call hex32
    popl %eax
.endm
.macro showstack offset
    movl \offset(%esp), %eax
    call hex32
.endm
# The next instruction of this kind faults, and execution goes on at `label`.
.macro expect label
    movl $L(\label), RESUME
.endm

hex32:
    pushl %ecx
    movl $8, %ecx
1:  roll $4, %eax
    pushl %eax
    andb $15, %al
    cmpb $10, %al
    sbbb $0x69, %al
    das
    outb %al, $0xe9
    popl %eax
    decl %ecx
    jnz 1b
    tell ' '
    popl %ecx
    ret

protected:
    movw $KDATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $KSTACK, %esp
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    tell '\n'
    tell 'P'
    call make_idt
    movw $TSSA, %ax
    ltr %ax
    # Questions about descriptors.
    movl $KCODE, %ecx
    lar %ecx, %eax
    show %eax
    lsl %ecx, %eax
    show %eax
    movl $TSSA, %ecx
    lar %ecx, %eax
    show %eax
    lsl %ecx, %eax
    show %eax
    xorl %eax, %eax
    strw %ax
    show %eax
    # Bad selectors.
    expect 1f
    movw $0x1000, %ax
    movw %ax, %ds
1:  expect 1f
    movw $ABSENT, %ax
    movw %ax, %es
1:  expect 1f
    movw $KDATA + 3, %ax
    movw %ax, %es
1:  expect 1f
    xorl %eax, %eax
    movw %ax, %ss
1:  expect 1f
    ljmp $KDATA, $0
1:  expect 1f
    movw $TSSA, %ax      # busy
    ltr %ax
1:  expect 1f
    int $0x70            # not present
1:  int $0x50
    # Division, bound, undefined.
    expect 1f
    xorl %ecx, %ecx
    divl %ecx
1:  expect 1f
    movl $5, %eax
    boundl %eax, L(bounds)
1:  expect 1f
    ud2
1:  int3
    # Into ring 3.
    tell '\n'
    tell '3'
    pushl $UDATA
    pushl $0xa000
    pushl $0x0202
    pushl $UCODE
    pushl $L(user)
    iretl

user:
    movw $UDATA, %ax
    movw %ax, %ds
    int $0x80
    int3
    expect 1f
user_cli:
    cli
1:  expect 1f
    int $0x50            # its gate is for ring 0
1:  expect 1f
    movw $KDATA, %ax
    movw %ax, %es
1:  expect 1f
    movl %cr0, %eax
1:  expect 1f
    hlt
1:  expect 1f
    inb $0x60, %al
1:  expect 1f
    ljmp $KCODE, $0
1:  pushl $0x22222222
    pushl $0x11111111
    lcall $CALLGATE, $0
    pushl %ds
    popl %eax
    movl %eax, %ecx
    movl %esp, %edx
    int $0x80            # its handler shows ECX and EDX
    pushfl
    popl %ecx
    movl $0x00243fd7, %edx
    pushl %edx
    popfl                # IF and IOPL stay
    pushfl
    popl %edx
    pushl $2
    popfl
    int $0x80
    movl $L(v86_start), ESCAPE
    int $0x80

gate_target:
    tell 'g'
    showstack 8
    showstack 12
    showstack 4
    show %esp
    showstack 16
    lret $8

v86_start:
    tell '\n'
    tell '8'
    movw $KDATA, %ax
    movw %ax, %ds
    pushl $0x5555        # GS FS DS ES
    pushl $0x4444
    pushl $0
    pushl $0x2222
    pushl $0x2000        # SS:ESP
    pushl $0x8000
    pushl $0x00020202
    pushl $0x1000
    pushl $O(v86)
    iretl
.code16
v86:
    movl $O(1f), RESUME
    pushfw               # IOPL is 0
1:  movl $O(1f), RESUME
    cli
1:  movl $O(1f), RESUME
    smsww %ax
    movl %cr0, %eax
1:  movl $O(1f), RESUME
    lldt %ax
1:  movw $0x1234, %ax
    movw %ax, %es
    pushw %es
    popw %cx
    movw %sp, %dx
    movl $L(tasks), ESCAPE
    int $0x21
.code32

tasks:
    tell '\n'
    tell 'T'
    movw $KDATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movl $0x77, %ebx
    lcall $TSSB, $0
    show %ebx
    pushfl
    popl %eax
    show %eax
    strw %ax
    show %eax
    lcall $TSSB, $0
    movl %cr0, %eax
    show %eax
    clts
    movb L(gdt) + TSSB + 5, %al
    show %eax
    expect 1f
    ljmp $TSSA, $0       # busy
1:
    # Paging: the first 4 MiB onto themselves.
    tell '\n'
    tell 'M'
    movl $0x20000, %edi
    xorl %eax, %eax
    movl $0x1000, %ecx
    rep stosl
    movl $0x22007, 0x20000
    movl $0x22000, %edi
    movl $7, %eax
1:  movl %eax, (%edi)
    addl $4, %edi
    addl $0x1000, %eax
    cmpl $0x400007, %eax
    jne 1b
    movl $0x30005, 0x22000 + 4 * 0x30     # 30000: read only
    movl $0x31003, 0x22000 + 4 * 0x31     # 31000: supervisor
    movl $0x20000, %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    expect 1f
    movl 0x400123, %eax
1:  expect 1f
    movl %eax, 0x400ffe
1:  movl %eax, 0x30000   # allowed: WP is clear
    movl %cr0, %eax
    orl $0x10000, %eax
    movl %eax, %cr0
    expect 1f
    movl %eax, 0x30004
1:  movl 0x22000 + 4 * 0x30, %eax
    show %eax
    movl 0x22000 + 4 * 0x31, %eax
    show %eax
    pushl $UDATA
    pushl $0xa000
    pushl $0x3202
    pushl $UCODE
    pushl $L(user_paging)
    iretl
user_paging:
    movw $UDATA, %ax
    movw %ax, %ds
    expect 1f
    movl 0x31000, %eax
1:  expect 1f
    movl %eax, 0x31000
1:  movl $L(pae), ESCAPE
    movl $0, 0x30008
pae:
    movw $KDATA, %ax
    movw %ax, %ds
    tell '\n'
    tell 'E'
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    movl $0x24001, 0x23000
    movl $0, 0x23004
    xorl %eax, %eax
    movl %eax, 0x23008
    movl %eax, 0x23010
    movl %eax, 0x23018
    movl $0x000000e3, 0x24000
    movl $0, 0x24004
    movl $0x002000e3, 0x24008             # 2 MiB: not executable
    movl $0x80000000, 0x2400c
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x800, %eax
    wrmsr
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $0x23000, %eax
    movl %eax, %cr3
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    movl $0xc3, 0x200000
    movl $0x200000, %eax
    expect 1f
    call *%eax
1:  addl $4, %esp
    expect 1f
    movl 0x600000, %eax
1:
1:  movl %cr3, %eax
    show %eax
    # Debugging.
    tell '\n'
    tell 'D'
    pushfl
    orl $0x100, (%esp)
    popfl
    nop
    cld
    pushfl
    andl $0xfffffeff, (%esp)
    popfl
    nop
    movl $L(broken), %eax
    movl %eax, %dr0
    movl $0x8004, %eax
    movl %eax, %dr1
    movl $0x00d0040a, %eax                # DR0 execute, DR1 write, four bytes
    movl %eax, %dr7
broken:
    nop
    movl $1, 0x8004
    nop
    movl $0x402, %eax
    movl %eax, %dr7
    movl %dr7, %eax
    show %eax
    xorl %eax, %eax
    movl %eax, %dr7
    # Faults in IRET, then the end.
    expect 1f
    pushl $2
    pushl $KDATA
    pushl $0
    iretl
1:  addl $12, %esp
    expect 1f
    pushl $2
    pushl $UCODE
    pushl $0
    movl $0xbad, 12(%esp)
    movl $0x1234, 16(%esp)
    iretl
1:  addl $12, %esp
    tell '\n'
    tell 'Z'
    lidt L(no_idt)
    int3
    tell '!'

task_b:
    tell 't'
    show %eax
    strw %ax
    show %eax
    pushfl
    popl %eax
    show %eax
    movl $0xb0b, %eax
    iretl
    tell 'b'
    iretl

make_idt:
    movl $0x2000, %edi
    movl $L(stubs), %eax
    movl $0x81, %ecx
1:  movl %eax, %edx
    andl $0xffff, %edx
    orl $KCODE << 16, %edx
    movl %edx, (%edi)
    movl %eax, %edx
    andl $0xffff0000, %edx
    orl $0x8e00, %edx
    movl %edx, 4(%edi)
    addl $16, %eax
    addl $8, %edi
    loop 1b
    orl $0x6000, 0x2000 + 8 * 3 + 4
    orl $0x6000, 0x2000 + 8 * 0x80 + 4
    andl $0xffff7fff, 0x2000 + 8 * 0x70 + 4
    ret

.balign 16
stubs:
.set vector, 0
.rept 0x81
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17
    .else
    pushl $-1
    .endif
    pushl $vector
    jmp handler
    .balign 16
    .set vector, vector + 1
.endr

# On the stack: DS, the eight registers, vector, error, EIP, CS, EFLAGS.
handler:
    pushal
    pushl %ds
    movl $KDATA, %eax
    movw %ax, %ds
    cld
    tell '<'
    showstack 36
    showstack 40
    showstack 44
    showstack 48
    movl 52(%esp), %eax
    andl $0xfffeffff, %eax
    call hex32
    movl 36(%esp), %eax
    cmpl $14, %eax
    jne 1f
    movl %cr2, %ecx
    show %ecx
1:  cmpl $1, %eax
    jne 1f
    movl %dr6, %ecx
    andl $0xe00f, %ecx
    show %ecx
    movl $0xffff0ff0, %ecx
    movl %ecx, %dr6
    orl $0x10000, 52(%esp)
1:  cmpl $0x80, %eax
    jne 1f
    showstack 28
    showstack 24
1:  tell '>'
    movl ESCAPE, %ecx
    testl %ecx, %ecx
    jz 1f
    movl $0, ESCAPE
    movl $KSTACK, %esp
    jmp *%ecx
1:  movl RESUME, %ecx
    testl %ecx, %ecx
    jz 1f
    movl $0, RESUME
    movl %ecx, 44(%esp)
1:  popl %ds
    popal
    addl $8, %esp
    iretl

.balign 8
bounds: .long 0, 4
gdtr:   .word gdt_end - gdt - 1
        .long L(gdt)
idtr:   .word 0x81 * 8 - 1
        .long 0x2000
no_idt: .word 0
        .long 0
.balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf92000000ffff
    .quad 0x00cffb000000ffff
    .quad 0x00cff2000000ffff
    .word 0x67, O(tss_a), 0x8901, 0
    .word 0x67, O(tss_b), 0x8901, 0
    .word O(gate_target), KCODE, 0xec02, 1
    .quad 0x00cf12000000ffff
gdt_end:
tss_a:
    .long 0, KSTACK, KDATA
    .fill 0x66 - 12, 1, 0
    .word 0x68
tss_b:
    .long 0, 0, 0, 0, 0, 0, 0, 0
    .long L(task_b), 2
    .long 0xaaaa, 0, 0, 0, 0x9800, 0, 0, 0
    .long KDATA, KCODE, KDATA, KDATA, 0, 0
    .long 0
    .word 0, 0x68

.org 0xfff0
.code16
    ljmp $0xf000, $O(start)
.org 0x10000
