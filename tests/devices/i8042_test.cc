// SPDX-License-Identifier: Apache-2.0
// Behaviour of the keyboard controller; expectations from IBM's PS/2 technical reference.
#include "devices/i8042.h"

#include "tests/devices/ps2_fixture.h"

namespace vmm {
namespace {

class KeyboardController : public Ps2Test {};

TEST_F(KeyboardController, SelfTestPassesAndSetsTheSystemFlag) {
    EXPECT_EQ(status() & 0x04, 0);
    EXPECT_EQ(reply_to(0xaa), 0x55);
    EXPECT_EQ(status() & 0x04, 0x04);
}

TEST_F(KeyboardController, InterfaceTestsPass) {
    EXPECT_EQ(reply_to(0xab), 0x00);
    EXPECT_EQ(reply_to(0xa9), 0x00);
    EXPECT_EQ(reply_to(0xa4), 0xf1);
}

TEST_F(KeyboardController, CommandByteReadsBackAsWritten) {
    command(0x60, 0x47);
    EXPECT_EQ(reply_to(0x20), 0x47);
}

TEST_F(KeyboardController, DisableCommandsShowInTheCommandByte) {
    command(0x60, 0x03);
    command(0xad);
    command(0xa7);
    EXPECT_EQ(reply_to(0x20), 0x33);
    command(0xae);
    command(0xa8);
    EXPECT_EQ(reply_to(0x20), 0x03);
}

TEST_F(KeyboardController, InternalMemoryReadsBack) {
    command(0x6a, 0x5c);
    EXPECT_EQ(reply_to(0x2a), 0x5c);
}

TEST_F(KeyboardController, StatusTellsFullBufferItsSourceAndTheLastPort) {
    EXPECT_EQ(status() & 0x29, 0x00);
    command(0x20);
    EXPECT_EQ(status() & 0x29, 0x09);
    bench_.in(0x60);
    EXPECT_EQ(status() & 0x29, 0x08);
    command(0xd3, 0x12);
    EXPECT_EQ(status() & 0x29, 0x21);
}

TEST_F(KeyboardController, KeyboardByteRaisesIrq1UntilRead) {
    keyboard().key(Key::k_a, true);
    EXPECT_TRUE(bench_.level("irq1"));
    EXPECT_FALSE(bench_.level("irq12"));
    EXPECT_EQ(bench_.in(0x60), 0x1c);
    EXPECT_FALSE(bench_.level("irq1"));
}

TEST_F(KeyboardController, MouseByteRaisesIrq12UntilRead) {
    to_mouse({0xf4});
    mouse().move(1, 0, 0, 0);
    EXPECT_TRUE(bench_.level("irq12"));
    EXPECT_FALSE(bench_.level("irq1"));
    bench_.in(0x60);
    EXPECT_FALSE(bench_.level("irq12"));
}

TEST_F(KeyboardController, InterruptsFollowTheirEnables) {
    command(0x60, 0x00);
    keyboard().key(Key::k_a, true);
    EXPECT_FALSE(bench_.level("irq1"));
    command(0x60, 0x01);
    EXPECT_TRUE(bench_.level("irq1"));
}

TEST_F(KeyboardController, SecondReadSoonAfterGivesTheSameByte) {
    keyboard().key(Key::k_a, true);
    keyboard().key(Key::k_b, true);
    EXPECT_EQ(bench_.in(0x60), 0x1c);
    bench_.pass(10'000);
    EXPECT_EQ(bench_.in(0x60), 0x1c);
    EXPECT_FALSE(bench_.level("irq1"));
    bench_.pass(50'000);
    EXPECT_TRUE(bench_.level("irq1"));
    EXPECT_EQ(bench_.in(0x60), 0x32);
}

TEST_F(KeyboardController, EachByteMakesItsOwnEdgeOfIrq1) {
    keyboard().key(Key::k_a, false);
    drain();
    const std::vector<bool> expected = {true, false, true, false};
    std::vector<bool> levels;
    for (const auto& e : bench_.edges) levels.push_back(e.level);
    EXPECT_EQ(levels, expected);
}

TEST_F(KeyboardController, ReplyOfTheControllerGoesBeforeDeviceBytes) {
    keyboard().key(Key::k_a, true);
    keyboard().key(Key::k_b, true);
    command(0x20);
    EXPECT_EQ(bench_.in(0x60), 0x1c);
    EXPECT_EQ(bench_.in(0x60), 0x03);
    EXPECT_EQ(drain(), Bytes{0x32});
}

TEST_F(KeyboardController, TranslationTurnsSet2IntoSet1) {
    translate();
    EXPECT_EQ(press(Key::k_a), Bytes{0x1e});
    EXPECT_EQ(release(Key::k_a), Bytes{0x9e});
    EXPECT_EQ(press(Key::k_right), (Bytes{0xe0, 0x4d}));
    EXPECT_EQ(release(Key::k_right), (Bytes{0xe0, 0xcd}));
    EXPECT_EQ(press(Key::k_f7), Bytes{0x41});
}

TEST_F(KeyboardController, TranslationLeavesRepliesAlone) {
    translate();
    EXPECT_EQ(to_keyboard({0xf2}), (Bytes{0xfa, 0xab, 0x41}));
    EXPECT_EQ(to_keyboard({0xff}), (Bytes{0xfa, 0xaa}));
}

TEST_F(KeyboardController, DisabledKeyboardKeepsItsBytesUntilEnabled) {
    command(0xad);
    keyboard().key(Key::k_a, true);
    EXPECT_EQ(status() & 0x01, 0);
    command(0xae);
    EXPECT_EQ(drain(), Bytes{0x1c});
}

TEST_F(KeyboardController, SendingToTheKeyboardEnablesIt) {
    command(0xad);
    EXPECT_EQ(to_keyboard({0xee}), Bytes{0xee});
    EXPECT_EQ(reply_to(0x20) & 0x10, 0);
}

TEST_F(KeyboardController, OutputBufferCanBeWrittenAsKeyboardAndAsMouse) {
    command(0xd2, 0x5a);
    EXPECT_TRUE(bench_.level("irq1"));
    EXPECT_EQ(bench_.in(0x60), 0x5a);
    command(0xd3, 0xa5);
    EXPECT_TRUE(bench_.level("irq12"));
    EXPECT_EQ(bench_.in(0x60), 0xa5);
}

TEST_F(KeyboardController, OutputPortDrivesA20) {
    command(0xd1, 0xdf);
    EXPECT_TRUE(bench_.level("a20"));
    EXPECT_EQ(reply_to(0xd0) & 0x03, 0x03);
    command(0xd1, 0xdd);
    EXPECT_FALSE(bench_.level("a20"));
    EXPECT_EQ(reply_to(0xd0) & 0x03, 0x01);
}

TEST_F(KeyboardController, OutputPortBitZeroAndPulseCommandResetTheCpu) {
    command(0xff);
    EXPECT_TRUE(bench_.edges.empty());
    command(0xfe);
    ASSERT_EQ(bench_.edges.size(), 2u);
    EXPECT_EQ(bench_.edges[0].line, "reset");
    command(0xd1, 0xde);
    EXPECT_EQ(bench_.edges.back(), (Bench::Edge{"reset", false, bench_.clock.time().v}));
}

TEST_F(KeyboardController, ResetEmptiesTheBufferAndOpensA20) {
    command(0xd1, 0xdd);
    keyboard().key(Key::k_a, true);
    bench_.reset();
    EXPECT_EQ(status(), 0x10);
    EXPECT_FALSE(bench_.level("irq1"));
    EXPECT_TRUE(bench_.level("a20"));
}

GenericDevice ps2() {
    return {.make = make_ps2,
            .ports = {{0x60, 1}, {0x64, 1}},
            .prepare = [](Bench& b) {
                b.out(0x64, 0xd4);
                b.out(0x60, 0xf4);
            },
            .input = [](Bench& b, Random& random) {
                const auto dice = random() % 4;
                if (dice == 0) b.device<Ps2Keyboard>(0).key(static_cast<Key>(random() % kKeyCount), random() % 2 == 0);
                if (dice == 1)
                    b.device<Ps2Mouse>(1).move(static_cast<i32>(random()), static_cast<i32>(random() % 7) - 3,
                                               static_cast<i32>(random() % 3) - 1, static_cast<u8>(random()));
                if (dice == 2) {            // the commands that random bytes would seldom meet
                    static constexpr u8 kCommands[] = {0xf0, 0xf2, 0xf3, 0xf4, 0xe8, 0xea, 0xeb, 0xee, 0xec, 0xe7, 0xfc};
                    if (random() % 2 == 0) b.out(0x64, 0xd4);
                    b.out(0x60, kCommands[random() % std::size(kCommands)]);
                }
                if (dice == 3) b.out(0x64, 0xae);
            },
            .longest_pause_ns = 300'000};
}
TEST(I8042, StateIsComplete) { expect_state_is_complete(ps2()); }
TEST(I8042, SurvivesAnyTraffic) { expect_survives_traffic(ps2()); }

}  // namespace
}  // namespace vmm
