// SPDX-License-Identifier: Apache-2.0
// Checkpoints in recordings of machines with disks: they carry what the guest wrote, and parts replay from them.
// Document: docs/recording-format.md, "Checkpoints".
#include <gtest/gtest.h>

#include <fstream>

#include "replay/rr_diff.h"
#include "replay/stored_state.h"
#include "replay/verify.h"
#include "tests/replay/recorded.h"

namespace vmm::replay {
namespace {

using vmm::testing::disk_config;
using vmm::testing::record;
using vmm::testing::Temp;

constexpr u64 kSteps = 60'000'000, kEvery = 3'000'000;

// Its guest writes 4 KiB somewhere in the first MiB again and again.
class DiskCheckpoints : public ::testing::Test {
  protected:
    void SetUp() override {
        std::ofstream(image_.path, std::ios::binary) << std::string(4u << 20, 'x');
        config_ = disk_config(DISK_WALKER_ROM, image_.path);
        recording_ = record(32, kSteps, config_, false, ~u64{0}, file_.path, kEvery);
        ASSERT_GT(recording_.checkpoints.size(), StateWriter::kWhole);
    }
    // Clusters in the file, of the n-th checkpoint.
    u64 clusters(const Recording& r, std::size_t n) {
        u64 count = 0;
        for (const Packed& chunk : r.checkpoints[n].pages)
            if (ChunkType{chunk.frame.type} == ChunkType::Clusters) count += chunk.frame.raw / block::Cluster::kBytes;
        return count;
    }
    const Temp image_, file_;
    MachineConfig config_;
    Recording recording_;
};

TEST_F(DiskCheckpoints, parts_replay_from_them) {
    const auto verdict = verify(recording_, config_, 2);
    ASSERT_TRUE(verdict) << verdict.error().text;
    EXPECT_TRUE(verdict->identical) << verdict->text;
    EXPECT_NE(verdict->text.find("in " + std::to_string(recording_.checkpoints.size() + 1) + " parts"), std::string::npos) << verdict->text;
}

TEST_F(DiskCheckpoints, added_later_are_those_that_were_made_while_recording) {
    const Temp indexed;
    std::filesystem::remove(indexed.path);
    const auto count = add_checkpoints(recording_, config_, file_.path, indexed.path, kEvery);
    ASSERT_TRUE(count) << count.error().text;
    const auto with = read_recording(indexed.path);
    ASSERT_TRUE(with);
    EXPECT_TRUE(differences(recording_, *with).empty());
    ASSERT_EQ(with->checkpoints.size(), recording_.checkpoints.size());
    for (std::size_t i = 0; i < with->checkpoints.size(); ++i) {
        EXPECT_EQ(with->checkpoints[i].at, recording_.checkpoints[i].at);
        EXPECT_EQ(with->checkpoints[i].hash, recording_.checkpoints[i].hash);
        EXPECT_EQ(clusters(*with, i), clusters(recording_, i));
    }
}

TEST_F(DiskCheckpoints, hold_what_was_written_since_the_one_before) {
    const std::size_t whole = StateWriter::kWhole;
    EXPECT_EQ(recording_.checkpoints[whole].base.v, CheckpointState::kPowerOn);
    EXPECT_GT(clusters(recording_, 1), 0u);
    EXPECT_LT(2 * clusters(recording_, whole - 1), clusters(recording_, whole));
}

TEST_F(DiskCheckpoints, without_what_was_written_are_refused) {
    Recording without = recording_;
    auto& pages = without.checkpoints[1].pages;
    ASSERT_GT(std::erase_if(pages, [](const Packed& chunk) { return ChunkType{chunk.frame.type} == ChunkType::Clusters; }), 0u);
    auto machine = Machine::create(config_, {});
    ASSERT_TRUE(machine);
    const auto restored = restore_stored(without, 1, **machine);
    ASSERT_FALSE(restored);
    EXPECT_EQ(restored.error().text, "the checkpoint at icount 6000000 is damaged, or of another machine");
}

// The same state, from a checkpoint behind which a drive had a request under way and from power-on.
TEST_F(DiskCheckpoints, lead_to_where_a_replay_from_power_on_leads) {
    auto straight = Execution::create(recording_, config_);
    ASSERT_TRUE(straight) << straight.error().text;
    for (std::size_t n = 3; n < recording_.checkpoints.size(); n += 5) {
        const Icount to = recording_.checkpoints[n].at + 1'234'567;
        auto part = Execution::create(recording_, config_, n);
        ASSERT_TRUE(part) << part.error().text;
        (*straight)->run_to(to);
        (*part)->run_to(to);
        EXPECT_EQ(Machine::difference((*straight)->machine(), (*part)->machine()), std::vector<std::string>{});
    }
}

}  // namespace
}  // namespace vmm::replay
