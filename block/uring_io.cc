// SPDX-License-Identifier: Apache-2.0
// Host I/O by io_uring. The submitting thread completes what is ready right after submitting, and while it waits; another
// thread looks at the ring only after watch(), so that nothing wakes it in the common case.
// Documents: io_uring(7), io_uring_enter(2).
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <thread>
#include <vector>

#include "block/host_io.h"
#include "vmm/host_clock.h"

namespace vmm::block {
namespace {

constexpr unsigned kEntries = 64;
constexpr u64 kForeverNs = 1'000'000'000;               // who waits so long waits for ever
constexpr u32 kMostAtOnce = 1u << 30;                   // bytes in one submission

class UringIo final : public HostIo {
  public:
    static Result<std::unique_ptr<HostIo>> make() {
        std::unique_ptr<UringIo> io(new UringIo);
        if (const int r = io_uring_queue_init(kEntries, &io->ring_, 0); r < 0) {
            return Error{std::string("io_uring: ") + std::strerror(-r)};
        }
        io->open_ = true;
        io->wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        io->look_again_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (io->wake_ < 0 || io->look_again_ < 0) return Error{std::string("eventfd: ") + std::strerror(errno)};
        return std::unique_ptr<HostIo>(std::move(io));
    }

    ~UringIo() override {
        if (!open_) return;
        wait([this] { return under_way_.load() == 0; }, ~u64{0});
        if (watcher_.joinable()) {
            {
                const std::lock_guard lock(watch_mutex_);
                ending_ = true;
            }
            watched_.notify_all();
            const u64 one = 1;
            (void)!write(wake_, &one, sizeof one);
            watcher_.join();
        }
        if (wake_ >= 0) close(wake_);
        if (look_again_ >= 0) close(look_again_);
        io_uring_queue_exit(&ring_);
    }

    void submit(const HostOp& op, Done done) override {
        ++under_way_;
        push(new Job{op, std::move(done), 0});
        complete();
    }

    bool wait(const std::function<bool()>& done, u64 ns) override {
        const bool forever = ns >= kForeverNs;
        const u64 until = forever ? 0 : host_ns() + ns;
        for (;;) {
            u64 woken = 0;
            (void)!read(look_again_, &woken, sizeof woken);
            complete();
            if (done()) return true;
            u64 left = kForeverNs / 100;                  // the other thread may take what we wait for
            if (!forever) {
                const u64 now = host_ns();
                if (now >= until) return false;
                left = std::min(left, until - now);
            }
            pollfd fds[2] = {{ring_.ring_fd, POLLIN, 0}, {look_again_, POLLIN, 0}};
            const timespec t{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
            ppoll(fds, 2, &t, nullptr);
        }
    }

    void watch() override {
        {
            const std::lock_guard lock(watch_mutex_);
            if (!watcher_.joinable()) watcher_ = std::thread([this] { look(); });
            watching_ = true;
        }
        watched_.notify_all();
    }

    void wake() override {
        const u64 one = 1;
        (void)!write(look_again_, &one, sizeof one);
    }

    Aio aio() const override { return Aio::IoUring; }

  private:
    struct Job {
        HostOp op;
        Done done;
        u64 moved;
    };

    UringIo() = default;

    void push(Job* job) {
        const std::lock_guard lock(ring_mutex_);
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        while (sqe == nullptr) {                         // the kernel has taken all of them when this returns
            io_uring_submit(&ring_);
            sqe = io_uring_get_sqe(&ring_);
        }
        const HostOp& op = job->op;
        const u64 at = op.offset + job->moved;
        const auto length = static_cast<unsigned>(std::min<u64>(op.length - job->moved, kMostAtOnce));
        switch (op.kind) {
            case HostOp::Kind::Read: io_uring_prep_read(sqe, op.fd, op.data + job->moved, length, at); break;
            case HostOp::Kind::Write: io_uring_prep_write(sqe, op.fd, op.data + job->moved, length, at); break;
            case HostOp::Kind::Sync: io_uring_prep_fsync(sqe, op.fd, IORING_FSYNC_DATASYNC); break;
            case HostOp::Kind::Discard:
                io_uring_prep_fallocate(sqe, op.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(op.offset), static_cast<off_t>(op.length));
                break;
        }
        io_uring_sqe_set_data(sqe, job);
        while (io_uring_submit(&ring_) == -EINTR) {}
    }

    // Everything that is ready; callbacks run without a lock.
    void complete() {
        for (;;) {
            std::vector<std::pair<Job*, int>> ready;
            {
                const std::lock_guard lock(ring_mutex_);
                for (io_uring_cqe* cqe = nullptr; io_uring_peek_cqe(&ring_, &cqe) == 0 && cqe != nullptr;) {
                    ready.emplace_back(static_cast<Job*>(io_uring_cqe_get_data(cqe)), cqe->res);
                    io_uring_cqe_seen(&ring_, cqe);
                }
            }
            if (ready.empty()) return;
            for (const auto& [job, result] : ready) finish(job, result);
        }
    }

    void finish(Job* job, int result) {
        const bool moves = job->op.kind == HostOp::Kind::Read || job->op.kind == HostOp::Kind::Write;
        if (result == -EINTR || result == -EAGAIN) return push(job);
        if (result > 0 && moves) {
            job->moved += static_cast<u64>(result);
            if (job->moved < job->op.length) return push(job);
        }
        job->done(result < 0 ? -result : 0, moves ? job->moved : job->op.length);
        delete job;
        --under_way_;
    }

    void look() {
        for (;;) {
            {
                std::unique_lock lock(watch_mutex_);
                watched_.wait(lock, [this] { return ending_ || watching_; });
                if (ending_) return;
                watching_ = false;
            }
            while (under_way_.load() != 0) {
                pollfd fds[2] = {{ring_.ring_fd, POLLIN, 0}, {wake_, POLLIN, 0}};
                poll(fds, 2, 100);                       // who waits may have taken what we wait for
                {
                    const std::lock_guard lock(watch_mutex_);
                    if (ending_) return;
                }
                complete();
            }
        }
    }

    io_uring ring_{};
    bool open_ = false;
    int wake_ = -1, look_again_ = -1;
    std::mutex ring_mutex_;
    std::atomic<u64> under_way_{0};
    std::mutex watch_mutex_;
    std::condition_variable watched_;
    bool watching_ = false, ending_ = false;
    std::thread watcher_;
};

}  // namespace

Result<std::unique_ptr<HostIo>> make_uring_io() { return UringIo::make(); }

}  // namespace vmm::block
