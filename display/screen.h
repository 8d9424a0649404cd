// SPDX-License-Identifier: Apache-2.0
// A copy of what a VGA shows, and what is made of it: a picture, or the characters of a text screen.
//
// The machine thread takes the copy at a boundary; everything else works on the copy, on any thread. Drawing is a function of
// the copy alone: blinking goes by its guest time.
// Done: text with 8 or 9 dots, cursor, blinking, underline, two fonts; 16 colours in planes; the four colours of CGA modes; 256
// colours; all VBE depths; panning, split screen, double scanning, row scan addressing. Lines and dots come out as the monitor gets
// them: 320 x 200 in 256 colours is a picture of 640 x 400. Missing: the overscan border, blinking of graphics, cursor skew,
// loading the shift registers every second or fourth clock.
// Document: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "devices/vga_registers.h"
#include "devices/vga_vbe.h"

namespace vmm {
class Machine;
class Vga;
}

namespace vmm::display {

struct Screen {
    VgaRegisters regs;
    VbeRegisters vbe;
    GuestTime time{};
    u32 vram_bytes = 0;                    // of the card
    std::vector<u8> vram;                  // what is shown, and what it may refer to; begins at `first`
    u32 first = 0;
};

// Machine thread. `into` is reused, so that repeated copies allocate nothing.
void copy_screen(const Vga& vga, GuestTime now, Screen& into);

struct Image {
    u32 width = 0, height = 0;
    std::vector<u8> rgb;                   // 3 bytes a pixel, lines from the top

    u32 pixel(u32 x, u32 y) const {        // 0xRRGGBB
        const u8* p = &rgb[3 * (std::size_t{y} * width + x)];
        return u32{p[0]} << 16 | u32{p[1]} << 8 | p[2];
    }
};
Image draw(const Screen& screen);

struct TextCell {
    u8 character;                          // code page 437 in the usual font
    u8 attribute;
    bool operator==(const TextCell&) const = default;
};

struct ScreenText {
    u32 columns = 0, rows = 0;
    std::vector<TextCell> cells;           // by rows
    std::optional<u32> cursor;             // cell it is in, where it is on the screen and enabled

    const TextCell& at(u32 column, u32 row) const { return cells[row * columns + column]; }
    std::string line(u32 row) const;       // UTF-8, without blanks at the end
    std::string text() const;              // all lines, each with a line feed
};
// Nothing: the screen shows graphics.
std::optional<ScreenText> read_text(const Screen& screen);

// What is on the 16 (or 8 blinking) colours of attributes now: the picture's own, for text screens. 0xRRGGBB.
u32 text_colour(const Screen& screen, u8 index);

char32_t unicode_of(u8 character);         // code page 437

}  // namespace vmm::display
