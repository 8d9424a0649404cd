// SPDX-License-Identifier: Apache-2.0
#include "devices/vga_timing.h"

#include <algorithm>

#include "vmm/clock.h"

namespace vmm {
namespace {
constexpr u64 kDotHz25 = 25'175'000, kDotHz28 = 28'322'000, kVbeFramesPerSecond = 60;
constexpr u8 kNotShowing = 0x01, kRetrace = 0x08;
}  // namespace

VgaTiming::VgaTiming(const VgaRegisters& r, const VbeRegisters& vbe, u32 vram_bytes) {
    if (vbe.enabled()) {
        const VbeMode m = vbe.mode(vram_bytes);
        shown_dots = m.width;
        dots = m.width + m.width / 4;
        shown_lines = m.height;
        lines = m.height + m.height / 20 + 4;
        sync_first = m.height + 1;
        sync_lines = 2;
        dot_hz = u64{dots} * lines * kVbeFramesPerSecond;
        return;
    }
    dot_hz = (r.misc >> 2 & 3) == 1 ? kDotHz28 : kDotHz25;
    if (r.half_dot_clock()) dot_hz /= 2;
    dots = (u32{r.crtc[0x00]} + 5) * r.dots_per_character();
    shown_dots = std::min(r.columns() * r.dots_per_character(), dots);
    lines = (r.crtc[0x06] | (r.crtc[0x07] & 0x01u) << 8 | (r.crtc[0x07] & 0x20u) << 4) + 2;
    shown_lines = std::min(r.lines(), lines);
    sync_first = r.crtc[0x10] | (r.crtc[0x07] & 0x04u) << 6 | (r.crtc[0x07] & 0x80u) << 2;
    const u32 length = (u32{r.crtc[0x11]} - sync_first) & 0x0f;   // the counter's low four bits end it
    sync_lines = length != 0 ? length : 16;
}

u64 VgaTiming::frame(GuestTime t) const { return ticks_at(t, dot_hz) / (u64{dots} * lines); }

u8 VgaTiming::status(GuestTime t) const {
    const u64 in_frame = ticks_at(t, dot_hz) % (u64{dots} * lines);
    const u32 line = static_cast<u32>(in_frame / dots), dot = static_cast<u32>(in_frame % dots);
    const bool shown = line < shown_lines && dot < shown_dots;
    const bool retrace = line - sync_first < sync_lines;
    return static_cast<u8>((shown ? 0 : kNotShowing) | (retrace ? kRetrace : 0));
}

}  // namespace vmm
