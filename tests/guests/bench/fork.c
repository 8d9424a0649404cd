// SPDX-License-Identifier: Apache-2.0
// fork, exit in the child, wait in the parent.
#include "bench.h"

#include <sys/wait.h>
#include <unistd.h>

enum { kChildren = 400 };

uint32_t bench_fork(void) {
  uint32_t hash = BENCH_HASH_START;
  for (int number = 0; number < kChildren; number++) {
    pid_t child = fork();
    if (child < 0) bench_fail("fork");
    if (child == 0) _exit(number & 0x7f);
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) bench_fail("waitpid");
    hash = mix(hash, (uint32_t)WEXITSTATUS(status));
  }
  return hash;
}
