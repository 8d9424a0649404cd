// SPDX-License-Identifier: Apache-2.0
// Chaos shows a race that plain runs do not, and what showed it can be had again: from the seed, and from a recording.
#include <gtest/gtest.h>

#include "replay/execution.h"
#include "tests/replay/recorded.h"

namespace vmm::replay {
namespace {

using vmm::testing::busy_config;
using vmm::testing::make_machine;
using vmm::testing::Temp;

constexpr int kKept = 1, kLost = 3;                      // exit codes of race.S: no addition was lost, or one was

MachineConfig race(std::optional<u64> seed) {
    MachineConfig config = busy_config(RACE_ROM);
    config.chaos = seed;
    config.ram_bytes = u64{1} << 20;
    return config;
}

// To its end, stopping at boundaries drawn with `cut`. `each`: at each.
int run(Machine& m, unsigned cut, const std::function<void()>& each = [] {}) {
    std::mt19937 random(cut);
    for (;;) {
        const Stop why = m.run(m.icount() + 1 + random() % 100'000);
        if (why == Stop::DebugExit) return m.exit_code();
        EXPECT_EQ(why, Stop::Limit);
        if (why != Stop::Limit) return -1;
        each();
    }
}

std::optional<u64> losing_seed() {
    for (u64 seed = 1; seed <= 100; ++seed)
        if (run(*make_machine(race(seed)), static_cast<unsigned>(seed)) == kLost) return seed;
    return std::nullopt;
}

TEST(Chaos, shows_within_a_hundred_runs_what_a_hundred_plain_ones_do_not) {
    for (unsigned n = 0; n < 100; ++n) ASSERT_EQ(run(*make_machine(race({})), n), kKept);
    EXPECT_TRUE(losing_seed());
}

TEST(Chaos, is_the_same_run_for_the_same_seed_wherever_it_stops_and_is_put_back) {
    const auto straight = make_machine(race(5));
    const int code = run(*straight, 1);
    for (unsigned n = 2; n < 6; ++n) {
        const auto machine = make_machine(race(5));
        // Now and then it goes on in another machine, dirtied by a run of its own.
        auto other = make_machine(race(5));
        run(*other, n);
        std::mt19937 random(n);
        EXPECT_EQ(run(*machine, n, [&] {
            if (random() % 8 != 0) return;
            const auto image = machine->save();
            const u64 hash = machine->state_hash();
            ASSERT_TRUE(other->load(image));
            ASSERT_EQ(other->state_hash(), hash);
            ASSERT_TRUE(machine->load(other->save()));
        }), code);
        EXPECT_EQ(machine->icount(), straight->icount());
        EXPECT_EQ(machine->state_hash(), straight->state_hash());
    }
    const auto another = make_machine(race(6));
    run(*another, 1);
    EXPECT_NE(another->state_hash(), straight->state_hash());
}

TEST(Chaos, is_in_the_recording_by_its_seed_and_replays) {
    const auto seed = losing_seed();
    ASSERT_TRUE(seed);
    const Temp file;
    const MachineConfig config = race(seed);
    {
        const auto header = make_header(config, "test");
        ASSERT_TRUE(header);
        auto log = LogWriter::create(file.path, *header);
        ASSERT_TRUE(log);
        const auto machine = make_machine(config);
        Recorder recorder(log->get());
        Control control(*machine, RrMode::Record, file.path);
        EXPECT_EQ(run_machine(control, {}, recorder), kLost);
    }
    const auto recording = read_recording(file.path);
    ASSERT_TRUE(recording);
    EXPECT_TRUE(recording->events.empty());
    const auto recorded = config_from_text(recording->header.config);
    ASSERT_TRUE(recorded);
    EXPECT_EQ(recorded->chaos, seed);
    auto again = Execution::create(*recording, *recorded);
    ASSERT_TRUE(again);
    (*again)->run();
    EXPECT_EQ((*again)->replayer().outcome(), Replayer::Outcome::Identical) << (*again)->replayer().report();
    EXPECT_EQ((*again)->machine().exit_code(), kLost);
}

}  // namespace
}  // namespace vmm::replay
