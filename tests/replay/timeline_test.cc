// SPDX-License-Identifier: Apache-2.0
// Random walks through recordings: wherever a walk stands, in whatever way it came there, the machine has the state that a
// straight replay has at that position. The oracle is a machine that only ever went forward.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "replay/timeline.h"
#include "tests/replay/recorded.h"
#include "vmm/tcg/translator.h"

namespace vmm::replay {
namespace {

using vmm::testing::disk_config;
using vmm::testing::firmware_config;
using vmm::testing::guest_file;
using vmm::testing::kernel_config;
using vmm::testing::make_machine;
using vmm::testing::record;
using vmm::testing::Temp;

// A replay that can travel, without a runner.
struct Traveller {
    explicit Traveller(const Recording& r, u64 budget = u64{64} << 20, bool automatic = true, u64 worth_entering_ns = ~u64{0})
        : machine(make_machine(*config_from_text(r.header.config))), replayer(r), line(*machine, replayer, options(budget, automatic, worth_entering_ns)) {
        machine->disks().set_journal(&line);
    }

    static Timeline::Options options(u64 budget, bool automatic, u64 worth_entering_ns) {
        Timeline::Options o;
        o.budget = budget;
        o.automatic = automatic;
        o.worth_entering_ns = worth_entering_ns;
        return o;
    }
    Icount now() const { return machine->icount(); }
    u64 hash() { return machine->state_hash(); }
    u32 pc() {
        const CpuState& s = machine->translator().state();
        return s.seg[kCs].base + s.eip;
    }

    std::unique_ptr<Machine> machine;
    Replayer replayer;
    Timeline line;
};

// State hashes at positions, by a replay that goes forward only and keeps no checkpoint but the first.
std::map<Icount, u64> straight(const Recording& r, const std::set<Icount>& positions) {
    Traveller t(r, 0, false);
    std::map<Icount, u64> out;
    for (const Icount at : positions) {
        const auto done = t.line.seek(at);
        EXPECT_TRUE(done) << (done ? "" : done.error().text);
        out[at] = t.hash();
    }
    return out;
}

std::set<Icount> draw(std::mt19937& random, Icount end, unsigned n) {
    std::set<Icount> out{Icount{0}, end};
    while (out.size() < n) {
        const u64 at = (u64{random()} << 20 ^ random()) % end.v;
        // Neighbours, for single steps either way.
        for (u64 i = 0; i < 3; ++i) out.insert(Icount{std::min(at + i, end.v)});
    }
    return out;
}

// One walk; empty, or what went wrong, with the seed.
void walk(const Recording& r, const std::map<Icount, u64>& oracle, unsigned seed, unsigned moves, u64 budget) {
    std::mt19937 random(seed);
    Traveller t(r, budget);
    std::vector<Icount> positions;
    for (const auto& [at, unused] : oracle) positions.push_back(at);
    std::string path;
    for (unsigned i = 0; i < moves; ++i) {
        const Icount target = positions[random() % positions.size()];
        switch (random() % 4) {
            case 0:
            case 1:
                path += " seek " + std::to_string(target.v);
                ASSERT_TRUE(t.line.seek(target)) << "seed " << seed << ":" << path;
                break;
            case 2:
                path += " back to " + std::to_string(target.v);
                ASSERT_TRUE(t.line.seek(std::min(target + 1, r.end->at)));
                if (t.now() > target) t.line.back({Direction::Backward, true, {}, {}}, {});
                break;
            case 3: {
                // A write opens a branch; the way back leaves it.
                path += " branch, back to " + std::to_string(target.v);
                const std::string data = std::string("\x00\x00\x02\x00\x00\x00\x00\x00", 8) + "scribbled over";
                for (const Input& in : t.line.inputs(t.now(), {{InputKind::Request, static_cast<u8>(RequestKind::SetMemory), data}}))
                    t.machine->inbox().apply(in);
                t.machine->run(t.now() + random() % 100'000);
                ASSERT_TRUE(t.line.branch());
                ASSERT_TRUE(t.line.seek(target));
                break;
            }
        }
        ASSERT_EQ(t.now(), target) << "seed " << seed << ":" << path;
        ASSERT_EQ(t.hash(), oracle.at(target)) << "seed " << seed << ":" << path;
    }
}

void walks(const Recording& r, unsigned seeds, unsigned moves, unsigned positions) {
    ASSERT_TRUE(r.end);
    const char* given = std::getenv("VMM_WALK_SEED");
    const unsigned first = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 1;
    std::mt19937 random(first);
    const auto oracle = straight(r, draw(random, r.end->at, positions));
    for (unsigned seed = first; seed < first + seeds && !::testing::Test::HasFatalFailure(); ++seed)
        walk(r, oracle, seed, moves, seed % 2 == 0 ? u64{64} << 20 : u64{2} << 20);
}

TEST(Timeline, walks_over_the_firmware_with_input_and_resets) { walks(record(11, 20'000'000), 4, 60, 60); }

TEST(Timeline, walks_over_a_starting_kernel) {
    if (!std::filesystem::exists(guest_file("vmlinuz-686"))) GTEST_SKIP() << "no guests; tools/guests makes them";
    walks(record(12, 600'000'000, kernel_config("686"), false, 100'000), 2, 25, 40);
}

// A disk that is written all the time, with requests under way at most positions, some of them late: its content is in the hash.
TEST(Timeline, walks_over_a_guest_at_its_disk) {
    const Temp disk;
    std::filesystem::resize_file(disk.path, 2 << 20);
    for (const unsigned seed : {21u, 22u}) {
        const Recording r = record(seed, 15'000'000, disk_config(DISK_WALKER_ROM, disk.path), false, 100'000);
        const auto requests = std::count_if(r.events.begin(), r.events.end(), [](const Event& e) { return e.kind == EventKind::Disk; });
        ASSERT_GT(requests, 100);
        walks(r, 3, 80, 60);
    }
}

// Where it goes back to, the disk holds what it held then, and the machine goes on from there as it did.
TEST(Timeline, going_back_takes_the_disks_content_back) {
    const Temp disk;
    std::filesystem::resize_file(disk.path, 2 << 20);
    const Recording r = record(22, 15'000'000, disk_config(DISK_WALKER_ROM, disk.path), false, 100'000);
    Traveller t(r);
    const auto content = [&t] {
        SaveArchive ar;
        t.machine->disks().serialize_content(ar);
        return ar.take();
    };
    std::map<Icount, std::vector<u8>> seen;
    for (u64 at = 1'000'000; at <= r.end->at.v; at += 1'000'000) {
        ASSERT_TRUE(t.line.seek(Icount{at}));
        seen[t.now()] = content();
    }
    EXPECT_NE(seen.begin()->second, seen.rbegin()->second);
    for (auto it = seen.rbegin(); it != seen.rend(); ++it) {
        const auto there = t.line.seek(it->first);
        ASSERT_TRUE(there) << it->first.v << ": " << there.error().text;
        EXPECT_TRUE(content() == it->second) << "at " << it->first.v;
    }
    ASSERT_TRUE(t.line.seek(r.end->at));
    EXPECT_TRUE(t.line.over(*t.machine));
    EXPECT_EQ(t.line.end().why, Pause::HistoryEnd) << t.line.end().text;
}

// What going back finds, against looking at every position one after another.
TEST(Timeline, reverse_continue_finds_the_last_breakpoint) {
    const Recording r = record(13, 12'000'000);
    Traveller t(r);
    ASSERT_TRUE(t.line.seek(Icount{6'000'000}));
    std::vector<std::pair<Icount, u32>> path;                // positions and addresses of instructions
    for (unsigned i = 0; i < 20'000; ++i) {
        const bool first = (t.machine->translator().state().eflags & kRf) == 0;
        const Icount at = t.now();
        const u32 pc = t.pc();
        ASSERT_TRUE(t.line.seek(at + 1));
        if (first && t.pc() - pc <= 15) path.emplace_back(at, pc);
    }
    ASSERT_FALSE(path.empty());
    std::mt19937 random(13);
    for (unsigned i = 0; i < 10; ++i) {
        const auto [unused, address] = path[random() % path.size()];
        DebugPoints points;
        points.add({PointKind::Execute, address, 1, false, {}});
        const std::size_t from = random() % path.size();
        std::optional<Icount> expected;
        for (std::size_t k = 0; k < from; ++k)
            if (path[k].second == address) expected = path[k].first;
        if (!expected) continue;
        ASSERT_TRUE(t.line.seek(path[from].first));
        const PauseEvent event = t.line.back({Direction::Backward, false, {}, {}}, points);
        ASSERT_EQ(event.why, Pause::Point) << event.text;
        EXPECT_EQ(t.pc(), address);
        EXPECT_EQ(t.now(), *expected) << "address " << address << " from " << path[from].first.v;
    }
}

TEST(Timeline, reverse_continue_stops_before_the_write) {
    const Recording r = record(14, 12'000'000);
    Traveller t(r);
    // Which word of low memory changed last before the end?
    ASSERT_TRUE(t.line.seek(r.end->at));
    const u32 address = 0x46c;                                // BIOS tick count
    DebugPoints points;
    points.add({PointKind::Write, address, 4, false, {}});
    const PauseEvent event = t.line.back({Direction::Backward, false, {}, {}}, points);
    ASSERT_EQ(event.why, Pause::Point) << event.text;
    const Icount before = t.now();
    const u32 old = t.machine->memory().load(GuestPhys{address}, 4);
    ASSERT_TRUE(t.line.seek(before + 1));
    EXPECT_EQ(t.machine->memory().load(GuestPhys{address}, 4), old + 1);
    ASSERT_TRUE(t.line.seek(r.end->at));
    EXPECT_EQ(t.machine->memory().load(GuestPhys{address}, 4), old + 1);
}

// Beyond the end that a guest made itself there is nothing, however one came there.
TEST(Timeline, the_guests_own_end_is_the_end) {
    if (!std::filesystem::exists(guest_file("vmlinuz-686"))) GTEST_SKIP() << "no guests; tools/guests makes them";
    MachineConfig config = kernel_config("686", "vmm.run=poweroff quiet");
    config.initrd.clear();                                    // it panics, and resets
    config.append = "console=ttyS0 quiet panic=-1";
    config.no_reboot = true;
    const Recording r = record(16, ~u64{0}, config, false, ~u64{0});
    ASSERT_TRUE(r.end);
    ASSERT_NE(r.end->ending, Ending::Quit);                    // a power button among the inputs may have come first
    Traveller t(r);
    for (unsigned i = 0; i < 2; ++i) {
        ASSERT_TRUE(t.line.seek(r.end->at));
        EXPECT_TRUE(t.line.over(*t.machine));
        EXPECT_EQ(t.line.end().why, Pause::HistoryEnd) << t.line.end().text;
        ASSERT_TRUE(t.line.seek(Icount{r.end->at.v / 2}));
        EXPECT_FALSE(t.line.over(*t.machine));
    }
}

// What came before is taken from the recording: only from its checkpoint can one get there.
TEST(Timeline, far_seeks_enter_the_recordings_own_checkpoints) {
    const vmm::testing::Temp file;
    std::filesystem::remove(file.path);
    const Recording whole = record(21, 20'000'000, firmware_config(), true, 300, file.path, 4'000'000);
    ASSERT_GE(whole.checkpoints.size(), 3u);
    const Icount entered = whole.checkpoints[1].at, target = entered + 1'234'567;
    const auto expected = straight(whole, {target, whole.end->at});
    Recording cut = whole;
    std::erase_if(cut.events, [&](const Event& e) { return e.at < entered; });
    ASSERT_LT(cut.events.size(), whole.events.size());
    Traveller t(cut, u64{64} << 20, true, 0);
    ASSERT_TRUE(t.line.seek(target));
    EXPECT_EQ(t.hash(), expected.at(target));
    ASSERT_TRUE(t.line.seek(entered + 5));
    ASSERT_TRUE(t.line.seek(target));
    EXPECT_EQ(t.hash(), expected.at(target));
    ASSERT_TRUE(t.line.seek(whole.end->at));
    EXPECT_EQ(t.hash(), expected.at(whole.end->at));
}

// One that is damaged costs time only.
TEST(Timeline, a_checkpoint_that_cannot_be_used_is_passed_by) {
    const vmm::testing::Temp file;
    std::filesystem::remove(file.path);
    Recording r = record(22, 12'000'000, firmware_config(), true, 300, file.path, 4'000'000);
    ASSERT_GE(r.checkpoints.size(), 1u);
    const Icount target = r.checkpoints[0].at + 1000;
    const auto expected = straight(r, {target});
    r.checkpoints[0].hash ^= 1;
    const auto later = std::find_if(r.events.begin(), r.events.end(), [&](const Event& e) { return e.at >= r.checkpoints[0].at; });
    const auto input = r.events.insert(later, Event{r.checkpoints[0].at, EventKind::Input, {InputKind::Serial, 0, "x"}});   // still due there
    Traveller t(r, u64{64} << 20, true, 0);
    ASSERT_TRUE(t.line.seek(Icount{100'000}));
    ASSERT_FALSE(t.line.seek(target)) << "the hash of the checkpoint is part of what a replay is held against";
    r.events.erase(input);
    r.checkpoints[0].hash ^= 1;
    r.checkpoints[0].base = Icount{12'345};   // on which there is nothing
    Traveller u(r, u64{64} << 20, true, 0);
    ASSERT_TRUE(u.line.seek(Icount{100'000}));
    ASSERT_TRUE(u.line.seek(target));
    EXPECT_EQ(u.hash(), expected.at(target));
}

TEST(Timeline, ends_of_history_are_said) {
    const Recording r = record(15, 3'000'000);
    Traveller t(r);
    EXPECT_EQ(t.line.back({Direction::Backward, true, {}, {}}, {}).why, Pause::HistoryBegin);
    EXPECT_FALSE(t.line.seek(r.end->at + 1));
    ASSERT_TRUE(t.line.seek(r.end->at));
    EXPECT_EQ(t.line.back({Direction::Backward, false, {}, {}}, {}).why, Pause::HistoryBegin);
    EXPECT_EQ(t.now(), Icount{0});
}

}  // namespace
}  // namespace vmm::replay
