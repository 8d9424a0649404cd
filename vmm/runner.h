// SPDX-License-Identifier: Apache-2.0
// Runner: drives a Machine on the machine thread: slices of at most a fraction of a millisecond, the Inbox between them, host
// sleep while the guest is idle. The one place that reads a host clock for pacing; the guest never sees it.
#pragma once

#include <functional>

#include "vmm/journal.h"
#include "vmm/machine.h"

namespace vmm {

struct RunnerOptions {
    bool sleep = true;             // idle guest time passes in host time, as far as guest time is ahead of it
    bool no_reboot = false;
    bool no_shutdown = false;      // after power-off, wait for the user to quit
    std::function<void()> boundary = [] {};   // after each slice: publish how much input there is room for
};

// Runs until the machine ends, a Quit request arrives or the journal is over. Returns the program's exit status.
int run_machine(Machine& machine, const RunnerOptions& options, Journal& journal);
int run_machine(Machine& machine, const RunnerOptions& options);

}  // namespace vmm
