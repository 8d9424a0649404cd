// SPDX-License-Identifier: Apache-2.0
// How the processor reaches video memory through A0000h-BFFFFh: four planes of bytes behind latches and an arithmetic unit.
//
// Video memory is 32-bit words, a byte of each plane: byte 4a + p is plane p at address a. Done: write modes 0-3, read modes 0
// and 1, latches, map mask, set/reset, rotation, functions, bit mask, odd/even, chain-4, the four windows. Chain-4 puts
// neighbouring bytes into neighbouring planes of one word (as cards with linear memory do; the first VGA left three words out of
// four unused), and its reads leave the latches alone, so that this window can be plain memory. Missing: the page bit of Misc
// Output in odd/even mode. Time: none.
// Documents: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem", Graphics Controller; FreeVGA, "Accessing the
// VGA Display Memory".
#pragma once

#include <optional>

#include "devices/vga_registers.h"
#include "devices/vga_vbe.h"

namespace vmm {

// The part of A0000h-BFFFFh that answers, as offsets from A0000h.
struct VgaWindow {
    u32 first = 0;
    u32 size = 0;                           // 0: none
    bool operator==(const VgaWindow&) const = default;
};
VgaWindow vga_window(const VgaRegisters& r, const VbeRegisters& vbe);

// If the window is plain memory now: the byte of video memory at its start.
std::optional<u32> vga_direct(const VgaRegisters& r, const VbeRegisters& vbe);

// The memory as the processor sees it with the given registers. Made for one access.
class VgaPlanar {
  public:
    VgaPlanar(const VgaRegisters& r, const VbeRegisters& vbe, u32& latch, u8* vram, u32 vram_bytes)
        : r_(r), vbe_(vbe), latch_(latch), vram_(vram), bytes_(vram_bytes) {}

    u8 read(u32 offset);                                        // from A0000h
    std::optional<u32> write(u32 offset, u8 value);             // the first byte of the word that changed

  private:
    struct Place { u32 word; u8 plane; };                       // byte address of the word; plane by address, where it matters
    std::optional<Place> place(u32 offset) const;
    u32 combined(u8 value) const;

    const VgaRegisters& r_;
    const VbeRegisters& vbe_;
    u32& latch_;
    u8* vram_;
    u32 bytes_;
};

}  // namespace vmm
