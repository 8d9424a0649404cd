// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/socket_monitor.h"

#include <glib-unix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "serial/host_socket.h"
#include "vmm/host_clock.h"

namespace vmm::monitor {
namespace {

constexpr std::size_t kReadPiece = 4096;
constexpr std::size_t kReadsAgainBelow = 65536;          // unsent bytes

}  // namespace

class SocketMonitor::Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(SocketMonitor& server, Fd fd) : server_(server), fd_(std::move(fd)) {}
    ~Connection() { stop_writing(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void begin() {
        IoThread& io = server_.host_.io;
        // The client lives no longer than the connection.
        client_ = make_client(server_.mode_, server_.host_, {[this](const std::string& text) { send(text); }, [&io] { io.wake(); }, true});
        reader_ = std::make_unique<IoSource>(io, fd_.get(), [this] { return unsent_.size() < kReadsAgainBelow && client_->wants(); }, [this] { read(); });
        client_->begin();
    }

    Client& client() { return *client_; }

    void stop() {
        reader_.reset();
        stop_writing();
    }

    void farewell(u64 until_ns) {
        pollfd p{fd_.get(), POLLOUT, 0};
        while (!unsent_.empty() && write_some() && !unsent_.empty()) {
            const u64 now = host_ns();
            if (now >= until_ns || ::poll(&p, 1, static_cast<int>((until_ns - now) / 1'000'000) + 1) <= 0) break;
        }
        ::shutdown(fd_.get(), SHUT_WR);
    }

  private:
    void read() {
        const auto keep = shared_from_this();
        const auto got = read_some(fd_.get(), kReadPiece);
        if (!got.data.empty()) client_->bytes(got.data);
        if (got.end) close();
    }

    void send(const std::string& text) {
        if (closed_) return;
        unsent_ += text;
        if (!write_some()) return close();
        if (unsent_.size() > kMostUnsent) {
            server_.tell_("monitor: a client of " + server_.where_ + " does not read; it is let go");
            close();
        } else if (!unsent_.empty() && writer_ == nullptr) {
            writer_ = g_unix_fd_source_new(fd_.get(), G_IO_OUT);
            g_source_set_callback(writer_, G_SOURCE_FUNC(&Connection::on_writable), this, nullptr);
            g_source_attach(writer_, server_.host_.io.context());
        }
    }

    static gboolean on_writable(gint, GIOCondition, gpointer self) {
        return static_cast<Connection*>(self)->writable() ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
    }
    bool writable() {
        const auto keep = shared_from_this();
        if (!write_some()) {
            close();
            return false;
        }
        if (!unsent_.empty()) return true;
        stop_writing();
        return false;
    }

    // False: nobody is there any more.
    bool write_some() {
        std::size_t sent = 0;
        bool there = true;
        while (sent < unsent_.size()) {
            const ssize_t n = ::send(fd_.get(), unsent_.data() + sent, unsent_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) {
                sent += static_cast<std::size_t>(n);
            } else if (errno != EINTR) {
                there = errno == EAGAIN || errno == EWOULDBLOCK;
                break;
            }
        }
        unsent_.erase(0, sent);
        return there;
    }

    void stop_writing() {
        if (writer_ == nullptr) return;
        g_source_destroy(writer_);
        g_source_unref(std::exchange(writer_, nullptr));
    }

    void close() {
        if (std::exchange(closed_, true)) return;
        stop();
        unsent_ = {};
        server_.gone(this);
    }

    SocketMonitor& server_;
    Fd fd_;
    std::shared_ptr<Client> client_;
    std::unique_ptr<IoSource> reader_;
    GSource* writer_ = nullptr;
    std::string unsent_;
    bool closed_ = false;
};

Result<std::unique_ptr<SocketMonitor>> SocketMonitor::open(const CharConfig& at, Mode mode, const Host& host, Tell tell) {
    CharConfig c = at;
    if (c.kind == CharKind::Tcp && c.host.empty()) c.host = "127.0.0.1";   // a monitor can do everything: nobody from outside
    auto listener = open_socket(c);
    if (!listener) return listener.error();
    const std::string where = where_socket_is(listener->get(), c);
    const int fd = listener->get();
    std::unique_ptr<SocketMonitor> made(
        new SocketMonitor(std::move(*listener), mode, host, std::move(tell), where, c.kind == CharKind::Unix ? c.path : ""));
    if (c.wait) {
        made->tell_("waiting for a connection on " + where);
        int first;
        do first = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        while (first < 0 && (errno == EINTR || errno == ECONNABORTED));
        if (first < 0) return Error{errno_text("cannot accept a connection on '" + where + "'", errno)};
        host.io.run_wait([&] { made->take(Fd(first)); });
    }
    host.io.run_wait([&] {
        made->acceptor_ = std::make_unique<IoSource>(host.io, fd, [m = made.get()] { return m->clients_.size() < kMostClients; },
                                                     [m = made.get()] { m->accept(); });
    });
    return made;
}

SocketMonitor::SocketMonitor(Fd listener, Mode mode, const Host& host, Tell tell, std::string where, std::string unlink_path)
    : host_(host), mode_(mode), tell_(std::move(tell)), listener_(std::move(listener)), where_(std::move(where)), unlink_path_(std::move(unlink_path)) {}

SocketMonitor::~SocketMonitor() {
    host_.io.run_wait([this] {
        acceptor_.reset();
        for (const auto& c : clients_) c->stop();
        clients_.clear();
    });
    if (!unlink_path_.empty()) ::unlink(unlink_path_.c_str());
}

void SocketMonitor::accept() {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) take(std::move(fd));
}

void SocketMonitor::take(Fd fd) {
    no_delay(fd.get());
    clients_.push_back(std::make_shared<Connection>(*this, std::move(fd)));
    const auto keep = clients_.back();
    keep->begin();
}

void SocketMonitor::gone(Connection* connection) {
    for (auto it = clients_.begin(); it != clients_.end(); ++it) {
        if (it->get() != connection) continue;
        host_.io.run([keep = std::move(*it)] {});        // it may be in the middle of something
        clients_.erase(it);
        return;
    }
}

void SocketMonitor::event(const std::string& line) {
    const auto clients = clients_;                       // one may go on the way
    for (const auto& c : clients) c->client().event(line);
}

void SocketMonitor::farewell(u64 until_ns) {
    for (const auto& c : clients_) c->farewell(until_ns);
}

}  // namespace vmm::monitor
