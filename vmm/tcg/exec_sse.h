// SPDX-License-Identifier: Apache-2.0
// What MMX and SSE helpers share: the checks before an instruction, operands, MXCSR. Whether the CPU model has the
// instruction at all is decided before (cpu_model.h, available()). Reference: Intel SDM volume 1, 9.5, 9.6, 10.2, 11.5, 11.6;
// volume 3, 13.1 (CR0.EM, CR0.TS, CR4.OSFXSR, CR4.OSXMMEXCPT).
#pragma once

#include "vmm/tcg/cpu.h"
#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/exec_x87.h"

namespace vmm::tcg {

// Bits of MXCSR that may be set: DAZ came with the Pentium 4.
inline u32 mxcsr_mask(const Cpu& cpu) { return cpu.model.has(Feature::Sse2) ? 0xffff : 0xffbf; }

}  // namespace vmm::tcg
