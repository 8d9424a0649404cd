// SPDX-License-Identifier: Apache-2.0
// Without outside input a run is a pure function of the configuration: whatever the size of blocks, wherever it stops, however
// often it is saved and loaded, whichever machines share the process. Documents: "Exact deadlines" and "Time is one integer"
// of the design. Here what takes seconds; whole boots of kernels are in long_determinism_test.cc.
#include <gtest/gtest.h>

#include <random>

#include "tests/machine/track.h"

namespace vmm::testing {
namespace {

constexpr u64 kFirmwareEvery = u64{1} << 22, kFirmwareUntil = u64{1} << 25;
constexpr u64 kKernelEvery = u64{1} << 24, kKernelUntil = u64{3} << 26;

const Track& firmware_track() {
    static const Track track = record_track(firmware_config(), kFirmwareEvery, {kFirmwareUntil});
    return track;
}

const Track& kernel_track() {
    static const Track track = record_track(kernel_config("686"), kKernelEvery, {kKernelUntil});
    return track;
}

bool have_guests() { return std::filesystem::exists(guest_file("vmlinuz-686")) && std::filesystem::exists(guest_file("vmlinuz-686-pae")); }
#define NEEDS_GUESTS() if (!have_guests()) GTEST_SKIP() << "no guests in " << guest_file("").string() << "; tools/guests makes them"

class FirmwareSettings : public ::testing::TestWithParam<Setting> {};

TEST_P(FirmwareSettings, do_not_show) {
    ASSERT_EQ(firmware_track().end().v, kFirmwareUntil) << firmware_track().serial;
    EXPECT_EQ(hold_against(firmware_track(), GetParam()), "");
}

INSTANTIATE_TEST_SUITE_P(Determinism, FirmwareSettings,
                         ::testing::Values(Setting{"again"}, Setting{"blocks_of_1", 1}, Setting{"blocks_of_3", 3},
                                           Setting{"blocks_of_8", 8}, Setting{"blocks_of_64", 64},
                                           Setting{"stop_every_10007", 32, false, 10007},
                                           Setting{"blocks_of_8_stop_every_997", 8, false, 997}),
                         [](const auto& test) { return test.param.name; });

TEST(Determinism, firmware_interpreted) {
    const Track track = record_track(firmware_config(), u64{1} << 20, {u64{1} << 22});
    EXPECT_EQ(hold_against(track, {"interpreted", 32, true}), "");
}

TEST(Determinism, firmware_from_the_reset_vector_step_by_step) {
    const Track track = record_track(firmware_config(), u64{1} << 14, {u64{1} << 18});
    EXPECT_EQ(hold_against(track, {"every_step", 32, false, 1}), "");
}

class KernelSettings : public ::testing::TestWithParam<Setting> {};

TEST_P(KernelSettings, do_not_show) {
    NEEDS_GUESTS();
    ASSERT_EQ(kernel_track().end().v, kKernelUntil) << kernel_track().serial;
    EXPECT_EQ(hold_against(kernel_track(), GetParam()), "");
}

INSTANTIATE_TEST_SUITE_P(Determinism, KernelSettings,
                         ::testing::Values(Setting{"blocks_of_3", 3}, Setting{"stop_every_10007", 32, false, 10007}),
                         [](const auto& test) { return test.param.name; });

// From one machine to the other and back, at points drawn with a seed: each loads over what it did before.
TEST(Determinism, saved_and_loaded_into_a_used_machine_at_random_points) {
    const Track& track = firmware_track();
    Lane one(track.config, {"one"}), other(track.config, {"other", 8});
    ASSERT_EQ(one.error() + other.error(), "");
    other.run_to({5'000'001});
    Lane *here = &one, *there = &other;
    std::mt19937_64 random(20261121);
    for (const auto& [at, hash] : track.marks) {
        for (int n = 0; n < 3; ++n) {
            here->run_to(here->icount() + random() % ((at - here->icount()) / 2 + 1));
            const auto image = here->machine().save();
            ASSERT_TRUE(there->load(image));
            ASSERT_EQ(there->machine().save(), image) << "saved at " << here->icount().v;
            std::swap(here, there);
        }
        here->run_to(at);
        ASSERT_EQ(here->machine().state_hash(), hash) << "at " << at.v;
    }
}

// Machines share nothing: one in the firmware, one further on, one under another setting, a slice each in turn.
TEST(Determinism, machines_in_one_process_interleaved) {
    const Track& track = firmware_track();
    Lane first(track.config, {"first"}), second(track.config, {"second", 3}), third(track.config, {"third", 32, false, 10007});
    ASSERT_EQ(first.error() + second.error() + third.error(), "");
    second.run_to({7'000'003});
    for (u64 at = 0; at < kFirmwareUntil + 8'000'000; at += 100'003) {
        first.run_to({std::min(at, kFirmwareUntil)});
        second.run_to({std::min(at + 7'000'003, kFirmwareUntil)});
        third.run_to({std::min(at, kFirmwareUntil)});
    }
    EXPECT_EQ(first.machine().state_hash(), track.marks.back().second);
    EXPECT_EQ(second.machine().state_hash(), track.marks.back().second);
    EXPECT_EQ(third.machine().state_hash(), track.marks.back().second);
}

// A comparison that finds nothing proves nothing unless it can find something.
TEST(Determinism, a_planted_difference_is_found_at_its_step) {
    Lane a(firmware_config(), {"plain"}), b(firmware_config(), {"planted", 8});
    a.run_to({3'000'000});
    b.run_to({3'000'000});
    b.machine().memory().store({0x90000}, 1, 0x5a);
    const std::string found = Compare(a, b).run({3'100'000}, 100'000);
    EXPECT_NE(found.find("not so when both start from the saved state"), std::string::npos) << found;
    EXPECT_NE(found.find("memory page 0x90 offset 0x0: 0x00 != 0x5a"), std::string::npos) << found;
}

}  // namespace
}  // namespace vmm::testing
