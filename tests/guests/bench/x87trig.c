// SPDX-License-Identifier: Apache-2.0
// FSIN and FSQRT. FSIN's last bits differ between processors, so the checksum is of the sum to six places.
#include "bench.h"

enum { kRounds = 1000 * 1000 };

uint32_t bench_x87trig(void) {
  long double sum = 0.0L;
  for (int round = 1; round <= kRounds; round++) {
    long double x = (long double)round * 0.001L, sine, root;
    __asm__("fsin" : "=t"(sine) : "0"(x));
    __asm__("fsqrt" : "=t"(root) : "0"(x));
    sum += sine * 0.25L + root;
  }
  int64_t millionths = (int64_t)(sum * 1e6L);
  return (uint32_t)millionths ^ (uint32_t)(millionths >> 32);
}
