// SPDX-License-Identifier: Apache-2.0
// Configuration mechanism #1, BARs and interrupt wires. Expectations: PCI Local Bus Specification 2.2, sections 3.2.2.3.2,
// 6.1, 6.2.5; the swizzle is the one firmware assumes on this board (PIRQ = (slot - 1 + pin) mod 4, INTA# being 0).
#include <gtest/gtest.h>

#include "devices/pci.h"
#include "tests/devices/generic_device_test.h"
#include "tests/devices/pci_config.h"

namespace vmm {
namespace {

constexpr u8 kBar0 = 0x10, kBar1 = 0x14, kBar2 = 0x18, kRom = 0x30, kCommand = 0x04;

class Card final : public PciDevice {
  public:
    Card(PciBus& bus, u8 devfn, u8 pin = 1, u8 tag = 0x5a)
        : PciDevice(bus, devfn, {.vendor = 0x1234, .device = 0x5678, .base_class = 2, .interrupt_pin = pin}) {
        io_bar(0, 32, {[tag](u32 offset, unsigned) { return tag + offset; }, [this](u32, unsigned, u32 v) { written = v; }, 4});
        memory_bar(1, 4096, {[tag](u32 offset, unsigned) { return tag + offset; }, {}, 4});
        memory_bar(2, 1 << 20, [this](std::optional<u32> base) { frame = base; }, true);
        rom_bar(65536, [this](std::optional<u32> base) { rom = base; });
        define(0x40, 1, 0, 0xff);
    }
    std::string_view name() const override { return "card"; }
    void serialize(Archive& ar) override { ar.field("config", config_); }
    void reset() override { reset_config(); }
    using PciDevice::set_irq;

    u32 written = 0;
    std::optional<u32> frame, rom;
};

class PciTest : public testing::Test {
  protected:
    IoBus ports{"ports"}, mmio{"mmio"};
    PciBus bus{ports, mmio};
    PciConfigPorts config{ports};
};

TEST_F(PciTest, configuration_address_reads_back) {
    ports.write(0xcf8, 4, 0x8000'0000);
    EXPECT_EQ(ports.read(0xcf8, 4), 0x8000'0000u);
}

TEST_F(PciTest, only_a_dword_write_changes_the_configuration_address) {
    ports.write(0xcf8, 4, 0x8000'0810);
    ports.write(0xcf8, 1, 0xff);
    ports.write(0xcfa, 2, 0xffff);
    EXPECT_EQ(ports.read(0xcf8, 4), 0x8000'0810u);
}

TEST_F(PciTest, identity_reads_as_dword_word_and_byte) {
    Card card(bus, pci_devfn(3, 0));
    EXPECT_EQ(config.read(pci_devfn(3, 0), 0, 4), 0x5678'1234u);
    EXPECT_EQ(config.read(pci_devfn(3, 0), 2, 2), 0x5678u);
    EXPECT_EQ(config.read(pci_devfn(3, 0), 3, 1), 0x56u);
    EXPECT_EQ(config.read(pci_devfn(3, 0), 0x0b, 1), 0x02u);
}

TEST_F(PciTest, an_absent_function_reads_all_ones) {
    Card card(bus, pci_devfn(3, 0));
    EXPECT_EQ(config.read(pci_devfn(3, 1), 0, 4), 0xffff'ffffu);
    EXPECT_EQ(config.read(pci_devfn(4, 0), 0, 2), 0xffffu);
}

TEST_F(PciTest, another_bus_has_no_functions) {
    Card card(bus, pci_devfn(3, 0));
    ports.write(0xcf8, 4, 0x8001'1800);
    EXPECT_EQ(ports.read(0xcfc, 4), 0xffff'ffffu);
}

TEST_F(PciTest, data_port_is_dead_while_the_enable_bit_is_clear) {
    Card card(bus, pci_devfn(3, 0));
    ports.write(0xcf8, 4, 0x0000'1800);
    EXPECT_EQ(ports.read(0xcfc, 4), 0xffff'ffffu);
}

TEST_F(PciTest, identity_cannot_be_written) {
    Card card(bus, pci_devfn(3, 0));
    config.write(pci_devfn(3, 0), 0, 4, 0);
    EXPECT_EQ(config.read(pci_devfn(3, 0), 0, 4), 0x5678'1234u);
}

TEST_F(PciTest, a_byte_write_changes_that_byte_only) {
    Card card(bus, pci_devfn(3, 0));
    config.write(card.devfn(), kBar1, 4, 0x1234'5000);
    config.write(card.devfn(), kBar1 + 3, 1, 0xfe);
    EXPECT_EQ(config.read(card.devfn(), kBar1, 4), 0xfe34'5000u);
}

TEST_F(PciTest, sizing_shows_size_and_kind_of_each_bar) {
    Card card(bus, pci_devfn(3, 0));
    for (const u8 bar : {kBar0, kBar1, kBar2, kRom}) config.write(card.devfn(), bar, 4, 0xffff'ffff);
    EXPECT_EQ(config.read(card.devfn(), kBar0, 4), 0xffff'ffe1u);
    EXPECT_EQ(config.read(card.devfn(), kBar1, 4), 0xffff'f000u);
    EXPECT_EQ(config.read(card.devfn(), kBar2, 4), 0xfff0'0008u);
    EXPECT_EQ(config.read(card.devfn(), kRom, 4), 0xffff'0001u);
    EXPECT_EQ(config.read(card.devfn(), 0x1c, 4), 0u);
}

TEST_F(PciTest, sizing_with_decoding_on_maps_nothing) {
    Card card(bus, pci_devfn(3, 0));
    config.write(card.devfn(), kCommand, 2, 3);
    for (const u8 bar : {kBar0, kBar1, kBar2, kRom}) config.write(card.devfn(), bar, 4, 0xffff'ffff);
    EXPECT_TRUE(card.mapped().empty());
    EXPECT_FALSE(mmio.claimed(0xffff'fff0));
}

TEST_F(PciTest, io_bar_answers_once_io_decoding_is_on) {
    Card card(bus, pci_devfn(3, 0));
    config.write(card.devfn(), kBar0, 4, 0xc000);
    EXPECT_EQ(ports.read(0xc004, 1), 0xffu);
    config.write(card.devfn(), kCommand, 2, 1);
    EXPECT_EQ(ports.read(0xc004, 1), 0x5eu);
    ports.write(0xc000, 4, 0xdead'beef);
    EXPECT_EQ(card.written, 0xdead'beefu);
}

TEST_F(PciTest, moving_a_bar_leaves_the_old_place_empty) {
    Card card(bus, pci_devfn(3, 0));
    config.write(card.devfn(), kCommand, 2, 2);
    config.write(card.devfn(), kBar1, 4, 0xfebf'0000);
    config.write(card.devfn(), kBar1, 4, 0xfea0'0000);
    EXPECT_FALSE(mmio.claimed(0xfebf'0000));
    EXPECT_EQ(mmio.read(0xfea0'0001, 1), 0x5bu);
}

TEST_F(PciTest, memory_behind_a_bar_is_told_where_it_is) {
    Card card(bus, pci_devfn(3, 0));
    config.write(card.devfn(), kBar2, 4, 0xe000'0000);
    config.write(card.devfn(), kCommand, 2, 2);
    EXPECT_EQ(card.frame, std::optional<u32>(0xe000'0000));
    config.write(card.devfn(), kCommand, 2, 0);
    EXPECT_EQ(card.frame, std::nullopt);
}

TEST_F(PciTest, rom_needs_its_own_enable_bit_too) {
    Card card(bus, pci_devfn(3, 0));
    config.write(card.devfn(), kCommand, 2, 2);
    config.write(card.devfn(), kRom, 4, 0xfeb0'0000);
    EXPECT_EQ(card.rom, std::nullopt);
    config.write(card.devfn(), kRom, 4, 0xfeb0'0001);
    EXPECT_EQ(card.rom, std::optional<u32>(0xfeb0'0000));
}

TEST_F(PciTest, who_answers_in_an_overlap_does_not_depend_on_history) {
    Card low(bus, pci_devfn(3, 0), 1, 0x10), high(bus, pci_devfn(4, 0), 1, 0x20);
    config.write(low.devfn(), kCommand, 2, 1);
    config.write(high.devfn(), kCommand, 2, 1);
    config.write(high.devfn(), kBar0, 4, 0xc000);
    config.write(low.devfn(), kBar0, 4, 0xc000);
    const u32 low_last = ports.read(0xc000, 1);
    config.write(high.devfn(), kBar0, 4, 0xd000);
    config.write(high.devfn(), kBar0, 4, 0xc000);
    EXPECT_EQ(ports.read(0xc000, 1), low_last);
}

TEST_F(PciTest, pins_are_swizzled_by_slot) {
    EXPECT_EQ(PciBus::pirq_of(pci_devfn(1, 0), 1), 0u);
    EXPECT_EQ(PciBus::pirq_of(pci_devfn(2, 0), 1), 1u);
    EXPECT_EQ(PciBus::pirq_of(pci_devfn(3, 0), 1), 2u);
    EXPECT_EQ(PciBus::pirq_of(pci_devfn(3, 0), 4), 1u);
    EXPECT_EQ(PciBus::pirq_of(pci_devfn(0, 0), 1), 3u);
}

TEST_F(PciTest, a_shared_interrupt_falls_when_the_last_function_lets_go) {
    std::array<bool, 4> pirq{};
    bus.set_pirq_sink([&pirq](unsigned i, bool level) { pirq[i] = level; });
    Card a(bus, pci_devfn(3, 0)), b(bus, pci_devfn(7, 0));
    a.set_irq(true);
    b.set_irq(true);
    a.set_irq(false);
    EXPECT_TRUE(pirq[2]);
    b.set_irq(false);
    EXPECT_FALSE(pirq[2]);
}

TEST_F(PciTest, reset_takes_the_card_off_the_buses) {
    Card card(bus, pci_devfn(3, 0));
    config.write(card.devfn(), kBar0, 4, 0xc000);
    config.write(card.devfn(), kCommand, 2, 1);
    card.reset();
    EXPECT_FALSE(ports.claimed(0xc000));
    EXPECT_EQ(config.read(card.devfn(), kBar0, 4), 1u);
}

TEST_F(PciTest, a_loaded_state_is_mapped_where_it_was_saved) {
    Card card(bus, pci_devfn(3, 0));
    config.write(card.devfn(), kBar0, 4, 0xc000);
    config.write(card.devfn(), kCommand, 2, 1);
    SaveArchive save;
    card.serialize(save);
    const auto bytes = save.take();
    config.write(card.devfn(), kBar0, 4, 0xd000);

    LoadArchive load(bytes);
    card.serialize(load);
    card.after_load();

    EXPECT_TRUE(ports.claimed(0xc000));
    EXPECT_FALSE(ports.claimed(0xd000));
}

TEST_F(PciTest, byte_access_inside_the_configuration_address_reaches_reset_control) {
    u32 written = 0;
    bus.set_reset_control({[](u32, unsigned) { return 0x42u; }, [&written](u32, unsigned, u32 v) { written = v; }});
    ports.write(0xcf9, 1, 6);
    EXPECT_EQ(written, 6u);
    EXPECT_EQ(ports.read(0xcf9, 1), 0x42u);
    EXPECT_EQ(ports.read(0xcf8, 1), 0xffu);
}

GenericDevice generic_bus() {
    return {.make = [](Bench& b) {
                auto& bus = b.add<PciBus>(b.ports, b.mmio);
                std::array<IrqLine, 4> pirq;
                for (unsigned i = 0; i < 4; ++i) pirq[i] = b.line("PIRQ" + std::to_string(i));
                bus.set_pirq_sink([pirq](unsigned i, bool level) { pirq[i].set(level); });
                b.add<Card>(bus, pci_devfn(3, 0), 1, 0x10);
                b.add<Card>(bus, pci_devfn(7, 0), 1, 0x20);
            },
            .ports = {{0xcf8, 8}, {0xcfc, 4}, {0xc000, 0x40}},
            .mmio = {{0xfebf'0000, 0x2000}},
            .widths = {1, 2, 4},
            .input = [](Bench& b, Random& random) {
                auto& card = b.device<Card>(1 + random() % 2);
                if (random() % 3 == 0) card.set_irq(random() % 2 == 0);
                const u8 bar = random() % 2 == 0 ? kBar0 : kBar1;
                const u32 at = bar == kBar0 ? 0xc000 + 32 * static_cast<u32>(random() % 2) : 0xfebf'0000 + 4096 * static_cast<u32>(random() % 2);
                PciConfigPorts{b.ports}.write(card.devfn(), bar, 4, at);
                PciConfigPorts{b.ports}.write(card.devfn(), kCommand, 2, static_cast<u32>(random() % 4));
            }};
}
TEST(PciGeneric, state_is_complete) { expect_state_is_complete(generic_bus()); }
TEST(PciGeneric, survives_any_traffic) { expect_survives_traffic(generic_bus()); }

}  // namespace
}  // namespace vmm
