// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/line_monitor.h"

#include <pthread.h>

#include <chrono>
#include <csignal>
#include <utility>

#include "vmm/host_clock.h"

namespace vmm::monitor {

LineMonitor::LineMonitor(CharLine& line, Mode mode, const Host& host)
    : line_(line),
      host_(host),
      client_(make_client(mode, host, {[this](const std::string& text) { send(text); }, [&host] { host.io.wake(); }, line.terminal()})) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);            // signals are for the main thread
    writer_ = std::thread([this] { write(); });
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    line_.connect(this);
}

LineMonitor::~LineMonitor() {
    line_.connect(nullptr);
    {
        const std::lock_guard lock(mutex_);
        ends_ = true;
    }
    changed_.notify_all();
    writer_.join();
    host_.io.run_wait([this] { client_.reset(); });
}

std::size_t LineMonitor::room() {
    if (!client_->wants()) return 0;
    const std::lock_guard lock(mutex_);
    return unsent_.size() < kReadsAgainBelow ? kRoom : 0;
}

void LineMonitor::peer(bool there) {
    if (there) focus(true);
}

void LineMonitor::focus(bool here) {
    if (!here) return;
    if (std::exchange(begun_, true)) client_->again();
    else client_->begin();
}

void LineMonitor::send(const std::string& text) {
    {
        const std::lock_guard lock(mutex_);
        if (unsent_.size() + text.size() > kMostUnsent) return;
        unsent_ += text;
    }
    changed_.notify_all();
}

void LineMonitor::write() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return ends_ || !unsent_.empty(); });
        if (ends_) return;
        const std::string text = std::exchange(unsent_, {});
        writing_ = true;
        lock.unlock();
        line_.write(text);
        host_.io.wake();
        lock.lock();
        writing_ = false;
        changed_.notify_all();
    }
}

void LineMonitor::farewell(u64 until_ns) {
    const u64 now = host_ns();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::nanoseconds(until_ns > now ? until_ns - now : 0), [this] { return unsent_.empty() && !writing_; });
}

}  // namespace vmm::monitor
