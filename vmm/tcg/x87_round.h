// SPDX-License-Identifier: Apache-2.0
// Between the 80-bit format and 113-bit arithmetic: exact conversion one way, rounding with all of the x87 unit's
// exceptions the other. Integer operations only. Reference: Intel SDM volume 1, 4.8 and 8.5.4-8.5.6.
#pragma once

#include "vmm/tcg/fpu_state.h"

namespace vmm::tcg {

using Quad = __float128;

// What is known about the true value next to the 113-bit one; its magnitude may be a little below or above.
enum class Tail : u8 { Exact, Inexact, Below, Above };

// A finite number other than zero: significand in [1, 2), sign included, times 2^exponent.
struct Scaled {
    Quad significand;
    int exponent;
};
Scaled scaled(const F80& v);
Quad to_quad(const F80& v);              // v finite

// value * 2^exponent, value finite and not zero, to 64 bits under `control`; ORs exceptions and C1 into `status`.
F80 round_quad(Quad value, int exponent, Tail tail, u16 control, u16& status);

}  // namespace vmm::tcg
