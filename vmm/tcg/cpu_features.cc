// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/cpu_features.h"

namespace vmm::tcg {

bool has_cmov(const Cpu&) { return true; }
bool has_mmx(const Cpu&) { return true; }
bool has_fxsr(const Cpu&) { return true; }
bool has_sse(const Cpu&) { return true; }
bool has_sse2(const Cpu&) { return true; }
bool has_sse3(const Cpu&) { return true; }
u32 mxcsr_mask(const Cpu& cpu) { return has_sse2(cpu) ? 0xffff : 0xffbf; }

}  // namespace vmm::tcg
