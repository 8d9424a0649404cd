// SPDX-License-Identifier: Apache-2.0
#include "vmm/clock.h"

#include <algorithm>

#include "vmm/check.h"

namespace vmm {
namespace {
constexpr u64 kNsPerSecond = 1'000'000'000;
}

Icount Clock::first_at(GuestTime deadline) const {
    if (deadline <= time()) return s_.now;
    const u64 ahead = deadline.v - time().v;
    const u64 steps = (ahead >> s_.shift) + ((ahead & ((u64{1} << s_.shift) - 1)) != 0 ? 1 : 0);
    return s_.now.v > ~u64{0} - steps ? Icount{~u64{0}} : s_.now + steps;
}

void Clock::jump_to(GuestTime t) {
    s_.now += 1;
    if (t > time()) s_.idle += t - time();
}

u64 ticks_at(GuestTime t, u64 hz) { return static_cast<u64>(u128{t.v} * hz / kNsPerSecond); }

GuestTime time_of_tick(u64 n, u64 hz) {
    return {static_cast<u64>((u128{n} * kNsPerSecond + hz - 1) / hz)};
}

void Timers::bind(TimerId id, Callback callback) {
    auto& slot = callbacks_[static_cast<std::size_t>(id)];
    CHECK(!slot, "a timer id has two owners");
    slot = std::move(callback);
}

void Timers::arm(TimerId id, GuestTime deadline) {
    s_.deadlines[static_cast<std::size_t>(id)] = std::min(deadline.v, kNever - 1);
    refresh();
}

void Timers::cancel(TimerId id) {
    s_.deadlines[static_cast<std::size_t>(id)] = kNever;
    refresh();
}

std::optional<GuestTime> Timers::deadline(TimerId id) const {
    const u64 d = s_.deadlines[static_cast<std::size_t>(id)];
    return d == kNever ? std::nullopt : std::optional(GuestTime{d});
}

std::optional<GuestTime> Timers::next() const {
    return next_ == kNever ? std::nullopt : std::optional(GuestTime{next_});
}

void Timers::run_due() {
    while (next_ <= clock_.time().v) {
        const auto it = std::find(s_.deadlines.begin(), s_.deadlines.end(), next_);
        const auto id = static_cast<std::size_t>(it - s_.deadlines.begin());
        const GuestTime deadline{*it};
        *it = kNever;
        refresh();
        if (callbacks_[id]) callbacks_[id](deadline);
    }
}

void Timers::refresh() {
    const u64 before = next_;
    next_ = *std::min_element(s_.deadlines.begin(), s_.deadlines.end());
    if (next_ < before) attention = true;
}

}  // namespace vmm
