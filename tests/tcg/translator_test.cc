// SPDX-License-Identifier: Apache-2.0
// What the translator must not let show: REP that stops between iterations, code limits across linked blocks, single-step
// traps however many steps a run may take. RF and TF: SDM volume 3, 18.3.1.1 and 18.3.1.4.
#include "tests/tcg/bench.h"
#include "vmm/tcg/translator.h"

namespace vmm::tcg::test {
namespace {

class RepIterations : public Bench {};

TEST_P(RepIterations, StopsBetweenIterationsWithRfSet) {
    s.gpr[kEcx] = 2;
    s.gpr[kEdi] = kScratch;
    run({0xf3, 0xaa});                     // REP STOSB
    EXPECT_EQ(s.eip, kText);
    EXPECT_EQ(s.gpr[kEcx], 1u);
    EXPECT_NE(s.eflags & kRf, 0u);
    step();
    EXPECT_EQ(s.eip, kText + 2);
    EXPECT_EQ(s.eflags & kRf, 0u);
}

TEST_P(RepIterations, MeetsItsInstructionBreakpointOnce) {
    s.dr[0] = kText;
    s.dr7 = 0x402;
    s.gpr[kEcx] = 3;
    s.gpr[kEdi] = kScratch;
    run({0xf3, 0xaa});
    expect_fault(kDb);
    enter_ring0();
    s.eflags |= kRf;                       // as the handler's IRET does
    step();
    step();
    EXPECT_EQ(s.eip, kText);
    EXPECT_EQ(s.gpr[kEcx], 1u);
    step();
    EXPECT_EQ(s.eip, kText + 2);
}

TEST_P(RepIterations, PushesRfWhenAnInterruptComesBetweenIterations) {
    s.gpr[kEcx] = 3;
    s.gpr[kEdi] = kScratch;
    s.eflags |= kIf;
    run({0xf3, 0xaa});
    interrupt.vector = 0x30;
    pins.intr_changed();
    step();
    EXPECT_EQ(s.eip, handler(0x30));
    EXPECT_EQ(stack32(0), kText);
    EXPECT_NE(stack32(2) & kRf, 0u);
}

VMM_ON_EVERY_STEPPER(RepIterations);

// Long runs instead of steps.
class TranslatorRuns : public Bench {
  protected:
    void SetUp() override {
        Bench::SetUp();
        for (u32 v = 0; v < 256; ++v) poke(handler(static_cast<u8>(v)), {0xf4});   // HLT
    }
    Translator& translator() { return *cpu.jit.translator; }
    StopReason go(u64 steps) {
        s.halted = false;
        return translator().run(clock.icount() + steps);
    }
};

TEST_P(TranslatorRuns, TrapFlagTrapsAfterEachIterationOfRep) {
    poke(kText, {0xf3, 0xaa});
    s.gpr[kEcx] = 3;
    s.gpr[kEdi] = kScratch;
    s.eflags |= kTf;
    EXPECT_EQ(go(1000), StopReason::Halted);
    EXPECT_EQ(s.eip, handler(kDb) + 1);
    EXPECT_EQ(stack32(0), kText);
    EXPECT_EQ(s.gpr[kEcx], 2u);
    EXPECT_NE(s.dr6 & 0x4000, 0u);
}

TEST_P(TranslatorRuns, RepStopsAtTheLimitWithRfSet) {
    poke(kText, {0xf3, 0xaa});
    s.gpr[kEcx] = 100;
    s.gpr[kEdi] = kScratch;
    EXPECT_EQ(go(40), StopReason::Limit);
    EXPECT_EQ(s.gpr[kEcx], 60u);
    EXPECT_NE(s.eflags & kRf, 0u);
    EXPECT_EQ(go(60), StopReason::Limit);
    EXPECT_EQ(s.eip, kText + 2);
    EXPECT_EQ(s.eflags & kRf, 0u);
}

// A block is entered through a link without passing the dispatcher; the limit of CS ends within it.
TEST_P(TranslatorRuns, CodeLimitHoldsInLinkedBlocks) {
    constexpr u32 kLast = 9;
    for (u32 i = 0; i < 32; ++i) poke(kText + i, {0x90});
    translator().set_block_limit(4);
    for (unsigned round = 0; round < 3; ++round) {
        enter_ring0();
        s.seg[kCs] = {kCode0, kText, round == 0 ? 0xfff : kLast, 0x409b};
        s.eip = 0;
        cpu.mode_changed();
        go(round == 0 ? 24 : 1000);
        if (round != 0) {
            EXPECT_EQ(s.eip, handler(kGp) + 1);
            EXPECT_EQ(stack32(1), kLast + 1);
        }
    }
}

TEST_P(TranslatorRuns, CodeLimitHoldsAtTheEndOfA16BitSegment) {
    // INC AX to the end; the last instruction lies across it.
    const u32 base = kText - 8;
    for (u32 i = 0xfff0; i < 0xffff; ++i) poke(base + i, {0x40});
    poke(base + 0xffff, {0x05, 1, 0});     // ADD AX, 1
    translator().set_block_limit(4);
    for (unsigned round = 0; round < 3; ++round) {
        enter_ring0();
        s.seg[kCs] = {kCode16, base, 0xffff, 0x009b};
        s.eip = 0xfff0;
        s.gpr[kEax] = 0;
        cpu.mode_changed();
        go(1000);
        EXPECT_EQ(s.eip, handler(kGp) + 1);
        EXPECT_EQ(stack32(1), 0xffffu);
        EXPECT_EQ(s.gpr[kEax], 15u);
    }
}

INSTANTIATE_TEST_SUITE_P(, TranslatorRuns, testing::Values(&make_translator, &make_single_stepper), stepper_name);

}  // namespace
}  // namespace vmm::tcg::test
