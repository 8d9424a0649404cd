// SPDX-License-Identifier: Apache-2.0
// Typist: fingers on the keyboard. It presses the keys of a chord in order, holds them, and lets go in reverse order; chords
// follow one another.
//
// Not a chip: it stands for a user who is told once what to type, so that how long a key is held passes in guest time, and a
// replay holds it as long. Done: a queue of chords, oldest first; what does not fit into it is lost. A reset of the machine does
// not move the fingers. Time: the hold time of each chord, then kGapNs before the next one.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "devices/ps2_keyboard.h"
#include "vmm/clock.h"

namespace vmm {

class Typist final : public Device {
  public:
    static constexpr std::size_t kMaxChords = 4096, kMaxKeys = 16;
    static constexpr u64 kGapNs = 5'000'000;

    Typist(Timers& timers, Ps2Keyboard& keyboard);

    void type(std::span<const Key> keys, u64 hold_ns);
    bool idle() const { return s_.chords.empty(); }

    std::string_view name() const override { return "typist"; }
    void serialize(Archive& ar) override;
    void reset() override {}

  private:
    struct Chord {
        std::vector<u8> keys{};             // numbers of Key
        u64 hold_ns = 0;
        friend void serialize(Archive& ar, Chord& c) { VMM_FIELDS(ar, c, keys, hold_ns); }
    };
    struct State {
        std::deque<Chord> chords;           // the first is being typed
        bool down = false;                  // and its keys are down
    };
    void press();
    void next(GuestTime deadline);

    Ps2Keyboard& keyboard_;
    Timer timer_;
    State s_;
};

}  // namespace vmm
