// SPDX-License-Identifier: Apache-2.0
// ACPI tables of the board, and the script by which firmware puts them into RAM.
//
// RSDP, RSDT, FADT, FACS, MADT and a DSDT compiled from dsdt.asl. The FADT is revision 1, which every ACPI system takes
// (Windows 2000 no later one); so there is no reset register in it, and systems use port CF9h or the keyboard controller. No
// HPET, no sleep state but soft off. The firmware allocates, links and sums the tables by the file etc/table-loader.
// Documents: ACPI 1.0b and 2.0, section 5.2; QEMU docs/specs, "etc/table-loader" (bios-linker-loader commands).
#pragma once

#include <array>

#include "devices/fw_cfg.h"

namespace vmm {

struct BoardInfo {
    u64 ram_bytes = 0;
    std::array<bool, 4> serial{};      // COM1-4: which are there
    u16 pm_base = 0x600;               // where the firmware puts the PIIX4's PM block; SeaBIOS: 600h
};

struct AcpiTables {
    std::vector<u8> rsdp;              // file etc/acpi/rsdp
    std::vector<u8> tables;            // file etc/acpi/tables
    std::vector<u8> loader;            // file etc/table-loader
};

AcpiTables build_acpi(const BoardInfo& board);
void add_acpi(FwCfg& fw_cfg, const BoardInfo& board);

}  // namespace vmm
