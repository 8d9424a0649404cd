// SPDX-License-Identifier: Apache-2.0
// SocketMonitor: a listening socket that takes monitors, several at once; each is served for itself.
//
// Nobody holds up anybody: a client is not read while it is busy or has not taken its answers, and one that lets more than
// kMostUnsent bytes pile up is cut off. Beyond kMostClients the next waits in the system's queue.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "serial/host_fd.h"
#include "vmm/monitor/client.h"

namespace vmm::monitor {

class SocketMonitor {
  public:
    using Tell = std::function<void(const std::string&)>;
    // With `at.wait` it returns when the first client is there.
    static Result<std::unique_ptr<SocketMonitor>> open(const CharConfig& at, Mode mode, const Host& host, Tell tell);
    ~SocketMonitor();
    SocketMonitor(const SocketMonitor&) = delete;
    SocketMonitor& operator=(const SocketMonitor&) = delete;

    const std::string& where() const { return where_; }
    void event(const std::string& line);                 // I/O thread
    void farewell(u64 until_ns);                         // I/O thread: what is unsent, as far as it goes until then

  private:
    class Connection;
    static constexpr std::size_t kMostClients = 64, kMostUnsent = std::size_t{16} << 20;
    SocketMonitor(Fd listener, Mode mode, const Host& host, Tell tell, std::string where, std::string unlink_path);
    void accept();
    void take(Fd fd);
    void gone(Connection* connection);

    const Host& host_;
    const Mode mode_;
    const Tell tell_;
    Fd listener_;
    const std::string where_, unlink_path_;
    std::unique_ptr<IoSource> acceptor_;                 // I/O thread, like the rest
    std::list<std::shared_ptr<Connection>> clients_;
};

}  // namespace vmm::monitor
