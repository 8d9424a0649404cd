// SPDX-License-Identifier: Apache-2.0
// Monitors: all monitors of a machine: the table of commands that they share, the people and programs that use it, and the
// events that go to every program. Made before the machine runs and gone after it.
#pragma once

#include <memory>
#include <vector>

#include "vmm/monitor/human_monitor.h"
#include "vmm/monitor/qmp.h"

namespace vmm::monitor {

class Monitors {
  public:
    Monitors(IoThread& io, Control& control);
    ~Monitors();
    Monitors(const Monitors&) = delete;
    Monitors& operator=(const Monitors&) = delete;

    void add_human(CharLine& line) { humans_.push_back(std::make_unique<HumanMonitor>(line, control_, commands_)); }
    void add_qmp(CharLine& line) { programs_.push_back(std::make_unique<QmpMonitor>(line, io_, control_, qmp_)); }
    CommandTable& commands() { return commands_; }
    void program_ends();                       // the machine's loop is over; machine thread

  private:
    void happened(Happening what);
    void event(std::string_view name, const Json& data = nullptr);

    IoThread& io_;
    Control& control_;
    CommandTable commands_;
    QmpTable qmp_;
    std::vector<std::unique_ptr<HumanMonitor>> humans_;
    std::vector<std::unique_ptr<QmpMonitor>> programs_;
    unsigned observer_;
    bool shut_down_ = false;
};

}  // namespace vmm::monitor
