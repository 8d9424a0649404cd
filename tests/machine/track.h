// SPDX-License-Identifier: Apache-2.0
// Track: the hashes of one run at fixed positions. Other runs of the same guest are held against it; where one leaves it, both
// are run again in lockstep to find the step (compare.h).
#pragma once

#include <functional>

#include "tests/machine/compare.h"

namespace vmm::testing {

struct Track {
    MachineConfig config;
    u64 every = 0;
    std::vector<std::pair<Icount, u64>> marks;   // position, state_hash() there
    std::string serial;
    bool ended = false;

    Icount end() const { return marks.empty() ? Icount{} : marks.back().first; }
};

// The run that the others are held against: the default settings, undisturbed.
inline Track record_track(const MachineConfig& config, u64 every, Icount until) {
    Track track{config, every, {}, {}, false};
    Lane lane(config, {"undisturbed"});
    while (!lane.ended() && lane.icount() < until) {
        lane.run_to(std::min(until, lane.icount() + every));
        track.marks.emplace_back(lane.icount(), lane.machine().state_hash());
    }
    track.serial = lane.error() + lane.serial();
    track.ended = lane.error().empty() && lane.ended();
    return track;
}

inline std::string parting(const Track& track, const Setting& setting, Icount upto) {
    Lane a(track.config, {"undisturbed"}), b(track.config, setting);
    const std::string found = Compare(a, b).run(upto, track.every);
    return found.empty() ? setting.name + " left the track before " + std::to_string(upto.v) + ", but not again in lockstep" : found;
}

// Runs with these settings; empty when it stays on the track.
inline std::string hold_against(const Track& track, const Setting& setting) {
    Lane lane(track.config, setting);
    if (!lane.error().empty()) return lane.error();
    for (const auto& [at, hash] : track.marks) {
        lane.run_to(at);
        if (lane.icount() != at || lane.machine().state_hash() != hash) return parting(track, setting, at);
    }
    return lane.ended() == track.ended && lane.serial() == track.serial ? "" : "the end or the serial output differs";
}

}  // namespace vmm::testing
