// SPDX-License-Identifier: Apache-2.0
#include "serial/host_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace vmm {
namespace {

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
    return ::bind(fd, address, size) == 0 && ::listen(fd, 16) == 0;
}

Result<Fd> open_unix(const CharConfig& c) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) return Error{errno_text("cannot make a socket", errno)};
    struct stat st {};
    if (c.server && ::lstat(c.path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) ::unlink(c.path.c_str());  // left by an earlier run
    if (c.server) ::fchmod(fd.get(), 0600);              // before it has a name: for its owner only, from the first moment
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

}  // namespace

Result<Fd> open_socket(const CharConfig& config) { return config.kind == CharKind::Unix ? open_unix(config) : open_tcp(config); }

std::string where_socket_is(int fd, const CharConfig& c) {
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

void no_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace vmm
