// SPDX-License-Identifier: Apache-2.0
#include "vmm/host_clock.h"

#include <ctime>

namespace vmm {
namespace {
u64 read(clockid_t clock) {
    timespec t{};
    clock_gettime(clock, &t);
    return static_cast<u64>(t.tv_sec) * 1'000'000'000 + static_cast<u64>(t.tv_nsec);
}
}  // namespace

u64 host_ns() { return read(CLOCK_MONOTONIC); }
u64 thread_cpu_ns() { return read(CLOCK_THREAD_CPUTIME_ID); }
u64 host_calendar_us() { return read(CLOCK_REALTIME) / 1000; }

}  // namespace vmm
