// SPDX-License-Identifier: Apache-2.0
// The small system that random programs run in: selectors, vectors, and the segments of each setting.
#pragma once

#include "tests/tcg/random_program.h"

namespace vmm::test {

inline constexpr u16 kKernelCode = 0x08, kKernelData = 0x10, kUserCode = 0x1b, kUserData = 0x23, kUserStack = 0x2b, kTss = 0x30;
inline constexpr u32 kChunk = 32;
inline constexpr u8 kInterruptVector = 0x30, kEndVector = 0x80;

struct Descriptions {
    Segment code, data, stack;
};
Descriptions descriptions(Setting setting, u32 code_end);

}  // namespace vmm::test
