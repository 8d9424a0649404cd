// SPDX-License-Identifier: Apache-2.0
// count_work as a bare guest: copied to 1 MiB, run there.
#include "rom.inc"
main:   mov $work, %esi
        mov $0x100000, %edi
        mov $work_end - work, %ecx
        rep movsb
        mov $0x200000, %ebp
        mov $0x100000, %eax
        jmp *%eax
work:   .incbin COUNT_WORK
work_end:
        jmp .
        END_OF_ROM
