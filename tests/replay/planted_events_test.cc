// SPDX-License-Identifier: Apache-2.0
// Events of every kind that a machine has, dropped, moved and altered in a recording, one at a time: each replay is found to differ
// within 2^27 steps, in a window that begins before the fault. Of the kinds in docs/recording-format.md, network frames and sound
// samples are missing: no device takes them yet.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "replay/execution.h"
#include "replay/rr_dump.h"
#include "tests/replay/witness.h"

namespace vmm::replay {
namespace {

using vmm::testing::record_witness;
using vmm::testing::WitnessDisk;
using vmm::testing::witness_config;

constexpr u64 kSteps = kPartsEvery + 4'000'000, kMoved = 999;
constexpr u64 kStarting = 100'000;       // steps behind a reset, or power-on: the guest does not look yet, and cannot know when something came
constexpr unsigned kOfEach = 1;

std::string kind_of(const Event& e) {
    switch (e.kind) {
        case EventKind::Input: break;
        case EventKind::IdleJump: return "idle jump";
        case EventKind::Pass: return "pass";
        case EventKind::Disk: return e.disk.late ? "disk, late" : "disk";
    }
    const unsigned target = e.input.kind == InputKind::Request || e.input.kind == InputKind::Key ? e.input.target : 0;
    static constexpr const char* kNames[] = {"serial", "key", "pointer", "frame", "samples", "request", "late disk"};
    return std::string(kNames[static_cast<unsigned>(e.input.kind)]) + " " + std::to_string(target);
}

void drop(Recording& r, std::size_t n) { r.events.erase(r.events.begin() + static_cast<long>(n)); }

void move(Recording& r, std::size_t n) {
    r.events[n].at += kMoved;
    std::stable_sort(r.events.begin(), r.events.end(), [](const Event& a, const Event& b) { return a.at < b.at; });
}

// One bit of what it says.
void alter(Recording& r, std::size_t n) {
    Event& e = r.events[n];
    if (e.kind == EventKind::IdleJump) e.ns ^= 64;
    else if (e.kind == EventKind::Disk) e.disk.id ^= 1;
    else if (e.input.kind == InputKind::Request && e.input.data.empty()) e.input.target ^= 1;
    else if (e.input.kind == InputKind::Disk) e.input.data[8] ^= 1;                             // its result
    else if (e.input.kind == InputKind::Request && e.input.target == 4) e.input.data[8] ^= 1;   // the byte, not the address
    else if (e.input.kind == InputKind::Request && e.input.target == 5) e.input.data[4 * kEbp] ^= 1;
    else if (e.input.kind == InputKind::Key) e.input.data[e.input.target == kKeyChord ? 4 : 0] ^= 1;   // a key
    else e.input.data[0] ^= 1;
}

bool can_be_altered(const Event& e) {
    if (e.kind == EventKind::Pass) return false;                                                // it says nothing
    return e.kind != EventKind::Input || e.input.kind != InputKind::Request || !e.input.data.empty() || e.input.target == 0;
}

// The events about one, for a failure to be understood.
std::string around(const Recording& r, std::size_t n) {
    std::string out;
    for (std::size_t i = n < 3 ? 0 : n - 3; i < std::min(n + 4, r.events.size()); ++i) out += "\n" + describe_event(r.events[i]);
    return out;
}

struct Fault {
    const char* name;
    void (*plant)(Recording&, std::size_t);
};

class PlantedEvents : public ::testing::Test {
  protected:
    // Some of each kind, spread; by kind.
    static std::map<std::string, std::vector<std::size_t>> choose(const Recording& r) {
        std::map<std::string, std::vector<std::size_t>> all, some;
        u64 looks_from = kStarting;
        for (std::size_t n = 0; n < r.events.size(); ++n) {
            const Event& e = r.events[n];
            if (e.kind == EventKind::Input && e.input.kind == InputKind::Request && e.input.target == static_cast<u8>(RequestKind::Reset)) looks_from = e.at.v + kStarting;
            else if (e.at.v < looks_from && e.kind != EventKind::Pass) continue;
            // Of many bytes at one position, which pile up where the machine pauses, most are lost in the port in either case.
            const auto together = [&](std::size_t other) { return other < r.events.size() && r.events[other].at == e.at && r.events[other].kind == EventKind::Input; };
            if (e.kind == EventKind::Input && e.input.kind == InputKind::Serial && (together(n + 1) || (n > 0 && together(n - 1)))) continue;
            if (e.at.v + kMoved + 2'000'000 < r.end->at.v) all[kind_of(e)].push_back(n);
        }
        for (const auto& [kind, which] : all)
            for (std::size_t i = 1; i <= kOfEach; ++i) some[kind].push_back(which[which.size() * i / (kOfEach + 1)]);
        return some;
    }
    static void plant_all(const Recording& r, const MachineConfig& config, std::map<std::string, unsigned>& planted) {
        for (const auto& [kind, which] : choose(r)) {
            for (const std::size_t n : which) {
                for (const Fault& fault : {Fault{"dropped", drop}, Fault{"moved", move}, Fault{"altered", alter}}) {
                    if (fault.plant == alter && !can_be_altered(r.events[n])) continue;
                    SCOPED_TRACE(kind + " at " + std::to_string(r.events[n].at.v) + ", " + fault.name);
                    Recording bad = r;
                    fault.plant(bad, n);
                    auto run = Execution::create(bad, config);
                    ASSERT_TRUE(run) << run.error().text;
                    (*run)->run();
                    const Replayer& replayer = (*run)->replayer();
                    ASSERT_EQ(replayer.outcome(), Replayer::Outcome::Different) << replayer.report() << around(r, n);
                    const Difference& d = replayer.difference();
                    EXPECT_LE(d.good, r.events[n].at) << replayer.report();
                    EXPECT_GE(d.bad, r.events[n].at) << replayer.report();
                    EXPECT_LE(d.bad.v, r.events[n].at.v + kHashEvery) << replayer.report();
                    EXPECT_FALSE(d.what.empty());
                    ++planted[kind];
                }
            }
        }
    }
};

TEST_F(PlantedEvents, of_each_kind_are_found) {
    const WitnessDisk disk;
    const MachineConfig config = witness_config(disk.path);
    std::map<std::string, unsigned> planted;
    for (const bool late : {false, true}) {
        const Recording r = record_witness(config, kSteps, late);
        ASSERT_TRUE(r.end);
        ASSERT_GE(r.end->at.v, kSteps);
        plant_all(r, config, planted);
    }
    std::vector<std::string> kinds;
    for (const auto& [kind, count] : planted) kinds.push_back(kind);
    EXPECT_EQ(kinds, (std::vector<std::string>{"disk", "disk, late", "idle jump", "key 0", "key 1", "late disk 0", "pass", "pointer 0", "request 0", "request 1", "request 3",
                                               "request 4", "request 5", "serial 0"}));
}

}  // namespace
}  // namespace vmm::replay
