// SPDX-License-Identifier: Apache-2.0
#include "vmm/runner.h"

#include <algorithm>
#include <chrono>

namespace vmm {
namespace {

using HostClock = std::chrono::steady_clock;
constexpr u64 kSliceNs = 200'000;                  // host time of a slice, aimed at
constexpr u64 kMinSlice = 10'000, kMaxSlice = 10'000'000;   // steps
constexpr u64 kShortestSleepNs = 50'000;
constexpr u64 kLongestSleepNs = 100'000'000;

u64 host_ns() {
    return static_cast<u64>(std::chrono::duration_cast<std::chrono::nanoseconds>(HostClock::now().time_since_epoch()).count());
}

class Run {
  public:
    Run(Machine& machine, const RunnerOptions& options, Journal& journal)
        : m_(machine), o_(options), journal_(journal), host_zero_(host_ns()), guest_zero_(machine.time()) {}

    int operator()() {
        m_.inbox().on(InputKind::Request, static_cast<u8>(RequestKind::Quit), [this](const Input&) { quit_ = true; });
        for (;;) {
            for (const Input& input : journal_.inputs(m_.icount(), m_.inbox().take())) m_.inbox().apply(input);
            o_.boundary();
            if (quit_) return journal_.leave(m_, Ending::Quit, 0);
            if (journal_.over(m_)) return journal_.leave(m_, std::nullopt, 0);
            const u64 before = host_ns();
            const Icount from = m_.icount();
            const Stop stop = run(journal_.stop(from, from + slice_));
            if (stop == Stop::Limit) adapt(m_.icount() - from, host_ns() - before);
            if (stop == Stop::Idle && idle()) {
                // The timers that are due where the jump ended fire before any input: position N is one state.
                if (const auto status = ended(run(m_.icount()))) return *status;
            } else if (const auto status = ended(stop)) {
                return *status;
            }
        }
    }

  private:
    Stop run(Icount limit) {
        const Stop stop = m_.run(limit);
        journal_.arrived(m_);
        return stop;
    }

    std::optional<int> ended(Stop stop) {
        switch (stop) {
            case Stop::Limit:
            case Stop::Idle: return std::nullopt;
            case Stop::Reset:
                if (!o_.no_reboot) return std::nullopt;
                return journal_.leave(m_, Ending::Reset, 0);
            case Stop::PowerOff: {
                const int status = journal_.leave(m_, Ending::PowerOff, 0);
                if (o_.no_shutdown) wait_for_quit();
                return status;
            }
            case Stop::DebugExit: return journal_.leave(m_, Ending::DebugExit, m_.exit_code());
        }
        return std::nullopt;
    }

    void adapt(u64 steps, u64 ns) {
        if (ns == 0) ns = 1;
        const u64 fit = static_cast<u64>(u128{steps} * kSliceNs / ns);
        slice_ = std::clamp((slice_ * 3 + fit) / 4, kMinSlice, kMaxSlice);
    }

    // The guest halted. Never sleeps when guest time is behind host time. False: time stood still.
    bool idle() {
        const Icount at = m_.icount();
        if (journal_.idle(m_)) return m_.icount() != at;
        const auto next = m_.next_deadline();
        if (!next && !o_.sleep) {
            // Nothing will ever happen without input, and time stands still until there is some.
            m_.inbox().wait_ns(kLongestSleepNs);
            return false;
        }
        const u64 length = next ? (*next > m_.time() ? *next - m_.time() : 0) : kLongestSleepNs;
        const u64 guest = m_.time() - guest_zero_ + length;
        const u64 host = host_ns() - host_zero_;
        const u64 ahead = guest > host ? std::min(guest - host, length) : 0;
        if (!o_.sleep || ahead < kShortestSleepNs) {
            if (!next && !m_.inbox().empty()) return false;
            jump(next, length);
            return true;
        }
        const u64 start = host_ns();
        const bool input = m_.inbox().wait_ns(std::min(ahead, kLongestSleepNs));
        const u64 slept = host_ns() - start;
        // Input, or a sleep cut into pieces so that we stay attentive: as much guest time passed as host time did.
        jump(next, input || slept < ahead ? std::min(slept, length) : length);
        return true;
    }

    void jump(std::optional<GuestTime> next, u64 length) {
        const Icount at = m_.icount();
        const GuestTime upto = m_.time() + length;
        m_.idle_jump(upto);
        journal_.jumped(at, length, !next || upto < *next);
    }

    void wait_for_quit() {
        while (!quit_) {
            m_.inbox().wait_ns(kLongestSleepNs);
            for (const Input& input : m_.inbox().take())
                if (input.kind == InputKind::Request) m_.inbox().apply(input);
        }
    }

    Machine& m_;
    const RunnerOptions& o_;
    Journal& journal_;
    u64 host_zero_;
    GuestTime guest_zero_;
    u64 slice_ = 100'000;
    bool quit_ = false;
};

}  // namespace

int run_machine(Machine& machine, const RunnerOptions& options, Journal& journal) { return Run(machine, options, journal)(); }

int run_machine(Machine& machine, const RunnerOptions& options) {
    PlainJournal plain;
    return run_machine(machine, options, plain);
}

}  // namespace vmm
