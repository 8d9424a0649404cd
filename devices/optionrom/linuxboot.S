/* SPDX-License-Identifier: Apache-2.0 */
/* Boot ROM for Linux kernels in bzImage form: copies the four parts that the loader prepared and enters the real-mode
 * setup code.
 * Document: Linux x86 boot protocol, "Running the kernel". */
#include "optionrom.inc"

    ROM_HEADER "Linux kernel of -kernel"
    FW_CFG_ROUTINES

boot_entry:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ss
    movl $STACK_TOP, %esp
    LOAD_ITEM SETUP_ADDR, SETUP_SIZE, SETUP_DATA
    LOAD_ITEM CMDLINE_ADDR, CMDLINE_SIZE, CMDLINE_DATA
    LOAD_ITEM INITRD_ADDR, INITRD_SIZE, INITRD_DATA
    LOAD_ITEM KERNEL_ADDR, KERNEL_SIZE, KERNEL_DATA

    /* All data segments at the setup code, the stack at the end of its heap, CS 0x20 paragraphs further. */
    READ_ITEM SETUP_ADDR
    shrl $4, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movzwl 0x224, %esp              /* heap_end_ptr: end of the heap, less 0x200 */
    addw $(0x200 - 16), %sp
    addw $0x20, %ax
    pushw %ax
    pushw $0
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
    lretw
