// SPDX-License-Identifier: Apache-2.0
// What the tests of back ends share: a front end that collects, waiting with a bound, small host programs' moves.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "serial/char_backend.h"

namespace vmm {

inline bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 1000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
}

// For proving that something does not happen: long enough for the I/O thread to have done it many times over.
inline void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(150)); }

class FakeFrontEnd final : public CharInput {
  public:
    explicit FakeFrontEnd(std::size_t room = 1 << 20) : room_(room) {}
    std::size_t room() override { return wavers_ && ++asked_ % 3 == 0 ? 0 : room_.load(); }
    void bytes(std::string_view data) override {
        const std::lock_guard lock(mutex_);
        if (data.size() > room_) overfilled_ = true;
        room_ -= std::min(data.size(), room_.load());
        got_ += data;
    }
    void send_break() override {
        const std::lock_guard lock(mutex_);
        got_ += "<break>";
    }
    void focus(bool on) override {
        const std::lock_guard lock(mutex_);
        got_ += on ? "<in>" : "<out>";
    }
    std::string got() {
        const std::lock_guard lock(mutex_);
        return got_;
    }
    bool receives(const std::string& all) {
        return eventually([&] { return got() == all; });
    }
    void set_room(std::size_t n) { room_ = n; }
    void waver() { wavers_ = true; }                   // none each third time it is asked: the machine's thread may say so at any moment
    bool overfilled() const { return overfilled_; }

  private:
    std::atomic<std::size_t> room_;
    std::atomic<bool> overfilled_{false}, wavers_{false};
    unsigned asked_ = 0;                               // I/O thread
    std::mutex mutex_;
    std::string got_;
};

// Reads from `fd` until `size` bytes came, or two seconds without any.
inline std::string read_exactly(int fd, std::size_t size) {
    std::string out;
    while (out.size() < size) {
        pollfd p{fd, POLLIN, 0};
        if (::poll(&p, 1, 2000) <= 0) break;
        char buffer[4096];
        const ssize_t n = ::read(fd, buffer, std::min(sizeof buffer, size - out.size()));
        if (n <= 0) break;
        out.append(buffer, static_cast<std::size_t>(n));
    }
    return out;
}

inline void put(int fd, const std::string& data) {
    if (::write(fd, data.data(), data.size()) != static_cast<ssize_t>(data.size())) std::abort();
}

inline std::string file_content(const std::string& path) {
    std::stringstream s;
    s << std::ifstream(path).rdbuf();
    return s.str();
}

class TempDir {
  public:
    TempDir() {
        std::string name = (std::filesystem::temp_directory_path() / "vmm-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
    }
    ~TempDir() { std::filesystem::remove_all(path_); }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace vmm
