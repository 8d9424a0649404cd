// SPDX-License-Identifier: Apache-2.0
// Monitors: all monitors of a program, and the events they are told.
#pragma once

#include <memory>
#include <vector>

#include "serial/char_devices.h"
#include "vmm/config.h"
#include "vmm/monitor/line_monitor.h"
#include "vmm/monitor/socket_monitor.h"

namespace vmm::monitor {

class Monitors {
  public:
    struct Needs {
        IoThread& io;
        Control& control;
        CommandTable& commands;                          // gets the machine's commands
        CharDevices& chars;
        std::function<void(const std::string&)> tell;
        bool start_paused = false;
    };
    // On the thread that is going to be the machine's, before it runs.
    static Result<std::unique_ptr<Monitors>> open(const MachineConfig& config, Needs needs);
    ~Monitors();
    Monitors(const Monitors&) = delete;
    Monitors& operator=(const Monitors&) = delete;

    // After the machine's loop: what was said last is brought out.
    void farewell();

  private:
    explicit Monitors(Needs needs);
    Result<void> add(const HostConfig& config, const std::string& id, Mode mode);

    const Needs needs_;
    Operator operator_;
    Host host_;
    std::vector<Surroundings::Chardev> sockets_;
    std::vector<std::unique_ptr<SocketMonitor>> servers_;    // changed before the machine runs only
    std::vector<std::unique_ptr<LineMonitor>> lines_;
};

// Chardevs that monitors serve themselves, several clients each: listening sockets that nobody shares.
bool serves_itself(const HostConfig& config, const CharConfig& chardev);

}  // namespace vmm::monitor
