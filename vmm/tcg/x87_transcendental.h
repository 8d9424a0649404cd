// SPDX-License-Identifier: Apache-2.0
// The transcendental x87 instructions as pure functions of operands and control word, in 113-bit arithmetic (libquadmath,
// software only), sine and cosine in fixed point (x87_sincos.h), so that no result depends on the host's processor. Complete; within one unit of the last of 64 bits of
// the true value, of the true pi as well, special values as in the tables of Intel SDM volume 2.
// Rounding control is obeyed, precision control is not (SDM volume 1, 8.1.5.2). Outside their documented ranges F2XM1
// returns its operand, FYL2XP1 the true value.
#pragma once

#include "vmm/tcg/fpu_state.h"

namespace vmm::tcg {

enum class F80Class : u8 { Unsupported, SNan, QNan, Infinity, Zero, Denormal, Normal };
F80Class classify(const F80& v);
inline bool is_nan_class(F80Class c) { return c <= F80Class::QNan; }      // or unsupported

struct X87Computed {
    F80 value, second;  // `second` is pushed after `value` replaced ST(0) (FPTAN, FSINCOS)
    u16 status = 0;     // exception flags, C1, and C2 where the operand is out of range
};

X87Computed compute_f2xm1(const F80& x, u16 control);
X87Computed compute_fsin(const F80& x, u16 control);
X87Computed compute_fcos(const F80& x, u16 control);
X87Computed compute_fsincos(const F80& x, u16 control);
X87Computed compute_fptan(const F80& x, u16 control);
X87Computed compute_fpatan(const F80& x, const F80& y, u16 control);     // arctan(y / x); x = ST(0), y = ST(1)
X87Computed compute_fyl2x(const F80& x, const F80& y, u16 control);      // y log2 x
X87Computed compute_fyl2xp1(const F80& x, const F80& y, u16 control);    // y log2 (x + 1)

}  // namespace vmm::tcg
