// SPDX-License-Identifier: Apache-2.0
// Task switches. Expectations: SDM volume 3, chapter 7.
#include "tests/tcg/bench.h"

namespace vmm::tcg::test {
namespace {

class TaskSwitch : public Bench {
  protected:
    void SetUp() override {
        Bench::SetUp();
        task32(kTssBBase);
    }
    // A task in ring 0 at 0x18000 whose registers hold 0x100 + number.
    void task32(u32 base) {
        poke32(base + 0x20, 0x18000);
        poke32(base + 0x24, 0x2);
        for (u32 i = 0; i < 8; ++i) poke32(base + 0x28 + 4 * i, 0x100 + i);
        poke32(base + 0x38, kStack1);
        for (u32 i = 0; i < 6; ++i) poke32(base + 0x48 + 4 * i, kData0);
        poke32(base + 0x4c, kCode0);
    }
};
VMM_ON_EVERY_STEPPER(TaskSwitch);

#define JMP_TASK(selector) {0xea, 0, 0, 0, 0, static_cast<u8>(selector), 0}
#define CALL_TASK(selector) {0x9a, 0, 0, 0, 0, static_cast<u8>(selector), 0}

TEST_P(TaskSwitch, JumpSavesTheOldTaskAndLoadsTheNew) {
    s.gpr[kEax] = 0xaaaa5555;
    s.eflags = 2 | kCf;
    run(JMP_TASK(kTssB));
    EXPECT_EQ(s.eip, 0x18000u);
    EXPECT_EQ(s.gpr[kEax], 0x100u);
    EXPECT_EQ(s.gpr[kEdi], 0x107u);
    EXPECT_EQ(s.gpr[kEsp], kStack1);
    EXPECT_EQ(s.eflags, 2u);
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_NE(s.cr0 & kCr0Ts, 0u);
    EXPECT_EQ(peek32(kTssABase + 0x20), kText + 7);
    EXPECT_EQ(peek32(kTssABase + 0x24), 2u | kCf);
    EXPECT_EQ(peek32(kTssABase + 0x28), 0xaaaa5555u);
    EXPECT_EQ(peek16(kTssABase + 0x4c), kCode0);
    EXPECT_EQ(access_byte(kTssA), 0x89u);
    EXPECT_EQ(access_byte(kTssB), 0x8bu);
}

TEST_P(TaskSwitch, CallNestsAndIretReturns) {
    run(CALL_TASK(kTssB));
    EXPECT_NE(s.eflags & kNt, 0u);
    EXPECT_EQ(peek16(kTssBBase), kTssA);
    EXPECT_EQ(access_byte(kTssA), 0x8bu);
    EXPECT_EQ(access_byte(kTssB), 0x8bu);
    run({0xcf});
    EXPECT_EQ(s.eip, kText + 7);
    EXPECT_EQ(s.tr.selector, kTssA);
    EXPECT_EQ(s.eflags & kNt, 0u);
    EXPECT_EQ(access_byte(kTssA), 0x8bu);
    EXPECT_EQ(access_byte(kTssB), 0x89u);
    EXPECT_EQ(peek32(kTssBBase + 0x24) & kNt, 0u);
    EXPECT_EQ(peek32(kTssBBase + 0x20), 0x18001u);
}

TEST_P(TaskSwitch, JumpToABusyTaskIsGp) {
    run(JMP_TASK(kTssA));
    expect_fault(kGp, kTssA);
}

TEST_P(TaskSwitch, TssTooSmallIsTs) {
    descriptor(kTssB, kTssBBase, 0x66, 0x0089);
    run(JMP_TASK(kTssB));
    expect_fault(kTs, kTssB);
    EXPECT_EQ(s.tr.selector, kTssA);
}

TEST_P(TaskSwitch, NotPresentTssIsNp) {
    descriptor(kTssB, kTssBBase, 0x67, 0x0009);
    run(JMP_TASK(kTssB));
    expect_fault(kNp, kTssB);
}

TEST_P(TaskSwitch, IretWithABackLinkThatIsNotBusyIsTs) {
    s.eflags |= kNt;
    poke16(kTssABase, kTssB);
    run({0xcf});
    expect_fault(kTs, kTssB);
}

TEST_P(TaskSwitch, BadCsOfTheNewTaskFaultsInTheNewTask) {
    poke32(kTssBBase + 0x4c, kData0);
    idt_gate(kTs, 0x85, kSpare);  // through a third task: the second has no code segment to go on with
    descriptor(kSpare, kScratch, 0x67, 0x0089);
    task32(kScratch);
    run(JMP_TASK(kTssB));
    EXPECT_EQ(s.tr.selector, kSpare);
    EXPECT_EQ(peek16(kScratch), kTssB);
    EXPECT_EQ(peek32(kTssBBase + 0x20), 0x18000u);
    EXPECT_EQ(peek32(kTssABase + 0x20), kText + 7);
    EXPECT_EQ(stack32(0), kData0);
}

TEST_P(TaskSwitch, BadDataSegmentOfTheNewTaskIsTsOnItsStack) {
    poke32(kTssBBase + 0x54, 0xf8);  // DS: a descriptor of zeros
    run(JMP_TASK(kTssB));
    expect_fault(kTs, 0xf8);
    EXPECT_EQ(stack32(1), 0x18000u);
    EXPECT_EQ(s.gpr[kEsp], kStack1 - 16);
    EXPECT_EQ(s.tr.selector, kTssB);
}

TEST_P(TaskSwitch, TaskGateFromRing3NeedsItsDplOnly) {
    gate(kGdt + kGate, kTssB, 0, 0xe5);
    enter_ring3();
    run(CALL_TASK(kGate));
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_EQ(cpu.cpl(), 0u);
}

TEST_P(TaskSwitch, TssDescriptorFromRing3IsGp) {
    enter_ring3();
    run(JMP_TASK(kTssB));
    expect_fault(kGp, kTssB);
}

TEST_P(TaskSwitch, InterruptThroughTaskGatePushesTheErrorCodeInTheNewTask) {
    idt_gate(kGp, 0x85, kTssB);
    run({0x8e, 0xd8});               // MOV DS, AX with EAX = 0: fine
    s.gpr[kEax] = 0x100;
    run({0x8e, 0xd8});
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_EQ(s.gpr[kEsp], kStack1 - 4);
    EXPECT_EQ(stack32(0), 0x100u);
    EXPECT_EQ(peek32(kTssABase + 0x20), kText + 2);
    EXPECT_NE(peek32(kTssABase + 0x24) & kRf, 0u);
}

TEST_P(TaskSwitch, DebugTrapBitRaisesDbBeforeTheFirstInstruction) {
    poke16(kTssBBase + 0x64, 1);
    run(JMP_TASK(kTssB));
    EXPECT_EQ(s.eip, 0x18000u);
    step();
    expect_fault(kDb);
    EXPECT_NE(s.dr6 & 0x8000, 0u);
    EXPECT_EQ(stack32(0), 0x18000u);
}

TEST_P(TaskSwitch, LocalBreakpointsAreSwitchedOff) {
    s.dr7 = 0x7ff;
    s.dr[0] = s.dr[1] = s.dr[2] = s.dr[3] = 0x1ffff0;
    run(JMP_TASK(kTssB));
    EXPECT_EQ(s.dr7, 0x6aau);
}

TEST_P(TaskSwitch, SixteenBitTask) {
    descriptor(kTssB, kTssBBase, 0x2b, 0x0081);
    poke16(kTssBBase + 0x0e, 0x4000);
    poke16(kTssBBase + 0x10, 2);
    poke16(kTssBBase + 0x12, 0x1234);
    poke16(kTssBBase + 0x1a, 0x8000);
    poke16(kTssBBase + 0x22, kData0);
    poke16(kTssBBase + 0x24, kCode0);
    poke16(kTssBBase + 0x26, kData16);
    poke16(kTssBBase + 0x28, kData0);
    poke16(kTssBBase + 0x2a, 0);
    run(JMP_TASK(kTssB));
    EXPECT_EQ(s.eip, 0x4000u);
    EXPECT_EQ(s.gpr[kEax] & 0xffff, 0x1234u);
    EXPECT_EQ(s.seg[kSs].selector, kData16);
    EXPECT_EQ(s.seg[kFs].selector, 0);
    EXPECT_EQ(access_byte(kTssB), 0x83u);
}

TEST_P(TaskSwitch, VirtualTask) {
    poke32(kTssBBase + 0x24, 0x20202);
    poke32(kTssBBase + 0x20, 0x200);
    poke32(kTssBBase + 0x38, 0x8000);
    for (u32 i = 0; i < 6; ++i) poke32(kTssBBase + 0x48 + 4 * i, 0x2000);
    run(JMP_TASK(kTssB));
    EXPECT_TRUE(cpu.v86());
    EXPECT_EQ(s.seg[kCs].base, 0x20000u);
    EXPECT_EQ(s.eip, 0x200u);
}

TEST_P(TaskSwitch, Cr3ComesFromTheNewTaskWhenPagingIsOn) {
    // Two page directories that both map the first 4 MiB onto themselves.
    poke32(0x100000, 0x83);
    poke32(0x101000, 0x83);
    s.cr4 = kCr4Pse;
    s.cr3 = 0x100000;
    s.cr0 |= kCr0Pg;
    cpu.paging_changed();
    poke32(kTssBBase + 0x1c, 0x101000);
    run(JMP_TASK(kTssB));
    EXPECT_EQ(s.cr3, 0x101000u);
    EXPECT_EQ(s.eip, 0x18000u);
}

TEST_P(TaskSwitch, JumpThroughATaskGateDoesNotNest) {
    gate(kGdt + kGate, kTssB, 0, 0x85);
    run(JMP_TASK(kGate));
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_EQ(s.eflags & kNt, 0u);
    EXPECT_EQ(access_byte(kTssA), 0x89u);
}

TEST_P(TaskSwitch, SoftwareInterruptThroughATaskGateNestsAndIretReturns) {
    idt_gate(0x80, 0x85, kTssB);
    run({0xcd, 0x80});
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_EQ(peek16(kTssBBase), kTssA);
    EXPECT_NE(s.eflags & kNt, 0u);
    EXPECT_EQ(s.gpr[kEsp], kStack1);
    EXPECT_EQ(access_byte(kTssA), 0x8bu);
    run({0xcf});
    EXPECT_EQ(s.tr.selector, kTssA);
    EXPECT_EQ(s.eip, kText + 2);
}

TEST_P(TaskSwitch, HardwareInterruptThroughATaskGateNests) {
    idt_gate(0x43, 0x85, kTssB);
    s.eflags |= kIf;
    interrupt.vector = 0x43;
    step();
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_EQ(peek16(kTssBBase), kTssA);
    EXPECT_EQ(peek32(kTssABase + 0x20), kText);
    EXPECT_EQ(peek32(kTssABase + 0x24), 2u | kIf);
    EXPECT_EQ(s.gpr[kEsp], kStack1);
}

TEST_P(TaskSwitch, TaskGateThatIsNotPresentIsNp) {
    gate(kGdt + kGate, kTssB, 0, 0x05);
    run(CALL_TASK(kGate));
    expect_fault(kNp, kGate);
}

TEST_P(TaskSwitch, TaskGateToSomethingElseIsGp) {
    gate(kGdt + kGate, kData0, 0, 0x85);
    run(CALL_TASK(kGate));
    expect_fault(kGp, kData0);
}

TEST_P(TaskSwitch, TaskGateToABusyTaskIsGp) {
    gate(kGdt + kGate, kTssA, 0, 0x85);
    run(CALL_TASK(kGate));
    expect_fault(kGp, kTssA);
}

TEST_P(TaskSwitch, SixteenBitTaskIsSavedInWords) {
    descriptor(kTssA, kTssABase, 0x2b, 0x0083);
    s.tr = {kTssA, kTssABase, 0x2b, 0x83};
    s.gpr[kEax] = 0xaaaa5555;
    poke16(kTssABase + 0x2a, 0x7777);
    run(CALL_TASK(kTssB));
    EXPECT_EQ(s.eip, 0x18000u);
    EXPECT_EQ(peek16(kTssABase + 0x0e), (kText + 7) & 0xffff);
    EXPECT_EQ(peek16(kTssABase + 0x10), 2u);
    EXPECT_EQ(peek16(kTssABase + 0x12), 0x5555u);
    EXPECT_EQ(peek16(kTssABase + 0x1a), 0x47000u & 0xffff);
    EXPECT_EQ(peek16(kTssABase + 0x24), kCode0);
    EXPECT_EQ(peek16(kTssABase + 0x2a), 0x7777u);            // the LDT is not saved
    EXPECT_EQ(peek16(kTssBBase), kTssA);
    poke16(kTssABase + 0x2a, 0);
    run({0xcf});
    EXPECT_EQ(s.tr.selector, kTssA);
    EXPECT_EQ(s.eip, (kText + 7) & 0xffff);
    EXPECT_EQ(s.gpr[kEax] & 0xffff, 0x5555u);
}

TEST_P(TaskSwitch, LdtOfTheNewTaskHoldsItsSegments) {
    poke32(kLdtBase + 8, 0x0000ffff);
    poke32(kLdtBase + 12, 0x00cf9300);
    poke32(kTssBBase + 0x60, kLdtSel);
    poke32(kTssBBase + 0x48, 0x0c);
    run(JMP_TASK(kTssB));
    EXPECT_EQ(s.eip, 0x18000u);
    EXPECT_EQ(s.ldtr.selector, kLdtSel);
    EXPECT_EQ(s.ldtr.base, kLdtBase);
    EXPECT_EQ(s.seg[kEs].selector, 0x0c);
    EXPECT_TRUE(s.seg[kEs].present());
}

// Table 7-1. What is wrong with the new task's own stack or code needs a third task to be seen.
class BadTask : public TaskSwitch {
  protected:
    void through_third_task(u8 vector) {
        idt_gate(vector, 0x85, kSpare);
        descriptor(kSpare, kScratch, 0x67, 0x0089);
        task32(kScratch);
    }
    void expect_third_task(u32 error) {
        EXPECT_EQ(s.tr.selector, kSpare);
        EXPECT_EQ(peek16(kScratch), kTssB);
        EXPECT_EQ(stack32(0), error);
    }
};
VMM_ON_EVERY_STEPPER(BadTask);

TEST_P(BadTask, LdtThatIsNoLdtIsTs) {
    through_third_task(kTs);
    poke32(kTssBBase + 0x60, kData0);
    run(JMP_TASK(kTssB));
    expect_third_task(kData0);
}

TEST_P(BadTask, StackOfAnotherPrivilegeIsTs) {
    through_third_task(kTs);
    poke32(kTssBBase + 0x50, kData3);
    run(JMP_TASK(kTssB));
    expect_third_task(kData3 & ~3u);
}

TEST_P(BadTask, StackThatIsNotPresentIsSs) {
    through_third_task(kSsFault);
    descriptor(kCode16, 0, 0xfffff, 0xc013);
    poke32(kTssBBase + 0x50, kCode16);
    run(JMP_TASK(kTssB));
    expect_third_task(kCode16);
}

TEST_P(BadTask, CodeThatIsNotPresentIsNp) {
    through_third_task(kNp);
    descriptor(kCode16, 0, 0xfffff, 0xc01b);
    poke32(kTssBBase + 0x4c, kCode16);
    run(JMP_TASK(kTssB));
    expect_third_task(kCode16);
}

TEST_P(BadTask, DataThatIsNotPresentIsNpOnTheNewStack) {
    descriptor(kSpare, 0, 0xfffff, 0xc013);
    poke32(kTssBBase + 0x54, kSpare);
    run(JMP_TASK(kTssB));
    expect_fault(kNp, kSpare);
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_EQ(stack32(1), 0x18000u);
}

}  // namespace
}  // namespace vmm::tcg::test
