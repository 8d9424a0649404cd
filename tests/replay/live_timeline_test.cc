// SPDX-License-Identifier: Apache-2.0
// A run that is walked back and forth while it is being recorded: the file tells of the same run as if nobody had looked, and
// at every stop the state is that of a straight replay of it.
#include <gtest/gtest.h>

#include <random>

#include "replay/timeline.h"
#include "tests/replay/recorded.h"

namespace vmm::replay {
namespace {

using vmm::testing::guest_file;
using vmm::testing::kernel_config;
using vmm::testing::make_machine;
using vmm::testing::Temp;

struct Stop {
    Icount at;
    u64 hash;
};

// How often things happen, in boundaries: a journey, a reset; and after how many journeys it ends.
struct Habits {
    unsigned travel, reset, travels;
};

// Records with input, travelling now and then. What was seen on the way; the machine as it was left.
std::vector<Stop> record_with_travels(const std::string& path, const MachineConfig& config, Habits habits, unsigned seed, std::string* serial,
                                      std::unique_ptr<Machine>& left) {
    const auto header = make_header(config, "test");
    auto log = LogWriter::create(path, *header);
    EXPECT_TRUE(log);
    bool open = true;
    Outputs outputs;
    outputs.serial[0] = [&](std::span<const u8> bytes) {
        if (open) serial->append(bytes.begin(), bytes.end());
    };
    outputs.debug_console = [&](u8 byte) {
        if (open) serial->push_back(static_cast<char>(byte));
    };
    auto machine = Machine::create(config, outputs);
    EXPECT_TRUE(machine);
    Machine& m = **machine;
    Recording history;
    Recorder recorder(log->get(), &history);
    Replayer replayer(history);
    Timeline::Options options;
    options.budget = u64{8} << 20;
    options.open = [&open](bool o) { open = o; };
    Timeline line(m, replayer, std::move(options), recorder, history);
    Control control(m, RrMode::Record, path);
    control.set_travel(&line, {});
    std::mt19937 random(seed);
    std::vector<Stop> stops;
    unsigned travels = 0, boundaries = 0;
    auto look = [&] { stops.push_back({m.icount(), m.state_hash()}); };
    RunnerOptions run;
    run.sleep = false;
    run.boundary = [&] {
        if (random() % 4 == 0) m.inbox().post({InputKind::Serial, 0, std::string(random() % 5, static_cast<char>(random()))});
        if (++boundaries % habits.reset == 0) m.inbox().post({InputKind::Request, static_cast<u8>(RequestKind::Reset), {}});
        if (boundaries % habits.travel != 0) return;
        if (++travels == habits.travels) return control.post([&control] { control.quit(); });
        control.post([&] {
            const Icount head = m.icount();
            EXPECT_TRUE(control.seek(Icount{random() % (head.v + 1)}));
            look();
            if (random() % 2 == 0) control.go({Direction::Backward, true, {}, {}});
            else control.go({});
        });
    };
    control.observe([&](Happening what, const PauseEvent& event) {
        if (what != Happening::Paused || event.why != Pause::Step) return;
        look();
        control.post([&control] { control.go({}); });
    });
    EXPECT_EQ(run_machine(control, run, line), 0);
    left = std::move(*machine);
    return stops;
}

class LiveTimeline : public ::testing::TestWithParam<unsigned> {};

TEST_P(LiveTimeline, leaves_the_recording_as_it_was) {
    if (!std::filesystem::exists(guest_file("vmlinuz-686"))) GTEST_SKIP() << "no guests; tools/guests makes them";
    const Temp file;
    std::string serial;
    std::unique_ptr<Machine> left;
    const auto stops = record_with_travels(file.path, kernel_config("686", "earlyprintk=serial,ttyS0"), {128, 2048, 40}, GetParam(), &serial, left);
    ASSERT_GT(stops.size(), 20u);
    const auto recording = read_recording(file.path);
    ASSERT_TRUE(recording);
    ASSERT_TRUE(recording->end);

    // A straight replay of the file: the same end, and the same output once.
    std::string again;
    auto config = config_from_text(recording->header.config);
    Outputs outputs;
    outputs.serial[0] = [&](std::span<const u8> bytes) { again.append(bytes.begin(), bytes.end()); };
    outputs.debug_console = [&](u8 byte) { again.push_back(static_cast<char>(byte)); };
    auto machine = Machine::create(*config, outputs);
    Replayer replayer(*recording);
    Control control(**machine, RrMode::Replay, file.path);
    RunnerOptions run;
    EXPECT_EQ(run_machine(control, run, replayer), 0) << replayer.report();
    for (const std::string& line : Machine::difference(**machine, *left)) ADD_FAILURE() << "replayed != recorded: " << line;
    EXPECT_EQ(again, serial);
    EXPECT_NE(again, "");
    

    // Every state that was seen in the past of the run.
    const auto straight = make_machine(*config);
    Replayer second(*recording);
    Timeline line(*straight, second, {});
    for (const Stop& s : stops) {
        ASSERT_TRUE(line.seek(s.at));
        EXPECT_EQ(straight->state_hash(), s.hash) << "seed " << GetParam() << " icount " << s.at.v;
    }
}

// Short runs with much happening, left wherever they are: in the past, at the head, right after a reset.
TEST(LiveRun, can_be_left_anywhere) {
    std::mt19937 random(7);
    for (int n = 0; n < 25 && !::testing::Test::HasFailure(); ++n) {
        SCOPED_TRACE(n);
        const Temp file;
        std::string serial;
        std::unique_ptr<Machine> left;
        const auto upto = [&random](unsigned most) { return 1 + static_cast<unsigned>(random() % most); };
        const Habits habits{upto(12), upto(16), upto(8)};
        record_with_travels(file.path, vmm::testing::firmware_config(), habits, static_cast<unsigned>(random()), &serial, left);
        const auto recording = read_recording(file.path);
        ASSERT_TRUE(recording);
        const auto config = config_from_text(recording->header.config);
        auto machine = Machine::create(*config, {});
        Replayer replayer(*recording);
        Control control(**machine, RrMode::Replay, file.path);
        EXPECT_EQ(run_machine(control, {}, replayer), 0) << replayer.report();
        for (const std::string& line : Machine::difference(**machine, *left)) ADD_FAILURE() << "replayed != recorded: " << line;
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, LiveTimeline, ::testing::Range(1u, 4u));

}  // namespace
}  // namespace vmm::replay
