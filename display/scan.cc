// SPDX-License-Identifier: Apache-2.0
#include "display/scan.h"

#include <cstring>

namespace vmm::display {
namespace {
constexpr u32 kPlaneMask = 0xffff;
constexpr u8 kDoubleword = 0x40;                                                              // CR14
constexpr u8 kNotRowScan0 = 0x01, kNotRowScan1 = 0x02, kWrapAt64K = 0x20, kByteMode = 0x40;   // CR17
}  // namespace

Scan::Scan(const Screen& screen) : s_(screen) {
    const auto& crtc = s_.regs.crtc;
    address_ = s_.regs.start_address() + (crtc[0x08] >> 5 & 3);
    row_scan_ = crtc[0x08] & 0x1f;
    panning_ = panning();
}

// Register values count dots, but for text of 9 dots (where 8 is no shift) and 256 colours (2 dots a pixel).
u32 Scan::panning() const {
    const auto& r = s_.regs;
    const u32 value = r.attr[VgaRegisters::kPanning] & 15;
    if (!r.graphics() && r.dots_per_character() == 9) return value >= 8 ? 0 : value + 1;
    return value & 7;
}

Scan::Line Scan::next() {
    const auto& r = s_.regs;
    const Line now{address_, row_scan_, panning_};
    if (r.double_scan() && !repeated_) {
        repeated_ = true;
    } else {
        repeated_ = false;
        if (row_scan_ + 1 == r.character_height()) {
            row_scan_ = 0;
            address_ += r.row_offset();
        } else {
            row_scan_ = (row_scan_ + 1) & 0x1f;
        }
    }
    if (line_++ == r.line_compare()) {
        address_ = row_scan_ = 0;
        repeated_ = false;
        if ((r.attr[VgaRegisters::kAttrMode] & VgaRegisters::kPanCompatible) != 0) panning_ = 0;
    }
    return now;
}

u32 Scan::memory_address(u32 counter, u32 row_scan) const {
    const u8 mode = s_.regs.crtc[0x17];
    u32 address = counter & kPlaneMask;
    // Doubleword addressing goes with chain-4, and there addresses are those of doublewords already (devices/vga_planar.h).
    if ((s_.regs.crtc[0x14] & kDoubleword) == 0 && (mode & kByteMode) == 0)
        address = (address << 1 | (address >> ((mode & kWrapAt64K) != 0 ? 15 : 13) & 1)) & kPlaneMask;
    if ((mode & kNotRowScan0) == 0) address = (address & ~0x2000u) | (row_scan & 1) << 13;
    if ((mode & kNotRowScan1) == 0) address = (address & ~0x4000u) | (row_scan & 2) << 13;
    return address;
}

u32 Scan::word(u32 address) const {
    const std::size_t at = std::size_t{4} * (address & kPlaneMask);
    u32 value = 0;
    if (at + 4 <= s_.vram.size()) std::memcpy(&value, s_.vram.data() + at, 4);
    return value;
}

}  // namespace vmm::display
