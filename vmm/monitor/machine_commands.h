// SPDX-License-Identifier: Apache-2.0
// Commands of the human monitor that act on the machine: run and pause, buttons and keys, positions of a replay, the screen.
// The names and words are QEMU's; docs/monitor.md.
#pragma once

#include "vmm/monitor/command.h"

namespace vmm::monitor {

void add_machine_commands(CommandTable& table);

}  // namespace vmm::monitor
