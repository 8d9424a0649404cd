// SPDX-License-Identifier: Apache-2.0
// The C library's qsort over integers: indirect calls through the comparison function.
#include "bench.h"

#include <stdlib.h>

enum { kNumbers = 120000, kRounds = 4 };

static uint32_t numbers[kNumbers];

static int compare(const void* left, const void* right) {
  uint32_t a = *(const uint32_t*)left, b = *(const uint32_t*)right;
  return a < b ? -1 : a > b;
}

uint32_t bench_qsort(void) {
  uint32_t seed = 2, hash = BENCH_HASH_START;
  for (int round = 0; round < kRounds; round++) {
    for (size_t i = 0; i < kNumbers; i++) numbers[i] = next_random(&seed);
    qsort(numbers, kNumbers, sizeof numbers[0], compare);
    for (size_t i = 0; i < kNumbers; i += 101) hash = mix(hash, numbers[i]);
  }
  return hash;
}
