// SPDX-License-Identifier: Apache-2.0
// x87 instructions against the host's processor: every encoding that is not transcendental, thousands of random states.
#include <gtest/gtest.h>

#include "tests/tcg/fpu_oracle.h"

namespace vmm::tcg::test {
namespace {

bool transcendental(Op op) {
    switch (op) {
    case Op::F2xm1: case Op::Fyl2x: case Op::Fyl2xp1: case Op::Fptan: case Op::Fpatan: case Op::Fsin: case Op::Fcos:
    case Op::Fsincos: return true;
    default: return false;
    }
}

bool compares(Op op) {
    switch (op) {
    case Op::Fcom: case Op::Fcomp: case Op::Fcompp: case Op::Ficom: case Op::Ficomp: case Op::Fucom: case Op::Fucomp:
    case Op::Fucompp: case Op::Ftst: case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip: return true;
    default: return false;
    }
}

// Images with pointers in them have tests of their own.
bool has_pointers(Op op) { return op == Op::Fnstenv || op == Op::Fldenv || op == Op::Fnsave || op == Op::Frstor; }

FpuCase random_case(Random& random, const Insn& insn) {
    FpuCase c;
    c.x87 = random_x87(random);
    c.eflags = static_cast<u32>(random()) & kArithFlags;
    const unsigned width = insn.operand[0].width;
    const F80 v = random_f80(random);
    for (unsigned i = 0; i < 16; ++i) c.memory[i] = static_cast<u8>(random());
    const bool integer = random() % 3 == 0;
    if (width == 4 && !integer) {
        const u32 f = random_f32(random);
        memcpy(c.memory.data(), &f, 4);
    } else if (width == 8 && !integer) {
        const u64 f = random_f64(random);
        memcpy(c.memory.data(), &f, 8);
    } else if (width == 10 && !integer) {
        memcpy(c.memory.data(), &v.significand, 8);
        memcpy(c.memory.data() + 8, &v.exponent, 2);
    } else if (insn.op == Op::Fbld) {
        for (unsigned i = 0; i < 9; ++i) c.memory[i] = static_cast<u8>(random() % 10 << 4 | random() % 10);
    }
    return c;
}

// What the manual leaves open or the host does otherwise; see exec_x87_arith.cc.
void forgive(const Insn& insn, const FpuCase& in, FpuCase& expected, const FpuCase& got) {
    // The host sets them even where an unmasked exception should leave no result.
    const bool stopped = (got.x87.status & ~in.x87.control & kX87PreExceptions) != 0;
    u16 open = insn.op == Op::Fcmov ? kX87C1 : u16{0};
    if (compares(insn.op)) {
        open |= kX87C1;
        if (stopped) {
            open |= kX87C0 | kX87C2 | kX87C3;
            expected.eflags = in.eflags;
        }
    }
    expected.x87.status = static_cast<u16>((expected.x87.status & ~open) | (got.x87.status & open));
}

std::string difference(const FpuCase& a, const FpuCase& b) {
    std::string d;
    if (a.fault != b.fault) d += " fault";
    if (a.x87.control != b.x87.control) d += " control";
    if (a.x87.status != b.x87.status) d += " status";
    if (a.x87.tag != b.x87.tag) d += " tag";
    if (a.x87.significand != b.x87.significand || a.x87.exponent != b.x87.exponent) d += " registers";
    if (a.eflags != b.eflags) d += " eflags";
    if (a.memory != b.memory) d += " memory";
    if (a.ax != b.ax) d += " ax";
    return d;
}

unsigned compare(FpuOracle& oracle, Random& random, unsigned cases) {
    unsigned differences = 0;
    for (unsigned n = 0; n < cases; ++n) {
        const FpuCase in = random_case(random, oracle.insn());
        FpuCase expected = oracle.native(in);
        const FpuCase got = oracle.emulated(in);
        forgive(oracle.insn(), in, expected, got);
        const std::string d = difference(expected, got);
        if (d.empty()) continue;
        if (++differences > 1) continue;
        ADD_FAILURE() << oracle.text() << ':' << d << "\nfrom " << in.describe() << "\nexpected "
                      << expected.describe() << "\ngot " << got.describe();
    }
    if (differences > 1) ADD_FAILURE() << oracle.text() << ": " << differences << " of " << cases;
    return differences;
}

void compare_escape(u8 escape) {
    FpuOracle oracle;
    Random random(escape);
    for (unsigned modrm = 0; modrm < 256; ++modrm) {
        const bool memory = modrm < 0x40 && (modrm & 7) == 0;       // [eAX]
        if (!memory && modrm < 0xc0) continue;
        const u8 bytes[2] = {escape, static_cast<u8>(modrm)};
        if (!oracle.set_instruction(bytes)) continue;
        const Op op = oracle.insn().op;
        if (transcendental(op) || has_pointers(op)) continue;
        compare(oracle, random, memory || modrm % 8 == 0 || escape == 0xd9 ? 3000 : 400);
    }
}

TEST(X87, EscapeD8MatchesTheHost) { compare_escape(0xd8); }
TEST(X87, EscapeD9MatchesTheHost) { compare_escape(0xd9); }
TEST(X87, EscapeDaMatchesTheHost) { compare_escape(0xda); }
TEST(X87, EscapeDbMatchesTheHost) { compare_escape(0xdb); }
TEST(X87, EscapeDcMatchesTheHost) { compare_escape(0xdc); }
TEST(X87, EscapeDdMatchesTheHost) { compare_escape(0xdd); }
TEST(X87, EscapeDeMatchesTheHost) { compare_escape(0xde); }
TEST(X87, EscapeDfMatchesTheHost) { compare_escape(0xdf); }

}  // namespace
}  // namespace vmm::tcg::test
