// SPDX-License-Identifier: Apache-2.0
// A monitor's end of a connection, and what the connection offers it. Everything here is called on the I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "vmm/io_thread.h"
#include "vmm/monitor/qmp_commands.h"

namespace vmm::monitor {

// What every monitor works with. Lives as long as the program's front ends.
struct Host {
    IoThread& io;
    Operator& op;
    const CommandTable& commands;
    Surroundings around;
};

struct Wire {
    std::function<void(std::string)> send;               // never waits
    std::function<void()> changed = [] {};               // wants() may answer otherwise now
    bool terminal = false;                               // somebody types at it
};

class Client : public std::enable_shared_from_this<Client> {
  public:
    virtual ~Client() = default;
    virtual void begin() = 0;                            // somebody is there
    virtual void again() {}                              // the user turned back to it
    virtual bool wants() const = 0;                      // bytes() is called only while it does
    virtual void bytes(std::string_view data) = 0;
    virtual void event(const std::string&) {}            // a line, without its end
};

// Of a client that has said something, until it is gone.
class Attendance {
  public:
    Attendance() = default;
    ~Attendance() {
        if (control_ != nullptr) control_->post([c = control_] { c->attend(false); });
    }
    Attendance(const Attendance&) = delete;
    Attendance& operator=(const Attendance&) = delete;
    void begin(Control& control) {
        if (std::exchange(control_, &control) == nullptr) control.post([&control] { control.attend(true); });
    }

  private:
    Control* control_ = nullptr;
};

enum class Mode : u8 { Control, Readline };
std::shared_ptr<Client> make_client(Mode mode, const Host& host, Wire wire);

}  // namespace vmm::monitor
