// SPDX-License-Identifier: Apache-2.0
// Ping-pong of one word between two processes over two pipes: a context switch for each direction.
#include "bench.h"

#include <sys/wait.h>
#include <unistd.h>

enum { kTurns = 20 * 1000 };

uint32_t bench_pipe(void) {
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) bench_fail("pipe");
  pid_t child = fork();
  if (child < 0) bench_fail("fork");
  if (child == 0) {
    uint32_t word;
    for (int turn = 0; turn < kTurns; turn++) {
      if (read(there[0], &word, sizeof word) != sizeof word) _exit(1);
      word = word * 5 + 1;
      if (write(back[1], &word, sizeof word) != sizeof word) _exit(1);
    }
    _exit(0);
  }
  uint32_t word = 7;
  for (int turn = 0; turn < kTurns; turn++) {
    if (write(there[1], &word, sizeof word) != sizeof word) bench_fail("write");
    if (read(back[0], &word, sizeof word) != sizeof word) bench_fail("read");
  }
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) bench_fail("waitpid");
  for (int end = 0; end < 2; end++) {
    close(there[end]);
    close(back[end]);
  }
  return word;
}
