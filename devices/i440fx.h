// SPDX-License-Identifier: Apache-2.0
// 82441FX host bridge (PMC) at 00:00.0.
//
// Done: identification, the PAM registers (who answers at C0000h-FFFFFh), DRAM row boundaries as the firmware would have
// left them. Missing: SMRAM is a register only, as this machine has no system-management mode; DRAM timing, error reporting
// and arbitration are registers without effect. Time: none.
// Document: 82441FX/82442FX PMC and DBX data sheet (290549), section 3.2 (3.2.17 PAM, 3.2.18 DRB, 3.2.24 SMRAM).
#pragma once

#include "devices/pci.h"
#include "vmm/memory.h"

namespace vmm {

class I440fx final : public PciDevice {
  public:
    // What answers at a page of C0000h-FFFFFh where its PAM bits send reads to the PCI bus: a store page (ROM), or nothing.
    // RAM behind PAM is the store page of the same number.
    using Behind = std::function<std::optional<u32>(u32 phys_page)>;

    I440fx(PciBus& bus, Memory& memory, Behind behind);

    std::string_view name() const override { return "i440fx"; }
    void serialize(Archive& ar) override { ar.field("config", config_); }
    void after_load() override;
    void reset() override;

  private:
    static constexpr unsigned kSegments = 13;                 // F0000h (64 KiB), then 12 of 16 KiB from C0000h
    void config_written(u8 offset, unsigned size) override;
    void update_pam();
    void map_segment(unsigned index, u8 attributes);

    Memory& memory_;
    Behind behind_;
    u32 open_bus_;                                            // store page of all ones, for reads that nobody answers
    // Derived: the attributes that the memory map has now; kUnknown before the first time.
    static constexpr u8 kUnknown = 0xff;
    std::array<u8, kSegments> applied_;
};

}  // namespace vmm
