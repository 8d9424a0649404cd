// SPDX-License-Identifier: Apache-2.0
// The registers of a VGA as the processor reads and writes them: sequencer, CRT controller, graphics controller, attribute
// controller, DAC, and the miscellaneous ones. What they mean is elsewhere: memory access in vga_planar.h, time in
// vga_timing.h, the picture in display/.
//
// Done: all registers of the VGA, reserved bits read 0, write protection of CR0-CR7, both CRT controller addresses.
// Missing: the light pen (as on VGAs), the palette's lock-out while the screen is on, feature bits, vertical interrupt.
// Time: none here; the status registers 3C2h and 3xAh are read through Vga.
// Documents: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; J. Neal, "FreeVGA Project".
#pragma once

#include <array>

#include "vmm/archive.h"
#include "vmm/types.h"

namespace vmm {

struct VgaRegisters {
    // Misc Output
    static constexpr u8 kMiscColour = 0x01, kMiscRam = 0x02;
    // Sequencer: SR1, SR2, SR3, SR4
    static constexpr u8 kClocking = 1, kMapMask = 2, kFontSelect = 3, kMemoryMode = 4;
    static constexpr u8 kEightDots = 0x01, kHalfDotClock = 0x08, kScreenOff = 0x20;   // SR1
    static constexpr u8 kSequential = 0x04, kChain4 = 0x08;                           // SR4
    // Graphics controller
    static constexpr u8 kSetReset = 0, kEnableSetReset = 1, kColourCompare = 2, kRotate = 3, kReadMap = 4, kMode = 5, kMisc = 6;
    static constexpr u8 kColourDontCare = 7, kBitMask = 8;
    static constexpr u8 kHostOddEven = 0x10, kShiftInterleave = 0x20, kShift256 = 0x40;   // GR5
    static constexpr u8 kGraphics = 0x01, kChainOddEven = 0x02;                           // GR6
    // Attribute controller
    static constexpr u8 kAttrMode = 0x10, kPlaneEnable = 0x12, kPanning = 0x13, kColourSelect = 0x14;
    static constexpr u8 kLineGraphics = 0x04, kBlink = 0x08, kPanCompatible = 0x20, kEightBitColour = 0x40, kPalette45 = 0x80;   // AR10
    static constexpr u8 kPaletteOn = 0x20;                                                // of the index register

    u8 misc = 0;                            // 3C2h
    u8 feature = 0;                         // 3xAh
    u8 enable = 1;                          // 3C3h
    u8 seq_index = 0;
    std::array<u8, 8> seq{};
    u8 gfx_index = 0;
    std::array<u8, 16> gfx{};
    u8 crtc_index = 0;
    std::array<u8, 32> crtc{};
    u8 attr_index = 0;                      // with kPaletteOn
    bool attr_data = false;                 // the flip-flop: the next write to 3C0h is data
    std::array<u8, 32> attr{};
    u8 pel_mask = 0xff;
    u8 dac_index = 0;
    u8 dac_part = 0;                        // 0 red, 1 green, 2 blue comes next
    bool dac_reading = false;
    std::array<u8, 3> dac_data{};           // the colour being read, or as far as written
    std::array<u8, 768> dac{};

    friend void serialize(Archive& ar, VgaRegisters& r);

    // Ports 3B0h-3DFh but for the status registers. `dac_mask`: bits of a DAC component that exist.
    u8 read(u32 port);
    void write(u32 port, u8 value, u8 dac_mask);

    bool colour() const { return (misc & kMiscColour) != 0; }
    bool answers_at(u32 port) const;        // 3Bxh and 3Dxh are alternatives
    bool graphics() const { return (gfx[kMisc] & kGraphics) != 0; }
    bool chain4() const { return (seq[kMemoryMode] & kChain4) != 0; }
    bool odd_even() const { return (seq[kMemoryMode] & kSequential) == 0; }
    bool screen_on() const { return (attr_index & kPaletteOn) != 0 && (seq[kClocking] & kScreenOff) == 0; }
    u32 dots_per_character() const { return (seq[kClocking] & kEightDots) != 0 ? 8 : 9; }
    bool half_dot_clock() const { return (seq[kClocking] & kHalfDotClock) != 0; }

    // CRT controller numbers that are spread over several registers.
    u32 columns() const { return u32{crtc[0x01]} + 1; }
    u32 lines() const { return (crtc[0x12] | (crtc[0x07] & 0x02u) << 7 | (crtc[0x07] & 0x40u) << 3) + 1; }
    u32 line_compare() const { return crtc[0x18] | (crtc[0x07] & 0x10u) << 4 | (crtc[0x09] & 0x40u) << 3; }
    u32 start_address() const { return u32{crtc[0x0c]} << 8 | crtc[0x0d]; }
    u32 cursor_address() const { return u32{crtc[0x0e]} << 8 | crtc[0x0f]; }
    u32 row_offset() const { return u32{crtc[0x13]} * 2; }                 // characters from one row to the next
    u32 character_height() const { return (crtc[0x09] & 0x1fu) + 1; }
    bool double_scan() const { return (crtc[0x09] & 0x80) != 0; }
};

}  // namespace vmm
