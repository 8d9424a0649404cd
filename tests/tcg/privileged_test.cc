// SPDX-License-Identifier: Apache-2.0
// What the other tests of the privileged architecture leave out: alignment checks, faults in the middle of gates, more of the
// debug registers and of VME, SYSENTER's rules, and what each processor model has and has not.
// Expectations: SDM volume 3, by the section named at each test; application note 485 for CPUID.
#include "tests/tcg/bench.h"

#include "vmm/tcg/mmu.h"

namespace vmm::tcg::test {
namespace {

class Privileged : public Bench {
  protected:
    explicit Privileged(const char* model = "pentium4") : Bench(model) {}
    // Paging on, the first 2 MiB where they are, for everybody.
    void page(std::initializer_list<u32> absent = {}) {
        for (u32 i = 0; i < 0x200; ++i) poke32(0x101000 + 4 * i, i << 12 | 7);
        for (const u32 linear : absent) poke32(0x101000 + 4 * (linear >> 12), 0);
        poke32(0x100000, 0x101007);
        s.cr3 = 0x100000;
        s.cr0 |= kCr0Pg;
        cpu.paging_changed();
    }
    u32 pte(u32 linear) { return peek32(0x101000 + 4 * (linear >> 12)); }
    void rdmsr(u32 index) {
        s.gpr[kEcx] = index;
        run({0x0f, 0x32});
    }
};
VMM_ON_EVERY_STEPPER(Privileged);

// --- alignment checks: 6.15, interrupt 17 -------------------------------------------------------------------------

struct Aligned {
    std::initializer_list<u8> bytes;   // of an instruction on [EBX]
    u32 needs;
};
// Table 6-7.
const Aligned kAligned[] = {
    {{0x66, 0x8b, 0x03}, 2}, {{0x8b, 0x03}, 4}, {{0x89, 0x03}, 4}, {{0x66, 0x8c, 0x1b}, 2},        // words, doublewords, a selector
    {{0xd9, 0x03}, 4}, {{0xdd, 0x03}, 8}, {{0xdb, 0x2b}, 8}, {{0xdf, 0x2b}, 8}, {{0xdf, 0x03}, 2},  // FLD m32, m64, m80, FILD m64, m16
    {{0xd9, 0x33}, 4}, {{0x66, 0xd9, 0x33}, 2}, {{0xdd, 0x33}, 4}, {{0x66, 0xdd, 0x33}, 2},         // FNSTENV, FNSAVE
    {{0x0f, 0xc7, 0x0b}, 8}, {{0x0f, 0x6f, 0x03}, 8}, {{0xf3, 0x0f, 0x10, 0x03}, 4},               // CMPXCHG8B, MOVQ, MOVSS
    {{0xf2, 0x0f, 0x10, 0x03}, 8}, {{0x0f, 0xa3, 0x03}, 4}, {{0x66, 0x0f, 0xa3, 0x03}, 2},         // MOVSD, BT
};

TEST_P(Privileged, OperandsOfUsersMustBeAlignedUnderAmAndAc) {
    for (const Aligned& a : kAligned) {
        for (u32 off = 0; off < 8; ++off) {
            enter_ring3();
            s.cr0 |= kCr0Am;
            s.cr4 = kCr4Osfxsr;
            s.eflags |= kAc;
            s.gpr[kEbx] = kScratch + off;
            s.gpr[kEax] = 0;
            s.fpu = X87{};
            s.fpu.control = 0x37f;
            s.eip = kUserText + 16 * off;
            const u32 from = s.eip;
            run(a.bytes);
            const std::string what = "byte " + std::to_string(*(a.bytes.end() - 2)) + " at " + std::to_string(off) + ", needs " + std::to_string(a.needs);
            if (off % a.needs == 0) {
                EXPECT_EQ(s.eip, from + a.bytes.size()) << what;
            } else {
                EXPECT_EQ(s.eip, handler(kAcFault)) << what;
                EXPECT_EQ(stack32(0), 0u) << what;
                EXPECT_EQ(stack32(1), from) << what;
            }
        }
    }
}

TEST_P(Privileged, AlignmentIsCheckedInRing3Only) {
    s.cr0 |= kCr0Am;
    s.eflags |= kAc;
    s.gpr[kEbx] = kScratch + 1;
    run({0x8b, 0x03});
    EXPECT_EQ(s.eip, kText + 2);
}

TEST_P(Privileged, AlignmentNeedsAmAsWellAsAc) {
    enter_ring3();
    s.eflags |= kAc;
    s.gpr[kEbx] = kScratch + 1;
    run({0x8b, 0x03});
    EXPECT_EQ(s.eip, kUserText + 2);
}

TEST_P(Privileged, PushesOnTheInnerStackAreNotChecked) {
    poke32(kTssABase + 4, kStack0 - 2);
    idt_gate(0x80, 0xee);
    enter_ring3();
    s.cr0 |= kCr0Am;
    s.eflags |= kAc;
    run({0xcd, 0x80});
    EXPECT_EQ(s.eip, handler(0x80));
}

TEST_P(Privileged, BytesAreAlwaysAligned) {
    enter_ring3();
    s.cr0 |= kCr0Am;
    s.eflags |= kAc;
    s.gpr[kEbx] = kScratch + 3;
    run({0x8a, 0x03});
    EXPECT_EQ(s.eip, kUserText + 2);
}

// --- accessed and dirty: 4.8 ---------------------------------------------------------------------------------------

TEST_P(Privileged, AccessedAndDirtyAreSetByTheInstructionThatDoesIt) {
    page();
    s.gpr[kEbx] = kScratch;
    poke(kText, {0x90, 0x8b, 0x03, 0x89, 0x03});
    step();
    EXPECT_EQ(pte(kScratch) & 0x60, 0u);
    EXPECT_EQ(pte(kText) & 0x60, 0x20u);
    step();
    EXPECT_EQ(pte(kScratch) & 0x60, 0x20u);
    step();
    EXPECT_EQ(pte(kScratch) & 0x60, 0x60u);
}

TEST_P(Privileged, TheNextCodePageIsAccessedWhenAnInstructionOnItIs) {
    page();
    s.eip = kText + 0xffe;
    poke(kText + 0xffe, {0x90, 0x90, 0x90});
    step();
    step();
    EXPECT_EQ(pte(kText + 0x1000) & 0x20, 0u);
    step();
    EXPECT_EQ(pte(kText + 0x1000) & 0x20, 0x20u);
}

TEST_P(Privileged, AFaultThatIsTakenLeavesDirtyAlone) {
    page();
    poke32(0x101000 + 4 * (kScratch >> 12), kScratch | 5);   // read-only
    s.cr0 |= kCr0Wp;
    s.gpr[kEbx] = kScratch;
    cpu.paging_changed();
    run({0x89, 0x03});
    expect_fault(kPfault, 3);
    EXPECT_EQ(pte(kScratch) & 0x40, 0u);
}

// 4.10: a changed entry is used without INVLPG at the latest after it; here at once, which is permitted.
TEST_P(Privileged, GlobalPagesDoNotOutliveTheirEntry) {
    s.cr4 = kCr4Pge;
    page();
    poke32(0x101000 + 4 * (kScratch >> 12), kScratch | 0x107);
    cpu.paging_changed();
    s.gpr[kEbx] = kScratch;
    run({0x8b, 0x03});
    EXPECT_EQ(s.eip, kText + 2);
    poke32(0x101000 + 4 * (kScratch >> 12), 0);
    s.gpr[kEax] = 0x100000;
    run({0x0f, 0x01, 0x3b});                                 // INVLPG [EBX]
    run({0x8b, 0x03});
    expect_fault(kPfault, 0);
}

// --- faults in the middle of gates: 5.8.5, 6.12 -------------------------------------------------------------------------

#define FAR32(op, sel) {op, 0, 0, 0, 0, (sel) & 0xff, (sel) >> 8}

TEST_P(Privileged, CallGateWhoseInnerStackIsAbsentFaultsBeforeAnythingChanged) {
    call_gate(kCode0, 0x34567, 0xec, 1);
    poke32(kTssABase + 4, 0x60008);                          // SS and ESP fit, parameters and the return address do not
    enter_ring3();
    page({0x5f000});
    poke32(kTssABase + 8, kData0);
    const u32 esp = s.gpr[kEsp];
    idt_gate(kPfault, 0xee, kCode3);                         // looks from ring 3, on its own stack
    run(FAR32(0x9a, kGate));
    EXPECT_EQ(s.eip, handler(kPfault));
    EXPECT_EQ(cpu.cpl(), 3u);
    EXPECT_EQ(s.gpr[kEsp], esp - 16);
    EXPECT_EQ(stack32(0), 2u);                               // a supervisor's write
    EXPECT_EQ(stack32(1), kUserText);
    EXPECT_EQ(s.cr2 & ~0xfffu, 0x5f000u);
}

TEST_P(Privileged, CallGateBeyondTheLimitOfItsCodeIsGp0AndPushesNothing) {
    descriptor(kCode0, 0, 0x30, 0xc09b);                     // up to 30FFF
    call_gate(kCode0, 0x34567, 0xec);
    enter_ring3();
    idt_gate(kGp, 0xee, kCode3);
    poke32(kStack0 - 4, 0x5a5a5a5a);
    run(FAR32(0x9a, kGate));
    expect_fault(kGp, 0);
    EXPECT_EQ(cpu.cpl(), 3u);
    EXPECT_EQ(peek32(kStack0 - 4), 0x5a5a5a5au);
}

TEST_P(Privileged, IretToAStackThatIsAbsentFaultsInTheInnerRing) {
    descriptor(kSpare, 0, 0xfffff, 0xc073);                  // not present, DPL 3
    s.gpr[kEsp] = 0x46000;
    const u32 frame[] = {kUserText, kCode3, 2, kStack3, kSpare | 3};
    for (u32 i = 0; i < 5; ++i) poke32(0x46000 + 4 * i, frame[i]);
    run({0xcf});
    expect_fault(kSsFault, kSpare);
    EXPECT_EQ(cpu.cpl(), 0u);
    EXPECT_EQ(stack32(1), kText);
    EXPECT_EQ(stack32(2), kCode0);
    EXPECT_EQ(s.gpr[kEsp], 0x46000u - 16);
}

TEST_P(Privileged, InterruptGateIntoAbsentCodeIsNpWithTheSelector) {
    descriptor(kCode1, 0, 0xfffff, 0xc01b);
    idt_gate(0x80, 0x8e, kCode1 & ~3);
    descriptor(kSpare, 0, 0xfffff, 0xc01b);
    idt_gate(0x80, 0x8e, kSpare);
    run({0xcd, 0x80});
    expect_fault(kNp, kSpare);
    EXPECT_EQ(stack32(1), kText);
}

// --- debug registers: 17.2 (18.2 of older editions) ---------------------------------------------------------------------

TEST_P(Privileged, ReadBreakpointsTriggerOnReadsAndWritesAndWriteBreakpointsOnWrites) {
    for (const u32 kind : {1u, 3u}) {                        // data writes; data reads and writes
        for (const bool write : {false, true}) {
            enter_ring0();
            s.dr6 = 0xffff0ff0;
            s.dr[2] = kScratch + 4;
            s.dr7 = 0x400 | 2u << 4 | (kind | 0xcu) << 24;   // G2, four bytes
            s.gpr[kEbx] = kScratch + 6;
            run({0x66, static_cast<u8>(write ? 0x89 : 0x8b), 0x03});
            const bool hit = write || kind == 3;
            EXPECT_EQ(trapped(), hit) << kind << write;
            s.pending_debug = 0;
        }
    }
}

TEST_P(Privileged, BreakpointsCoverTheirLengthAndNoMore) {
    for (u32 at = kScratch - 4; at < kScratch + 8; ++at) {
        enter_ring0();
        s.dr[0] = kScratch;
        s.dr7 = 0x400 | 1 | 0x5u << 16;                      // L0, writes, two bytes
        s.gpr[kEbx] = at;
        run({0x66, 0x89, 0x03});
        EXPECT_EQ(trapped(), at + 1 >= kScratch && at <= kScratch + 1) << at - kScratch;
        s.pending_debug = 0;
    }
}

TEST_P(Privileged, IcebpIsAVectorOneInterruptWithoutBs) {
    s.dr6 = 0xffff0ff0;
    run({0xf1});
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), kText + 1);
    EXPECT_EQ(s.dr6 & 0x4000, 0u);
}

TEST_P(Privileged, Dr6KeepsWhatItHasAndASingleStepAddsBs) {
    s.dr6 = 0xffff0ff1;
    s.eflags |= kTf;
    run({0x90});
    step();
    expect_fault(kDb);
    EXPECT_EQ(s.dr6 & 0x400f, 0x4001u);
}

// --- VME and PVI: 20.3, 20.4 -----------------------------------------------------------------------------------------------

TEST_P(Privileged, CliAndStiOfAVirtualProgramActOnVif) {
    enter_v86(0);
    s.cr4 = kCr4Vme;
    s.eflags |= kIf;
    run({0xfb});
    EXPECT_EQ(s.eflags, 2u | kVm | kIf | kVif);
    run({0xfa});
    EXPECT_EQ(s.eflags, 2u | kVm | kIf);
}

TEST_P(Privileged, StiOfAVirtualProgramWithAnInterruptPendingIsGp0) {
    enter_v86(0);
    s.cr4 = kCr4Vme;
    s.eflags |= kVip;
    run({0xfb});
    expect_fault(kGp, 0);
}

TEST_P(Privileged, WideFlagsOfAVirtualProgramAreForTheMonitor) {
    for (const bool push : {false, true}) {
        enter_v86(0);
        s.cr4 = kCr4Vme;
        run({0x66, static_cast<u8>(push ? 0x9c : 0x9d)});
        expect_fault(kGp, 0);
    }
}

TEST_P(Privileged, WithoutVmeEverySensitiveInstructionOfAVirtualProgramFaults) {
    for (const std::initializer_list<u8> bytes : {std::initializer_list<u8>{0xfa}, {0xfb}, {0x9c}, {0x9d}, {0xcf}, {0xcd, 0x21}}) {
        enter_v86(2);
        run(bytes);
        expect_fault(kGp, 0);
    }
}

TEST_P(Privileged, PviLeavesPushfAndPopfAlone) {
    enter_ring3();
    s.cr4 = kCr4Pvi;
    s.eflags |= kVif | kIf;
    run({0x9c});
    EXPECT_EQ(stack32(0) & (kIf | kVif | kIopl), kIf | kVif);
    poke32(s.gpr[kEsp], 2);
    run({0x9d});
    EXPECT_EQ(s.eflags & (kIf | kVif), kIf | kVif);
}

TEST_P(Privileged, APortOfTwoBytesNeedsBothItsBits) {
    descriptor(kTssA, kTssABase, 0x16b, 0x008b);
    for (const u8 bits : {u8{0x00}, u8{0x40}, u8{0x80}}) {
        enter_ring3();
        s.tr.limit = 0x16b;
        poke16(kTssABase + 0x66, 0x68);
        poke(kTssABase + 0x68 + 0x306 / 8, {bits, 0});
        s.gpr[kEdx] = 0x306;
        run({0x66, 0xed});
        if (bits == 0) EXPECT_EQ(s.eip, kUserText + 2);
        else expect_fault(kGp, 0);
    }
}

// --- SYSENTER, SYSEXIT: volume 2 ------------------------------------------------------------------------------------------------

TEST_P(Privileged, SysenterFromAVirtualProgramEndsVirtualMode) {
    enter_v86(3);
    s.msr.sysenter_cs = kCode0, s.msr.sysenter_esp = 0x47000, s.msr.sysenter_eip = 0x18000;
    s.eflags |= kIf;
    run({0x0f, 0x34});
    EXPECT_EQ(cpu.cpl(), 0u);
    EXPECT_EQ(s.eflags & (kVm | kIf), 0u);
    EXPECT_EQ(s.seg[kCs].limit, ~u32{0});
    EXPECT_EQ(s.eip, 0x18000u);
}

TEST_P(Privileged, SysenterInRealModeIsGp) {
    enter_real();
    s.msr.sysenter_cs = kCode0;
    poke16(4 * kGp, 0x1234);
    poke16(4 * kGp + 2, 0x2000);
    run({0x0f, 0x34});
    EXPECT_EQ(s.eip, 0x1234u);
}

TEST_P(Privileged, SysexitIsForRing0AndNeedsASelector) {
    enter_ring3();
    s.msr.sysenter_cs = kCode0;
    run({0x0f, 0x35});
    expect_fault(kGp, 0);
    enter_ring0();
    s.msr.sysenter_cs = 0;
    run({0x0f, 0x35});
    expect_fault(kGp, 0);
}

// --- what each model has ----------------------------------------------------------------------------------------------------------

enum Has : unsigned { k486 = 1, kP5 = 2, kP6 = 4, kP4 = 8, kNone = 0, kAll = 15 };
struct Since {
    std::initializer_list<u8> bytes;
    unsigned models;
};
// Volume 1, 5.1 (instruction groups by processor), volume 2 by instruction. None of these needs memory or privilege it has not.
const Since kSince[] = {
    {{0x0f, 0xc8}, kAll},                     // BSWAP
    {{0x0f, 0xa2}, kAll},                     // CPUID: a DX4 has it
    {{0x0f, 0xc1, 0xc0}, kAll},               // XADD
    {{0x0f, 0x31}, kP5 | kP6 | kP4},          // RDTSC
    {{0x0f, 0xc7, 0x0b}, kP5 | kP6 | kP4},    // CMPXCHG8B
    {{0x0f, 0x77}, kP5 | kP6 | kP4},          // EMMS: a Pentium with MMX
    {{0x0f, 0x44, 0xc1}, kP6 | kP4},          // CMOVE
    {{0xdb, 0xf0}, kP6 | kP4},                // FCOMI
    {{0x0f, 0x1f, 0xc0}, kP6 | kP4},          // NOP r/m
    {{0x0f, 0xae, 0x03}, kP6 | kP4},          // FXSAVE
    {{0x0f, 0x58, 0xc1}, kP6 | kP4},          // ADDPS
    {{0x0f, 0xae, 0xf8}, kP6 | kP4},          // SFENCE
    {{0x0f, 0xe0, 0xc1}, kP6 | kP4},          // PAVGB mm
    {{0x66, 0x0f, 0x58, 0xc1}, kP4},          // ADDPD
    {{0x0f, 0xd4, 0xc1}, kP4},                // PADDQ mm
    {{0x0f, 0xae, 0xf0}, kP4},                // MFENCE
    {{0x0f, 0xae, 0x3b}, kP4},                // CLFLUSH
    {{0x0f, 0xc3, 0x03}, kP4},                // MOVNTI
    {{0xf2, 0x0f, 0xd0, 0xc1}, kP4},          // ADDSUBPS
    {{0xdf, 0x0b}, kP4},                      // FISTTP
    {{0x0f, 0x01, 0xc8}, kNone},              // MONITOR
    {{0x0f, 0x01, 0xc9}, kNone},              // MWAIT
    {{0x0f, 0x38, 0x00, 0xc1}, kNone},        // PSHUFB: SSSE3
    {{0xf3, 0x0f, 0xb8, 0xc1}, kNone},        // POPCNT
    {{0x0f, 0xc7, 0xf0}, kNone},              // RDRAND
    {{0x0f, 0x05}, kNone},                    // SYSCALL
    {{0x0f, 0xaa}, kNone},                    // RSM outside SMM
};

class OneModel : public Privileged {
  protected:
    OneModel(const char* name, unsigned bit) : Privileged(name), bit_(bit) {}
    void check_instructions() {
        for (const Since& i : kSince) {
            enter_ring0();
            const bool has = (i.models & bit_) != 0;
            if (cpu.model.has(Feature::Sse)) s.cr4 = kCr4Osfxsr;
            s.gpr[kEbx] = kScratch;
            run(i.bytes);
            EXPECT_EQ(s.eip == handler(kUd), !has) << "byte " << std::hex << unsigned{*(i.bytes.begin() + 1)} << " eip " << s.eip;
        }
        enter_ring3();
        s.msr.sysenter_cs = kCode0;
        run({0x0f, 0x34});
        EXPECT_EQ(s.eip == handler(kUd), (bit_ & (k486 | kP5)) != 0);
    }
    // P6 and later have MTRRs and PAT; what a model has not is #GP, or #UD without RDMSR.
    void check_msrs() {
        const bool p6 = (bit_ & (kP6 | kP4)) != 0, has_msrs = (bit_ & k486) == 0;
        for (const u32 index : {0xfeu, 0x277u, 0x2ffu, 0x174u, 0x200u, 0x250u}) {
            enter_ring0();
            rdmsr(index);
            if (p6) EXPECT_EQ(s.eip, kText + 2) << index;
            else EXPECT_EQ(s.eip, handler(has_msrs ? kGp : kUd)) << index;
        }
        enter_ring0();
        rdmsr(0xc0000080);
        EXPECT_EQ(s.eip == kText + 2, bit_ == kP4);
    }
    void expect_cpuid(u32 leaf, u32 eax, u32 edx_has, u32 edx_has_not) {
        enter_ring0();
        s.gpr[kEax] = leaf;
        s.gpr[kEcx] = 0;
        run({0x0f, 0xa2});
        EXPECT_EQ(s.gpr[kEax], eax);
        EXPECT_EQ(s.gpr[kEdx] & edx_has, edx_has);
        EXPECT_EQ(s.gpr[kEdx] & edx_has_not, 0u);
    }
    unsigned bit_;
};

// Bits of CPUID leaf 1, EDX.
constexpr u32 kFpuBit = 1, kTscBit = 1 << 4, kPaeBit = 1 << 6, kCx8Bit = 1 << 8, kSepBit = 1 << 11, kCmovBit = 1 << 15, kPatBit = 1 << 16,
              kClfshBit = 1 << 19, kMmxBit = 1 << 23, kFxsrBit = 1 << 24, kSseBit = 1 << 25, kSse2Bit = 1 << 26, kHttBit = 1 << 28;

#define ON_MODEL(name, text, bit)                    \
    class name : public OneModel {                   \
      protected:                                     \
        name() : OneModel(text, bit) {}              \
    };                                               \
    VMM_ON_EVERY_STEPPER(name);                      \
    TEST_P(name, HasItsInstructionsAndNoOthers) { check_instructions(); } \
    TEST_P(name, HasItsMsrsAndNoOthers) { check_msrs(); }

ON_MODEL(Model486, "486", k486)
ON_MODEL(ModelPentium, "pentium", kP5)
ON_MODEL(ModelPentium3, "pentium3", kP6)
ON_MODEL(ModelPentium4, "pentium4", kP4)

TEST_P(Model486, ShowsItselfInCpuid) {
    expect_cpuid(0, 1, 0x49656e69, 0);
    expect_cpuid(1, 0x0480, kFpuBit, kTscBit | kCx8Bit | kMmxBit | kCmovBit);
}
TEST_P(ModelPentium, ShowsItselfInCpuid) {
    expect_cpuid(0, 1, 0x49656e69, 0);
    expect_cpuid(1, 0x0543, kFpuBit | kTscBit | kCx8Bit | kMmxBit, kPaeBit | kSepBit | kCmovBit | kPatBit | kFxsrBit | kSseBit);
}
TEST_P(ModelPentium3, ShowsItselfInCpuid) {
    expect_cpuid(0, 2, 0x49656e69, 0);
    expect_cpuid(1, 0x068a, kPaeBit | kSepBit | kCmovBit | kPatBit | kMmxBit | kFxsrBit | kSseBit, kSse2Bit | kClfshBit | kHttBit);
}
TEST_P(ModelPentium4, ShowsItselfInCpuid) {
    expect_cpuid(0, 5, 0x49656e69, 0);
    expect_cpuid(1, 0x0f41, kPaeBit | kSepBit | kCmovBit | kPatBit | kMmxBit | kFxsrBit | kSseBit | kSse2Bit | kClfshBit, kHttBit);
    expect_cpuid(0x80000001, 0, 1u << 20, 1u << 29);         // NX, no 64-bit mode
}

// 11.12.4: the PAT after reset.
TEST_P(ModelPentium3, PatBeginsAsTheManualSays) {
    rdmsr(0x277);
    EXPECT_EQ(s.gpr[kEax], 0x00070406u);
    EXPECT_EQ(s.gpr[kEdx], 0x00070406u);
}

}  // namespace
}  // namespace vmm::tcg::test
