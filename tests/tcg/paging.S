# SPDX-License-Identifier: Apache-2.0
# A firmware image of 64 KiB that tries every combination of permissions in every paging format and reports on port E9: 4 KiB and
# 4 MiB pages of 32-bit paging, 4 KiB and 2 MiB pages of PAE, with execute-disable on and (where the bit is then reserved) off;
# CR0.WP clear and set; reading, writing and executing from ring 0 and from ring 3. SDM volume 3, 4.3, 4.4, 4.6, 4.7, 4.8.
#
# For each access: '@' + error code of the page fault; or '.' and then the A and D bits that it left: 1 A of the directory
# entry, 2 A of the table entry, 4 D of the entry that maps the page. (What a fault leaves in A bits is the processor's choice.)
# Each combination of entries gives six accesses. What it prints is in paging.expected, as another emulator printed it (QEMU 7.2:
#   qemu-system-i386 -accel tcg -cpu qemu32,+nx,+pae -m 16 -bios paging.bin -no-reboot -nodefaults -debugcon file:LOG)
# but for the last mode: a reserved bit is only looked at in an entry that is present, so the error code has P as well as RSVD (4.7).
#define L(x) ((x) - base + 0x10000)   /* linear address: the image copies itself to 64 KiB */
#define O(x) ((x) - base)             /* offset in segment 1000 */
#define KCODE 0x08
#define KDATA 0x10
#define UCODE 0x1b
#define UDATA 0x23
#define TSS 0x28
#define RESULT 0x500                  /* error code, or -1 */
#define MODE 0x504                    /* 0: 4 KiB, 1: 4 MiB, 2: PAE 4 KiB, 3: PAE 2 MiB, 4: PAE 4 KiB without EFER.NXE */
#define DIRECTORY_FLAGS 0x508         /* P, R/W, U/S, and bit 3: XD */
#define TABLE_FLAGS 0x50c
#define ACCESS 0x510                  /* 0-2: read, write, execute in ring 0; 3-5 in ring 3 */
#define KSTACK 0x9000
#define USTACK 0xa000
#define PDPT 0x20000
#define PAE_DIRECTORY 0x21000
#define PAE_TABLE 0x22000
#define DIRECTORY 0x23000
#define TABLE 0x24000
#define PAGE 0x30000                  /* physical, behind the table */
#define LARGE 0x400000                /* physical, behind the directory */
#define WHERE 0x800000                /* linear */

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
real:
    data32 lgdt %cs:O(gdtr)
    data32 lidt %cs:O(idtr)
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    data32 ljmp $KCODE, $L(protected)

.code32
protected:
    movw $KDATA, %ax
    movw %ax, %ss
    movw $UDATA, %ax                      # stays usable in ring 3
    movw %ax, %ds
    movw %ax, %es
    movl $KSTACK, %esp
    movw $TSS, %ax
    ltr %ax
    # The first 4 MiB where they are, for everybody; a RET where things are executed.
    movb $0xc3, PAGE
    movb $0xc3, LARGE
    movl $0x87, DIRECTORY
    movl $PAE_DIRECTORY + 1, PDPT
    movl $0x87, PAE_DIRECTORY
    movl $0x200087, PAE_DIRECTORY + 8
    movl $0, MODE

next_mode:
    movl $0x10, %eax                      # CR4.PSE
    movl $DIRECTORY, %ebx
    cmpl $2, MODE
    jb 1f
    movl $0x20, %eax                      # CR4.PAE
    movl $PDPT, %ebx
1:  movl %eax, %cr4
    movl %ebx, %cr3
    movl $0xc0000080, %ecx
    xorl %edx, %edx
    xorl %eax, %eax
    cmpl $4, MODE
    je 1f
    movl $0x800, %eax
1:  wrmsr
    xorl %esi, %esi                       # WP
next_wp:
    movl $0x80000001, %eax
    testl %esi, %esi
    jz 1f
    orl $0x10000, %eax
1:  movl %eax, %cr0
    movl $0, DIRECTORY_FLAGS
next_directory:
    movl $0, TABLE_FLAGS
next_table:
    movl $0, ACCESS
next_access:
    movl $-1, RESULT
    # The entries.
    movl DIRECTORY_FLAGS, %eax
    movl TABLE_FLAGS, %ebx
    movl %eax, %ecx
    movl %ebx, %edx
    andl $7, %eax
    andl $7, %ebx
    shll $28, %ecx
    andl $0x80000000, %ecx                # XD
    shll $28, %edx
    andl $0x80000000, %edx
    orl $PAGE, %ebx
    cmpl $2, MODE
    jae 2f
    movl %ebx, TABLE
    cmpl $1, MODE
    je 1f
    orl $TABLE, %eax
    movl %eax, DIRECTORY + 8
    jmp 4f
1:  orl $LARGE + 0x80, %eax
    movl %eax, DIRECTORY + 8
    jmp 4f
2:  movl %ebx, PAE_TABLE
    movl %edx, PAE_TABLE + 4
    movl %ecx, PAE_DIRECTORY + 4 * 8 + 4
    cmpl $3, MODE
    je 3f
    orl $PAE_TABLE, %eax
    movl %eax, PAE_DIRECTORY + 4 * 8
    jmp 4f
3:  orl $LARGE + 0x80, %eax
    movl %eax, PAE_DIRECTORY + 4 * 8
4:  movl %cr3, %eax
    movl %eax, %cr3
    # The access.
    movl ACCESS, %ecx
    cmpl $3, %ecx
    jae 5f
    call access
    jmp done
5:  subl $3, %ecx
    pushl $UDATA
    pushl $USTACK
    pushl $0x2
    pushl $UCODE
    pushl $L(user)
    iret

access:
    testl %ecx, %ecx
    jz 1f
    cmpl $1, %ecx
    je 2f
    movl $WHERE, %eax
    call *%eax
    ret
1:  movl WHERE + 0x100, %eax
    ret
2:  movl %eax, WHERE + 0x100
    ret

user:
    call access
    int $0x80

page_fault:
    popl RESULT
done:
    # From wherever it came.
    movl $KSTACK, %esp
    movl RESULT, %eax
    cmpl $-1, %eax
    je 1f
    addb $'@', %al
    outb %al, $0xe9
    jmp 9f
1:  movb $'.', %al
    outb %al, $0xe9
    movl DIRECTORY + 8, %eax
    movl TABLE, %ebx
    cmpl $2, MODE
    jb 2f
    movl PAE_DIRECTORY + 4 * 8, %eax
    movl PAE_TABLE, %ebx
2:  movl MODE, %edx
    andl $5, %edx
    cmpl $1, %edx
    jne 3f
    # A large page: its D is the directory entry's.
    movl %eax, %ebx
    andl $0xffffffdf, %ebx
3:  shrl $5, %eax
    andl $1, %eax
    shrl $4, %ebx
    andl $6, %ebx
    orl %ebx, %eax
    addb $'0', %al
    outb %al, $0xe9
9:
    incl ACCESS
    cmpl $6, ACCESS
    jb next_access
    # Other entries.
    movl $8, %ecx
    cmpl $2, MODE
    jb 1f
    movl $16, %ecx
1:  movl MODE, %edx
    andl $5, %edx
    cmpl $1, %edx
    je 2f
    incl TABLE_FLAGS
    cmpl %ecx, TABLE_FLAGS
    jb next_table
2:  movb $'\n', %al
    outb %al, $0xe9
    incl DIRECTORY_FLAGS
    cmpl %ecx, DIRECTORY_FLAGS
    jb next_directory
    incl %esi
    cmpl $2, %esi
    jb next_wp
    # Another mode: paging off between.
    movl $1, %eax
    movl %eax, %cr0
    incl MODE
    cmpl $5, MODE
    jb next_mode
    # A triple fault ends it.
    lidt L(no_idt)
    int3

other_fault:
    movb $'!', %al
    outb %al, $0xe9
    lidt L(no_idt)
    int3

.align 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00cffb000000ffff
    .quad 0x00cff3000000ffff
    .word 0x67, L(tss) & 0xffff
    .byte 1, 0x89, 0, 0
gdtr:
    .word gdtr - gdt - 1
    .long L(gdt)
idtr:
    .word 8 * 0x81 - 1
    .long L(idt)
no_idt:
    .word 0
    .long 0
.align 8
idt:
    .rept 14
    .word O(other_fault), KCODE, 0x8e00, 1
    .endr
    .word O(page_fault), KCODE, 0x8e00, 1
    .rept 0x80 - 15
    .word O(other_fault), KCODE, 0x8e00, 1
    .endr
    .word O(done), KCODE, 0xee00, 1
.align 4
tss:
    .long 0, KSTACK, KDATA
    .fill 0x68 - 12, 1, 0

.org 0xfff0
.code16
    ljmp $0xf000, $O(start)
.org 0x10000
