// SPDX-License-Identifier: Apache-2.0
#include "display/screen.h"

#include <algorithm>
#include <array>

#include "devices/vga.h"
#include "display/scan.h"

namespace vmm::display {
namespace {

constexpr u32 kVgaBytes = 256 << 10;       // what the VGA's own modes can show

constexpr char32_t kLow[] = U"\u00a0\u263a\u263b\u2665\u2666\u2663\u2660\u2022\u25d8\u25cb\u25d9\u2642\u2640\u266a\u266b\u263c"
                            U"\u25ba\u25c4\u2195\u203c\u00b6\u00a7\u25ac\u21a8\u2191\u2193\u2192\u2190\u221f\u2194\u25b2\u25bc";
constexpr char32_t kHigh[] = U"\u2302"
    U"\u00c7\u00fc\u00e9\u00e2\u00e4\u00e0\u00e5\u00e7\u00ea\u00eb\u00e8\u00ef\u00ee\u00ec\u00c4\u00c5"
    U"\u00c9\u00e6\u00c6\u00f4\u00f6\u00f2\u00fb\u00f9\u00ff\u00d6\u00dc\u00a2\u00a3\u00a5\u20a7\u0192"
    U"\u00e1\u00ed\u00f3\u00fa\u00f1\u00d1\u00aa\u00ba\u00bf\u2310\u00ac\u00bd\u00bc\u00a1\u00ab\u00bb"
    U"\u2591\u2592\u2593\u2502\u2524\u2561\u2562\u2556\u2555\u2563\u2551\u2557\u255d\u255c\u255b\u2510"
    U"\u2514\u2534\u252c\u251c\u2500\u253c\u255e\u255f\u255a\u2554\u2569\u2566\u2560\u2550\u256c\u2567"
    U"\u2568\u2564\u2565\u2559\u2558\u2552\u2553\u256b\u256a\u2518\u250c\u2588\u2584\u258c\u2590\u2580"
    U"\u03b1\u00df\u0393\u03c0\u03a3\u03c3\u00b5\u03c4\u03a6\u0398\u03a9\u03b4\u221e\u03c6\u03b5\u2229"
    U"\u2261\u00b1\u2265\u2264\u2320\u2321\u00f7\u2248\u00b0\u2219\u00b7\u221a\u207f\u00b2\u25a0\u00a0";
static_assert(std::size(kHigh) == 1 + 128 + 1 && std::size(kLow) == 32 + 1);

void append_utf8(std::string& out, char32_t c) {
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xc0 | c >> 6);
        out += static_cast<char>(0x80 | (c & 0x3f));
    } else {
        out += static_cast<char>(0xe0 | c >> 12);
        out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
        out += static_cast<char>(0x80 | (c & 0x3f));
    }
}

}  // namespace

char32_t unicode_of(u8 character) {
    if (character == 0) return U' ';
    if (character < 0x20) return kLow[character];
    return character < 0x7f ? character : kHigh[character - 0x7f];
}

void copy_screen(const Vga& vga, GuestTime now, Screen& into) {
    const auto vram = vga.vram();
    into.regs = vga.registers();
    into.vbe = vga.vbe();
    into.time = now;
    into.vram_bytes = static_cast<u32>(vram.size());
    u32 first = 0, bytes = kVgaBytes;
    if (into.vbe.enabled()) {
        const VbeMode m = into.vbe.mode(into.vram_bytes);
        const u32 planes = m.bits == 4 ? 4 : 1;
        first = m.start * planes;
        bytes = std::min(m.height * m.pitch * planes, into.vram_bytes - std::min(first, into.vram_bytes));
    }
    into.first = first;
    into.vram.assign(vram.begin() + first, vram.begin() + first + bytes);
}

std::optional<ScreenText> read_text(const Screen& screen) {
    const VgaRegisters& r = screen.regs;
    if (screen.vbe.enabled() || r.graphics()) return std::nullopt;
    ScreenText text;
    text.columns = r.columns();
    Scan scan(screen);
    for (u32 y = 0; y < r.lines(); ++y) {
        const Scan::Line line = scan.next();
        // A row of characters begins where its first line is; rows are whole but for smooth scrolling at the top.
        if (line.row_scan != 0 && y != 0) continue;
        if (y != 0 && r.double_scan() && y % 2 != 0) continue;
        for (u32 c = 0; c < text.columns; ++c) {
            const u32 at = line.address + c;
            const u32 word = scan.word(scan.memory_address(at, 0));
            if (at == r.cursor_address() && scan.cursor_enabled() && (r.crtc[0x0a] & 0x1f) <= (r.crtc[0x0b] & 0x1f))
                text.cursor = static_cast<u32>(text.cells.size());
            text.cells.push_back({static_cast<u8>(word), static_cast<u8>(word >> 8)});
        }
        ++text.rows;
    }
    return text;
}

std::string ScreenText::line(u32 row) const {
    std::string out;
    for (u32 c = 0; c < columns; ++c) append_utf8(out, unicode_of(at(c, row).character));
    out.erase(out.find_last_not_of(' ') + 1);
    return out;
}

std::string ScreenText::text() const {
    std::string out;
    for (u32 row = 0; row < rows; ++row) out += line(row) + "\n";
    return out;
}

}  // namespace vmm::display
