// SPDX-License-Identifier: Apache-2.0
// The shortest system call there is.
#include "bench.h"

#include <sys/syscall.h>
#include <unistd.h>

enum { kCalls = 600 * 1000 };

uint32_t bench_getpid(void) {
  long first = syscall(SYS_getpid);
  uint32_t same = 0;
  for (int call = 0; call < kCalls; call++) same += syscall(SYS_getpid) == first;
  return same;
}
