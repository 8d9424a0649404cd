// SPDX-License-Identifier: Apache-2.0
#include "devices/vga_planar.h"

#include <bit>
#include <cstring>

namespace vmm {
namespace {

using R = VgaRegisters;
constexpr u32 kBankBytes = 64 << 10;
constexpr u8 kAllPlanes = 0x0f, kEvenPlanes = 0x05, kOddPlanes = 0x0a;

constexpr u32 in_all_planes(u8 value) { return value * 0x0101'0101u; }
// Bit p becomes plane p.
constexpr u32 spread(u8 planes) {
    u32 word = 0;
    for (unsigned p = 0; p < 4; ++p)
        if ((planes >> p & 1) != 0) word |= 0xffu << 8 * p;
    return word;
}

}  // namespace

VgaWindow vga_window(const VgaRegisters& r, const VbeRegisters& vbe) {
    if (vbe.linear()) return {0, kBankBytes};
    if ((r.misc & R::kMiscRam) == 0) return {};
    switch (r.gfx[R::kMisc] >> 2 & 3) {
        case 0: return {0, 128 << 10};
        case 1: return {0, 64 << 10};
        case 2: return {0x10000, 32 << 10};
        default: return {0x18000, 32 << 10};
    }
}

std::optional<u32> vga_direct(const VgaRegisters& r, const VbeRegisters& vbe) {
    if (vbe.linear()) return vbe.bank * kBankBytes;
    const bool plain = r.chain4() && r.seq[R::kMapMask] == kAllPlanes && (r.gfx[R::kMode] & 0x0b) == 0 && r.gfx[R::kEnableSetReset] == 0 &&
                       r.gfx[R::kRotate] == 0 && r.gfx[R::kBitMask] == 0xff;
    if (!plain || vbe.enabled() || vga_window(r, vbe).size == 0) return std::nullopt;
    return 0;
}

std::optional<VgaPlanar::Place> VgaPlanar::place(u32 offset) const {
    const VgaWindow w = vga_window(r_, vbe_);
    if (offset - w.first >= w.size) return std::nullopt;
    u32 a = offset - w.first;
    if (vbe_.linear() || r_.chain4()) {
        a += vbe_.enabled() ? vbe_.bank * kBankBytes : 0;
        return Place{a & ~3u & (bytes_ - 1), static_cast<u8>(a & 3)};
    }
    const u8 odd = a & 1;
    if ((r_.gfx[R::kMisc] & R::kChainOddEven) != 0) a = (a & ~1u) | (w.size > kBankBytes ? a >> 16 & 1 : 0);
    a &= 0xffff;
    if (vbe_.enabled()) a += vbe_.bank * kBankBytes;
    return Place{4 * a & (bytes_ - 1), odd};
}

u8 VgaPlanar::read(u32 offset) {
    const auto at = place(offset);
    if (!at) return 0xff;
    u32 word = 0;
    std::memcpy(&word, vram_ + at->word, 4);
    if (vbe_.linear() || r_.chain4()) return static_cast<u8>(word >> 8 * at->plane);
    latch_ = word;
    if ((r_.gfx[R::kMode] & 8) != 0) {
        const u32 differ = (word ^ spread(r_.gfx[R::kColourCompare])) & spread(r_.gfx[R::kColourDontCare]);
        return static_cast<u8>(~(differ | differ >> 8 | differ >> 16 | differ >> 24));
    }
    u8 plane = r_.gfx[R::kReadMap] & 3;
    if ((r_.gfx[R::kMode] & R::kHostOddEven) != 0) plane = static_cast<u8>((plane & 2) | at->plane);
    return static_cast<u8>(word >> 8 * plane);
}

// What the write mode makes of a byte, in four planes.
u32 VgaPlanar::combined(u8 value) const {
    const u8 rotated = std::rotr(value, r_.gfx[R::kRotate] & 7);
    u32 data = 0, mask = in_all_planes(r_.gfx[R::kBitMask]);
    switch (r_.gfx[R::kMode] & 3) {
        case 0: {
            const u32 set = spread(r_.gfx[R::kEnableSetReset]);
            data = (in_all_planes(rotated) & ~set) | (spread(r_.gfx[R::kSetReset]) & set);
            break;
        }
        case 1: return latch_;
        case 2: data = spread(value & kAllPlanes); break;
        default:
            data = spread(r_.gfx[R::kSetReset]);
            mask &= in_all_planes(rotated);
            break;
    }
    switch (r_.gfx[R::kRotate] >> 3) {
        case 1: data &= latch_; break;
        case 2: data |= latch_; break;
        case 3: data ^= latch_; break;
        default: break;
    }
    return (data & mask) | (latch_ & ~mask);
}

std::optional<u32> VgaPlanar::write(u32 offset, u8 value) {
    const auto at = place(offset);
    if (!at) return std::nullopt;
    if (vbe_.linear()) {
        vram_[at->word + at->plane] = value;
        return at->word;
    }
    u8 planes = r_.seq[R::kMapMask];
    if (r_.chain4()) planes &= static_cast<u8>(1u << at->plane);
    else if (r_.odd_even()) planes &= at->plane != 0 ? kOddPlanes : kEvenPlanes;
    if (planes == 0) return std::nullopt;
    const u32 data = combined(value), enabled = spread(planes);
    u32 word = 0;
    std::memcpy(&word, vram_ + at->word, 4);
    word = (word & ~enabled) | (data & enabled);
    std::memcpy(vram_ + at->word, &word, 4);
    return at->word;
}

}  // namespace vmm
