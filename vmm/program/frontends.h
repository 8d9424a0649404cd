// SPDX-License-Identifier: Apache-2.0
// Frontends: who can look at the machine and command it, besides the guest's own screen and lines: monitors and debuggers.
// They live on the I/O thread and reach the machine through Control.
#pragma once

#include <memory>

#include "gdbstub/server.h"
#include "serial/char_devices.h"
#include "vmm/monitor/monitors.h"
#include "vmm/options.h"

namespace vmm {

class Frontends {
  public:
    using Tell = std::function<void(const std::string&)>;
    static Result<std::unique_ptr<Frontends>> open(const CommandLine& line, IoThread& io, Control& control, CharDevices& chars, Tell tell);

    // After the machine's loop, on its thread.
    void program_ends(int status);

  private:
    Frontends() = default;
    monitor::CommandTable commands_;
    std::unique_ptr<monitor::Monitors> monitors_;
    std::unique_ptr<gdb::Server> gdb_;
};

}  // namespace vmm
