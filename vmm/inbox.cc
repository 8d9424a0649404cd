// SPDX-License-Identifier: Apache-2.0
#include "vmm/inbox.h"

#include <chrono>

namespace vmm {
namespace {
u16 key(InputKind kind, u8 target) { return static_cast<u16>(static_cast<u16>(kind) << 8 | target); }
}

void Inbox::post(Input input) {
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(input));
    }
    arrived_.notify_one();
}

void Inbox::on(InputKind kind, u8 target, Handler handler) { handlers_.emplace_back(key(kind, target), std::move(handler)); }

std::vector<Input> Inbox::take() {
    const std::lock_guard lock(mutex_);
    std::vector<Input> out;
    out.swap(queue_);
    return out;
}

void Inbox::apply(const Input& input) const {
    for (const auto& [k, handler] : handlers_)
        if (k == key(input.kind, input.target)) handler(input);
}

bool Inbox::wait_ns(u64 host_ns) {
    std::unique_lock lock(mutex_);
    const bool posted = arrived_.wait_for(lock, std::chrono::nanoseconds(host_ns), [this] { return woken_ || !queue_.empty(); });
    woken_ = false;
    return posted;
}

void Inbox::wake() {
    {
        const std::lock_guard lock(mutex_);
        woken_ = true;
    }
    arrived_.notify_one();
}

bool Inbox::empty() const {
    const std::lock_guard lock(mutex_);
    return queue_.empty();
}

}  // namespace vmm
