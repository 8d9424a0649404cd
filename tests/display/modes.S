// SPDX-License-Identifier: Apache-2.0
// A guest that sets the video mode named on its command line (four hexadecimal digits) through the VGA BIOS, fills video
// memory with a pattern and halts. It is a bzImage whose real-mode setup code is all there is, so that it starts wherever a
// Linux kernel does. Port E9h: "D" when the picture stands, "F" where the BIOS refuses the mode.
    .code16
    .globl _start
_start:
    .org 0x1f1
    .byte 3                     // setup sectors after this one
    .word 0
    .long 1                     // 16 bytes of the 32-bit part
    .word 0, 0, 0
    .org 0x1fe
    .word 0xaa55
    .org 0x200
    jmp begin
    .ascii "HdrS"
    .word 0x0206
    .long 0
    .word 0, 0
    .byte 0, 1                  // loader, load high
    .word 0
    .long 0x100000
    .long 0, 0
    .long 0
    .word 0, 0
cmd_line:
    .long 0
    .long 0x37ffffff
    .long 0x1000000
    .byte 0, 0, 0, 0
    .long 255
    .org 0x260
begin:
    cld
    cli
    push %cs
    pop %ds                     // 0x9020 or the like: labels are 0x200 further down
    mov $0x7000, %ax
    mov %ax, %ss
    mov $0xfff0, %sp
    sti
    mov cmd_line - 0x200, %eax
    mov %eax, %esi
    shr $4, %eax
    mov %ax, %es
    and $15, %si
    xor %bx, %bx
    mov $4, %cx
1:  mov %es:(%si), %al
    inc %si
    sub $'0', %al
    cmp $10, %al
    jb 2f
    sub $'a' - '0' - 10, %al
2:  shl $4, %bx
    or %al, %bl
    loop 1b
    mov %bx, mode - 0x200
    cmp $0x100, %bx
    jae vbe

    mov %bx, %ax
    int $0x10
    mov $1, %ah                 // no cursor: it blinks by the host's clock on other machines
    mov $0x2000, %cx
    int $0x10
    mov $0x1003, %ax            // bright backgrounds instead of blinking, for the same reason
    xor %bx, %bx
    int $0x10
    mov mode - 0x200, %bx
    mov $0xb800, %ax
    mov $0x4000, %cx
    cmp $7, %bx
    jb 3f
    mov $0xb000, %ax
    je 3f
    mov $0xa000, %ax
    mov $0xffff, %cx
3:  mov %ax, %es
    cmp $0x0d, %bx
    jb plain
    cmp $0x13, %bx
    je plain
    // Planes: each its own pattern through the map mask, then set/reset, rotation with XOR, write modes 1, 2 and 3.
    mov $1, %bl
4:  mov $0x3c4, %dx
    mov $2, %al
    mov %bl, %ah
    out %ax, %dx
    call fill
    shl $1, %bl
    cmp $16, %bl
    jb 4b
    mov $0x0f02, %ax
    out %ax, %dx
    mov $0x3ce, %dx
    mov $0x0500, %ax            // set/reset: colour 5
    out %ax, %dx
    mov $0x0701, %ax            // in planes 0 to 2
    out %ax, %dx
    mov $0x3c08, %ax            // bit mask
    out %ax, %dx
    mov $0x1a03, %ax            // XOR, rotated by 2
    out %ax, %dx
    mov $0x1000, %di
    mov $0x0800, %cx
5:  mov %es:(%di), %al
    mov %cl, %al
    stosb
    loop 5b
    mov $0x0003, %ax
    out %ax, %dx
    mov $0x0205, %ax            // write mode 2
    out %ax, %dx
    mov $0x0800, %cx
6:  mov %es:(%di), %al
    mov %cl, %al
    stosb
    loop 6b
    mov $0x0305, %ax            // write mode 3
    out %ax, %dx
    mov $0x0800, %cx
7:  mov %es:(%di), %al
    mov %cl, %al
    stosb
    loop 7b
    mov $0x0105, %ax            // write mode 1: copies
    out %ax, %dx
    mov $0x0400, %si
    mov $0x0800, %cx
8:  mov %es:(%si), %al
    inc %si
    stosb
    loop 8b
    jmp done

plain:
    call fill
    jmp done

vbe:
    mov $0x4f02, %ax
    int $0x10
    cmp $0x004f, %ax
    jne refused
    mov $0xa000, %ax
    mov %ax, %es
    xor %bp, %bp
9:  mov $0x4f05, %ax
    xor %bx, %bx
    mov %bp, %dx
    int $0x10
    mov $0xffff, %cx
    call fill
    inc %bp
    cmp $48, %bp                // 3 MiB
    jb 9b
done:
    mov $'D', %al
    jmp 1f
refused:
    mov $'F', %al
1:  out %al, $0xe9
    cli
    hlt
    jmp 1b

// Fills CX + 1 bytes (or CX, if even) at ES:0; differs by plane or bank (BX, BP).
fill:
    push %bx
    xor %di, %di
    inc %cx
    jnz 1f
    dec %cx
1:  push %cx
2:  mov %di, %ax
    mov %ah, %dl
    imul $7, %dx, %dx
    add %dl, %al
    mov %di, %dx
    shr $6, %dx
    xor %dl, %al
    add %bl, %al
    mov %bp, %dx
    imul $13, %dx, %dx
    add %dl, %al
    stosb
    loop 2b
    pop %cx
    pop %bx
    ret
mode:
    .word 0
    .org 0x800
    .fill 16, 1, 0xf4
