// SPDX-License-Identifier: Apache-2.0
// The board for operating systems: PCI root with its windows and interrupt routing, and what sits on the ISA side.
//
// Two values are filled in when the machine is built (vmm/acpi/acpi.cc): CFGS and PWIN, recognised by their names.
// Interrupts: the four PIRQs of the PIIX3 lead to ISA interrupts, and the I/O APIC has these on pins of the same number, so
// that the routing below serves both interrupt models. Level-triggered, active high at the interrupt controllers.
// Documents: ACPI 2.0; 82371AB and 82371SB data sheets.
DefinitionBlock ("", "DSDT", 1, "VMM", "VMMDSDT", 1)
{
    Name (CFGS, 0x5A5AC0FE)                 // bit n: COM(n+1) is there
    Name (PWIN, 0x5A5AC1FE)                 // first address of the PCI memory window

    Name (_S5, Package () {0, 0, 0, 0})     // soft off is SLP_TYP 0

    Scope (_PR)
    {
        Processor (CPU0, 0, 0, 0) {}
    }

    Scope (_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_ADR, 0)
            Name (_UID, 0)
            Name (WIND, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0xFF, 0, 0x100)
                IO (Decode16, 0xCF8, 0xCF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0, 0xCF7, 0, 0xCF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0xD00, 0xFFFF, 0, 0xF300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite, 0, 0xA0000, 0xBFFFF, 0, 0x20000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite, 0, 0xE0000000, 0xFEBFFFFF, 0,
                             0x1EC00000, , , MEMW)
            })
            Method (_CRS, 0, Serialized)
            {
                CreateDWordField (WIND, \_SB.PCI0.MEMW._MIN, WMIN)
                CreateDWordField (WIND, \_SB.PCI0.MEMW._MAX, WMAX)
                CreateDWordField (WIND, \_SB.PCI0.MEMW._LEN, WLEN)
                WMIN = PWIN
                WLEN = WMAX - WMIN + 1
                Return (WIND)
            }

            // Slot s, pin p: link (s + p - 1) modulo 4. The power management function has the SCI's line for itself.
            Name (_PRT, Package ()
            {
                Package () {0x0000FFFF, 0, LNKD, 0}, Package () {0x0000FFFF, 1, LNKA, 0},
                Package () {0x0000FFFF, 2, LNKB, 0}, Package () {0x0000FFFF, 3, LNKC, 0},
                Package () {0x0001FFFF, 0, LNKS, 0}, Package () {0x0001FFFF, 1, LNKB, 0},
                Package () {0x0001FFFF, 2, LNKC, 0}, Package () {0x0001FFFF, 3, LNKD, 0},
                Package () {0x0002FFFF, 0, LNKB, 0}, Package () {0x0002FFFF, 1, LNKC, 0},
                Package () {0x0002FFFF, 2, LNKD, 0}, Package () {0x0002FFFF, 3, LNKA, 0},
                Package () {0x0003FFFF, 0, LNKC, 0}, Package () {0x0003FFFF, 1, LNKD, 0},
                Package () {0x0003FFFF, 2, LNKA, 0}, Package () {0x0003FFFF, 3, LNKB, 0},
                Package () {0x0004FFFF, 0, LNKD, 0}, Package () {0x0004FFFF, 1, LNKA, 0},
                Package () {0x0004FFFF, 2, LNKB, 0}, Package () {0x0004FFFF, 3, LNKC, 0},
                Package () {0x0005FFFF, 0, LNKA, 0}, Package () {0x0005FFFF, 1, LNKB, 0},
                Package () {0x0005FFFF, 2, LNKC, 0}, Package () {0x0005FFFF, 3, LNKD, 0},
                Package () {0x0006FFFF, 0, LNKB, 0}, Package () {0x0006FFFF, 1, LNKC, 0},
                Package () {0x0006FFFF, 2, LNKD, 0}, Package () {0x0006FFFF, 3, LNKA, 0},
                Package () {0x0007FFFF, 0, LNKC, 0}, Package () {0x0007FFFF, 1, LNKD, 0},
                Package () {0x0007FFFF, 2, LNKA, 0}, Package () {0x0007FFFF, 3, LNKB, 0},
                Package () {0x0008FFFF, 0, LNKD, 0}, Package () {0x0008FFFF, 1, LNKA, 0},
                Package () {0x0008FFFF, 2, LNKB, 0}, Package () {0x0008FFFF, 3, LNKC, 0},
                Package () {0x0009FFFF, 0, LNKA, 0}, Package () {0x0009FFFF, 1, LNKB, 0},
                Package () {0x0009FFFF, 2, LNKC, 0}, Package () {0x0009FFFF, 3, LNKD, 0},
                Package () {0x000AFFFF, 0, LNKB, 0}, Package () {0x000AFFFF, 1, LNKC, 0},
                Package () {0x000AFFFF, 2, LNKD, 0}, Package () {0x000AFFFF, 3, LNKA, 0},
                Package () {0x000BFFFF, 0, LNKC, 0}, Package () {0x000BFFFF, 1, LNKD, 0},
                Package () {0x000BFFFF, 2, LNKA, 0}, Package () {0x000BFFFF, 3, LNKB, 0},
                Package () {0x000CFFFF, 0, LNKD, 0}, Package () {0x000CFFFF, 1, LNKA, 0},
                Package () {0x000CFFFF, 2, LNKB, 0}, Package () {0x000CFFFF, 3, LNKC, 0},
                Package () {0x000DFFFF, 0, LNKA, 0}, Package () {0x000DFFFF, 1, LNKB, 0},
                Package () {0x000DFFFF, 2, LNKC, 0}, Package () {0x000DFFFF, 3, LNKD, 0},
                Package () {0x000EFFFF, 0, LNKB, 0}, Package () {0x000EFFFF, 1, LNKC, 0},
                Package () {0x000EFFFF, 2, LNKD, 0}, Package () {0x000EFFFF, 3, LNKA, 0},
                Package () {0x000FFFFF, 0, LNKC, 0}, Package () {0x000FFFFF, 1, LNKD, 0},
                Package () {0x000FFFFF, 2, LNKA, 0}, Package () {0x000FFFFF, 3, LNKB, 0},
                Package () {0x0010FFFF, 0, LNKD, 0}, Package () {0x0010FFFF, 1, LNKA, 0},
                Package () {0x0010FFFF, 2, LNKB, 0}, Package () {0x0010FFFF, 3, LNKC, 0},
                Package () {0x0011FFFF, 0, LNKA, 0}, Package () {0x0011FFFF, 1, LNKB, 0},
                Package () {0x0011FFFF, 2, LNKC, 0}, Package () {0x0011FFFF, 3, LNKD, 0},
                Package () {0x0012FFFF, 0, LNKB, 0}, Package () {0x0012FFFF, 1, LNKC, 0},
                Package () {0x0012FFFF, 2, LNKD, 0}, Package () {0x0012FFFF, 3, LNKA, 0},
                Package () {0x0013FFFF, 0, LNKC, 0}, Package () {0x0013FFFF, 1, LNKD, 0},
                Package () {0x0013FFFF, 2, LNKA, 0}, Package () {0x0013FFFF, 3, LNKB, 0},
                Package () {0x0014FFFF, 0, LNKD, 0}, Package () {0x0014FFFF, 1, LNKA, 0},
                Package () {0x0014FFFF, 2, LNKB, 0}, Package () {0x0014FFFF, 3, LNKC, 0},
                Package () {0x0015FFFF, 0, LNKA, 0}, Package () {0x0015FFFF, 1, LNKB, 0},
                Package () {0x0015FFFF, 2, LNKC, 0}, Package () {0x0015FFFF, 3, LNKD, 0},
                Package () {0x0016FFFF, 0, LNKB, 0}, Package () {0x0016FFFF, 1, LNKC, 0},
                Package () {0x0016FFFF, 2, LNKD, 0}, Package () {0x0016FFFF, 3, LNKA, 0},
                Package () {0x0017FFFF, 0, LNKC, 0}, Package () {0x0017FFFF, 1, LNKD, 0},
                Package () {0x0017FFFF, 2, LNKA, 0}, Package () {0x0017FFFF, 3, LNKB, 0},
                Package () {0x0018FFFF, 0, LNKD, 0}, Package () {0x0018FFFF, 1, LNKA, 0},
                Package () {0x0018FFFF, 2, LNKB, 0}, Package () {0x0018FFFF, 3, LNKC, 0},
                Package () {0x0019FFFF, 0, LNKA, 0}, Package () {0x0019FFFF, 1, LNKB, 0},
                Package () {0x0019FFFF, 2, LNKC, 0}, Package () {0x0019FFFF, 3, LNKD, 0},
                Package () {0x001AFFFF, 0, LNKB, 0}, Package () {0x001AFFFF, 1, LNKC, 0},
                Package () {0x001AFFFF, 2, LNKD, 0}, Package () {0x001AFFFF, 3, LNKA, 0},
                Package () {0x001BFFFF, 0, LNKC, 0}, Package () {0x001BFFFF, 1, LNKD, 0},
                Package () {0x001BFFFF, 2, LNKA, 0}, Package () {0x001BFFFF, 3, LNKB, 0},
                Package () {0x001CFFFF, 0, LNKD, 0}, Package () {0x001CFFFF, 1, LNKA, 0},
                Package () {0x001CFFFF, 2, LNKB, 0}, Package () {0x001CFFFF, 3, LNKC, 0},
                Package () {0x001DFFFF, 0, LNKA, 0}, Package () {0x001DFFFF, 1, LNKB, 0},
                Package () {0x001DFFFF, 2, LNKC, 0}, Package () {0x001DFFFF, 3, LNKD, 0},
                Package () {0x001EFFFF, 0, LNKB, 0}, Package () {0x001EFFFF, 1, LNKC, 0},
                Package () {0x001EFFFF, 2, LNKD, 0}, Package () {0x001EFFFF, 3, LNKA, 0},
                Package () {0x001FFFFF, 0, LNKC, 0}, Package () {0x001FFFFF, 1, LNKD, 0},
                Package () {0x001FFFFF, 2, LNKA, 0}, Package () {0x001FFFFF, 3, LNKB, 0}
            })

            Device (ISA)
            {
                Name (_ADR, 0x00010000)
                OperationRegion (STEE, PCI_Config, 0x60, 4)
                Field (STEE, ByteAcc, NoLock, Preserve)
                {
                    PRQA, 8, PRQB, 8, PRQC, 8, PRQD, 8
                }

                Method (UART, 1)
                {
                    If (CFGS & (1 << Arg0)) { Return (0x0F) }
                    Return (0)
                }

                Device (PIC)
                {
                    Name (_HID, EisaId ("PNP0000"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x20, 0x20, 1, 2)
                        IO (Decode16, 0xA0, 0xA0, 1, 2)
                        IO (Decode16, 0x4D0, 0x4D0, 1, 2)
                        IRQNoFlags () {2}
                    })
                }

                Device (TIMR)
                {
                    Name (_HID, EisaId ("PNP0100"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x40, 0x40, 1, 4)
                        IRQNoFlags () {0}
                    })
                }

                Device (DMAC)
                {
                    Name (_HID, EisaId ("PNP0200"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x00, 0x00, 1, 0x10)
                        IO (Decode16, 0x81, 0x81, 1, 0x0F)
                        IO (Decode16, 0xC0, 0xC0, 1, 0x20)
                        DMA (Compatibility, NotBusMaster, Transfer8_16) {4}
                    })
                }

                Device (SPKR)
                {
                    Name (_HID, EisaId ("PNP0800"))
                    Name (_CRS, ResourceTemplate () { IO (Decode16, 0x61, 0x61, 1, 1) })
                }

                Device (FPU)
                {
                    Name (_HID, EisaId ("PNP0C04"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0xF0, 0xF0, 1, 1)
                        IRQNoFlags () {13}
                    })
                }

                Device (RTC)
                {
                    Name (_HID, EisaId ("PNP0B00"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x70, 0x70, 1, 2)
                        IRQNoFlags () {8}
                    })
                }

                Device (KBD)
                {
                    Name (_HID, EisaId ("PNP0303"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x60, 0x60, 1, 1)
                        IO (Decode16, 0x64, 0x64, 1, 1)
                        IRQNoFlags () {1}
                    })
                }

                Device (MOU)
                {
                    Name (_HID, EisaId ("PNP0F13"))
                    Name (_CRS, ResourceTemplate () { IRQNoFlags () {12} })
                }

                Device (COM1)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 1)
                    Method (_STA) { Return (UART (0)) }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x03F8, 0x03F8, 1, 8)
                        IRQNoFlags () {4}
                    })
                }

                Device (COM2)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 2)
                    Method (_STA) { Return (UART (1)) }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x02F8, 0x02F8, 1, 8)
                        IRQNoFlags () {3}
                    })
                }

                Device (COM3)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 3)
                    Method (_STA) { Return (UART (2)) }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x03E8, 0x03E8, 1, 8)
                        IRQNoFlags () {4}
                    })
                }

                Device (COM4)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 4)
                    Method (_STA) { Return (UART (3)) }
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x02E8, 0x02E8, 1, 8)
                        IRQNoFlags () {3}
                    })
                }

                Device (FWCF)
                {
                    Name (_HID, "QEMU0002")
                    Name (_STA, 0x0B)               // there, but no matter for a device manager
                    Name (_CRS, ResourceTemplate () { IO (Decode16, 0x510, 0x510, 1, 0x0C) })
                }

                // Ports of the chip set that belong to no device above.
                Device (BRD)
                {
                    Name (_HID, EisaId ("PNP0C02"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x92, 0x92, 1, 1)
                        IO (Decode16, 0xB2, 0xB2, 1, 2)
                        IO (Decode16, 0xAFE0, 0xAFE0, 1, 4)
                    })
                }
            }
        }

        // What a steering register says: bit 7 set is "not routed".
        Method (LSTA, 1)
        {
            If (Arg0 & 0x80) { Return (0x09) }
            Return (0x0B)
        }
        Name (NOWR, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) {0} })
        Method (LCRS, 1, Serialized)
        {
            CreateDWordField (NOWR, 5, INTN)
            If (Arg0 & 0x80) { INTN = 0 }
            Else { INTN = Arg0 & 0x0F }
            Return (NOWR)
        }

        Device (LNKA)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 1)
            Name (_PRS, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) {5, 10, 11} })
            Method (_STA) { Return (LSTA (\_SB.PCI0.ISA.PRQA)) }
            Method (_CRS) { Return (LCRS (\_SB.PCI0.ISA.PRQA)) }
            Method (_DIS) { \_SB.PCI0.ISA.PRQA |= 0x80 }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 5, INTN)
                \_SB.PCI0.ISA.PRQA = INTN
            }
        }

        Device (LNKB)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 2)
            Name (_PRS, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) {5, 10, 11} })
            Method (_STA) { Return (LSTA (\_SB.PCI0.ISA.PRQB)) }
            Method (_CRS) { Return (LCRS (\_SB.PCI0.ISA.PRQB)) }
            Method (_DIS) { \_SB.PCI0.ISA.PRQB |= 0x80 }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 5, INTN)
                \_SB.PCI0.ISA.PRQB = INTN
            }
        }

        Device (LNKC)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 3)
            Name (_PRS, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) {5, 10, 11} })
            Method (_STA) { Return (LSTA (\_SB.PCI0.ISA.PRQC)) }
            Method (_CRS) { Return (LCRS (\_SB.PCI0.ISA.PRQC)) }
            Method (_DIS) { \_SB.PCI0.ISA.PRQC |= 0x80 }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 5, INTN)
                \_SB.PCI0.ISA.PRQC = INTN
            }
        }

        Device (LNKD)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 4)
            Name (_PRS, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) {5, 10, 11} })
            Method (_STA) { Return (LSTA (\_SB.PCI0.ISA.PRQD)) }
            Method (_CRS) { Return (LCRS (\_SB.PCI0.ISA.PRQD)) }
            Method (_DIS) { \_SB.PCI0.ISA.PRQD |= 0x80 }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 5, INTN)
                \_SB.PCI0.ISA.PRQD = INTN
            }
        }

        Device (LNKS)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 5)
            Name (_PRS, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) {9} })
            Name (_STA, 0x0B)
            Method (_CRS) { Return (_PRS) }
            Method (_DIS) {}
            Method (_SRS, 1) {}
        }
    }
}
