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
    interrupt.vector = 0x33;
    pins.intr_changed();
    step();
    EXPECT_EQ(s.eip, handler(0x33));
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

// Paging with all but the exceptions identical: 4 KiB pages of the first 2 MiB.
class PagedRuns : public TranslatorRuns {
  protected:
    static constexpr u32 kDirectory = 0x100000, kTable = 0x101000, kOtherDirectory = 0x102000, kOtherTable = 0x103000;
    void make_space(u32 directory, u32 table) {
        poke32(directory, table | 7);
        for (u32 page = 0; page < 512; ++page) map(table, page << kPageShift, page << kPageShift);
    }
    void map(u32 table, u32 linear, u32 phys) { poke32(table + (linear >> kPageShift) * 4, phys | 7); }
    void enable() {
        translator().set_block_limit(32);
        make_space(kDirectory, kTable);
        make_space(kOtherDirectory, kOtherTable);
        page_again();
    }
    void page_again() {
        s.cr3 = kDirectory;
        s.cr0 |= kCr0Pg;
        cpu.paging_changed();
    }
};

// Indirect jumps go through a cache of their own, which user code must not keep while the kernel unmaps its page.
TEST_P(PagedRuns, IndirectJumpOfUserCodeFaultsOnceItsTargetIsUnmapped) {
    constexpr u32 kTarget = kUserText + kPageSize + 0x10;
    enable();
    poke(kUserText, {0xff, 0xe0});         // JMP EAX
    poke(kTarget, {0x90, 0xf4});           // NOP, HLT: #GP
    for (unsigned round = 0; round < 3; ++round) {
        enter_ring3();
        page_again();
        s.gpr[kEax] = kTarget;
        go(1000);
        ASSERT_EQ(s.eip, handler(kGp) + 1);
    }
    board.memory.store({kTable + (kTarget >> kPageShift) * 4}, 4, 0);
    enter_ring3();
    page_again();
    s.gpr[kEax] = kTarget;
    go(1000);
    EXPECT_EQ(s.eip, handler(kPfault) + 1);
    EXPECT_EQ(s.cr2, kTarget);
}

// Without a branch in between: the block goes on in another space.
TEST_P(PagedRuns, MovToCr3ChangesTheNextInstructionsSpace) {
    constexpr u32 kOtherPhys = kScratch + kPageSize;
    enter_ring0();
    enable();
    map(kOtherTable, kScratch, kOtherPhys);
    poke32(kScratch, 1);
    poke32(kOtherPhys, 2);
    poke(kText, {0x8b, 0x1d, 0, 0, 5, 0,   // MOV EBX, [kScratch]
                 0x0f, 0x22, 0xd9,         // MOV CR3, ECX
                 0x8b, 0x15, 0, 0, 5, 0,   // MOV EDX, [kScratch]
                 0xf4});
    s.gpr[kEcx] = kOtherDirectory;
    go(1000);
    EXPECT_EQ(s.gpr[kEbx], 1u);
    EXPECT_EQ(s.gpr[kEdx], 2u);
}

TEST_P(PagedRuns, ClearingWpOpensReadOnlyPagesToTheNextInstruction) {
    enter_ring0();
    enable();
    poke32(kTable + (kScratch >> kPageShift) * 4, kScratch | 5);
    s.cr0 |= kCr0Wp;
    cpu.paging_changed();
    poke(kText, {0x0f, 0x22, 0xc1,         // MOV CR0, ECX
                 0xa3, 0, 0, 5, 0,         // MOV [kScratch], EAX
                 0x0f, 0x22, 0xc2,         // MOV CR0, EDX
                 0xa3, 0, 0, 5, 0,
                 0xf4});
    s.gpr[kEcx] = s.cr0 & ~kCr0Wp;
    s.gpr[kEdx] = s.cr0;
    s.gpr[kEax] = 7;
    go(1000);
    EXPECT_EQ(peek32(kScratch), 7u);
    EXPECT_EQ(s.eip, handler(kPfault) + 1);
    EXPECT_EQ(stack32(1), kText + 11);
}

INSTANTIATE_TEST_SUITE_P(, PagedRuns, testing::Values(&make_translator, &make_single_stepper), stepper_name);

INSTANTIATE_TEST_SUITE_P(, TranslatorRuns, testing::Values(&make_translator, &make_single_stepper), stepper_name);

}  // namespace
}  // namespace vmm::tcg::test
