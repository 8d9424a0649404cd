// SPDX-License-Identifier: Apache-2.0
// Interrupt steering and reset control. Expectations: 82371SB data sheet, PIRQRC (60h-63h) and RC (CF9h).
#include <gtest/gtest.h>

#include "devices/piix3.h"
#include "tests/devices/generic_device_test.h"
#include "tests/devices/pci_config.h"

namespace vmm {
namespace {

constexpr u8 kIsa = pci_devfn(1, 0);
constexpr u8 kPirqA = 0x60, kPirqB = 0x61;

class Card final : public PciDevice {
  public:
    Card(PciBus& bus, unsigned slot) : PciDevice(bus, pci_devfn(slot, 0), {.vendor = 1, .device = 1, .interrupt_pin = 1}) {}
    std::string_view name() const override { return "card"; }
    void serialize(Archive& ar) override { ar.field("config", config_); }
    void reset() override { reset_config(); }
    using PciDevice::set_irq;
};

class Piix3Test : public testing::Test {
  protected:
    std::array<IrqLine, 16> lines() {
        std::array<IrqLine, 16> out;
        for (unsigned i = 0; i < 16; ++i) out[i] = IrqLine([this, i](bool level) { irq[i] = level; });
        return out;
    }
    IoBus ports{"ports"}, mmio{"mmio"};
    PciBus bus{ports, mmio};
    PciConfigPorts config{ports};
    std::array<bool, 16> irq{};
    std::vector<bool> resets;
    Piix3 piix{bus, lines(), [this](bool hard) { resets.push_back(hard); }};
    Card a{bus, 5}, b{bus, 6};               // PIRQA#, PIRQB#
};

TEST_F(Piix3Test, is_the_first_of_several_functions_in_its_slot) {
    EXPECT_EQ(config.read(kIsa, 0x00, 4), 0x7000'8086u);
    EXPECT_EQ(config.read(kIsa, 0x08, 4) >> 8, 0x06'0100u);
    EXPECT_EQ(config.read(kIsa, 0x0e, 1), 0x80u);
    EXPECT_EQ(config.read(kIsa, kPirqA, 4), 0x8080'8080u);
}

TEST_F(Piix3Test, an_unrouted_interrupt_goes_nowhere) {
    a.set_irq(true);
    EXPECT_EQ(irq, (std::array<bool, 16>{}));
}

TEST_F(Piix3Test, a_routed_interrupt_follows_the_card) {
    config.write(kIsa, kPirqA, 1, 11);
    a.set_irq(true);
    EXPECT_TRUE(irq[11]);
    a.set_irq(false);
    EXPECT_FALSE(irq[11]);
}

TEST_F(Piix3Test, two_pirqs_on_one_interrupt_are_ored) {
    config.write(kIsa, kPirqA, 1, 10);
    config.write(kIsa, kPirqB, 1, 10);
    a.set_irq(true);
    b.set_irq(true);
    a.set_irq(false);
    EXPECT_TRUE(irq[10]);
    b.set_irq(false);
    EXPECT_FALSE(irq[10]);
}

TEST_F(Piix3Test, rerouting_an_active_interrupt_moves_its_level) {
    config.write(kIsa, kPirqA, 1, 10);
    a.set_irq(true);
    config.write(kIsa, kPirqA, 1, 5);
    EXPECT_FALSE(irq[10]);
    EXPECT_TRUE(irq[5]);
    config.write(kIsa, kPirqA, 1, 0x80);
    EXPECT_FALSE(irq[5]);
}

TEST_F(Piix3Test, an_isa_device_shares_the_wire_with_a_pirq) {
    config.write(kIsa, kPirqA, 1, 9);
    const IrqLine sci = piix.isa_irq(9);
    sci.set(true);
    a.set_irq(true);
    sci.set(false);
    EXPECT_TRUE(irq[9]);
    a.set_irq(false);
    EXPECT_FALSE(irq[9]);
}

TEST_F(Piix3Test, reset_happens_when_the_cpu_bit_rises) {
    ports.write(0xcf9, 1, 0x02);
    EXPECT_TRUE(resets.empty());
    ports.write(0xcf9, 1, 0x06);
    ports.write(0xcf9, 1, 0x06);
    EXPECT_EQ(resets, std::vector<bool>{true});
}

TEST_F(Piix3Test, reset_is_soft_without_the_system_bit) {
    ports.write(0xcf9, 1, 0x04);
    EXPECT_EQ(resets, std::vector<bool>{false});
}

TEST_F(Piix3Test, the_reset_type_reads_back) {
    ports.write(0xcf9, 1, 0x02);
    EXPECT_EQ(ports.read(0xcf9, 1), 0x02u);
}

GenericDevice generic_bridge() {
    return {.make = [](Bench& b) {
                auto& bus = b.add<PciBus>(b.ports, b.mmio);
                std::array<IrqLine, 16> lines;
                for (unsigned i = 0; i < 16; ++i) lines[i] = b.line("irq" + std::to_string(i));
                const IrqLine reset = b.line("reset");
                b.add<Piix3>(bus, lines, [reset](bool) { reset.pulse(); });
                b.add<Card>(bus, 5);
                b.add<Card>(bus, 6);
            },
            .ports = {{0xcf8, 8}, {0xcf9, 1}},
            .widths = {1, 2, 4},
            .input = [](Bench& b, Random& random) {
                PciConfigPorts{b.ports}.write(kIsa, static_cast<u8>(kPirqA + random() % 4), 1, static_cast<u32>(random() % 16));
                b.device<Card>(2 + random() % 2).set_irq(random() % 2 == 0);
                b.device<Piix3>(1).isa_irq(static_cast<unsigned>(random() % 16)).set(random() % 2 == 0);
            }};
}
TEST(Piix3Generic, state_is_complete) { expect_state_is_complete(generic_bridge()); }
TEST(Piix3Generic, survives_any_traffic) { expect_survives_traffic(generic_bridge()); }

}  // namespace
}  // namespace vmm
