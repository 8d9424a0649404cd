// SPDX-License-Identifier: Apache-2.0
// The x87 and SSE state as systems see it: images of FNSTENV, FNSAVE and FXSAVE in every format, instruction and data
// pointers, availability faults, the error pin, the way into and out of the host's unit. Expectations come from the host
// and from the figures of Intel SDM volume 1, chapters 8 and 10.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/tcg/fpu_oracle.h"
#include "vmm/tcg/cpu_model.h"

namespace vmm::tcg::test {
namespace {

u16 word_at(const FpuCase& c, unsigned offset) {
    u16 v;
    std::memcpy(&v, &c.memory[offset], 2);
    return v;
}
u32 dword_at(const FpuCase& c, unsigned offset) {
    u32 v;
    std::memcpy(&v, &c.memory[offset], 4);
    return v;
}
void fill(FpuCase& c, Random& random) {
    for (u8& b : c.memory) b = static_cast<u8>(random());
}
bool same_state(const X87& a, const X87& b) {
    return a.control == b.control && a.status == b.status && a.tag == b.tag && a.significand == b.significand &&
           a.exponent == b.exponent;
}

// --- images against the host -----------------------------------------------------------------------------

// `pointers`: where FIP, FCS, FOP, FDP, FDS lie, which are the host's own.
void expect_image_as_host(std::initializer_list<u8> bytes, unsigned first_pointer, unsigned last_pointer) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction({bytes.begin(), bytes.size()}));
    Random random(3);
    for (int n = 0; n < 1000; ++n) {
        FpuCase in;
        fill(in, random);
        in.x87 = random_x87(random);
        FpuCase expected = oracle.native(in);
        const FpuCase got = oracle.emulated(in);
        std::memcpy(&expected.memory[first_pointer], &got.memory[first_pointer], last_pointer - first_pointer);
        ASSERT_EQ(expected.fault, got.fault);
        ASSERT_TRUE(same_state(expected.x87, got.x87)) << in.describe() << '\n' << expected.describe() << '\n' << got.describe();
        ASSERT_TRUE(expected.memory == got.memory) << expected.describe() << '\n' << got.describe();
    }
}

TEST(FpuImages, Fnstenv32MatchesTheHost) { expect_image_as_host({0xd9, 0x30}, 12, 28); }
TEST(FpuImages, Fnstenv16MatchesTheHost) { expect_image_as_host({0x66, 0xd9, 0x30}, 6, 14); }
TEST(FpuImages, Fnsave32MatchesTheHost) { expect_image_as_host({0xdd, 0x30}, 12, 28); }
TEST(FpuImages, Fnsave16MatchesTheHost) { expect_image_as_host({0x66, 0xdd, 0x30}, 6, 14); }
TEST(FpuImages, Fldenv32MatchesTheHost) { expect_image_as_host({0xd9, 0x20}, 0, 0); }
TEST(FpuImages, Fldenv16MatchesTheHost) { expect_image_as_host({0x66, 0xd9, 0x20}, 0, 0); }
TEST(FpuImages, Frstor32MatchesTheHost) { expect_image_as_host({0xdd, 0x20}, 0, 0); }
TEST(FpuImages, Frstor16MatchesTheHost) { expect_image_as_host({0x66, 0xdd, 0x20}, 0, 0); }

TEST(FpuImages, FxsaveMatchesTheHostAndKeepsReservedBytes) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction(std::array<u8, 3>{0x0f, 0xae, 0x00}));
    Random random(4);
    for (int n = 0; n < 1000; ++n) {
        FpuCase in;
        fill(in, random);
        in.x87 = random_x87(random);
        for (Xmm& x : in.xmm) x = random_floats(random);
        in.mxcsr = static_cast<u32>(random() & 0xffff);
        FpuCase expected = oracle.native(in);
        const FpuCase got = oracle.emulated(in);
        std::memcpy(&expected.memory[6], &got.memory[6], 18);         // FOP, FIP, FCS, FDP, FDS
        expected.memory[30] = expected.memory[31] = 0;                // MXCSR_MASK of newer processors
        std::memcpy(&expected.memory[28], &got.memory[28], 4);
        std::memcpy(&expected.memory[288], &in.memory[288], 224);     // XMM8-15 of 64-bit mode
        ASSERT_EQ(dword_at(got, 28), 0xffffu);
        ASSERT_TRUE(expected.memory == got.memory);
        ASSERT_TRUE(same_state(got.x87, in.x87));
    }
}

TEST(FpuImages, FxrstorMatchesTheHost) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction(std::array<u8, 3>{0x0f, 0xae, 0x08}));
    Random random(5);
    for (int n = 0; n < 1000; ++n) {
        FpuCase in;
        fill(in, random);
        in.memory[26] = in.memory[27] = 0;                            // reserved bits of MXCSR
        in.x87 = random_x87(random);
        in.x87.control |= kX87Exceptions;
        x87_refresh_summary(in.x87);
        const FpuCase expected = oracle.native(in), got = oracle.emulated(in);
        ASSERT_TRUE(same_state(expected.x87, got.x87)) << expected.describe() << '\n' << got.describe();
        ASSERT_EQ(expected.mxcsr, got.mxcsr);
        ASSERT_EQ(std::memcmp(&expected.xmm, &got.xmm, sizeof got.xmm), 0);
    }
}

TEST(FpuImages, FxrstorRefusesReservedBitsOfMxcsr) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction(std::array<u8, 3>{0x0f, 0xae, 0x08}));
    FpuCase in;
    in.memory[26] = 1;
    in.memory[32] = 0x55;
    const FpuCase got = oracle.emulated(in);
    EXPECT_EQ(got.fault, kGp);
    EXPECT_TRUE(same_state(got.x87, in.x87));
}

TEST(FpuImages, FxsaveWithoutOsfxsrLeavesXmmOut) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction(std::array<u8, 3>{0x0f, 0xae, 0x00}));
    oracle.cpu().s.cr4 = 0;
    FpuCase in;
    in.memory.fill(0x5a);
    in.xmm[0] = {1, 2};
    const FpuCase got = oracle.emulated(in);
    EXPECT_EQ(got.memory[159], 0);
    EXPECT_EQ(got.memory[160], 0x5a);
}

// --- pointers ------------------------------------------------------------------------------------------------

// FLD dword [eAX] at CS:8000, then the environment as `insn` stores it.
FpuCase environment_after_load(FpuOracle& oracle, std::initializer_list<u8> insn) {
    const std::array<u8, 2> load{0xd9, 0x00};
    EXPECT_TRUE(oracle.set_instruction(load));
    FpuCase c;
    c.x87.control = kX87ControlInit;
    c = oracle.emulated(c);
    EXPECT_TRUE(oracle.set_instruction({insn.begin(), insn.size()}));
    return oracle.emulated(c);
}

TEST(FpuPointers, ProtectedMode32HasOffsetsSelectorsAndOpcode) {
    FpuOracle oracle;
    const FpuCase c = environment_after_load(oracle, {0xd9, 0x30});
    EXPECT_EQ(dword_at(c, 12), 0x8000u);
    EXPECT_EQ(dword_at(c, 16), 0x01000008u);                          // opcode D9 00: 001 00000000; CS
    EXPECT_EQ(dword_at(c, 20), FpuOracle::kAddress);
    EXPECT_EQ(word_at(c, 24), 0x10);
}
TEST(FpuPointers, ProtectedMode16HasOffsetsAndSelectors) {
    FpuOracle oracle;
    const FpuCase c = environment_after_load(oracle, {0x66, 0xd9, 0x30});
    EXPECT_EQ(word_at(c, 6), 0x8000);
    EXPECT_EQ(word_at(c, 8), 0x08);
    EXPECT_EQ(word_at(c, 10), FpuOracle::kAddress);
    EXPECT_EQ(word_at(c, 12), 0x10);
}

// Real mode, CS = 2000, DS = 1234 with base 0 so that the oracle's memory stays where it is.
void real_mode(FpuOracle& oracle) {
    CpuState& s = oracle.cpu().s;
    s.cr0 &= ~kCr0Pe;
    s.seg[kCs].selector = 0x2000;
    s.seg[kDs].selector = 0x1234;
    oracle.cpu().mode_changed();
}

TEST(FpuPointers, RealMode32HasLinearAddressesAndOpcode) {
    FpuOracle oracle;
    real_mode(oracle);
    const FpuCase c = environment_after_load(oracle, {0xd9, 0x30});
    EXPECT_EQ(word_at(c, 12), 0x8000);                                // 2000:8000 is 28000
    EXPECT_EQ(dword_at(c, 16), 0x2000u | 0x100u);
    EXPECT_EQ(word_at(c, 20), 0x3340);                                // 1234:1000 is 13340
    EXPECT_EQ(dword_at(c, 24), 0x1000u);
}
TEST(FpuPointers, RealMode16HasLinearAddressesAndOpcode) {
    FpuOracle oracle;
    real_mode(oracle);
    const FpuCase c = environment_after_load(oracle, {0x66, 0xd9, 0x30});
    EXPECT_EQ(word_at(c, 6), 0x8000);
    EXPECT_EQ(word_at(c, 8), 0x2100);
    EXPECT_EQ(word_at(c, 10), 0x3340);
    EXPECT_EQ(word_at(c, 12), 0x1000);
}
TEST(FpuPointers, FldenvLoadsWhatFnstenvStored) {
    FpuOracle oracle;
    FpuCase c = environment_after_load(oracle, {0xd9, 0x30});
    const X87 before = c.x87;
    c.x87.ip = c.x87.dp = 0;
    c.x87.cs = c.x87.ds = c.x87.opcode = 0;
    ASSERT_TRUE(oracle.set_instruction(std::array<u8, 2>{0xd9, 0x20}));
    c = oracle.emulated(c);
    EXPECT_EQ(c.x87.ip, before.ip);
    EXPECT_EQ(c.x87.cs, before.cs);
    EXPECT_EQ(c.x87.dp, before.dp);
    EXPECT_EQ(c.x87.ds, before.ds);
    EXPECT_EQ(c.x87.opcode, before.opcode);
}
TEST(FpuPointers, ControlInstructionsLeaveThemAlone) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction(std::array<u8, 2>{0xd9, 0x28}));    // FLDCW [eAX]
    FpuCase c;
    c.x87.ip = 77;
    c = oracle.emulated(c);
    EXPECT_EQ(c.x87.ip, 77u);
}

// --- availability ----------------------------------------------------------------------------------------------

u8 fault_of(std::initializer_list<u8> bytes, u32 cr0_bits, u32 cr4 = kCr4Osfxsr | kCr4Osxmmexcpt, u16 x87_status = 0) {
    FpuOracle oracle;
    EXPECT_TRUE(oracle.set_instruction({bytes.begin(), bytes.size()}));
    oracle.cpu().s.cr0 = kCr0Pe | kCr0Ne | kCr0Et | cr0_bits;
    oracle.cpu().s.cr4 = cr4;
    FpuCase c;
    c.x87.status = x87_status;
    return oracle.emulated(c).fault;
}

constexpr std::initializer_list<u8> kFld1 = {0xd9, 0xe8}, kFnstsw = {0xdf, 0xe0}, kFwait = {0x9b}, kPaddb = {0x0f, 0xfc, 0xca},
                                    kAddps = {0x0f, 0x58, 0xca}, kFxsave = {0x0f, 0xae, 0x00};
constexpr u16 kPending = kX87Ie | kX87Es | kX87Busy;                     // with the power-on control word: unmasked

TEST(FpuAvailability, X87RaisesNmWithTsOrEm) {
    EXPECT_EQ(fault_of(kFld1, kCr0Ts), kNm);
    EXPECT_EQ(fault_of(kFld1, kCr0Em), kNm);
    EXPECT_EQ(fault_of(kFnstsw, kCr0Ts), kNm);
    EXPECT_EQ(fault_of(kFxsave, kCr0Em), kNm);
    EXPECT_EQ(fault_of(kFld1, 0), 0);
}
TEST(FpuAvailability, FwaitRaisesNmOnlyWithMpAndTs) {
    EXPECT_EQ(fault_of(kFwait, kCr0Ts), 0);
    EXPECT_EQ(fault_of(kFwait, kCr0Mp), 0);
    EXPECT_EQ(fault_of(kFwait, kCr0Em), 0);
    EXPECT_EQ(fault_of(kFwait, kCr0Mp | kCr0Ts), kNm);
}
TEST(FpuAvailability, MmxRaisesUdWithEmAndNmWithTs) {
    EXPECT_EQ(fault_of(kPaddb, kCr0Em | kCr0Ts), kUd);
    EXPECT_EQ(fault_of(kPaddb, kCr0Ts), kNm);
    EXPECT_EQ(fault_of(kPaddb, 0, 0), 0);
}
TEST(FpuAvailability, SseRaisesUdWithEmOrWithoutOsfxsrAndNmWithTs) {
    EXPECT_EQ(fault_of(kAddps, kCr0Em | kCr0Ts), kUd);
    EXPECT_EQ(fault_of(kAddps, kCr0Ts, 0), kUd);
    EXPECT_EQ(fault_of(kAddps, kCr0Ts), kNm);
    EXPECT_EQ(fault_of(kAddps, 0), 0);
}
TEST(FpuAvailability, PendingErrorRaisesMfAtTheNextWaitingInstruction) {
    EXPECT_EQ(fault_of(kFld1, 0, 0, kPending), kMf);
    EXPECT_EQ(fault_of(kFwait, 0, 0, kPending), kMf);
    EXPECT_EQ(fault_of(kPaddb, 0, 0, kPending), kMf);
    EXPECT_EQ(fault_of(kFnstsw, 0, 0, kPending), 0);
    EXPECT_EQ(fault_of(kFxsave, 0, 0, kPending), 0);
    EXPECT_EQ(fault_of(kFld1, kCr0Ts, 0, kPending), kNm);
}
TEST(FpuAvailability, UnmaskedSimdExceptionIsUdWithoutOsxmmexcpt) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction(std::array<u8, 4>{0xf3, 0x0f, 0x5e, 0xca}));   // DIVSS xmm1, xmm2
    oracle.cpu().s.cr4 = kCr4Osfxsr;
    FpuCase c;
    c.mxcsr = 0x1d80;                                                  // #Z unmasked
    c.xmm[1].lo = 0x3f800000;
    const FpuCase got = oracle.emulated(c);
    EXPECT_EQ(got.fault, kUd);
    EXPECT_EQ(got.xmm[1].lo, 0x3f800000u);
}
TEST(FpuAvailability, AlignedOperandsRaiseGpOffTheirBoundary) {
    FpuOracle oracle;
    const auto fault_at = [&](std::initializer_list<u8> bytes) {
        EXPECT_TRUE(oracle.set_instruction({bytes.begin(), bytes.size()}));
        return oracle.emulated({}).fault;
    };
    EXPECT_EQ(fault_at({0x0f, 0x28, 0x48, 0x08}), kGp);                // MOVAPS xmm1, [eax+8]
    EXPECT_EQ(fault_at({0x0f, 0x29, 0x48, 0x04}), kGp);                // MOVAPS [eax+4], xmm1
    EXPECT_EQ(fault_at({0x0f, 0x58, 0x48, 0x08}), kGp);                // ADDPS
    EXPECT_EQ(fault_at({0x66, 0x0f, 0xfc, 0x48, 0x01}), kGp);          // PADDB
    EXPECT_EQ(fault_at({0x66, 0x0f, 0xe7, 0x48, 0x08}), kGp);          // MOVNTDQ
    EXPECT_EQ(fault_at({0x0f, 0xae, 0x40, 0x08}), kGp);                // FXSAVE
    EXPECT_EQ(fault_at({0x0f, 0x10, 0x48, 0x01}), 0);                  // MOVUPS
    EXPECT_EQ(fault_at({0xf3, 0x0f, 0x58, 0x48, 0x01}), 0);            // ADDSS
    EXPECT_EQ(fault_at({0xf2, 0x0f, 0xf0, 0x48, 0x01}), 0);            // LDDQU
}

// --- the error pin ---------------------------------------------------------------------------------------------------

struct ErrorPin : testing::Test {
    void SetUp() override {
        cpu.s.cr0 &= ~kCr0Ne;
        cpu.pins.ferr = IrqLine([this](bool level) { ferr = level; });
    }
    // One instruction with an unmasked invalid-operation error pending. True: it stayed where it is.
    bool waits(std::initializer_list<u8> bytes) {
        EXPECT_TRUE(oracle.set_instruction({bytes.begin(), bytes.size()}));
        FpuCase c;
        c.x87.status = kPending;
        result = oracle.emulated(c);
        EXPECT_EQ(result.fault, 0);
        return cpu.next_eip == cpu.s.eip;
    }
    FpuOracle oracle;
    Cpu& cpu = oracle.cpu();
    FpuCase result;
    bool ferr = false;
};

TEST_F(ErrorPin, WaitingInstructionAssertsItAndStandsStill) {
    EXPECT_TRUE(waits(kFwait));
    EXPECT_TRUE(ferr);
}
TEST_F(ErrorPin, FnstswGoesOnWithoutIt) {
    EXPECT_FALSE(waits(kFnstsw));
    EXPECT_FALSE(ferr);
}
TEST_F(ErrorPin, IgnneLetsTheInstructionExecute) {
    cpu.pins.ignne = true;
    EXPECT_FALSE(waits(kFld1));
    EXPECT_EQ(result.x87.tag, 0x80);
    EXPECT_FALSE(ferr);
}
TEST_F(ErrorPin, FnclexReleasesItAndIgnne) {
    EXPECT_TRUE(waits(kFwait));
    cpu.pins.ignne = true;
    EXPECT_FALSE(waits({0xdb, 0xe2}));
    EXPECT_FALSE(ferr);
    EXPECT_FALSE(cpu.pins.ignne);
}

// --- the host's unit -------------------------------------------------------------------------------------------------

TEST(HostX87, StateComesBackAsItWentIn) {
    Random random(11);
    for (int n = 0; n < 2000; ++n) {
        X87 f = random_x87(random);
        f.control |= kX87Exceptions;
        x87_refresh_summary(f);
        f.ip = 0x1234;
        const X87 before = f;
        load_host_x87(f);
        save_host_x87(f);
        ASSERT_TRUE(same_state(f, before));
        ASSERT_EQ(f.ip, before.ip);
    }
    u16 control;
    asm volatile("fnstcw %0" : "=m"(control));
    EXPECT_EQ(control, kHostX87Control);
}

TEST(HostX87, InstructionsBetweenLoadAndSaveActOnTheGuestsState) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction(std::array<u8, 2>{0xd8, 0xc1}));     // FADD st0, st1
    Random random(12);
    for (int n = 0; n < 2000; ++n) {
        FpuCase in;
        in.x87 = random_x87(random);
        in.x87.control |= kX87Exceptions;
        x87_refresh_summary(in.x87);
        X87 f = in.x87;
        load_host_x87(f);
        asm volatile("fadd %%st(1), %%st" : : : "st");
        save_host_x87(f);
        ASSERT_TRUE(same_state(f, oracle.native(in).x87));
    }
}

// --- approximations ---------------------------------------------------------------------------------------------------

constexpr std::initializer_list<u8> kRcpss = {0xf3, 0x0f, 0x53, 0xca}, kRsqrtss = {0xf3, 0x0f, 0x52, 0xca};

double approximate(FpuOracle& oracle, u32 operand) {
    FpuCase c;
    c.xmm[2].lo = operand;
    const FpuCase got = oracle.emulated(c);
    EXPECT_EQ(got.mxcsr, c.mxcsr);                                     // no flags
    return double{std::bit_cast<float>(static_cast<u32>(got.xmm[1].lo))};
}

TEST(Approximation, ReciprocalIsWithinTheManualsError) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction({kRcpss.begin(), kRcpss.size()}));
    Random random(13);
    for (int n = 0; n < 3000; ++n) {
        const u32 v = static_cast<u32>((1 + random() % 252) << 23 | (random() & 0x807fffff));
        const double x = double{std::bit_cast<float>(v)}, r = approximate(oracle, v);
        ASSERT_LE(std::abs(r * x - 1), 1.5 * 0x1p-12) << std::hex << v;
    }
}
TEST(Approximation, ReciprocalRootIsWithinTheManualsError) {
    FpuOracle oracle;
    ASSERT_TRUE(oracle.set_instruction({kRsqrtss.begin(), kRsqrtss.size()}));
    Random random(14);
    for (int n = 0; n < 3000; ++n) {
        const u32 v = static_cast<u32>((1 + random() % 254) << 23 | (random() & 0x7fffff));
        const double x = double{std::bit_cast<float>(v)}, r = approximate(oracle, v);
        ASSERT_LE(std::abs(r * std::sqrt(x) - 1), 1.5 * 0x1p-12) << std::hex << v;
    }
}
// Zeros, denormals, infinities, NaNs and results that would be denormal: the manual fixes them, so the host agrees.
TEST(Approximation, SpecialOperandsMatchTheHost) {
    FpuOracle oracle;
    const auto expect_as_host = [&](std::initializer_list<u8> bytes, u32 operand) {
        ASSERT_TRUE(oracle.set_instruction({bytes.begin(), bytes.size()}));
        FpuCase c;
        c.xmm[2].lo = operand;
        EXPECT_EQ(oracle.emulated(c).xmm[1].lo, oracle.native(c).xmm[1].lo) << std::hex << operand;
    };
    for (const u32 v : {0u, 0x80000000u, 1u, 0x80000001u, 0x7fffffu, 0x7f800000u, 0xff800000u, 0x7f800001u, 0xffc00001u,
                        0x7fc12345u, 0x7f000000u, 0xff7fffffu, 0x7e900000u}) {
        expect_as_host(kRcpss, v);
    }
    for (const u32 v : {0u, 0x80000000u, 1u, 0x80000001u, 0x7fffffu, 0x7f800000u, 0xff800000u, 0x7f800001u, 0xffc00001u,
                        0x7fc12345u, 0xbf800000u, 0x80800000u}) {
        expect_as_host(kRsqrtss, v);
    }
}

}  // namespace
}  // namespace vmm::tcg::test
