// SPDX-License-Identifier: Apache-2.0
// LineMonitor: one monitor on a character line (the terminal, a pseudo-terminal, a line shared with a serial port, an outgoing
// socket). Lines make their writers wait for the host; so that neither the machine nor other monitors wait with them, a thread
// of its own writes, from a bounded queue. When that is full, what comes next is lost whole.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "serial/char_backend.h"
#include "vmm/monitor/client.h"

namespace vmm::monitor {

class LineMonitor final : private CharInput {
  public:
    LineMonitor(CharLine& line, Mode mode, const Host& host);
    ~LineMonitor() override;
    LineMonitor(const LineMonitor&) = delete;
    LineMonitor& operator=(const LineMonitor&) = delete;

    void event(const std::string& line) { client_->event(line); }   // I/O thread
    void farewell(u64 until_ns);                         // any thread but the writer's: what is unsent, as far as it goes until then

  private:
    static constexpr std::size_t kRoom = 4096, kMostUnsent = std::size_t{16} << 20, kReadsAgainBelow = 65536;

    std::size_t room() override;
    void bytes(std::string_view data) override { client_->bytes(data); }
    void peer(bool there) override;                      // of a line of its own
    void focus(bool here) override;                      // of a shared line: it begins when the user turns to it
    void send(const std::string& text);
    void write();

    CharLine& line_;
    const Host& host_;
    std::shared_ptr<Client> client_;
    bool begun_ = false;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::string unsent_;                                 // under mutex_, like what follows
    bool writing_ = false, ends_ = false;
    std::thread writer_;
};

}  // namespace vmm::monitor
