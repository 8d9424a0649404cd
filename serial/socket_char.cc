// SPDX-License-Identifier: Apache-2.0
// A stream socket, unix or TCP, listening or connecting. One peer at a time; a listener takes the next when that one has
// gone. With no peer output is discarded. A few KiB are read ahead, so that a peer which says its piece and goes is heard.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

#include "serial/host_socket.h"

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
          slot_(host.io, false),
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
    bool terminal() const override { return true; }    // for all that is known
    std::string where() const override { return where_; }

  private:
    // All of these on the I/O thread.
    void adopt(std::shared_ptr<Fd> peer) {
        reading_ = peer;
        reader_ = std::make_unique<IoSource>(host_.io, peer->get(), [this] { return ahead_.size() < kReadAhead; }, [this] { read(); });
        {
            const std::lock_guard lock(peer_mutex_);
            peer_ = std::move(peer);
        }
        slot_.set_peer(true);
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
        slot_.set_peer(false);
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

}  // namespace

Result<std::unique_ptr<CharBackend>> open_socket_char(const CharConfig& config, const CharHost& host) {
    auto opened = open_socket(config);
    if (!opened) return opened.error();
    Fd fd = std::move(*opened);
    const std::string where = where_socket_is(fd.get(), config);
    if (config.kind == CharKind::Tcp && config.nodelay) no_delay(fd.get());
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
