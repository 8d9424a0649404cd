// SPDX-License-Identifier: Apache-2.0
// A small guest that is always at its disk: it writes eight sectors by DMA, reads eight others back by DMA and one by PIO, adds up
// what it read, and says a character now and then. The disk is the first on the primary cable, of at least 1 MiB.
#include "rom.inc"
        .equ    kTable, 0x8000
        .equ    kOut, 0x9000
        .equ    kIn, 0xa000
        .equ    kMaster, 0xc000

        .macro  CONFIG register, value
        mov     $0xcf8, %dx
        mov     $0x80000900 + \register, %eax
        out     %eax, %dx
        mov     $0xcfc, %dx
        mov     $\value, %eax
        out     %eax, %dx
        .endm

        // Eight sectors at a sector drawn below 2000, into %ebp; count in the drive.
        .macro  DRAW sectors
        imul    $1664525, %ebx, %ebx
        add     $1013904223, %ebx
        mov     %ebx, %eax
        shr     $8, %eax
        xor     %edx, %edx
        mov     $2000, %ecx
        div     %ecx
        mov     %edx, %ebp
        mov     $0x1f2, %dx
        mov     $\sectors, %al
        out     %al, %dx
        inc     %dx
        mov     %ebp, %eax
        out     %al, %dx
        inc     %dx
        mov     %ah, %al
        out     %al, %dx
        inc     %dx
        xor     %al, %al
        out     %al, %dx
        inc     %dx
        mov     $0xe0, %al
        out     %al, %dx
        .endm

        .macro  COMMAND code
        mov     $0x1f7, %dx
        mov     $\code, %al
        out     %al, %dx
        .endm

        .macro  DMA address, direction
        movl    $\address, kTable
        movl    $0x80001000, kTable + 4
        mov     $kMaster, %dx
        mov     $\direction, %al
        out     %al, %dx
        or      $1, %al
        out     %al, %dx
        call    busy
        mov     $kMaster, %dx
        xor     %al, %al
        out     %al, %dx
        mov     $kMaster + 2, %dx
        mov     $6, %al
        out     %al, %dx
        .endm

main:   CONFIG  0x40, 0x80008000
        CONFIG  0x20, kMaster
        CONFIG  0x04, 5
        mov     $kMaster + 4, %dx
        mov     $kTable, %eax
        out     %eax, %dx
        mov     $0x12345, %ebx
again:  inc     %esi
        mov     $kOut, %edi
        mov     %ebx, %eax
        mov     $0x400, %ecx
1:      stosl
        add     %esi, %eax
        loop    1b
        DRAW    8
        COMMAND 0xca
        DMA     kOut, 0
        DRAW    8
        COMMAND 0xc8
        DMA     kIn, 8
        mov     $kIn, %edi
        mov     $0x400, %ecx
1:      mov     (%edi), %eax
        add     %eax, 0x7000
        add     $4, %edi
        loop    1b
        DRAW    1
        COMMAND 0x20
        call    busy
        mov     $0x1f0, %dx
        mov     $0xb000, %edi
        mov     $256, %ecx
        rep insw
        mov     0xb000, %eax
        xor     %eax, 0x7004
        test    $7, %esi
        jnz     again
        COMMAND 0xe7
        call    busy
        mov     $0x3f8, %dx
        mov     0x7004, %al
        out     %al, %dx
        jmp     again

        // Until the drive is not busy; reading the status acknowledges its interrupt.
busy:   mov     $0x1f7, %dx
1:      in      %dx, %al
        test    $0x80, %al
        jnz     1b
        ret
        END_OF_ROM
