// SPDX-License-Identifier: Apache-2.0
// CRC-32 (IEEE 802.3, reflected), one table look-up a byte.
#include "bench.h"

enum { kBytes = 1 << 20, kRounds = 80 };

static uint32_t table[256];
static uint8_t data[kBytes];

uint32_t bench_crc32(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = (value & 1) ? (value >> 1) ^ 0xedb88320u : value >> 1;
    table[i] = value;
  }
  uint32_t seed = 1;
  for (size_t i = 0; i < kBytes; i++) data[i] = (uint8_t)(next_random(&seed) >> 24);

  uint32_t crc = 0xffffffffu;
  for (int round = 0; round < kRounds; round++) {
    for (size_t i = 0; i < kBytes; i++) crc = table[(crc ^ data[i]) & 0xff] ^ (crc >> 8);
  }
  return ~crc;
}
