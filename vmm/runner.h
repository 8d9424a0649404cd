// SPDX-License-Identifier: Apache-2.0
// Runner: drives a Machine on the machine thread: slices of at most a fraction of a millisecond, the Inbox between them, host
// sleep while the guest is idle, pauses and moves as Control says. The one place that reads a host clock for pacing; the guest never sees it.
#pragma once

#include <functional>

#include "vmm/control.h"
#include "vmm/journal.h"

namespace vmm {

struct RunnerOptions {
    bool sleep = true;             // idle guest time passes in host time, as far as guest time is ahead of it
    bool no_reboot = false;
    bool no_shutdown = false;      // after power-off, stay paused
    bool start_paused = false;     // -S
    bool pause_at_end = false;     // of a recording, rather than leave
    bool pause_at_difference = false;   // of a replay, even if nobody is there yet
    bool unattended = false;       // nobody can say that it shall go on: after a host error it is tried every second
    std::function<void()> boundary = [] {};   // before each slice: publish how much input there is room for
};

// Runs until the machine ends, somebody quits or the journal is over. Returns the program's exit status.
int run_machine(Control& control, const RunnerOptions& options, Journal& journal);

}  // namespace vmm
