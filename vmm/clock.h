// SPDX-License-Identifier: Apache-2.0
// Guest time, and the deadlines that live in it.
//
// Time is one integer, the icount. Guest time in ns = (icount << shift) + idle; idle grows only when a halted CPU jumps to
// the next deadline. No host clock is read here or in any device. Machine thread only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vmm/archive.h"
#include "vmm/types.h"

namespace vmm {

class Clock {
  public:
    explicit Clock(unsigned shift = 0) { s_.shift = static_cast<u8>(shift); }

    Icount icount() const { return s_.now; }
    GuestTime time() const { return {(s_.now.v << s_.shift) + s_.idle}; }
    unsigned shift() const { return s_.shift; }
    u64 idle() const { return s_.idle; }
    const u64* idle_location() const { return &s_.idle; }     // for generated code

    // The first position whose guest time is >= deadline (the present one if that is past).
    Icount first_at(GuestTime deadline) const;

    void set_icount(Icount now) { s_.now = now; }             // engines only
    void jump_to(GuestTime t);                                // idle jump: one step, and time becomes t if that is later
    void serialize(Archive& ar) { VMM_FIELDS(ar, s_, now, idle, shift); }

  private:
    struct State {
        Icount now{};
        u64 idle = 0;      // ns
        u8 shift = 0;      // 0..10, as -icount shift=
    };
    State s_;
};

// Ticks of a counter of `hz` that started at 0: rounded down when read, and the first ns at which tick n has happened,
// so that a counter reads as expired exactly when its deadline fires. Exact in 128 bits.
u64 ticks_at(GuestTime t, u64 hz);
GuestTime time_of_tick(u64 n, u64 hz);

// Every deadline of the machine has a fixed id: at one position, timers fire by deadline, then by this order.
enum class TimerId : u8 {
    Pit0, Rtc, AcpiPm, Lapic, Keyboard, Serial0, Serial1, Serial2, Serial3, Ide0, Ide1, Floppy, Net, Audio, Vga, Dma, Typist, Test0, Test1,
};
inline constexpr std::size_t kTimerCount = static_cast<std::size_t>(TimerId::Test1) + 1;

class Timers {
  public:
    // Called with the deadline that fired; may arm timers again, this one too.
    using Callback = std::function<void(GuestTime deadline)>;

    explicit Timers(const Clock& clock) : clock_(clock) {}

    void bind(TimerId id, Callback callback);                  // once, by the owner's constructor
    void arm(TimerId id, GuestTime deadline);                  // replaces an earlier deadline
    void cancel(TimerId id);
    std::optional<GuestTime> deadline(TimerId id) const;
    std::optional<GuestTime> next() const;                     // the earliest of all
    void run_due();                                            // fires everything with deadline <= clock.time()
    GuestTime now() const { return clock_.time(); }

    // Set when the earliest deadline moved to an earlier time: the engine must look at its limit again.
    bool attention = false;

    void serialize(Archive& ar) { VMM_FIELDS(ar, s_, deadlines); refresh(); }

  private:
    static constexpr u64 kNever = ~u64{0};
    struct State {
        std::array<u64, kTimerCount> deadlines = filled();
    };
    static constexpr std::array<u64, kTimerCount> filled() {
        std::array<u64, kTimerCount> a{};
        a.fill(kNever);
        return a;
    }
    void refresh();

    const Clock& clock_;
    State s_;
    std::array<Callback, kTimerCount> callbacks_;
    u64 next_ = kNever;
};

// A device's own timer. Copying is not possible: the id has one owner.
class Timer {
  public:
    Timer(Timers& timers, TimerId id, Timers::Callback callback) : timers_(timers), id_(id) {
        timers_.bind(id, std::move(callback));
    }
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void arm(GuestTime deadline) { timers_.arm(id_, deadline); }
    void cancel() { timers_.cancel(id_); }
    std::optional<GuestTime> deadline() const { return timers_.deadline(id_); }
    GuestTime now() const { return timers_.now(); }

  private:
    Timers& timers_;
    TimerId id_;
};

}  // namespace vmm
