// SPDX-License-Identifier: Apache-2.0
// SerialInput: from a host line through the Inbox to a serial port.
//
// What is posted is an Input of kind Serial, target = port: the bytes, or no bytes at all for a break. The machine thread
// publishes at its boundaries how much the port takes; a stale figure costs nothing, since the port keeps what it cannot
// take at once. A machine that never publishes (a replay) gets nothing.
#pragma once

#include "serial/char_backend.h"
#include "vmm/inbox.h"

namespace vmm {

class SerialInput final : public CharInput {
  public:
    SerialInput(Inbox& inbox, IoThread& io, u8 port) : inbox_(inbox), io_(io), port_(port) {}

    void publish(unsigned room);                        // machine thread, each boundary: cheap while nothing changes

    std::size_t room() override;
    void bytes(std::string_view data) override;
    void send_break() override;

  private:
    void take(unsigned n);

    Inbox& inbox_;
    IoThread& io_;
    u8 port_;
    std::atomic<unsigned> room_{0};
    std::atomic<bool> starved_{false};                  // the I/O thread found no room and waits to be told
};

}  // namespace vmm
