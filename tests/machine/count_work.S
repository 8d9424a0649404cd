// SPDX-License-Identifier: Apache-2.0
// Integer work whose steps are counted, on the host's processor and on ours; the same bytes in both, independent of where they
// are. In: EBP, 64 KiB of memory that may be written; ESP. Falls out at the end. No system calls, no faults.
        .text
        .globl _start
_start: cld
        // A loop, calls, a tree of branches.
        mov $200, %ecx
        xor %eax, %eax
1:      add %ecx, %eax
        imul $1103515245, %eax, %eax
        test $4, %al
        jz 2f
        call collatz
2:      dec %ecx
        jnz 1b
        mov $37, %ecx
3:      nop
        loop 3b
        xor %ecx, %ecx
        jecxz 4f
        ud2
4:
        // REP with every count, 0 and 1 among them, each way, each size, across pages.
        mov $70, %edx
5:      lea (%ebp), %edi
        mov %edx, %ecx
        dec %ecx
        mov $0x11223344, %eax
        rep stosb
        mov %edx, %ecx
        dec %ecx
        rep stosl
        lea 0xfe0(%ebp), %esi
        lea 0x2fee(%ebp), %edi
        mov %edx, %ecx
        dec %ecx
        rep movsw
        std
        lea 0x1010(%ebp), %esi
        lea 0x3010(%ebp), %edi
        mov %edx, %ecx
        dec %ecx
        rep movsl
        mov %edx, %ecx
        dec %ecx
        rep lodsb
        cld
        dec %edx
        jnz 5b
        // Long ones.
        lea 5(%ebp), %edi
        mov $9001, %ecx
        mov $0x5a, %al
        rep stosb
        lea 5(%ebp), %esi
        lea 30001(%ebp), %edi
        mov $2000, %ecx
        rep movsl
        lea 5(%ebp), %esi
        lea 6(%ebp), %edi
        mov $3000, %ecx
        rep movsb
        // REPE and REPNE: ended by the count, by the flag, by both, without a single element.
        movb $0x33, 777(%ebp)
        lea 5(%ebp), %edi
        mov $10000, %ecx
        mov $0x33, %al
        repne scasb
        lea 5(%ebp), %edi
        mov $500, %ecx
        mov $0x5a, %al
        repe scasb
        lea 770(%ebp), %edi
        mov $8, %ecx
        mov $0x33, %al
        repne scasb
        xor %ecx, %ecx
        repne scasb
        repe scasl
        repe cmpsb
        lea 5(%ebp), %esi
        lea 30001(%ebp), %edi
        mov $1500, %ecx
        repe cmpsl
        lea 5(%ebp), %esi
        lea 30001(%ebp), %edi
        mov $1, %ecx
        repe cmpsw
        lea 5(%ebp), %esi
        lea 1000(%ebp), %edi
        mov $90, %ecx
        repne cmpsb
        rep movsb
        // Without REP.
        mov $3, %ecx
        movsb
        stosl
        lodsw
        scasb
        cmpsl
        // Prefixes that mean nothing, stack, flags, 16-bit forms.
        mov $100, %ebx
6:      push %ebx
        pushf
        popf
        pop %ax
        push %ax
        pop %ebx
        enter $16, $2
        leave
        cmc
        bswap %eax
        xchg %eax, 40(%ebp)
        lock incl 44(%ebp)
        bt %ebx, 40(%ebp)
        shld %cl, %eax, 48(%ebp)
        cmpxchg %edx, 40(%ebp)
        .byte 0xf3
        nop
        dec %ebx
        jnz 6b
        mov $100, %ecx
7:      mov %ecx, %eax
        cltd
        mov $7, %ebx
        idiv %ebx
        aam
        daa
        loop 7b
        jmp 9f

collatz:
        push %eax
        and $0xffff, %eax
        or $1, %eax
8:      cmp $1, %eax
        je 8f
        test $1, %al
        jz 7f
        lea 1(%eax,%eax,2), %eax
7:      shr %eax
        jmp 8b
8:      pop %eax
        ret
9:
