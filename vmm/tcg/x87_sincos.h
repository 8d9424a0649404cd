// SPDX-License-Identifier: Apache-2.0
// Sine and cosine in 128-bit fixed point, to about 120 bits: integer operations only, the same on every host.
// Method: x * 2/pi with 256 bits of 2/pi gives the quadrant and the rest r * 2/pi, |r| <= pi/4; then the Taylor series in r * r.
#pragma once

#include "vmm/tcg/x87_round.h"

namespace vmm::tcg {

struct FixedResult {
    Quad value;     // cut off to 113 bits
    Tail tail;      // what that dropped
};

// 2^-70 <= |x| < 2^63.
FixedResult fixed_sine(const F80& x);
FixedResult fixed_cosine(const F80& x);

}  // namespace vmm::tcg
