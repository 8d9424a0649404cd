// SPDX-License-Identifier: Apache-2.0
// Server: where debuggers connect. Sockets, packets and acknowledgments, on the I/O thread; what the packets mean is
// session.h's, on the machine thread. One debugger at a time; a further one is told so and let go.
//
// A debugger that sends without end is read no further than the machine thread keeps up; one that does not read is cut off
// when too much waits for it. Neither holds up the machine.
// Document: "Debugging with GDB", appendix E, "Packet Acknowledgment", "Interrupts".
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "gdbstub/session.h"
#include "serial/host_fd.h"
#include "vmm/io_thread.h"

namespace vmm::gdb {

class Server {
  public:
    struct Host {
        IoThread& io;
        Control& control;
        const monitor::CommandTable& commands;
        std::function<void(const std::string&)> tell;
        bool quit_when_ended = true;
    };
    // `at`: a socket to listen on.
    static Result<std::unique_ptr<Server>> open(const CharConfig& at, Host host);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    const std::string& where() const { return where_; }
    // The machine's loop is over and its thread is here: an attached debugger hears that the program ends.
    void program_ends(int status);

  private:
    class Connection;
    Server(Fd listener, std::string where, std::string unlink_path, Host host);
    void accept();
    void gone(const Connection* connection);

    Host host_;
    Fd listener_;
    const std::string where_, unlink_path_;
    // I/O thread.
    std::unique_ptr<IoSource> acceptor_;
    std::shared_ptr<Connection> connection_;
    std::deque<Fd> refused_;                     // until they have read why
};

}  // namespace vmm::gdb
