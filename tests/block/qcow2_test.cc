// SPDX-License-Identifier: Apache-2.0
// qcow2 against qemu-img and qemu-io: images that either makes, random writing against a model in memory, what is refused.
// qemu-img's own check has the last word on every image that was written.
#include <atomic>

#include "tests/block/qcow2_bench.h"

namespace vmm::block {
namespace {

// --- reading what the peer made -------------------------------------------------------------------------------------------------

INSTANTIATE_TEST_SUITE_P(Quick, Qcow2Forms, testing::Values(QCOW2_QUICK_FORMS));
INSTANTIATE_TEST_SUITE_P(Slow, Qcow2Forms, testing::Values(QCOW2_OTHER_FORMS));

TEST_P(Qcow2Forms, reads_what_the_peer_wrote_compressed_or_not) {
    const auto bytes = content(GetParam().cluster < 4096 ? 600'064 : 5'000'192, 1);
    write_file(dir / "a.raw", bytes);
    for (const std::string how : {"", " -c"}) {
        ASSERT_EQ(run("qemu-img convert -f raw -O qcow2" + how + convert_options() + " " + (dir / "a.raw") + " " + (dir / "a.qcow2")), 0);
        const auto image = open_image(dir / "a.qcow2", true);
        ASSERT_TRUE(image);
        EXPECT_EQ(image->size(), bytes.size());
        EXPECT_TRUE(read_all(*image) == bytes) << how;
        auto checked = Qcow2Checker(*image).check();
        ASSERT_TRUE(checked);
        EXPECT_EQ(checked->corruptions + checked->leaks, 0u) << checked->messages.front();
    }
}

TEST_P(Qcow2Forms, reads_through_a_chain_with_zero_clusters) {
    const auto bytes = content(GetParam().cluster < 4096 ? 1'200'128 : 3'000'320, 2);
    write_file(dir / "base.raw", bytes);
    ASSERT_EQ(run("qemu-img convert -c -f raw -O qcow2" + convert_options() + " " + (dir / "base.raw") + " " + (dir / "mid.qcow2")), 0);
    ASSERT_EQ(run(create(dir / "top.qcow2", 4'000'256, "-b mid.qcow2 -F qcow2")), 0);
    ASSERT_EQ(run("qemu-io -c 'write -P 7 100k 300k' -c 'write -z 1000k 700k' -c 'write -P 9 3900000 512' " + (dir / "top.qcow2")), 0);
    const auto image = open_image(dir / "top.qcow2", true);
    ASSERT_TRUE(image);
    EXPECT_TRUE(read_all(*image) == by_peer(dir, dir / "top.qcow2"));
}

// --- writing --------------------------------------------------------------------------------------------------------------------

TEST_P(Qcow2Forms, holds_what_was_written_and_the_peer_finds_no_fault) {
    ASSERT_EQ(run(create(dir / "a.qcow2", 6'000'128)), 0);
    std::vector<u8> model(6'000'128);
    random_writing(dir / "a.qcow2", model, 3, 400, 300);
    EXPECT_EQ(run("qemu-img check " + (dir / "a.qcow2")), 0);
    EXPECT_TRUE(by_peer(dir, dir / "a.qcow2") == model);
}

TEST_P(Qcow2Forms, copies_from_compressed_backing_and_shared_clusters) {
    auto model = content(3'000'320, 4);
    write_file(dir / "base.raw", model);
    ASSERT_EQ(run("qemu-img convert -c -f raw -O qcow2" + convert_options() + " " + (dir / "base.raw") + " " + (dir / "packed.qcow2")), 0);
    ASSERT_EQ(run(create(dir / "top.qcow2", model.size(), "-b base.raw -F raw")), 0);
    const bool snapshots = GetParam().refcount_bits >= 8;   // narrower ones have no room for one more reference to packed clusters: the peer refuses as well
    for (const std::string name : {"packed.qcow2", "top.qcow2"}) {
        auto now = model;
        random_writing(dir / name, now, 5, 150, 200);
        auto then = now;
        if (snapshots) {
            ASSERT_EQ(run("qemu-img snapshot -c s " + (dir / name)), 0);
        }
        random_writing(dir / name, now, 6, 150, 200);
        EXPECT_EQ(run("qemu-img check " + (dir / name)), 0) << name;
        EXPECT_TRUE(by_peer(dir, dir / name) == now) << name;
        if (!snapshots) continue;
        ASSERT_EQ(run("qemu-img snapshot -a s " + (dir / name)), 0);
        EXPECT_TRUE(by_peer(dir, dir / name) == then) << name;
        EXPECT_EQ(run("qemu-img check " + (dir / name)), 0) << name;
    }
    EXPECT_TRUE(file_bytes(dir / "base.raw") == model);
}

TEST(Qcow2, grows_its_refcount_table) {
    const Dir dir;
    ASSERT_EQ(run("qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 " + (dir / "a.qcow2") + " 40M"), 0);
    std::vector<u8> model(40u << 20);
    std::mt19937_64 random(1);
    {
        const auto image = open_image(dir / "a.qcow2", false);
        ASSERT_TRUE(image);
        for (u64 at = 0; at < model.size(); at += 1u << 20) {
            const auto data = noise(random, 1u << 20);
            std::copy(data.begin(), data.end(), model.begin() + static_cast<i64>(at));
            ASSERT_EQ(image->write(at, data), 0) << at;
        }
    }
    EXPECT_EQ(run("qemu-img check " + (dir / "a.qcow2")), 0);
    EXPECT_TRUE(by_peer(dir, dir / "a.qcow2") == model);
}

TEST(Qcow2, refcounts_are_built_anew_where_the_dirty_bit_says_so) {
    const Dir dir;
    const std::string path = dir / "a.qcow2";
    ASSERT_EQ(run("qemu-img create -q -f qcow2 -o lazy_refcounts=on " + path + " 8M"), 0);
    // The peer dies before it writes refcounts.
    run("timeout -s KILL 20 qemu-io -c 'write -P 5 0 1M' -c 'write -P 6 4M 1M' -c flush -c 'abort' " + path);
    std::vector<u8> header = file_bytes(path);
    header.resize(80);
    ASSERT_EQ(header[79] & 1, 1) << "the peer left it clean";
    std::vector<u8> model(8u << 20);
    std::fill(model.begin(), model.begin() + (1 << 20), u8{5});
    std::fill(model.begin() + (4 << 20), model.begin() + (5 << 20), u8{6});
    {
        const auto image = open_image(path, false);
        ASSERT_TRUE(image);
        EXPECT_EQ(image->header().incompatible, 0u);
        EXPECT_TRUE(read_all(*image) == model);
        ASSERT_EQ(image->write(2u << 20, std::vector<u8>(1u << 20, 8)), 0);
        std::fill(model.begin() + (2 << 20), model.begin() + (3 << 20), u8{8});
    }
    EXPECT_EQ(run("qemu-img check " + path), 0);
    EXPECT_TRUE(by_peer(dir, path) == model);
}

// --- as a disk ------------------------------------------------------------------------------------------------------------------

class Qcow2Disk : public testing::TestWithParam<Aio> {};
INSTANTIATE_TEST_SUITE_P(Ways, Qcow2Disk, testing::Values(Aio::IoUring, Aio::Threads), [](const auto& way) { return way.param == Aio::IoUring ? "uring" : "threads"; });

TEST_P(Qcow2Disk, answers_every_request_in_flight_in_every_cache_mode) {
    if (GetParam() == Aio::IoUring && !make_uring_io()) GTEST_SKIP() << "this host forbids io_uring";
    auto io = HostIo::create(GetParam());
    ASSERT_TRUE(io);
    for (const Cache cache : {Cache::WriteBack, Cache::None, Cache::Unsafe, Cache::WriteThrough, Cache::DirectSync}) {
        const Dir dir;
        ASSERT_EQ(run("qemu-img create -q -f qcow2 " + (dir / "a.qcow2") + " 4M"), 0);
        std::vector<u8> model(4u << 20);
        {
            auto image = block::open_image(**io, {.file = dir / "a.qcow2", .cache = cache});
            ASSERT_TRUE(image) << image.error().text;
            std::mt19937_64 random(2);
            std::atomic<unsigned> left{0}, wrong{0};
            for (u64 at = 0; at < model.size(); at += 256u << 10) {
                const auto data = noise(random, 5 * kSector);
                std::copy(data.begin(), data.end(), model.begin() + static_cast<i64>(at + 3 * kSector));
                ++left;
                image->node->submit({Op::Write, at + 3 * kSector, 0, data}, [&](const Reply& reply) {
                    wrong += reply.error != 0;
                    --left;
                });
            }
            ASSERT_TRUE((*io)->wait([&] { return left.load() == 0; }, 20'000'000'000));
            EXPECT_EQ(wrong.load(), 0u);
            EXPECT_EQ(ask(**io, *image->node, {Op::Flush, 0, 0, {}}).error, 0);
            EXPECT_TRUE(ask(**io, *image->node, {Op::Read, 0, model.size(), {}}).data == model);
            EXPECT_EQ(ask(**io, *image->node, {Op::Read, model.size(), kSector, {}}).error, EINVAL);
            EXPECT_EQ(run("qemu-io -c 'read 0 512' " + (dir / "a.qcow2")), 1) << "the peer may open what is being written";
        }
        EXPECT_EQ(run("qemu-img check " + (dir / "a.qcow2")), 0);
        EXPECT_TRUE(by_peer(dir, dir / "a.qcow2") == model);
    }
}

TEST(Qcow2, an_image_whose_writes_stay_in_memory_is_left_as_it_was) {
    const Dir dir;
    ASSERT_EQ(run("qemu-img create -q -f qcow2 " + (dir / "a.qcow2") + " 4M"), 0);
    const auto before = file_bytes(dir / "a.qcow2");
    auto io = HostIo::create(Aio::Threads);
    {
        auto image = block::open_image(**io, {.file = dir / "a.qcow2", .format = "qcow2", .snapshot = true});
        ASSERT_TRUE(image);
        EXPECT_EQ(ask(**io, *image->node, {Op::Write, 512, 0, pattern(3, 2)}).error, 0);
        EXPECT_EQ(ask(**io, *image->node, {Op::Read, 512, 1024, {}}).data, pattern(3, 2));
    }
    EXPECT_TRUE(file_bytes(dir / "a.qcow2") == before);
}

// --- what is refused ------------------------------------------------------------------------------------------------------------

class Qcow2Refused : public testing::Test {
  protected:
    void SetUp() override {
        path = dir / "a.qcow2";
        ASSERT_EQ(run("qemu-img create -q -f qcow2 " + path + " 4M"), 0);
    }
    void poke(u64 at, u64 value, unsigned bytes) {
        std::vector<u8> out(bytes);
        store_be(out, 0, value, bytes);
        std::fstream f(path, std::ios::in | std::ios::out | std::ios::binary);
        f.seekp(static_cast<std::streamoff>(at));
        f.write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(bytes));
    }
    std::string error(bool read_only = true) {
        const auto image = open_qcow2(path, {.read_only = read_only});
        return image ? "" : image.error().text;
    }
    std::string refused(const std::string& why) { return path + " is not a qcow2 image that can be used: " + why; }
    Dir dir;
    std::string path;
};

TEST_F(Qcow2Refused, features_by_name) {
    poke(72, 4, 8);
    EXPECT_EQ(error(), refused("its data is in another file (external data file)"));
    poke(72, 16, 8);
    EXPECT_EQ(error(), refused("it has extended L2 entries (subclusters)"));
    poke(72, u64{1} << 40, 8);
    EXPECT_EQ(error(), refused("it needs a feature that is not known here: incompatible feature 40"));
    poke(72, 8, 8);
    EXPECT_EQ(error(), refused("its compression type and its feature bits disagree"));
    poke(72, 0, 8);
    poke(32, 2, 4);
    EXPECT_EQ(error(), refused("it is encrypted (LUKS)"));
}

TEST_F(Qcow2Refused, tables_that_cannot_be) {
    EXPECT_EQ(error(), "");
    const auto with = [this](u64 at, u64 value, unsigned bytes, u64 restore) {
        poke(at, value, bytes);
        auto text = error();
        poke(at, restore, bytes);
        return text;
    };
    EXPECT_EQ(with(20, 22, 4, 16), refused("its clusters have 2^22 bytes; 2^9 to 2^21 are possible"));
    EXPECT_EQ(with(20, 8, 4, 16), refused("its clusters have 2^8 bytes; 2^9 to 2^21 are possible"));
    EXPECT_EQ(with(36, 0xffffffff, 4, 1), refused("its L1 table is too large"));
    EXPECT_EQ(with(36, 0, 4, 1), refused("its L1 table is too small for a disk of 4194304 bytes"));
    EXPECT_EQ(with(40, u64{1} << 60, 8, 196608), refused("its L1 table is not inside the file"));
    EXPECT_EQ(with(48, 65537, 8, 65536), refused("its refcount table is not inside the file"));
    EXPECT_EQ(with(56, 0xffff, 4, 1), refused("its refcount table is too large"));
    EXPECT_EQ(with(60, 0xffffff, 4, 0), refused("it has too many snapshots"));
    EXPECT_EQ(with(96, 7, 4, 4), refused("its refcounts have more than 64 bits"));
    EXPECT_EQ(error(), "");
}

TEST_F(Qcow2Refused, a_corrupt_image_is_read_and_not_written) {
    poke(72, 2, 8);
    EXPECT_EQ(error(true), "");
    EXPECT_EQ(error(false), path + " is marked as corrupt, and cannot be written; 'qemu-img check -r all' may repair it, readonly=on reads it");
}

TEST_F(Qcow2Refused, data_over_metadata_stops_the_writing_and_marks_the_image) {
    // The first L2 entry says that data are in the cluster of the refcount block.
    ASSERT_EQ(run("qemu-io -c 'write 0 64k' " + path), 0);
    const u64 l1 = load_be(file_bytes(path), 40, 8), l2 = load_be(file_bytes(path), l1, 8) & 0x00ff'ffff'ffff'fe00;
    poke(l2, Qcow2Image::kCopied | 131072, 8);
    const auto before = file_bytes(path);
    {
        const auto image = open_image(path, false);
        ASSERT_TRUE(image);
        EXPECT_EQ(image->write(0, std::vector<u8>(512, 1)), EIO);
        EXPECT_EQ(image->write(1 << 20, std::vector<u8>(512, 1)), EIO);
    }
    auto after = file_bytes(path);
    EXPECT_EQ(after[79], 2) << "not marked as corrupt";
    after[79] = 0;
    EXPECT_TRUE(after == before);
}

TEST_F(Qcow2Refused, chains_without_end) {
    ASSERT_EQ(run("qemu-img create -q -f qcow2 -u -b b.qcow2 -F qcow2 " + path + " 4M"), 0);
    EXPECT_EQ(error(), path + ": its backing file: cannot open " + (dir / "b.qcow2") + ": No such file or directory");
    ASSERT_EQ(run("qemu-img create -q -f qcow2 -u -b a.qcow2 -F qcow2 " + (dir / "b.qcow2") + " 4M"), 0);
    EXPECT_EQ(error(), path + ": its backing file: " + (dir / "b.qcow2") + ": its backing file: " + path + " is below itself in a chain of backing files");
    ASSERT_EQ(run("qemu-img create -q -f qcow2 -u -b nbd://host/x -F raw " + path + " 4M"), 0);
    EXPECT_EQ(error(), path + ": its backing file is nbd://host/x; only files are possible");
}

// Whatever bytes change: an error or an answer, soon, and the file does not grow beyond what was written.
TEST(Qcow2, survives_images_with_bytes_changed_at_random) {
    const Dir dir;
    const std::string path = dir / "a.qcow2";
    write_file(dir / "a.raw", content(300'032, 12));
    ASSERT_EQ(run("qemu-img convert -c -f raw -O qcow2 -o cluster_size=512 " + (dir / "a.raw") + " " + path), 0);
    ASSERT_EQ(run("qemu-io -c 'write -P 3 10k 50k' -c 'write -z 100k 20k' " + path), 0);
    ASSERT_EQ(run("qemu-img snapshot -c s " + path), 0);
    ASSERT_EQ(run("qemu-io -c 'write -P 4 20k 50k' " + path), 0);
    const auto good = file_bytes(path);
    const u64 l1 = load_be(good, 40, 8), table = load_be(good, 48, 8), snapshots = load_be(good, 64, 8);
    const u64 l2 = load_be(good, l1, 8) & 0xffff'ffff'fffe00, block = load_be(good, table, 8);
    const u64 places[] = {0, l1, l2, table, block, snapshots};
    std::mt19937_64 random(13);
    unsigned opened = 0;
    for (unsigned i = 0; i < 250; ++i) {
        auto bytes = good;
        for (u64 n = 1 + random() % 3; n != 0; --n) {
            const u64 at = places[random() % 6] + random() % 120;
            switch (random() % 3) {
                case 0: bytes[at] = static_cast<u8>(random()); break;
                case 1: bytes[at] ^= static_cast<u8>(1u << random() % 8); break;
                default: store_be(bytes, at / 8 * 8, random() % 2 == 0 ? random() : (random() % good.size()) & ~u64{511}, 8); break;
            }
        }
        if (random() % 20 == 0) bytes.resize(random() % bytes.size() + 1);
        write_file(path, bytes);
        for (const bool read_only : {true, false}) {
            auto image = open_qcow2(path, {.read_only = read_only});
            if (!image) {
                ASSERT_FALSE(image.error().text.empty());
                ASSERT_EQ(image.error().text.find('\n'), std::string::npos);
                continue;
            }
            ++opened;
            std::vector<u8> some(4096);
            const u64 disk = std::min<u64>((*image)->size(), 1u << 20);
            for (u64 at = 0; at < disk; at += some.size()) (void)(*image)->read(at, some);
            if (read_only) {
                (void)Qcow2Checker(**image).check();
                continue;
            }
            for (unsigned w = 0; w < 6 && disk > some.size(); ++w) (void)(*image)->write(random() % (disk - some.size()), some);
            (void)(*image)->flush();
            if (random() % 4 == 0) (void)Qcow2Snapshots(**image).create({.name = "x"});
            if (random() % 4 == 0) (void)Qcow2Snapshots(**image).remove("1");
        }
        ASSERT_LT(std::filesystem::file_size(path), 64u << 20) << "step " << i;
    }
    EXPECT_GT(opened, 50u) << "hardly any of them gets past the door";
}

}  // namespace
}  // namespace vmm::block
