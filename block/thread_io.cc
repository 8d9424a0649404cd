// SPDX-License-Identifier: Apache-2.0
// Host I/O by a few threads that block. Where io_uring is forbidden, and for aio=threads.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "block/host_io.h"

namespace vmm::block {
namespace {

constexpr unsigned kThreads = 4;
constexpr u64 kLongestWaitNs = 1'000'000'000;

struct Outcome {
    int error = 0;
    u64 bytes = 0;
};

Outcome transfer(const HostOp& op) {
    Outcome out;
    while (out.bytes < op.length) {
        const auto at = static_cast<off_t>(op.offset + out.bytes);
        u8* data = op.data + out.bytes;
        const std::size_t left = op.length - out.bytes;
        const ssize_t n = op.kind == HostOp::Kind::Read ? pread(op.fd, data, left, at) : pwrite(op.fd, data, left, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return {errno, out.bytes};
        if (n == 0) break;
        out.bytes += static_cast<u64>(n);
    }
    return out;
}

Outcome perform(const HostOp& op) {
    const auto result = [&op](auto call) {
        int r = 0;
        do r = call(); while (r != 0 && errno == EINTR);
        return Outcome{r == 0 ? 0 : errno, op.length};
    };
    switch (op.kind) {
        case HostOp::Kind::Read:
        case HostOp::Kind::Write: return transfer(op);
        case HostOp::Kind::Sync: return result([&] { return fdatasync(op.fd); });
        case HostOp::Kind::Discard:
            return result([&] {
                return fallocate(op.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(op.offset), static_cast<off_t>(op.length));
            });
    }
    return {EINVAL, 0};
}

class ThreadIo final : public HostIo {
  public:
    ThreadIo() {
        for (unsigned i = 0; i < kThreads; ++i) threads_.emplace_back([this] { work(); });
    }
    ~ThreadIo() override {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        posted_.notify_all();
        for (std::thread& t : threads_) t.join();
    }

    void submit(const HostOp& op, Done done) override {
        {
            const std::lock_guard lock(mutex_);
            queue_.push_back({op, std::move(done)});
        }
        posted_.notify_one();
    }

    bool wait(const std::function<bool()>& done, u64 ns) override {
        std::unique_lock lock(mutex_);
        const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(std::min(ns, kLongestWaitNs));
        for (;;) {
            const u64 seen = completed_;
            lock.unlock();
            if (done()) return true;
            lock.lock();
            const bool more = finished_.wait_until(lock, until, [&] { return completed_ != seen; });
            if (more || ns > kLongestWaitNs) continue;       // so long is for ever
            lock.unlock();
            return done();
        }
    }

    void watch() override {}
    void wake() override {
        {
            const std::lock_guard lock(mutex_);
            ++completed_;
        }
        finished_.notify_all();
    }
    Aio aio() const override { return Aio::Threads; }

  private:
    struct Job {
        HostOp op;
        Done done;
    };

    void work() {
        for (;;) {
            std::unique_lock lock(mutex_);
            posted_.wait(lock, [this] { return ending_ || !queue_.empty(); });
            if (queue_.empty()) return;
            Job job = std::move(queue_.front());
            queue_.pop_front();
            lock.unlock();
            const Outcome outcome = perform(job.op);
            job.done(outcome.error, outcome.bytes);
            lock.lock();
            ++completed_;
            lock.unlock();
            finished_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable posted_, finished_;
    std::deque<Job> queue_;
    u64 completed_ = 0;
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<HostIo> make_thread_io() { return std::make_unique<ThreadIo>(); }

}  // namespace vmm::block
