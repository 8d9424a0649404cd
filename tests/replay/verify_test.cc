// SPDX-License-Identifier: Apache-2.0
// Recordings with checkpoints and with their files inside: parts replay by themselves, a copy replays anywhere, and what is damaged is
// never believed. Document: docs/recording-format.md.
#include <gtest/gtest.h>

#include <fstream>

#include "replay/guest_disk.h"
#include "replay/rewrite.h"
#include "replay/rr_diff.h"
#include "replay/stored_state.h"
#include "replay/verify.h"
#include "tests/replay/recorded.h"

namespace vmm::replay {
namespace {

using vmm::testing::busy_config;
using vmm::testing::firmware_config;
using vmm::testing::record;
using vmm::testing::Temp;

constexpr u64 kSteps = 20'000'000, kEvery = 3'000'000;

struct Absent : Temp {
    Absent() { std::filesystem::remove(path); }
};

Recording read(const std::string& path) {
    auto r = read_recording(path);
    EXPECT_TRUE(r) << (r ? "" : r.error().text);
    EXPECT_EQ(r->damage, "");
    return *r;
}

MachineConfig config_of(const Recording& r) { return *config_from_text(r.header.config); }

TEST(Verify, in_parts_is_the_same_as_in_one_piece) {
    const Temp file;
    const Absent indexed;
    const Recording r = record(21, kSteps, busy_config(KEPT_ROM), false, ~u64{0}, file.path);
    const auto whole = verify(r, config_of(r), 1);
    ASSERT_TRUE(whole);
    EXPECT_TRUE(whole->identical) << whole->text;
    const auto count = add_checkpoints(r, config_of(r), file.path, indexed.path, kEvery);
    ASSERT_TRUE(count) << count.error().text;
    EXPECT_EQ(*count, (r.end->at.v - 1) / kEvery);
    const Recording with = read(indexed.path);
    EXPECT_TRUE(differences(r, with).empty());
    ASSERT_EQ(with.checkpoints.size(), *count);
    const auto parts = verify(with, config_of(with), 2);
    ASSERT_TRUE(parts) << parts.error().text;
    EXPECT_TRUE(parts->identical) << parts->text;
    EXPECT_NE(parts->text.find("in " + std::to_string(*count + 1) + " parts"), std::string::npos) << parts->text;
}

TEST(Verify, of_parts_finds_what_was_changed_in_one) {
    const Temp file;
    const Absent indexed;
    Recording r = record(22, kSteps, busy_config(KEPT_ROM), false, ~u64{0}, file.path);
    ASSERT_TRUE(add_checkpoints(r, config_of(r), file.path, indexed.path, kEvery));
    Recording with = read(indexed.path);
    ASSERT_GT(with.checkpoints.size(), 3u);
    with.checkpoints[2].hash ^= 1;           // as if the state had been another
    const auto parts = verify(with, config_of(with), 2);
    // Whichever sees it first: the part that ends there, or the one that begins there.
    if (parts) { EXPECT_FALSE(parts->identical); }
    else { EXPECT_NE(parts.error().text.find("the checkpoint at icount 9000000"), std::string::npos) << parts.error().text; }
}

TEST(Checkpoints, that_are_made_while_recording_are_those_that_are_added_later) {
    const Temp file;
    const Absent indexed;
    const Recording r = record(23, kSteps, busy_config(KEPT_ROM), false, ~u64{0}, file.path, kEvery);
    ASSERT_GE(r.checkpoints.size(), 3u);
    ASSERT_TRUE(add_checkpoints(r, config_of(r), file.path, indexed.path, kEvery));
    const Recording with = read(indexed.path);
    ASSERT_EQ(with.checkpoints.size(), r.checkpoints.size());
    for (std::size_t i = 0; i < r.checkpoints.size(); ++i) {
        EXPECT_EQ(with.checkpoints[i].at, r.checkpoints[i].at);
        EXPECT_EQ(with.checkpoints[i].hash, r.checkpoints[i].hash);
    }
}

TEST(Checkpoints, that_are_damaged_are_refused) {
    const Temp file;
    const Absent indexed;
    const Recording r = record(24, kSteps, busy_config(KEPT_ROM), false, ~u64{0}, file.path);
    ASSERT_TRUE(add_checkpoints(r, config_of(r), file.path, indexed.path, kEvery));
    Recording with = read(indexed.path);
    ASSERT_FALSE(with.checkpoints[1].pages.empty());
    with.checkpoints[1].pages.clear();
    auto machine = Machine::create(config_of(with), {});
    ASSERT_TRUE(machine);
    const auto restored = restore_stored(with, 1, **machine);
    ASSERT_FALSE(restored);
    EXPECT_EQ(restored.error().text, "the checkpoint at icount 6000000 is damaged, or of another machine");
}

TEST(Pack, replays_where_the_files_are_not) {
    const Temp file, firmware;
    const Absent packed;
    std::filesystem::copy_file("/usr/share/seabios/bios-256k.bin", firmware.path, std::filesystem::copy_options::overwrite_existing);
    MachineConfig config = firmware_config();
    config.bios = firmware.path;
    const Recording r = record(25, 3'000'000, config, true, 300, file.path);
    auto found = replay_config(r, file.path, {});
    ASSERT_TRUE(found) << found.error().text;
    const auto done = pack(r, *found, file.path, packed.path);
    ASSERT_TRUE(done) << done.error().text;
    std::ofstream(firmware.path) << "another firmware";
    EXPECT_FALSE(replay_config(r, file.path, {}));
    const Recording all = read(packed.path);
    const auto anywhere = replay_config(all, packed.path, {});
    ASSERT_TRUE(anywhere) << anywhere.error().text;
    const auto verdict = verify(all, *anywhere, 1);
    ASSERT_TRUE(verdict) << verdict.error().text;
    EXPECT_TRUE(verdict->identical) << verdict->text;
}

TEST(Pack, does_not_take_a_file_that_changed_nor_overwrite_one) {
    const Temp file, there;
    std::ofstream(there.path) << "precious";
    const Recording r = record(26, 1'000'000, firmware_config(), true, 300, file.path);
    const auto config = replay_config(r, file.path, {});
    ASSERT_TRUE(config);
    const auto done = pack(r, *config, file.path, there.path);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text, there.path + ": is there already; not overwritten");
}

// A machine that boots from its disk; what is started there writes its own sector to the fifth one, and goes round for ever.
class WithDisk : public ::testing::Test {
  protected:
    static constexpr std::size_t kBytes = 4u << 20, kWritten = 4 * 512;
    void SetUp() override {
        content_.resize(kBytes);
        std::mt19937 random(5);
        for (std::size_t i = 512; i < kBytes; ++i) content_[i] = i < kBytes / 2 ? '\0' : static_cast<char>(random());
        const unsigned char boot[] = {0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0xb8, 0x01, 0x03, 0xbb, 0x00, 0x7c, 0xb9, 0x05, 0x00, 0xba, 0x80, 0x00, 0xcd, 0x13, 0xeb, 0xfe};
        std::copy(std::begin(boot), std::end(boot), content_.begin());
        content_[510] = '\x55';
        content_[511] = '\xaa';
        std::ofstream(image_.path, std::ios::binary).write(content_.data(), static_cast<std::streamsize>(kBytes));
        MachineConfig config = firmware_config();
        config.images.push_back({.id = "d", .file = image_.path, .format = "raw", .snapshot = true});
        config.drives.push_back({.id = "d"});
        recording_ = record(28, 30'000'000, config, false, ~u64{0}, file_.path);
        after_ = content_;
        std::copy_n(content_.begin(), 512, after_.begin() + kWritten);
    }
    static std::string bytes_of(const std::string& path) {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    const Temp image_, file_;
    std::string content_, after_;            // of the disk: at power-on, and at the end
    Recording recording_;
};

TEST_F(WithDisk, the_disk_is_taken_out_as_it_was_at_a_position) {
    const auto config = replay_config(recording_, file_.path, {});
    ASSERT_TRUE(config) << config.error().text;
    const Absent early, late;
    bool differs = true;
    const auto at_begin = write_guest_disk(recording_, *config, Icount{1000}, "", early.path, differs);
    ASSERT_TRUE(at_begin) << at_begin.error().text;
    EXPECT_FALSE(differs);
    EXPECT_TRUE(bytes_of(early.path) == content_);
    const auto at_end = write_guest_disk(recording_, *config, std::nullopt, "d", late.path, differs);
    ASSERT_TRUE(at_end) << at_end.error().text;
    EXPECT_TRUE(bytes_of(late.path) == after_);
    EXPECT_TRUE(bytes_of(image_.path) == content_);      // itself it stayed
    EXPECT_EQ(write_guest_disk(recording_, *config, std::nullopt, "d", late.path, differs).error().text, late.path + ": is there already; not overwritten");
    const Absent none;
    EXPECT_EQ(write_guest_disk(recording_, *config, std::nullopt, "e", none.path, differs).error().text,
              "--image e: the disks that the recorded machine can write are d");
    EXPECT_FALSE(std::filesystem::exists(none.path));
}

TEST_F(WithDisk, a_changed_block_of_the_image_is_named) {
    const auto config = replay_config(recording_, file_.path, {});
    ASSERT_TRUE(config) << config.error().text;
    std::fstream image(image_.path, std::ios::binary | std::ios::in | std::ios::out);
    image.seekp(100);                        // of the boot sector, which is read; nobody looks at this byte of it
    image << 'x' << std::flush;
    const auto verdict = verify(recording_, *config, 1);
    ASSERT_TRUE(verdict) << verdict.error().text;
    EXPECT_FALSE(verdict->identical);
    EXPECT_NE(verdict->text.find(image_.path + " has other bytes in sectors 0 to 0 than were read there when it was recorded"), std::string::npos) << verdict->text;
}

TEST_F(WithDisk, a_packed_recording_replays_without_its_image) {
    const Absent packed;
    const auto config = replay_config(recording_, file_.path, {});
    ASSERT_TRUE(config) << config.error().text;
    const auto done = pack(recording_, *config, file_.path, packed.path);
    ASSERT_TRUE(done) << done.error().text;
    std::filesystem::remove(image_.path);
    EXPECT_FALSE(replay_config(recording_, file_.path, {}));
    const Recording all = read(packed.path);
    const auto anywhere = replay_config(all, packed.path, {});
    ASSERT_TRUE(anywhere) << anywhere.error().text;
    const auto verdict = verify(all, *anywhere, 1);
    ASSERT_TRUE(verdict) << verdict.error().text;
    EXPECT_TRUE(verdict->identical) << verdict->text;
    const Absent disk;
    bool differs = true;
    const auto taken = write_guest_disk(all, *anywhere, std::nullopt, "", disk.path, differs);
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_TRUE(bytes_of(disk.path) == after_);
}

// Nothing of what was packed is believed that is not as it was: a bit in a sector that no sample has, and that the guest did not read.
TEST_F(WithDisk, a_packed_image_that_was_changed_is_refused) {
    const Absent packed, changed;
    const auto config = replay_config(recording_, file_.path, {});
    ASSERT_TRUE(config) << config.error().text;
    ASSERT_TRUE(pack(recording_, *config, file_.path, packed.path));
    std::filesystem::remove(image_.path);
    const Recording all = read(packed.path);
    ASSERT_EQ(all.image_hashes.size(), 1u);
    const auto rewrite = Rewrite::begin(packed.path, all, changed.path);
    ASSERT_TRUE(rewrite);
    ASSERT_TRUE((*rewrite)->copy([](const Packed& c) { return ChunkType{c.frame.type} != ChunkType::Image; }));
    u64 pieces = 0;
    for (const Packed& chunk : all.images) {
        auto piece = decode_image(*unpack(all, chunk));
        ASSERT_TRUE(piece);
        if (all.header.files[piece->file].role == "image:d" && piece->bytes.size() == kBytes) {
            piece->bytes[2'200'000] = static_cast<char>(piece->bytes[2'200'000] ^ 1);
            ++pieces;
        }
        (*rewrite)->add(ChunkType::Image, encode(*piece));
    }
    ASSERT_EQ(pieces, 1u);
    ASSERT_TRUE((*rewrite)->finish());
    EXPECT_TRUE(replay_config(all, packed.path, {}));
    EXPECT_FALSE(replay_config(read(changed.path), changed.path, {}));
}

TEST(Diff, names_the_first_difference_of_each_kind) {
    const Recording a = record(27, 10'000'000);
    Recording b = a;
    EXPECT_TRUE(differences(a, b).empty());
    b.header.config.replace(b.header.config.find("shift=0"), 7, "shift=3");
    b.header.build = "another";
    ASSERT_FALSE(b.events.empty());              // how many there are is the host's doing
    b.events.back().at += 1;
    b.end->hash ^= 1;
    const auto lines = differences(a, b);
    ASSERT_EQ(lines.size(), 5u);
    EXPECT_EQ(lines[0], "shift: 0 != 3");
    EXPECT_EQ(lines[1], "event " + std::to_string(a.events.size()) + ":");
    EXPECT_EQ(lines[4], "state at the end differs");
}

}  // namespace
}  // namespace vmm::replay
