// SPDX-License-Identifier: Apache-2.0
// Calls and returns: a recursion, directly and through a pointer.
#include "bench.h"

enum { kDirect = 36, kIndirect = 33 };

static __attribute__((noinline)) uint32_t direct(uint32_t n) { return n < 2 ? n : direct(n - 1) + direct(n - 2); }

static uint32_t (*volatile function)(uint32_t);
static __attribute__((noinline)) uint32_t indirect(uint32_t n) { return n < 2 ? n : function(n - 1) + function(n - 2); }

uint32_t bench_calls(void) {
  function = indirect;
  return mix(mix(BENCH_HASH_START, direct(kDirect)), indirect(kIndirect));
}
