// SPDX-License-Identifier: Apache-2.0
// Screen to Image: the path of a dot from video memory through the attribute controller and the DAC.
#include "display/screen.h"

#include <algorithm>
#include <array>

#include "devices/vga_timing.h"
#include "display/scan.h"

namespace vmm::display {
namespace {

using R = VgaRegisters;
constexpr u8 kUnderlinedForeground = 1;                // attributes x000x001 are underlined where CR14 says so
constexpr u8 kLineGraphicsFirst = 0xc0, kLineGraphicsLast = 0xdf;

// DAC entries as 8-bit colours.
class Palette {
  public:
    explicit Palette(const Screen& s) : s_(s) {
        const bool wide = s.vbe.dac_mask() == 0xff;
        for (u32 i = 0; i < 256; ++i) {
            u32 rgb = 0;
            for (u32 part = 0; part < 3; ++part) {
                const u8 v = s.regs.dac[3 * i + part];
                rgb = rgb << 8 | (wide ? v : (v & 0x3fu) << 2 | (v & 0x3fu) >> 4);
            }
            dac_[i] = rgb;
        }
        for (u8 i = 0; i < 16; ++i) colours_[i] = through_attributes(i);
    }
    u32 dac(u8 index) const { return dac_[index & s_.regs.pel_mask]; }
    u32 colour(u8 pixel) const { return colours_[pixel & 15]; }      // of the 16, as the attribute controller maps them

  private:
    u32 through_attributes(u8 pixel) const {
        const auto& attr = s_.regs.attr;
        u8 index = attr[pixel & attr[R::kPlaneEnable] & 15];
        if ((attr[R::kAttrMode] & R::kPalette45) != 0) index = static_cast<u8>((index & 0x0f) | (attr[R::kColourSelect] & 3) << 4);
        return dac(static_cast<u8>(index | (attr[R::kColourSelect] & 0x0c) << 4));
    }
    const Screen& s_;
    std::array<u32, 256> dac_{};
    std::array<u32, 16> colours_{};
};

void put(u8*& out, u32 rgb) {
    *out++ = static_cast<u8>(rgb >> 16);
    *out++ = static_cast<u8>(rgb >> 8);
    *out++ = static_cast<u8>(rgb);
}

// One line of text, as dots: a colour number each.
void text_dots(const Scan& scan, const Scan::Line& line, bool blink_off, bool cursor_on, std::vector<u8>& dots) {
    const Screen& s = scan.screen();
    const R& r = s.regs;
    const u32 width = r.dots_per_character(), columns = r.columns();
    const bool blinks = (r.attr[R::kAttrMode] & R::kBlink) != 0;
    const u8 select = r.seq[R::kFontSelect];
    // Font selects: map A serves attribute bit 3 set, map B clear; bit 2 of each number is apart.
    const auto font_base = [](u32 n) { return (n & 3) * 0x4000 + (n >> 2 & 1) * 0x2000; };
    const u32 font_a = font_base((select >> 2 & 3u) | (select >> 3 & 4u)), font_b = font_base((select & 3u) | (select >> 2 & 4u));
    for (u32 c = 0; c <= columns; ++c) {               // one more, for panning
        const u32 at = line.address + c;
        const u32 word = scan.word(scan.memory_address(at, line.row_scan));
        const u8 character = static_cast<u8>(word), attribute = static_cast<u8>(word >> 8);
        u8 foreground = attribute & 15, background = attribute >> 4;
        if (blinks) {
            background &= 7;
            if ((attribute & 0x80) != 0 && blink_off) foreground = background;
        }
        const u32 font = (attribute & 8) != 0 ? font_a : font_b;
        u8 glyph = static_cast<u8>(scan.word(font + character * 32u + line.row_scan) >> 16);
        if ((r.crtc[0x14] & 0x1f) == line.row_scan && (attribute & 0x77) == kUnderlinedForeground) glyph = 0xff;
        const bool cursor = cursor_on && at == r.cursor_address() && line.row_scan >= (r.crtc[0x0a] & 0x1f) && line.row_scan <= (r.crtc[0x0b] & 0x1f);
        if (cursor) glyph = 0xff;
        for (u32 b = 0; b < 8; ++b) dots.push_back((glyph >> (7 - b) & 1) != 0 ? foreground : background);
        if (width == 9) {
            const bool joined = (r.attr[R::kAttrMode] & R::kLineGraphics) != 0 && character >= kLineGraphicsFirst && character <= kLineGraphicsLast;
            dots.push_back(cursor || (joined && (glyph & 1) != 0) ? foreground : background);
        }
    }
}

// One line of graphics: 8 dots of each character clock.
void graphics_dots(const Scan& scan, const Scan::Line& line, std::vector<u8>& dots) {
    const R& r = scan.screen().regs;
    const u8 mode = r.gfx[R::kMode];
    for (u32 c = 0; c <= r.columns(); ++c) {
        const u32 word = scan.word(scan.memory_address(line.address + c, line.row_scan));
        if ((mode & R::kShift256) != 0) {              // a byte is two dots
            for (u32 p = 0; p < 4; ++p) dots.insert(dots.end(), 2, static_cast<u8>(word >> 8 * p));
        } else if ((mode & R::kShiftInterleave) != 0) {
            for (u32 half = 0; half < 2; ++half)
                for (u32 b = 0; b < 4; ++b) {
                    const u32 low = word >> 8 * half >> (6 - 2 * b) & 3, high = word >> 8 * (half + 2) >> (6 - 2 * b) & 3;
                    dots.push_back(static_cast<u8>(low | high << 2));
                }
        } else {
            for (u32 b = 0; b < 8; ++b) {
                u8 pixel = 0;
                for (u32 p = 0; p < 4; ++p) pixel = static_cast<u8>(pixel | (word >> (8 * p + 7 - b) & 1) << p);
                dots.push_back(pixel);
            }
        }
    }
}

Image draw_vga(const Screen& s) {
    const R& r = s.regs;
    const Palette palette(s);
    Scan scan(s);
    const bool graphics = r.graphics(), direct = (r.attr[R::kAttrMode] & R::kEightBitColour) != 0;
    const u32 per_character = graphics ? 8 : r.dots_per_character(), shown = r.columns() * per_character;
    const u32 repeat = r.half_dot_clock() ? 2 : 1;
    const u64 frame = VgaTiming(r, s.vbe, s.vram_bytes).frame(s.time);
    const bool blink_off = (frame / 16 & 1) != 0, cursor_on = scan.cursor_enabled() && (frame / 8 & 1) == 0;
    Image image{shown * repeat, r.lines(), {}};
    image.rgb.resize(std::size_t{3} * image.width * image.height);
    if (!r.screen_on()) return image;
    std::vector<u8> dots;
    u8* out = image.rgb.data();
    for (u32 y = 0; y < image.height; ++y) {
        const Scan::Line line = scan.next();
        dots.clear();
        if (graphics) graphics_dots(scan, line, dots);
        else text_dots(scan, line, blink_off, cursor_on, dots);
        const u32 skip = std::min<u32>(line.panning, per_character);
        for (u32 x = 0; x < shown; ++x) {
            const u8 dot = dots[x + skip];
            const u32 rgb = direct ? palette.dac(dot) : palette.colour(dot);
            for (u32 n = 0; n < repeat; ++n) put(out, rgb);
        }
    }
    return image;
}

// 5 or 6 bits to 8: the high ones again below.
u32 scaled(u32 value, u32 bits) { return value << (8 - bits) | value >> (2 * bits - 8); }

Image draw_vbe(const Screen& s) {
    const VbeMode m = s.vbe.mode(s.vram_bytes);
    const Palette palette(s);
    Image image{m.width, m.height, {}};
    image.rgb.resize(std::size_t{3} * m.width * m.height);
    if (!s.regs.screen_on()) return image;
    u8* out = image.rgb.data();
    const auto byte = [&s](u32 at) -> u32 { return at - s.first < s.vram.size() ? s.vram[at - s.first] : 0; };
    for (u32 y = 0; y < m.height; ++y) {
        u32 at = m.start + y * m.pitch;
        for (u32 x = 0; x < m.width; ++x) {
            switch (m.bits) {
                case 4: {
                    u8 pixel = 0;
                    for (u32 p = 0; p < 4; ++p) pixel = static_cast<u8>(pixel | (byte(4 * at + p) >> (7 - x % 8) & 1) << p);
                    put(out, palette.colour(pixel));
                    if (x % 8 == 7) ++at;
                    break;
                }
                case 8: put(out, palette.dac(static_cast<u8>(byte(at++)))); break;
                case 15:
                case 16: {
                    const u32 v = byte(at) | byte(at + 1) << 8, green = m.bits - 10;
                    put(out, scaled(v >> (5 + green) & 31, 5) << 16 | scaled(v >> 5 & ((1u << green) - 1), green) << 8 | scaled(v & 31, 5));
                    at += 2;
                    break;
                }
                default:
                    put(out, byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16);
                    at += m.bits / 8;
                    break;
            }
        }
    }
    return image;
}

}  // namespace

Image draw(const Screen& screen) { return screen.vbe.enabled() ? draw_vbe(screen) : draw_vga(screen); }

u32 text_colour(const Screen& screen, u8 index) { return Palette(screen).colour(index); }

}  // namespace vmm::display
