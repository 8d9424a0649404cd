// SPDX-License-Identifier: Apache-2.0
// Behaviour of the RTC and CMOS; expectations from Motorola's data sheet and the calendar.
#include "devices/mc146818.h"

#include "tests/devices/generic_device_test.h"

namespace vmm {
namespace {

constexpr i64 kLeapEve = 1709164798;        // Wednesday 2024-02-28 23:59:58 UTC
constexpr u64 kMs = 1'000'000, kSec = 1'000'000'000;

class Rtc : public ::testing::Test {
  protected:
    Rtc() : rtc_(bench_.add<Mc146818>(bench_.ports, bench_.timers, bench_.line("irq8"), kLeapEve)) {}

    u8 get(u8 index) {
        bench_.out(0x70, index);
        return bench_.in(0x71);
    }
    void put(u8 index, u8 value) {
        bench_.out(0x70, index);
        bench_.out(0x71, value);
    }
    // "century year month day weekday hour minute second", as the registers hold them.
    std::string time() {
        std::string text;
        for (const int r : {0x32, 9, 8, 7, 6, 4, 2, 0}) {
            char two[4];
            std::snprintf(two, sizeof two, "%02x ", get(static_cast<u8>(r)));
            text += two;
        }
        text.pop_back();
        return text;
    }
    void set_time(u8 century, u8 year, u8 month, u8 day, u8 hour, u8 minute, u8 second) {
        put(0x0b, get(0x0b) | 0x80);
        put(0x32, century);
        put(9, year);
        put(8, month);
        put(7, day);
        put(4, hour);
        put(2, minute);
        put(0, second);
        put(0x0b, get(0x0b) & 0x7f);
    }
    u64 rising_edges() const {
        u64 n = 0;
        for (const auto& e : bench_.edges) n += e.level ? 1 : 0;
        return n;
    }

    Bench bench_;
    Mc146818& rtc_;
};

TEST_F(Rtc, ShowsTheBaseInBcdAnd24Hours) { EXPECT_EQ(time(), "20 24 02 28 04 23 59 58"); }

TEST_F(Rtc, RunsOnGuestTimeThroughALeapDay) {
    bench_.pass(2 * kSec);
    EXPECT_EQ(time(), "20 24 02 29 05 00 00 00");
    bench_.pass(86400 * kSec);
    EXPECT_EQ(time(), "20 24 03 01 06 00 00 00");
}

TEST_F(Rtc, SecondsChangeExactlyAtTheSecond) {
    bench_.pass(kSec - 1);
    EXPECT_EQ(get(0), 0x58);
    bench_.pass(1);
    EXPECT_EQ(get(0), 0x59);
}

TEST_F(Rtc, BinaryModeShowsBinary) {
    put(0x0b, 0x06);
    EXPECT_EQ(time(), "14 18 02 1c 04 17 3b 3a");
}

TEST_F(Rtc, TwelveHourModeMarksTheAfternoon) {
    put(0x0b, 0x00);
    EXPECT_EQ(get(4), 0x91);
    bench_.pass(2 * kSec);
    EXPECT_EQ(get(4), 0x12);
    bench_.pass(12 * 3600 * kSec);
    EXPECT_EQ(get(4), 0x92);
    bench_.pass(3600 * kSec);
    EXPECT_EQ(get(4), 0x81);
}

TEST_F(Rtc, SettingTheTimeMovesTheBase) {
    set_time(0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59);
    EXPECT_EQ(get(9), 0x99);
    bench_.pass(kSec);
    EXPECT_EQ(get(0x32), 0x20);
    EXPECT_EQ(get(9), 0x00);
    EXPECT_EQ(get(8), 0x01);
    EXPECT_EQ(get(7), 0x01);
    EXPECT_EQ(rtc_.seconds_since_epoch(), 946684800);
}

TEST_F(Rtc, SetHoldsTheTimeAndLetsItBeReadBackRaw) {
    put(0x0b, 0x82);
    bench_.pass(10 * kSec);
    EXPECT_EQ(get(0), 0x58);
    put(0, 0x42);
    EXPECT_EQ(get(0), 0x42);
    put(0x0b, 0x02);
    bench_.pass(kSec);
    EXPECT_EQ(get(0), 0x43);
}

TEST_F(Rtc, WritesWithoutSetReadBackUntilTheNextUpdate) {
    put(7, 0x31);
    put(8, 0x03);
    EXPECT_EQ(get(7), 0x31);
    bench_.pass(2 * kSec);
    EXPECT_EQ(get(8), 0x04);
    EXPECT_EQ(get(7), 0x01);
}

TEST_F(Rtc, WeekdayIsTheGuestsOwnAndCountsOn) {
    put(6, 0x07);
    bench_.pass(2 * kSec);
    EXPECT_EQ(get(6), 0x01);
}

TEST_F(Rtc, UpdateInProgressPrecedesEachUpdateByTheTimeOfTheDataSheet) {
    bench_.pass(kSec - 2'228'001);
    EXPECT_EQ(get(0x0a) & 0x80, 0);
    bench_.pass(1);
    EXPECT_EQ(get(0x0a) & 0x80, 0x80);
    bench_.pass(2'228'000);
    EXPECT_EQ(get(0x0a) & 0x80, 0);
}

TEST_F(Rtc, SetSuppressesUpdateInProgress) {
    put(0x0b, 0x82);
    bench_.pass(kSec - kMs);
    EXPECT_EQ(get(0x0a) & 0x80, 0);
}

TEST_F(Rtc, ReleasingTheDividerUpdatesHalfASecondLater) {
    put(0x0a, 0x76);
    bench_.pass(5 * kSec);
    EXPECT_EQ(get(0), 0x58);
    put(0x0a, 0x26);
    bench_.pass(500 * kMs - 1);
    EXPECT_EQ(get(0), 0x58);
    bench_.pass(1);
    EXPECT_EQ(get(0), 0x59);
}

TEST_F(Rtc, UpdateEndedInterruptComesWithEverySecondOnceAcknowledged) {
    put(0x0b, 0x12);
    bench_.pass(kSec - 1);
    EXPECT_FALSE(bench_.level("irq8"));
    bench_.pass(1);
    EXPECT_TRUE(bench_.level("irq8"));
    EXPECT_EQ(get(0x0c), 0xd0);
    EXPECT_FALSE(bench_.level("irq8"));
    EXPECT_EQ(get(0x0c), 0x00);
    bench_.pass(kSec);
    EXPECT_TRUE(bench_.level("irq8"));
}

TEST_F(Rtc, FlagsAreSetWithoutTheirInterruptsEnabled) {
    bench_.pass(kSec);
    EXPECT_EQ(get(0x0c), 0x50);
    EXPECT_FALSE(bench_.level("irq8"));
    EXPECT_FALSE(bench_.timers.next());
}

TEST_F(Rtc, EnablingAnInterruptWithItsFlagSetRaisesTheLine) {
    bench_.pass(kSec);
    put(0x0b, 0x12);
    EXPECT_TRUE(bench_.level("irq8"));
}

TEST_F(Rtc, PeriodicInterruptComesAtTheChosenRate) {
    put(0x0b, 0x42);
    for (unsigned i = 0; i < 10; ++i) {
        bench_.pass(976'563);
        EXPECT_EQ(get(0x0c), 0xc0);
    }
    EXPECT_EQ(rising_edges(), 10u);
}

TEST_F(Rtc, RatesOneAndTwoAreThoseOfEightAndNine) {
    put(0x0a, 0x21);
    put(0x0b, 0x42);
    EXPECT_EQ(bench_.timers.next(), GuestTime{3'906'250});
    put(0x0a, 0x22);
    EXPECT_EQ(bench_.timers.next(), GuestTime{7'812'500});
    put(0x0a, 0x2f);
    EXPECT_EQ(bench_.timers.next(), GuestTime{500'000'000});
    put(0x0a, 0x20);
    EXPECT_FALSE(bench_.timers.next());
}

TEST_F(Rtc, AlarmComesAtItsTimeOfDay) {
    put(1, 0x05);
    put(3, 0x00);
    put(5, 0x00);
    put(0x0b, 0x22);
    bench_.pass(7 * kSec - 1);
    EXPECT_FALSE(bench_.level("irq8"));
    bench_.pass(1);
    EXPECT_TRUE(bench_.level("irq8"));
    EXPECT_EQ(get(0x0c) & 0xa0, 0xa0);
}

TEST_F(Rtc, AlarmWithDontCareCodesComesEveryHourAndEverySecond) {
    put(1, 0x00);
    put(3, 0x00);
    put(5, 0xc0);
    put(0x0b, 0x22);
    EXPECT_EQ(bench_.timers.next(), GuestTime{2 * kSec});
    bench_.pass(2 * kSec);
    get(0x0c);
    EXPECT_EQ(bench_.timers.next(), GuestTime{3602 * kSec});
    put(1, 0xff);
    put(3, 0xff);
    EXPECT_EQ(bench_.timers.next(), GuestTime{3 * kSec});
}

TEST_F(Rtc, AlarmThatMatchesNoTimeNeverComes) {
    put(1, 0x75);
    put(0x0b, 0x22);
    EXPECT_FALSE(bench_.timers.next());
    bench_.pass(86400 * kSec);
    EXPECT_EQ(get(0x0c) & 0x20, 0);
}

TEST_F(Rtc, SetClearsTheUpdateEndedEnable) {
    put(0x0b, 0x92);
    EXPECT_EQ(get(0x0b), 0x82);
}

TEST_F(Rtc, RegisterDSaysTheBatteryIsGood) {
    put(0x0d, 0x00);
    EXPECT_EQ(get(0x0d), 0x80);
}

TEST_F(Rtc, MemoryBytesKeepWhatIsWrittenInBothBanks) {
    put(0x40, 0x12);
    bench_.out(0x72, 0x40);
    bench_.out(0x73, 0x34);
    EXPECT_EQ(get(0x40), 0x12);
    EXPECT_EQ(bench_.in(0x73), 0x34);
    EXPECT_EQ(rtc_.cmos(0xc0), 0x34);
}

TEST_F(Rtc, NmiMaskBitIsKeptAndNotPartOfTheIndex) {
    put(0x40, 0x12);
    bench_.out(0x70, 0xc0);
    EXPECT_TRUE(rtc_.nmi_masked());
    EXPECT_EQ(bench_.in(0x71), 0x12);
    bench_.out(0x70, 0x40);
    EXPECT_FALSE(rtc_.nmi_masked());
}

TEST_F(Rtc, MemorySizeBytesFor512Megabytes) {
    rtc_.set_memory_size(512u << 20);
    EXPECT_EQ(get(0x15) | get(0x16) << 8, 640);
    EXPECT_EQ(get(0x17) | get(0x18) << 8, 0xffff);
    EXPECT_EQ(get(0x30) | get(0x31) << 8, 0xffff);
    EXPECT_EQ(get(0x34) | get(0x35) << 8, (512 - 16) * 16);
}

TEST_F(Rtc, MemorySizeBytesForFourMegabytes) {
    rtc_.set_memory_size(4u << 20);
    EXPECT_EQ(get(0x30) | get(0x31) << 8, 3 * 1024);
    EXPECT_EQ(get(0x34) | get(0x35) << 8, 0);
}

TEST_F(Rtc, ResetDisablesInterruptsAndKeepsTimeAndMemory) {
    put(0x40, 0x12);
    put(0x0b, 0x72);
    bench_.pass(kSec);
    bench_.reset();
    EXPECT_FALSE(bench_.level("irq8"));
    EXPECT_EQ(get(0x0b), 0x02);
    EXPECT_EQ(get(0x0c), 0x00);
    EXPECT_EQ(get(0x40), 0x12);
    EXPECT_EQ(get(0), 0x59);
}

TEST_F(Rtc, LinuxStyleTimeSettingWithTheDividerHeld) {
    put(0x0b, 0x82);
    put(0x0a, 0x76);
    put(9, 0x30);
    put(0, 0x10);
    put(0x0b, 0x02);
    put(0x0a, 0x26);
    bench_.pass(500 * kMs);
    EXPECT_EQ(time(), "20 30 02 28 04 23 59 11");
}

GenericDevice rtc() {
    return {.make = [](Bench& b) { b.add<Mc146818>(b.ports, b.timers, b.line("irq8"), kLeapEve); },
            .ports = {{0x71, 1}, {0x70, 4}},
            // Most of the traffic should meet the registers, not the memory behind them.
            .input = [](Bench& b, Random& random) {
                b.out(0x70, static_cast<u32>(random() % 14));
                if (random() % 8 == 0) b.pass(kSec);
            }};
}
TEST(Mc146818, StateIsComplete) { expect_state_is_complete(rtc()); }
TEST(Mc146818, SurvivesAnyTraffic) { expect_survives_traffic(rtc()); }

}  // namespace
}  // namespace vmm
