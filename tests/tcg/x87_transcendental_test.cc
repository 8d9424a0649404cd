// SPDX-License-Identifier: Apache-2.0
// Transcendental x87 instructions: values against MPFR with 400 bits, special operands and flags against the host.
// VMM_TRANSCENDENTAL_CASES: how many of each kind under each rounding (2500).
#include <gtest/gtest.h>

#include <mpfr.h>

#include <bit>
#include <cstdlib>

#include "tests/tcg/fpu_oracle.h"
#include "vmm/tcg/x87_transcendental.h"

namespace vmm::tcg::test {
namespace {

constexpr mpfr_prec_t kPrecision = 400;
constexpr u16 kNearest = 0x37f, kDown = 0x77f, kUp = 0xb7f, kZero = 0xf7f;

class Big {
  public:
    Big() { mpfr_init2(v, kPrecision); }
    explicit Big(const F80& f) : Big() {
        mpfr_set_ui(v, f.significand, MPFR_RNDN);
        const int biased = (f.exponent & 0x7fff) == 0 ? 1 : f.exponent & 0x7fff;
        mpfr_mul_2si(v, v, biased - 16383 - 63, MPFR_RNDN);
        if (f.exponent >> 15 != 0) mpfr_neg(v, v, MPFR_RNDN);
    }
    Big(const Big&) = delete;
    Big& operator=(const Big&) = delete;
    ~Big() { mpfr_clear(v); }
    mpfr_t v;
};

// |got - truth| in units of the last place of a 64-bit significand.
double error_in_ulps(const F80& got, const Big& truth) {
    const Big g(got);
    Big d;
    mpfr_sub(d.v, g.v, truth.v, MPFR_RNDN);
    mpfr_abs(d.v, d.v, MPFR_RNDN);
    const mpfr_exp_t exponent = std::max<mpfr_exp_t>(mpfr_get_exp(truth.v) - 1, -16382);
    mpfr_mul_2si(d.v, d.v, 63 - exponent, MPFR_RNDN);
    return mpfr_get_d(d.v, MPFR_RNDU);
}

F80 value(Random& random, int lowest, int highest) {
    F80 v;
    v.significand = random() | u64{1} << 63;
    if (random() % 4 == 0) v.significand &= ~u64{0} << random() % 64;
    const auto range = static_cast<u64>(highest - lowest + 1);
    v.exponent = static_cast<u16>(lowest + static_cast<int>(random() % range) + 16383);
    if (random() % 2 == 0) v.exponent |= 0x8000;
    return v;
}
F80 positive(F80 v) {
    v.exponent &= 0x7fff;
    return v;
}

int cases() {
    const char* const text = std::getenv("VMM_TRANSCENDENTAL_CASES");
    return text != nullptr ? std::atoi(text) : 2500;
}

// Rounding to nearest is right but for ties that 113 bits cannot tell; the other modes stay below one unit.
template <class Compute, class Truth, class Generate>
void expect_accurate(Compute compute, Truth truth, Generate generate) {
    Random random(7);
    for (const u16 control : {kNearest, kDown, kUp, kZero}) {
        for (int n = 0; n < cases(); ++n) {
            const std::pair<F80, F80> xy = generate(random);
            const X87Computed r = compute(xy.first, xy.second, control);
            const Big x(xy.first), y(xy.second);
            Big t;
            truth(t.v, x.v, y.v);
            if (mpfr_get_exp(t.v) > 16384) continue;
            const double error = error_in_ulps(r.value, t);
            ASSERT_LE(error, control == kNearest ? 0.500001 : 1.000001)
                << std::hex << "x " << xy.first.exponent << ':' << xy.first.significand << " y " << xy.second.exponent << ':'
                << xy.second.significand << " control " << control << " got " << r.value.exponent << ':' << r.value.significand;
            ASSERT_EQ(r.status & (kX87Ie | kX87Ze | kX87Oe), 0);
        }
    }
}

// From an instruction of one operand to the form of two.
template <X87Computed (*Compute)(const F80&, u16)>
X87Computed of_x(const F80& x, const F80&, u16 control) { return Compute(x, control); }
template <X87Computed (*Compute)(const F80&, u16)>
X87Computed second_of_x(const F80& x, const F80&, u16 control) {
    X87Computed r = Compute(x, control);
    r.value = r.second;
    return r;
}

std::pair<F80, F80> angle(Random& random) { return {random() % 2 == 0 ? value(random, -80, 62) : value(random, -6, 6), {}}; }

TEST(X87Transcendental, FsinIsWithinOneUnit) {
    expect_accurate(of_x<compute_fsin>, [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr) { mpfr_sin(t, x, MPFR_RNDN); }, angle);
}
TEST(X87Transcendental, FcosIsWithinOneUnit) {
    expect_accurate(of_x<compute_fcos>, [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr) { mpfr_cos(t, x, MPFR_RNDN); }, angle);
}
TEST(X87Transcendental, FptanIsWithinOneUnit) {
    expect_accurate(of_x<compute_fptan>, [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr) { mpfr_tan(t, x, MPFR_RNDN); }, angle);
}
TEST(X87Transcendental, FsincosIsWithinOneUnit) {
    expect_accurate(of_x<compute_fsincos>, [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr) { mpfr_sin(t, x, MPFR_RNDN); }, angle);
    expect_accurate(second_of_x<compute_fsincos>, [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr) { mpfr_cos(t, x, MPFR_RNDN); }, angle);
}
// The numbers next to k pi / 2, where sine or cosine nearly vanish and the reduction loses most: k to 2^62, log-uniform.
std::pair<F80, F80> near_a_zero(Random& random) {
    Big x, half_pi;
    mpfr_const_pi(half_pi.v, MPFR_RNDN);
    mpfr_div_2ui(half_pi.v, half_pi.v, 1, MPFR_RNDN);
    const u64 k = (random() >> 2 | u64{1} << 61) >> random() % 62;
    mpfr_set_ui(x.v, k, MPFR_RNDN);
    mpfr_mul(x.v, x.v, half_pi.v, MPFR_RNDN);
    F80 f;
    const mpfr_exp_t exponent = mpfr_get_exp(x.v);
    mpfr_mul_2si(x.v, x.v, 64 - exponent, MPFR_RNDN);
    f.significand = (mpfr_get_ui(x.v, MPFR_RNDN) + random() % 5 - 2) | u64{1} << 63;
    f.exponent = static_cast<u16>(exponent - 1 + 16383);
    if (random() % 2 == 0) f.exponent |= 0x8000;
    return {f, {}};
}
// Each power of two that FSIN takes has its turn, the denormals among them.
std::pair<F80, F80> any_size(Random& random) {
    F80 v = value(random, -16382, 62);
    if (random() % 8 == 0) v = {random() >> (1 + random() % 63) | 1, static_cast<u16>(v.exponent & 0x8000)};
    return {v, {}};
}
void expect_sine_and_cosine(std::pair<F80, F80> (*generate)(Random&)) {
    const auto sine = [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr) { mpfr_sin(t, x, MPFR_RNDN); };
    const auto cosine = [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr) { mpfr_cos(t, x, MPFR_RNDN); };
    expect_accurate(of_x<compute_fsin>, sine, generate);
    expect_accurate(of_x<compute_fcos>, cosine, generate);
    expect_accurate(of_x<compute_fsincos>, sine, generate);
    expect_accurate(second_of_x<compute_fsincos>, cosine, generate);
}
TEST(X87Transcendental, SineAndCosineNearTheirZerosAreWithinOneUnit) { expect_sine_and_cosine(near_a_zero); }
TEST(X87Transcendental, SineAndCosineOfEverySizeAreWithinOneUnit) { expect_sine_and_cosine(any_size); }
TEST(X87Transcendental, FptanNearItsZerosAndPolesIsWithinOneUnit) {
    expect_accurate(of_x<compute_fptan>, [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr) { mpfr_tan(t, x, MPFR_RNDN); }, near_a_zero);
}
TEST(X87Transcendental, FsinOfMultiplesOfPiUsesAllOfPi) {
    // pi rounded to 64 bits; its sine is what was cut off.
    const F80 pi{0xc90fdaa22168c235, 0x4000};
    Big t;
    mpfr_sin(t.v, Big(pi).v, MPFR_RNDN);
    EXPECT_LE(error_in_ulps(compute_fsin(pi, kNearest).value, t), 0.500001);
}
TEST(X87Transcendental, F2xm1IsWithinOneUnit) {
    expect_accurate(of_x<compute_f2xm1>,
                    [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr) {
                        // 2^x - 1 = expm1(x ln 2)
                        Big ln2;
                        mpfr_const_log2(ln2.v, MPFR_RNDN);
                        mpfr_mul(t, x, ln2.v, MPFR_RNDN);
                        mpfr_expm1(t, t, MPFR_RNDN);
                    },
                    [](Random& random) { return std::pair{value(random, random() % 2 == 0 ? -16382 : -80, -1), F80{}}; });
}
TEST(X87Transcendental, FpatanIsWithinOneUnit) {
    expect_accurate(compute_fpatan, [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr y) { mpfr_atan2(t, y, x, MPFR_RNDN); },
                    [](Random& random) {
                        const int reach = random() % 4 == 0 ? 8000 : 40;
                        return std::pair{value(random, -reach, reach), value(random, -reach, reach)};
                    });
}
TEST(X87Transcendental, Fyl2xIsWithinOneUnit) {
    expect_accurate(compute_fyl2x,
                    [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr y) {
                        mpfr_log2(t, x, MPFR_RNDN);
                        mpfr_mul(t, t, y, MPFR_RNDN);
                    },
                    [](Random& random) {
                        F80 x = positive(value(random, -16382, 16383));
                        if (random() % 2 == 0) x = positive(value(random, -1, 0));
                        if (random() % 8 == 0) x = {u64{1} << 63 | random() >> (1 + random() % 62) | 1, 0x3fff};   // just above 1
                        return std::pair{x, value(random, random() % 4 == 0 ? -16300 : -20, 50)};
                    });
}
TEST(X87Transcendental, Fyl2xp1IsWithinOneUnit) {
    expect_accurate(compute_fyl2xp1,
                    [](mpfr_t t, mpfr_srcptr x, mpfr_srcptr y) {
                        // log1p(x) / ln 2
                        Big ln2;
                        mpfr_const_log2(ln2.v, MPFR_RNDN);
                        mpfr_log1p(t, x, MPFR_RNDN);
                        mpfr_div(t, t, ln2.v, MPFR_RNDN);
                        mpfr_mul(t, t, y, MPFR_RNDN);
                    },
                    [](Random& random) {
                        return std::pair{value(random, random() % 4 == 0 ? -8000 : -70, -2), value(random, -4000, 4000)};
                    });
}

// --- flags, tags, special operands -------------------------------------------------------------------------

bool special(const F80& v) { return v.exponent == 0 ? v.significand == 0 : (v.exponent & 0x7fff) == 0x7fff; }

bool documented(Op op, const F80& x) {
    const int exponent = (x.exponent & 0x7fff) - 16383;
    if (op == Op::F2xm1) return exponent < 0 || exponent == 16384 || (exponent == 0 && x.significand << 1 == 0);
    if (op == Op::Fyl2xp1) return exponent < -2;
    return true;
}

void expect_flags_as_host(u8 modrm) {
    FpuOracle oracle;
    Random random(modrm);
    const u8 bytes[2] = {0xd9, modrm};
    ASSERT_TRUE(oracle.set_instruction(bytes));
    unsigned differences = 0;
    for (int n = 0; n < 6000; ++n) {
        FpuCase in;
        in.x87 = random_x87(random);
        if (!documented(oracle.insn().op, x87_get(in.x87, 0)) && !x87_empty(in.x87, 0)) continue;
        const FpuCase expected = oracle.native(in), got = oracle.emulated(in);
        // C1 tells which way an inexact value was rounded, which one unit of tolerance leaves open.
        u16 open = (expected.x87.status & kX87Sf) == 0 ? kX87C1 : 0;
        // The host calls results inexact that are exact: 2^1 - 1, and logarithms of powers of two.
        if (std::has_single_bit(x87_get(in.x87, 0).significand)) open |= kX87Pe | kX87Ue | kX87Es | kX87Busy;
        std::string d;
        if (((expected.x87.status ^ got.x87.status) & ~open) != 0) d += " status";
        if (expected.x87.tag != got.x87.tag) d += " tag";
        if (expected.fault != got.fault) d += " fault";
        for (unsigned i = 0; i < 8; ++i) {
            const F80 e = x87_get(expected.x87, i), g = x87_get(got.x87, i);
            if (e == g || (i < 2 && !special(e) && !special(g))) continue;
            d += " st" + std::to_string(i);
        }
        if (d.empty() || ++differences > 3) continue;
        ADD_FAILURE() << oracle.text() << d << "\nfrom " << in.describe() << "\nexpected " << expected.describe() << "\ngot "
                      << got.describe();
    }
    EXPECT_EQ(differences, 0u);
}

TEST(X87Transcendental, F2xm1FlagsMatchTheHost) { expect_flags_as_host(0xf0); }
TEST(X87Transcendental, Fyl2xFlagsMatchTheHost) { expect_flags_as_host(0xf1); }
TEST(X87Transcendental, FptanFlagsMatchTheHost) { expect_flags_as_host(0xf2); }
TEST(X87Transcendental, FpatanFlagsMatchTheHost) { expect_flags_as_host(0xf3); }
TEST(X87Transcendental, Fyl2xp1FlagsMatchTheHost) { expect_flags_as_host(0xf9); }
TEST(X87Transcendental, FsincosFlagsMatchTheHost) { expect_flags_as_host(0xfb); }
TEST(X87Transcendental, FsinFlagsMatchTheHost) { expect_flags_as_host(0xfe); }
TEST(X87Transcendental, FcosFlagsMatchTheHost) { expect_flags_as_host(0xff); }

}  // namespace
}  // namespace vmm::tcg::test
