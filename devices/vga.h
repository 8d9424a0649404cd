// SPDX-License-Identifier: Apache-2.0
// A VGA with the Bochs VBE extensions: PCI 1234:1111 at 00:02.0, with 16 MiB of video memory.
//
// Done: registers (vga_registers.h), memory through A0000h-BFFFFh (vga_planar.h), VBE (vga_vbe.h), BAR 0 as the linear frame buffer,
// BAR 2 with the VGA ports at 400h, the VBE registers at 500h and byte order at 600h, the ROM. Where the window below 1 MiB acts
// as plain memory it is mapped as such. Missing: EDID, big-endian frame buffers, the vertical interrupt; the PCI command
// register does not switch off the ports and addresses of the VGA.
// Time: retrace status is computed from guest time when read (vga_timing.h).
// Documents: as in those headers; Linux guests know the card as "bochs-drm", SeaBIOS's VGA BIOS as "stdvga".
#pragma once

#include <span>

#include "devices/pci.h"
#include "devices/vga_planar.h"
#include "devices/vga_registers.h"
#include "devices/vga_timing.h"
#include "devices/vga_vbe.h"
#include "vmm/clock.h"
#include "vmm/memory.h"

namespace vmm {

class Vga final : public PciDevice {
  public:
    static constexpr u32 kVramBytes = 16u << 20;

    // Physical pages where PCI memory may appear: above RAM, below the firmware.
    struct Hole { u32 first_page; u32 end_page; };

    // `rom`: the VGA BIOS; empty: none.
    Vga(PciBus& bus, IoBus& ports, IoBus& mmio, Memory& memory, const Timers& timers, std::span<const u8> rom, Hole hole);

    const VgaRegisters& registers() const { return s_.regs; }
    const VbeRegisters& vbe() const { return s_.vbe; }
    std::span<const u8> vram() const { return {memory_.page(vram_), kVramBytes}; }

    std::string_view name() const override { return "vga"; }
    void serialize(Archive& ar) override {
        ar.field("config", config_);
        VMM_FIELDS(ar, s_, regs, vbe, latch);
    }
    void after_load() override;
    void reset() override;                              // memory keeps its content

  private:
    struct State {
        VgaRegisters regs;
        VbeRegisters vbe;
        u32 latch = 0;                                  // a byte of each plane
    };
    u8 port_read(u32 port);
    void port_write(u32 port, u8 value);
    u32 vbe_port_read(u32 offset, unsigned size) const;
    void vbe_port_write(u32 offset, unsigned size, u32 value);
    void vbe_write(u16 index, u16 value);
    u32 bar2_read(u32 offset, unsigned size);
    void bar2_write(u32 offset, unsigned size, u32 value);
    u32 window_read(u32 offset, unsigned size);
    void window_write(u32 offset, unsigned size, u32 value);
    void map_window();
    void map_bars();

    Memory& memory_;
    const Timers& timers_;
    Hole hole_;
    u32 vram_;                                          // store page of video memory
    u32 rom_ = 0;                                       // ... of the ROM
    u32 rom_bytes_ = 0;
    State s_;
    // Derived: what the memory map has now.
    std::optional<u32> lfb_at_, rom_at_;                // where the BARs say
    struct Pages { u32 first = 0, count = 0; };
    std::array<Pages, 2> bar_pages_{};                  // what came of it
    VgaWindow mapped_{};
    u32 mapped_store_ = 0;
};

}  // namespace vmm
