// SPDX-License-Identifier: Apache-2.0
#include "devices/vga_vbe.h"

#include <algorithm>

namespace vmm {

void serialize(Archive& ar, VbeRegisters& r) {
    VMM_FIELDS(ar, r, index, id, xres, yres, bpp, enable, bank, virt_width, x_offset, y_offset);
    constexpr u16 kBits[] = {4, 8, 15, 16, 24, 32};
    if (ar.loading() && std::find(std::begin(kBits), std::end(kBits), r.bpp) == std::end(kBits)) {
        ar.fail();
        r = VbeRegisters{};
    }
}

VbeMode VbeRegisters::mode(u32 vram_bytes) const {
    VbeMode m;
    m.bits = bpp;
    m.width = std::clamp<u32>(xres & ~7u, 8, kMaxWidth);
    m.virtual_width = std::max<u32>(m.width, virt_width & ~7u);
    const auto pitch = [&](u32 width) { return m.bits == 4 ? width / 8 : width * ((m.bits + 7) / 8); };
    const u32 memory = m.bits == 4 ? vram_bytes / 4 : vram_bytes;
    m.pitch = pitch(m.virtual_width);
    m.height = std::clamp<u32>(yres, 1, std::min<u32>(kMaxHeight, std::max(1u, memory / m.pitch)));
    const u32 x = std::min<u32>(x_offset, m.virtual_width - m.width);
    const u32 y = std::min<u32>(y_offset, memory / m.pitch - std::min(m.height, memory / m.pitch));
    m.start = y * m.pitch + (m.bits == 4 ? x / 8 : pitch(x));
    return m;
}

u16 VbeRegisters::read(u16 register_index, u32 vram_bytes) const {
    const bool caps = (enable & kGetCaps) != 0;
    switch (register_index) {
        case kId: return id;
        case kXres: return caps ? kMaxWidth : xres;
        case kYres: return caps ? kMaxHeight : yres;
        case kBpp: return caps ? kMaxBits : bpp;
        case kEnable: return enable;
        case kBank: return bank;
        case kVirtWidth: return enabled() ? static_cast<u16>(mode(vram_bytes).virtual_width) : virt_width;
        case kVirtHeight: {
            const VbeMode m = mode(vram_bytes);
            return static_cast<u16>(std::min<u32>(0xffff, (m.bits == 4 ? vram_bytes / 4 : vram_bytes) / m.pitch));
        }
        case kXOffset: return x_offset;
        case kYOffset: return y_offset;
        case kMemory: return static_cast<u16>(vram_bytes >> 16);
        default: return 0;
    }
}

bool VbeRegisters::write(u16 register_index, u16 value, u32 vram_bytes) {
    switch (register_index) {
        case kId:
            if (value >= kFirstId && value <= kLastId) id = value;
            return false;
        case kXres: xres = std::min(value, kMaxWidth); return false;
        case kYres: yres = std::min(value, kMaxHeight); return false;
        case kBpp:
            switch (value) {
                case 4: case 8: case 15: case 16: case 24: case 32: bpp = value; break;
                case 0: bpp = 8; break;
                default: break;
            }
            return false;
        case kEnable: {
            const bool was = enabled();
            enable = value & (kEnabled | kGetCaps | k8BitDac | kLfb | kNoClear);
            if (!enabled()) bank = 0;
            if (!enabled() || was) return false;
            virt_width = x_offset = y_offset = 0;
            return (value & kNoClear) == 0;
        }
        case kBank: bank = static_cast<u16>(value & ((vram_bytes >> 16) - 1)); return false;
        case kVirtWidth: virt_width = std::min(value, kMaxWidth); return false;
        case kXOffset: x_offset = value; return false;
        case kYOffset: y_offset = value; return false;
        default: return false;
    }
}

}  // namespace vmm
