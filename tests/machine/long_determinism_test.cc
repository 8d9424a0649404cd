// SPDX-License-Identifier: Apache-2.0
// Whole boots of Debian's kernels, from power-on to power-off, are pure functions: see determinism_test.cc. Suite `slow`.
#include <gtest/gtest.h>

#include <random>

#include "tests/machine/track.h"

namespace vmm::testing {
namespace {

constexpr u64 kEvery = u64{1} << 26;
constexpr Icount kForever{u64{1} << 40};

bool have_guests() { return std::filesystem::exists(guest_file("vmlinuz-686")) && std::filesystem::exists(guest_file("vmlinuz-686-pae")); }
#define NEEDS_GUESTS() if (!have_guests()) GTEST_SKIP() << "no guests in " << guest_file("").string() << "; tools/guests makes them"

const Track& boot(const std::string& flavour) {
    static const Track plain = record_track(kernel_config("686"), kEvery, kForever);
    static const Track pae = record_track(kernel_config("686-pae"), kEvery, kForever);
    return flavour == "686" ? plain : pae;
}

class Boot : public ::testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        NEEDS_GUESTS();
        // Only a boot that came to its end proves anything.
        ASSERT_TRUE(boot(GetParam()).ended);
        ASSERT_NE(boot(GetParam()).serial.find("GUEST poweroff end 0"), std::string::npos) << boot(GetParam()).serial;
    }
};

TEST_P(Boot, in_blocks_of_3) { EXPECT_EQ(hold_against(boot(GetParam()), {"blocks of 3", 3}), ""); }

TEST_P(Boot, with_a_stop_every_10007_steps) { EXPECT_EQ(hold_against(boot(GetParam()), {"stops", 32, false, 10007}), ""); }

TEST_P(Boot, moved_between_used_machines_at_random_points) {
    const Track& track = boot(GetParam());
    Lane one(track.config, {"one"}), other(track.config, {"other", 8});
    ASSERT_EQ(one.error() + other.error(), "");
    Lane *here = &one, *there = &other;
    std::mt19937_64 random(686);
    for (const auto& [at, hash] : track.marks) {
        if (at <= here->icount()) continue;
        here->run_to(here->icount() + random() % (at - here->icount() + 1));
        ASSERT_TRUE(there->load(here->machine().save()));
        std::swap(here, there);
        here->run_to(at);
        ASSERT_EQ(here->icount(), at);
        ASSERT_EQ(here->machine().state_hash(), hash) << "at " << at.v;
    }
}

// Every single step of short stretches, at points of the boot drawn with a seed; interpreted, and one block at a time.
TEST_P(Boot, step_by_step_and_interpreted_here_and_there) {
    const Track& track = boot(GetParam());
    Lane lead(track.config, {"lead"}), a(track.config, {"undisturbed"}), steps(track.config, {"every step", 32, false, 1}),
        interpreted(track.config, {"interpreted", 32, true});
    ASSERT_EQ(lead.error() + a.error() + steps.error() + interpreted.error(), "");
    std::mt19937_64 random(3586);
    for (u64 n = 0; n < 40; ++n) {
        lead.run_to({track.end().v / 40 * n + random() % (track.end().v / 40)});
        const auto image = lead.machine().save();
        ASSERT_TRUE(a.load(image));
        ASSERT_TRUE(steps.load(image));
        ASSERT_EQ(Compare(a, steps).run(lead.icount() + 50'000, 50'000), "");
        ASSERT_TRUE(a.load(image));
        ASSERT_TRUE(interpreted.load(image));
        ASSERT_EQ(Compare(a, interpreted).run(lead.icount() + 500'000, 500'000), "");
    }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Boot, ::testing::Values("686", "686-pae"),
                         [](const auto& test) { return test.param == "686" ? "plain" : "pae"; });

TEST(Boots, of_two_kernels_interleaved_in_one_process) {
    NEEDS_GUESTS();
    Lane plain(boot("686").config, {"686"}), pae(boot("686-pae").config, {"686-pae"});
    ASSERT_EQ(plain.error() + pae.error(), "");
    while (!plain.ended() || !pae.ended()) {
        plain.run_to(plain.icount() + 1'000'003);
        pae.run_to(pae.icount() + 1'500'007);
    }
    EXPECT_EQ(plain.machine().state_hash(), boot("686").marks.back().second);
    EXPECT_EQ(pae.machine().state_hash(), boot("686-pae").marks.back().second);
    EXPECT_EQ(plain.serial(), boot("686").serial);
    EXPECT_EQ(pae.serial(), boot("686-pae").serial);
}

}  // namespace
}  // namespace vmm::testing
