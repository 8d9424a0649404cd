// SPDX-License-Identifier: Apache-2.0
// Benchmark programs for 32-bit guests: the contract between main.c and the programs.
// Each program does a fixed amount of work and returns a checksum of it, the same on every machine.
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

uint32_t bench_crc32(void);
uint32_t bench_qsort(void);
uint32_t bench_sieve(void);
uint32_t bench_chase(void);
uint32_t bench_bytecode(void);
uint32_t bench_branches(void);
uint32_t bench_calls(void);
uint32_t bench_muldiv64(void);
uint32_t bench_longdouble(void);
uint32_t bench_x87trig(void);
uint32_t bench_sse2matrix(void);
uint32_t bench_memcpy(void);
uint32_t bench_strings(void);
uint32_t bench_rep(void);
uint32_t bench_getpid(void);
uint32_t bench_pipe(void);
uint32_t bench_mmap(void);
uint32_t bench_fork(void);

// A small generator (Numerical Recipes' constants), so that the data needs no file.
static inline uint32_t next_random(uint32_t* state) {
  *state = *state * 1664525u + 1013904223u;
  return *state;
}

// FNV-1a step over one word: order matters, every bit counts.
static inline uint32_t mix(uint32_t hash, uint32_t value) { return (hash ^ value) * 16777619u; }
#define BENCH_HASH_START 2166136261u

// The system refused something a program needs: says what, and ends.
void bench_fail(const char* what);

#endif
