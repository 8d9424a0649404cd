// SPDX-License-Identifier: Apache-2.0
// A small guest that does what the serial port tells it, a letter each: m marks a place, s and t start and stop recording, p says that
// it has failed, k prints that, f faults three times, q leaves; a letter is echoed first. It waits for the timer, 18 times a second,
// and each time writes to another page.
#include "rom.inc"
        .set kPort, 0x5e0
        .macro ON letter, to
        cmp $\letter, %bl
        je \to
        .endm
main:   GATE 0x20, tick
        lidt idt_pointer
        PIC 0xfe                        // only IRQ 0 open
        // PIT counter 0: mode 2, 65536 ticks.
        mov $0x34, %al
        out %al, $0x43
        xor %al, %al
        out %al, $0x40
        out %al, $0x40
        xor %esi, %esi
wait:   sti
        hlt
        cli
        inc %esi
        mov %esi, %edi
        and $0x3ff, %edi
        shl $12, %edi
        mov %esi, 0x100000(%edi)
        mov $0x3fd, %dx
        in %dx, %al
        test $1, %al
        jz wait
        mov $0x3f8, %dx
        in %dx, %al
        out %al, %dx
        mov %al, %bl
        mov $kPort, %dx
        ON 'm', mark
        ON 's', start
        ON 't', stop
        ON 'p', panic
        ON 'k', print
        ON 'f', fault
        ON 'q', leave
        jmp wait
mark:   mov $(4711 << 8) + 1, %eax
        out %eax, %dx
        jmp wait
start:  mov $2, %al
        out %al, %dx
        jmp wait
stop:   mov $3, %al
        out %al, %dx
        jmp wait
panic:  in %dx, %al                     // is the port there?
        cmp $'v', %al
        jne wait
        mov $4, %al
        out %al, %dx
        jmp wait
print:  mov $text, %esi
        mov $text_end - text, %ecx
        mov $0x3f8, %dx
        rep outsb
        jmp wait
fault:  lidt no_idt
        int3
leave:  EXIT 0
tick:   push %eax
        END_OF_INTERRUPT
text:   .ascii "Guest panic - at last\n"
text_end:
        IDT_POINTER
no_idt: .word 0
        .long 0
        END_OF_ROM
