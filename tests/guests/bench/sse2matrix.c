// SPDX-License-Identifier: Apache-2.0
// Product of two matrices of doubles, two at a time in SSE2 registers. The only file compiled with -msse2.
#include "bench.h"

#include <emmintrin.h>
#include <string.h>

enum { kSize = 128, kRounds = 30 };

static double a[kSize][kSize] __attribute__((aligned(16)));
static double b[kSize][kSize] __attribute__((aligned(16)));
static double product[kSize][kSize] __attribute__((aligned(16)));

uint32_t bench_sse2matrix(void) {
  uint32_t seed = 4;
  for (int row = 0; row < kSize; row++) {
    for (int column = 0; column < kSize; column++) {
      a[row][column] = (double)(next_random(&seed) >> 8) * 0x1p-24;
      b[row][column] = (double)(next_random(&seed) >> 8) * 0x1p-24;
    }
  }
  uint32_t hash = BENCH_HASH_START;
  for (int round = 0; round < kRounds; round++) {
    for (int row = 0; row < kSize; row++) {
      for (int column = 0; column < kSize; column += 4) {
        __m128d low = _mm_setzero_pd(), high = _mm_setzero_pd();
        for (int k = 0; k < kSize; k++) {
          __m128d factor = _mm_set1_pd(a[row][k]);
          low = _mm_add_pd(low, _mm_mul_pd(factor, _mm_load_pd(&b[k][column])));
          high = _mm_add_pd(high, _mm_mul_pd(factor, _mm_load_pd(&b[k][column + 2])));
        }
        _mm_store_pd(&product[row][column], low);
        _mm_store_pd(&product[row][column + 2], high);
      }
    }
    uint64_t bits;
    memcpy(&bits, &product[round][round * 7 % kSize], sizeof bits);
    hash = mix(mix(hash, (uint32_t)bits), (uint32_t)(bits >> 32));
    a[round][round] += 1.0;
  }
  return hash;
}
