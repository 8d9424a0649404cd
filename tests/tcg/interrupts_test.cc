// SPDX-License-Identifier: Apache-2.0
// Interrupts and exceptions: delivery in every mode, double and triple faults, debug exceptions. Expectations: SDM
// volume 3, chapter 6, 18.2-18.3, 20.1.4, 20.2.8, 20.3.3.
#include "tests/tcg/bench.h"

namespace vmm::tcg::test {
namespace {

class Interrupts : public Bench {
  protected:
    void set_real_vector(u8 vector, u16 cs, u16 ip) {
        poke16(4u * vector, ip);
        poke16(4u * vector + 2, cs);
    }
    // Reading at `linear` faults: paging on with everything but one page present.
    void unmap_page(u32 linear) {
        for (u32 i = 0; i < 0x200; ++i) poke32(0x101000 + 4 * i, i << 12 | 7);
        poke32(0x101000 + 4 * (linear >> 12), 0);
        poke32(0x100000, 0x101007);
        s.cr3 = 0x100000;
        s.cr0 |= kCr0Pg;
        cpu.paging_changed();
    }
};
VMM_ON_EVERY_STEPPER(Interrupts);

// --- real mode ----------------------------------------------------------------------------------------------------------

TEST_P(Interrupts, RealModePushesFlagsCsIpAndClearsIfTfAc) {
    enter_real();
    set_real_vector(0x21, 0x2000, 0x0123);
    s.eflags = 2 | kIf | kAc | kCf;
    run({0xcd, 0x21});
    EXPECT_EQ(s.eip, 0x123u);
    EXPECT_EQ(s.seg[kCs].base, 0x20000u);
    EXPECT_EQ(stack16(0), 2u);
    EXPECT_EQ(stack16(1), 0x1000u);
    EXPECT_EQ(stack16(2), 2u | kIf | kCf);
    EXPECT_EQ(s.eflags, 2u | kCf);
    EXPECT_EQ(s.gpr[kEsp], 0x7ffau);
}

TEST_P(Interrupts, RealModeExceptionPushesNoErrorCodeAndReturnsToTheInstruction) {
    enter_real();
    set_real_vector(kUd, 0x2000, 0x0456);
    run({0x0f, 0x0b});
    EXPECT_EQ(s.eip, 0x456u);
    EXPECT_EQ(stack16(0), 0u);
    EXPECT_EQ(s.gpr[kEsp], 0x7ffau);
}

TEST_P(Interrupts, RealModeIvtMayBeMovedByLidt) {
    enter_real();
    s.idtr.base = kScratch;
    poke16(kScratch + 4 * 0x21, 0x0789);
    poke16(kScratch + 4 * 0x21 + 2, 0x3000);
    run({0xcd, 0x21});
    EXPECT_EQ(s.eip, 0x789u);
    EXPECT_EQ(s.seg[kCs].selector, 0x3000);
}

TEST_P(Interrupts, RealModeVectorOutsideTheTableShutsDownInTheEnd) {
    enter_real();
    s.idtr.limit = 3;  // not even #DF has a vector
    EXPECT_THROW(run({0xcd, 0x21}), TripleFaultStop);
}

// --- protected mode -------------------------------------------------------------------------------------------------------

TEST_P(Interrupts, InterruptGateClearsIfAndTrapGateDoesNot) {
    s.eflags |= kIf | kNt;
    idt_gate(0x80, 0x8e);
    run({0xcd, 0x80});
    EXPECT_EQ(s.eip, handler(0x80));
    EXPECT_EQ(s.eflags, 2u);
    EXPECT_EQ(stack32(0), kText + 2);
    EXPECT_EQ(stack32(1), kCode0);
    EXPECT_EQ(stack32(2), 2u | kIf | kNt);
    enter_ring0();
    s.eflags |= kIf;
    idt_gate(0x80, 0x8f);
    run({0xcd, 0x80});
    EXPECT_EQ(s.eflags, 2u | kIf);
}

TEST_P(Interrupts, FromRing3TheStackComesFromTheTss) {
    enter_ring3();
    idt_gate(0x80, 0xee);
    run({0xcd, 0x80});
    EXPECT_EQ(cpu.cpl(), 0u);
    EXPECT_EQ(s.gpr[kEsp], kStack0 - 20);
    EXPECT_EQ(stack32(0), kUserText + 2);
    EXPECT_EQ(stack32(1), kCode3);
    EXPECT_EQ(stack32(2), 2u);
    EXPECT_EQ(stack32(3), kStack3);
    EXPECT_EQ(stack32(4), kData3);
    EXPECT_EQ(s.seg[kDs].selector, kData3);
}

TEST_P(Interrupts, SoftwareInterruptNeedsTheGatesDplButHardwareDoesNot) {
    enter_ring3();
    run({0xcd, 0x80});
    expect_fault(kGp, 0x80 * 8 + 2);
    EXPECT_EQ(stack32(1), kUserText);
    enter_ring3();
    s.eflags |= kIf;
    interrupt.vector = 0x83;
    step();
    EXPECT_EQ(s.eip, handler(0x83));
}

TEST_P(Interrupts, Int3AndIntoNeedTheDplAndIcebpDoesNot) {
    enter_ring3();
    run({0xcc});
    expect_fault(kGp, 3 * 8 + 2);
    enter_ring3();
    s.eflags |= kOf;
    run({0xce});
    expect_fault(kGp, 4 * 8 + 2);
    enter_ring3();
    run({0xf1});
    EXPECT_EQ(s.eip, handler(kDb));
    EXPECT_EQ(stack32(0), kUserText + 1);
}

TEST_P(Interrupts, IntoWithoutOverflowDoesNothing) {
    run({0xce});
    EXPECT_EQ(s.eip, kText + 1);
}

TEST_P(Interrupts, ExceptionPushesErrorCodeAndRf) {
    s.gpr[kEax] = 0x100;
    run({0x8e, 0xd8});
    expect_fault(kGp, 0x100);
    EXPECT_EQ(stack32(1), kText);
    EXPECT_EQ(stack32(3), 2u | kRf);
    EXPECT_EQ(s.eflags & kRf, 0u);
}

TEST_P(Interrupts, SixteenBitGatePushesWords) {
    idt_gate(0x80, 0x86, kCode0, 0x5678);
    run({0xcd, 0x80});
    EXPECT_EQ(s.eip, 0x5678u);
    EXPECT_EQ(s.gpr[kEsp], 0x47000u - 6);
    EXPECT_EQ(stack16(0), (kText + 2) & 0xffff);
}

TEST_P(Interrupts, ConformingHandlerRunsAtTheInterruptedRing) {
    enter_ring3();
    idt_gate(0x80, 0xee, kConforming);
    run({0xcd, 0x80});
    EXPECT_EQ(cpu.cpl(), 3u);
    EXPECT_EQ(s.gpr[kEsp], kStack3 - 12);
}

TEST_P(Interrupts, NotPresentGateIsNpWithExtForHardware) {
    idt_gate(0x43, 0x0e);
    run({0xcd, 0x43});
    expect_fault(kNp, 0x43 * 8 + 2);
    enter_ring0();
    s.eflags |= kIf;
    interrupt.vector = 0x43;
    step();
    expect_fault(kNp, 0x43 * 8 + 3);
}

TEST_P(Interrupts, VectorBeyondTheIdtIsGp) {
    s.idtr.limit = 0x80 * 8 - 1;
    run({0xcd, 0x80});
    expect_fault(kGp, 0x80 * 8 + 2);
}

TEST_P(Interrupts, InterruptWakesFromHlt) {
    s.eflags |= kIf;
    run({0xf4});
    EXPECT_TRUE(s.halted);
    interrupt.vector = 0x33;
    step();
    EXPECT_FALSE(s.halted);
    EXPECT_EQ(s.eip, handler(0x33));
    EXPECT_EQ(stack32(0), kText + 1);
}

TEST_P(Interrupts, NmiBlocksFurtherNmisUntilIret) {
    pins.raise_nmi();
    step();
    EXPECT_EQ(s.eip, handler(kNmi));
    pins.raise_nmi();
    poke(s.eip, {0xcf});
    step();
    EXPECT_EQ(s.eip, kText);
    step();
    EXPECT_EQ(s.eip, handler(kNmi));
}

TEST_P(Interrupts, StiHoldsInterruptsBackForOneInstruction) {
    interrupt.vector = 0x33;
    poke(kText, {0xfb, 0xf8});
    step();
    EXPECT_EQ(s.shadow, Shadow::Sti);
    step();
    EXPECT_EQ(s.eip, kText + 2);
    step();
    EXPECT_EQ(s.eip, handler(0x33));
    EXPECT_EQ(stack32(0), kText + 2);
}

// --- faults during delivery -------------------------------------------------------------------------------------------------

TEST_P(Interrupts, ContributoryAfterContributoryIsDoubleFault) {
    idt_gate(kGp, 0x0e);  // #GP -> #NP
    s.gpr[kEax] = 0x100;
    run({0x8e, 0xd8});
    expect_fault(kDfault, 0);
    EXPECT_EQ(stack32(1), kText);
}

TEST_P(Interrupts, FaultAfterABenignExceptionIsDeliveredByItself) {
    idt_gate(kUd, 0x0e);
    run({0x0f, 0x0b});
    expect_fault(kNp, kUd * 8 + 3);
}

TEST_P(Interrupts, PageFaultThenContributoryIsDoubleFault) {
    unmap_page(kScratch);
    idt_gate(kPfault, 0x0e);
    s.gpr[kEbx] = kScratch;
    run({0x0f, 0x00, 0x23});
    expect_fault(kDfault, 0);
    EXPECT_EQ(s.cr2, kScratch);
}

// An IDT whose entries 0-13 lie on a missing page and 14 on the next one.
TEST_P(Interrupts, PageFaultWhileDeliveringContributoryIsAPageFault) {
    unmap_page(kScratch);
    s.idtr.base = kScratch + 0x1000 - 14 * 8;
    gate(kScratch + 0x1000, kCode0, handler(kPfault), 0x8e);
    s.gpr[kEax] = 0x100;
    run({0x8e, 0xd8});
    expect_fault(kPfault, 0);
    EXPECT_EQ(s.cr2, kScratch + 0x1000 - 8);
    EXPECT_EQ(stack32(1), kText);
}

// 14 is missing as well, 8 is not.
TEST_P(Interrupts, PageFaultWhileDeliveringPageFaultIsDoubleFault) {
    unmap_page(kScratch);
    s.idtr.base = kScratch - 9 * 8;
    gate(kScratch - 8, kCode0, handler(kDfault), 0x8e);
    s.gpr[kEbx] = kScratch;
    run({0x0f, 0x00, 0x23});
    expect_fault(kDfault, 0);
    EXPECT_EQ(s.cr2, kScratch + (14 - 9) * 8);
}

TEST_P(Interrupts, FaultInDoubleFaultShutsDown) {
    idt_gate(kGp, 0x0e);
    idt_gate(kDfault, 0x0e);
    s.gpr[kEax] = 0x100;
    EXPECT_THROW(run({0x8e, 0xd8}), TripleFaultStop);
}

TEST_P(Interrupts, PageFaultErrorCodeTellsWriteAndUser) {
    unmap_page(kScratch);
    enter_ring3();
    s.cr0 |= kCr0Pg;
    cpu.paging_changed();
    s.gpr[kEbx] = kScratch;
    run({0x0f, 0x01, 0x03});  // SGDT [EBX]
    expect_fault(kPfault, 6);
    EXPECT_EQ(s.cr2, kScratch);
}

TEST_P(Interrupts, PageFaultOnTheNewStackLeavesTheOldOneAlone) {
    poke32(kTssABase + 4, kScratch + 8);
    idt_gate(kPfault, 0x85, kTssB);
    poke32(kTssBBase + 0x20, 0x18000);
    poke32(kTssBBase + 0x38, kStack1);
    poke32(kTssBBase + 0x4c, kCode0);
    poke32(kTssBBase + 0x50, kData0);
    poke32(kTssBBase + 0x1c, 0x100000);
    unmap_page(kScratch - 1);
    enter_ring3();
    s.cr0 |= kCr0Pg;
    cpu.paging_changed();
    idt_gate(0x80, 0xee);
    run({0xcd, 0x80});
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_EQ(s.cr2, kScratch - 4);
    EXPECT_EQ(stack32(0), 2u);  // a supervisor write, page not present
    EXPECT_EQ(peek32(kTssABase + 0x38), kStack3);
    EXPECT_EQ(peek32(kTssABase + 0x20), kUserText);
    EXPECT_EQ(peek16(kTssABase + 0x50), kData3);
}

// --- virtual-8086 mode ---------------------------------------------------------------------------------------------------------

TEST_P(Interrupts, FromV86AllSegmentsArePushedAndCleared) {
    enter_v86(3);
    s.seg[kGs] = v86_segment(0x1111);
    s.seg[kFs] = v86_segment(0x2222);
    idt_gate(0x80, 0xee);
    run({0xcd, 0x80});
    EXPECT_FALSE(cpu.v86());
    EXPECT_EQ(cpu.cpl(), 0u);
    EXPECT_EQ(s.gpr[kEsp], kStack0 - 36);
    EXPECT_EQ(stack32(0), 2u);
    EXPECT_EQ(stack32(1), 0x1000u);
    EXPECT_EQ(stack32(2), 2u | kVm | kIopl);
    EXPECT_EQ(stack32(3), 0x8000u);
    EXPECT_EQ(stack32(4), 0x4000u);
    EXPECT_EQ(stack32(7), 0x2222u);
    EXPECT_EQ(stack32(8), 0x1111u);
    EXPECT_EQ(s.seg[kDs].selector, 0);
    EXPECT_FALSE(s.seg[kGs].present());
}

TEST_P(Interrupts, IntInV86WithoutIopl3IsGp0ButInt3IsNot) {
    enter_v86(0);
    idt_gate(0x80, 0xee);
    run({0xcd, 0x80});
    expect_fault(kGp, 0);
    enter_v86(0);
    idt_gate(3, 0xee);
    run({0xcc});
    EXPECT_EQ(s.eip, handler(3));
}

TEST_P(Interrupts, FromV86OnlyRing0MayBeEntered) {
    enter_v86(3);
    idt_gate(0x80, 0xee, kCode1);
    run({0xcd, 0x80});
    expect_fault(kGp, kCode1);
}

TEST_P(Interrupts, VmeRedirectsToTheProgramsOwnHandler) {
    enter_v86(0);
    s.cr4 = kCr4Vme;
    s.eflags |= kVif | kTf;
    descriptor(kTssA, kTssABase, 0xff, 0x008b);
    s.tr.limit = 0xff;
    poke16(kTssABase + 0x66, 0x88);  // the redirection bitmap is at 0x68
    set_real_vector(0x21, 0x3000, 0x0100);
    run({0xcd, 0x21});
    EXPECT_TRUE(cpu.v86());
    EXPECT_EQ(s.seg[kCs].selector, 0x3000);
    EXPECT_EQ(s.eip, 0x100u);
    EXPECT_EQ(stack16(0), 2u);
    EXPECT_EQ(stack16(1), 0x1000u);
    EXPECT_EQ(stack16(2), 0x3302u);  // IOPL 3, IF from VIF, TF
    EXPECT_EQ(s.eflags & (kVif | kTf), 0u);
}

TEST_P(Interrupts, VmeBitmapSendsOthersToTheMonitor) {
    enter_v86(0);
    s.cr4 = kCr4Vme;
    s.tr.limit = 0xff;
    poke16(kTssABase + 0x66, 0x88);
    poke(kTssABase + 0x68 + 0x21 / 8, {1 << (0x21 % 8)});
    run({0xcd, 0x21});
    expect_fault(kGp, 0);
}

// --- debug exceptions -------------------------------------------------------------------------------------------------------------

TEST_P(Interrupts, SingleStepTrapsAfterEachInstruction) {
    s.eflags |= kTf;
    run({0xf8});
    EXPECT_TRUE(trapped());
    step();
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), kText + 1);
    EXPECT_NE(s.dr6 & 0x4000, 0u);
    EXPECT_EQ(s.eflags & kTf, 0u);
    EXPECT_EQ(stack32(2) & kRf, 0u);
}

TEST_P(Interrupts, PopfThatSetsTfTrapsAfterTheNextInstruction) {
    poke32(s.gpr[kEsp], 2 | kTf);
    poke(kText, {0x9d, 0xf8});
    step();
    EXPECT_FALSE(trapped());
    step();
    EXPECT_TRUE(trapped());
    step();
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), kText + 2);
}

TEST_P(Interrupts, MovSsHoldsBackTheDebugTrap) {
    s.eflags |= kTf;
    s.gpr[kEax] = kData0;
    poke(kText, {0x8e, 0xd0, 0xf8});
    step();
    EXPECT_EQ(s.eip, kText + 2);
    step();
    EXPECT_TRUE(trapped());
    step();
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), kText + 3);
}

TEST_P(Interrupts, InstructionBreakpointIsAFault) {
    s.dr[0] = kText;
    s.dr7 = 0x402;
    run({0xf8});
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), kText);
    EXPECT_EQ(s.dr6 & 0xf, 1u);
}

TEST_P(Interrupts, RfPassesAnInstructionBreakpoint) {
    s.dr[0] = kText;
    s.dr7 = 0x402;
    s.eflags |= kRf;
    run({0xf8});
    EXPECT_EQ(s.eip, kText + 1);
    EXPECT_EQ(s.eflags & kRf, 0u);
}

TEST_P(Interrupts, DataBreakpointIsATrapAfterTheWrite) {
    s.dr[1] = kScratch;
    s.dr7 = 0x400 | 2u << 2 | 0xdu << 20;  // G1, write, four bytes
    s.gpr[kEbx] = kScratch;
    run({0x0f, 0x01, 0x03});               // SGDT [EBX]
    EXPECT_TRUE(trapped());
    step();
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), kText + 3);
    EXPECT_EQ(s.dr6 & 0xf, 2u);
    EXPECT_EQ(peek16(kScratch), 0xffu);
}

TEST_P(Interrupts, GeneralDetectFaultsBeforeTheAccessAndClearsGd) {
    s.dr7 = 0x2400;
    run({0x0f, 0x23, 0xc0});               // MOV DR0, EAX
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), kText);
    EXPECT_NE(s.dr6 & 0x2000, 0u);
    EXPECT_EQ(s.dr7 & 0x2000, 0u);
    EXPECT_NE(stack32(2) & kRf, 0u);
}

// 6.15, interrupt 17: a handler of the user's own on a stack that is not aligned can never be entered. Processors hang; here it
// is a shutdown.
TEST_P(Interrupts, AlignmentFaultsThatFollowEachOtherForEverShutTheProcessorDown) {
    enter_ring3();
    idt_gate(kAcFault, 0xee, kCode3);
    s.cr0 |= kCr0Am;
    s.eflags |= kAc;
    s.gpr[kEsp] -= 1;
    EXPECT_THROW(run({0x50}), TripleFaultStop);   // PUSH EAX
}

}  // namespace
}  // namespace vmm::tcg::test
