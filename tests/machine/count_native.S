// SPDX-License-Identifier: Apache-2.0
// count_work on the host's processor. Stops once with EAX = the beginning and EBX = the end of the work; then one
// step at a time leads there.
        .text
        .globl _start
_start: lea buffer, %ebp
        lea work, %eax
        lea work_end, %ebx
        int3
work:   .incbin COUNT_WORK
work_end:
        mov $1, %eax
        xor %ebx, %ebx
        int $0x80
        .bss
        .balign 4096
buffer: .skip 65536
