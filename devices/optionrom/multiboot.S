/* SPDX-License-Identifier: Apache-2.0 */
/* Boot ROM for Multiboot kernels: copies the kernel with its modules and the information structure, completes the latter
 * with the BIOS's memory map, and enters the kernel in protected mode.
 *
 * The information structure comes with mmap_addr pointing at room for MMAP_ENTRIES entries below 64 KiB.
 * Document: Multiboot Specification 0.6.96, sections 3.2 and 3.3. */
#include "optionrom.inc"

#define MMAP_ENTRIES 32
#define MMAP_ENTRY_BYTES 24
#define MBI_FLAGS 0
#define MBI_MEM_LOWER 4
#define MBI_MEM_UPPER 8
#define MBI_MMAP_LENGTH 44
#define MBI_MMAP_ADDR 48
#define MBI_HAS_MEMORY_AND_MMAP 0x41
#define BOOTLOADER_MAGIC 0x2badb002
#define SMAP 0x534d4150
#define CODE_SELECTOR 8
#define DATA_SELECTOR 16

    ROM_HEADER "Multiboot kernel of -kernel"
    FW_CFG_ROUTINES

boot_entry:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ss
    movw %ax, %ds
    movw %ax, %es
    movl $STACK_TOP, %esp
    LOAD_ITEM INITRD_ADDR, INITRD_SIZE, INITRD_DATA
    READ_ITEM INITRD_ADDR
    pushl %eax                      /* the information structure; %bp = its offset in segment 0 */
    movw %ax, %bp

    int $0x12
    movzwl %ax, %eax
    movl %eax, %ds:MBI_MEM_LOWER(%bp)
    orl $MBI_HAS_MEMORY_AND_MMAP, %ds:MBI_FLAGS(%bp)

    movw %ds:MBI_MMAP_ADDR(%bp), %di
    movw $MMAP_ENTRIES, %si
    xorl %ebx, %ebx
next_range:
    movl $0xe820, %eax
    movl $SMAP, %edx
    movl $20, %ecx
    movl $20, (%di)                 /* size of the entry without this field */
    addw $4, %di
    pushw %si
    pushw %bp
    int $0x15
    popw %bp
    popw %si
    jc ranges_done                  /* some BIOSes say so only after the last range */
    cmpl $1, 16(%di)                /* RAM from 1 MiB up? */
    jne 1f
    cmpl $0x100000, (%di)
    jne 1f
    cmpl $0, 4(%di)
    jne 1f
    movl 8(%di), %eax
    shrl $10, %eax
    movl %eax, %ds:MBI_MEM_UPPER(%bp)
1:  addw $20, %di
    decw %si
    jz map_full
    testl %ebx, %ebx
    jnz next_range
    jmp map_full
ranges_done:
    subw $4, %di
map_full:
    movzwl %di, %eax
    subl %ds:MBI_MMAP_ADDR(%bp), %eax
    movl %eax, %ds:MBI_MMAP_LENGTH(%bp)

    /* Only now: the BIOS is not called again, should the kernel lie where the BIOS has its data. */
    LOAD_ITEM KERNEL_ADDR, KERNEL_SIZE, KERNEL_DATA
    READ_ITEM KERNEL_ENTRY
    movl %eax, %esi
    popl %ebp

    inb $0x92, %al                  /* A20 on */
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92

    cli                             /* the BIOS calls may have enabled interrupts */
    xorl %ebx, %ebx
    movw %cs, %bx
    shll $4, %ebx                   /* linear address of this ROM */
    leal (gdt - _start)(%ebx), %eax
    pushl %eax
    pushw $(gdt_end - gdt - 1)
    movw %sp, %di
    lgdtl (%di)
    addw $6, %sp
    leal (protected_mode - _start)(%ebx), %eax
    pushl $CODE_SELECTOR
    pushl %eax
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    lretl

    .code32
protected_mode:
    movl $DATA_SELECTOR, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    movl %ebp, %ebx
    movl $BOOTLOADER_MAGIC, %eax
    jmp *%esi

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff        /* code, 4 GiB, accessed already: the table is read-only */
    .quad 0x00cf93000000ffff        /* data, 4 GiB */
gdt_end:
