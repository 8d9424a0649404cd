// SPDX-License-Identifier: Apache-2.0
// MMX and SSE instructions against the host's processor: every encoding of the table, with exceptions masked and unmasked.
#include <gtest/gtest.h>

#include <set>

#include "tests/tcg/fpu_oracle.h"

namespace vmm::tcg::test {
namespace {

// Approximations, whose results are ours, and what has tests of its own.
bool excluded(Op op) {
    switch (op) {
    case Op::Rcpps: case Op::Rcpss: case Op::Rsqrtps: case Op::Rsqrtss: case Op::Fxsave: case Op::Fxrstor: return true;
    default: return false;
    }
}

u32 random_mxcsr(Random& random) {
    const u32 masks = random() % 3 != 0 ? 0x1f80 : static_cast<u32>(random() & 0x1f80);
    u32 v = masks | static_cast<u32>(random() & 0x6000);
    if (random() % 4 == 0) v |= 0x8000;                      // FTZ
    if (random() % 4 == 0) v |= 0x0040;                      // DAZ
    return v | static_cast<u32>(random() & random() & 0x3f);
}

FpuCase random_case(Random& random, const Insn& insn) {
    FpuCase c;
    c.x87 = random_x87(random);
    c.mxcsr = random_mxcsr(random);
    for (Xmm& x : c.xmm) x = random_floats(random);
    for (unsigned i = 0; i < 8; ++i) {
        const Xmm x = random_floats(random);
        memcpy(c.memory.data() + 16 * i, &x, 16);
    }
    if (random() % 4 == 0) c.xmm[1] = c.xmm[2];
    if (random() % 4 == 0) c.xmm[2].lo ^= random() % 4;
    if (insn.op >= Op::Psllw && insn.op <= Op::Psrldq && random() % 2 == 0) {   // shift counts
        c.xmm[2] = {random() % 70, 0};
        memcpy(c.memory.data(), &c.xmm[2], 16);
        c.x87.significand[2] = random() % 70;
    }
    c.ecx = static_cast<u32>(random());
    c.edx = static_cast<u32>(random() >> random() % 64);
    c.eflags = static_cast<u32>(random()) & kArithFlags;
    if (insn.op == Op::Ldmxcsr) memcpy(c.memory.data(), &c.mxcsr, 4);
    return c;
}

// The host enters the MMX state otherwise than Intel's manual says (CVTPI2PS from memory never does), and even when the
// instruction then ends in #XM.
void forgive(const Insn& insn, FpuCase& expected, const FpuCase& got) {
    const Op op = insn.op;
    const bool to_mmx = op == Op::Cvtps2pi || op == Op::Cvttps2pi || op == Op::Cvtpd2pi || op == Op::Cvttpd2pi;
    if ((op == Op::Cvtpi2ps && (insn.is_mem(1) || got.fault == kXm)) || (to_mmx && got.fault == kXm)) expected.x87 = got.x87;
    if (op == Op::Cvtpi2ps && insn.is_mem(1) && got.fault == kMf) expected = got;
}

std::string difference(const FpuCase& a, const FpuCase& b) {
    std::string d;
    if (a.fault != b.fault) d += " fault";
    if (a.mxcsr != b.mxcsr) d += " mxcsr";
    if (memcmp(&a.xmm, &b.xmm, sizeof a.xmm) != 0) d += " xmm";
    if (a.x87.control != b.x87.control || a.x87.status != b.x87.status) d += " x87-words";
    if (a.x87.tag != b.x87.tag) d += " tag";
    if (a.x87.significand != b.x87.significand || a.x87.exponent != b.x87.exponent) d += " x87-registers";
    if (a.eflags != b.eflags) d += " eflags";
    if (a.ecx != b.ecx || a.edx != b.edx) d += " general";
    if (a.memory != b.memory) d += " memory";
    return d;
}

void compare(FpuOracle& oracle, Random& random, unsigned cases) {
    unsigned differences = 0;
    for (unsigned n = 0; n < cases; ++n) {
        const FpuCase in = random_case(random, oracle.insn());
        FpuCase expected = oracle.native(in);
        const FpuCase got = oracle.emulated(in);
        forgive(oracle.insn(), expected, got);
        const std::string d = difference(expected, got);
        if (d.empty() || ++differences > 1) continue;
        ADD_FAILURE() << oracle.text() << ':' << d << "\nfrom " << in.describe() << "\nexpected " << expected.describe()
                      << "\ngot " << got.describe();
    }
    if (differences > 1) ADD_FAILURE() << oracle.text() << ": " << differences << " of " << cases;
}

bool has_immediate(const Insn& insn) {
    for (unsigned i = 0; i < insn.operand_count; ++i) {
        if (insn.operand[i].kind == OperandKind::Imm) return true;
    }
    return false;
}

// The form with register 1 (ECX, XMM1) and 2, and that with register 1 and [eAX]; groups with all their digits.
void compare_prefix(std::initializer_list<u8> prefix, std::set<Op>& seen) {
    FpuOracle oracle;
    Random random(prefix.size() == 0 ? 1 : *prefix.begin());
    for (unsigned opcode = 0x10; opcode < 0x100; ++opcode) {
        const bool group = (opcode >= 0x71 && opcode <= 0x73) || opcode == 0xae;
        for (unsigned digit = group ? 0 : 1; digit < (group ? 8u : 2u); ++digit) {
            for (const unsigned rm : {0xc2u, 0x00u}) {
                std::vector<u8> bytes(prefix);
                bytes.insert(bytes.end(), {0x0f, static_cast<u8>(opcode), static_cast<u8>(digit << 3 | rm), 0, 0});
                for (unsigned length = static_cast<unsigned>(bytes.size()) - 3; length <= bytes.size(); ++length) {
                    if (!oracle.set_instruction({bytes.data(), length})) continue;
                    const Insn& insn = oracle.insn();
                    if ((insn.form->attributes & (kMmx | kSse)) == 0 || excluded(insn.op)) break;
                    seen.insert(insn.op);
                    if (!has_immediate(insn)) {
                        compare(oracle, random, 600);
                        break;
                    }
                    for (unsigned n = 0; n < 40; ++n) {
                        bytes[length - 1] = static_cast<u8>(n < 20 ? n : random());
                        ASSERT_TRUE(oracle.set_instruction({bytes.data(), length}));
                        compare(oracle, random, 60);
                    }
                    break;
                }
            }
        }
    }
}

TEST(Simd, EveryInstructionMatchesTheHost) {
    std::set<Op> seen;
    compare_prefix({}, seen);
    compare_prefix({0x66}, seen);
    compare_prefix({0xf3}, seen);
    compare_prefix({0xf2}, seen);

    for (unsigned op = static_cast<unsigned>(Op::Emms); op < static_cast<unsigned>(Op::Count); ++op) {
        if (excluded(static_cast<Op>(op))) continue;
        EXPECT_TRUE(seen.count(static_cast<Op>(op)) != 0) << op_name(static_cast<Op>(op)) << " was not tried";
    }
}

}  // namespace
}  // namespace vmm::tcg::test
