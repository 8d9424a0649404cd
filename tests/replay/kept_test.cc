// SPDX-License-Identifier: Apache-2.0
// Recordings of every format version, kept as they were written: each is read, and those of this machine revision replay. Whoever
// raises the version or the revision adds one: tools/keep_recording makes it.
#include <gtest/gtest.h>

#include <filesystem>

#include "replay/session.h"
#include "replay/verify.h"

namespace vmm::replay {
namespace {

TEST(KeptRecordings, of_all_versions_are_read_and_those_of_this_revision_replay) {
    bool present = false;
    unsigned kept = 0;
    for (const auto& entry : std::filesystem::directory_iterator(KEPT_RECORDINGS)) {
        if (entry.path().extension() != ".rr") continue;
        SCOPED_TRACE(entry.path().filename().string());
        ++kept;
        const auto r = read_recording(entry.path().string());
        ASSERT_TRUE(r) << r.error().text;
        EXPECT_EQ(r->damage, "");
        EXPECT_TRUE(r->end);
        EXPECT_GT(r->events.size(), 5u);
        if (r->header.machine_revision != kMachineRevision) continue;
        const auto config = replay_config(*r, entry.path().string(), {});
        ASSERT_TRUE(config) << config.error().text;
        const auto verdict = verify(*r, *config, 1);
        ASSERT_TRUE(verdict) << verdict.error().text;
        EXPECT_TRUE(verdict->identical) << verdict->text;
        present |= r->version == kFormatVersion;
    }
    EXPECT_GE(kept, 1u);
    EXPECT_TRUE(present) << "none of format version " << kFormatVersion << " and machine revision " << kMachineRevision << " is kept: run tools/keep_recording";
}

}  // namespace
}  // namespace vmm::replay
