// SPDX-License-Identifier: Apache-2.0
#include "gdbstub/server.h"

#include <glib-unix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "gdbstub/packet.h"
#include "serial/host_socket.h"

namespace vmm::gdb {
namespace {

constexpr std::size_t kReadPiece = 16384;
constexpr unsigned kPacketsAhead = 32;                  // read and not yet worked on
constexpr std::size_t kMostUnsent = std::size_t{32} << 20;
constexpr std::size_t kMostRefused = 8;
constexpr int kFarewellMs = 300;
constexpr unsigned kAliveMs = 1000;                     // gdb gives up after 2 s of silence on a monitor command

}  // namespace

// All of it on the I/O thread, but for what is posted.
class Server::Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(Server& server, Fd fd) : server_(server), fd_(std::move(fd)) {}
    ~Connection() { stop_writing(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void begin() {
        IoThread& io = server_.host_.io;
        SessionHost host;
        host.send = [weak = weak_from_this(), &io](std::string payload) {
            io.run([weak, payload = std::move(payload)] {
                if (const auto self = weak.lock()) self->send(payload);
            });
        };
        host.hang_up = [weak = weak_from_this(), &io] {
            io.run([weak] {
                if (const auto self = weak.lock()) self->hang_up();
            });
        };
        host.quit_when_ended = server_.host_.quit_when_ended;
        session_ = std::make_shared<Session>(server_.host_.control, server_.host_.commands, std::move(host));
        reader_source_ = std::make_unique<IoSource>(io, fd_.get(), [this] { return ahead_ < kPacketsAhead; }, [this] { read(); });
        post([](Session& s) { s.attach(); });
    }

    const std::shared_ptr<Session>& session() const { return session_; }

    // What is left to write, as far as the other side takes it; not for long.
    void farewell() {
        pollfd p{fd_.get(), POLLOUT, 0};
        while (!unsent_.empty() && ::poll(&p, 1, kFarewellMs) > 0 && write_some()) {}
        ::shutdown(fd_.get(), SHUT_WR);
    }

    // The last debugger may have gone and nobody noticed yet.
    void look_for_end() {
        char byte = 0;
        if (::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) close();
    }

    void stop() {
        reader_source_.reset();
        alive_.reset();
        stop_writing();
    }

  private:
    template <class F>
    void post(F work) {
        ++ahead_;
        server_.host_.control.post([session = session_, weak = weak_from_this(), &io = server_.host_.io, work] {
            work(*session);
            io.run([weak] {
                if (const auto self = weak.lock()) --self->ahead_;
            });
        });
    }

    void read() {
        auto got = read_some(fd_.get(), kReadPiece);
        reader_.feed(got.data, [this](const PacketReader::Event& event) { take(event); });
        if (got.end) close();
    }

    void take(const PacketReader::Event& event) {
        using Kind = PacketReader::Kind;
        switch (event.kind) {
            case Kind::Ack: break;
            case Kind::Nack:
                if (!no_ack_ && !last_.empty()) write(last_);
                break;
            case Kind::Damaged:
                if (!no_ack_) write("-");
                break;
            case Kind::TooLong:
                if (!no_ack_) write("+");
                post([](Session& s) { s.too_long(); });
                break;
            case Kind::Interrupt:
                // At once, even out of a long move; and once more in order, for a move that is only about to begin.
                server_.host_.control.interrupt();
                post([](Session& s) { s.interrupt(); });
                break;
            case Kind::Packet:
                if (!no_ack_) write("+");
                if (event.payload == "QStartNoAckMode") {
                    send("OK");
                    no_ack_ = true;
                } else {
                    // A seek over a whole recording takes its time: text without a letter says that there is more to come.
                    if (event.payload.starts_with("qRcmd,"))
                        alive_ = std::make_unique<IoTicker>(server_.host_.io, kAliveMs, [this] { write(encode("O")); });
                    post([payload = event.payload](Session& s) { s.packet(payload); });
                }
                break;
        }
    }

    void send(const std::string& payload) {
        const bool more = payload.starts_with("O") && payload != "OK";
        if (!more) alive_.reset();
        last_ = encode(payload);
        write(last_);
    }

    void write(std::string_view bytes) {
        if (closed_) return;
        unsent_ += bytes;
        if (!write_some()) return close();
        if (unsent_.size() > kMostUnsent) {
            server_.host_.tell("gdb: the debugger does not read; it is let go");
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
        if (hanging_up_) close();
        return false;
    }

    // False: nobody is there any more.
    bool write_some() {
        while (!unsent_.empty()) {
            const ssize_t n = ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) unsent_.erase(0, static_cast<std::size_t>(n));
            else if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
            else if (errno != EINTR) return false;
        }
        return true;
    }

    void stop_writing() {
        if (writer_ == nullptr) return;
        g_source_destroy(writer_);
        g_source_unref(std::exchange(writer_, nullptr));
    }

    void hang_up() {
        hanging_up_ = true;
        if (unsent_.empty()) close();
    }

    void close() {
        if (std::exchange(closed_, true)) return;
        stop();
        post([](Session& s) { s.lost(); });
        server_.gone(this);
    }

    Server& server_;
    Fd fd_;
    PacketReader reader_;
    std::shared_ptr<Session> session_;
    std::unique_ptr<IoSource> reader_source_;
    std::unique_ptr<IoTicker> alive_;            // while a monitor command runs
    GSource* writer_ = nullptr;
    std::string unsent_, last_;
    unsigned ahead_ = 0;
    bool no_ack_ = false, hanging_up_ = false, closed_ = false;
};

Result<std::unique_ptr<Server>> Server::open(const CharConfig& at, Host host) {
    CharConfig c = at;
    c.server = true;
    if (c.kind == CharKind::Tcp && c.host.empty()) c.host = "127.0.0.1";   // a debugger can do everything: nobody from outside
    auto listener = open_socket(c);
    if (!listener) return listener.error();
    const std::string where = where_socket_is(listener->get(), c);
    return std::unique_ptr<Server>(new Server(std::move(*listener), where, c.kind == CharKind::Unix ? c.path : "", std::move(host)));
}

Server::Server(Fd listener, std::string where, std::string unlink_path, Host host)
    : host_(std::move(host)), listener_(std::move(listener)), where_(std::move(where)), unlink_path_(std::move(unlink_path)) {
    acceptor_ = std::make_unique<IoSource>(host_.io, listener_.get(), [] { return true; }, [this] { accept(); });
}

Server::~Server() {
    host_.io.run_wait([this] {
        acceptor_.reset();
        if (connection_) connection_->stop();
        connection_.reset();
        refused_.clear();
    });
    if (!unlink_path_.empty()) ::unlink(unlink_path_.c_str());
}

void Server::accept() {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    no_delay(fd.get());
    if (connection_) connection_->look_for_end();
    if (!connection_) {
        connection_ = std::make_shared<Connection>(*this, std::move(fd));
        connection_->begin();
        return;
    }
    const std::string answer = "+" + encode("E.another debugger is attached; this one can come when that one has gone");
    (void)!::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(fd.get(), SHUT_WR);
    refused_.push_back(std::move(fd));
    if (refused_.size() > kMostRefused) refused_.pop_front();
}

void Server::gone(const Connection* connection) {
    if (connection_.get() != connection) return;
    // The connection may be in the middle of something.
    host_.io.run([keep = std::move(connection_)] {});
    connection_.reset();
}

void Server::program_ends(int status) {
    std::shared_ptr<Session> session;
    host_.io.run_wait([&] {
        if (connection_) session = connection_->session();
    });
    if (!session) return;
    session->program_ends(status);
    host_.io.run_wait([this] {
        if (connection_) connection_->farewell();
    });
}

}  // namespace vmm::gdb
