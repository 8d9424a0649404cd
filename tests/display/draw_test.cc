// SPDX-License-Identifier: Apache-2.0
// The path from registers and memory to dots, where firmware and kernels do not go. Expectations: IBM PS/2 Hardware Interface
// Technical Reference, "Video Subsystem" (addressing, panning, line compare, cursor, attributes, palette); vbe_display_api.txt.
#include <gtest/gtest.h>
#include <png.h>

#include <cstring>
#include <random>

#include "devices/vga_timing.h"
#include "display/image_file.h"

namespace vmm::display {
namespace {

constexpr u32 kCard = 16u << 20;

// A screen with a palette that says which number a dot had: colour n is #0n0n0n << 2.
class Draw : public testing::Test {
  protected:
    Draw() {
        s.vram_bytes = kCard;
        s.vram.resize(256 << 10);
        auto& r = s.regs;
        r.misc = 0x67;
        r.attr_index = 0x20;
        for (u8 i = 0; i < 16; ++i) r.attr[i] = i;
        r.attr[0x12] = 0x0f;
        for (u32 i = 0; i < 256; ++i)
            for (u32 part = 0; part < 3; ++part) r.dac[3 * i + part] = static_cast<u8>(i & 0x3f);
        r.crtc[0x18] = 0xff, r.crtc[0x07] = 0x10, r.crtc[0x09] = 0x40;     // no split
        r.crtc[0x17] = 0xa3;
        r.crtc[0x00] = 0x5f, r.crtc[0x06] = 0xbf;
    }
    static u32 number(u32 rgb) { return (rgb & 0xff) >> 2; }
    // 80 columns of 8 or 9 dots, rows of 16 lines; letter A is a left half, B has every second dot, line 0 only.
    void text(bool nine_dots, u32 lines = 32) {
        auto& r = s.regs;
        r.seq[1] = nine_dots ? 0 : 1;
        r.attr[0x13] = nine_dots ? 8 : 0;                      // no panning, in either
        r.crtc[0x01] = 79, r.crtc[0x12] = static_cast<u8>(lines - 1), r.crtc[0x13] = 40;
        r.crtc[0x09] = 0x4f;
        r.crtc[0x0a] = 0x20;
        for (u32 line = 0; line < 16; ++line) plane(2, 'A' * 32 + line) = 0xf0;
        plane(2, 'B' * 32) = 0x55;
        for (u32 i = 0; i < 80 * 2; ++i) put(i, ' ', 0x07);
    }
    // 16 colours in planes.
    void planar(u32 width, u32 lines) {
        auto& r = s.regs;
        r.seq[1] = 1, r.gfx[6] = 5;
        r.crtc[0x01] = static_cast<u8>(width / 8 - 1), r.crtc[0x12] = static_cast<u8>(lines - 1), r.crtc[0x13] = static_cast<u8>(width / 16);
        r.crtc[0x17] = 0xe3;
    }
    u8& plane(u32 p, u32 address) { return s.vram[4 * address + p]; }
    void put(u32 cell, char c, u8 attribute) {
        plane(0, 2 * cell) = static_cast<u8>(c);                           // word addressing
        plane(1, 2 * cell) = attribute;
    }
    std::vector<u32> dots(u32 x, u32 y, u32 count) {
        const Image image = draw(s);
        std::vector<u32> out;
        for (u32 i = 0; i < count; ++i) out.push_back(number(image.pixel(x + i, y)));
        return out;
    }
    using Dots = std::vector<u32>;

    Screen s;
};

TEST_F(Draw, characters_are_eight_or_nine_dots_wide) {
    text(false);
    put(1, 'A', 0x1e);
    EXPECT_EQ(draw(s).width, 640u);
    EXPECT_EQ(dots(8, 0, 9), (Dots{14, 14, 14, 14, 1, 1, 1, 1, 0}));
    text(true);
    put(1, 'A', 0x1e);
    EXPECT_EQ(draw(s).width, 720u);
    EXPECT_EQ(dots(9, 0, 10), (Dots{14, 14, 14, 14, 1, 1, 1, 1, 1, 0}));
}

TEST_F(Draw, line_graphics_repeat_the_eighth_dot) {
    text(true);
    plane(2, 0xc4 * 32) = plane(2, 0xb1 * 32) = 0x01;
    put(0, '\xc4', 0x07), put(1, '\xb1', 0x07);
    s.regs.attr[0x10] = 0x04;
    EXPECT_EQ(dots(7, 0, 2), (Dots{7, 7}));
    EXPECT_EQ(dots(16, 0, 2), (Dots{7, 0}));           // only C0h-DFh
    s.regs.attr[0x10] = 0;
    EXPECT_EQ(dots(7, 0, 2), (Dots{7, 0}));
}

TEST_F(Draw, the_second_font_serves_bright_characters) {
    text(false);
    plane(2, 0x4000 + 'A' * 32) = 0x0f;
    s.regs.seq[3] = 0x04;                              // map A: the second 8 KiB pair
    put(0, 'A', 0x07), put(1, 'A', 0x0f);
    EXPECT_EQ(dots(0, 0, 8), (Dots{7, 7, 7, 7, 0, 0, 0, 0}));
    EXPECT_EQ(dots(8, 0, 8), (Dots{0, 0, 0, 0, 15, 15, 15, 15}));
}

TEST_F(Draw, underline_and_blinking_attributes) {
    text(false);
    s.regs.crtc[0x14] = 0x0d;
    put(0, ' ', 0x01);
    EXPECT_EQ(dots(0, 13, 2), (Dots{1, 1}));
    EXPECT_EQ(dots(0, 12, 2), (Dots{0, 0}));
    put(1, 'A', 0x97);
    EXPECT_EQ(dots(8, 0, 5), (Dots{7, 7, 7, 7, 9}));   // a bright background
    s.regs.attr[0x10] = 0x08;
    EXPECT_EQ(dots(8, 0, 5), (Dots{7, 7, 7, 7, 1}));
    const VgaTiming timing(s.regs, s.vbe, kCard);
    s.time = GuestTime{u64{timing.dots} * timing.lines * 1'000'000'000 / timing.dot_hz * 17};   // in the second 16 frames
    EXPECT_EQ(dots(8, 0, 5), (Dots{1, 1, 1, 1, 1}));
}

TEST_F(Draw, the_cursor_is_where_and_as_high_as_told_and_blinks_by_guest_time) {
    text(false);
    auto& r = s.regs;
    r.crtc[0x0a] = 0x0d, r.crtc[0x0b] = 0x0e, r.crtc[0x0f] = 81;
    EXPECT_EQ(dots(8, 16 + 12, 1), Dots{0});
    EXPECT_EQ(dots(7, 16 + 13, 10), (Dots{0, 7, 7, 7, 7, 7, 7, 7, 7, 0}));
    EXPECT_EQ(dots(8, 16 + 14, 1), Dots{7});
    EXPECT_EQ(dots(8, 16 + 15, 1), Dots{0});
    EXPECT_EQ(read_text(s)->cursor, 81u);
    const VgaTiming timing(r, s.vbe, kCard);
    const u64 frame_ns = u64{timing.dots} * timing.lines * 1'000'000'000 / timing.dot_hz;
    s.time = GuestTime{frame_ns * 9};                  // 8 frames on, 8 off
    EXPECT_EQ(dots(8, 16 + 13, 1), Dots{0});
    s.time = GuestTime{frame_ns * 17};
    EXPECT_EQ(dots(8, 16 + 13, 1), Dots{7});
    r.crtc[0x0a] |= 0x20;
    EXPECT_EQ(dots(8, 16 + 13, 1), Dots{0});
    EXPECT_FALSE(read_text(s)->cursor);
}

TEST_F(Draw, text_is_read_from_the_start_address) {
    text(false);
    for (u32 i = 0; i < 5; ++i) put(80 + i, "Hello"[i], 0x2f);
    EXPECT_EQ(read_text(s)->rows, 2u);
    EXPECT_EQ(read_text(s)->text(), "\nHello\n");
    s.regs.crtc[0x0d] = 80;
    EXPECT_EQ(read_text(s)->line(0), "Hello");
    EXPECT_EQ(read_text(s)->at(4, 0), (TextCell{'o', 0x2f}));
    s.regs.gfx[6] = 1;
    EXPECT_FALSE(read_text(s));
}

TEST_F(Draw, panning_shifts_to_the_left) {
    planar(320, 2);
    plane(0, 0) = 0x81, plane(3, 1) = 0x80;
    EXPECT_EQ(dots(0, 0, 9), (Dots{1, 0, 0, 0, 0, 0, 0, 1, 8}));
    s.regs.attr[0x13] = 7;
    EXPECT_EQ(dots(0, 0, 2), (Dots{1, 8}));
    text(true);
    s.regs.gfx[6] = 0, s.regs.crtc[0x17] = 0xa3;
    put(0, 'A', 0x07);
    s.regs.attr[0x13] = 8;                             // 9 dots: 8 is none
    EXPECT_EQ(dots(0, 0, 5), (Dots{7, 7, 7, 7, 0}));
    s.regs.attr[0x13] = 1;                             // and 1 is two
    EXPECT_EQ(dots(0, 0, 3), (Dots{7, 7, 0}));
}

TEST_F(Draw, after_line_compare_memory_begins_at_0_without_panning_if_so_told) {
    planar(320, 8);
    s.regs.crtc[0x0d] = 0x80, s.regs.attr[0x13] = 4;
    s.regs.crtc[0x18] = 3, s.regs.crtc[0x07] = 0, s.regs.crtc[0x09] = 0;
    plane(0, 0x80 + 3 * 40) = 0x0f;                    // line 3, the last of the upper part
    plane(1, 0) = 0xf0;
    EXPECT_EQ(dots(0, 3, 4), (Dots{1, 1, 1, 1}));
    EXPECT_EQ(dots(0, 4, 4), (Dots{0, 0, 0, 0}));      // panned
    s.regs.attr[0x10] = 0x20;
    EXPECT_EQ(dots(0, 3, 4), (Dots{1, 1, 1, 1}));
    EXPECT_EQ(dots(0, 4, 4), (Dots{2, 2, 2, 2}));
}

TEST_F(Draw, lines_repeat_by_character_height_and_by_double_scan) {
    planar(320, 12);
    plane(0, 40) = 0xff;                               // the second line of memory
    s.regs.crtc[0x09] = 0x42;                          // three lines each
    EXPECT_EQ(dots(0, 2, 1), Dots{0});
    EXPECT_EQ(dots(0, 3, 1), Dots{1});
    EXPECT_EQ(dots(0, 5, 1), Dots{1});
    EXPECT_EQ(dots(0, 6, 1), Dots{0});
    s.regs.crtc[0x09] = 0xc0;                          // two
    EXPECT_EQ(dots(0, 1, 1), Dots{0});
    EXPECT_EQ(dots(0, 2, 1), Dots{1});
    EXPECT_EQ(dots(0, 3, 1), Dots{1});
    EXPECT_EQ(dots(0, 4, 1), Dots{0});
}

TEST_F(Draw, a_dot_goes_through_palette_colour_select_and_mask) {
    planar(320, 1);
    plane(1, 0) = 0x80;                                // 2
    s.regs.attr[2] = 0x15;
    EXPECT_EQ(dots(0, 0, 1), Dots{0x15});
    s.regs.attr[0x14] = 0x02, s.regs.attr[0x10] = 0x80;    // bits 4 and 5 from the register
    EXPECT_EQ(dots(0, 0, 1), Dots{0x25});
    s.regs.pel_mask = 0x0f;
    EXPECT_EQ(dots(0, 0, 1), Dots{0x05});
    s.regs.attr[0x12] = 0x0d;                          // without plane 1
    EXPECT_EQ(dots(0, 0, 1), Dots{0x00});
    s.regs.pel_mask = 0xff, s.regs.attr[0x10] = 0, s.regs.attr[0x14] = 0x04, s.regs.dac[3 * 64] = s.regs.dac[3 * 64 + 1] = s.regs.dac[3 * 64 + 2] = 9;
    EXPECT_EQ(dots(0, 0, 1), Dots{9});                 // bits 6 and 7
}

TEST_F(Draw, a_screen_that_is_off_is_black) {
    planar(320, 1);
    plane(1, 0) = 0xff;
    s.regs.seq[1] |= 0x20;
    EXPECT_EQ(dots(0, 0, 1), Dots{0});
    s.regs.seq[1] = 1, s.regs.attr_index = 0;
    EXPECT_EQ(dots(0, 0, 1), Dots{0});
}

TEST_F(Draw, vbe_pictures_begin_at_their_offsets) {
    s.vbe = {.xres = 64, .yres = 4, .bpp = 8, .enable = 0x41, .virt_width = 128, .x_offset = 16, .y_offset = 2};
    const VbeMode m = s.vbe.mode(kCard);
    s.first = m.start;
    s.vram.assign(m.height * m.pitch, 0);
    const auto at = [&](u32 x, u32 y) -> u8& { return s.vram[y * 128 + x - s.first]; };
    at(16, 2) = 5, at(16 + 63, 2 + 3) = 6;
    const Image image = draw(s);
    ASSERT_EQ(image.width, 64u);
    ASSERT_EQ(image.height, 4u);
    EXPECT_EQ(number(image.pixel(0, 0)), 5u);
    EXPECT_EQ(number(image.pixel(63, 3)), 6u);
}

TEST_F(Draw, vbe_depths) {
    const struct { u16 bits; std::vector<u8> bytes; u32 rgb; } cases[] = {
        {15, {0x1f, 0x7c}, 0xff00ff}, {15, {0xe0, 0x03}, 0x00ff00}, {16, {0xe0, 0x07}, 0x00ff00}, {16, {0x00, 0xf8}, 0xff0000},
        {24, {0x56, 0x34, 0x12}, 0x123456}, {32, {0x56, 0x34, 0x12, 0xff}, 0x123456}};
    for (const auto& c : cases) {
        s.vbe = {.xres = 8, .yres = 1, .bpp = c.bits, .enable = 0x41};
        s.vram.assign(64, 0);
        std::copy(c.bytes.begin(), c.bytes.end(), s.vram.begin() + static_cast<std::ptrdiff_t>(c.bytes.size()));   // the second pixel
        EXPECT_EQ(draw(s).pixel(1, 0), c.rgb) << c.bits;
        EXPECT_EQ(draw(s).pixel(0, 0), 0u) << c.bits;
    }
    s.vbe = {.xres = 16, .yres = 2, .bpp = 4, .enable = 0x41};
    s.vram.assign(64, 0);
    plane(0, 3) = 0x01, plane(3, 3) = 0x01;            // the last dot
    EXPECT_EQ(number(draw(s).pixel(15, 1)), 9u);
    EXPECT_EQ(number(draw(s).pixel(14, 1)), 0u);
}

TEST_F(Draw, an_8_bit_dac_has_all_its_bits) {
    s.vbe = {.xres = 8, .yres = 1, .bpp = 8, .enable = 0x61};
    s.vram.assign(8, 1);
    s.regs.dac[3] = 0x81, s.regs.dac[4] = 0x7f, s.regs.dac[5] = 0x03;
    EXPECT_EQ(draw(s).pixel(0, 0), 0x817f03u);
}

TEST_F(Draw, any_registers_draw) {
    std::mt19937 random(11);
    for (int round = 0; round < 60; ++round) {
        for (auto* array : {s.regs.crtc.data(), s.regs.attr.data()})
            for (u32 i = 0; i < 32; ++i) array[i] = static_cast<u8>(random());
        for (auto& v : s.regs.seq) v = static_cast<u8>(random());
        for (auto& v : s.regs.gfx) v = static_cast<u8>(random());
        s.regs.misc = static_cast<u8>(random());
        s.regs.attr_index = 0x20;
        s.time = GuestTime{random() * u64{1000}};
        s.vbe = {};
        if (round % 3 == 0) s.vbe = {.xres = static_cast<u16>(random() % 3000), .yres = static_cast<u16>(random() % 200), .bpp = 32, .enable = 1};
        const Image image = draw(s);
        EXPECT_EQ(image.rgb.size(), std::size_t{3} * image.width * image.height);
        const auto text = read_text(s);
        EXPECT_EQ(text ? text->cells.size() : 0, text ? std::size_t{text->columns} * text->rows : 0);
    }
}

TEST(ImageFile, ppm_and_png_hold_the_picture) {
    Image image{3, 2, {1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 252, 0, 0, 0, 255, 255, 255}};
    const std::string pixels(image.rgb.begin(), image.rgb.end());
    EXPECT_EQ(to_ppm(image), "P6\n3 2\n255\n" + pixels);
    const auto file = to_png(image);
    ASSERT_TRUE(file) << file.error().text;
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    ASSERT_NE(png_image_begin_read_from_memory(&png, file->data(), file->size()), 0);
    EXPECT_EQ(png.width, 3u);
    EXPECT_EQ(png.height, 2u);
    png.format = PNG_FORMAT_RGB;
    std::string back(18, '\0');
    ASSERT_NE(png_image_finish_read(&png, nullptr, back.data(), 0, nullptr), 0);
    EXPECT_EQ(back, pixels);
    const auto nowhere = write_image(image, ImageFormat::Ppm, "/no-such-directory/x.ppm");
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().text, "/no-such-directory/x.ppm: No such file or directory");
    EXPECT_FALSE(write_image(image, ImageFormat::Png, "/dev/full"));
}

}  // namespace
}  // namespace vmm::display
