// SPDX-License-Identifier: Apache-2.0
// File descriptors of back ends: ownership, writing that waits, reading that waits for room.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "serial/char_backend.h"

namespace vmm {

class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept;
    ~Fd();
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

enum class WriteEnd {
    Done,
    Closed,    // nobody will read this again; errno says why
    GivenUp,   // `give_up` became true while the host did not read
};

// Writes all of `data`, waiting as long as it takes. `chunk` is what a writable fd takes without blocking for good.
WriteEnd write_fully(int fd, bool socket, std::string_view data, std::size_t chunk, const std::atomic<bool>& give_up);

// Where a back end delivers. Used on the I/O thread, but for connect().
class InputSlot {
  public:
    explicit InputSlot(IoThread& io, bool peer = true) : io_(io), peer_(peer) {}
    void connect(CharInput* input) {
        io_.run_wait([&] {
            input_ = input;
            if (input_ != nullptr && peer_) input_->peer(true);
        });
    }
    void set_peer(bool there) {
        peer_ = there;
        if (input_ != nullptr) input_->peer(there);
    }
    std::size_t room() const { return input_ != nullptr ? input_->room() : 0; }
    void deliver(std::string_view data) const { if (input_ != nullptr && !data.empty()) input_->bytes(data); }

  private:
    IoThread& io_;
    CharInput* input_ = nullptr;
    bool peer_;                        // is anybody at the other end?
};

// One read of at most `max` bytes on the I/O thread, after poll said there is something.
struct ReadResult {
    std::string data;
    bool end = false;          // end of file, or an error
};
ReadResult read_some(int fd, std::size_t max);

// "cannot X: reason"
std::string errno_text(const std::string& what, int error);

}  // namespace vmm
