// SPDX-License-Identifier: Apache-2.0
// The I/O APIC alone and with a local APIC. Expectations: 82093AA data sheet, section 3 (registers) and the description of
// the redirection entry's trigger mode, remote IRR and mask bits.
#include <gtest/gtest.h>

#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "tests/devices/generic_device_test.h"

namespace vmm {
namespace {

constexpr u32 kBase = 0xfec0'0000, kWindow = kBase + 0x10;
constexpr u32 kMasked = 0x10000, kLevel = 0x8000, kRemoteIrr = 0x4000;

bool operator==(const ApicMessage& a, const ApicMessage& b) {
    return a.destination == b.destination && a.logical == b.logical && a.mode == b.mode && a.vector == b.vector && a.level == b.level;
}

class IoApicTest : public testing::Test {
  protected:
    u32 in(u8 reg) {
        mmio.write(kBase, 4, reg);
        return mmio.read(kWindow, 4);
    }
    void out(u8 reg, u32 value) {
        mmio.write(kBase, 4, reg);
        mmio.write(kWindow, 4, value);
    }
    void program(unsigned pin, u32 low, u32 high = 0) {
        out(static_cast<u8>(0x11 + 2 * pin), high);
        out(static_cast<u8>(0x10 + 2 * pin), low);
    }
    u32 low(unsigned pin) { return in(static_cast<u8>(0x10 + 2 * pin)); }

    IoBus mmio{"mmio"};
    bool taken = true;
    std::vector<ApicMessage> sent;
    IoApic apic{mmio, [this](const ApicMessage& m) {
        if (taken) sent.push_back(m);
        return taken;
    }};
};

TEST_F(IoApicTest, registers_have_their_reset_values) {
    EXPECT_EQ(in(0), 0u);
    EXPECT_EQ(in(1), 0x0017'0011u);
    EXPECT_EQ(in(0x10), kMasked);
    EXPECT_EQ(in(0x3e), kMasked);
    EXPECT_EQ(in(0x3f), 0u);
}

TEST_F(IoApicTest, the_select_register_reads_back) {
    mmio.write(kBase, 4, 0x12);
    EXPECT_EQ(mmio.read(kBase, 4), 0x12u);
}

TEST_F(IoApicTest, id_has_four_bits_and_shows_in_arbitration) {
    out(0, 0xff00'0000);
    EXPECT_EQ(in(0), 0x0f00'0000u);
    EXPECT_EQ(in(2), 0x0f00'0000u);
}

TEST_F(IoApicTest, status_bits_of_an_entry_cannot_be_written) {
    program(3, 0xffff'ffff, 0xffff'ffff);
    EXPECT_EQ(low(3), 0x1'afffu);
    EXPECT_EQ(in(0x17), 0xff00'0000u);
}

TEST_F(IoApicTest, an_edge_sends_the_message_of_its_entry_once) {
    program(4, 0x0931, 0x0300'0000);         // lowest priority, logical
    apic.pin(4).set(true);
    apic.pin(4).set(true);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(sent[0] == (ApicMessage{.destination = 3, .logical = true, .mode = ApicMode::LowestPriority, .vector = 0x31}));
}

TEST_F(IoApicTest, an_edge_on_a_masked_pin_is_lost) {
    program(4, kMasked | 0x31);
    apic.pin(4).set(true);
    program(4, 0x31);
    EXPECT_TRUE(sent.empty());
}

TEST_F(IoApicTest, a_level_is_sent_once_until_its_eoi) {
    program(11, kLevel | 0x41);
    apic.pin(11).set(true);
    EXPECT_EQ(low(11), kLevel | kRemoteIrr | 0x41);
    apic.pin(11).set(false);
    apic.pin(11).set(true);
    EXPECT_EQ(sent.size(), 1u);
    apic.ended(0x41);
    EXPECT_EQ(sent.size(), 2u);
    apic.pin(11).set(false);
    apic.ended(0x41);
    EXPECT_EQ(sent.size(), 2u);
    EXPECT_EQ(low(11), kLevel | 0x41);
}

TEST_F(IoApicTest, eoi_of_another_vector_changes_nothing) {
    program(11, kLevel | 0x41);
    apic.pin(11).set(true);
    apic.ended(0x42);
    EXPECT_EQ(sent.size(), 1u);
}

TEST_F(IoApicTest, unmasking_an_active_level_sends_it) {
    program(11, kMasked | kLevel | 0x41);
    apic.pin(11).set(true);
    EXPECT_TRUE(sent.empty());
    program(11, kLevel | 0x41);
    EXPECT_EQ(sent.size(), 1u);
}

TEST_F(IoApicTest, a_level_nobody_took_is_offered_again) {
    program(11, kLevel | 0x41);
    taken = false;
    apic.pin(11).set(true);
    EXPECT_EQ(low(11), kLevel | 0x41);
    taken = true;
    apic.offer_again();
    EXPECT_EQ(sent.size(), 1u);
    EXPECT_EQ(low(11), kLevel | kRemoteIrr | 0x41);
}

TEST_F(IoApicTest, switching_to_edge_and_back_clears_remote_irr) {
    program(11, kLevel | 0x41);
    apic.pin(11).set(true);
    apic.pin(11).set(false);
    program(11, kMasked | 0x41);
    program(11, kLevel | 0x41);
    EXPECT_EQ(low(11), kLevel | 0x41);
}

TEST_F(IoApicTest, reset_masks_every_pin) {
    program(4, 0x31);
    apic.reset();
    apic.pin(4).set(true);
    EXPECT_TRUE(sent.empty());
    EXPECT_EQ(low(4), kMasked);
}

// Both APICs as a board connects them.
class ApicPairTest : public testing::Test {
  protected:
    ApicPairTest() {
        local.connect([this](u8 vector) { io.ended(vector); }, [this] { io.offer_again(); });
    }
    void program(unsigned pin, u32 low) {
        mmio.write(kBase, 4, 0x10 + 2 * pin);
        mmio.write(kWindow, 4, low);
    }
    void lapic(u32 reg, u32 value) { mmio.write(0xfee0'0000 + reg, 4, value); }

    IoBus mmio{"mmio"};
    Clock clock;
    Timers timers{clock};
    CpuPins pins;
    Lapic local{mmio, timers, pins, [] { return u8{0}; }};
    IoApic io{mmio, [this](const ApicMessage& m) { return local.accept(m); }};
};

TEST_F(ApicPairTest, a_level_comes_again_until_the_device_is_quiet) {
    lapic(0xf0, 0x1ff);
    program(10, kLevel | 0x51);
    const IrqLine card = io.pin(10);
    card.set(true);
    EXPECT_EQ(local.acknowledge(), 0x51);
    EXPECT_FALSE(local.pending());
    lapic(0xb0, 0);
    EXPECT_EQ(local.acknowledge(), 0x51);
    card.set(false);
    lapic(0xb0, 0);
    EXPECT_FALSE(local.pending());
}

TEST_F(ApicPairTest, a_level_raised_before_the_local_apic_is_enabled_arrives_then) {
    program(10, kLevel | 0x51);
    io.pin(10).set(true);
    EXPECT_FALSE(local.pending());
    lapic(0xf0, 0x1ff);
    EXPECT_EQ(local.acknowledge(), 0x51);
}

TEST_F(ApicPairTest, a_pin_can_deliver_nmi) {
    lapic(0xf0, 0x1ff);
    program(2, 0x400);
    io.pin(2).set(true);
    EXPECT_TRUE(pins.s.nmi);
}

GenericDevice generic_pair() {
    return {.make = [](Bench& b) {
                auto pins = std::make_shared<CpuPins>();
                auto& local = b.add<Lapic>(b.mmio, b.timers, *pins, [pins] { return u8{0x30}; });
                auto& io = b.add<IoApic>(b.mmio, [&local](const ApicMessage& m) { return local.accept(m); });
                local.connect([&io](u8 vector) { io.ended(vector); }, [&io] { io.offer_again(); });
            },
            .mmio = {{kBase, 0x20}, {kWindow, 4}},
            .widths = {1, 4},
            .prepare = [](Bench& b) {
                b.mmio.write(0xfee0'00f0, 4, 0x1ff);
                for (u32 pin = 0; pin < 24; ++pin) {
                    b.mmio.write(kBase, 4, 0x10 + 2 * pin);
                    b.mmio.write(kWindow, 4, (pin % 2 != 0 ? kLevel : 0) | (0x40 + 4 * pin));
                }
            },
            .input = [](Bench& b, Random& random) {
                auto& local = b.device<Lapic>(0);
                switch (random() % 3) {
                    case 0: b.device<IoApic>(1).pin(static_cast<unsigned>(random() % 24)).set(random() % 2 == 0); break;
                    case 1: if (local.pending()) local.acknowledge(); break;
                    default: b.mmio.write(0xfee0'00b0, 4, 0); break;
                }
            }};
}
TEST(IoApicGeneric, state_is_complete) { expect_state_is_complete(generic_pair()); }
TEST(IoApicGeneric, survives_any_traffic) { expect_survives_traffic(generic_pair()); }

}  // namespace
}  // namespace vmm
