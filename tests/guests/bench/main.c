// SPDX-License-Identifier: Apache-2.0
// Runs the benchmark programs named in the arguments, or all of them.
// Prints `begin NAME` and then `NAME SECONDS CHECKSUM`, each drained to the terminal before going on, so that
// whoever reads the console can take the time outside the guest: a guest's own clock may count instructions.
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

struct Program {
  const char* name;
  uint32_t (*run)(void);
};

static const struct Program kPrograms[] = {
    {"crc32", bench_crc32},           {"qsort", bench_qsort},       {"sieve", bench_sieve},
    {"chase", bench_chase},           {"bytecode", bench_bytecode}, {"muldiv64", bench_muldiv64},
    {"longdouble", bench_longdouble}, {"x87trig", bench_x87trig},   {"sse2matrix", bench_sse2matrix},
    {"branches", bench_branches},     {"calls", bench_calls},       {"rep", bench_rep},
    {"memcpy", bench_memcpy},         {"strings", bench_strings},   {"getpid", bench_getpid},
    {"pipe", bench_pipe},             {"mmap", bench_mmap},         {"fork", bench_fork},
};
enum { kProgramCount = sizeof kPrograms / sizeof kPrograms[0] };

void bench_fail(const char* what) {
  fprintf(stderr, "bench: %s failed\n", what);
  exit(1);
}

static void flush_console(void) {
  fflush(stdout);
  if (isatty(STDOUT_FILENO)) tcdrain(STDOUT_FILENO);
}

static void run(const struct Program* program) {
  struct timespec begin, end;
  printf("begin %s\n", program->name);
  flush_console();
  clock_gettime(CLOCK_MONOTONIC, &begin);
  uint32_t checksum = program->run();
  clock_gettime(CLOCK_MONOTONIC, &end);
  double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
  printf("%s %.6f %08x\n", program->name, seconds, checksum);
  flush_console();
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    for (int i = 0; i < kProgramCount; i++) puts(kPrograms[i].name);
    return 0;
  }
  if (argc < 2) {
    for (int i = 0; i < kProgramCount; i++) run(&kPrograms[i]);
    return 0;
  }
  for (int arg = 1; arg < argc; arg++) {
    int found = 0;
    for (int i = 0; i < kProgramCount; i++) {
      if (strcmp(kPrograms[i].name, argv[arg]) != 0) continue;
      run(&kPrograms[i]);
      found = 1;
    }
    if (!found) {
      fprintf(stderr, "bench: no program '%s'; `bench --list` names them\n", argv[arg]);
      return 2;
    }
  }
  return 0;
}
