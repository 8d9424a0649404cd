// SPDX-License-Identifier: Apache-2.0
// Which instruction-set extensions the guest's CPU model has, for helpers that raise #UD without them.
#pragma once

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

bool has_cmov(const Cpu& cpu);    // FCMOV, FCOMI and their like as well
bool has_mmx(const Cpu& cpu);
bool has_fxsr(const Cpu& cpu);
bool has_sse(const Cpu& cpu);
bool has_sse2(const Cpu& cpu);
bool has_sse3(const Cpu& cpu);
u32 mxcsr_mask(const Cpu& cpu);   // bits of MXCSR that may be set: DAZ came with the Pentium 4

inline void require(bool feature) {
    if (!feature) raise(kUd);
}

}  // namespace vmm::tcg
