// SPDX-License-Identifier: Apache-2.0
// Behaviour of the 8254 and port 61; expectations from the data sheet's mode definitions and their timing diagrams.
#include "devices/i8254.h"

#include "tests/devices/generic_device_test.h"

namespace vmm {
namespace {

class Pit : public ::testing::Test {
  protected:
    Pit() : pit_(bench_.add<I8254>(bench_.ports, bench_.timers, bench_.line("irq0"))) {
        tick(100);
    }

    // Lets time pass to the start of tick n after the present one.
    void tick(u64 n = 1) {
        const u64 target = ticks_at(bench_.clock.time(), kPitHz) + n;
        bench_.pass(time_of_tick(target, kPitHz) - bench_.clock.time());
    }
    void control(u8 value) { bench_.out(0x43, value); }
    void count(unsigned which, u16 n) {
        bench_.out(0x40 + which, n & 0xff);
        bench_.out(0x40 + which, n >> 8);
    }
    u16 value(unsigned which) {
        control(static_cast<u8>(which << 6));
        const u8 low = bench_.in(0x40 + which);
        return static_cast<u16>(bench_.in(0x40 + which) << 8 | low);
    }
    u8 status(unsigned which) {
        control(static_cast<u8>(0xe0 | 2u << which));
        return bench_.in(0x40 + which);
    }
    void gate2(bool level) { bench_.out(0x61, level ? 1 : 0); }
    // OUT of a counter over the next n ticks, '^' for high and '_' for low, from the tick after this one.
    std::string wave(unsigned which, unsigned n) {
        std::string text;
        for (unsigned i = 0; i < n; ++i) {
            tick();
            text += pit_.out(which) ? '^' : '_';
        }
        return text;
    }
    u64 rising_edges() const {
        u64 n = 0;
        for (const auto& e : bench_.edges) n += e.level ? 1 : 0;
        return n;
    }

    Bench bench_;
    I8254& pit_;
};

TEST_F(Pit, Mode0RaisesOutNPlusOneClocksAfterTheCountIsWritten) {
    control(0x30);
    count(0, 4);
    EXPECT_EQ(wave(0, 7), "____^^^");
}

TEST_F(Pit, Mode0CountsDownAndWrapsAtZero) {
    control(0x30);
    count(0, 4);
    tick(3);
    EXPECT_EQ(value(0), 2);
    tick(3);
    EXPECT_EQ(value(0), 0xffff);
}

TEST_F(Pit, Mode0FirstByteOfANewCountStopsCountingAndLowersOut) {
    control(0x30);
    count(0, 2);
    tick(5);
    ASSERT_TRUE(pit_.out(0));
    bench_.out(0x40, 9);
    EXPECT_EQ(wave(0, 3), "___");
}

TEST_F(Pit, Mode0GateStopsCountingAndGoesOnWhereItWas) {
    gate2(true);
    control(0xb0);
    count(2, 5);
    tick(3);
    gate2(false);
    tick(10);
    EXPECT_EQ(value(2), 3);
    gate2(true);
    EXPECT_EQ(wave(2, 4), "__^^");
}

TEST_F(Pit, Mode1GivesOneShotOfNClocksOnEachTrigger) {
    control(0xb2);
    count(2, 3);
    EXPECT_EQ(wave(2, 2), "^^");
    gate2(true);
    EXPECT_EQ(wave(2, 5), "___^^");
    gate2(false);
    gate2(true);
    EXPECT_EQ(wave(2, 5), "___^^");
}

TEST_F(Pit, Mode1IsRetriggerable) {
    control(0xb2);
    count(2, 3);
    gate2(true);
    tick(2);
    gate2(false);
    gate2(true);
    EXPECT_EQ(wave(2, 5), "___^^");
}

TEST_F(Pit, Mode2IsLowForOneClockInEveryN) {
    control(0x34);
    count(0, 4);
    EXPECT_EQ(wave(0, 10), "^^^_^^^_^^");
}

TEST_F(Pit, Mode2CountsFromNToOne) {
    control(0x34);
    count(0, 3);
    tick(1);
    EXPECT_EQ(value(0), 3);
    tick(2);
    EXPECT_EQ(value(0), 1);
    tick(1);
    EXPECT_EQ(value(0), 3);
}

TEST_F(Pit, Mode2TakesANewCountAtTheEndOfTheCycle) {
    control(0x34);
    count(0, 4);
    tick(2);
    count(0, 3);
    EXPECT_EQ(wave(0, 8), "^_^^_^^_");
}

TEST_F(Pit, Mode2GateLowRaisesOutAndTriggerStartsAfresh) {
    gate2(true);
    control(0xb4);
    count(2, 4);
    tick(4);
    ASSERT_FALSE(pit_.out(2));
    gate2(false);
    EXPECT_TRUE(pit_.out(2));
    tick(10);
    gate2(true);
    EXPECT_EQ(wave(2, 5), "^^^_^");
}

TEST_F(Pit, Mode3EvenCountIsASquareWave) {
    control(0x36);
    count(0, 4);
    EXPECT_EQ(wave(0, 10), "^^__^^__^^");
}

TEST_F(Pit, Mode3OddCountIsHighForOneClockMoreThanLow) {
    control(0x36);
    count(0, 5);
    EXPECT_EQ(wave(0, 11), "^^^__^^^__^");
}

TEST_F(Pit, Mode3CountsByTwo) {
    control(0x36);
    count(0, 8);
    tick(1);
    EXPECT_EQ(value(0), 8);
    tick(1);
    EXPECT_EQ(value(0), 6);
    tick(3);
    EXPECT_EQ(value(0), 8);
}

TEST_F(Pit, Mode3TakesANewCountAtTheEndOfTheHalfCycle) {
    control(0x36);
    count(0, 8);
    tick(2);
    count(0, 4);
    EXPECT_EQ(wave(0, 8), "^^__^^__");
}

TEST_F(Pit, Mode4StrobesForOneClockNPlusOneClocksAfterTheWrite) {
    control(0x38);
    count(0, 3);
    EXPECT_EQ(wave(0, 7), "^^^_^^^");
}

TEST_F(Pit, Mode5StrobesNClocksAfterTheTrigger) {
    control(0xba);
    count(2, 3);
    EXPECT_EQ(wave(2, 5), "^^^^^");
    gate2(true);
    EXPECT_EQ(wave(2, 6), "^^^_^^");
}

TEST_F(Pit, CountZeroIsTheGreatest) {
    control(0x34);
    count(0, 0);
    tick(2);
    EXPECT_EQ(value(0), 0xffff);
}

TEST_F(Pit, BcdCountsInDecimal) {
    control(0x31);
    count(0, 0x1000);
    tick(2);
    EXPECT_EQ(value(0), 0x0999);
    control(0x35);
    count(0, 0);
    tick(2);
    EXPECT_EQ(value(0), 0x9999);
}

TEST_F(Pit, LatchedCountStaysUntilRead) {
    control(0x34);
    count(0, 1000);
    tick(11);
    control(0x00);
    tick(50);
    control(0x00);
    EXPECT_EQ(bench_.in(0x40), 990 & 0xff);
    EXPECT_EQ(bench_.in(0x40), 990 >> 8);
    EXPECT_EQ(value(0), 940);
}

TEST_F(Pit, SingleByteAccessUsesOneByte) {
    control(0x14);
    bench_.out(0x40, 200);
    tick(11);
    EXPECT_EQ(bench_.in(0x40), 190);
    control(0x24);
    bench_.out(0x40, 2);
    tick(1);
    EXPECT_EQ(bench_.in(0x40), 2);
    tick(1);
    EXPECT_EQ(bench_.in(0x40), 1);
}

TEST_F(Pit, StatusShowsControlNullCountAndOut) {
    control(0x34);
    EXPECT_EQ(status(0), 0xf4);
    count(0, 4);
    EXPECT_EQ(status(0), 0xf4);
    tick();
    EXPECT_EQ(status(0), 0xb4);
    tick(3);
    EXPECT_EQ(status(0), 0x34);
}

TEST_F(Pit, ReadBackGivesStatusBeforeCount) {
    control(0x34);
    count(0, 100);
    tick(11);
    control(0xc2);
    EXPECT_EQ(bench_.in(0x40), 0xb4);
    EXPECT_EQ(bench_.in(0x40), 90);
    EXPECT_EQ(bench_.in(0x40), 0);
}

TEST_F(Pit, Irq0RisesAtTheRateOfCounter0) {
    control(0x34);
    count(0, 11932);
    bench_.edges.clear();
    bench_.pass(1'000'000'000);
    EXPECT_NEAR(static_cast<double>(rising_edges()), 100.0, 1.0);
}

TEST_F(Pit, CounterReadsAsExpiredExactlyWhenIrq0Rises) {
    control(0x30);
    count(0, 1000);
    bench_.edges.clear();
    tick(1000);
    EXPECT_EQ(value(0), 1);
    const GuestTime deadline = *bench_.timers.deadline(TimerId::Pit0);
    bench_.pass(deadline - bench_.clock.time() - 1);
    EXPECT_EQ(value(0), 1);
    EXPECT_TRUE(bench_.edges.empty());
    bench_.pass(1);
    EXPECT_EQ(value(0), 0);
    EXPECT_EQ(bench_.edges, (std::vector<Bench::Edge>{{"irq0", true, deadline.v}}));
}

TEST_F(Pit, NoTimerIsArmedWithoutAnEdgeToCome) {
    control(0x30);
    EXPECT_FALSE(bench_.timers.next());
    count(0, 10);
    EXPECT_TRUE(bench_.timers.next());
    tick(20);
    EXPECT_FALSE(bench_.timers.next());
    control(0xb6);
    count(2, 100);
    EXPECT_FALSE(bench_.timers.next());
}

TEST_F(Pit, EdgesCloserTogetherThanAStepAreNotLost) {
    Bench coarse(10);
    coarse.add<I8254>(coarse.ports, coarse.timers, coarse.line("irq0"));
    coarse.out(0x43, 0x34);
    coarse.out(0x40, 0xa9);
    coarse.out(0x40, 0x04);
    coarse.edges.clear();
    coarse.pass(1'000'000'000);
    EXPECT_NEAR(static_cast<double>(coarse.edges.size()), 2000.0, 3.0);
}

TEST_F(Pit, Port61ShowsOut2AndKeepsItsControlBits) {
    control(0xb0);
    count(2, 3);
    bench_.out(0x61, 0x03);
    EXPECT_EQ(bench_.in(0x61) & 0x2f, 0x03);
    tick(5);
    EXPECT_EQ(bench_.in(0x61) & 0x2f, 0x23);
    EXPECT_TRUE(pit_.speaker_enabled());
}

TEST_F(Pit, RefreshBitTogglesAboutEvery15Microseconds) {
    unsigned toggles = 0;
    u8 last = bench_.in(0x61) & 0x10;
    for (unsigned us = 0; us < 1500; ++us) {
        bench_.pass(1000);
        const u8 now = bench_.in(0x61) & 0x10;
        toggles += now != last ? 1 : 0;
        last = now;
    }
    EXPECT_NEAR(toggles, 100, 2);
}

TEST_F(Pit, ControlPortReadsAsOnes) { EXPECT_EQ(bench_.in(0x43), 0xff); }

TEST_F(Pit, ResetStopsTheTimerAndLowersIrq0) {
    control(0x36);
    count(0, 1000);
    ASSERT_TRUE(bench_.level("irq0"));
    bench_.reset();
    EXPECT_FALSE(bench_.level("irq0"));
    EXPECT_FALSE(bench_.timers.next());
}

GenericDevice pit() {
    return {.make = [](Bench& b) { b.add<I8254>(b.ports, b.timers, b.line("irq0")); },
            .ports = {{0x40, 4}, {0x40, 4}, {0x61, 1}}};
}
TEST(I8254, StateIsComplete) { expect_state_is_complete(pit()); }
TEST(I8254, SurvivesAnyTraffic) { expect_survives_traffic(pit()); }

}  // namespace
}  // namespace vmm
