// SPDX-License-Identifier: Apache-2.0
// The host bridge, as firmware meets it. Expectations: 82441FX data sheet 3.2 (identification, PAM table, DRB).
#include <gtest/gtest.h>

#include "devices/i440fx.h"
#include "tests/devices/generic_device_test.h"
#include "tests/devices/pci_config.h"

namespace vmm {
namespace {

constexpr u8 kHost = 0;
constexpr u64 kRam = 64u << 20;

class I440fxTest : public testing::Test {
  protected:
    // A ROM whose pages hold their number in every byte: 20h..3Fh at E0000h-FFFFFh.
    static u32 make_rom(Memory& m) {
        const u32 first = m.allocate(128 << 10);
        for (u32 i = 0; i < 32; ++i) std::fill_n(m.page(first + i), kPageSize, static_cast<u8>(0x20 + i));
        return first;
    }
    u32 byte(u64 address) { return memory.load({address}, 1); }
    void store(u64 address, u8 value) { memory.store({address}, 1, value); }

    IoBus ports{"ports"}, mmio{"mmio"};
    Memory memory{kRam, 1 << 20, mmio};
    u32 rom = make_rom(memory);
    PciBus bus{ports, mmio};
    PciConfigPorts config{ports};
    I440fx host{bus, memory, [this](u32 page) { return page >= 0xe0 ? std::optional<u32>(rom + page - 0xe0) : std::nullopt; }};
};

TEST_F(I440fxTest, is_an_82441fx_on_the_board_firmware_knows) {
    EXPECT_EQ(config.read(kHost, 0x00, 4), 0x1237'8086u);
    EXPECT_EQ(config.read(kHost, 0x0a, 2), 0x0600u);
    EXPECT_EQ(config.read(kHost, 0x2c, 4), 0x1100'1af4u);
}

TEST_F(I440fxTest, after_reset_the_rom_answers_and_swallows_writes) {
    store(0xfffff, 0x99);
    EXPECT_EQ(byte(0xe0000), 0x20u);
    EXPECT_EQ(byte(0xfffff), 0x3fu);
    EXPECT_EQ(byte(0xc0000), 0xffu);
}

TEST_F(I440fxTest, write_enable_alone_fills_the_ram_behind_the_rom) {
    config.write(kHost, 0x59, 1, 0x20);
    store(0xf0123, 0x77);
    EXPECT_EQ(byte(0xf0123), 0x30u);
    config.write(kHost, 0x59, 1, 0x10);
    EXPECT_EQ(byte(0xf0123), 0x77u);
}

TEST_F(I440fxTest, read_enable_alone_protects_the_shadow) {
    config.write(kHost, 0x59, 1, 0x30);
    store(0xf0000, 0x11);
    config.write(kHost, 0x59, 1, 0x10);
    store(0xf0000, 0x22);
    EXPECT_EQ(byte(0xf0000), 0x11u);
}

TEST_F(I440fxTest, write_enable_alone_where_no_rom_is_reads_all_ones) {
    config.write(kHost, 0x5a, 1, 0x02);
    store(0xc0000, 0x33);
    EXPECT_EQ(byte(0xc0000), 0xffu);
    config.write(kHost, 0x5a, 1, 0x03);
    EXPECT_EQ(byte(0xc0000), 0x33u);
}

TEST_F(I440fxTest, each_half_of_a_pam_register_rules_its_own_16_kib) {
    config.write(kHost, 0x5a, 1, 0x30);      // C4000h-C7FFFh
    config.write(kHost, 0x5f, 1, 0x03);      // E8000h-EBFFFh
    store(0xc3fff, 1);
    store(0xc4000, 2);
    store(0xc7fff, 3);
    store(0xe8000, 4);
    EXPECT_EQ(byte(0xc3fff), 0xffu);
    EXPECT_EQ(byte(0xc4000), 2u);
    EXPECT_EQ(byte(0xc7fff), 3u);
    EXPECT_EQ(byte(0xe8000), 4u);
    EXPECT_EQ(byte(0xec000), 0x2cu);
}

TEST_F(I440fxTest, reset_shows_the_rom_again) {
    config.write(kHost, 0x59, 1, 0x30);
    store(0xffff0, 0x44);
    host.reset();
    EXPECT_EQ(byte(0xffff0), 0x3fu);
}

TEST_F(I440fxTest, loading_restores_the_memory_map) {
    config.write(kHost, 0x59, 1, 0x30);
    store(0xf0000, 0x55);
    SaveArchive save;
    host.serialize(save);
    const auto bytes = save.take();
    host.reset();

    LoadArchive load(bytes);
    host.serialize(load);
    host.after_load();

    EXPECT_EQ(byte(0xf0000), 0x55u);
}

TEST_F(I440fxTest, the_last_row_boundary_is_the_size_of_memory_in_8_mib) {
    EXPECT_EQ(config.read(kHost, 0x67, 1), 8u);
}

// Reads of the shadowed area stand in for ports, so that the memory map is compared as well.
GenericDevice generic_host() {
    return {.make = [](Bench& b) {
                auto memory = std::make_shared<Memory>(2u << 20, 1u << 20, b.mmio);
                auto& bus = b.add<PciBus>(b.ports, b.mmio);
                b.add<I440fx>(bus, *memory, [](u32 page) { return page >= 0xe0 ? std::optional<u32>(page - 0xe0) : std::nullopt; });
                b.mmio.map("shadow", 0xf000'0000, 0x40000, {[memory](u32 offset, unsigned) {
                    const auto view = memory->view({0xc0000 + u64{offset}});
                    return (view.read << 16) ^ view.write ^ (view.rom ? 1u : 0u);
                }, {}, 4});
            },
            .ports = {{0xcf8, 8}},
            .mmio = {{0xf000'0000, 0x40000}},
            .widths = {4},
            .input = [](Bench& b, Random& random) {
                PciConfigPorts{b.ports}.write(kHost, static_cast<u8>(0x59 + random() % 7), 1, static_cast<u32>(random() & 0xff));
            }};
}
TEST(I440fxGeneric, state_is_complete) { expect_state_is_complete(generic_host()); }
TEST(I440fxGeneric, survives_any_traffic) { expect_survives_traffic(generic_host()); }

}  // namespace
}  // namespace vmm
