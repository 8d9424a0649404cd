// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/monitors.h"

#include "vmm/monitor/machine_commands.h"

namespace vmm::monitor {

Monitors::Monitors(IoThread& io, Control& control) : io_(io), control_(control), qmp_(commands_) {
    add_machine_commands(commands_);
    observer_ = control_.observe([this](Happening what, const PauseEvent&) { happened(what); });
}

Monitors::~Monitors() { control_.forget(observer_); }

void Monitors::event(std::string_view name, const Json& data) {
    for (const auto& program : programs_) program->event(name, data);
}

void Monitors::happened(Happening what) {
    switch (what) {
        case Happening::Resumed: return event("RESUME");
        case Happening::Paused: return event("STOP");
        case Happening::Reset: return event("RESET", {{"guest", true}, {"reason", "guest-reset"}});
        case Happening::HostReset: return event("RESET", {{"guest", false}, {"reason", "host-qmp-system-reset"}});
        case Happening::PowerButton: return event("POWERDOWN");
        case Happening::Shutdown:
            shut_down_ = true;
            return event("SHUTDOWN", {{"guest", true}, {"reason", "guest-shutdown"}});
    }
}

void Monitors::program_ends() {
    if (!shut_down_) event("SHUTDOWN", {{"guest", false}, {"reason", "host-qmp-quit"}});
}

}  // namespace vmm::monitor
