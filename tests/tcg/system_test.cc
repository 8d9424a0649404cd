// SPDX-License-Identifier: Apache-2.0
// Control registers, MSRs, EFLAGS instructions, ports, CPUID and reset. Expectations: SDM volume 2 by instruction, volume 3,
// 2.5, 4.4.1, 9.1, 18.2, 20.3-20.4; volume 1, chapter 19.
#include "tests/tcg/bench.h"

#include <vector>

#include "vmm/tcg/reset.h"

namespace vmm::tcg::test {
namespace {

class System : public Bench {
  protected:
    explicit System(const char* model = "pentium4") : Bench(model) {}
    void SetUp() override {
        Bench::SetUp();
        ports.map("test", 0x300, 8, {[this](u32 offset, unsigned size) { read_sizes.push_back(size); return 0x44332211u + offset; },
                                     [this](u32, unsigned, u32 value) { written.push_back(value); }, 4});
    }
    void mov_to_cr(u8 cr, u32 value) {
        s.gpr[kEax] = value;
        run({0x0f, 0x22, static_cast<u8>(0xc0 | cr << 3)});
    }
    void wrmsr(u32 index, u64 value) {
        s.gpr[kEcx] = index;
        s.gpr[kEax] = static_cast<u32>(value);
        s.gpr[kEdx] = static_cast<u32>(value >> 32);
        run({0x0f, 0x30});
    }
    void rdmsr(u32 index) {
        s.gpr[kEcx] = index;
        run({0x0f, 0x32});
    }
    void cpuid(u32 leaf, u32 subleaf = 0) {
        s.gpr[kEax] = leaf;
        s.gpr[kEcx] = subleaf;
        run({0x0f, 0xa2});
    }
    std::vector<unsigned> read_sizes;
    std::vector<u32> written;
};
class System486 : public System {
  protected:
    System486() : System("486") {}
};
class SystemP6 : public System {
  protected:
    SystemP6() : System("pentium3") {}
};
VMM_ON_EVERY_STEPPER(System);
VMM_ON_EVERY_STEPPER(SystemP6);
VMM_ON_EVERY_STEPPER(System486);

// --- control registers ---------------------------------------------------------------------------------------------------

TEST_P(System, PagingWithoutProtectionIsGp0) {
    mov_to_cr(0, kCr0Pg);
    expect_fault(kGp, 0);
    EXPECT_EQ(s.cr0, kCr0Pe | kCr0Et | kCr0Ne);
}

TEST_P(System, NotWriteThroughWithoutCacheDisableIsGp0) {
    mov_to_cr(0, kCr0Pe | kCr0Nw);
    expect_fault(kGp, 0);
}

TEST_P(System, ReservedBitsOfCr0AreIgnoredAndEtStays) {
    mov_to_cr(0, kCr0Pe | 0x1ff0ffc0);
    EXPECT_EQ(s.cr0, kCr0Pe | kCr0Et | kCr0Am * ((0x1ff0ffc0u >> 18) & 1) | kCr0Wp * ((0x1ff0ffc0u >> 16) & 1));
}

TEST_P(System, UnknownBitOfCr4IsGp0) {
    mov_to_cr(4, 1u << 13);
    expect_fault(kGp, 0);
    EXPECT_EQ(s.cr4, 0u);
}

TEST_P(System, Cr1IsUndefined) {
    run({0x0f, 0x22, 0xc8});
    expect_fault(kUd);
}

TEST_P(System, ControlRegistersAreForRing0) {
    enter_ring3();
    run({0x0f, 0x20, 0xc0});
    expect_fault(kGp, 0);
}

TEST_P(System, PaePdptesAreLoadedWithCr3AndChecked) {
    poke32(0x100000, 0x101001);
    s.cr4 = kCr4Pae;
    poke32(0x101000, 0x83);  // a page of 2 MiB
    s.cr3 = 0x100000;
    mov_to_cr(0, s.cr0 | kCr0Pg);
    EXPECT_EQ(s.pdpte[0], 0x101001u);
    poke32(0x100000, 0x102001);  // registers: the change shows with the next load only
    EXPECT_EQ(s.pdpte[0], 0x101001u);
    poke32(0x100020, 0x101003);  // bit 1 is reserved
    mov_to_cr(3, 0x100020);
    expect_fault(kGp, 0);
    EXPECT_EQ(s.cr3, 0x100000u);
}

TEST_P(System, LmswCannotClearPe) {
    s.gpr[kEax] = 0xe;
    run({0x0f, 0x01, 0xf0});
    EXPECT_EQ(s.cr0 & 0xf, 0xfu);
}

TEST_P(System, SmswIsForEverybody) {
    enter_ring3();
    s.gpr[kEax] = 0xffff0000;
    run({0x66, 0x0f, 0x01, 0xe0});
    EXPECT_EQ(s.gpr[kEax], 0xffff0000u | (s.cr0 & 0xffff));
}

TEST_P(System, CltsClearsTs) {
    s.cr0 |= kCr0Ts;
    run({0x0f, 0x06});
    EXPECT_EQ(s.cr0 & kCr0Ts, 0u);
}

TEST_P(System, DebugRegistersKeepTheirFixedBits) {
    s.gpr[kEax] = 0;
    run({0x0f, 0x23, 0xf0});
    EXPECT_EQ(s.dr6, 0xffff0ff0u);
    run({0x0f, 0x23, 0xf8});
    EXPECT_EQ(s.dr7, 0x400u);
}

TEST_P(System, Dr4IsDr6UntilDebugExtensionsAreOn) {
    run({0x0f, 0x21, 0xe1});  // MOV ECX, DR4
    EXPECT_EQ(s.gpr[kEcx], 0xffff0ff0u);
    s.cr4 = kCr4De;
    run({0x0f, 0x21, 0xe1});
    expect_fault(kUd);
}

// --- EFLAGS -----------------------------------------------------------------------------------------------------------------

TEST_P(System, CliNeedsIopl) {
    enter_ring3();
    s.eflags |= kIf;
    run({0xfa});
    expect_fault(kGp, 0);
    enter_ring3();
    s.eflags |= kIf | kIopl;
    run({0xfa});
    EXPECT_EQ(s.eflags & kIf, 0u);
}

TEST_P(System, PviVirtualizesStiInRing3) {
    enter_ring3();
    s.cr4 = kCr4Pvi;
    run({0xfb});
    EXPECT_NE(s.eflags & kVif, 0u);
    EXPECT_EQ(s.eflags & kIf, 0u);
    s.eflags |= kVip;
    run({0xfb});
    expect_fault(kGp, 0);
}

TEST_P(System, PushfHidesRfAndVm) {
    s.eflags = 2 | kRf | kCf;
    run({0x9c});
    EXPECT_EQ(stack32(0), 2u | kCf);
}

TEST_P(System, PopfInRing3IgnoresIfAndIopl) {
    enter_ring3();
    s.gpr[kEsp] -= 4;
    poke32(s.gpr[kEsp], 0x3 | kIf | kIopl | kAc | kId | kVif | kVip | kVm);
    run({0x9d});
    EXPECT_EQ(s.eflags, 3u | kAc | kId);
}

TEST_P(System, PopfInRing0SetsIfAndIoplWithoutShadow) {
    poke32(s.gpr[kEsp], 0x2 | kIf | kIopl);
    run({0x9d});
    EXPECT_EQ(s.eflags, 2u | kIf | kIopl);
    EXPECT_EQ(s.shadow, Shadow::None);
}

TEST_P(System, PushfInV86NeedsIopl3OrVme) {
    enter_v86(0);
    run({0x9c});
    expect_fault(kGp, 0);
    enter_v86(0);
    s.cr4 = kCr4Vme;
    s.eflags |= kVif;
    run({0x9c});
    EXPECT_EQ(stack16(0), 2u | kIopl | kIf);
}

TEST_P(System, PopfInV86WithVmeGoesToVifAndFaultsOnTf) {
    enter_v86(0);
    s.cr4 = kCr4Vme;
    poke16(0x48000, 2 | kIf | kCf);
    run({0x9d});
    EXPECT_EQ(s.eflags, 2u | kVm | kVif | kCf);
    s.gpr[kEsp] = 0x8000;
    poke16(0x48000, 2 | kTf);
    run({0x9d});
    expect_fault(kGp, 0);
}

// --- MSRs, TSC, CPUID ----------------------------------------------------------------------------------------------------------

TEST_P(System, UnknownMsrIsGp0) {
    rdmsr(0x12345);
    expect_fault(kGp, 0);
}

TEST_P(System, MsrsAreForRing0) {
    enter_ring3();
    rdmsr(0x10);
    expect_fault(kGp, 0);
}

TEST_P(System, EferTakesNxOnly) {
    wrmsr(0xc0000080, 1u << 11);
    EXPECT_EQ(s.msr.efer, kEferNx);
    wrmsr(0xc0000080, 1u << 8);
    expect_fault(kGp, 0);
}

TEST_P(System, PatRefusesReservedTypes) {
    wrmsr(0x277, 0x0007040600070406);
    EXPECT_EQ(s.eip, kText + 2);
    wrmsr(0x277, 0x0000000000000002);
    expect_fault(kGp, 0);
}

TEST_P(System, MtrrsReadBackAndCheckReservedBits) {
    wrmsr(0x200, 0x0000000fc0000006);
    rdmsr(0x200);
    EXPECT_EQ(s.gpr[kEax], 0xc0000006u);
    EXPECT_EQ(s.gpr[kEdx], 0xfu);
    wrmsr(0x268, 0x0606060606060606);
    EXPECT_EQ(s.msr.mtrr_fix[3], 0x0606060606060606u);
    wrmsr(0x201, 0x0000001000000800);  // address bit 36 does not exist
    expect_fault(kGp, 0);
}

TEST_P(System, WritingApicBaseTellsTheBoardAndKeepsBsp) {
    u64 seen = 0;
    cpu.apic_base_changed = [&seen](u64 v) { seen = v; };
    wrmsr(0x1b, 0xfee00000);
    EXPECT_EQ(seen, 0xfee00100u);
    cpuid(1);
    EXPECT_EQ(s.gpr[kEdx] >> 9 & 1, 0u);
}

TEST_P(System, TscCountsGuestNanosecondsAndCanBeSet) {
    clock.set_icount({1000});
    run({0x0f, 0x31});
    EXPECT_EQ(s.gpr[kEax], 1000u);
    EXPECT_EQ(s.gpr[kEdx], 0u);
    clock.set_icount({1000});
    wrmsr(0x10, 0x500000000);
    clock.set_icount({1007});
    run({0x0f, 0x31});
    EXPECT_EQ(s.gpr[kEax], 7u);
    EXPECT_EQ(s.gpr[kEdx], 5u);
}

// 17.17.
TEST_P(SystemP6, WritingTheTscSetsItsLowHalfAndClearsTheHighOne) {
    clock.set_icount({1000});
    wrmsr(0x10, 0x500000010);
    clock.set_icount({1007});
    run({0x0f, 0x31});
    EXPECT_EQ(s.gpr[kEax], 0x17u);
    EXPECT_EQ(s.gpr[kEdx], 0u);
}

TEST_P(System, RdtscMayBeForbiddenToRing3) {
    enter_ring3();
    s.cr4 = kCr4Tsd;
    run({0x0f, 0x31});
    expect_fault(kGp, 0);
}

TEST_P(System, CpuidNamesVendorAndBrand) {
    cpuid(0);
    EXPECT_EQ(s.gpr[kEbx], 0x756e6547u);
    EXPECT_EQ(s.gpr[kEdx], 0x49656e69u);
    EXPECT_EQ(s.gpr[kEcx], 0x6c65746eu);
    cpuid(0x80000004);
    EXPECT_EQ(s.gpr[kEdx], 0x007a4847u);  // "GHz" and the end
}

TEST_P(System, CpuidLeafBeyondTheLastAnswersWithTheHighestBasicLeaf) {
    cpuid(5);
    const auto basic = s.gpr;
    cpuid(0x12345);
    EXPECT_EQ(s.gpr[kEax], basic[kEax]);
    EXPECT_EQ(s.gpr[kEbx], basic[kEbx]);
}

TEST_P(System, CpuidLeaf4EndsWithANullCache) {
    cpuid(4, 0);
    EXPECT_EQ(s.gpr[kEax] & 0x1f, 1u);
    // ways * partitions * line * sets = 16 KiB
    EXPECT_EQ(((s.gpr[kEbx] >> 22) + 1) * ((s.gpr[kEbx] & 0xfff) + 1) * (s.gpr[kEcx] + 1), 16384u);
    cpuid(4, 1);
    EXPECT_EQ(((s.gpr[kEbx] >> 22) + 1) * ((s.gpr[kEbx] & 0xfff) + 1) * (s.gpr[kEcx] + 1), 1048576u);
    cpuid(4, 9);
    EXPECT_EQ(s.gpr[kEax] & 0x1f, 0u);
}

TEST_P(System486, HasNeitherTscNorMsrsNorCmov) {
    run({0x0f, 0x31});
    expect_fault(kUd);
    enter_ring0();
    rdmsr(0x10);
    expect_fault(kUd);
    enter_ring0();
    run({0x0f, 0x44, 0xc1});
    expect_fault(kUd);
}

TEST_P(System486, Cr4KnowsVirtualModeExtensionsOnly) {
    mov_to_cr(4, kCr4Vme);
    EXPECT_EQ(s.cr4, kCr4Vme);
    mov_to_cr(4, kCr4Pse);
    expect_fault(kGp, 0);
}

TEST(CpuModels, UnknownNameIsRefusedWithTheKnownOnes) {
    const auto r = find_cpu_model("z80");
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().text.find("pentium4"), std::string::npos);
}

TEST(CpuModels, NoneOffersWhatCannotBeReplayed) {
    for (const CpuModel& m : cpu_models()) {
        EXPECT_EQ(m.cpuid(1, 0).ecx & 1u << 30, 0u) << m.name;  // RDRAND
        EXPECT_EQ(m.cpuid(1, 0).eax, m.signature) << m.name;
    }
}

// --- ports ------------------------------------------------------------------------------------------------------------------------

TEST_P(System, InAndOutUseTheirWidths) {
    s.gpr[kEdx] = 0x300;
    s.gpr[kEax] = ~u32{0};
    run({0x66, 0xed});  // IN AX, DX
    EXPECT_EQ(s.gpr[kEax], 0xffff2211u);
    EXPECT_EQ(read_sizes, std::vector<unsigned>{2});
    run({0xef});        // OUT DX, EAX
    EXPECT_EQ(written, std::vector<u32>{0xffff2211});
}

TEST_P(System, Ring3NeedsIoplOrTheBitmap) {
    enter_ring3();
    s.gpr[kEdx] = 0x300;
    run({0xec});
    expect_fault(kGp, 0);
    EXPECT_TRUE(read_sizes.empty());
    enter_ring3();
    s.eflags |= kIopl;
    run({0xec});
    EXPECT_EQ(s.eip, kUserText + 1);
}

TEST_P(System, BitmapAllowsPortsBitByBit) {
    s.tr.limit = 0x68 + 0x61;
    poke16(kTssABase + 0x66, 0x68);
    poke(kTssABase + 0x68 + 0x60, {0xf0});  // 300-303 open, 304-307 closed
    enter_ring3();
    s.tr.limit = 0x68 + 0x61;
    s.gpr[kEdx] = 0x300;
    run({0xed});                            // IN EAX, DX
    EXPECT_EQ(s.eip, kUserText + 1);
    s.gpr[kEdx] = 0x301;
    run({0xed});
    expect_fault(kGp, 0);
}

TEST_P(System, BitmapMustReachOneByteFurther) {
    enter_ring3();
    s.tr.limit = 0x68 + 0x60;               // the byte of 300-307 is the last one
    poke(kTssABase + 0x68 + 0x60, {0});
    s.gpr[kEdx] = 0x300;
    run({0xec});
    expect_fault(kGp, 0);
}

TEST_P(System, V86AlwaysAsksTheBitmap) {
    enter_v86(3);
    s.gpr[kEdx] = 0x300;
    run({0xec});
    expect_fault(kGp, 0);
}

TEST_P(System, RepInsDoesOneIterationAStep) {
    s.gpr[kEdx] = 0x300;
    s.gpr[kEdi] = kScratch;
    s.gpr[kEcx] = 2;
    run({0xf3, 0x6d});
    EXPECT_EQ(s.eip, kText);
    EXPECT_EQ(s.gpr[kEcx], 1u);
    EXPECT_EQ(s.gpr[kEdi], kScratch + 4);
    EXPECT_EQ(peek32(kScratch), 0x44332211u);
    step();
    EXPECT_EQ(s.eip, kText + 2);
    EXPECT_EQ(s.gpr[kEcx], 0u);
    step();
    EXPECT_EQ(read_sizes.size(), 2u);
}

TEST_P(System, InsChecksItsDestinationBeforeThePortIsRead) {
    descriptor(kSpare, 0, 0xfff, 0x4093);
    s.seg[kEs] = loaded(kSpare);
    s.gpr[kEdx] = 0x300;
    s.gpr[kEdi] = 0x1000;
    run({0x6c});
    expect_fault(kGp, 0);
    EXPECT_TRUE(read_sizes.empty());
}

TEST_P(System, OutsGoesDownWithDf) {
    s.eflags |= kDf;
    poke16(kScratch, 0xbeef);
    s.gpr[kEdx] = 0x300;
    s.gpr[kEsi] = kScratch;
    run({0x66, 0x6f});
    EXPECT_EQ(written, std::vector<u32>{0xbeef});
    EXPECT_EQ(s.gpr[kEsi], kScratch - 2);
}

TEST_P(System, PortBreakpointIsATrap) {
    s.cr4 = kCr4De;
    s.dr[0] = 0x300;
    s.dr7 = 0x402 | 2u << 16;
    s.gpr[kEdx] = 0x300;
    run({0xec});
    EXPECT_TRUE(trapped());
    step();
    expect_fault(kDb);
    EXPECT_EQ(stack32(0), kText + 1);
    EXPECT_EQ(s.dr6 & 0xf, 1u);
}

// --- reset ---------------------------------------------------------------------------------------------------------------------------

TEST_P(System, ResetStartsAtTheTopOfMemoryWithTheSignatureInEdx) {
    cpu_reset(cpu, false);
    EXPECT_EQ(s.seg[kCs].base + s.eip, 0xfffffff0u);
    EXPECT_EQ(s.gpr[kEdx], cpu.model.signature);
    EXPECT_EQ(s.cr0, 0x60000010u);
    EXPECT_EQ(s.dr6, 0xffff0ff0u);
    EXPECT_TRUE(cpu.real_mode());
}

TEST_P(System, InitKeepsFpuMsrsAndCacheBits) {
    s.fpu.control = 0x27f;
    s.msr.mtrr_def_type = 0x806;
    s.msr.efer = kEferNx;
    s.cr4 = kCr4Pse;
    cpu_reset(cpu, true);
    EXPECT_EQ(s.fpu.control, 0x27f);
    EXPECT_EQ(s.msr.mtrr_def_type, 0x806u);
    EXPECT_EQ(s.msr.efer, 0u);
    EXPECT_EQ(s.cr0, 0x10u);
    EXPECT_EQ(s.cr4, 0u);
}

TEST_P(System, ResetStartsTheTscAtZero) {
    clock.set_icount({123456});
    cpu_reset(cpu, false);
    EXPECT_EQ(cpu.time().v + s.msr.tsc_offset, 0u);
}

// Volume 2, CLI and RDTSC: what ring 0 may always, rings 1 and 2 may only with IOPL and without CR4.TSD.
TEST_P(System, Ring1IsNotRing0ForCliAndRdtsc) {
    enter_protected(kCode1 | 1, kData1, kText, 0x47000);
    s.eflags |= kIf;
    run({0xfa});
    expect_fault(kGp, 0);

    enter_protected(kCode1 | 1, kData1, kText + 16, 0x47000);
    s.cr4 |= kCr4Tsd;
    run({0x0f, 0x31});
    expect_fault(kGp, 0);

    enter_protected(kCode1 | 1, kData1, kText + 32, 0x47000);
    s.eflags |= kIf | 1u << 12;
    run({0xfa});
    EXPECT_EQ(s.eip, kText + 33u);
    EXPECT_EQ(s.eflags & kIf, 0u);
}

}  // namespace
}  // namespace vmm::tcg::test
