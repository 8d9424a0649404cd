// SPDX-License-Identifier: Apache-2.0
#include "devices/vga_registers.h"

namespace vmm {
namespace {

// The bits that exist.
constexpr std::array<u8, 8> kSeqBits = {0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0};
constexpr std::array<u8, 16> kGfxBits = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
constexpr std::array<u8, 32> kCrtcBits = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0x3f, 0x7f, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xef, 0xff};
constexpr std::array<u8, 32> kAttrBits = {0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                          0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f};
constexpr u8 kOverflow = 0x07, kVerticalRetraceEnd = 0x11, kProtect = 0x80, kLineCompare8 = 0x10;
constexpr u8 kDacReading = 3, kDacWriting = 0;

template <std::size_t N>
u8 masked(const std::array<u8, N>& bits, u8 index, u8 value) { return static_cast<u8>(bits[index] & value); }

}  // namespace

void serialize(Archive& ar, VgaRegisters& r) {
    VMM_FIELDS(ar, r, misc, feature, enable, seq_index, seq, gfx_index, gfx, crtc_index, crtc, attr_index, attr_data, attr,
               pel_mask, dac_index, dac_part, dac_reading, dac_data, dac);
    if (ar.loading() && (r.seq_index > 7 || r.gfx_index > 15 || r.crtc_index > 63 || r.attr_index > 63 || r.dac_part > 2)) {
        ar.fail();
        r = VgaRegisters{};
    }
}

bool VgaRegisters::answers_at(u32 port) const {
    if (port >= 0x3c0 && port < 0x3d0) return true;
    return (port >= 0x3d0) == colour();
}

u8 VgaRegisters::read(u32 port) {
    if (!answers_at(port)) return 0xff;
    switch (port) {
        case 0x3c0: return attr_index;
        case 0x3c1: return attr[attr_index & 0x1f];
        case 0x3c3: return enable;
        case 0x3c4: return seq_index;
        case 0x3c5: return seq[seq_index];
        case 0x3c6: return pel_mask;
        case 0x3c7: return dac_reading ? kDacReading : kDacWriting;
        case 0x3c8: return dac_index;
        case 0x3c9: {
            const u8 value = dac_data[dac_part];
            if (++dac_part == 3) {
                dac_part = 0;
                for (std::size_t i = 0; i < 3; ++i) dac_data[i] = dac[3u * dac_index + i];
                ++dac_index;
            }
            return value;
        }
        case 0x3ca: return feature;
        case 0x3cc: return misc;
        case 0x3ce: return gfx_index;
        case 0x3cf: return gfx[gfx_index];
        case 0x3b4:
        case 0x3d4: return crtc_index;
        case 0x3b5:
        case 0x3d5: return crtc_index < crtc.size() ? crtc[crtc_index] : 0;
        default: return 0xff;
    }
}

void VgaRegisters::write(u32 port, u8 value, u8 dac_mask) {
    if (!answers_at(port)) return;
    switch (port) {
        case 0x3c0:
            attr_data = !attr_data;
            if (attr_data) attr_index = value & 0x3f;
            else attr[attr_index & 0x1f] = masked(kAttrBits, attr_index & 0x1f, value);
            return;
        case 0x3c2: misc = value & 0xef; return;
        case 0x3c3: enable = value & 1; return;
        case 0x3c4: seq_index = value & 7; return;
        case 0x3c5: seq[seq_index] = masked(kSeqBits, seq_index, value); return;
        case 0x3c6: pel_mask = value; return;
        case 0x3c7:                         // the colour is fetched now, and the address moves on
            for (std::size_t i = 0; i < 3; ++i) dac_data[i] = dac[3u * value + i];
            dac_index = static_cast<u8>(value + 1);
            dac_part = 0;
            dac_reading = true;
            return;
        case 0x3c8:
            dac_index = value;
            dac_part = 0;
            dac_reading = false;
            return;
        case 0x3c9:
            dac_data[dac_part] = value & dac_mask;
            if (++dac_part == 3) {          // all three at once
                dac_part = 0;
                for (std::size_t i = 0; i < 3; ++i) dac[3u * dac_index + i] = dac_data[i];
                ++dac_index;
            }
            return;
        case 0x3ce: gfx_index = value & 0x0f; return;
        case 0x3cf: gfx[gfx_index] = masked(kGfxBits, gfx_index, value); return;
        case 0x3b4:
        case 0x3d4: crtc_index = value & 0x3f; return;
        case 0x3b5:
        case 0x3d5:
            if (crtc_index >= crtc.size()) return;
            if (crtc_index <= kOverflow && (crtc[kVerticalRetraceEnd] & kProtect) != 0) {
                if (crtc_index == kOverflow) crtc[kOverflow] = static_cast<u8>((crtc[kOverflow] & ~kLineCompare8) | (value & kLineCompare8));
                return;
            }
            crtc[crtc_index] = masked(kCrtcBits, crtc_index, value);
            return;
        case 0x3ba:
        case 0x3da: feature = value & 3; return;
        default: return;
    }
}

}  // namespace vmm
