// SPDX-License-Identifier: Apache-2.0
// The local APIC through its registers. Expectations: Intel SDM volume 3A, chapter APIC (register map and reset values,
// "Task and Processor Priorities", "Signaling Interrupt Servicing Completion", "APIC Timer", "Error Handling").
#include <gtest/gtest.h>

#include "devices/lapic.h"
#include "tests/devices/generic_device_test.h"

namespace vmm {
namespace {

constexpr u32 kBase = 0xfee0'0000;
constexpr u32 kId = 0x20, kVersion = 0x30, kTpr = 0x80, kApr = 0x90, kPpr = 0xa0, kEoi = 0xb0, kLdr = 0xd0, kDfr = 0xe0, kSvr = 0xf0;
constexpr u32 kIsr1 = 0x110, kTmr1 = 0x190, kIrr1 = 0x210, kIrr2 = 0x220, kEsr = 0x280, kIcr = 0x300, kIcrHigh = 0x310;
constexpr u32 kLvtTimer = 0x320, kLvtLint0 = 0x350, kLvtLint1 = 0x360, kLvtError = 0x370, kInitial = 0x380, kCurrent = 0x390, kDivide = 0x3e0;
constexpr u32 kSelf = 0x40000, kMasked = 0x10000, kPeriodic = 0x20000, kDivideBy1 = 0xb;

class LapicTest : public testing::Test {
  protected:
    LapicTest() {
        apic.connect([this](u8 vector) { ended.push_back(vector); }, [this] { ++ready; });
    }
    u32 in(u32 reg) { return mmio.read(kBase + reg, 4); }
    void out(u32 reg, u32 value) { mmio.write(kBase + reg, 4, value); }
    void enable() { out(kSvr, 0x1ff); }
    void send_self(u32 vector) { out(kIcr, kSelf | vector); }
    void advance_to(u64 ns) {
        clock.set_icount({ns});
        timers.run_due();
    }

    IoBus mmio{"mmio"};
    Clock clock;
    Timers timers{clock};
    CpuPins pins;
    int pic_cycles = 0;
    int ready = 0;
    std::vector<u8> ended;
    Lapic apic{mmio, timers, pins, [this] { ++pic_cycles; return u8{0x08}; }};
};

TEST_F(LapicTest, registers_have_their_reset_values) {
    EXPECT_EQ(in(kId), 0u);
    EXPECT_EQ(in(kVersion), 0x0005'0014u);
    EXPECT_EQ(in(kDfr), 0xffff'ffffu);
    EXPECT_EQ(in(kSvr), 0xffu);
    EXPECT_EQ(in(kLvtTimer), kMasked);
    EXPECT_EQ(in(kLvtLint0), kMasked);
    EXPECT_EQ(in(kLvtError), kMasked);
    EXPECT_EQ(in(kInitial), 0u);
    EXPECT_EQ(in(kDivide), 0u);
}

TEST_F(LapicTest, self_ipi_is_requested_then_in_service_then_gone) {
    enable();
    send_self(0x31);
    EXPECT_TRUE(apic.pending());
    EXPECT_EQ(in(kIrr1), 1u << 17);
    EXPECT_EQ(apic.acknowledge(), 0x31);
    EXPECT_EQ(in(kIrr1), 0u);
    EXPECT_EQ(in(kIsr1), 1u << 17);
    EXPECT_FALSE(apic.pending());
    out(kEoi, 0);
    EXPECT_EQ(in(kIsr1), 0u);
}

TEST_F(LapicTest, pins_are_told_when_an_interrupt_becomes_pending) {
    enable();
    pins.attention = false;
    send_self(0x31);
    EXPECT_TRUE(pins.attention);
}

TEST_F(LapicTest, higher_vector_is_taken_first) {
    enable();
    send_self(0x31);
    send_self(0x52);
    EXPECT_EQ(apic.acknowledge(), 0x52);
    EXPECT_FALSE(apic.pending());
    out(kEoi, 0);
    EXPECT_EQ(apic.acknowledge(), 0x31);
}

TEST_F(LapicTest, higher_class_interrupts_one_in_service_but_the_same_class_waits) {
    enable();
    send_self(0x51);
    apic.acknowledge();
    send_self(0x5f);
    EXPECT_FALSE(apic.pending());
    send_self(0x61);
    EXPECT_TRUE(apic.pending());
    EXPECT_EQ(in(kPpr), 0x50u);
}

TEST_F(LapicTest, task_priority_holds_back_its_class_and_below) {
    enable();
    out(kTpr, 0x50);
    send_self(0x5f);
    EXPECT_FALSE(apic.pending());
    EXPECT_EQ(in(kPpr), 0x50u);
    out(kTpr, 0x4f);
    EXPECT_TRUE(apic.pending());
}

TEST_F(LapicTest, eoi_ends_the_highest_in_service) {
    enable();
    send_self(0x31);
    apic.acknowledge();
    send_self(0x41);
    apic.acknowledge();
    out(kEoi, 0);
    EXPECT_EQ(in(kIsr1), 1u << 17);
    EXPECT_EQ(in(0x120), 0u);
}

TEST_F(LapicTest, arbitration_priority_is_the_task_priority_when_nothing_is_above_it) {
    enable();
    out(kTpr, 0x62);
    EXPECT_EQ(in(kApr), 0x62u);
    send_self(0x75);
    EXPECT_EQ(in(kApr), 0x70u);
}

TEST_F(LapicTest, acknowledging_without_a_request_gives_the_spurious_vector) {
    out(kSvr, 0x1ef);
    EXPECT_EQ(apic.acknowledge(), 0xef);
    EXPECT_EQ(in(kIsr1), 0u);
}

TEST_F(LapicTest, only_level_triggered_interrupts_broadcast_their_eoi) {
    enable();
    EXPECT_TRUE(apic.accept({.vector = 0x31, .level = true}));
    EXPECT_EQ(in(kTmr1), 1u << 17);
    apic.acknowledge();
    out(kEoi, 0);
    EXPECT_TRUE(apic.accept({.vector = 0x32, .level = false}));
    apic.acknowledge();
    out(kEoi, 0);
    EXPECT_EQ(ended, std::vector<u8>{0x31});
}

TEST_F(LapicTest, fixed_messages_are_refused_while_software_disabled) {
    EXPECT_FALSE(apic.accept({.vector = 0x31}));
    enable();
    EXPECT_EQ(ready, 1);
    EXPECT_TRUE(apic.accept({.vector = 0x31}));
}

TEST_F(LapicTest, software_disable_masks_every_lvt_entry_until_enabled_again) {
    enable();
    out(kLvtLint0, 0x700);
    out(kSvr, 0xff);
    EXPECT_EQ(in(kLvtLint0), 0x10700u);
    out(kLvtLint0, 0x700);
    EXPECT_EQ(in(kLvtLint0), 0x10700u);
    enable();
    out(kLvtLint0, 0x700);
    EXPECT_EQ(in(kLvtLint0), 0x700u);
}

TEST_F(LapicTest, physical_destination_is_the_id_or_all) {
    enable();
    out(kId, 3u << 24);
    EXPECT_FALSE(apic.accept({.destination = 0, .vector = 0x31}));
    EXPECT_TRUE(apic.accept({.destination = 3, .vector = 0x31}));
    EXPECT_TRUE(apic.accept({.destination = 0xff, .vector = 0x31}));
}

TEST_F(LapicTest, flat_logical_destination_is_a_mask) {
    enable();
    out(kLdr, 0x02u << 24);
    EXPECT_FALSE(apic.accept({.destination = 0x01, .logical = true, .vector = 0x31}));
    EXPECT_TRUE(apic.accept({.destination = 0x03, .logical = true, .vector = 0x31}));
}

TEST_F(LapicTest, cluster_logical_destination_needs_the_cluster_and_a_bit) {
    enable();
    out(kDfr, 0x0fff'ffff);
    out(kLdr, 0x21u << 24);
    EXPECT_TRUE(apic.accept({.destination = 0x23, .logical = true, .vector = 0x31}));
    EXPECT_FALSE(apic.accept({.destination = 0x22, .logical = true, .vector = 0x31}));
    EXPECT_FALSE(apic.accept({.destination = 0x11, .logical = true, .vector = 0x31}));
    EXPECT_TRUE(apic.accept({.destination = 0xff, .logical = true, .vector = 0x31}));
}

TEST_F(LapicTest, ipi_by_destination_reaches_only_itself) {
    enable();
    out(kIcrHigh, 1u << 24);
    out(kIcr, 0x31);
    EXPECT_FALSE(apic.pending());
    out(kIcrHigh, 0);
    out(kIcr, 0x31);
    EXPECT_TRUE(apic.pending());
    EXPECT_EQ(in(kIcr), 0x31u);
}

TEST_F(LapicTest, ipi_to_all_but_self_goes_nowhere) {
    enable();
    out(kIcr, 0xc0031);
    EXPECT_FALSE(apic.pending());
}

TEST_F(LapicTest, start_up_sequence_for_other_processors_does_not_touch_this_one) {
    enable();
    out(kIcr, 0xc4500);
    out(kIcr, 0xc4608);
    EXPECT_FALSE(pins.s.init);
    EXPECT_FALSE(apic.pending());
    EXPECT_EQ(in(kIcr) & 0x1000, 0u);
}

TEST_F(LapicTest, nmi_ipi_reaches_the_nmi_pin) {
    enable();
    out(kIcr, kSelf | 0x400);
    EXPECT_TRUE(pins.s.nmi);
}

TEST_F(LapicTest, sending_an_illegal_vector_is_an_error_seen_after_writing_esr) {
    enable();
    send_self(0x0f);
    EXPECT_EQ(in(kEsr), 0u);
    out(kEsr, 0);
    EXPECT_EQ(in(kEsr), 0x20u);
    out(kEsr, 0);
    EXPECT_EQ(in(kEsr), 0u);
}

TEST_F(LapicTest, receiving_an_illegal_vector_interrupts_through_the_error_entry) {
    enable();
    out(kLvtError, 0xfe);
    apic.accept({.vector = 5});
    EXPECT_EQ(apic.acknowledge(), 0xfe);
    out(kEsr, 0);
    EXPECT_EQ(in(kEsr), 0x40u);
}

TEST_F(LapicTest, a_register_that_is_not_there_is_an_error) {
    enable();
    in(0x3f0);
    out(kEsr, 0);
    EXPECT_EQ(in(kEsr), 0x80u);
}

// --- the 8259 and the pins ---

TEST_F(LapicTest, before_software_enable_the_8259_is_wired_through) {
    apic.lint0().set(true);
    EXPECT_TRUE(apic.pending());
    EXPECT_EQ(apic.acknowledge(), 0x08);
    EXPECT_EQ(pic_cycles, 1);
    apic.lint0().set(false);
    EXPECT_FALSE(apic.pending());
}

TEST_F(LapicTest, after_software_enable_lint0_decides_whether_the_8259_is_heard) {
    enable();
    apic.lint0().set(true);
    EXPECT_FALSE(apic.pending());
    out(kLvtLint0, 0x700);
    EXPECT_TRUE(apic.pending());
    out(kLvtLint0, 0x10700);
    EXPECT_FALSE(apic.pending());
}

TEST_F(LapicTest, the_8259_ignores_task_priority_and_sets_no_in_service_bit) {
    enable();
    out(kLvtLint0, 0x700);
    out(kTpr, 0xff);
    apic.lint0().set(true);
    EXPECT_EQ(apic.acknowledge(), 0x08);
    EXPECT_EQ(in(0x100), 0u);
}

TEST_F(LapicTest, globally_disabled_it_is_a_plain_processor) {
    apic.set_base(kBase | 0x100);
    EXPECT_FALSE(mmio.claimed(kBase));
    apic.lint0().set(true);
    EXPECT_EQ(apic.acknowledge(), 0x08);
    apic.lint1().set(true);
    EXPECT_TRUE(pins.s.nmi);
}

TEST_F(LapicTest, base_address_moves_the_registers) {
    apic.set_base(0xfed0'0900);
    EXPECT_FALSE(mmio.claimed(kBase));
    EXPECT_EQ(mmio.read(0xfed0'0030, 4), 0x0005'0014u);
}

TEST_F(LapicTest, lint1_as_nmi_rises_once) {
    enable();
    out(kLvtLint1, 0x400);
    apic.lint1().set(true);
    EXPECT_TRUE(pins.s.nmi);
    pins.s.nmi = false;
    apic.lint1().set(true);
    EXPECT_FALSE(pins.s.nmi);
}

TEST_F(LapicTest, masked_lint1_raises_no_nmi) {
    enable();
    apic.lint1().set(true);
    EXPECT_FALSE(pins.s.nmi);
}

TEST_F(LapicTest, level_triggered_fixed_lint0_asks_again_after_eoi) {
    enable();
    out(kLvtLint0, 0x8041);
    apic.lint0().set(true);
    EXPECT_EQ(in(kLvtLint0), 0xc041u);
    EXPECT_EQ(apic.acknowledge(), 0x41);
    EXPECT_EQ(in(kIrr2), 0u);
    out(kEoi, 0);
    EXPECT_EQ(apic.acknowledge(), 0x41);
    apic.lint0().set(false);
    out(kEoi, 0);
    EXPECT_FALSE(apic.pending());
    EXPECT_EQ(in(kLvtLint0), 0x8041u);
}

TEST_F(LapicTest, extint_message_runs_an_8259_cycle_once) {
    enable();
    apic.accept({.mode = ApicMode::ExtInt});
    EXPECT_EQ(apic.acknowledge(), 0x08);
    EXPECT_FALSE(apic.pending());
}

// --- timer ---

TEST_F(LapicTest, one_shot_timer_fires_once_at_its_time) {
    enable();
    out(kLvtTimer, 0xef);
    out(kDivide, kDivideBy1);
    out(kInitial, 1000);
    advance_to(999);
    EXPECT_EQ(in(kCurrent), 1u);
    EXPECT_FALSE(apic.pending());
    advance_to(1000);
    EXPECT_EQ(in(kCurrent), 0u);
    EXPECT_EQ(apic.acknowledge(), 0xef);
    EXPECT_EQ(timers.next(), std::nullopt);
}

TEST_F(LapicTest, divide_configuration_slows_the_count) {
    enable();
    out(kDivide, 0x0);                       // by 2
    out(kInitial, 1000);
    advance_to(1999);
    EXPECT_EQ(in(kCurrent), 1u);
    out(kDivide, 0xa);                       // by 128
    out(kInitial, 1000);
    advance_to(1999 + 127'999);
    EXPECT_EQ(in(kCurrent), 1u);
    advance_to(1999 + 128'000);
    EXPECT_EQ(in(kCurrent), 0u);
}

TEST_F(LapicTest, periodic_timer_fires_every_period) {
    enable();
    out(kLvtTimer, kPeriodic | 0xef);
    out(kDivide, 0x3);                       // by 16
    out(kInitial, 100);
    advance_to(1600);
    EXPECT_EQ(apic.acknowledge(), 0xef);
    EXPECT_EQ(in(kCurrent), 100u);
    out(kEoi, 0);
    advance_to(3199);
    EXPECT_FALSE(apic.pending());
    advance_to(3200);
    EXPECT_TRUE(apic.pending());
    EXPECT_EQ(timers.next(), std::optional(GuestTime{4800}));
}

TEST_F(LapicTest, periods_missed_in_one_leap_leave_one_request_and_the_phase) {
    enable();
    out(kLvtTimer, kPeriodic | 0xef);
    out(kDivide, kDivideBy1);
    out(kInitial, 100);
    advance_to(1'000'050);
    EXPECT_EQ(timers.next(), std::optional(GuestTime{1'000'100}));
    EXPECT_EQ(in(kCurrent), 50u);
}

TEST_F(LapicTest, masked_timer_counts_but_does_not_interrupt) {
    enable();
    out(kDivide, kDivideBy1);
    out(kInitial, 1000);
    EXPECT_EQ(timers.next(), std::nullopt);
    advance_to(400);
    EXPECT_EQ(in(kCurrent), 600u);
    out(kLvtTimer, 0xef);
    EXPECT_EQ(timers.next(), std::optional(GuestTime{1000}));
}

TEST_F(LapicTest, initial_count_zero_stops_the_timer) {
    enable();
    out(kLvtTimer, 0xef);
    out(kInitial, 1000);
    out(kInitial, 0);
    EXPECT_EQ(timers.next(), std::nullopt);
    EXPECT_EQ(in(kCurrent), 0u);
}

TEST_F(LapicTest, an_expired_one_shot_stays_expired_when_made_periodic) {
    enable();
    out(kLvtTimer, 0xef);
    out(kDivide, kDivideBy1);
    out(kInitial, 1000);
    advance_to(2000);
    out(kLvtTimer, kPeriodic | 0xef);
    EXPECT_EQ(in(kCurrent), 0u);
    EXPECT_EQ(timers.next(), std::nullopt);
}

GenericDevice generic_lapic() {
    return {.make = [](Bench& b) {
                auto pins = std::make_shared<CpuPins>();
                b.add<Lapic>(b.mmio, b.timers, *pins, [pins] { return u8{0x30}; });
            },
            .mmio = {{kBase, 0x400}},
            .widths = {4},
            .prepare = [](Bench& b) {
                b.mmio.write(kBase + kSvr, 4, 0x1ff);
                b.mmio.write(kBase + kLvtTimer, 4, kPeriodic | 0xef);
                b.mmio.write(kBase + kInitial, 4, 5000);
            },
            .input = [](Bench& b, Random& random) {
                auto& apic = b.device<Lapic>();
                switch (random() % 5) {
                    case 0: apic.lint0().set(random() % 2 == 0); break;
                    case 1: apic.lint1().set(random() % 2 == 0); break;
                    case 2: apic.accept({.destination = 0xff, .vector = static_cast<u8>(random()), .level = random() % 2 == 0}); break;
                    case 3: b.mmio.write(kBase + kSvr, 4, 0x1ff); break;
                    default: if (apic.pending()) apic.acknowledge(); break;
                }
            }};
}
TEST(LapicGeneric, state_is_complete) { expect_state_is_complete(generic_lapic()); }
TEST(LapicGeneric, survives_any_traffic) { expect_survives_traffic(generic_lapic()); }

}  // namespace
}  // namespace vmm
