// SPDX-License-Identifier: Apache-2.0
// 64-bit multiply, divide and remainder: MUL, IMUL and DIV pairs and the compiler's helper functions.
#include "bench.h"

enum { kRounds = 2 * 1000 * 1000 };

uint32_t bench_muldiv64(void) {
  uint64_t value = 88172645463325252ull, sum = 0;
  for (uint32_t round = 1; round <= kRounds; round++) {
    value ^= value << 13;
    value ^= value >> 7;
    value ^= value << 17;
    uint64_t divisor = (value >> (round & 31)) | 1;
    sum += value * 6364136223846793005ull;
    sum ^= (value ^ sum) / divisor;
    sum += (sum ^ round) % (divisor | 0x10000);
  }
  return (uint32_t)sum ^ (uint32_t)(sum >> 32);
}
