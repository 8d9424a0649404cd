// SPDX-License-Identifier: Apache-2.0
// Far jumps, calls and returns, and IRET between rings and modes. Expectations: SDM volume 2 (JMP, CALL, RET, IRET,
// SYSENTER, SYSEXIT), volume 3, 5.8, 20.2.
#include "tests/tcg/bench.h"

namespace vmm::tcg::test {
namespace {

class FarTransfer : public Bench {
  protected:
    void push32(u32 v) {
        s.gpr[kEsp] -= 4;
        poke32(s.seg[kSs].base + s.gpr[kEsp], v);
    }
    void push16(u32 v) {
        s.gpr[kEsp] -= 2;
        poke16(s.seg[kSs].base + s.gpr[kEsp], v);
    }
};
VMM_ON_EVERY_STEPPER(FarTransfer);

// JMP/CALL ptr16:32 to offset 0x00012345
#define FAR32(opcode, selector) {opcode, 0x45, 0x23, 0x01, 0x00, static_cast<u8>((selector) & 0xff), static_cast<u8>((selector) >> 8)}

// --- real mode -------------------------------------------------------------------------------------------------------

TEST_P(FarTransfer, RealModeJumpSetsBaseAndKeepsLimit) {
    enter_real();
    run({0xea, 0x10, 0x00, 0x34, 0x12});
    EXPECT_EQ(s.seg[kCs].base, 0x12340u);
    EXPECT_EQ(s.seg[kCs].limit, 0xffffu);
    EXPECT_EQ(s.eip, 0x10u);
}

TEST_P(FarTransfer, RealModeCallAndReturn) {
    enter_real();
    run({0x9a, 0x10, 0x00, 0x00, 0x20});
    EXPECT_EQ(s.eip, 0x10u);
    EXPECT_EQ(stack16(0), 5u);
    EXPECT_EQ(stack16(1), 0x1000u);
    run({0xca, 0x06, 0x00});
    EXPECT_EQ(s.eip, 5u);
    EXPECT_EQ(s.seg[kCs].selector, 0x1000);
    EXPECT_EQ(s.gpr[kEsp], 0x8006u);
}

TEST_P(FarTransfer, RealMode32BitJumpBeyond64KIsGp) {
    enter_real();
    poke16(4 * kGp, 0x4444);
    run({0x66, 0xea, 0x00, 0x00, 0x01, 0x00, 0x00, 0x20});
    EXPECT_EQ(s.eip, 0x4444u);
    EXPECT_EQ(stack16(0), 0u);
}

// --- protected mode, same ring -----------------------------------------------------------------------------------------

TEST_P(FarTransfer, EnteringProtectedModeTakesEffectWithTheFarJump) {
    enter_real(0x1000);
    s.gdtr = {kGdt, 0xff};
    s.gpr[kEax] = 0x11;
    run({0x0f, 0x22, 0xc0});                                       // MOV CR0, EAX
    EXPECT_TRUE(cpu.pmode());
    EXPECT_EQ(cpu.cpl(), 0u);
    EXPECT_FALSE(cpu.code32());
    run({0x66, 0xea, 0x00, 0x00, 0x02, 0x00, kCode0, 0x00});
    EXPECT_TRUE(cpu.code32());
    EXPECT_EQ(s.eip, 0x20000u);
    EXPECT_EQ(s.seg[kCs].base, 0u);
}

TEST_P(FarTransfer, JumpToDataIsGp) {
    run(FAR32(0xea, kData0));
    expect_fault(kGp, kData0);
}

TEST_P(FarTransfer, JumpToNullIsGp0) {
    run(FAR32(0xea, 0));
    expect_fault(kGp, 0);
}

TEST_P(FarTransfer, JumpBeyondTheNewLimitIsGp0AndLeavesCs) {
    descriptor(kSpare, 0, 0xfff, 0x409b);
    run(FAR32(0xea, kSpare));
    expect_fault(kGp, 0);
    EXPECT_EQ(stack32(2), kCode0);
}

TEST_P(FarTransfer, JumpToNotPresentCodeIsNp) {
    descriptor(kSpare, 0, 0xfffff, 0xc01b);
    run(FAR32(0xea, kSpare));
    expect_fault(kNp, kSpare);
}

TEST_P(FarTransfer, Ring3MayNotJumpIntoRing0Code) {
    enter_ring3();
    run(FAR32(0xea, kCode0));
    expect_fault(kGp, kCode0);
}

TEST_P(FarTransfer, ConformingCodeRunsAtTheCallersPrivilege) {
    enter_ring3();
    run(FAR32(0x9a, kConforming));
    EXPECT_EQ(s.eip, 0x12345u);
    EXPECT_EQ(s.seg[kCs].selector, kConforming | 3);
    EXPECT_EQ(cpu.cpl(), 3u);
    EXPECT_EQ(stack32(0), kUserText + 7);
    EXPECT_EQ(stack32(1), kCode3);
}

TEST_P(FarTransfer, IndirectCallReadsOffsetThenSelector) {
    poke32(kScratch, 0x12345);
    poke16(kScratch + 4, kCode0);
    s.gpr[kEbx] = kScratch;
    run({0xff, 0x1b});
    EXPECT_EQ(s.eip, 0x12345u);
    EXPECT_EQ(stack32(0), kText + 2);
}

// --- call gates ----------------------------------------------------------------------------------------------------------

TEST_P(FarTransfer, CallGateToInnerRingSwitchesStackAndCopiesParameters) {
    call_gate(kCode0, 0x34567, 0xec, 2);
    enter_ring3();
    push32(0x22222222);
    push32(0x11111111);
    const u32 user_esp = s.gpr[kEsp];
    run(FAR32(0x9a, kGate));
    EXPECT_EQ(s.eip, 0x34567u);
    EXPECT_EQ(cpu.cpl(), 0u);
    EXPECT_EQ(s.seg[kCs].selector, kCode0);
    EXPECT_EQ(s.seg[kSs].selector, kData0);
    EXPECT_EQ(s.gpr[kEsp], kStack0 - 24);
    EXPECT_EQ(stack32(0), kUserText + 7);
    EXPECT_EQ(stack32(1), kCode3);
    EXPECT_EQ(stack32(2), 0x11111111u);
    EXPECT_EQ(stack32(3), 0x22222222u);
    EXPECT_EQ(stack32(4), user_esp);
    EXPECT_EQ(stack32(5), kData3);
}

TEST_P(FarTransfer, RetFarToOuterRingReleasesParametersOnBothStacksAndDropsInnerSegments) {
    call_gate(kCode0, 0x34567, 0xec, 2);
    enter_ring3();
    push32(2);
    push32(1);
    run(FAR32(0x9a, kGate));
    s.seg[kEs] = loaded(kData0);
    run({0xca, 0x08, 0x00});
    EXPECT_EQ(cpu.cpl(), 3u);
    EXPECT_EQ(s.eip, kUserText + 7);
    EXPECT_EQ(s.gpr[kEsp], kStack3);
    EXPECT_EQ(s.seg[kSs].selector, kData3);
    EXPECT_EQ(s.seg[kEs].selector, 0);
    EXPECT_FALSE(s.seg[kEs].present());
    EXPECT_EQ(s.seg[kDs].selector, kData3);
}

TEST_P(FarTransfer, SixteenBitCallGatePushesWords) {
    call_gate(kCode0, 0x4567, 0xe4, 1);
    enter_ring3();
    push16(0xbeef);
    run(FAR32(0x9a, kGate));
    EXPECT_EQ(s.eip, 0x4567u);
    EXPECT_EQ(s.gpr[kEsp], kStack0 - 10);
    EXPECT_EQ(stack16(0), (kUserText + 7) & 0xffff);
    EXPECT_EQ(stack16(2), 0xbeefu);
    EXPECT_EQ(stack16(4), kData3);
}

TEST_P(FarTransfer, GateDplGuardsTheGate) {
    call_gate(kCode0, 0x34567, 0x8c);
    enter_ring3();
    run(FAR32(0x9a, kGate));
    expect_fault(kGp, kGate);
}

TEST_P(FarTransfer, NotPresentGateIsNp) {
    call_gate(kCode0, 0x34567, 0x6c);
    enter_ring3();
    run(FAR32(0x9a, kGate));
    expect_fault(kNp, kGate);
}

TEST_P(FarTransfer, JumpThroughGateMayNotChangeRing) {
    call_gate(kCode0, 0x34567, 0xec);
    enter_ring3();
    run(FAR32(0xea, kGate));
    expect_fault(kGp, kCode0);
}

TEST_P(FarTransfer, InnerStackOfTheWrongRingIsTs) {
    poke32(kTssABase + 16, kData0);  // SS1 with DPL 0
    call_gate(kCode1, 0x34567, 0xec);
    enter_ring3();
    run(FAR32(0x9a, kGate));
    expect_fault(kTs, kData0);
    EXPECT_EQ(stack32(1), kUserText);
}

TEST_P(FarTransfer, InnerStackWithoutRoomIsSsWithItsSelector) {
    descriptor(kSpare, 0x40000, 0xfff, 0x40b3);
    poke32(kTssABase + 12, 4);
    poke32(kTssABase + 16, kSpare | 1);
    call_gate(kCode1, 0x34567, 0xec);
    enter_ring3();
    run(FAR32(0x9a, kGate));
    expect_fault(kSsFault, kSpare);
    EXPECT_EQ(stack32(2), kCode3);
}

// --- IRET -------------------------------------------------------------------------------------------------------------------

TEST_P(FarTransfer, IretToOuterRingLoadsEverything) {
    push32(kData3);
    push32(0x4d000);
    push32(0x3202);
    push32(kCode3);
    push32(0x23456);
    run({0xcf});
    EXPECT_EQ(s.eip, 0x23456u);
    EXPECT_EQ(cpu.cpl(), 3u);
    EXPECT_EQ(s.eflags, 0x3202u);
    EXPECT_EQ(s.gpr[kEsp], 0x4d000u);
    EXPECT_EQ(s.seg[kDs].selector, 0);
}

TEST_P(FarTransfer, IretInRing3ChangesNeitherIfNorIopl) {
    enter_ring3();
    push32(0x3a97);  // IOPL 3, IF, DF, SF, AF, PF, CF
    push32(kCode3);
    push32(0x23456);
    run({0xcf});
    EXPECT_EQ(s.eflags, 0x0897u | 2u);
}

TEST_P(FarTransfer, IretToInnerRingIsGp) {
    enter_ring3();
    push32(2);
    push32(kCode0);
    push32(0x23456);
    run({0xcf});
    expect_fault(kGp, kCode0);
}

TEST_P(FarTransfer, IretTo16BitStackKeepsTheUpperHalfOfEsp) {
    descriptor(kSpare, 0x40000, 0xffff, 0x00f3);
    push32(kSpare | 3);
    push32(0x12345678);
    push32(2);
    push32(kCode3);
    push32(0x23456);
    run({0xcf});
    EXPECT_EQ(s.gpr[kEsp], 0x00045678u);
}

TEST_P(FarTransfer, IretToV86LoadsAllSegments) {
    for (const u32 v : {0x1111u, 0x2222u, 0x3333u, 0x4444u, 0x5555u, 0x9000u, 0x23202u, 0x1000u, 0x100u}) push32(v);
    run({0xcf});
    EXPECT_TRUE(cpu.v86());
    EXPECT_EQ(cpu.cpl(), 3u);
    EXPECT_EQ(s.eip, 0x100u);
    EXPECT_EQ(s.gpr[kEsp], 0x9000u);
    EXPECT_EQ(s.seg[kCs].base, 0x10000u);
    EXPECT_EQ(s.seg[kSs].selector, 0x5555);
    EXPECT_EQ(s.seg[kEs].selector, 0x4444);
    EXPECT_EQ(s.seg[kDs].selector, 0x3333);
    EXPECT_EQ(s.seg[kFs].selector, 0x2222);
    EXPECT_EQ(s.seg[kGs].selector, 0x1111);
    EXPECT_EQ(s.eflags, 0x23202u);
}

TEST_P(FarTransfer, IretInV86NeedsIopl3) {
    enter_v86(0);
    run({0xcf});
    expect_fault(kGp, 0);
}

TEST_P(FarTransfer, IretInV86WithVmeMovesIfToVif) {
    enter_v86(0);
    s.cr4 = kCr4Vme;
    push16(0x0202);
    push16(0x1000);
    push16(0x0050);
    run({0xcf});
    EXPECT_EQ(s.eip, 0x50u);
    EXPECT_EQ(s.eflags & kIf, 0u);
    EXPECT_NE(s.eflags & kVif, 0u);
    EXPECT_TRUE(cpu.v86());
}

TEST_P(FarTransfer, IretEndsNmiBlocking) {
    s.nmi_blocked = true;
    push32(2);
    push32(kCode0);
    push32(0x23456);
    run({0xcf});
    EXPECT_FALSE(s.nmi_blocked);
}

TEST_P(FarTransfer, RealModeIretTakesAllFlagsOfThe16BitImage) {
    enter_real();
    s.eflags = 2 | kAc;
    push16(0x7fd7);
    push16(0x2000);
    push16(0x0060);
    run({0xcf});
    EXPECT_EQ(s.eflags, 0x7fd7u | kAc);
    EXPECT_EQ(s.seg[kCs].base, 0x20000u);
}

// --- SYSENTER, SYSEXIT ----------------------------------------------------------------------------------------------------------

TEST_P(FarTransfer, SysenterAndSysexit) {
    s.msr.sysenter_cs = kCode0;
    s.msr.sysenter_esp = 0x47000;
    s.msr.sysenter_eip = 0x18000;
    enter_ring3();
    s.eflags |= kIf;
    run({0x0f, 0x34});
    EXPECT_EQ(cpu.cpl(), 0u);
    EXPECT_EQ(s.eip, 0x18000u);
    EXPECT_EQ(s.gpr[kEsp], 0x47000u);
    EXPECT_EQ(s.seg[kCs].selector, kCode0);
    EXPECT_EQ(s.seg[kSs].selector, kData0);
    EXPECT_EQ(s.eflags & kIf, 0u);
    s.gpr[kEcx] = 0x4d000;
    s.gpr[kEdx] = 0x23000;
    run({0x0f, 0x35});
    EXPECT_EQ(cpu.cpl(), 3u);
    EXPECT_EQ(s.eip, 0x23000u);
    EXPECT_EQ(s.gpr[kEsp], 0x4d000u);
    EXPECT_EQ(s.seg[kCs].selector, kCode3);
    EXPECT_EQ(s.seg[kSs].selector, kData3);
}

TEST_P(FarTransfer, SysenterWithoutACodeSelectorIsGp0) {
    enter_ring3();
    run({0x0f, 0x34});
    expect_fault(kGp, 0);
}

}  // namespace
}  // namespace vmm::tcg::test
