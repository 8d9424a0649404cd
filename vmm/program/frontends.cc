// SPDX-License-Identifier: Apache-2.0
#include "vmm/program/frontends.h"

#include "vmm/monitor/debug_commands.h"

namespace vmm {

Result<std::unique_ptr<Frontends>> Frontends::open(const CommandLine& line, IoThread& io, Control& control, CharDevices& chars, Tell tell) {
    auto made = std::unique_ptr<Frontends>(new Frontends);
    monitor::add_debug_commands(made->commands_);
    auto monitors = monitor::Monitors::open(line.config, {io, control, made->commands_, chars, tell, line.start_paused});
    if (!monitors) return monitors.error();
    made->monitors_ = std::move(*monitors);
    if (line.gdb) {
        auto server = gdb::Server::open(*line.gdb, {io, control, made->commands_, tell, !line.config.no_shutdown});
        if (!server) return Error{"-gdb: " + server.error().text};
        made->gdb_ = std::move(*server);
        tell("gdb: target remote " + made->gdb_->where() + (line.start_paused ? "; the machine waits" : ""));
    }
    return made;
}

void Frontends::program_ends(int status) {
    if (gdb_) gdb_->program_ends(status);
    monitors_->farewell();
}

}  // namespace vmm
