// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/debug_commands.h"

namespace vmm::monitor {

void add_debug_commands(CommandTable& table) {
    add_time_commands(table);
    add_search_commands(table);
    add_stop_commands(table);
    add_inspect_commands(table);
}

}  // namespace vmm::monitor
