// SPDX-License-Identifier: Apache-2.0
#include "vmm/program/frontends.h"

#include "vmm/monitor/debug_commands.h"

namespace vmm {

Result<std::unique_ptr<Frontends>> Frontends::open(const CommandLine& line, IoThread& io, Control& control, CharDevices& chars, Tell tell) {
    auto made = std::unique_ptr<Frontends>(new Frontends);
    made->monitors_ = std::make_unique<monitor::Monitors>(io, control);
    monitor::Monitors& monitors = *made->monitors_;
    monitor::add_debug_commands(monitors.commands());
    const HostConfig& host = line.config.host;
    for (const std::string& id : host.monitors) {
        auto at = chars.line(id, "monitor");
        if (!at) return at.error();
        monitors.add_human(**at);
    }
    for (const std::string& id : host.qmps) {
        auto at = chars.line(id, "qmp");
        if (!at) return at.error();
        monitors.add_qmp(**at);
    }
    if (line.gdb) {
        auto server = gdb::Server::open(*line.gdb, {io, control, monitors.commands(), tell, !line.config.no_shutdown});
        if (!server) return Error{"-gdb: " + server.error().text};
        made->gdb_ = std::move(*server);
        tell("gdb: target remote " + made->gdb_->where() + (line.start_paused ? "; the machine waits" : ""));
    }
    return made;
}

void Frontends::program_ends(int status) {
    if (gdb_) gdb_->program_ends(status);
    monitors_->program_ends();
}

}  // namespace vmm
