// SPDX-License-Identifier: Apache-2.0
// x87 arithmetic in 80 bits: add, subtract, multiply, divide. All exactly rounded, so every bit is compared.
#include "bench.h"

#include <string.h>

enum { kRounds = 6 * 1000 * 1000 };

uint32_t bench_longdouble(void) {
  long double x = 0.5L, y = 1.25L, sum = 0.0L;
  for (int round = 1; round <= kRounds; round++) {
    x = 3.75L * x * (1.0L - x);  // the logistic map: every rounding error grows until it shows
    y = (y + x) / (1.0L + x * y);
    sum = sum * 0.999L + (x - y);
  }
  uint32_t words[3] = {0, 0, 0}, hash = BENCH_HASH_START;
  memcpy(words, &sum, 10);
  for (int i = 0; i < 3; i++) hash = mix(hash, words[i]);
  return hash;
}
