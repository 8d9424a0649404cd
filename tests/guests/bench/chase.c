// SPDX-License-Identifier: Apache-2.0
// Pointer chase through 1 MB in random order: each load's address depends on the one before.
#include "bench.h"

enum { kCells = (1 << 20) / sizeof(void*), kSteps = 6 * 1000 * 1000 };

static uint32_t order[kCells];
static void* cells[kCells];

uint32_t bench_chase(void) {
  uint32_t seed = 3;
  for (uint32_t i = 0; i < kCells; i++) order[i] = i;
  for (uint32_t i = kCells - 1; i > 0; i--) {
    uint32_t j = (uint32_t)(((uint64_t)next_random(&seed) * (i + 1)) >> 32);
    uint32_t swap = order[i];
    order[i] = order[j];
    order[j] = swap;
  }
  for (uint32_t i = 0; i < kCells; i++) cells[order[i]] = &cells[order[(i + 1) % kCells]];

  void** cell = cells;
  for (int step = 0; step < kSteps; step++) cell = *cell;
  return mix(BENCH_HASH_START, (uint32_t)((void**)cell - cells));
}
