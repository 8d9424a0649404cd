// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/x87_round.h"

#include <bit>

namespace vmm::tcg {
namespace {

constexpr int kBias = 16383, kMinExponent = -16382, kMaxExponent = 16383;
constexpr int kExponentAdjust = 24576;      // of unmasked overflow and underflow
constexpr int kQuadFraction = 112;
constexpr int kGuard = 14;                  // bits kept below the 113, so that Tail has a place

int leading_zeros(u128 v) {
    const u64 high = static_cast<u64>(v >> 64);
    return high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(static_cast<u64>(v));
}

struct Rounded {
    u128 q;
    bool inexact, up;
};

// `m` / 2^shift to an integer; `inexact`: there is more below.
Rounded shift_round(u128 m, int shift, bool negative, Rounding mode) {
    if (shift > 127) {
        m = m != 0 ? 1 : 0;
        shift = 127;
    }
    const u128 q = m >> shift, rest = m & ((u128{1} << shift) - 1), half = u128{1} << (shift - 1);
    bool up = false;
    switch (mode) {
    case Rounding::Nearest: up = rest > half || (rest == half && (q & 1) != 0); break;
    case Rounding::Down: up = negative && rest != 0; break;
    case Rounding::Up: up = !negative && rest != 0; break;
    case Rounding::Zero: break;
    }
    return {q + (up ? 1 : 0), rest != 0, up};
}

}  // namespace

Quad to_quad(const F80& v) {
    u128 bits = static_cast<u128>(v.exponent & 0x8000) << kQuadFraction;
    const u128 biased = v.exponent & 0x7fff;
    // A denormal's significand lands as one; a pseudo-denormal's integer bit makes the exponent 1.
    bits |= biased == 0 ? u128{v.significand} << 49 : (biased << kQuadFraction) | u128{v.significand << 1} << 48;
    return std::bit_cast<Quad>(bits);
}

Scaled scaled(const F80& v) {
    const int leading = std::countl_zero(v.significand);
    const int biased = (v.exponent & 0x7fff) == 0 ? 1 : v.exponent & 0x7fff;
    const F80 one{v.significand << leading, static_cast<u16>((v.exponent & 0x8000) | kBias)};
    return {to_quad(one), biased - leading - kBias};
}

F80 round_quad(Quad value, int exponent, Tail tail, u16 control, u16& status) {
    const u128 bits = std::bit_cast<u128>(value);
    const bool negative = bits >> 127 != 0;
    const u16 sign = negative ? 0x8000 : 0;
    const Rounding mode = x87_rounding(control);
    const int biased = static_cast<int>(bits >> kQuadFraction & 0x7fff);
    u128 m = bits & ((u128{1} << kQuadFraction) - 1);
    if (biased != 0) m |= u128{1} << kQuadFraction;
    int e = exponent + (biased == 0 ? 1 : biased) - kBias;
    const int normalise = leading_zeros(m) - 15;
    m <<= normalise + kGuard;
    e -= normalise;
    // m has its top bit at 126 now, and the value is m / 2^126 * 2^e.
    if (tail == Tail::Below) m -= 1;
    if (tail == Tail::Above) m |= 1;
    if (m >> 126 == 0) {
        m = m << 1 | 1;
        e -= 1;
    }
    constexpr int kShift = 63;
    Rounded r = shift_round(m, kShift, negative, mode);
    int top = e;
    if (r.q >> 64 != 0) {
        r.q >>= 1;
        top += 1;
    }
    bool inexact = r.inexact || tail != Tail::Exact;
    if (top > kMaxExponent) {
        status |= kX87Oe;
        if ((control & kX87Oe) != 0) {
            const bool to_infinity = mode == Rounding::Nearest || (mode == Rounding::Up) == !negative;
            const bool infinity = mode != Rounding::Zero && to_infinity;
            status |= static_cast<u16>(kX87Pe | (infinity ? kX87C1 : 0));
            return infinity ? F80{u64{1} << 63, static_cast<u16>(sign | 0x7fff)}
                            : F80{~u64{0}, static_cast<u16>(sign | 0x7ffe)};
        }
        top -= kExponentAdjust;
    } else if (top < kMinExponent) {
        if ((control & kX87Ue) != 0) {
            r = shift_round(m, kShift + (kMinExponent - e), negative, mode);
            inexact = r.inexact || tail != Tail::Exact;
            if (inexact) status |= static_cast<u16>(kX87Ue | kX87Pe | (r.up ? kX87C1 : 0));
            const u64 q = static_cast<u64>(r.q);
            return {q, static_cast<u16>(sign | (q >> 63))};
        }
        status |= kX87Ue;
        top += kExponentAdjust;
    }
    if (inexact) status |= static_cast<u16>(kX87Pe | (r.up ? kX87C1 : 0));
    return {static_cast<u64>(r.q), static_cast<u16>(sign | (top + kBias))};
}

}  // namespace vmm::tcg
