// SPDX-License-Identifier: Apache-2.0
// mmap, touch every page, munmap: page faults and the building and taking down of page tables.
#include "bench.h"

#include <sys/mman.h>

enum { kPage = 4096, kPages = 256, kRounds = 300 };

uint32_t bench_mmap(void) {
  uint32_t hash = BENCH_HASH_START;
  for (int round = 0; round < kRounds; round++) {
    uint8_t* pages =
        mmap(NULL, (size_t)kPage * kPages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) bench_fail("mmap");
    uint32_t sum = 0;
    for (int page = 0; page < kPages; page++) {
      sum += pages[(size_t)page * kPage + 5];  // must be zero
      pages[(size_t)page * kPage] = (uint8_t)(page + round);
    }
    for (int page = 0; page < kPages; page++) sum += pages[(size_t)page * kPage];
    hash = mix(hash, sum);
    if (munmap(pages, (size_t)kPage * kPages) != 0) bench_fail("munmap");
  }
  return hash;
}
