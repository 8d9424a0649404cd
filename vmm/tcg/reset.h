// SPDX-License-Identifier: Apache-2.0
// The processor after RESET# and INIT#. Reference: SDM volume 3, 9.1.1, table 9-1.
#pragma once

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

// `init_only`: INIT#, which keeps x87, SSE, MTRRs and most other MSRs, the TSC, and CR0.CD and NW.
void cpu_reset(Cpu& cpu, bool init_only);

}  // namespace vmm::tcg
