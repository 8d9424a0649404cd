// SPDX-License-Identifier: Apache-2.0
// Engine: what moves the processor forward. It always stops at a step boundary.
#pragma once

#include "vmm/cpu_state.h"
#include "vmm/types.h"

namespace vmm {

enum class StopReason {
    Limit,          // clock.icount() == limit
    Attention,      // a timer or pin changed, or a device asked for a look: recompute the limit and run again
    Halted,         // HLT with nothing to take: time may jump
    TripleFault,    // shutdown cycle: the board resets
    DebugPoint,     // a debugger's break- or watchpoint
};

class Engine {
  public:
    virtual ~Engine() = default;
    virtual StopReason run(Icount limit) = 0;         // moves the clock; limit >= clock.icount()
    virtual const CpuState& state() = 0;              // architectural state at this boundary
    virtual void set_state(const CpuState& s) = 0;
    virtual void reset(bool init_only) = 0;           // RESET#, or INIT# which keeps FPU, MSRs
};

}  // namespace vmm
