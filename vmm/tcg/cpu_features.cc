// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/cpu_features.h"

#include "vmm/tcg/cpu_model.h"

namespace vmm::tcg {

bool has_cmov(const Cpu& cpu) { return cpu.model.has(Feature::Cmov); }
bool has_mmx(const Cpu& cpu) { return cpu.model.has(Feature::Mmx); }
bool has_fxsr(const Cpu& cpu) { return cpu.model.has(Feature::Fxsr); }
bool has_sse(const Cpu& cpu) { return cpu.model.has(Feature::Sse); }
bool has_sse2(const Cpu& cpu) { return cpu.model.has(Feature::Sse2); }
bool has_sse3(const Cpu& cpu) { return cpu.model.has(Feature::Sse3); }
u32 mxcsr_mask(const Cpu& cpu) { return has_sse2(cpu) ? 0xffff : 0xffbf; }

}  // namespace vmm::tcg
