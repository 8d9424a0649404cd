// SPDX-License-Identifier: Apache-2.0
// Power management as an ACPI system uses it. Expectations: ACPI 2.0 section 4.7.3; 82371AB data sheet sections 7.1, 7.2.
// Times by hand: one tick of 3.579545 MHz is 279.365 ns; the top bit of the 24-bit timer first rises at tick 2^23, which
// is 2,343,484,437.3 ns.
#include <gtest/gtest.h>

#include "devices/piix4_pm.h"
#include "tests/devices/generic_device_test.h"
#include "tests/devices/pci_config.h"

namespace vmm {
namespace {

constexpr u8 kPm = pci_devfn(1, 3);
constexpr u32 kBase = 0x600, kSts = kBase, kEn = kBase + 2, kCntrl = kBase + 4, kTmr = kBase + 8;
constexpr u64 kFirstHalf = 2'343'484'438;

class Piix4PmTest : public testing::Test {
  protected:
    Piix4PmTest() {
        config.write(kPm, 0x40, 4, kBase | 1);
        config.write(kPm, 0x80, 1, 1);
    }
    void advance_to(u64 ns) {
        clock.set_icount({ns});
        timers.run_due();
    }
    u32 status() { return ports.read(kSts, 2); }

    IoBus ports{"ports"}, mmio{"mmio"};
    Clock clock;
    Timers timers{clock};
    PciBus bus{ports, mmio};
    PciConfigPorts config{ports};
    bool sci = false;
    int power_offs = 0;
    Piix4Pm pm{bus, ports, timers, IrqLine([this](bool level) { sci = level; }), [this] { ++power_offs; }};
};

TEST_F(Piix4PmTest, is_function_3_with_a_bridge_class) {
    EXPECT_EQ(config.read(kPm, 0, 4), 0x7113'8086u);
    EXPECT_EQ(config.read(kPm, 0x0a, 2), 0x0680u);
    EXPECT_EQ(config.read(kPm, 0x3d, 1), 1u);
}

TEST_F(Piix4PmTest, block_disappears_with_its_enable_bit) {
    config.write(kPm, 0x80, 1, 0);
    EXPECT_EQ(ports.read(kCntrl, 2), 0xffffu);
}

TEST_F(Piix4PmTest, timer_counts_at_3_579545_mhz) {
    advance_to(1'000'000'000);
    EXPECT_EQ(ports.read(kTmr, 4), 3'579'545u);
}

TEST_F(Piix4PmTest, timer_reads_the_same_in_bytes) {
    advance_to(1'000'000'000);               // 36'9E99h
    EXPECT_EQ(ports.read(kTmr, 1), 0x99u);
    EXPECT_EQ(ports.read(kTmr + 1, 2), 0x369eu);
    EXPECT_EQ(ports.read(kTmr + 3, 1), 0u);
}

TEST_F(Piix4PmTest, timer_wraps_at_24_bits) {
    advance_to(5'000'000'000);               // 17,897,725 ticks - 2^24
    EXPECT_EQ(ports.read(kTmr, 4), 1'120'509u);
}

TEST_F(Piix4PmTest, timer_status_is_set_exactly_when_the_top_bit_changes) {
    advance_to(kFirstHalf - 1);
    EXPECT_EQ(ports.read(kTmr, 4), 0x7f'ffffu);
    EXPECT_EQ(status() & 1, 0u);
    advance_to(kFirstHalf);
    EXPECT_EQ(ports.read(kTmr, 4), 0x80'0000u);
    EXPECT_EQ(status() & 1, 1u);
}

TEST_F(Piix4PmTest, timer_status_is_cleared_by_writing_one_and_comes_back_half_a_period_later) {
    advance_to(kFirstHalf);
    ports.write(kSts, 2, 1);
    EXPECT_EQ(status() & 1, 0u);
    advance_to(2 * kFirstHalf);
    EXPECT_EQ(status() & 1, 1u);
}

TEST_F(Piix4PmTest, no_deadline_exists_while_nobody_wants_the_timer_interrupt) {
    EXPECT_EQ(timers.next(), std::nullopt);
    ports.write(kEn, 2, 1);
    EXPECT_EQ(timers.next(), std::nullopt);
    ports.write(kCntrl, 2, 1);
    EXPECT_EQ(timers.next(), std::optional(GuestTime{kFirstHalf}));
}

TEST_F(Piix4PmTest, timer_interrupt_rises_on_time_and_falls_when_cleared) {
    ports.write(kEn, 2, 1);
    ports.write(kCntrl, 2, 1);
    advance_to(kFirstHalf - 1);
    EXPECT_FALSE(sci);
    advance_to(kFirstHalf);
    EXPECT_TRUE(sci);
    ports.write(kSts, 2, 1);
    EXPECT_FALSE(sci);
    EXPECT_EQ(timers.next(), std::optional(GuestTime{4'686'968'875}));  // ceil(2^24 ticks)
}

TEST_F(Piix4PmTest, acpi_is_switched_through_the_smi_command_port) {
    ports.write(0xb2, 1, 0xf1);
    EXPECT_EQ(ports.read(kCntrl, 2) & 1, 1u);
    ports.write(0xb2, 1, 0xf0);
    EXPECT_EQ(ports.read(kCntrl, 2) & 1, 0u);
}

TEST_F(Piix4PmTest, apm_status_port_keeps_what_was_written) {
    ports.write(0xb3, 1, 0x5a);
    EXPECT_EQ(ports.read(0xb3, 1), 0x5au);
}

TEST_F(Piix4PmTest, power_button_interrupts_only_while_enabled) {
    ports.write(kCntrl, 2, 1);
    pm.press_power_button();
    EXPECT_FALSE(sci);
    EXPECT_EQ(status(), 0x100u);
    ports.write(kEn, 2, 0x100);
    EXPECT_TRUE(sci);
    ports.write(kSts, 2, 0x100);
    EXPECT_FALSE(sci);
}

TEST_F(Piix4PmTest, no_interrupt_while_sci_is_not_selected) {
    ports.write(kEn, 2, 0x100);
    pm.press_power_button();
    EXPECT_FALSE(sci);
}

TEST_F(Piix4PmTest, soft_off_needs_type_0_and_the_enable_bit) {
    ports.write(kCntrl, 2, 0x0000);
    ports.write(kCntrl, 2, 0x2400);          // type 1 is suspend to RAM
    EXPECT_EQ(power_offs, 0);
    ports.write(kCntrl, 2, 0x2000);
    EXPECT_EQ(power_offs, 1);
    EXPECT_EQ(ports.read(kCntrl, 2) & 0x2000, 0u);
}

TEST_F(Piix4PmTest, general_purpose_event_interrupts_and_is_cleared_by_writing_one) {
    ports.write(kCntrl, 2, 1);
    ports.write(0xafe2, 1, 0x02);
    pm.raise_gpe(1);
    EXPECT_TRUE(sci);
    EXPECT_EQ(ports.read(0xafe0, 1), 0x02u);
    ports.write(0xafe0, 1, 0x02);
    EXPECT_FALSE(sci);
}

TEST_F(Piix4PmTest, firmware_is_told_that_smm_is_set_up) {
    EXPECT_EQ(config.read(kPm, 0x58, 4) >> 25 & 1, 1u);
}

TEST_F(Piix4PmTest, smbus_transfer_ends_with_a_device_error) {
    config.write(kPm, 0x90, 4, 0x701);
    config.write(kPm, 0xd2, 1, 0x09);
    ports.write(0x704, 1, 0xa1);
    ports.write(0x702, 1, 0x48);             // start, byte data
    EXPECT_EQ(ports.read(0x700, 1), 0x04u);
    ports.write(0x700, 1, 0x04);
    EXPECT_EQ(ports.read(0x700, 1), 0x00u);
}

TEST_F(Piix4PmTest, reset_keeps_the_timer_running) {
    advance_to(3'000'000'000);
    pm.reset();
    config.write(kPm, 0x40, 4, kBase | 1);
    config.write(kPm, 0x80, 1, 1);
    EXPECT_EQ(ports.read(kTmr, 4), 10'738'635u);
    EXPECT_EQ(status(), 0u);
}

GenericDevice generic_pm() {
    return {.make = [](Bench& b) {
                auto& bus = b.add<PciBus>(b.ports, b.mmio);
                const IrqLine off = b.line("off");
                b.add<Piix4Pm>(bus, b.ports, b.timers, b.line("sci"), [off] { off.pulse(); });
            },
            .ports = {{kBase, 64}, {kBase, 8}, {0x700, 16}, {0xafe0, 4}, {0xb2, 2}, {0xcf8, 8}},
            .widths = {1, 2, 4},
            .prepare = [](Bench& b) {
                PciConfigPorts config{b.ports};
                config.write(kPm, 0x40, 4, kBase | 1);
                config.write(kPm, 0x80, 1, 1);
                config.write(kPm, 0x90, 4, 0x701);
                config.write(kPm, 0xd2, 1, 1);
                b.out(0xb2, 0xf1);
                b.out(kEn, 1);
            },
            .input = [](Bench& b, Random& random) {
                auto& pm = b.device<Piix4Pm>(1);
                if (random() % 2 == 0) pm.press_power_button();
                else pm.raise_gpe(static_cast<unsigned>(random() % 16));
                b.out(0xb2, random() % 4 == 0 ? 0xf0 : 0xf1);
                b.out(kEn, 1);
            },
            .longest_pause_ns = 1'000'000'000};
}
TEST(Piix4PmGeneric, state_is_complete) { expect_state_is_complete(generic_pm()); }
TEST(Piix4PmGeneric, survives_any_traffic) { expect_survives_traffic(generic_pm()); }

}  // namespace
}  // namespace vmm
