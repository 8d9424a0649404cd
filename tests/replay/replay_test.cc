// SPDX-License-Identifier: Apache-2.0
// Two machines in one process, one recorded and one replayed: the firmware alone, with input at awkward moments.
// Document: docs/determinism.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "replay/replayer.h"
#include "replay/session.h"
#include "tests/replay/recorded.h"
#include "vmm/runner.h"

namespace vmm::replay {
namespace {

using vmm::testing::firmware_config;
using vmm::testing::make_machine;
using vmm::testing::record;
using vmm::testing::Temp;

std::string replay(const Recording& recording, int expected_status) {
    const auto config = config_from_text(recording.header.config);
    EXPECT_TRUE(config);
    const auto machine = make_machine(*config);
    Replayer replayer(recording);
    Control control(*machine, RrMode::Replay, {});
    EXPECT_EQ(run_machine(control, {}, replayer), expected_status) << replayer.report();
    return replayer.report();
}

class Seeds : public ::testing::TestWithParam<unsigned> {};

TEST_P(Seeds, what_was_recorded_is_replayed) {
    const Recording r = record(GetParam(), 20'000'000);
    ASSERT_TRUE(r.end);
    EXPECT_GT(r.events.size(), 20u);
    EXPECT_EQ(replay(r, 0), "identical up to icount " + std::to_string(r.end->at.v) + " (2 hashes)");
}

INSTANTIATE_TEST_SUITE_P(Replay, Seeds, ::testing::Values(1u, 2u));

TEST(Replay, of_a_run_that_slept_has_the_same_idle_time) {
    MachineConfig config = firmware_config();
    config.sleep = true;
    const Recording r = record(3, 20'000'000, config);
    EXPECT_EQ(replay(r, 0), "identical up to icount " + std::to_string(r.end->at.v) + " (2 hashes)");
}

// The user resets the machine, and quits before it has run again: the reset is part of the last position.
TEST(Replay, of_a_reset_and_a_quit_at_one_position_ends_with_the_reset_done) {
    const Temp file;
    const MachineConfig config = firmware_config();
    const auto header = make_header(config, "test");
    ASSERT_TRUE(header);
    auto log = LogWriter::create(file.path, *header);
    ASSERT_TRUE(log);
    const auto machine = make_machine(config);
    Recorder recorder(log->get());
    Control control(*machine, RrMode::Record, file.path);
    RunnerOptions options;
    bool posted = false;
    options.boundary = [&] {
        if (posted) control.quit();                      // the reset has just been applied
        posted = !posted && machine->icount().v >= 3'000'000;
        if (posted) machine->inbox().post({InputKind::Request, static_cast<u8>(RequestKind::Reset), {}});
    };
    ASSERT_EQ(run_machine(control, options, recorder), 0);
    const auto r = read_recording(file.path);
    ASSERT_TRUE(r);
    ASSERT_FALSE(r->events.empty());
    ASSERT_EQ(r->events.back().at, r->end->at);
    EXPECT_EQ(machine->translator().state().eip, 0xfff0u);           // the reset vector
    EXPECT_EQ(replay(*r, 0), "identical up to icount " + std::to_string(r->end->at.v) + " (1 hashes)");
}

TEST(Replay, finds_an_input_that_was_left_out_or_added_to) {
    const Recording r = record(4, 20'000'000, firmware_config());
    std::size_t n = 0;
    while (n < r.events.size() && r.events[n].input.data.empty()) ++n;
    ASSERT_LT(n, r.events.size());
    Recording left_out = r, added_to = r;
    left_out.events.erase(left_out.events.begin() + static_cast<long>(n));
    n = r.events.size() - 1;
    while (n > 0 && (r.events[n].input.kind != InputKind::Serial || r.events[n].kind != EventKind::Input)) --n;
    added_to.events[n].input.data += "x";
    EXPECT_TRUE(replay(left_out, kStatusDifferent).starts_with("differs between icount 0 and "));
    EXPECT_TRUE(replay(added_to, kStatusDifferent).starts_with("differs between icount "));
}

TEST(Replay, finds_an_idle_jump_where_nobody_waits) {
    Recording r = record(5, 3'000'000);
    r.events.insert(r.events.begin(), Event{{1000}, EventKind::IdleJump, {}, 77});
    EXPECT_EQ(replay(r, kStatusDifferent),
              "differs between icount 0 and 1001: the recording has an event at 1000 for which the machine was not ready");
}

TEST(Replay, of_a_cut_recording_says_so) {
    Recording r = record(6, 3'000'000);
    r.end.reset();
    EXPECT_EQ(replay(r, 0), "identical up to icount " + std::to_string(r.valid_to.v) + " (0 hashes), where the recording was cut");
}

class Options : public ::testing::Test {
  protected:
    static Recording recording_of(const MachineConfig& config) {
        Recording r;
        const auto header = make_header(config, "test");
        EXPECT_TRUE(header);
        r.header = *header;
        return r;
    }
    static std::string refusal(const Recording& r, std::vector<std::string> args) {
        const auto config = replay_config(r, "F", args);
        return config ? "(accepted)" : config.error().text;
    }
};

TEST_F(Options, of_a_replay_are_none_or_the_hosts) {
    MachineConfig config = firmware_config();
    config.ram_bytes = u64{64} << 20;
    const Recording r = recording_of(config);
    const auto plain = replay_config(r, "F", std::vector<std::string>{"--rr", "replay", "--rrfile", "F"});
    ASSERT_TRUE(plain) << plain.error().text;
    EXPECT_EQ(plain->ram_bytes, u64{64} << 20);
    const auto nographic = replay_config(r, "F", std::vector<std::string>{"-nographic"});
    ASSERT_TRUE(nographic) << nographic.error().text;
    EXPECT_TRUE(nographic->host.nographic);
}

TEST_F(Options, that_repeat_what_was_recorded_are_accepted) {
    MachineConfig config = firmware_config();
    config.shift = 7;
    EXPECT_EQ(refusal(recording_of(config), {"-icount", "shift=7,rr=replay,rrfile=F", "-rtc", "base=utc", "-m", "128"}), "(accepted)");
}

TEST_F(Options, that_make_another_machine_are_refused_by_name) {
    const Recording r = recording_of(firmware_config());
    EXPECT_EQ(refusal(r, {"-m", "64"}), "F: recorded with ram-bytes=134217728, but the options say ram-bytes=67108864; a replay needs none of them");
    EXPECT_NE(refusal(r, {"-cpu", "486"}).find("cpu=pentium4"), std::string::npos);
    EXPECT_EQ(refusal(r, {"-serial", "null", "-serial", "null"}), "serial port 1 is not in the recorded machine");
}

TEST_F(Options, files_are_known_by_content_and_found_beside_the_recording) {
    const Temp directory;
    std::filesystem::remove(directory.path);
    std::filesystem::create_directories(directory.path + "/then");
    const std::string then = directory.path + "/then/fw", now = directory.path + "/fw";
    std::ofstream(then) << std::string(65536, 'f');
    MachineConfig config = firmware_config();
    config.bios = then;
    const Recording r = recording_of(config);
    std::filesystem::rename(then, now);
    const auto found = replay_config(r, directory.path + "/F", std::vector<std::string>{});
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_EQ(found->bios, now);
    std::ofstream(now) << std::string(65536, 'g');
    const auto changed = replay_config(r, directory.path + "/F", std::vector<std::string>{});
    ASSERT_FALSE(changed);
    EXPECT_NE(changed.error().text.find(now + " has another content"), std::string::npos) << changed.error().text;
    std::filesystem::remove_all(directory.path);
    std::ofstream(directory.path) << "";
}

}  // namespace
}  // namespace vmm::replay
