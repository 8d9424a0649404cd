// SPDX-License-Identifier: Apache-2.0
// A stream socket, unix or TCP, listening or connecting. One peer at a time; a listener takes the next when that one has
// gone. With no peer output is discarded. A few KiB are read ahead, so that a peer which says its piece and goes is heard.
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "serial/host_fd.h"

namespace vmm {
namespace {

constexpr std::size_t kReadAhead = 4096;

class SocketChar final : public CharBackend {
  public:
    SocketChar(Fd listener, std::shared_ptr<Fd> peer, std::string where, std::string unlink_path, const CharHost& host)
        : host_(host),
          listener_(std::move(listener)),
          where_(std::move(where)),
          unlink_path_(std::move(unlink_path)),
          slot_(host.io),
          drain_(host.io, -1, [this] { return !ahead_.empty() && slot_.room() > 0; }, [this] { drain(); }) {
        host_.io.run_wait([&] {
            if (peer) adopt(std::move(peer));
            if (listener_)
                acceptor_ = std::make_unique<IoSource>(host_.io, listener_.get(), [this] { return reader_ == nullptr; }, [this] { accept(); });
        });
    }
    ~SocketChar() override {
        host_.io.run_wait([&] {
            acceptor_.reset();
            reader_.reset();
        });
        if (!unlink_path_.empty()) ::unlink(unlink_path_.c_str());
    }

    void write(std::string_view data) override {
        const std::lock_guard writing(write_mutex_);
        std::shared_ptr<Fd> peer;
        {
            const std::lock_guard lock(peer_mutex_);
            peer = peer_;
        }
        if (!peer) return;
        if (write_fully(peer->get(), true, data, 65536, given_up_) == WriteEnd::Closed) {
            const std::lock_guard lock(peer_mutex_);
            if (peer_ == peer) peer_.reset();          // the reader notices the end by itself
        }
    }
    void connect(CharInput* input) override {
        slot_.connect(input);
        host_.io.wake();
    }
    std::string where() const override { return where_; }

  private:
    // All of these on the I/O thread.
    void adopt(std::shared_ptr<Fd> peer) {
        reading_ = peer;
        reader_ = std::make_unique<IoSource>(host_.io, peer->get(), [this] { return ahead_.size() < kReadAhead; }, [this] { read(); });
        const std::lock_guard lock(peer_mutex_);
        peer_ = std::move(peer);
    }
    void accept() {
        const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) adopt(std::make_shared<Fd>(fd));
    }
    void read() {
        const auto got = read_some(reading_->get(), kReadAhead - ahead_.size());
        ahead_ += got.data;
        drain();
        if (!got.end) return;
        ::shutdown(reading_->get(), SHUT_RDWR);        // a writer that waits for this peer gets its answer
        {
            const std::lock_guard lock(peer_mutex_);
            peer_.reset();
        }
        reader_.reset();
        reading_.reset();
    }
    void drain() {
        while (!ahead_.empty()) {
            const std::size_t n = std::min(slot_.room(), ahead_.size());
            if (n == 0) return;
            slot_.deliver(std::string_view(ahead_).substr(0, n));
            ahead_.erase(0, n);
        }
    }

    CharHost host_;
    Fd listener_;
    std::string where_, unlink_path_;
    std::mutex write_mutex_;
    std::mutex peer_mutex_;
    std::shared_ptr<Fd> peer_;         // under peer_mutex_: where writers write
    std::shared_ptr<Fd> reading_;      // I/O thread
    std::string ahead_;
    InputSlot slot_;
    IoSource drain_;
    std::unique_ptr<IoSource> acceptor_, reader_;
};

std::string label(const CharConfig& c) { return c.kind == CharKind::Unix ? "unix:" + c.path : "tcp:" + c.host + ":" + c.port; }

sockaddr_un unix_address(const std::string& path) {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
    return a;
}

// Binds and listens, or connects.
bool engage(int fd, const sockaddr* address, socklen_t size, bool server) {
    if (!server) return ::connect(fd, address, size) == 0;
    return ::bind(fd, address, size) == 0 && ::listen(fd, 1) == 0;
}

Result<Fd> open_unix(const CharConfig& c) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return Error{errno_text("cannot make a socket", errno)};
    struct stat st {};
    if (c.server && ::lstat(c.path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) ::unlink(c.path.c_str());  // left by an earlier run
    const sockaddr_un a = unix_address(c.path);
    if (!engage(fd.get(), reinterpret_cast<const sockaddr*>(&a), sizeof a, c.server))
        return Error{errno_text(std::string("cannot ") + (c.server ? "listen on" : "connect to") + " '" + label(c) + "'", errno)};
    return fd;
}

Result<Fd> open_tcp(const CharConfig& c) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = c.server ? AI_PASSIVE : 0;
    addrinfo* found = nullptr;
    if (const int e = ::getaddrinfo(c.host.empty() ? nullptr : c.host.c_str(), c.port.c_str(), &hints, &found); e != 0)
        return Error{"cannot find '" + label(c) + "': " + gai_strerror(e)};
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
    int error = 0;
    for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
        Fd fd(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol));
        const int on = 1;
        if (fd) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (fd && engage(fd.get(), a->ai_addr, a->ai_addrlen, c.server)) return fd;
        error = errno;
    }
    return Error{errno_text(std::string("cannot ") + (c.server ? "listen on" : "connect to") + " '" + label(c) + "'", error)};
}

// With port 0 the system chose one.
std::string where_it_is(int fd, const CharConfig& c) {
    if (c.kind == CharKind::Unix) return label(c);
    sockaddr_storage a{};
    socklen_t size = sizeof a;
    std::array<char, 128> host{}, port{};
    auto* address = reinterpret_cast<sockaddr*>(&a);
    const int got = c.server ? ::getsockname(fd, address, &size) : ::getpeername(fd, address, &size);
    if (got != 0 || ::getnameinfo(address, size, host.data(), host.size(), port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return label(c);
    const bool v6 = std::strchr(host.data(), ':') != nullptr;
    return std::string("tcp:") + (v6 ? "[" : "") + host.data() + (v6 ? "]" : "") + ":" + port.data();
}

}  // namespace

Result<std::unique_ptr<CharBackend>> open_socket_char(const CharConfig& config, const CharHost& host) {
    auto opened = config.kind == CharKind::Unix ? open_unix(config) : open_tcp(config);
    if (!opened) return opened.error();
    Fd fd = std::move(*opened);
    const std::string where = where_it_is(fd.get(), config);
    const int on = 1;
    if (config.kind == CharKind::Tcp && config.nodelay) ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Fd listener;
    std::shared_ptr<Fd> peer;
    if (!config.server) {
        peer = std::make_shared<Fd>(std::move(fd));
    } else {
        listener = std::move(fd);
        if (config.wait) {
            if (host.tell) host.tell("waiting for a connection on " + where);
            int client;
            do client = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
            while (client < 0 && (errno == EINTR || errno == ECONNABORTED));
            if (client < 0) return Error{errno_text("cannot accept a connection on '" + where + "'", errno)};
            peer = std::make_shared<Fd>(client);
        }
    }
    const std::string unlink_path = config.server && config.kind == CharKind::Unix ? config.path : "";
    return std::unique_ptr<CharBackend>(
        std::make_unique<SocketChar>(std::move(listener), std::move(peer), where, unlink_path, host));
}

}  // namespace vmm
