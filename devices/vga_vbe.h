// SPDX-License-Identifier: Apache-2.0
// The Bochs VBE registers ("DISPI"): pictures larger and deeper than the VGA's own modes.
//
// Done: interface versions B0C0h-B0C5h; 4, 8, 15, 16, 24 and 32 bits a pixel, virtual size, offsets, banks of 64 KiB, 8-bit
// DAC, capabilities. Values are kept as written, and mode() makes of them what fits into video memory. Missing: single-stepped
// hardware panning at 4 bits (x offsets there are in units of 8). Time: none.
// Document: Bochs, "VBE Display API" (vbe_display_api.txt), version 0.6.
#pragma once

#include "vmm/archive.h"
#include "vmm/types.h"

namespace vmm {

// What a picture beyond VGA is, in terms of memory.
struct VbeMode {
    u32 width = 0, height = 0;
    u32 bits = 0;                           // 4 (planar), 8, 15, 16, 24, 32
    u32 virtual_width = 0;
    u32 pitch = 0;                          // bytes from line to line; of one plane at 4 bits
    u32 start = 0;                          // first byte shown, likewise
};

struct VbeRegisters {
    static constexpr u16 kEnabled = 0x01, kGetCaps = 0x02, k8BitDac = 0x20, kLfb = 0x40, kNoClear = 0x80;
    static constexpr u16 kFirstId = 0xb0c0, kLastId = 0xb0c5;
    static constexpr u16 kMaxWidth = 16000, kMaxHeight = 12000, kMaxBits = 32;
    enum Index : u16 { kId, kXres, kYres, kBpp, kEnable, kBank, kVirtWidth, kVirtHeight, kXOffset, kYOffset, kMemory, kCount };

    u16 index = 0;
    u16 id = kLastId;
    u16 xres = 0;
    u16 yres = 0;
    u16 bpp = 8;
    u16 enable = 0;
    u16 bank = 0;
    u16 virt_width = 0;
    u16 x_offset = 0;
    u16 y_offset = 0;

    friend void serialize(Archive& ar, VbeRegisters& r);
    u16 read(u16 register_index, u32 vram_bytes) const;
    // True: the picture's memory is to be cleared.
    bool write(u16 register_index, u16 value, u32 vram_bytes);

    bool enabled() const { return (enable & kEnabled) != 0; }
    bool linear() const { return enabled() && bpp != 4; }     // not planar
    u8 dac_mask() const { return enabled() && (enable & k8BitDac) != 0 ? 0xff : 0x3f; }
    VbeMode mode(u32 vram_bytes) const;
};

}  // namespace vmm
