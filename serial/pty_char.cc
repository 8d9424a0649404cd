// SPDX-License-Identifier: Apache-2.0
// A pseudo-terminal, whose other end is told to the user. While nobody has it open, output is discarded.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>

#include <array>
#include <cerrno>
#include <mutex>

#include "serial/host_fd.h"

namespace vmm {
namespace {

constexpr unsigned kLookMs = 100;   // Linux does not say when the other end is opened, so we look

class PtyChar final : public CharBackend {
  public:
    PtyChar(Fd master, std::string path, const CharHost& host)
        : host_(host),
          master_(std::move(master)),
          path_(std::move(path)),
          slot_(host.io),
          reader_(host.io, master_.get(), [this] { return open_ && slot_.room() > 0; }, [this] { read(); }),
          ticker_(host.io, kLookMs, [this] { open_ = somebody_there(); }) {}

    void write(std::string_view data) override {
        const std::lock_guard lock(mutex_);
        while (!data.empty() && somebody_there()) {
            pollfd p{master_.get(), POLLOUT, 0};
            ::poll(&p, 1, given_up_ ? 0 : 50);
            if ((p.revents & POLLHUP) != 0) return;
            if ((p.revents & POLLOUT) == 0) {
                if (given_up_) return;
                continue;
            }
            const ssize_t n = ::write(master_.get(), data.data(), data.size());
            if (n > 0) data.remove_prefix(static_cast<std::size_t>(n));
            else if (n < 0 && errno != EINTR && errno != EAGAIN) return;
        }
    }
    void connect(CharInput* input) override {
        slot_.connect(input);
        host_.io.wake();
    }
    bool terminal() const override { return true; }
    std::string where() const override { return path_; }

  private:
    bool somebody_there() const {
        pollfd p{master_.get(), 0, 0};
        return ::poll(&p, 1, 0) <= 0 || (p.revents & POLLHUP) == 0;
    }
    void read() {
        const auto got = read_some(master_.get(), slot_.room());
        slot_.deliver(got.data);
        if (got.end) open_ = false;
    }

    CharHost host_;
    Fd master_;
    std::string path_;
    std::mutex mutex_;
    bool open_ = false;        // I/O thread
    InputSlot slot_;
    IoSource reader_;
    IoTicker ticker_;
};

}  // namespace

Result<std::unique_ptr<CharBackend>> open_pty_char(const CharConfig& config, const CharHost& host) {
    Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    std::array<char, 128> path{};
    if (!master || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0 ||
        ::ptsname_r(master.get(), path.data(), path.size()) != 0)
        return Error{errno_text("cannot make a pseudo-terminal", errno)};
    // Opened once, for raw mode, and closed: only after that does the master report that nobody is there.
    const Fd slave(::open(path.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios mode{};
    if (!slave || ::tcgetattr(slave.get(), &mode) != 0) return Error{errno_text(std::string("cannot open ") + path.data(), errno)};
    ::cfmakeraw(&mode);
    ::tcsetattr(slave.get(), TCSANOW, &mode);
    ::fcntl(master.get(), F_SETFL, ::fcntl(master.get(), F_GETFL) | O_NONBLOCK);
    if (host.tell) host.tell((config.id.empty() ? "pty" : config.id) + ": " + path.data());
    return std::unique_ptr<CharBackend>(std::make_unique<PtyChar>(std::move(master), path.data(), host));
}

}  // namespace vmm
