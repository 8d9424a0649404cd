// SPDX-License-Identifier: Apache-2.0
// Conditional branches that nothing can predict: a walk whose turns are the bits of a random number.
#include "bench.h"

enum { kSteps = 20 * 1000 * 1000 };

uint32_t bench_branches(void) {
  uint32_t seed = 7, at = 1, left = 0, right = 0;
  for (int step = 0; step < kSteps; step++) {
    const uint32_t bits = next_random(&seed) >> 20;
    if (bits & 1) {
      at = at * 3 + 1;
      left++;
    } else if (bits & 2) {
      at ^= bits << 7;
      right += 2;
    } else if (bits & 4) {
      at -= left;
    } else {
      at += right >> 3;
    }
    __asm__ volatile("" : "+r"(at));
  }
  return mix(mix(mix(BENCH_HASH_START, at), left), right);
}
