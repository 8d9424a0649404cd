// SPDX-License-Identifier: Apache-2.0
// DMA as a driver programs it and a device uses it. Expectations: 8237A data sheet (mode, status and mask registers,
// auto-initialise, terminal count); page register ports of the PC/AT.
#include <gtest/gtest.h>

#include <numeric>

#include "devices/i8237.h"
#include "tests/devices/generic_device_test.h"

namespace vmm {
namespace {

constexpr u8 kToMemory = 0x44, kFromMemory = 0x48, kVerify = 0x40, kAutoInit = 0x10, kDown = 0x20;   // single mode

class I8237Test : public testing::Test {
  protected:
    I8237Test() {
        memory.map_ram(0, 0, 4096);
        out(0xd6, 0xc0);                     // channel 4 cascades
        out(0xd4, 0x00);
    }
    u32 in(u32 port) { return ports.read(port, 1); }
    void out(u32 port, u32 value) { ports.write(port, 1, value); }
    // A floppy driver's sequence for channel 2.
    void program2(u8 mode, u32 address, u16 count) {
        out(0x0a, 0x06);
        out(0x0c, 0);
        out(0x04, address & 0xff);
        out(0x04, address >> 8 & 0xff);
        out(0x81, address >> 16);
        out(0x05, count & 0xff);
        out(0x05, count >> 8);
        out(0x0b, mode | 2u);
        out(0x0a, 0x02);
    }
    std::vector<u8> bytes(u32 address, std::size_t n) {
        std::vector<u8> data(n);
        memory.read({address}, data);
        return data;
    }

    IoBus ports{"ports"}, mmio{"mmio"};
    Memory memory{16u << 20, 0, mmio};
    I8237 dma{ports, memory};
};

std::vector<u8> counted(std::size_t n) {
    std::vector<u8> data(n);
    std::iota(data.begin(), data.end(), u8{1});
    return data;
}

TEST_F(I8237Test, a_device_fills_memory_until_terminal_count) {
    program2(kToMemory, 0x12'3450, 3);
    const auto data = counted(6);
    const auto done = dma.to_memory(2, data);
    EXPECT_EQ(done.bytes, 4u);
    EXPECT_TRUE(done.terminal_count);
    EXPECT_EQ(bytes(0x12'3450, 5), (std::vector<u8>{1, 2, 3, 4, 0}));
}

TEST_F(I8237Test, terminal_count_masks_the_channel_and_shows_in_status_once) {
    program2(kToMemory, 0x1000, 0);
    dma.to_memory(2, counted(1));
    EXPECT_FALSE(dma.ready(2));
    EXPECT_EQ(in(0x08), 0x04u);
    EXPECT_EQ(in(0x08), 0x00u);
}

TEST_F(I8237Test, a_transfer_goes_on_where_the_last_one_stopped) {
    program2(kToMemory, 0x1000, 99);
    EXPECT_FALSE(dma.to_memory(2, counted(2)).terminal_count);
    dma.to_memory(2, counted(2));
    EXPECT_EQ(bytes(0x1000, 4), (std::vector<u8>{1, 2, 1, 2}));
    out(0x0c, 0);
    EXPECT_EQ(in(0x04), 0x04u);
    EXPECT_EQ(in(0x04), 0x10u);
    EXPECT_EQ(in(0x05), 95u);
    EXPECT_EQ(in(0x05), 0u);
}

TEST_F(I8237Test, a_device_takes_bytes_from_memory) {
    memory.write({0x2000}, counted(4));
    program2(kFromMemory, 0x2000, 3);
    std::vector<u8> got(4);
    EXPECT_EQ(dma.from_memory(2, got).bytes, 4u);
    EXPECT_EQ(got, counted(4));
}

TEST_F(I8237Test, auto_initialisation_starts_over_and_stays_unmasked) {
    program2(kToMemory | kAutoInit, 0x1000, 1);
    EXPECT_TRUE(dma.to_memory(2, counted(2)).terminal_count);
    EXPECT_TRUE(dma.ready(2));
    const std::vector<u8> more{9};
    dma.to_memory(2, more);
    EXPECT_EQ(bytes(0x1000, 2), (std::vector<u8>{9, 2}));
}

TEST_F(I8237Test, the_address_wraps_within_64_kib) {
    program2(kToMemory, 0x3'fffe, 3);
    dma.to_memory(2, counted(4));
    EXPECT_EQ(bytes(0x3'fffe, 2), (std::vector<u8>{1, 2}));
    EXPECT_EQ(bytes(0x3'0000, 2), (std::vector<u8>{3, 4}));
    EXPECT_EQ(bytes(0x4'0000, 1), std::vector<u8>{0});
}

TEST_F(I8237Test, the_address_can_count_down) {
    program2(kToMemory | kDown, 0x1003, 3);
    dma.to_memory(2, counted(4));
    EXPECT_EQ(bytes(0x1000, 4), (std::vector<u8>{4, 3, 2, 1}));
}

TEST_F(I8237Test, verify_counts_but_touches_no_memory) {
    program2(kVerify, 0x1000, 3);
    EXPECT_TRUE(dma.to_memory(2, counted(4)).terminal_count);
    EXPECT_EQ(bytes(0x1000, 4), std::vector<u8>(4, 0));
}

TEST_F(I8237Test, the_wrong_direction_moves_nothing) {
    program2(kFromMemory, 0x1000, 3);
    EXPECT_EQ(dma.to_memory(2, counted(4)).bytes, 0u);
    EXPECT_EQ(bytes(0x1000, 1), std::vector<u8>{0});
}

TEST_F(I8237Test, a_masked_channel_is_not_ready) {
    program2(kToMemory, 0x1000, 3);
    EXPECT_TRUE(dma.ready(2));
    out(0x0a, 0x06);
    EXPECT_FALSE(dma.ready(2));
    EXPECT_EQ(dma.to_memory(2, counted(4)).bytes, 0u);
}

TEST_F(I8237Test, a_disabled_controller_or_a_masked_cascade_stops_channels_0_to_3) {
    program2(kToMemory, 0x1000, 3);
    out(0x08, 0x04);
    EXPECT_FALSE(dma.ready(2));
    out(0x08, 0x00);
    out(0xd4, 0x04);
    EXPECT_FALSE(dma.ready(2));
}

TEST_F(I8237Test, channel_5_counts_words_and_ignores_page_bit_0) {
    out(0xd8, 0);                            // byte pointer
    out(0xc4, 0x00);                         // word address 8000h: byte 1'0000h
    out(0xc4, 0x80);
    out(0x8b, 0x05);
    out(0xc6, 0x01);                         // two words
    out(0xc6, 0x00);
    out(0xd6, kToMemory | 1);
    out(0xd4, 0x01);
    const auto done = dma.to_memory(5, counted(5));
    EXPECT_EQ(done.bytes, 4u);
    EXPECT_TRUE(done.terminal_count);
    EXPECT_EQ(bytes(0x5'0000, 5), (std::vector<u8>{1, 2, 3, 4, 0}));
}

TEST_F(I8237Test, requests_show_in_the_high_half_of_status) {
    dma.set_dreq(1, true);
    EXPECT_EQ(in(0x08), 0x20u);
    dma.set_dreq(1, false);
    out(0x09, 0x07);
    EXPECT_EQ(in(0x08), 0x80u);
}

TEST_F(I8237Test, master_clear_masks_all_and_resets_the_byte_pointer) {
    out(0x04, 0xaa);
    out(0x0e, 0);
    out(0x0d, 0);
    EXPECT_EQ(in(0x0f) & 0x0f, 0x0fu);
    out(0x04, 0x34);
    out(0x04, 0x12);
    EXPECT_EQ(in(0x04), 0x34u);
    EXPECT_EQ(in(0x04), 0x12u);
}

TEST_F(I8237Test, post_code_port_keeps_its_value) {
    out(0x80, 0x55);
    EXPECT_EQ(in(0x80), 0x55u);
}

GenericDevice generic_dma() {
    return {.make = [](Bench& b) {
                auto memory = std::make_shared<Memory>(1u << 20, 0, b.mmio);
                memory->map_ram(0, 0, 256);
                // The memory lives as long as a range that refers to it.
                b.mmio.map("memory of the bench", 0xffff'0000, 1, {[memory](u32, unsigned) { return 0u; }, {}, 1});
                b.add<I8237>(b.ports, *memory);
            },
            .ports = {{0x00, 16}, {0x80, 16}, {0xc0, 32}},
            .prepare = [](Bench& b) {
                b.out(0xd6, 0xc0);
                b.out(0xde, 0);
                b.out(0x0f, 0);
                b.out(0x0b, kToMemory | kAutoInit | 2);
            },
            .input = [](Bench& b, Random& random) {
                auto& dma = b.device<I8237>();
                const auto channel = static_cast<unsigned>(random() % 8);
                std::vector<u8> data(random() % 64);
                if (random() % 2 == 0) dma.to_memory(channel, data);
                else dma.set_dreq(channel, random() % 2 == 0);
            }};
}
TEST(I8237Generic, state_is_complete) { expect_state_is_complete(generic_dma()); }
TEST(I8237Generic, survives_any_traffic) { expect_survives_traffic(generic_dma()); }

}  // namespace
}  // namespace vmm
