// SPDX-License-Identifier: Apache-2.0
// Sieve of Eratosthenes over 3 MB: strided byte stores, more than most caches hold.
#include "bench.h"

#include <string.h>

enum { kNumbers = 3 << 20, kRounds = 6 };

static uint8_t composite[kNumbers];

uint32_t bench_sieve(void) {
  uint32_t hash = BENCH_HASH_START;
  for (int round = 0; round < kRounds; round++) {
    memset(composite, 0, sizeof composite);
    uint32_t primes = 0;
    for (uint32_t i = 2; i < kNumbers; i++) {
      if (composite[i]) continue;
      primes++;
      if (i > 0xffff) continue;
      for (uint32_t multiple = i * i; multiple < kNumbers; multiple += i) composite[multiple] = 1;
    }
    hash = mix(hash, primes);
  }
  return hash;
}
