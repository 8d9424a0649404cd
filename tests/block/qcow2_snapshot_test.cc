// SPDX-License-Identifier: Apache-2.0
// Snapshots inside qcow2 images, with a machine's state and without, against qemu-img, qemu-io and qemu-system.
#include "tests/block/qcow2_bench.h"

namespace vmm::block {
namespace {

class Qcow2SnapshotForms : public Qcow2Forms {};
INSTANTIATE_TEST_SUITE_P(Quick, Qcow2SnapshotForms, testing::Values(QCOW2_QUICK_FORMS));
INSTANTIATE_TEST_SUITE_P(Slow, Qcow2SnapshotForms, testing::Values(QCOW2_OTHER_FORMS));

TEST_P(Qcow2SnapshotForms, are_made_applied_and_deleted) {
    const u64 bytes = 2'000'384;
    ASSERT_EQ(run(create(dir / "a.qcow2", bytes)), 0);
    const std::string path = dir / "a.qcow2";
    std::vector<u8> model(bytes);
    random_writing(path, model, 7, 100, 200);
    if (GetParam().refcount_bits == 1) {
        const auto made = Qcow2Snapshots(*open_image(path, false)).create({.name = "one"});
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().text, path + ": refcounts of one bit leave no room for snapshots");
        EXPECT_EQ(run("qemu-img check " + path), 0);
        return;
    }
    const auto first = model;
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).create({.name = "one", .icount = 123456789}));
    random_writing(path, model, 8, 100, 200);
    EXPECT_EQ(run("qemu-img check " + path), 0);
    EXPECT_EQ(run("qemu-img snapshot -l " + path + " | grep -q 123456789"), 0);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).create({.name = "two"}));
    const auto second = model;
    random_writing(path, model, 9, 100, 200);
    const auto applied = Qcow2Snapshots(*open_image(path, false)).apply("one");
    EXPECT_EQ(run("qemu-img check " + path), 0);
    if (GetParam().refcount_bits == 2) {                     // two snapshots, the disk, and what it is to become: where they share clusters
        EXPECT_FALSE(applied && GetParam().cluster < 65536) << "of so few clusters all may have been written in between";
        if (!applied) { EXPECT_EQ(applied.error().text, path + ": its refcounts are too narrow for that many references to a cluster"); }
        EXPECT_TRUE(by_peer(dir, path) == (applied ? first : model));
        return;
    }
    ASSERT_TRUE(applied);
    EXPECT_TRUE(by_peer(dir, path) == first);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).apply("2"));
    EXPECT_TRUE(by_peer(dir, path) == second);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).remove("one"));
    EXPECT_EQ(run("qemu-img check " + path), 0);
    model = second;
    random_writing(path, model, 10, 100, 200);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).remove("two"));
    EXPECT_EQ(run("qemu-img check " + path), 0);
    EXPECT_TRUE(by_peer(dir, path) == model);
    const auto missing = Qcow2Snapshots(*open_image(path, false)).remove("two");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().text, path + " has no snapshot two");
}

// What the peer reads in a snapshot's disk.
std::vector<u8> snapshot_by_peer(const Dir& dir, const std::string& image, const std::string& name) {
    EXPECT_EQ(run("qemu-img convert -l snapshot.name=" + name + " -O raw " + image + " " + (dir / "snapshot.raw")), 0);
    return file_bytes(dir / "snapshot.raw");
}

std::vector<u8> state_of(Qcow2Image& image, const std::string& name) {
    const auto snapshot = Qcow2Snapshots(image).get(name);
    EXPECT_TRUE(snapshot) << (snapshot ? "" : snapshot.error().text);
    std::vector<u8> out(snapshot ? snapshot->vm_state_bytes : 0);
    EXPECT_TRUE(Qcow2Snapshots(image).read_state(name, 0, out));
    return out;
}

TEST_P(Qcow2SnapshotForms, hold_a_machine_s_state_that_the_peer_finds_behind_the_disk) {
    if (GetParam().refcount_bits < 2) return;
    const std::string path = dir / "a.qcow2";
    std::vector<u8> model(2'000'384);
    ASSERT_EQ(run(create(path, model.size())), 0);
    random_writing(path, model, 21, 60, 100);
    const std::vector<u8> state(700'416, 0x5a), other = content(300'001, 22);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).create({.name = "s", .vm_clock_ns = 5'000'000'000, .icount = 77}, {.vm_state = state}));
    const auto then = model;
    random_writing(path, model, 23, 60, 100);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).create({.name = "t"}, {.vm_state = other}));
    EXPECT_EQ(run("qemu-img check " + path), 0);
    {
        const auto image = open_image(path, true);           // to be read is enough
        const auto all = Qcow2Snapshots(*image).list();
        ASSERT_TRUE(all);
        ASSERT_EQ(all->size(), 2u);
        EXPECT_EQ((*all)[0].name, "s");
        EXPECT_EQ((*all)[0].icount, 77u);
        EXPECT_EQ((*all)[0].vm_clock_ns, 5'000'000'000u);
        EXPECT_EQ((*all)[0].disk_bytes, model.size());
        EXPECT_EQ((*all)[1].icount, ~u64{0});
        EXPECT_TRUE(state_of(*image, "s") == state);
        EXPECT_TRUE(state_of(*image, "2") == other);
        std::vector<u8> part(100);
        ASSERT_TRUE(Qcow2Snapshots(*image).read_state("t", 200'001, part));
        EXPECT_TRUE(std::equal(part.begin(), part.end(), other.begin() + 200'001));
        const auto past = Qcow2Snapshots(*image).read_state("t", other.size() - 99, part);
        ASSERT_FALSE(past);
        EXPECT_EQ(past.error().text, path + ": snapshot t has 300001 bytes of machine state");
    }
    EXPECT_EQ(run("qemu-img snapshot -l " + path + " | grep ' 684 KiB' | grep '00:00:05.000' | grep -q ' 77$'"), 0);
    EXPECT_TRUE(snapshot_by_peer(dir, path, "s") == then);
    EXPECT_TRUE(by_peer(dir, path) == model);
    if (GetParam().refcount_bits == 2) return;               // no room for one more reference
    ASSERT_EQ(run("qemu-img snapshot -a s " + path), 0);
    EXPECT_EQ(run("qemu-io -c 'read -b -P 0x5a 0 700416' " + path + " | grep -q 'read 700416/700416'"), 0);
    EXPECT_EQ(run("! qemu-io -c 'read -b -P 0x5a 0 700416' " + path + " | grep -i 'pattern verification failed'"), 0);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).apply("t"));
    EXPECT_EQ(run("qemu-img check " + path), 0);
    EXPECT_TRUE(by_peer(dir, path) == model);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).remove("s"));
    EXPECT_TRUE(state_of(*open_image(path, true), "t") == other);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).remove("t"));
    EXPECT_EQ(run("qemu-img check " + path), 0);
    EXPECT_TRUE(by_peer(dir, path) == model);
}

// What an overlay holds goes into the snapshot; the image's own disk does not change.
TEST_P(Qcow2SnapshotForms, hold_another_disk_than_the_image) {
    if (GetParam().refcount_bits < 2) return;
    const std::string path = dir / "a.qcow2";
    auto model = content(2'000'384, 31);
    write_file(dir / "base.raw", model);
    ASSERT_EQ(run(create(path, model.size(), "-b base.raw -F raw")), 0);
    random_writing(path, model, 32, 60, 100);
    auto aside = model;
    std::mt19937_64 random(33);
    const auto changes = [&](const Qcow2SnapshotContent::Put& put) {
        for (unsigned i = 0; i < 80; ++i) {
            const u64 at = random() % (aside.size() / kSector) * kSector;
            const auto bytes = noise(random, kSector * (1 + random() % 8));
            if (const int error = put(at, bytes); error != 0) return error;
            std::copy_n(bytes.begin(), std::min<u64>(bytes.size(), aside.size() - at), aside.begin() + static_cast<i64>(at));
        }
        return 0;
    };
    const std::vector<u8> state(50'000, 3);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).create({.name = "aside"}, {.vm_state = state, .changes = changes}));
    EXPECT_EQ(run("qemu-img check " + path), 0);
    EXPECT_TRUE(by_peer(dir, path) == model);
    EXPECT_TRUE(snapshot_by_peer(dir, path, "aside") == aside);
    EXPECT_TRUE(state_of(*open_image(path, true), "aside") == state);
    random_writing(path, model, 34, 60, 100);
    EXPECT_EQ(run("qemu-img check " + path), 0);
    EXPECT_TRUE(snapshot_by_peer(dir, path, "aside") == aside);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).apply("aside"));
    EXPECT_EQ(run("qemu-img check " + path), 0);
    EXPECT_TRUE(by_peer(dir, path) == aside);
    random_writing(path, aside, 35, 60, 100);
    ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).remove("aside"));
    EXPECT_EQ(run("qemu-img check " + path), 0);
    EXPECT_TRUE(by_peer(dir, path) == aside);
}

TEST(Qcow2Snapshot, that_cannot_be_written_is_not_there) {
    const Dir dir;
    const std::string path = dir / "a.qcow2";
    ASSERT_EQ(run("qemu-img create -q -f qcow2 " + path + " 4M"), 0);
    const auto made = Qcow2Snapshots(*open_image(path, false)).create({.name = "s"}, {.changes = [](const Qcow2SnapshotContent::Put& put) {
        put(0, std::vector<u8>(512, 1));
        return EIO;
    }});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().text, path + ": Input/output error");
    const int verdict = run("qemu-img check " + path);
    EXPECT_TRUE(verdict == 0 || verdict == 3) << verdict;
    EXPECT_TRUE(by_peer(dir, path) == std::vector<u8>(4u << 20));
    EXPECT_TRUE(Qcow2Snapshots(*open_image(path, true)).list()->empty());
}

TEST(Qcow2Snapshot, of_the_peer_s_machine_is_listed_and_its_state_read) {
    const Dir dir;
    const std::string path = dir / "a.qcow2";
    ASSERT_EQ(run("qemu-img create -q -f qcow2 " + path + " 4M"), 0);
    ASSERT_EQ(run("printf 'savevm one\nquit\n' | timeout 60 qemu-system-i386 -S -m 2 -display none -net none -monitor stdio -drive file=" + path), 0);
    const auto image = open_image(path, false);
    const auto all = Qcow2Snapshots(*image).list();
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 1u);
    EXPECT_EQ((*all)[0].name, "one");
    const auto state = state_of(*image, "one");
    ASSERT_GT(state.size(), 10'000u);
    EXPECT_EQ(std::string(state.begin(), state.begin() + 4), "QEVM");
    EXPECT_TRUE(Qcow2Snapshots(*image).apply("one"));
}

TEST(Qcow2Snapshot, is_made_of_an_image_in_use_after_what_was_asked_before) {
    const Dir dir;
    const std::string path = dir / "a.qcow2";
    ASSERT_EQ(run("qemu-img create -q -f qcow2 " + path + " 4M"), 0);
    auto io = HostIo::create(Aio::Threads);
    {
        auto image = block::open_image(**io, {.file = path});
        ASSERT_TRUE(image);
        ASSERT_NE(image->qcow2, nullptr);
        for (u64 sector = 0; sector < 64; ++sector) image->node->submit({Op::Write, sector * kSector, 0, pattern(sector, 1)}, [](const Reply&) {});
        Result<void> done = Error{"not called"};
        image->qcow2->alone([&](Qcow2Image& alone) { done = Qcow2Snapshots(alone).create({.name = "s"}); });
        EXPECT_TRUE(done);
        EXPECT_EQ(ask(**io, *image->node, {Op::Write, 0, 0, pattern(9, 64)}).error, 0);
    }
    EXPECT_EQ(run("qemu-img check " + path), 0);
    auto expected = pattern(0, 64);
    expected.resize(4u << 20);
    EXPECT_TRUE(snapshot_by_peer(dir, path, "s") == expected);
}

// The disk grows over what a machine's state, a longer disk or a backing file left there.
TEST(Qcow2Snapshot, a_disk_that_grows_has_zeros_where_it_was_not) {
    for (const std::string form : {"cluster_size=512", "cluster_size=4096,compat=0.10", "cluster_size=65536"}) {
        const Dir dir;
        const std::string path = dir / "a.qcow2";
        auto model = content(2'000'384, 41);
        write_file(dir / "base.raw", model);
        ASSERT_EQ(run("qemu-img create -q -f qcow2 -b base.raw -F raw -o " + form + " " + path + " 1000448"), 0);
        model.resize(1'000'448);
        random_writing(path, model, 42, 40, 50);
        EXPECT_EQ(run("qemu-io -c 'write -b -P 9 0 100352' " + path), 0);
        ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).resize(3'000'320));
        model.resize(3'000'320);
        EXPECT_EQ(run("qemu-img check " + path), 0);
        EXPECT_TRUE(by_peer(dir, path) == model) << form;
        random_writing(path, model, 43, 40, 50);
        ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).resize(700'416));
        ASSERT_TRUE(Qcow2Snapshots(*open_image(path, false)).resize(1'500'160));
        model.resize(700'416);
        model.resize(1'500'160);
        EXPECT_EQ(run("qemu-img check " + path), 0);
        EXPECT_TRUE(by_peer(dir, path) == model) << form;
    }
}

}  // namespace
}  // namespace vmm::block
