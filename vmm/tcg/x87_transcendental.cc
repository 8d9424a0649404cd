// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/x87_transcendental.h"

#include <quadmath.h>

#include <bit>

#include "vmm/tcg/x87_host.h"
#include "vmm/tcg/x87_round.h"
#include "vmm/tcg/x87_sincos.h"

namespace vmm::tcg {
namespace {

// Below 2^kTiny the first term of each series is all that 113 bits can hold, and the next one is a Tail.
constexpr int kTiny = -70;
constexpr int kRangeExponent = 63;           // FSIN and its like: |x| < 2^63
constexpr u16 kExponentBias = 0x3fff;

// Written as bits: the Q suffix is not C++.
constexpr Quad quad(u64 high, u64 low) { return std::bit_cast<Quad>(u128{high} << 64 | low); }
constexpr Quad kPi = quad(0x4000921fb54442d1, 0x8469898cc51701b8);
constexpr Quad kLn2 = quad(0x3ffe62e42fefa39e, 0xf35793c7673007e6);
constexpr Quad kLog2E = quad(0x3fff71547652b82f, 0xe1777d0ffda0d23a);
constexpr Quad kSqrt2 = quad(0x3fff6a09e667f3bc, 0xc908b2fb1366ea95);

bool negative(const F80& v) { return v.exponent >> 15 != 0; }
F80 zero(bool sign) { return {0, static_cast<u16>(sign ? 0x8000 : 0)}; }
F80 infinity(bool sign) { return {u64{1} << 63, static_cast<u16>(sign ? 0xffff : 0x7fff)}; }
F80 one(bool sign) { return {u64{1} << 63, static_cast<u16>((sign ? 0x8000 : 0) | kExponentBias)}; }

X87Computed invalid() { return {kF80Indefinite, kF80Indefinite, kX87Ie}; }
X87Computed exact(const F80& v, u16 status = 0) { return {v, {}, status}; }

// NaN and unsupported operands: the same rule for all instructions, so FADD is asked.
X87Computed nan_result(const F80& a, const F80& b, u16 control) {
    const x87_host::Result r = x87_host::Add::run(a, b, control);
    return {r.value, r.value, static_cast<u16>(r.status & kX87Exceptions)};
}

u16 denormal_flag(F80Class a) { return a == F80Class::Denormal ? kX87De : 0; }
u16 denormal_flag(F80Class a, F80Class b) { return denormal_flag(a) | denormal_flag(b); }
// Nothing is computed then.
bool stops(u16 status, u16 control) { return (status & ~control & kX87PreExceptions) != 0; }

X87Computed rounded(Quad value, int exponent, Tail tail, u16 control, u16 status) {
    X87Computed r;
    r.status = status;
    r.value = round_quad(value, exponent, tail, control, r.status);
    return r;
}

// --- sine, cosine, tangent ---------------------------------------------------------------------------------

F80 sine(const F80& x, u16 control, u16& status) {
    const Scaled s = scaled(x);
    if (s.exponent < kTiny) return round_quad(s.significand, s.exponent, Tail::Below, control, status);
    const FixedResult r = fixed_sine(x);
    return round_quad(r.value, 0, r.tail, control, status);
}

F80 cosine(const F80& x, u16 control, u16& status) {
    if (scaled(x).exponent < kTiny) return round_quad(1, 0, Tail::Below, control, status);
    const FixedResult r = fixed_cosine(x);
    return round_quad(r.value, 0, r.tail, control, status);
}

F80 tangent(const F80& x, u16 control, u16& status) {
    const Scaled s = scaled(x);
    if (s.exponent < kTiny) return round_quad(s.significand, s.exponent, Tail::Above, control, status);
    return round_quad(tanq(to_quad(x)), 0, Tail::Inexact, control, status);
}

// The operand classes that all of them treat alike. True: `r` is the answer.
bool trigonometric_special(const F80& x, u16 control, X87Computed& r) {
    const F80Class c = classify(x);
    if (is_nan_class(c)) {
        r = nan_result(x, {}, control);
    } else if (c == F80Class::Infinity) {
        r = invalid();
    } else if ((x.exponent & 0x7fff) >= kExponentBias + kRangeExponent) {
        r = {x, x, kX87C2};
    } else {
        r.status = denormal_flag(c);
        return stops(r.status, control);
    }
    return true;
}

}  // namespace

F80Class classify(const F80& v) {
    const unsigned exponent = v.exponent & 0x7fffu;
    const bool integer_bit = v.significand >> 63 != 0;
    if (exponent == 0) return v.significand == 0 ? F80Class::Zero : F80Class::Denormal;
    if (!integer_bit) return F80Class::Unsupported;
    if (exponent != 0x7fff) return F80Class::Normal;
    if (v.significand << 1 == 0) return F80Class::Infinity;
    return (v.significand >> 62 & 1) != 0 ? F80Class::QNan : F80Class::SNan;
}

X87Computed compute_fsin(const F80& x, u16 control) {
    X87Computed r;
    if (trigonometric_special(x, control, r)) return r;
    r.value = classify(x) == F80Class::Zero ? x : sine(x, control, r.status);
    return r;
}

X87Computed compute_fcos(const F80& x, u16 control) {
    X87Computed r;
    if (trigonometric_special(x, control, r)) return r;
    r.value = classify(x) == F80Class::Zero ? kF80One : cosine(x, control, r.status);
    return r;
}

X87Computed compute_fsincos(const F80& x, u16 control) {
    X87Computed r;
    if (trigonometric_special(x, control, r)) return r;
    if (classify(x) == F80Class::Zero) {
        r.value = x;
        r.second = kF80One;
        return r;
    }
    r.value = sine(x, control, r.status);
    r.status &= static_cast<u16>(~kX87C1);
    r.second = cosine(x, control, r.status);        // C1 tells of the value that ends in ST(0)
    return r;
}

X87Computed compute_fptan(const F80& x, u16 control) {
    X87Computed r;
    if (trigonometric_special(x, control, r)) {
        if ((r.status & kX87Ie) == 0 && is_nan_class(classify(x))) r.second = r.value;
        return r;
    }
    r.value = classify(x) == F80Class::Zero ? x : tangent(x, control, r.status);
    r.second = kF80One;
    return r;
}

// --- 2^x - 1 -------------------------------------------------------------------------------------------------

X87Computed compute_f2xm1(const F80& x, u16 control) {
    const F80Class c = classify(x);
    if (is_nan_class(c)) return nan_result(x, {}, control);
    if (c == F80Class::Infinity) return exact(negative(x) ? one(true) : x);
    if (c == F80Class::Zero) return exact(x);
    const u16 status = denormal_flag(c);
    if (stops(status, control)) return exact(x, status);
    const Scaled s = scaled(x);
    if (s.exponent >= 0) {
        const bool is_one = s.exponent == 0 && x.significand << 1 == 0;
        if (is_one && negative(x)) return exact({u64{1} << 63, static_cast<u16>(0x8000 | (kExponentBias - 1))});
        return exact(x);                            // 1 gives 1; beyond is undefined
    }
    if (s.exponent < -120) return rounded(s.significand * kLn2, s.exponent, Tail::Inexact, control, status);
    return rounded(expm1q(to_quad(x) * kLn2), 0, Tail::Inexact, control, status);
}

// --- arctangent ----------------------------------------------------------------------------------------------

X87Computed compute_fpatan(const F80& x, const F80& y, u16 control) {
    const F80Class cx = classify(x), cy = classify(y);
    if (is_nan_class(cx) || is_nan_class(cy)) return nan_result(x, y, control);
    const u16 status = denormal_flag(cx, cy);
    if (stops(status, control)) return exact(x, status);
    const Quad sign = negative(y) ? -1 : 1;
    const bool left = negative(x);
    const auto angle = [&](Quad value) { return rounded(sign * value, 0, Tail::Inexact, control, status); };
    if (cy == F80Class::Infinity) {
        if (cx == F80Class::Infinity) return angle(left ? 3 * (kPi / 4) : kPi / 4);
        return angle(kPi / 2);
    }
    if (cy == F80Class::Zero || cx == F80Class::Infinity) {
        return left ? angle(kPi) : exact(zero(negative(y)), status);
    }
    if (cx == F80Class::Zero) return angle(kPi / 2);
    const Scaled sx = scaled(x), sy = scaled(y);
    const int difference = sy.exponent - sx.exponent;
    if (difference > 130) return angle(kPi / 2);
    if (difference < -130) {
        if (left) return angle(kPi);
        return rounded(sy.significand / sx.significand, difference, Tail::Below, control, status);
    }
    // Both near 1, so that nothing inside overflows.
    return rounded(atan2q(scalbnq(sy.significand, difference), sx.significand), 0, Tail::Inexact, control, status);
}

// --- logarithms -------------------------------------------------------------------------------------------------

namespace {

// log2 of a positive number, to about 111 bits also next to 1.
Quad log2_near(const Scaled& x) {
    Quad m = x.significand;
    int k = x.exponent;
    if (m > kSqrt2) {
        m /= 2;
        k += 1;
    }
    return k + log1pq(m - 1) * kLog2E;
}

// Of y * log 0. #Z is found before #D, and then nothing else is.
u16 divide_flags(F80Class cy) { return cy == F80Class::Infinity ? 0 : kX87Ze; }

// The results of y * log where the logarithm is a special value: -inf (argument zero), zero, +inf, or y is infinite.
X87Computed times_infinite_log(const F80& y, F80Class cy, bool log_negative, u16 status) {
    if (cy == F80Class::Zero) return invalid();
    return exact(infinity(negative(y) != log_negative), status);
}

}  // namespace

X87Computed compute_fyl2x(const F80& x, const F80& y, u16 control) {
    const F80Class cx = classify(x), cy = classify(y);
    if (is_nan_class(cx) || is_nan_class(cy)) return nan_result(x, y, control);
    if (cx == F80Class::Zero) {
        return times_infinite_log(y, cy, true, divide_flags(cy));
    }
    if (negative(x)) return invalid();
    const u16 status = denormal_flag(cx, cy);
    if (cx == F80Class::Infinity) {
        return cy == F80Class::Zero ? invalid() : exact(infinity(negative(y)), status);
    }
    const Scaled sx = scaled(x);
    const bool power_of_two = sx.significand == 1;
    const bool is_one = power_of_two && sx.exponent == 0;
    const bool below_one = sx.exponent < 0;
    if (cy == F80Class::Infinity && is_one) return invalid();
    if (stops(status, control)) return exact(x, status);
    if (cy == F80Class::Infinity) return exact(infinity(negative(y) != below_one), status);
    if (cy == F80Class::Zero || is_one) return exact(zero(negative(y) != below_one), status);
    const Scaled sy = scaled(y);
    if (power_of_two) return rounded(sy.significand * sx.exponent, sy.exponent, Tail::Exact, control, status);
    return rounded(sy.significand * log2_near(sx), sy.exponent, Tail::Inexact, control, status);
}

X87Computed compute_fyl2xp1(const F80& x, const F80& y, u16 control) {
    const F80Class cx = classify(x), cy = classify(y);
    if (is_nan_class(cx) || is_nan_class(cy)) return nan_result(x, y, control);
    const u16 status = denormal_flag(cx, cy);
    if (cx == F80Class::Zero) {
        if (cy == F80Class::Infinity) return invalid();
        return exact(zero(negative(x) != negative(y)), status);
    }
    if (cx == F80Class::Infinity) {
        if (negative(x)) return invalid();
        return times_infinite_log(y, cy, false, status);
    }
    const Scaled sx = scaled(x);
    if (negative(x) && sx.exponent >= 0) {
        if (sx.exponent != 0 || sx.significand != -1) return invalid();
        return times_infinite_log(y, cy, true, divide_flags(cy));
    }
    if (stops(status, control)) return exact(x, status);
    if (cy == F80Class::Infinity) return exact(infinity(negative(x) != negative(y)), status);
    if (cy == F80Class::Zero) return exact(zero(negative(x) != negative(y)), status);
    const Scaled sy = scaled(y);
    if (sx.exponent < -120) {
        return rounded(sx.significand * kLog2E * sy.significand, sx.exponent + sy.exponent, Tail::Inexact, control,
                       status);
    }
    const Quad log = sx.exponent > 120 ? log2_near(sx) : log1pq(to_quad(x)) * kLog2E;
    return rounded(log * sy.significand, sy.exponent, Tail::Inexact, control, status);
}

}  // namespace vmm::tcg
