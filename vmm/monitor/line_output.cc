// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/line_output.h"

namespace vmm::monitor {

LineOutput::LineOutput(CharLine& line) : line_(line), thread_([this] { run(); }) {}

LineOutput::~LineOutput() {
    {
        const std::lock_guard lock(mutex_);
        over_ = true;
    }
    arrived_.notify_one();
    thread_.join();
}

void LineOutput::send(std::string message) {
    {
        const std::lock_guard lock(mutex_);
        if (bytes_ + message.size() > kMost) return;
        bytes_ += message.size();
        waiting_.push_back(std::move(message));
    }
    arrived_.notify_one();
}

void LineOutput::forget() {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
    bytes_ = 0;
}

void LineOutput::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        arrived_.wait(lock, [this] { return over_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        const std::string message = std::move(waiting_.front());
        waiting_.pop_front();
        bytes_ -= message.size();
        lock.unlock();
        line_.write(message);
        lock.lock();
    }
}

}  // namespace vmm::monitor
