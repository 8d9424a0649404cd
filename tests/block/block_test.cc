// SPDX-License-Identifier: Apache-2.0
// Images: raw files by both ways of host I/O against a model, where files end, errors from below, locks, and an overlay's
// versions against a model.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <map>

#include "block/overlay.h"
#include "block/raw_file.h"
#include "tests/block/bench.h"

namespace vmm::block {
namespace {

std::unique_ptr<HostIo> make_io(Aio aio) {
    auto made = HostIo::create(aio);
    EXPECT_TRUE(made) << (made ? "" : made.error().text);
    return made ? std::move(*made) : nullptr;
}

bool have_uring() { return static_cast<bool>(make_uring_io()); }

// Every test of RawFile runs on both ways.
class RawFileTest : public testing::TestWithParam<Aio> {
  protected:
    void SetUp() override {
        if (GetParam() == Aio::IoUring && !have_uring()) GTEST_SKIP() << "this host forbids io_uring";
        io = make_io(GetParam());
        ASSERT_TRUE(io);
    }
    std::unique_ptr<RawFile> open(const TempFile& file, bool read_only = false, Cache cache = Cache::WriteBack) {
        auto made = RawFile::open(*io, file.path, read_only, cache);
        EXPECT_TRUE(made) << (made ? "" : made.error().text);
        return made ? std::move(*made) : nullptr;
    }
    std::unique_ptr<HostIo> io;
};

INSTANTIATE_TEST_SUITE_P(Ways, RawFileTest, testing::Values(Aio::IoUring, Aio::Threads),
                         [](const auto& way) { return way.param == Aio::IoUring ? "uring" : "threads"; });

// Many requests under way at once, none overlapping another that writes; then the file is what a model says.
void random_traffic(HostIo& io, Node& node, const TempFile& file, u64 seed) {
    constexpr u64 kSectors = 512, kStretch = 32;
    std::mt19937_64 random(seed);
    std::vector<u8> model(kSectors * kSector);
    for (unsigned round = 0; round < 40; ++round) {
        std::atomic<unsigned> left{0};
        std::atomic<unsigned> wrong{0};
        for (u64 stretch = 0; stretch < kSectors / kStretch; ++stretch) {
            const u64 first = stretch * kStretch + random() % kStretch, count = 1 + random() % (stretch * kStretch + kStretch - first);
            ++left;
            if (random() % 2 == 0) {
                auto data = noise(random, count * kSector);
                std::copy(data.begin(), data.end(), model.begin() + static_cast<i64>(first * kSector));
                node.submit({Op::Write, first * kSector, 0, std::move(data)}, [&](Reply reply) {
                    wrong += reply.error != 0;
                    --left;
                });
            } else {
                const auto from = model.begin() + static_cast<i64>(first * kSector);
                node.submit({Op::Read, first * kSector, count * kSector, {}},
                            [&, expected = std::vector<u8>(from, from + static_cast<i64>(count * kSector))](const Reply& reply) {
                                wrong += reply.error != 0 || reply.data != expected;
                                --left;
                            });
            }
        }
        ASSERT_TRUE(io.wait([&] { return left.load() == 0; }, 20'000'000'000)) << "round " << round;
        ASSERT_EQ(wrong.load(), 0u) << "round " << round;
    }
    EXPECT_EQ(ask(io, node, {Op::Flush, 0, 0, {}}).error, 0);
    EXPECT_EQ(file.content(), model);
}

TEST_P(RawFileTest, holds_what_was_written) {
    const TempFile file(512 * kSector);
    const auto node = open(file);
    random_traffic(*io, *node, file, 1);
}

TEST_P(RawFileTest, holds_what_was_written_past_the_page_cache) {
    const TempFile file(512 * kSector);
    const auto node = open(file, false, Cache::None);
    random_traffic(*io, *node, file, 2);
}

TEST_P(RawFileTest, a_write_is_on_the_disk_with_writethrough) {
    const TempFile file(512 * kSector);
    const auto node = open(file, false, Cache::WriteThrough);
    random_traffic(*io, *node, file, 3);
}

TEST_P(RawFileTest, what_is_under_way_is_done_when_the_node_goes) {
    const TempFile file(1 << 20);
    std::atomic<unsigned> done{0};
    {
        const auto node = open(file);
        for (u64 i = 0; i < 64; ++i) node->submit({Op::Write, i * kSector, 0, pattern(i, 1)}, [&](const Reply&) { ++done; });
    }
    EXPECT_EQ(done.load(), 64u);
    auto content = file.content();
    content.resize(64 * kSector);
    EXPECT_EQ(content, pattern(0, 64));
}

TEST_P(RawFileTest, another_thread_answers_when_nobody_waits) {
    const TempFile file(1 << 20);
    const auto node = open(file, false, Cache::None);
    std::atomic<bool> done{false};
    node->submit({Op::Write, 0, 0, pattern(0, 1024)}, [&](const Reply&) { done = true; });
    io->watch();
    for (int i = 0; i < 5000 && !done; ++i) usleep(1000);
    EXPECT_TRUE(done.load());
}

TEST_P(RawFileTest, discard_leaves_what_is_beside_it) {
    const TempFile file(64 * kSector);
    const auto node = open(file);
    ASSERT_EQ(ask(*io, *node, {Op::Write, 0, 0, pattern(0, 64)}).error, 0);
    ASSERT_EQ(ask(*io, *node, {Op::Discard, 8 * kSector, 8 * kSector, {}}).error, 0);
    EXPECT_EQ(ask(*io, *node, {Op::Read, 0, 8 * kSector, {}}).data, pattern(0, 8));
    EXPECT_EQ(ask(*io, *node, {Op::Read, 16 * kSector, 48 * kSector, {}}).data, pattern(16, 48));
    const auto middle = ask(*io, *node, {Op::Read, 8 * kSector, 8 * kSector, {}}).data;
    EXPECT_TRUE(middle == std::vector<u8>(8 * kSector) || middle == pattern(8, 8)) << "neither a hole nor what was there";
    EXPECT_EQ(file.size(), 64 * kSector);
}

TEST_P(RawFileTest, a_last_sector_that_is_not_whole_reads_as_with_zeros) {
    const TempFile file(1000);
    file.put(0, std::vector<u8>(1000, 0xaa));
    const auto node = open(file);
    EXPECT_EQ(node->size(), 1024u);
    std::vector<u8> expected(1024, 0xaa);
    std::fill(expected.begin() + 1000, expected.end(), 0);
    EXPECT_EQ(ask(*io, *node, {Op::Read, 0, 1024, {}}).data, expected);
    EXPECT_EQ(file.size(), 1000u);
    ASSERT_EQ(ask(*io, *node, {Op::Write, 512, 0, pattern(1, 1)}).error, 0);
    EXPECT_EQ(file.size(), 1024u);
    EXPECT_EQ(ask(*io, *node, {Op::Read, 512, 512, {}}).data, pattern(1, 1));
}

TEST_P(RawFileTest, a_file_that_became_shorter_gives_an_error_there_and_data_before) {
    const TempFile file(64 * kSector);
    file.put(0, pattern(0, 64));
    const auto node = open(file);
    std::filesystem::resize_file(file.path, 32 * kSector + 100);
    EXPECT_EQ(ask(*io, *node, {Op::Read, 0, 32 * kSector, {}}).data, pattern(0, 32));
    EXPECT_EQ(ask(*io, *node, {Op::Read, 31 * kSector, 2 * kSector, {}}).error, EIO);
    EXPECT_EQ(ask(*io, *node, {Op::Read, 40 * kSector, kSector, {}}).error, EIO);
}

TEST_P(RawFileTest, a_host_that_has_no_room_gives_its_error) {
    const TempFile file(4096);
    std::filesystem::resize_file(file.path, 4096);
    const auto node = open(file);
    std::filesystem::resize_file(file.path, 1024);
    signal(SIGXFSZ, SIG_IGN);
    rlimit old{};
    getrlimit(RLIMIT_FSIZE, &old);
    rlimit small = old;
    small.rlim_cur = 1024;
    setrlimit(RLIMIT_FSIZE, &small);
    const int error = ask(*io, *node, {Op::Write, 2048, 0, pattern(0, 2)}).error;
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_EQ(error, EFBIG);
    EXPECT_EQ(ask(*io, *node, {Op::Write, 2048, 0, pattern(0, 2)}).error, 0);
}

TEST_P(RawFileTest, refuses_what_is_outside_misaligned_or_not_to_be_written) {
    const TempFile file(8 * kSector);
    const auto node = open(file);
    EXPECT_EQ(ask(*io, *node, {Op::Read, 8 * kSector, kSector, {}}).error, EINVAL);
    EXPECT_EQ(ask(*io, *node, {Op::Read, 7 * kSector, 2 * kSector, {}}).error, EINVAL);
    EXPECT_EQ(ask(*io, *node, {Op::Read, ~u64{511}, kSector, {}}).error, EINVAL);
    EXPECT_EQ(ask(*io, *node, {Op::Read, 256, kSector, {}}).error, EINVAL);
    EXPECT_EQ(ask(*io, *node, {Op::Write, 0, 0, std::vector<u8>(100)}).error, EINVAL);
    const TempFile other(8 * kSector);
    const auto fixed = open(other, true);
    EXPECT_EQ(ask(*io, *fixed, {Op::Write, 0, 0, pattern(0, 1)}).error, EROFS);
    EXPECT_EQ(ask(*io, *fixed, {Op::Read, 0, kSector, {}}).error, 0);
    EXPECT_EQ(ask(*io, *fixed, {Op::Flush, 0, 0, {}}).error, 0);
}

// --- opening, and locks --------------------------------------------------------------------------------------------------------

class OpenTest : public testing::Test {
  protected:
    std::string error(const ImageConfig& config) {
        auto image = open_image(*io, config);
        return image ? "" : image.error().text;
    }
    std::unique_ptr<HostIo> io = make_io(Aio::Threads);
};

TEST_F(OpenTest, says_what_is_wrong_with_a_file_that_is_no_image) {
    EXPECT_EQ(error({.file = "/nowhere/disk.img"}), "cannot open /nowhere/disk.img: No such file or directory");
    EXPECT_EQ(error({.file = "/tmp", .read_only = true}), "/tmp is a directory, not a disk image");
    EXPECT_EQ(error({.file = "/dev/null", .read_only = true}), "/dev/null is neither a file nor a block device, not a disk image");
    const TempFile empty;
    EXPECT_EQ(error({.file = empty.path}), empty.path + " is empty: a disk image has at least one sector of 512 bytes");
}

TEST_F(OpenTest, finds_out_what_an_image_is_unless_told) {
    const TempFile file(4096);
    file.put(0, std::vector<u8>{'Q', 'F', 'I', 0xfb, 0, 0, 0, 9});
    EXPECT_EQ(error({.file = file.path}), file.path + " is not a qcow2 image that can be used: its version is 9, not 2 or 3");
    EXPECT_EQ(error({.file = file.path, .format = "raw"}), "");
    EXPECT_EQ(error({.file = file.path, .format = "vpc"}), file.path + ": the format vpc is not available, only raw and qcow2");
    file.put(0, std::vector<u8>{'K', 'D', 'M', 'V'});
    EXPECT_EQ(error({.file = file.path}), file.path + " is a vmdk image, which is not available; 'qemu-img convert -O qcow2' makes one that is (format=raw takes it as it is)");
    EXPECT_EQ(error({.file = file.path, .format = "qcow2"}), file.path + " is not a qcow2 image");
}

TEST_F(OpenTest, one_program_writes_or_several_read) {
    const TempFile file(4096);
    const auto open_as = [&](bool read_only) { return RawFile::open(*io, file.path, read_only, Cache::WriteBack); };
    {
        const auto writer = open_as(false);
        ASSERT_TRUE(writer);
        const auto second = open_as(false);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().text, file.path + " is in use by another program, and cannot be written as well");
        const auto reader = open_as(true);
        ASSERT_FALSE(reader);
        EXPECT_EQ(reader.error().text, file.path + " is being written by another program, and cannot be read meanwhile");
    }
    const auto first = open_as(true), second = open_as(true);
    EXPECT_TRUE(first);
    EXPECT_TRUE(second);
    const auto writer = open_as(false);
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().text, file.path + " is in use by another program, and cannot be written as well");
}

TEST_F(OpenTest, snapshot_leaves_the_file_as_it_is) {
    const TempFile file(4096);
    file.put(0, pattern(0, 8));
    {
        auto image = open_image(*io, {.file = file.path, .format = "raw", .snapshot = true});
        ASSERT_TRUE(image);
        ASSERT_NE(image->overlay, nullptr);
        EXPECT_EQ(ask(*io, *image->node, {Op::Write, 512, 0, pattern(100, 2)}).error, 0);
        EXPECT_EQ(ask(*io, *image->node, {Op::Read, 512, 1024, {}}).data, pattern(100, 2));
    }
    EXPECT_EQ(file.content(), pattern(0, 8));
}

// --- faults ---------------------------------------------------------------------------------------------------------------------

TEST_F(OpenTest, requests_fail_where_rules_say_so) {
    const TempFile file(64 * kSector);
    file.put(0, pattern(0, 64));
    auto image = open_image(*io, {.file = file.path, .format = "raw", .faults = "read:10-12+write:20:enospc:2+flush:1"});
    ASSERT_TRUE(image) << image.error().text;
    Node& node = *image->node;
    const auto read = [&](u64 sector, u64 count) { return ask(*io, node, {Op::Read, sector * kSector, count * kSector, {}}).error; };
    EXPECT_EQ(read(0, 10), 0);
    EXPECT_EQ(read(0, 11), EIO);
    EXPECT_EQ(read(12, 4), EIO);
    EXPECT_EQ(read(13, 4), 0);
    const auto write = [&](u64 sector) { return ask(*io, node, {Op::Write, sector * kSector, 0, pattern(1, 1)}).error; };
    EXPECT_EQ(write(10), 0);
    EXPECT_EQ(write(20), ENOSPC);
    EXPECT_EQ(write(20), ENOSPC);
    EXPECT_EQ(write(20), 0);
    EXPECT_EQ(ask(*io, node, {Op::Flush, 0, 0, {}}).error, EIO);
    EXPECT_EQ(ask(*io, node, {Op::Flush, 0, 0, {}}).error, 0);
}

TEST_F(OpenTest, rules_that_cannot_be_understood_are_refused) {
    const TempFile file(4096);
    for (const std::string rule : {"eat", "read:x", "read:5-", "read:5-3", "write:1:eio:x", "flush:1:2", "read:1:eio:enospc"})
        EXPECT_EQ(error({.file = file.path, .format = "raw", .faults = rule}), "a fault is OP[:FIRST[-LAST]][:ERROR][:TIMES], as in read:2048-2055:eio:3, not '" + rule + "'");
}

// --- the overlay ---------------------------------------------------------------------------------------------------------------

struct OverlayRig {
    explicit OverlayRig(u64 sectors) : file(sectors * kSector), io(make_io(Aio::Threads)) {
        file.put(0, pattern(0, sectors));
        auto image = open_image(*io, {.file = file.path, .format = "raw", .snapshot = true});
        EXPECT_TRUE(image);
        overlay = image->overlay;
        node = std::move(image->node);
    }
    void write(u64 sector, std::vector<u8> data) { EXPECT_EQ(ask(*io, *node, {Op::Write, sector * kSector, 0, std::move(data)}).error, 0); }
    std::vector<u8> read(u64 sector, u64 count) { return ask(*io, *node, {Op::Read, sector * kSector, count * kSector, {}}).data; }

    TempFile file;
    std::unique_ptr<HostIo> io;
    std::unique_ptr<Node> node;
    Overlay* overlay = nullptr;
};

TEST(Overlay, versions_hold_what_a_model_holds) {
    constexpr u64 kSectors = 3000;                        // not a whole number of clusters; two levels of the map
    OverlayRig rig(kSectors);
    struct Kept {
        Overlay::Version version;
        std::vector<u8> model;
        u64 hash;
    };
    std::vector<u8> model = pattern(0, kSectors);
    std::vector<Kept> kept{{rig.overlay->version(), model, rig.overlay->content_hash()}};
    std::mt19937_64 random(5);
    for (unsigned i = 0; i < 4000; ++i) {
        const u64 sector = random() % kSectors, count = 1 + random() % std::min<u64>(40, kSectors - sector);
        const auto at = model.begin() + static_cast<i64>(sector * kSector);
        switch (random() % 8) {
            case 0: case 1: case 2: {
                const auto data = noise(random, count * kSector);
                std::copy(data.begin(), data.end(), at);
                rig.write(sector, data);
                break;
            }
            case 3:
                if (kept.size() < 60) kept.push_back({rig.overlay->version(), model, rig.overlay->content_hash()});
                else kept[random() % 60] = {rig.overlay->version(), model, rig.overlay->content_hash()};
                break;
            case 4: {
                const Kept& k = kept[random() % kept.size()];
                rig.overlay->restore(k.version);
                model = k.model;
                ASSERT_EQ(rig.overlay->content_hash(), k.hash);
                break;
            }
            default: ASSERT_EQ(rig.read(sector, count), std::vector<u8>(at, at + static_cast<i64>(count * kSector))) << "step " << i; break;
        }
    }
    EXPECT_EQ(rig.read(0, kSectors), model);
    EXPECT_EQ(rig.file.content(), pattern(0, kSectors));
}

TEST(Overlay, equal_contents_hash_alike_and_others_do_not) {
    OverlayRig a(256), b(256);
    const u64 nothing = a.overlay->content_hash();
    a.write(3, pattern(1, 20));
    a.write(100, pattern(2, 7));
    b.write(100, pattern(9, 7));                          // overwritten below
    b.write(100, pattern(2, 3));
    b.write(103, pattern(5, 4));
    b.write(3, pattern(1, 20));
    EXPECT_EQ(a.read(0, 256), b.read(0, 256));
    EXPECT_EQ(a.overlay->content_hash(), b.overlay->content_hash());
    EXPECT_NE(a.overlay->content_hash(), nothing);
    auto last = pattern(2, 7);
    last.back() ^= 1;
    b.write(100, last);
    EXPECT_NE(a.overlay->content_hash(), b.overlay->content_hash());
    // The same bytes elsewhere are another content.
    OverlayRig c(256), d(256);
    c.write(0, pattern(1, 1));
    d.write(8, pattern(1, 1));
    EXPECT_NE(c.overlay->content_hash(), d.overlay->content_hash());
}

TEST(Overlay, is_saved_and_loaded_whole_and_refuses_what_is_cut) {
    OverlayRig a(256), b(256);
    a.write(3, pattern(1, 20));
    a.write(250, pattern(2, 6));
    b.write(77, pattern(8, 8));
    SaveArchive save;
    a.overlay->serialize(save);
    const auto bytes = save.take();
    LoadArchive load(bytes);
    b.overlay->serialize(load);
    EXPECT_FALSE(load.failed());
    EXPECT_TRUE(load.done());
    EXPECT_EQ(b.read(0, 256), a.read(0, 256));
    EXPECT_EQ(b.overlay->content_hash(), a.overlay->content_hash());
    LoadArchive cut(std::span<const u8>(bytes).first(bytes.size() - 1));
    b.overlay->serialize(cut);
    EXPECT_TRUE(cut.failed());
}

}  // namespace
}  // namespace vmm::block
