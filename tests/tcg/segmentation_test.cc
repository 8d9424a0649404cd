// SPDX-License-Identifier: Apache-2.0
// Segment loads and questions about descriptors. Expectations: SDM volume 2 (MOV, POP, LLDT, LTR, LAR, LSL, VERR, ARPL,
// LGDT, SGDT), volume 3, 3.4, 5.3-5.10, 20.1-20.2.
#include "tests/tcg/bench.h"

namespace vmm::tcg::test {
namespace {

class Segmentation : public Bench {};
VMM_ON_EVERY_STEPPER(Segmentation);

constexpr u32 error_of(u16 selector) { return selector & 0xfffcu; }

// MOV DS, AX
void set_ax(CpuState& s, u16 v) { s.gpr[kEax] = v; }

TEST_P(Segmentation, LoadingDataSegmentTakesBaseLimitAndSetsAccessed) {
    descriptor(kSpare, 0x123456, 0x789, 0x0092);
    set_ax(s, kSpare);
    run({0x8e, 0xd8});
    EXPECT_EQ(s.seg[kDs].selector, kSpare);
    EXPECT_EQ(s.seg[kDs].base, 0x123456u);
    EXPECT_EQ(s.seg[kDs].limit, 0x789u);
    EXPECT_EQ(s.seg[kDs].attr, 0x0093);
    EXPECT_EQ(access_byte(kSpare), 0x93u);
    EXPECT_EQ(s.eip, kText + 2);
}

TEST_P(Segmentation, PageGranularLimitCoversWholePages) {
    descriptor(kSpare, 0, 0x00012, 0x8093);
    set_ax(s, kSpare);
    run({0x8e, 0xd8});
    EXPECT_EQ(s.seg[kDs].limit, 0x12fffu);
}

TEST_P(Segmentation, NullLoadsIntoDataSegmentAndFaultsOnUse) {
    set_ax(s, 3);
    run({0x8e, 0xd8});
    EXPECT_EQ(s.seg[kDs].selector, 3);
    EXPECT_EQ(s.eip, kText + 2);
    s.gpr[kEbx] = kScratch;
    run({0x0f, 0x00, 0x23});  // VERR [EBX]
    expect_fault(kGp, 0);
}

TEST_P(Segmentation, NullIntoSsIsGp0) {
    set_ax(s, 0);
    run({0x8e, 0xd0});
    expect_fault(kGp, 0);
    EXPECT_EQ(s.seg[kSs].selector, kData0);
}

TEST_P(Segmentation, SelectorBeyondTableLimitIsGp) {
    set_ax(s, 0x0100);
    run({0x8e, 0xd8});
    expect_fault(kGp, 0x100);
}

TEST_P(Segmentation, SelectorIntoMissingLdtIsGp) {
    set_ax(s, 0x0c);
    run({0x8e, 0xd8});
    expect_fault(kGp, 0x0c);
}

TEST_P(Segmentation, NotPresentDataIsNpAndStackIsSs) {
    descriptor(kSpare, 0, 0xfffff, 0xc013);
    set_ax(s, kSpare);
    run({0x8e, 0xd8});
    expect_fault(kNp, kSpare);
    enter_ring0();
    set_ax(s, kSpare);
    run({0x8e, 0xd0});
    expect_fault(kSsFault, kSpare);
}

TEST_P(Segmentation, ExecuteOnlyCodeIsNoDataSegment) {
    descriptor(kSpare, 0, 0xfffff, 0xc099);
    set_ax(s, kSpare);
    run({0x8e, 0xd8});
    expect_fault(kGp, kSpare);
}

TEST_P(Segmentation, Ring3MayNotLoadRing0Data) {
    enter_ring3();
    set_ax(s, kData0);
    run({0x8e, 0xd8});
    expect_fault(kGp, kData0);
    EXPECT_EQ(cpu.cpl(), 0u);
}

TEST_P(Segmentation, RplWeakensTheLoad) {
    set_ax(s, kData0 | 3);
    run({0x8e, 0xd8});
    expect_fault(kGp, kData0);
}

TEST_P(Segmentation, Ring3MayLoadReadableConformingCode) {
    enter_ring3();
    set_ax(s, kConforming | 3);
    run({0x8e, 0xd8});
    EXPECT_EQ(s.seg[kDs].selector, kConforming | 3);
    EXPECT_EQ(s.eip, kUserText + 2);
}

TEST_P(Segmentation, StackSegmentNeedsEqualPrivilegesAndWritableData) {
    set_ax(s, kData3);
    run({0x8e, 0xd0});
    expect_fault(kGp, error_of(kData3));
    enter_ring0();
    descriptor(kSpare, 0, 0xfffff, 0xc091);
    set_ax(s, kSpare);
    run({0x8e, 0xd0});
    expect_fault(kGp, kSpare);
}

TEST_P(Segmentation, MovToSsStartsAShadowThatHoldsBackInterruptsForOneInstruction) {
    s.eflags |= kIf;
    interrupt.vector = 0x43;
    set_ax(s, kData0);
    poke(kText, {0x8e, 0xd0, 0xf8});  // MOV SS, AX; CLC
    s.shadow = Shadow::MovSs;         // as if the load had just begun a sequence
    step();
    EXPECT_EQ(s.shadow, Shadow::MovSs);
    EXPECT_EQ(s.eip, kText + 2);
    step();
    EXPECT_EQ(s.eip, kText + 3);
    step();
    EXPECT_EQ(s.eip, handler(0x43));
}

TEST_P(Segmentation, PopDsFaultLeavesEsp) {
    poke32(s.gpr[kEsp], 0x100);
    const u32 esp = s.gpr[kEsp];
    run({0x1f});
    expect_fault(kGp, 0x100);
    EXPECT_EQ(s.gpr[kEsp], esp - 16);  // error, EIP, CS, EFLAGS below the old top
}

TEST_P(Segmentation, PopSsUsesTheOldStackAndMovesEspBySize) {
    poke32(s.gpr[kEsp], kData0);
    const u32 esp = s.gpr[kEsp];
    run({0x17});
    EXPECT_EQ(s.gpr[kEsp], esp + 4);
    EXPECT_EQ(s.shadow, Shadow::MovSs);
}

TEST_P(Segmentation, LesLoadsBothOrNeither) {
    poke32(kScratch, 0xcafef00d);
    poke16(kScratch + 4, kData3);
    run({0xc4, 0x05, 0x00, 0x00, 0x05, 0x00});  // LES EAX, [kScratch]
    EXPECT_EQ(s.gpr[kEax], 0xcafef00du);
    EXPECT_EQ(s.seg[kEs].selector, kData3);
    poke16(kScratch + 4, 0x100);
    s.gpr[kEax] = 1;
    run({0xc4, 0x05, 0x00, 0x00, 0x05, 0x00});
    expect_fault(kGp, 0x100);
    EXPECT_EQ(s.gpr[kEax], 1u);
}

// --- real and virtual-8086 mode ------------------------------------------------------------------------------------

TEST_P(Segmentation, RealModeLoadKeepsTheLimitOfUnrealMode) {
    enter_real();
    s.seg[kDs].limit = ~u32{0};
    set_ax(s, 0xb800);
    run({0x8e, 0xd8});
    EXPECT_EQ(s.seg[kDs].base, 0xb8000u);
    EXPECT_EQ(s.seg[kDs].limit, ~u32{0});
}

TEST_P(Segmentation, RealModeLoadMakesANullSegmentUsable) {
    enter_real();
    s.seg[kDs] = null_segment(0);
    set_ax(s, 0x5000);
    run({0x8e, 0xd8});
    EXPECT_EQ(s.seg[kDs].limit, 0xffffu);
    EXPECT_TRUE(s.seg[kDs].present());
}

TEST_P(Segmentation, V86LoadHasFixedLimitAndRights) {
    enter_v86(3);
    set_ax(s, 0x1234);
    run({0x8e, 0xc0});
    EXPECT_EQ(s.seg[kEs].base, 0x12340u);
    EXPECT_EQ(s.seg[kEs].limit, 0xffffu);
    EXPECT_EQ(s.seg[kEs].attr, 0xf3);
}

TEST_P(Segmentation, ProtectedModeInstructionsAreUndefinedInRealAndV86Mode) {
    enter_real();
    poke16(4 * kUd, 0x7777);
    poke16(4 * kUd + 2, 0);
    run({0x0f, 0x00, 0xd8});  // LTR AX
    EXPECT_EQ(s.eip, 0x7777u);
    enter_v86(3);
    run({0x63, 0xc8});        // ARPL
    expect_fault(kUd);
}

// --- limits --------------------------------------------------------------------------------------------------------

TEST_P(Segmentation, AccessPastTheLimitIsGpAndThroughSsIsSs) {
    descriptor(kSpare, 0, 0xfff, 0x4093);
    s.seg[kDs] = loaded(kSpare);
    s.gpr[kEbx] = 0xffe;
    run({0x0f, 0x00, 0x23});  // VERR [EBX]: two bytes, the last one at the limit
    EXPECT_EQ(s.eip, kText + 3);
    s.gpr[kEbx] = 0xfff;
    run({0x0f, 0x00, 0x23});
    expect_fault(kGp, 0);
    enter_ring0();
    s.seg[kDs] = loaded(kSpare);
    s.gpr[kEbx] = 0xfff;
    s.seg[kFs] = loaded(kSpare);
    run({0x64, 0x0f, 0x00, 0x23});
    expect_fault(kGp, 0);
}

TEST_P(Segmentation, ExpandDownSegmentAllowsOnlyAboveItsLimit) {
    descriptor(kSpare, 0, 0xfff, 0x4097);
    s.seg[kDs] = loaded(kSpare);
    s.gpr[kEbx] = 0x1000;
    run({0x0f, 0x00, 0x23});
    EXPECT_EQ(s.eip, kText + 3);
    s.gpr[kEbx] = 0xfff;
    run({0x0f, 0x00, 0x23});
    expect_fault(kGp, 0);
}

TEST_P(Segmentation, PushBelowAStackSegmentIsSs0) {
    descriptor(kSpare, 0x40000, 0xfff, 0x4093);
    idt_gate(kSsFault, 0x85, kTssB);  // the stack is gone: a task gate helps
    poke32(kTssBBase + 0x20, 0x12345);
    poke32(kTssBBase + 0x38, kStack1);
    poke16(kTssBBase + 0x4c, kCode0);
    poke16(kTssBBase + 0x50, kData0);
    s.seg[kSs] = loaded(kSpare);
    s.gpr[kEsp] = 0x1004;
    run({0x1e});              // PUSH DS: at 1000..1003, limit FFF
    EXPECT_EQ(s.eip, 0x12345u);
    EXPECT_EQ(stack32(0), 0u);
    EXPECT_EQ(peek32(kTssABase + 0x38), 0x1004u);
}

// --- LDTR, TR ------------------------------------------------------------------------------------------------------

TEST_P(Segmentation, LldtMakesTheLdtUsable) {
    poke32(kLdtBase + 8, 0x0000ffff);
    poke32(kLdtBase + 12, 0x00cf9300);
    set_ax(s, kLdtSel);
    run({0x0f, 0x00, 0xd0});
    EXPECT_EQ(s.ldtr.base, kLdtBase);
    set_ax(s, 0x0c);
    run({0x8e, 0xe0});        // MOV FS, AX
    EXPECT_EQ(s.seg[kFs].selector, 0x0c);
    EXPECT_EQ(s.eip, kText + 5);
}

TEST_P(Segmentation, LldtRefusesOtherDescriptorsAndMarksNotPresent) {
    set_ax(s, kData0);
    run({0x0f, 0x00, 0xd0});
    expect_fault(kGp, kData0);
    enter_ring0();
    descriptor(kLdtSel, kLdtBase, 0xff, 0x0002);
    set_ax(s, kLdtSel);
    run({0x0f, 0x00, 0xd0});
    expect_fault(kNp, kLdtSel);
}

TEST_P(Segmentation, LtrSetsBusyAndRefusesABusyTss) {
    set_ax(s, kTssB);
    run({0x0f, 0x00, 0xd8});
    EXPECT_EQ(s.tr.selector, kTssB);
    EXPECT_EQ(s.tr.base, kTssBBase);
    EXPECT_EQ(s.tr.attr & 0xf, kTss32Busy);
    EXPECT_EQ(access_byte(kTssB), 0x8bu);
    run({0x0f, 0x00, 0xd8});
    expect_fault(kGp, kTssB);
}

TEST_P(Segmentation, LtrIsForRing0Only) {
    enter_ring3();
    set_ax(s, kTssB);
    run({0x0f, 0x00, 0xd8});
    expect_fault(kGp, 0);
    EXPECT_EQ(access_byte(kTssB), 0x89u);
}

TEST_P(Segmentation, StrZeroExtendsIntoA32BitRegister) {
    s.gpr[kEcx] = ~u32{0};
    run({0x0f, 0x00, 0xc9});        // STR ECX
    EXPECT_EQ(s.gpr[kEcx], kTssA);
    s.gpr[kEcx] = ~u32{0};
    run({0x66, 0x0f, 0x00, 0xc9});  // STR CX
    EXPECT_EQ(s.gpr[kEcx], 0xffff0000u | kTssA);
}

// --- LAR, LSL, VERR, VERW, ARPL --------------------------------------------------------------------------------------

TEST_P(Segmentation, LarAndLslGiveRightsAndByteLimit) {
    s.gpr[kEcx] = kCode0;
    run({0x0f, 0x02, 0xc1});  // LAR EAX, ECX
    EXPECT_EQ(s.gpr[kEax], 0x00c09b00u);
    EXPECT_NE(s.eflags & kZf, 0u);
    run({0x0f, 0x03, 0xd1});  // LSL EDX, ECX
    EXPECT_EQ(s.gpr[kEdx], 0xffffffffu);
}

TEST_P(Segmentation, LarClearsZfForGatesOfInterrupts) {
    gate(kGdt + kSpare, kCode0, 0, 0x8e);
    s.gpr[kEcx] = kSpare;
    s.gpr[kEax] = 7;
    s.eflags |= kZf;
    run({0x0f, 0x02, 0xc1});
    EXPECT_EQ(s.eflags & kZf, 0u);
    EXPECT_EQ(s.gpr[kEax], 7u);
}

TEST_P(Segmentation, LslKnowsNoGatesButLarKnowsCallGates) {
    call_gate(kCode0, 0, 0xec);
    s.gpr[kEcx] = kGate;
    run({0x0f, 0x02, 0xc1});
    EXPECT_NE(s.eflags & kZf, 0u);
    run({0x0f, 0x03, 0xc1});
    EXPECT_EQ(s.eflags & kZf, 0u);
}

TEST_P(Segmentation, VerrAndVerwLookAtTypeAndPrivilege) {
    s.gpr[kEcx] = kCode0;
    run({0x0f, 0x00, 0xe1});  // VERR
    EXPECT_NE(s.eflags & kZf, 0u);
    run({0x0f, 0x00, 0xe9});  // VERW: code is never writable
    EXPECT_EQ(s.eflags & kZf, 0u);
    s.gpr[kEcx] = kData0 | 3;
    run({0x0f, 0x00, 0xe9});
    EXPECT_EQ(s.eflags & kZf, 0u);
    s.gpr[kEcx] = kData3;
    run({0x0f, 0x00, 0xe9});
    EXPECT_NE(s.eflags & kZf, 0u);
}

TEST_P(Segmentation, ArplRaisesRplOnly) {
    s.gpr[kEax] = 0x11110010;
    s.gpr[kEcx] = 0x1b;
    run({0x63, 0xc8});        // ARPL AX, CX
    EXPECT_EQ(s.gpr[kEax], 0x11110013u);
    EXPECT_NE(s.eflags & kZf, 0u);
    run({0x63, 0xc8});
    EXPECT_EQ(s.eflags & kZf, 0u);
}

// --- LGDT, SGDT --------------------------------------------------------------------------------------------------------

TEST_P(Segmentation, LgdtTakes32BitsOfBaseOr24With16BitOperands) {
    poke16(kScratch, 0x1234);
    poke32(kScratch + 2, 0xaabbccdd);
    s.gpr[kEbx] = kScratch;
    run({0x0f, 0x01, 0x13});
    EXPECT_EQ(s.gdtr.base, 0xaabbccddu);
    EXPECT_EQ(s.gdtr.limit, 0x1234);
    run({0x66, 0x0f, 0x01, 0x1b});  // LIDT, 16-bit
    EXPECT_EQ(s.idtr.base, 0x00bbccddu);
}

TEST_P(Segmentation, SidtWritesLimitThenBase) {
    s.gpr[kEbx] = kScratch;
    run({0x0f, 0x01, 0x0b});
    EXPECT_EQ(peek16(kScratch), 0x7ffu);
    EXPECT_EQ(peek32(kScratch + 2), kIdt);
}

TEST_P(Segmentation, LgdtInRing3IsGp0) {
    enter_ring3();
    s.gpr[kEbx] = kScratch;
    run({0x0f, 0x01, 0x13});
    expect_fault(kGp, 0);
}

}  // namespace
}  // namespace vmm::tcg::test
