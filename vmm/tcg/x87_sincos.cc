// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/x87_sincos.h"

#include <array>
#include <bit>

namespace vmm::tcg {
namespace {

constexpr int kBias = 16383;
constexpr int kTerms = 17;

constexpr u128 join(u64 high, u64 low) { return u128{high} << 64 | low; }
// pi / 4 as a fraction, and 2 / pi as one of 256 bits, low word first.
constexpr u128 kQuarterPi = join(0xc90fdaa22168c234, 0xc4c6628b80dc1cd1);
constexpr std::array<u64, 4> kTwoOverPi = {0xfe5163abdebbc561, 0xdb6295993c439041, 0xfc2757d1f534ddc0, 0xa2f9836e4e441529};

// 1 / (first)!, 1 / (first + 2)!, ... as fractions.
constexpr std::array<u128, kTerms> reciprocal_factorials(unsigned first) {
    std::array<u128, kTerms> c{};
    u128 v = u128{1} << 127;                             // 1 / 2!
    for (unsigned n = 2, i = 0; i < kTerms; v /= ++n)
        if (n >= first && (n - first) % 2 == 0) c[i++] = v;
    return c;
}
constexpr auto kSineTerms = reciprocal_factorials(3), kCosineTerms = reciprocal_factorials(2);

// The product of two fractions, a few units too low at most.
u128 product(u128 a, u128 b) {
    const u64 ah = static_cast<u64>(a >> 64), al = static_cast<u64>(a), bh = static_cast<u64>(b >> 64), bl = static_cast<u64>(b);
    return u128{ah} * bh + (u128{ah} * bl >> 64) + (u128{al} * bh >> 64);
}

// z (t0 - z (t1 - z (t2 - ...)))
u128 series(const std::array<u128, kTerms>& terms, u128 z) {
    u128 sum = terms[kTerms - 1];
    for (unsigned i = kTerms - 1; i-- > 0;) sum = terms[i] - product(z, sum);
    return product(z, sum);
}

// r = +- fraction * 2^exponent, fraction in [1/2, 1).
struct Reduced {
    unsigned quadrant;
    bool negative;
    u128 fraction;
    int exponent;
    u128 square() const {
        const int shift = -2 * exponent;
        return shift >= 128 ? 0 : product(fraction, fraction) >> shift;
    }
};

Reduced reduce(const F80& x) {
    const unsigned shift = static_cast<unsigned>(63 + kBias - (x.exponent & 0x7fff));    // 1 to 133: |x| = significand / 2^shift
    std::array<u64, 8> p{};
    u64 carry = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const u128 t = u128{x.significand} * kTwoOverPi[i] + carry;
        p[i] = static_cast<u64>(t);
        carry = static_cast<u64>(t >> 64);
    }
    p[4] = carry;
    // Down by `shift`: four words of fraction and one that ends in the quadrant.
    std::array<u64, 5> q;
    const unsigned words = shift / 64, bits = shift % 64;
    for (unsigned i = 0; i < 5; ++i) {
        const u64 low = p[i + words], high = i + words + 1 < p.size() ? p[i + words + 1] : 0;
        q[i] = bits == 0 ? low : low >> bits | high << (64 - bits);
    }
    Reduced r;
    r.quadrant = static_cast<unsigned>(q[4] & 3);
    r.negative = q[3] >> 63 != 0;
    if (r.negative) {
        r.quadrant = (r.quadrant + 1) & 3;
        u64 borrow = 1;
        for (unsigned i = 0; i < 4; ++i) {
            q[i] = ~q[i] + borrow;
            borrow = borrow != 0 && q[i] == 0 ? 1 : 0;
        }
    }
    // The first 128 bits that count. No 64-bit number is nearer than 2^-70 to a multiple of pi / 2.
    unsigned zeros = 0, top = 3;
    while (q[top] == 0 && top > 1) --top, zeros += 64;
    const unsigned more = static_cast<unsigned>(std::countl_zero(q[top] | 1));
    zeros += more;
    const u64 below = top >= 2 ? q[top - 2] : 0;
    u128 fraction = join(q[top], q[top - 1]) << more;
    if (more != 0) fraction |= below >> (64 - more);
    r.fraction = product(fraction, kQuarterPi);          // |r| = 2 * this / 2^zeros
    r.exponent = 1 - static_cast<int>(zeros);
    if (r.fraction >> 127 == 0) {
        r.fraction <<= 1;
        r.exponent -= 1;
    }
    return r;
}

FixedResult result(u128 fraction, int exponent, bool negative) {
    if (fraction >> 127 == 0) {
        fraction <<= 1;
        exponent -= 1;
    }
    const u128 bits = (u128{negative ? 1u : 0u} << 127) | u128{static_cast<unsigned>(kBias + exponent - 1)} << 112 | fraction << 1 >> 16;
    return {std::bit_cast<Quad>(bits), Tail::Inexact};
}

FixedResult sine_of(const Reduced& r, bool negative) {
    return result(r.fraction - product(r.fraction, series(kSineTerms, r.square())), r.exponent, negative);
}

FixedResult cosine_of(const Reduced& r, bool negative) {
    const u128 less = series(kCosineTerms, r.square());
    if (less == 0) return {negative ? Quad{-1} : Quad{1}, Tail::Below};
    return result(0 - less, 0, negative);
}

}  // namespace

FixedResult fixed_sine(const F80& x) {
    const Reduced r = reduce(x);
    const bool negative = (x.exponent >> 15 != 0) != (r.quadrant >= 2);
    return (r.quadrant & 1) != 0 ? cosine_of(r, negative) : sine_of(r, negative != r.negative);
}

FixedResult fixed_cosine(const F80& x) {
    const Reduced r = reduce(x);
    const bool negative = r.quadrant == 1 || r.quadrant == 2;
    return (r.quadrant & 1) != 0 ? sine_of(r, negative != r.negative) : cosine_of(r, negative);
}

}  // namespace vmm::tcg
