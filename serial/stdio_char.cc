// SPDX-License-Identifier: Apache-2.0
// The program's own standard input and output. A terminal is made raw; pipes and files work as they are.
#include <limits.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <mutex>
#include <optional>

#include "serial/host_fd.h"
#include "serial/terminal.h"

namespace vmm {
namespace {

class StdioChar final : public CharBackend {
  public:
    StdioChar(const CharConfig& config, const CharHost& host)
        : host_(host),
          terminal_(RawTerminal::take(STDIN_FILENO, config.signal)),
          chunk_(::isatty(STDOUT_FILENO) != 0 ? 256 : PIPE_BUF),   // a terminal has less room than a pipe
          slot_(host.io),
          reader_(host.io, STDIN_FILENO, [this] { return !ended_ && slot_.room() > 0; }, [this] { read(); }) {}

    void write(std::string_view data) override {
        const std::lock_guard lock(mutex_);
        if (closed_) return;
        if (write_fully(STDOUT_FILENO, false, data, chunk_, given_up_) != WriteEnd::Closed) return;
        closed_ = true;
        if (errno != EPIPE && host_.tell) host_.tell(errno_text("standard output cannot be written to any more", errno));
    }
    void connect(CharInput* input) override {
        slot_.connect(input);
        host_.io.wake();
    }
    bool terminal() const override { return terminal_ != nullptr && ::isatty(STDOUT_FILENO) != 0; }
    std::string where() const override { return "stdio"; }

  private:
    void read() {
        const auto got = read_some(STDIN_FILENO, slot_.room());
        slot_.deliver(got.data);
        if (got.end) ended_ = true;
    }

    CharHost host_;
    std::unique_ptr<RawTerminal> terminal_;
    std::size_t chunk_;
    std::mutex mutex_;
    bool closed_ = false;      // under mutex_
    bool ended_ = false;       // I/O thread
    InputSlot slot_;
    IoSource reader_;
};

}  // namespace

Result<std::unique_ptr<CharBackend>> open_stdio_char(const CharConfig& config, const CharHost& host) {
    ::signal(SIGPIPE, SIG_IGN);                        // a reader that goes away is no reason to end
    return std::unique_ptr<CharBackend>(std::make_unique<StdioChar>(config, host));
}

}  // namespace vmm
