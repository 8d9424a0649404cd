// SPDX-License-Identifier: Apache-2.0
// Behaviour of the 8259A pair; expectations from Intel's 8259A data sheet and the PIIX3's register description.
#include "devices/i8259.h"

#include "tests/devices/generic_device_test.h"

namespace vmm {
namespace {

class Pic : public ::testing::Test {
  protected:
    Pic() : pic_(bench_.add<I8259>(bench_.ports, bench_.line("intr"))) {
        for (unsigned n = 0; n < 16; ++n) irq_[n] = pic_.irq(n);
    }

    // As a BIOS does it: master at 08, slave at 70, every input open.
    void initialise(u8 master_icw4 = 0x01, u8 slave_icw4 = 0x01) {
        for (const u32 port : {0x20u, 0xa0u}) bench_.out(port, 0x11);
        bench_.out(0x21, 0x08);
        bench_.out(0xa1, 0x70);
        bench_.out(0x21, 0x04);
        bench_.out(0xa1, 0x02);
        bench_.out(0x21, master_icw4);
        bench_.out(0xa1, slave_icw4);
    }
    void raise(unsigned n) { irq_[n].set(true); }
    void lower(unsigned n) { irq_[n].set(false); }
    bool intr() const { return bench_.level("intr"); }
    u8 isr(u32 port) { bench_.out(port, 0x0b); return bench_.in(port); }
    u8 irr(u32 port) { bench_.out(port, 0x0a); return bench_.in(port); }

    Bench bench_;
    I8259& pic_;
    IrqLine irq_[16];
};

TEST_F(Pic, RaisesIntrAndGivesTheVectorOfIcw2) {
    initialise();
    raise(4);
    EXPECT_TRUE(intr());
    EXPECT_EQ(pic_.acknowledge(), 0x0c);
    EXPECT_FALSE(intr());
    EXPECT_EQ(isr(0x20), 0x10);
    EXPECT_EQ(irr(0x20), 0x00);
}

TEST_F(Pic, SlaveRequestsPassThroughIr2AndTakeTheSlavesVector) {
    initialise();
    raise(12);
    EXPECT_TRUE(intr());
    EXPECT_EQ(pic_.acknowledge(), 0x74);
    EXPECT_EQ(isr(0x20), 0x04);
    EXPECT_EQ(isr(0xa0), 0x10);
}

TEST_F(Pic, MaskedInputMakesNoRequestUntilUnmasked) {
    initialise();
    bench_.out(0x21, 0x02);
    raise(1);
    EXPECT_FALSE(intr());
    EXPECT_EQ(irr(0x20), 0x02);
    bench_.out(0x21, 0x00);
    EXPECT_TRUE(intr());
}

TEST_F(Pic, MaskReadsBack) {
    initialise();
    bench_.out(0x21, 0xa5);
    bench_.out(0xa1, 0x5a);
    EXPECT_EQ(bench_.in(0x21), 0xa5);
    EXPECT_EQ(bench_.in(0xa1), 0x5a);
}

TEST_F(Pic, LowerNumberIsServedFirst) {
    initialise();
    raise(6);
    raise(3);
    EXPECT_EQ(pic_.acknowledge(), 0x0b);
}

TEST_F(Pic, InServiceBlocksEqualAndLowerButNotHigher) {
    initialise();
    raise(3);
    pic_.acknowledge();
    lower(3);
    raise(3);
    raise(5);
    EXPECT_FALSE(intr());
    raise(1);
    EXPECT_TRUE(intr());
    EXPECT_EQ(pic_.acknowledge(), 0x09);
}

TEST_F(Pic, NonSpecificEoiEndsTheHighestInService) {
    initialise();
    raise(5);
    pic_.acknowledge();
    raise(2 + 1);
    pic_.acknowledge();
    bench_.out(0x20, 0x20);
    EXPECT_EQ(isr(0x20), 0x20);
}

TEST_F(Pic, SpecificEoiEndsTheNamedLevel) {
    initialise();
    raise(5);
    pic_.acknowledge();
    raise(3);
    pic_.acknowledge();
    bench_.out(0x20, 0x65);
    EXPECT_EQ(isr(0x20), 0x08);
}

TEST_F(Pic, EdgeInputHeldHighRequestsOnlyOnce) {
    initialise();
    raise(4);
    pic_.acknowledge();
    bench_.out(0x20, 0x20);
    EXPECT_FALSE(intr());
    lower(4);
    raise(4);
    EXPECT_TRUE(intr());
}

TEST_F(Pic, EdgeThatFallsBeforeTheAcknowledgeIsForgotten) {
    initialise();
    raise(4);
    lower(4);
    EXPECT_FALSE(intr());
    EXPECT_EQ(irr(0x20), 0x00);
}

TEST_F(Pic, AcknowledgeWithoutRequestGivesSpuriousIrq7WithoutService) {
    initialise();
    raise(4);
    lower(4);
    EXPECT_EQ(pic_.acknowledge(), 0x0f);
    EXPECT_EQ(isr(0x20), 0x00);
}

TEST_F(Pic, LevelInputRequestsAgainAfterEoiWhileHigh) {
    initialise();
    bench_.out(0x4d1, 0x08);
    raise(11);
    EXPECT_EQ(pic_.acknowledge(), 0x73);
    bench_.out(0xa0, 0x20);
    bench_.out(0x20, 0x20);
    EXPECT_TRUE(intr());
    lower(11);
    EXPECT_FALSE(intr());
}

TEST_F(Pic, ElcrKeepsSystemInputsEdgeTriggered) {
    bench_.out(0x4d0, 0xff);
    bench_.out(0x4d1, 0xff);
    EXPECT_EQ(bench_.in(0x4d0), 0xf8);
    EXPECT_EQ(bench_.in(0x4d1), 0xde);
}

TEST_F(Pic, Icw1ForgetsEdgesAndMaskAndWantsANewEdge) {
    initialise();
    bench_.out(0x21, 0xff);
    raise(4);
    initialise();
    EXPECT_EQ(bench_.in(0x21), 0x00);
    EXPECT_FALSE(intr());
    lower(4);
    raise(4);
    EXPECT_TRUE(intr());
}

TEST_F(Pic, AutomaticEoiLeavesNothingInService) {
    initialise(0x03);
    raise(4);
    pic_.acknowledge();
    EXPECT_EQ(isr(0x20), 0x00);
    raise(5);
    EXPECT_TRUE(intr());
}

TEST_F(Pic, RotationInAutomaticEoiMakesTheServedLevelTheLowest) {
    initialise(0x03);
    bench_.out(0x20, 0x80);
    raise(4);
    pic_.acknowledge();
    lower(4);
    raise(4);
    raise(5);
    EXPECT_EQ(pic_.acknowledge(), 0x0d);
}

TEST_F(Pic, RotateOnNonSpecificEoiMakesTheServedLevelTheLowest) {
    initialise();
    raise(4);
    pic_.acknowledge();
    lower(4);
    bench_.out(0x20, 0xa0);
    raise(4);
    raise(6);
    EXPECT_EQ(pic_.acknowledge(), 0x0e);
}

TEST_F(Pic, SetPriorityMakesTheNextLevelTheHighest) {
    initialise();
    bench_.out(0x20, 0xc5);
    raise(0);
    raise(6);
    EXPECT_EQ(pic_.acknowledge(), 0x0e);
}

TEST_F(Pic, RotateOnSpecificEoiEndsAndSetsTheLowest) {
    initialise();
    raise(3);
    pic_.acknowledge();
    bench_.out(0x20, 0xe3);
    EXPECT_EQ(isr(0x20), 0x00);
    raise(0);
    raise(4);
    EXPECT_EQ(pic_.acknowledge(), 0x0c);
}

TEST_F(Pic, SpecialMaskModeLetsLowerLevelsThroughAMaskedOneInService) {
    initialise();
    raise(3);
    pic_.acknowledge();
    raise(6);
    bench_.out(0x21, 0x08);
    EXPECT_FALSE(intr());
    bench_.out(0x20, 0x68);
    EXPECT_TRUE(intr());
    bench_.out(0x20, 0x48);
    EXPECT_FALSE(intr());
}

TEST_F(Pic, NonSpecificEoiInSpecialMaskModeSparesMaskedLevels) {
    initialise();
    raise(3);
    pic_.acknowledge();
    bench_.out(0x21, 0x08);
    bench_.out(0x20, 0x68);
    bench_.out(0x20, 0x20);
    EXPECT_EQ(isr(0x20), 0x08);
}

TEST_F(Pic, PollTakesTheRequestAndNamesIt) {
    initialise();
    raise(5);
    bench_.out(0x20, 0x0c);
    EXPECT_EQ(bench_.in(0x20), 0x85);
    EXPECT_EQ(isr(0x20), 0x20);
    EXPECT_FALSE(intr());
}

TEST_F(Pic, PollWithoutRequestReadsZeroAndLastsForOneRead) {
    initialise();
    bench_.out(0x21, 0x40);
    bench_.out(0x20, 0x0c);
    EXPECT_EQ(bench_.in(0x21) & 0x80, 0x00);
    EXPECT_EQ(bench_.in(0x21), 0x40);
}

TEST_F(Pic, SlaveDoesNotNestWithoutSpecialFullyNestedMode) {
    initialise();
    raise(12);
    pic_.acknowledge();
    raise(8);
    EXPECT_FALSE(intr());
}

TEST_F(Pic, SpecialFullyNestedMasterLetsAHigherSlaveRequestThrough) {
    initialise(0x11);
    raise(12);
    pic_.acknowledge();
    raise(8);
    EXPECT_TRUE(intr());
    EXPECT_EQ(pic_.acknowledge(), 0x70);
    raise(5);
    EXPECT_FALSE(intr());
}

TEST_F(Pic, SecondSlaveRequestFollowsAfterBothEois) {
    initialise();
    raise(9);
    raise(14);
    EXPECT_EQ(pic_.acknowledge(), 0x71);
    bench_.out(0xa0, 0x20);
    bench_.out(0x20, 0x20);
    EXPECT_EQ(pic_.acknowledge(), 0x76);
}

TEST_F(Pic, Irq2IsTheCascadeAndHasNoWire) {
    initialise();
    raise(2);
    EXPECT_FALSE(intr());
}

TEST_F(Pic, WithoutIcw4TheMaskFollowsIcw3) {
    bench_.out(0x20, 0x10);
    bench_.out(0x21, 0x08);
    bench_.out(0x21, 0x04);
    bench_.out(0x21, 0x77);
    EXPECT_EQ(bench_.in(0x21), 0x77);
}

TEST_F(Pic, SingleModeSkipsIcw3) {
    bench_.out(0x20, 0x12);
    bench_.out(0x21, 0x08);
    bench_.out(0x21, 0x77);
    EXPECT_EQ(bench_.in(0x21), 0x77);
}

TEST_F(Pic, ResetForgetsRequestsButNotTheWires) {
    initialise();
    bench_.out(0x4d0, 0x20);
    raise(5);
    bench_.reset();
    EXPECT_FALSE(intr());
    bench_.out(0x4d0, 0x20);
    EXPECT_TRUE(intr());
}

GenericDevice pic() {
    return {.make = [](Bench& b) { b.add<I8259>(b.ports, b.line("intr")); },
            .ports = {{0x20, 2}, {0xa0, 2}, {0x4d0, 2}},
            .input = [](Bench& b, Random& random) {
                auto& device = b.device<I8259>();
                if (random() % 4 == 0) device.acknowledge();
                else device.irq(static_cast<unsigned>(random() % 16)).set(random() % 2 == 0);
            }};
}
TEST(I8259, StateIsComplete) { expect_state_is_complete(pic()); }
TEST(I8259, SurvivesAnyTraffic) { expect_survives_traffic(pic()); }

}  // namespace
}  // namespace vmm
