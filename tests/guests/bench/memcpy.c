// SPDX-License-Identifier: Apache-2.0
// Copies of 1 MB by REP MOVSD. The instruction is written out, because the C library's memcpy picks another way
// from CPUID.
#include "bench.h"

enum { kBytes = 1 << 20, kRounds = 1500 };

static uint8_t source[kBytes], target[kBytes];

static void copy_words(void* to, const void* from, size_t bytes) {
  size_t words = bytes / 4;
  __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

uint32_t bench_memcpy(void) {
  uint32_t seed = 5, hash = BENCH_HASH_START;
  for (size_t i = 0; i < kBytes; i++) source[i] = (uint8_t)(next_random(&seed) >> 24);
  for (uint32_t round = 0; round < kRounds; round++) {
    source[(round * 4099) % kBytes]++;
    copy_words(target, source, kBytes);
    hash = mix(hash, target[(round * 4099) % kBytes]);
  }
  return hash;
}
