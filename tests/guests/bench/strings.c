// SPDX-License-Identifier: Apache-2.0
// strcpy, strlen and strchr of the C library on strings of 1 to 200 characters.
#include "bench.h"

#include <string.h>

enum { kStrings = 200, kRounds = 8000 };

static char texts[kStrings][256], copy[256];

uint32_t bench_strings(void) {
  uint32_t seed = 6, hash = BENCH_HASH_START;
  for (int i = 0; i < kStrings; i++) {
    for (int j = 0; j < i; j++) texts[i][j] = (char)('a' + (next_random(&seed) >> 24) % 25);
    texts[i][i] = 'z';
  }
  for (int round = 0; round < kRounds; round++) {
    for (int i = 0; i < kStrings; i++) {
      strcpy(copy, texts[i]);
      const char* found = strchr(copy, 'z');
      hash = mix(hash, (uint32_t)(found - copy) + (uint32_t)strlen(copy) + (uint32_t)(round & 7));
    }
  }
  return hash;
}
