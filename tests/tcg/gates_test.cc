// SPDX-License-Identifier: Apache-2.0
// More of call, interrupt and trap gates: which rings they may join, where the inner stack comes from and what may be wrong with it;
// single steps through events, REP and IRET; SYSENTER by the rules of the Pentium III. Expectations: SDM volume 2 (CALL, JMP,
// INT n, IRET, SYSENTER), volume 3, 5.8, 6.12, 17.3.1.4.
#include "tests/tcg/bench.h"

namespace vmm::tcg::test {
namespace {

class Gates : public Bench {
  protected:
    // Handlers that look from ring 3, as the inner stack is what is wrong.
    void handle_in_ring3(u8 vector) { idt_gate(vector, 0xee, kCode3); }
    void push32(u32 v) {
        s.gpr[kEsp] -= 4;
        poke32(s.gpr[kEsp], v);
    }
};
VMM_ON_EVERY_STEPPER(Gates);

#define FAR32(op, sel) {op, 0, 0, 0, 0, (sel) & 0xff, (sel) >> 8}

// --- call gates ------------------------------------------------------------------------------------------------------

TEST_P(Gates, JumpThroughACallGateCannotGoToAnInnerRing) {
    call_gate(kCode0, 0x34567, 0xec);
    enter_ring3();
    run(FAR32(0xea, kGate));
    expect_fault(kGp, kCode0);
}

TEST_P(Gates, JumpThroughACallGateStaysInItsRing) {
    call_gate(kCode0, 0x34567, 0x8c);
    run(FAR32(0xea, kGate));
    EXPECT_EQ(s.eip, 0x34567u);
    EXPECT_EQ(s.gpr[kEsp], 0x47000u);
}

TEST_P(Gates, CallGateToConformingCodeKeepsRingAndStack) {
    call_gate(kConforming, 0x34567, 0xec, 3);
    enter_ring3();
    run(FAR32(0x9a, kGate));
    EXPECT_EQ(s.eip, 0x34567u);
    EXPECT_EQ(cpu.cpl(), 3u);
    EXPECT_EQ(s.gpr[kEsp], kStack3 - 8);                     // no parameters are copied
    EXPECT_EQ(stack32(0), kUserText + 7);
    EXPECT_EQ(stack32(1), kCode3);
}

TEST_P(Gates, CallGateOfTheSameRingPushesTheReturnAddressOnly) {
    call_gate(kCode0, 0x34567, 0x8c, 5);
    run(FAR32(0x9a, kGate));
    EXPECT_EQ(s.eip, 0x34567u);
    EXPECT_EQ(s.gpr[kEsp], 0x47000u - 8);
}

TEST_P(Gates, RplOfTheGatesSelectorMustNotExceedItsDpl) {
    call_gate(kCode0, 0x34567, 0x8c);
    run(FAR32(0x9a, kGate | 3));
    expect_fault(kGp, kGate);
}

TEST_P(Gates, CallGateWithoutASelectorIsGp0) {
    call_gate(0, 0x34567, 0x8c);
    run(FAR32(0x9a, kGate));
    expect_fault(kGp, 0);
}

TEST_P(Gates, CallGateToDataIsGp) {
    call_gate(kData0, 0x34567, 0x8c);
    run(FAR32(0x9a, kGate));
    expect_fault(kGp, kData0);
}

TEST_P(Gates, CallGateToAnOuterRingIsGp) {
    call_gate(kCode3, 0x34567, 0x8c);
    run(FAR32(0x9a, kGate));
    expect_fault(kGp, kCode3 & ~3u);
}

// --- interrupt and trap gates -------------------------------------------------------------------------------------------

TEST_P(Gates, TrapGateToAnInnerRingLeavesIf) {
    idt_gate(0x80, 0xef);
    enter_ring3();
    s.eflags |= kIf;
    run({0xcd, 0x80});
    EXPECT_EQ(s.eip, handler(0x80));
    EXPECT_EQ(cpu.cpl(), 0u);
    EXPECT_EQ(s.eflags & kIf, kIf);
}

TEST_P(Gates, InterruptGateToRing1TakesTheStackOfRing1) {
    idt_gate(0x80, 0xee, kCode1);
    enter_ring3();
    run({0xcd, 0x80});
    EXPECT_EQ(cpu.cpl(), 1u);
    EXPECT_EQ(s.seg[kCs].selector, kCode1 | 1);
    EXPECT_EQ(s.seg[kSs].selector, kData1);
    EXPECT_EQ(s.gpr[kEsp], kStack1 - 20);
    EXPECT_EQ(stack32(3), kStack3);
}

TEST_P(Gates, SixteenBitInterruptGateToAnInnerRingPushesFiveWords) {
    idt_gate(0x80, 0xe6, kCode0, 0x5678);
    enter_ring3();
    run({0xcd, 0x80});
    EXPECT_EQ(s.eip, 0x5678u);
    EXPECT_EQ(s.gpr[kEsp], kStack0 - 10);
    EXPECT_EQ(stack16(3), kStack3 & 0xffff);
    EXPECT_EQ(stack16(4), kData3);
}

TEST_P(Gates, InterruptGateToAnOuterRingIsGp) {
    idt_gate(0x80, 0x8e, kCode3);
    run({0xcd, 0x80});
    expect_fault(kGp, kCode3 & ~3u);
}

TEST_P(Gates, InterruptGateWithoutASelectorIsGp0) {
    idt_gate(0x80, 0x8e, 0);
    run({0xcd, 0x80});
    expect_fault(kGp, 0);
}

TEST_P(Gates, InterruptGateToDataIsGp) {
    idt_gate(0x80, 0x8e, kData0);
    run({0xcd, 0x80});
    expect_fault(kGp, kData0);
}

TEST_P(Gates, EntryOfTheIdtThatIsNoGateIsGpWithItsVector) {
    gate(kIdt + 8 * 0x80, kCode0, handler(0x80), 0x8c);      // a call gate
    run({0xcd, 0x80});
    expect_fault(kGp, 0x80 * 8 + 2);
}

// --- the inner stack -----------------------------------------------------------------------------------------------------

TEST_P(Gates, NullInnerStackIsTs0) {
    poke32(kTssABase + 8, 0);
    idt_gate(0x80, 0xee);
    handle_in_ring3(kTs);
    enter_ring3();
    run({0xcd, 0x80});
    expect_fault(kTs, 0);
    EXPECT_EQ(cpu.cpl(), 3u);
}

TEST_P(Gates, InnerStackOfAnotherPrivilegeIsTs) {
    poke32(kTssABase + 8, kData3);
    idt_gate(0x80, 0xee);
    handle_in_ring3(kTs);
    enter_ring3();
    run({0xcd, 0x80});
    expect_fault(kTs, kData3 & ~3u);
}

TEST_P(Gates, InnerStackThatCannotBeWrittenIsTs) {
    descriptor(kSpare, 0, 0xfffff, 0xc091);
    poke32(kTssABase + 8, kSpare);
    idt_gate(0x80, 0xee);
    handle_in_ring3(kTs);
    enter_ring3();
    run({0xcd, 0x80});
    expect_fault(kTs, kSpare);
}

TEST_P(Gates, InnerStackThatIsNotPresentIsSs) {
    descriptor(kSpare, 0, 0xfffff, 0xc013);
    poke32(kTssABase + 8, kSpare);
    idt_gate(0x80, 0xee);
    handle_in_ring3(kSsFault);
    enter_ring3();
    run({0xcd, 0x80});
    expect_fault(kSsFault, kSpare);
}

TEST_P(Gates, TssWithoutRoomForTheInnerStackIsTsWithItsSelector) {
    idt_gate(0x80, 0xee);
    handle_in_ring3(kTs);
    enter_ring3();
    s.tr.limit = 8;                                          // SS0 ends at 9
    run({0xcd, 0x80});
    expect_fault(kTs, kTssA);
}

// --- single steps ----------------------------------------------------------------------------------------------------------

TEST_P(Gates, SoftwareInterruptClearsTfSoThatItsHandlerIsNotStepped) {
    s.eflags |= kTf;
    poke(handler(0x80), {0x90});
    run({0xcd, 0x80});
    EXPECT_EQ(s.eip, handler(0x80));
    EXPECT_EQ(s.eflags & kTf, 0u);
    EXPECT_EQ(stack32(2), 2u | kTf);
    step();
    EXPECT_EQ(s.eip, handler(0x80) + 1);
}

TEST_P(Gates, EachIterationOfRepIsAStep) {
    s.eflags |= kTf;
    s.gpr[kEcx] = 2;
    s.gpr[kEdi] = kScratch;
    run({0xf3, 0xaa});
    EXPECT_TRUE(trapped());
    step();
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), kText);
    EXPECT_EQ(s.gpr[kEcx], 1u);
}

TEST_P(Gates, IretThatSetsTfIsFollowedByOneInstruction) {
    push32(2 | kTf);
    push32(kCode0);
    push32(0x18000);
    poke(0x18000, {0x90, 0x90});
    run({0xcf});
    EXPECT_EQ(s.eip, 0x18000u);
    step();
    EXPECT_TRUE(trapped());
    step();
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), 0x18001u);
}

TEST_P(Gates, FaultUnderTfIsDeliveredWithoutAStep) {
    s.eflags |= kTf;
    run({0x0f, 0x0b});
    expect_fault(kUd);
    EXPECT_EQ(stack32(0), kText);
    EXPECT_EQ(s.eflags & kTf, 0u);
    EXPECT_NE(stack32(2) & kTf, 0u);
}

// --- shadows, NMIs ----------------------------------------------------------------------------------------------------------

// 6.8.3: after MOV SS nothing is taken until the next instruction is done, an NMI neither.
TEST_P(Gates, LoadOfSsHoldsBackAnNmiForOneInstruction) {
    s.gpr[kEax] = kData0;
    poke(kText, {0x8e, 0xd0, 0xf8});                         // MOV SS, AX; CLC
    step();
    pins.raise_nmi();
    step();
    EXPECT_EQ(s.eip, kText + 3);
    step();
    EXPECT_EQ(s.eip, handler(kNmi));
    EXPECT_EQ(stack32(0), kText + 3);
}

TEST_P(Gates, LoadOfSsHoldsBackAnInterruptForOneInstruction) {
    s.gpr[kEax] = kData0;
    s.eflags |= kIf;
    poke(kText, {0x8e, 0xd0, 0xf8});
    step();
    interrupt.vector = 0x43;
    step();
    EXPECT_EQ(s.eip, kText + 3);
    step();
    EXPECT_EQ(s.eip, handler(0x43));
}

// 6.9: of an NMI and an interrupt at the same boundary the NMI goes first.
TEST_P(Gates, NmiGoesBeforeAnInterrupt) {
    s.eflags |= kIf;
    interrupt.vector = 0x43;
    pins.raise_nmi();
    step();
    EXPECT_EQ(s.eip, handler(kNmi));
    EXPECT_EQ(stack32(0), kText);
}

// --- two faults: table 6-5 ------------------------------------------------------------------------------------------------------

TEST_P(Gates, DivideErrorWhoseGateIsAbsentIsADoubleFault) {
    idt_gate(kDe, 0x0e);
    s.gpr[kEcx] = 0;
    run({0xf7, 0xf1});                                       // DIV ECX
    expect_fault(kDfault, 0);
    EXPECT_EQ(stack32(1), kText);
}

TEST_P(Gates, SoftwareInterruptThatFaultsIsNeverADoubleFault) {
    idt_gate(kGp, 0x8e);
    idt_gate(kDe, 0x0e);
    run({0xcd, 0x00});                                       // INT 0: not the divide error
    expect_fault(kNp, 2);
}

TEST_P(Gates, DoubleFaultThroughATaskGateSeesTheOldTask) {
    idt_gate(kGp, 0x0e);
    idt_gate(kDfault, 0x85, kTssB);
    poke32(kTssBBase + 0x20, 0x18000);
    poke32(kTssBBase + 0x38, kStack1);
    for (u32 i = 0; i < 6; ++i) poke32(kTssBBase + 0x48 + 4 * i, i == 1 ? kCode0 : kData0);
    s.gpr[kEax] = 0x100;
    run({0x8e, 0xd8});                                       // #GP, then #NP
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_EQ(s.eip, 0x18000u);
    EXPECT_EQ(stack32(0), 0u);
    EXPECT_EQ(peek32(kTssABase + 0x20), kText);
}

// --- virtual-8086 mode: 20.2, 20.2.8 ---------------------------------------------------------------------------------------------

TEST_P(Gates, VirtualProgramUsesPortsThatTheBitmapOpens) {
    descriptor(kTssA, kTssABase, 0xd0, 0x008b);
    for (const u8 bits : {u8{0}, u8{1}}) {
        enter_v86(0);
        s.tr.limit = 0xd0;
        poke16(kTssABase + 0x66, 0x68);
        poke(kTssABase + 0x68 + 0x300 / 8, {bits});
        s.gpr[kEdx] = 0x300;
        run({0xec});
        if (bits == 0) EXPECT_EQ(s.eip, 1u);
        else expect_fault(kGp, 0);
    }
}

TEST_P(Gates, VirtualProgramWithIopl3RunsItsFlagInstructions) {
    enter_v86(3);
    poke(0x10000, {0xfb, 0x9c, 0xfa, 0x9d});                 // STI, PUSHF, CLI, POPF
    for (unsigned i = 0; i < 4; ++i) step();
    EXPECT_EQ(s.eip, 4u);
    EXPECT_EQ(s.eflags, 2u | kVm | kIopl | kIf);
    EXPECT_EQ(s.gpr[kEsp] & 0xffff, 0x8000u);
}

TEST_P(Gates, VirtualProgramCannotChangeIopl) {
    enter_v86(3);
    poke16(0x48000 - 2, 2);
    s.gpr[kEsp] = 0x7ffe;
    run({0x9d});                                             // POPF
    EXPECT_EQ(s.eflags, 2u | kVm | kIopl);
}

TEST_P(Gates, VirtualProgramIsUserModeForPrivilegedInstructions) {
    for (const std::initializer_list<u8> bytes : {std::initializer_list<u8>{0xf4}, {0x0f, 0x20, 0xc0}, {0x0f, 0x06}, {0x0f, 0x09}, {0x0f, 0x32}}) {
        enter_v86(3);                                        // HLT, MOV EAX, CR0, CLTS, WBINVD, RDMSR
        run(bytes);
        expect_fault(kGp, 0);
    }
}

// --- SYSENTER and SYSEXIT of the Pentium III ------------------------------------------------------------------------------------

class FastCallP6 : public Bench {
  protected:
    FastCallP6() : Bench("pentium3") {}
};
VMM_ON_EVERY_STEPPER(FastCallP6);

TEST_P(FastCallP6, SelectorsComeFromTheMsrWithoutItsRpl) {
    s.msr.sysenter_cs = kCode0 | 3;
    s.msr.sysenter_esp = 0x47000;
    s.msr.sysenter_eip = 0x18000;
    enter_ring3();
    run({0x0f, 0x34});
    EXPECT_EQ(s.seg[kCs].selector, kCode0);
    EXPECT_EQ(s.seg[kSs].selector, kCode0 + 8);
    EXPECT_EQ(cpu.cpl(), 0u);
    s.gpr[kEcx] = 0x4d000;
    s.gpr[kEdx] = 0x23000;
    run({0x0f, 0x35});
    EXPECT_EQ(s.seg[kCs].selector, kCode0 + 16 + 3);
    EXPECT_EQ(s.seg[kSs].selector, kCode0 + 24 + 3);
    EXPECT_EQ(s.eip, 0x23000u);
    EXPECT_EQ(s.gpr[kEsp], 0x4d000u);
    EXPECT_EQ(cpu.cpl(), 3u);
}

TEST_P(FastCallP6, DescriptorsAreNotRead) {
    s.msr.sysenter_cs = 0x70;                                // beyond the limit that the table gets
    s.msr.sysenter_eip = 0x18000;
    enter_ring3();
    s.gdtr.limit = 0x6f;
    run({0x0f, 0x34});
    EXPECT_EQ(s.seg[kCs].selector, 0x70);
    EXPECT_EQ(s.seg[kCs].limit, ~u32{0});
    EXPECT_EQ(s.seg[kCs].attr & 0x40ff, 0x409b);
    EXPECT_EQ(s.seg[kSs].attr & 0x40ff, 0x4093);
}

}  // namespace
}  // namespace vmm::tcg::test
