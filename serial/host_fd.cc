// SPDX-License-Identifier: Apache-2.0
#include "serial/host_fd.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace vmm {

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

Fd::~Fd() {
    if (fd_ >= 0) ::close(fd_);
}

WriteEnd write_fully(int fd, bool socket, std::string_view data, std::size_t chunk, const std::atomic<bool>& give_up) {
    constexpr int kLookUpMs = 50;                      // how often a stalled writer looks at give_up
    while (!data.empty()) {
        pollfd p{fd, POLLOUT, 0};
        const int ready = ::poll(&p, 1, give_up ? 0 : kLookUpMs);
        if (ready < 0 && errno != EINTR) return WriteEnd::Closed;
        if (ready <= 0) {
            if (give_up) return WriteEnd::GivenUp;
            continue;
        }
        const std::size_t n = std::min(chunk, data.size());
        const ssize_t written = socket ? ::send(fd, data.data(), n, MSG_NOSIGNAL | MSG_DONTWAIT) : ::write(fd, data.data(), n);
        if (written >= 0) {
            data.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR && errno != EAGAIN) {
            return WriteEnd::Closed;
        }
    }
    return WriteEnd::Done;
}

ReadResult read_some(int fd, std::size_t max) {
    ReadResult result;
    if (max == 0) return result;                       // reading nothing would look like the end of the file
    result.data.resize(std::min<std::size_t>(max, 4096));
    ssize_t n;
    do n = ::read(fd, result.data.data(), result.data.size());
    while (n < 0 && errno == EINTR);
    result.end = n == 0 || (n < 0 && errno != EAGAIN);
    result.data.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return result;
}

std::string errno_text(const std::string& what, int error) { return what + ": " + std::generic_category().message(error); }

}  // namespace vmm
