// SPDX-License-Identifier: Apache-2.0
// The VGA as programs find it. Expectations: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem" (registers,
// write and read modes), Bochs' vbe_display_api.txt (VBE), PCI 2.2 (BARs); pixel clock and blanking of mode 3 from IBM's table.
#include <cstring>

#include "devices/vga.h"
#include "tests/devices/pci_config.h"
#include "tests/devices/vga_fixture.h"

namespace vmm {
namespace {

constexpr u8 kVga = pci_devfn(2, 0);

class VgaTest : public testing::Test {
  protected:
    VgaTest() { memory.map_ram(0, 0, 0xa0); }

    void out(u32 port, u32 value) { ports.write(port, 1, value); }
    u8 in(u32 port) { return static_cast<u8>(ports.read(port, 1)); }
    void seq(u8 index, u8 value) { out(0x3c4, index), out(0x3c5, value); }
    void gfx(u8 index, u8 value) { out(0x3ce, index), out(0x3cf, value); }
    void crtc(u8 index, u8 value) { out(0x3d4, index), out(0x3d5, value); }
    void attr(u8 index, u8 value) { in(0x3da), out(0x3c0, index), out(0x3c0, value); }
    void vbe(u16 index, u16 value) { ports.write(0x1ce, 2, index), ports.write(0x1cf, 2, value); }
    u16 vbe(u16 index) { return ports.write(0x1ce, 2, index), static_cast<u16>(ports.read(0x1cf, 2)); }
    void poke(u32 address, u8 value) { memory.store({address}, 1, value); }
    u8 peek(u32 address) { return static_cast<u8>(memory.load({address}, 1)); }
    void pass(u64 ns) { clock.set_icount(clock.icount() + ns); }

    // 16 colours in planes at A0000h: everything written goes to all planes as it is.
    void planar() {
        out(0x3c2, 0x63);
        seq(2, 0x0f), seq(4, 0x06);
        for (u8 i = 0; i < 8; ++i) gfx(i, i == 6 ? 0x05 : 0);
        gfx(8, 0xff);
    }
    void chain4() {
        planar();
        seq(4, 0x0e);
        gfx(5, 0x40);
    }
    // A plane through read mode 0.
    u8 plane(u8 number, u32 offset) {
        gfx(5, 0), gfx(4, number);
        return peek(0xa0000 + offset);
    }
    std::vector<u8> planes(u32 offset) { return {plane(0, offset), plane(1, offset), plane(2, offset), plane(3, offset)}; }
    // Different bytes in the planes at an address, and in the latches.
    void latch(u32 offset, const std::vector<u8>& bytes) {
        for (unsigned p = 0; p < 4; ++p) {
            seq(2, static_cast<u8>(1u << p));
            poke(0xa0000 + offset, bytes[p]);
        }
        seq(2, 0x0f);
        peek(0xa0000 + offset);
    }
    using Bytes = std::vector<u8>;

    Clock clock;
    Timers timers{clock};
    IoBus ports{"ports"}, mmio{"mmio"};
    Memory memory{kVgaRam, kVgaExtra, mmio};
    PciBus pci{ports, mmio};
    std::vector<u8> rom = {0x55, 0xaa, 0x02, 0xcb};
    Vga vga{pci, ports, mmio, memory, timers, rom, kVgaHole};
};

TEST_F(VgaTest, write_mode_0_stores_the_byte_in_the_planes_of_the_map_mask) {
    planar();
    seq(2, 0x05);
    poke(0xa0123, 0x9c);
    EXPECT_EQ(planes(0x123), (Bytes{0x9c, 0, 0x9c, 0}));
}

TEST_F(VgaTest, write_mode_0_rotates_right) {
    planar();
    gfx(3, 0x03);
    poke(0xa0000, 0b1011'0101);
    EXPECT_EQ(plane(0, 0), 0b1011'0110);
}

TEST_F(VgaTest, set_reset_replaces_the_byte_in_enabled_planes) {
    planar();
    gfx(0, 0x0a), gfx(1, 0x0c);            // planes 2 and 3 take bits 2 (0) and 3 (1)
    poke(0xa0000, 0x5a);
    EXPECT_EQ(planes(0), (Bytes{0x5a, 0x5a, 0x00, 0xff}));
}

TEST_F(VgaTest, functions_combine_with_the_latches) {
    const struct { u8 function; u8 result; } cases[] = {{0x08, 0x0c & 0x5a}, {0x10, 0x0c | 0x5a}, {0x18, 0x0c ^ 0x5a}};
    for (const auto& c : cases) {
        planar();
        latch(0, {0x5a, 0x5a, 0x5a, 0x5a});
        gfx(3, c.function);
        poke(0xa0010, 0x0c);
        gfx(3, 0);
        EXPECT_EQ(plane(1, 0x10), c.result) << int{c.function};
    }
}

TEST_F(VgaTest, bits_outside_the_bit_mask_come_from_the_latches) {
    planar();
    latch(0, {0x11, 0x22, 0x44, 0x88});
    gfx(8, 0xf0);
    poke(0xa0001, 0x3c);
    EXPECT_EQ(planes(1), (Bytes{0x31, 0x32, 0x34, 0x38}));
}

TEST_F(VgaTest, write_mode_1_copies_the_latches) {
    planar();
    latch(7, {1, 2, 3, 4});
    gfx(5, 1);
    gfx(8, 0x00), gfx(3, 0x18);            // of no effect
    poke(0xa0100, 0xff);
    EXPECT_EQ(planes(0x100), (Bytes{1, 2, 3, 4}));
}

TEST_F(VgaTest, write_mode_2_expands_a_colour) {
    planar();
    latch(0, {0xaa, 0xaa, 0xaa, 0xaa});
    gfx(5, 2), gfx(8, 0x0f);
    poke(0xa0002, 0x06);
    EXPECT_EQ(planes(2), (Bytes{0xa0, 0xaf, 0xaf, 0xa0}));
}

TEST_F(VgaTest, write_mode_3_masks_set_reset_with_the_rotated_byte) {
    planar();
    latch(0, {0, 0, 0xff, 0xff});
    gfx(0, 0x05), gfx(3, 0x04), gfx(8, 0xfc), gfx(5, 3);
    poke(0xa0003, 0xc3);                   // rotated by 4: 3C; with the bit mask: 3C
    gfx(3, 0);
    EXPECT_EQ(planes(3), (Bytes{0x3c, 0x00, 0xff, 0xc3}));
}

TEST_F(VgaTest, read_mode_1_compares_colours_in_the_planes_that_care) {
    planar();
    latch(0, {0b1111'0000, 0b1100'1100, 0b1010'1010, 0b0000'1111});
    gfx(5, 8), gfx(2, 0x03), gfx(7, 0x07);   // where planes 0-2 hold 011b
    EXPECT_EQ(peek(0xa0000), 0b0100'0000);
    gfx(7, 0x00);
    EXPECT_EQ(peek(0xa0000), 0xff);
}

TEST_F(VgaTest, odd_even_puts_characters_and_attributes_into_planes_0_and_1) {
    planar();
    seq(2, 0x03), seq(4, 0x02);
    gfx(5, 0x10), gfx(6, 0x0e);            // at B8000h
    memory.store({0xb8000}, 4, 0x1f42'1741);
    EXPECT_EQ(memory.load({0xb8000}, 4), 0x1f42'1741u);
    EXPECT_EQ(peek(0xa0000), 0xff);        // nobody there
    seq(4, 0x06), gfx(6, 0x04), gfx(5, 0);
    EXPECT_EQ(plane(0, 0), 0x41);
    EXPECT_EQ(plane(1, 0), 0x17);
    EXPECT_EQ(plane(0, 2), 0x42);
    EXPECT_EQ(plane(1, 2), 0x1f);
}

TEST_F(VgaTest, chain_4_spreads_neighbours_over_the_planes) {
    chain4();
    for (u32 i = 0; i < 8; ++i) poke(0xa0000 + i, static_cast<u8>(0x10 + i));
    EXPECT_EQ(memory.load({0xa0004}, 4), 0x1716'1514u);
    seq(4, 0x06);                          // Mode X
    EXPECT_EQ(planes(0), (Bytes{0x10, 0x11, 0x12, 0x13}));
    EXPECT_EQ(planes(1), (Bytes{0x14, 0x15, 0x16, 0x17}));
}

TEST_F(VgaTest, chain_4_is_plain_memory_and_obeys_the_map_mask_all_the_same) {
    chain4();
    EXPECT_NE(memory.view({0xa0000}).write, Memory::PageView::kNone);
    EXPECT_NE(memory.view({0xaffff}).write, Memory::PageView::kNone);
    EXPECT_EQ(memory.view({0xb0000}).write, Memory::PageView::kNone);
    memory.store({0xa0000}, 4, 0x4444'4444);
    seq(2, 0x0d);
    EXPECT_EQ(memory.view({0xa0000}).write, Memory::PageView::kNone);
    memory.store({0xa0000}, 4, 0x8888'8888);
    EXPECT_EQ(memory.load({0xa0000}, 4), 0x8888'4488u);
}

TEST_F(VgaTest, windows_lie_where_register_6_says) {
    planar();
    const struct { u8 map; u32 inside, last, outside; } cases[] = {{0x00, 0xa0000, 0xbffff, 0xa0000}, {0x04, 0xa0000, 0xaffff, 0xb0000},
                                                                   {0x08, 0xb0000, 0xb7fff, 0xb8000}, {0x0c, 0xb8000, 0xbffff, 0xb7fff}};
    for (const auto& c : cases) {
        gfx(6, c.map | 1);
        poke(c.inside, 0x77), poke(c.last, 0x66);
        EXPECT_EQ(peek(c.inside), 0x77) << int{c.map};
        EXPECT_EQ(peek(c.last), 0x66) << int{c.map};
        if (c.outside != c.inside) {
            EXPECT_EQ(peek(c.outside), 0xff) << int{c.map};
        }
    }
    out(0x3c2, 0x61);                      // memory disabled
    EXPECT_EQ(peek(0xbffff), 0xff);
}

TEST_F(VgaTest, crt_controller_answers_at_the_mono_or_the_colour_address) {
    out(0x3c2, 0x66);
    out(0x3b4, 0x0e), out(0x3b5, 0x5a);
    EXPECT_EQ(in(0x3b5), 0x5a);
    EXPECT_EQ(in(0x3d5), 0xff);
    out(0x3c2, 0x67);
    EXPECT_EQ(in(0x3d5), 0x5a);
    EXPECT_EQ(in(0x3b5), 0xff);
}

TEST_F(VgaTest, protection_leaves_line_compare_bit_8_writable) {
    out(0x3c2, 0x67);
    crtc(0, 0x5f), crtc(7, 0x1f), crtc(0x11, 0x8e);
    crtc(0, 0x00), crtc(7, 0x00);
    out(0x3d4, 0);
    EXPECT_EQ(in(0x3d5), 0x5f);
    out(0x3d4, 7);
    EXPECT_EQ(in(0x3d5), 0x0f);
    crtc(0x18, 0x12);                      // not protected
    EXPECT_EQ(in(0x3d5), 0x12);
}

TEST_F(VgaTest, attribute_controller_takes_index_and_data_in_turn) {
    out(0x3c2, 0x67);
    attr(0x12, 0x0f), attr(0x31, 0x2a);
    EXPECT_EQ(in(0x3c0), 0x31);
    EXPECT_EQ(in(0x3c1), 0x2a);            // reading does not turn the flip-flop
    in(0x3da);
    out(0x3c0, 0x12);
    EXPECT_EQ(in(0x3c1), 0x0f);
}

TEST_F(VgaTest, dac_takes_and_gives_three_components_and_moves_on) {
    out(0x3c8, 0x10);
    for (const u32 v : {1u, 2u, 0xffu, 4u, 5u, 6u}) out(0x3c9, v);
    EXPECT_EQ(in(0x3c7) & 3, 0);
    out(0x3c7, 0x10);
    EXPECT_EQ(in(0x3c7) & 3, 3);
    for (const u32 v : {1u, 2u, 0x3fu, 4u, 5u, 6u}) EXPECT_EQ(in(0x3c9), v);   // 6 bits a component
    out(0x3c8, 0x20);
    out(0x3c9, 0x11), out(0x3c9, 0x12);
    out(0x3c7, 0x20);
    EXPECT_EQ(in(0x3c9), 0);               // stored only when complete
}

// 720 x 400 at 28.322 MHz: 900 dots and 449 lines, 70.09 frames a second; retrace from line 412 for two lines.
TEST_F(VgaTest, status_shows_the_beam_of_mode_3) {
    out(0x3c2, 0x67);
    const u8 values[] = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x0e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};
    for (u8 i = 0; i < sizeof values; ++i) crtc(i, values[i]);
    const double line_ns = 900e9 / 28.322e6;
    const auto at_line = [&](double line) {
        const u64 target = static_cast<u64>(line * line_ns);
        pass(target - clock.time().v);
        return in(0x3da) & 9;
    };
    EXPECT_EQ(at_line(0.4), 0);            // dots 0-719 show
    EXPECT_EQ(at_line(0.9), 1);            // horizontal blanking
    EXPECT_EQ(at_line(399.5), 0);
    EXPECT_EQ(at_line(400.5), 1);
    EXPECT_EQ(at_line(411.5), 1);
    EXPECT_EQ(at_line(412.5), 9);
    EXPECT_EQ(at_line(413.5), 9);
    EXPECT_EQ(at_line(414.5), 1);
    EXPECT_EQ(at_line(449.4), 0);          // the next frame
}

TEST_F(VgaTest, vbe_names_itself_and_its_limits) {
    EXPECT_EQ(vbe(0), 0xb0c5);
    vbe(0, 0xb0c2);
    EXPECT_EQ(vbe(0), 0xb0c2);
    EXPECT_EQ(vbe(10), 256);               // units of 64 KiB
    vbe(4, 0x02);
    EXPECT_GE(vbe(1), 1600);
    EXPECT_GE(vbe(2), 1200);
    EXPECT_EQ(vbe(3), 32);
}

TEST_F(VgaTest, enabling_vbe_clears_the_picture_unless_told_not_to) {
    chain4();
    memory.store({0xa0000}, 4, 0x1234'5678);
    vbe(1, 640), vbe(2, 480), vbe(3, 8), vbe(4, 0xc1);
    EXPECT_EQ(memory.load({0xa0000}, 4), 0x1234'5678u);
    vbe(4, 0), vbe(4, 0x41);
    EXPECT_EQ(memory.load({0xa0000}, 4), 0u);
    EXPECT_EQ(vbe(6), 640);
    EXPECT_EQ(vbe(7), (16 << 20) / 640);
}

TEST_F(VgaTest, banks_and_the_linear_frame_buffer_are_one_memory) {
    vbe(1, 1024), vbe(2, 768), vbe(3, 32), vbe(4, 0x41);
    PciConfigPorts config{ports};
    config.write(kVga, 0x10, 4, 0xe000'0000);
    config.write(kVga, 0x04, 2, 3);
    vbe(5, 7);
    memory.store({0xa0010}, 4, 0xcafe'f00d);
    EXPECT_EQ(memory.load({0xe007'0010}, 4), 0xcafe'f00du);
    memory.store({0xe00f'fffc}, 4, 0x0bad'cafe);
    vbe(5, 15);
    EXPECT_EQ(memory.load({0xafffc}, 4), 0x0bad'cafeu);
}

TEST_F(VgaTest, frame_buffer_and_rom_move_with_their_bars_and_stay_out_of_ram) {
    PciConfigPorts config{ports};
    EXPECT_EQ(config.read(kVga, 0x00, 4), 0x1111'1234u);
    EXPECT_EQ(config.read(kVga, 0x0a, 2), 0x0300u);
    config.write(kVga, 0x10, 4, 0xffff'ffff);
    EXPECT_EQ(config.read(kVga, 0x10, 4), 0xff00'0008u);       // 16 MiB, prefetchable
    config.write(kVga, 0x30, 4, 0xf000'0001);
    config.write(kVga, 0x10, 4, 0xe000'0000);
    config.write(kVga, 0x04, 2, 2);
    EXPECT_EQ(memory.load({0xf000'0000}, 4), 0xcb02'aa55u);
    memory.store({0xe0ff'fffc}, 4, 0x600d'f00d);
    config.write(kVga, 0x10, 4, 0xd000'0000);
    EXPECT_EQ(memory.load({0xe0ff'fffc}, 4), 0xffff'ffffu);
    EXPECT_EQ(memory.load({0xd0ff'fffc}, 4), 0x600d'f00du);
    memory.store({0x1000}, 4, 0x5555'aaaa);
    config.write(kVga, 0x30, 4, 0);
    for (const u32 odd : {0x0000'0000u, 0x0100'0000u, 0xff00'0000u}) config.write(kVga, 0x10, 4, odd);   // over RAM; over the firmware
    EXPECT_EQ(memory.load({0x1000}, 4), 0x5555'aaaau);
    config.write(kVga, 0x10, 4, 0xd000'0000);
    for (u32 i = 0; i < 70'000; ++i) config.write(kVga, 0x10, 4, (0x80u + i % 0x60) << 24);   // as often as it likes
    config.write(kVga, 0x10, 4, 0xd000'0000);
    EXPECT_EQ(memory.load({0xd0ff'fffc}, 4), 0x600d'f00du);
}

TEST_F(VgaTest, second_bar_holds_the_ports_and_the_vbe_registers) {
    PciConfigPorts config{ports};
    config.write(kVga, 0x18, 4, 0xfeb0'0000);
    config.write(kVga, 0x04, 2, 2);
    mmio.write(0xfeb0'0500 + 2, 2, 800);
    EXPECT_EQ(vbe(1), 800);
    EXPECT_EQ(mmio.read(0xfeb0'0500, 2), 0xb0c5u);
    mmio.write(0xfeb0'0402, 1, 0x67);                          // 3C2h
    EXPECT_EQ(in(0x3cc), 0x67);
    mmio.write(0xfeb0'0404, 2, 0x0f02);                        // 3C4h and 3C5h
    EXPECT_EQ(in(0x3c5), 0x0f);
    EXPECT_EQ(mmio.read(0xfeb0'0604, 4), 0x1e1e'1e1eu);
}

// --- any traffic ----------------------------------------------------------------------------------------------------------

GenericDevice vga_with_memory() {
    GenericDevice d;
    d.make = [](Bench& b) {
        struct Around final : Device {                         // what the card is plugged into; its state is the video memory
            explicit Around(Bench& bench) : memory{kVgaRam, kVgaExtra, bench.mmio}, pci{bench.ports, bench.mmio} {}
            std::string_view name() const override { return "around"; }
            void serialize(Archive& ar) override {
                ar.field("pci", pci);
                VideoMemory(memory).serialize(ar);
            }
            void reset() override {}
            Memory memory;
            PciBus pci;
        };
        auto& around = b.add<Around>(b);
        const std::vector<u8> rom(100, 0x90);
        b.add<Vga>(around.pci, b.ports, b.mmio, around.memory, b.timers, rom, kVgaHole);
    };
    d.prepare = [](Bench& b) {
        b.out(0x3c2, 0x63);
        b.out(0x3c4, 2), b.out(0x3c5, 0x0f);
        b.out(0x3ce, 8), b.out(0x3cf, 0xff);
        b.out(0x3ce, 6), b.out(0x3cf, 0x01);
    };
    d.ports = {{0x3b4, 2}, {0x3ba, 1}, {0x3c0, 16}, {0x3c0, 16}, {0x3d4, 2}, {0x3da, 1}, {0x1ce, 4}, {0x1ce, 2}, {0xcf8, 8}};
    d.mmio = {{0xa0000, 0x40}, {0xa0000, 0x20000}};
    d.widths = {1, 2, 4};
    d.input = [](Bench& b, Random& random) {                   // what chance would not find: index and value that fit
        switch (random() % 4) {
            case 0: b.ports.write(0x1ce, 2, static_cast<u32>(random() % 11)), b.ports.write(0x1cf, 2, static_cast<u32>(random() % 1100)); break;
            case 1: b.ports.write(0x1ce, 2, 4), b.ports.write(0x1cf, 2, static_cast<u32>(random() & 0xe3)); break;
            case 2: b.ports.write(0x3ce, 2, static_cast<u32>((random() & 0xff00) | random() % 9)); break;
            default:
                b.ports.write(0xcf8, 4, 0x8000'1000u | static_cast<u32>(random() % 16) << 2);
                b.ports.write(0xcfc, 4, static_cast<u32>(random()));
                break;
        }
    };
    d.rounds = 24;
    return d;
}

TEST(Vga, state_is_complete) { expect_state_is_complete(vga_with_memory()); }
TEST(Vga, survives_any_traffic) { expect_survives_traffic(vga_with_memory()); }

}  // namespace
}  // namespace vmm
