// SPDX-License-Identifier: Apache-2.0
// Commands of the human monitor that act on the machine: run and pause, buttons and keys, positions of a replay, the screen.
// The names and words are QEMU's; docs/monitor.md.
#pragma once

#include "vmm/monitor/qmp_commands.h"

namespace vmm::monitor {

// Both outlive the table.
void add_machine_commands(CommandTable& table, Operator& op, const Surroundings& around);

// Of a recording, so far: "123456 steps, 1.234 s of guest time, 12 KB".
std::string length_and_size(const Machine& machine, const std::string& file);

}  // namespace vmm::monitor
