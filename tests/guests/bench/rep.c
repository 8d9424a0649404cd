// SPDX-License-Identifier: Apache-2.0
// REP string instructions: long and short copies, fills, comparisons and searches.
#include "bench.h"

enum { kLong = 256 << 10, kLongRounds = 1600, kShort = 24, kShortRounds = 1600 * 1000 };

static uint8_t from[kLong], to[kLong];

static void copy(void* target, const void* source, size_t bytes) {
  __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(bytes) : : "memory");
}
static void fill(void* target, uint32_t value, size_t words) {
  __asm__ volatile("rep stosl" : "+D"(target), "+c"(words) : "a"(value) : "memory");
}
static size_t equal(const void* a, const void* b, size_t bytes) {
  size_t left = bytes;
  __asm__ volatile("repe cmpsb" : "+D"(a), "+S"(b), "+c"(left) : : "memory", "cc");
  return bytes - left;
}
static size_t search(const void* in, uint8_t value, size_t bytes) {
  size_t left = bytes;
  __asm__ volatile("repne scasb" : "+D"(in), "+c"(left) : "a"(value) : "memory", "cc");
  return bytes - left;
}

uint32_t bench_rep(void) {
  uint32_t hash = BENCH_HASH_START;
  for (int round = 0; round < kLongRounds; round++) {
    fill(from, 0x01010101u * (uint32_t)(round & 0x7f), kLong / 4);
    copy(to, from, kLong);
    to[(round * 611) % kLong] = 0xff;
    if (round % 8 == 0) hash = mix(mix(hash, (uint32_t)equal(to, from, kLong)), (uint32_t)search(to, 0xff, kLong));
  }
  for (int round = 0; round < kShortRounds; round++) {
    copy(to + (round & 63), from + (round & 31), kShort);
    hash = mix(hash, to[round & 127]);
  }
  return hash;
}
