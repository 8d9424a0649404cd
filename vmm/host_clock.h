// SPDX-License-Identifier: Apache-2.0
// The host's clocks, for pacing, progress and the spacing of checkpoints. Nothing that a guest can see may depend on them:
// this is the only place they are read in.
#pragma once

#include "vmm/types.h"

namespace vmm {

u64 host_ns();          // monotonic
u64 thread_cpu_ns();    // CPU time of the calling thread
u64 host_calendar_us(); // since 1970, for the time stamps of events

}  // namespace vmm
