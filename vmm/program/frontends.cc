// SPDX-License-Identifier: Apache-2.0
#include "vmm/program/frontends.h"

#include "vmm/monitor/debug_commands.h"

namespace vmm {

Result<std::unique_ptr<Frontends>> Frontends::open(const CommandLine& line, IoThread& io, Control& control, Tell tell) {
    auto made = std::unique_ptr<Frontends>(new Frontends);
    monitor::add_debug_commands(made->commands_);
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
}

}  // namespace vmm
