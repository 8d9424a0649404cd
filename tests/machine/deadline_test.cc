// SPDX-License-Identifier: Apache-2.0
// Deadlines land on the step that the design names ("Exact deadlines"): a timer fires at the first boundary whose guest time
// has reached it, an interrupt is taken at the first boundary at which it is pending and allowed. The guest, deadline.S, writes
// down when its interrupts came; 8254 ticks are counted by hand (1193182 Hz), LAPIC counts are ns.
#include <gtest/gtest.h>

#include "tests/machine/compare.h"

namespace vmm::testing {
namespace {

enum Mode : u32 { kLoop, kStos, kMovs, kHalt, kLapic, kSti, kMovSs, kStiCli };

struct Entry {
    u64 taken;     // guest time of the boundary at which the interrupt was taken: delivery and two pushes come before RDTSC
    u32 ecx, eip, ebx;
};

class Deadlines : public ::testing::TestWithParam<Setting> {
  protected:
    std::unique_ptr<Lane> start(Mode mode, unsigned shift = 0) {
        MachineConfig config = firmware_config();
        config.bios = DEADLINE_ROM;
        config.shift = shift;
        auto lane = std::make_unique<Lane>(config, GetParam());
        EXPECT_EQ(lane->error(), "");
        lane->machine().memory().store({0x4000}, 4, mode);
        return lane;
    }
    static u32 word(Lane& lane, u32 at) { return lane.machine().memory().load({at}, 4); }
    static u32 symbol(Lane& lane, unsigned n) { return word(lane, 0xfff00 + 4 * n); }
    static std::vector<Entry> log(Lane& lane, unsigned shift = 0) {
        std::vector<Entry> out;
        for (u32 i = 0; i < word(lane, 0x1fffc); ++i) {
            const u32 at = 0x20000 + 16 * i;
            out.push_back({word(lane, at) - (u64{3} << shift), word(lane, at + 4), word(lane, at + 8), word(lane, at + 12)});
        }
        return out;
    }
    static const CpuState& cpu(Lane& lane) { return lane.machine().translator().state(); }
};

// When the k-th interrupt is due. The first comes of OUT going high when the mode is set, as soon as it is let in; the others
// are 100 ticks of the 8254 apart.
u64 pit_deadline(const std::vector<Entry>& entries, u64 k) {
    if (k == 0) return entries[0].taken;
    const u64 tick = entries[1].taken * 1'193'182 / 1'000'000'000 + 100 * (k - 1);
    return (tick * 1'000'000'000 + 1'193'181) / 1'193'182;
}

TEST_P(Deadlines, pit_interrupts_are_taken_at_the_first_boundary_of_their_tick) {
    for (const unsigned shift : {0u, 3u}) {
        auto lane = start(kLoop, shift);
        lane->run_to({3'000'000u >> shift});
        const auto entries = log(*lane, shift);
        ASSERT_GT(entries.size(), 30u);
        const u64 step = u64{1} << shift;
        for (u64 k = 0; k < entries.size(); ++k) {
            const u64 deadline = pit_deadline(entries, k);
            EXPECT_EQ(entries[k].taken, (deadline + step - 1) / step * step) << k;
        }
    }
}

TEST_P(Deadlines, lapic_timer_periods_are_exact) {
    auto lane = start(kLapic);
    lane->run_to({1'000'000});
    const auto entries = log(*lane);
    ASSERT_GT(entries.size(), 100u);
    for (u64 k = 1; k < entries.size(); ++k) EXPECT_EQ(entries[k].taken - entries[0].taken, 7001 * k);
}

// From outside: nothing at the step before, the delivery right after.
TEST_P(Deadlines, delivery_is_the_step_after_the_deadline) {
    auto lane = start(kLapic);
    lane->run_to({100'000});
    for (unsigned n = 0; n < 20; ++n) {
        const Icount at = lane->machine().clock().first_at(*lane->machine().next_deadline());
        lane->run_to(at);
        ASSERT_EQ(lane->icount(), at);
        EXPECT_NE(cpu(*lane).eip, symbol(*lane, 1));
        lane->run_to(at + 1);
        EXPECT_EQ(cpu(*lane).eip, symbol(*lane, 1));
        lane->run_to(at + 100);
    }
}

TEST_P(Deadlines, rep_stops_at_the_iteration_at_which_an_interrupt_is_due) {
    for (const Mode mode : {kStos, kMovs}) {
        auto lane = start(mode);
        lane->run_to({3'000'000});
        const auto entries = log(*lane);
        ASSERT_GT(entries.size(), 30u);
        unsigned inside = 0;
        for (u64 k = 0; k < entries.size(); ++k) {
            const Entry& e = entries[k];
            EXPECT_EQ(e.taken, pit_deadline(entries, k));
            if (e.ecx == 0 || e.ecx == (mode == kStos ? 0x8000u : 0x2000u)) continue;
            ++inside;
            // RDTSC and MOV come before the REP. Interrupts before this one in the same REP took their own steps.
            if (k != 0 && entries[k - 1].ebx == e.ebx) continue;
            EXPECT_EQ((mode == kStos ? 0x8000u : 0x2000u) - e.ecx, e.taken - 2 - e.ebx);
        }
        EXPECT_GT(inside, 20u);
    }
}

TEST_P(Deadlines, an_idle_jump_is_one_step_and_ends_at_the_deadline) {
    auto lane = start(kHalt);
    Machine& m = lane->machine();
    for (unsigned n = 0; n < 20; ++n) {
        Stop stop = Stop::Limit;
        for (unsigned tries = 0; stop == Stop::Limit && tries < 2'000'000; ++tries)
            stop = m.run(m.icount() + (GetParam().stop_every != 0 ? GetParam().stop_every : 1000));
        ASSERT_EQ(stop, Stop::Idle);
        const Icount halted = m.icount();
        const GuestTime due = *m.next_deadline();
        EXPECT_LT(m.time(), due);
        m.idle_jump();
        EXPECT_EQ(m.icount(), halted + 1);
        EXPECT_EQ(m.time(), due);
        // Not every deadline interrupts: the other edge of the counter's output does not.
        if (m.run(halted + 2) == Stop::Idle) continue;
        EXPECT_EQ(m.icount(), halted + 2);
        EXPECT_EQ(cpu(*lane).eip, symbol(*lane, 0));
    }
    const auto entries = log(*lane);
    ASSERT_GT(entries.size(), 5u);
    for (u64 k = 0; k < entries.size(); ++k) {
        EXPECT_EQ(entries[k].eip, symbol(*lane, 4));
        EXPECT_EQ(entries[k].taken, pit_deadline(entries, k));
    }
}

TEST_P(Deadlines, sti_opens_after_the_next_instruction) {
    auto lane = start(kSti);
    lane->run_to({2'000'000});
    const auto entries = log(*lane);
    ASSERT_GT(entries.size(), 10u);
    for (const Entry& e : entries) EXPECT_EQ(e.eip, symbol(*lane, 2));
}

// SDM volume 3, 6.8.3: MOV to SS holds off until after the next instruction. It is itself in the shadow of STI here.
TEST_P(Deadlines, mov_ss_in_the_shadow_of_sti_holds_off_one_more) {
    auto lane = start(kMovSs);
    lane->run_to({2'000'000});
    const auto entries = log(*lane);
    ASSERT_GT(entries.size(), 10u);
    for (const Entry& e : entries) EXPECT_EQ(e.eip, symbol(*lane, 3));
}

TEST_P(Deadlines, sti_followed_by_cli_lets_nothing_in) {
    auto lane = start(kStiCli);
    lane->run_to({500'000});
    EXPECT_EQ(log(*lane).size(), 0u);
    EXPECT_EQ(lane->machine().pins().source->pending(), true);
}

INSTANTIATE_TEST_SUITE_P(, Deadlines,
                         ::testing::Values(Setting{"blocks"}, Setting{"blocks_of_3", 3}, Setting{"every_step", 32, false, 1},
                                           Setting{"interpreted", 32, true}, Setting{"stop_every_7", 32, false, 7}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace vmm::testing
