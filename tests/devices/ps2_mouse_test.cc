// SPDX-License-Identifier: Apache-2.0
// Behaviour of the mouse; expectations from IBM's PS/2 technical reference and Microsoft's IntelliMouse protocol.
#include "devices/ps2_mouse.h"

#include "tests/devices/ps2_fixture.h"

namespace vmm {
namespace {

class Mouse : public Ps2Test {
  protected:
    void enable() { to_mouse({0xf4}); }
    Bytes moved(i32 dx, i32 dy, i32 wheel = 0, u8 buttons = 0) {
        mouse().move(dx, dy, wheel, buttons);
        return drain();
    }
};

TEST_F(Mouse, ResetPassesTheSelfTestAndNamesAPlainMouse) {
    EXPECT_EQ(to_mouse({0xff}), (Bytes{0xfa, 0xaa, 0x00}));
    EXPECT_EQ(to_mouse({0xf2}), (Bytes{0xfa, 0x00}));
}

TEST_F(Mouse, SaysNothingUntilEnabled) {
    EXPECT_EQ(moved(5, 5), Bytes{});
    enable();
    EXPECT_EQ(drain(), Bytes{});
    EXPECT_EQ(moved(5, 0), (Bytes{0x08, 5, 0}));
}

TEST_F(Mouse, PacketHasSignsAndUpwardsIsPositive) {
    enable();
    EXPECT_EQ(moved(3, -2), (Bytes{0x08, 3, 2}));
    EXPECT_EQ(moved(-3, 2), (Bytes{0x38, 0xfd, 0xfe}));
}

TEST_F(Mouse, ButtonsAreReportedWhenTheyChange) {
    enable();
    EXPECT_EQ(moved(0, 0, 0, Ps2Mouse::kLeft), (Bytes{0x09, 0, 0}));
    EXPECT_EQ(moved(0, 0, 0, Ps2Mouse::kRight | Ps2Mouse::kMiddle), (Bytes{0x0e, 0, 0}));
    EXPECT_EQ(moved(0, 0, 0, Ps2Mouse::kRight | Ps2Mouse::kMiddle), Bytes{});
    EXPECT_EQ(moved(0, 0), (Bytes{0x08, 0, 0}));
}

TEST_F(Mouse, FarMotionIsSpreadOverPackets) {
    enable();
    EXPECT_EQ(moved(300, 300), (Bytes{0x28, 0xff, 0x00, 0x28, 0x2d, 0xd4}));
}

TEST_F(Mouse, ClickBetweenTwoSamplesIsNotLost) {
    enable();
    mouse().move(1, 0, 0, 0);
    mouse().move(0, 0, 0, Ps2Mouse::kLeft);
    mouse().move(0, 0, 0, 0);
    EXPECT_EQ(drain(), (Bytes{0x08, 1, 0, 0x09, 0, 0, 0x08, 0, 0}));
}

TEST_F(Mouse, PacketsComeAtTheSampleRate) {
    to_mouse({0xf3, 40, 0xf4});
    mouse().move(1, 0, 0, 0);
    std::vector<u64> starts;
    for (unsigned i = 0; i < 12; ++i) {
        while (!(status() & 1)) bench_.pass(1000);
        if (i % 3 == 0) starts.push_back(bench_.clock.time().v);
        bench_.in(0x60);
        mouse().move(1, 0, 0, 0);
    }
    for (std::size_t i = 1; i < starts.size(); ++i)
        EXPECT_NEAR(static_cast<double>(starts[i] - starts[i - 1]), 25e6, 1e4);
}

TEST_F(Mouse, KnockTurnsItIntoAnIntelliMouse) {
    to_mouse({0xf3, 200, 0xf3, 100, 0xf3, 80});
    EXPECT_EQ(to_mouse({0xf2}), (Bytes{0xfa, 0x03}));
    enable();
    EXPECT_EQ(moved(1, 0, -1), (Bytes{0x08, 1, 0, 0xff}));
    EXPECT_EQ(moved(0, 0, 2), (Bytes{0x08, 0, 0, 2}));
}

TEST_F(Mouse, KnockTurnsItIntoAFiveButtonMouse) {
    to_mouse({0xf3, 200, 0xf3, 200, 0xf3, 80});
    EXPECT_EQ(to_mouse({0xf2}), (Bytes{0xfa, 0x04}));
    enable();
    EXPECT_EQ(moved(0, 0, -1, Ps2Mouse::kSide), (Bytes{0x08, 0, 0, 0x1f}));
    EXPECT_EQ(moved(0, 0, 0, Ps2Mouse::kExtra), (Bytes{0x08, 0, 0, 0x20}));
}

TEST_F(Mouse, OtherRatesAreNoKnock) {
    to_mouse({0xf3, 200, 0xf3, 100, 0xf3, 60, 0xf3, 80});
    EXPECT_EQ(to_mouse({0xf2}), (Bytes{0xfa, 0x00}));
}

TEST_F(Mouse, StatusTellsModeScalingButtonsResolutionAndRate) {
    EXPECT_EQ(to_mouse({0xe9}), (Bytes{0xfa, 0x00, 2, 100}));
    to_mouse({0xe8, 3, 0xf3, 60, 0xe7, 0xf4});
    moved(0, 0, 0, Ps2Mouse::kLeft);
    EXPECT_EQ(to_mouse({0xe9}), (Bytes{0xfa, 0x34, 3, 60}));
    to_mouse({0xf0});
    EXPECT_EQ(to_mouse({0xe9}), (Bytes{0xfa, 0x74, 3, 60}));
    to_mouse({0xf6});
    EXPECT_EQ(to_mouse({0xe9}), (Bytes{0xfa, 0x04, 2, 100}));
}

TEST_F(Mouse, RefusesRatesResolutionsAndCommandsThatDoNotExist) {
    EXPECT_EQ(to_mouse({0xf3, 99}), (Bytes{0xfa, 0xfe}));
    EXPECT_EQ(to_mouse({0xe8, 4}), (Bytes{0xfa, 0xfe}));
    EXPECT_EQ(to_mouse({0xe1}), Bytes{0xfe});
}

TEST_F(Mouse, ScalingDoublesFarAndKeepsNearMotionInStreamMode) {
    to_mouse({0xe7, 0xf4});
    EXPECT_EQ(moved(2, 0), (Bytes{0x08, 1, 0}));
    EXPECT_EQ(moved(5, 0), (Bytes{0x08, 9, 0}));
    EXPECT_EQ(moved(-20, 0), (Bytes{0x18, 0xd8, 0}));
}

TEST_F(Mouse, RemoteModeReportsOnlyWhenAsked) {
    to_mouse({0xf0});
    EXPECT_EQ(moved(7, 0), Bytes{});
    EXPECT_EQ(to_mouse({0xeb}), (Bytes{0xfa, 0x08, 7, 0}));
    EXPECT_EQ(to_mouse({0xeb}), (Bytes{0xfa, 0x08, 0, 0}));
}

TEST_F(Mouse, WrapModeEchoesAllButItsEndAndReset) {
    to_mouse({0xee});
    EXPECT_EQ(to_mouse({0xf2, 0x42}), (Bytes{0xf2, 0x42}));
    EXPECT_EQ(to_mouse({0xec}), Bytes{0xfa});
    EXPECT_EQ(to_mouse({0xf2}), (Bytes{0xfa, 0x00}));
}

TEST_F(Mouse, ResendRepeatsTheWholePacket) {
    enable();
    moved(5, 0);
    EXPECT_EQ(to_mouse({0xfe}), (Bytes{0x08, 5, 0}));
}

}  // namespace
}  // namespace vmm
