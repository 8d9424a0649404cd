// SPDX-License-Identifier: Apache-2.0
// Chaos: holds interrupts back at the processor's pin, each for a time drawn from a seed, to bring rare races out. A processor takes
// an interrupt late for many reasons (a long instruction, a cache miss, system management), so that a guest must bear all of it.
//
// A draw is a function of the seed and the icount at which the request came: nothing of it is in a log, and a replay needs only the
// seed, which is part of the configuration. Half of the requests are not held; the others for up to 2^n ns, n drawn from 4 to
// kMostBits. NMI is never held. Done: all interrupts, thus timers as well. Missing: disks' times. Document: docs/determinism.md, "Chaos".
#pragma once

#include <algorithm>
#include <optional>

#include "vmm/clock.h"
#include "vmm/cpu_pins.h"

namespace vmm {

class Chaos final : public InterruptSource {
  public:
    static constexpr unsigned kFewestBits = 4, kMostBits = 16;

    Chaos(u64 seed, const Clock& clock, Timers& timers, CpuPins& pins, InterruptSource& source)
        : seed_(seed), clock_(clock), timers_(timers), pins_(pins), source_(source) {}

    bool pending() const override { return !s_.held && source_.pending(); }
    u8 acknowledge() override { return source_.acknowledge(); }
    void raised() override {
        if (loading_ || s_.held) return;
        const u64 draw = mixed(seed_ ^ mixed(clock_.icount().v));
        if ((draw & 1) == 0) return;
        const auto bits = static_cast<unsigned>(kFewestBits + (draw >> 1) % (kMostBits - kFewestBits + 1));
        s_.held = true;
        s_.until = clock_.time().v + 1 + (draw >> 32) % (u64{1} << bits);
        timers_.attention = true;                        // the engine's limit is nearer now
    }
    // When what is held goes on.
    std::optional<GuestTime> deadline() const { return s_.held ? std::optional(GuestTime{s_.until}) : std::nullopt; }
    // At each boundary at which timers fire.
    void run_due() {
        if (!s_.held || clock_.time().v < s_.until) return;
        s_.held = false;
        pins_.attention = true;
    }
    void loading(bool on) { loading_ = on; }             // devices raise their lines as they are loaded: that is no request
    void serialize(Archive& ar) { VMM_FIELDS(ar, s_, held, until); }

  private:
    struct State {
        bool held = false;
        u64 until = 0;                                   // guest time, ns
    };
    // The finalizer of SplitMix64.
    static u64 mixed(u64 z) {
        z += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }

    const u64 seed_;
    const Clock& clock_;
    Timers& timers_;
    CpuPins& pins_;
    InterruptSource& source_;
    State s_;
    bool loading_ = false;
};

}  // namespace vmm
