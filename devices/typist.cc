// SPDX-License-Identifier: Apache-2.0
#include "devices/typist.h"

#include <algorithm>

namespace vmm {

Typist::Typist(Timers& timers, Ps2Keyboard& keyboard)
    : keyboard_(keyboard), timer_(timers, TimerId::Typist, [this](GuestTime deadline) { next(deadline); }) {}

void Typist::serialize(Archive& ar) {
    VMM_FIELDS(ar, s_, chords, down);
    if (!ar.loading()) return;
    const bool valid = std::all_of(s_.chords.begin(), s_.chords.end(), [](const Chord& c) {
        return c.keys.size() <= kMaxKeys && std::all_of(c.keys.begin(), c.keys.end(), [](u8 k) { return valid_key(k); });
    });
    if (valid && s_.chords.size() <= kMaxChords && (!s_.down || !s_.chords.empty())) return;
    ar.fail();
    s_ = State{};
}

void Typist::type(std::span<const Key> keys, u64 hold_ns) {
    if (keys.empty() || keys.size() > kMaxKeys || s_.chords.size() >= kMaxChords) return;
    Chord chord{{}, hold_ns};
    for (const Key k : keys) chord.keys.push_back(static_cast<u8>(k));
    s_.chords.push_back(std::move(chord));
    // With nothing before it, it begins now; otherwise the timer is on its way to it.
    if (!timer_.deadline()) press();
}

void Typist::press() {
    const Chord& chord = s_.chords.front();
    s_.down = true;
    for (const u8 k : chord.keys) keyboard_.key(static_cast<Key>(k), true);
    timer_.arm(timer_.now() + chord.hold_ns);
}

void Typist::next(GuestTime) {
    if (s_.chords.empty()) return;
    if (!s_.down) return press();
    const std::vector<u8> keys = std::move(s_.chords.front().keys);
    s_.chords.pop_front();
    s_.down = false;
    for (auto k = keys.rbegin(); k != keys.rend(); ++k) keyboard_.key(static_cast<Key>(*k), false);
    timer_.arm(timer_.now() + kGapNs);      // also after the last one: whatever comes keeps its distance
}

}  // namespace vmm
