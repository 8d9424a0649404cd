// SPDX-License-Identifier: Apache-2.0
// Monitor commands for debugging: where the machine is in time, and what is in it. They work alike in gdb's `monitor` and in
// the human monitor; those that print registers or memory take QEMU's forms.
// Document: docs/debugging.md.
#pragma once

#include "vmm/monitor/command.h"

namespace vmm::monitor {

void add_debug_commands(CommandTable& table);            // all of them

void add_time_commands(CommandTable& table);             // when, seek, checkpoint, checkpoints, restart, rejoin
void add_search_commands(CommandTable& table);           // last-write, next-write
void add_stop_commands(CommandTable& table);             // break, catch, points, delete, limit-cr3, step-irq, events
void add_inspect_commands(CommandTable& table);          // info registers, x, xp, print, info mem, info pic ...

}  // namespace vmm::monitor
