// SPDX-License-Identifier: Apache-2.0
// What is left of a qcow2 image when the power is cut, and when its process is killed, at any moment of random writing: no
// corruption (clusters that nobody uses may be left), and all that was flushed.
// VMM_QCOW2_SEED, VMM_QCOW2_FIRST and VMM_QCOW2_CASES say which cases; tools/soak runs more of them.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <set>

#include "tests/block/memory_file.h"
#include "tests/block/qcow2_bench.h"

namespace vmm::block {
namespace {

u64 setting(const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

constexpr const char* kForms[] = {"cluster_size=65536",
                                  "cluster_size=512",
                                  "cluster_size=4096,refcount_bits=1",
                                  "cluster_size=4096,refcount_bits=64",
                                  "cluster_size=16384,lazy_refcounts=on",
                                  "cluster_size=1024,compat=0.10",
                                  "cluster_size=512,refcount_bits=2"};
constexpr u64 kDiskBytes = 3'000'320;

// --- the power is cut -----------------------------------------------------------------------------------------------------------

// What each sector may hold after a cut: what it had when a flush was last answered, and all it was given since.
class Expected {
  public:
    explicit Expected(const std::vector<u8>& disk) {
        for (u64 at = 0; at < disk.size(); at += kSector) may_.push_back({word(std::span(disk).subspan(at, kSector))});
    }
    void given(u64 sector, u64 what) { may_[sector].push_back(what); }
    void flushed() {
        for (auto& one : may_) one = {one.back()};
    }
    bool holds(u64 sector, u64 what) const { return std::find(may_[sector].begin(), may_[sector].end(), what) != may_[sector].end(); }
    // A sector is one word again and again, or it is torn: no word at all.
    static u64 word(std::span<const u8> sector) {
        for (std::size_t i = 8; i < sector.size(); ++i)
            if (sector[i] != sector[i - 8]) return ~u64{0};
        return load_be(sector, 0, 8);
    }
    static void fill(std::span<u8> sector, u64 word) {
        for (u64 i = 0; i < sector.size(); i += 8) store_be(sector, i, word, 8);
    }

  private:
    std::vector<std::vector<u64>> may_;
};

struct Base {
    std::vector<u8> image, below;                            // `below`: a raw layer, or none
};

Base make_base(unsigned form, bool backed) {
    const Dir dir;
    Base base;
    if (backed) {
        base.below.resize(kDiskBytes);
        for (u64 s = 0; s < kDiskBytes / kSector; ++s) Expected::fill(std::span(base.below).subspan(s * kSector, kSector), u64{1} << 40 | s);
    }
    EXPECT_EQ(run("qemu-img create -q -f qcow2 -o " + std::string(kForms[form]) + " " + (dir / "a.qcow2") + " " + std::to_string(kDiskBytes)), 0);
    base.image = file_bytes(dir / "a.qcow2");
    return base;
}

std::unique_ptr<Qcow2Image> open_memory(const std::shared_ptr<MemoryFile::Disk>& disk, const std::vector<u8>& below, bool read_only) {
    auto file = std::make_unique<MemoryFile>(disk, read_only);
    auto header = Qcow2Image::read_header(*file);
    EXPECT_TRUE(header) << (header ? "" : header.error().text);
    if (!header) return nullptr;
    std::unique_ptr<Layer> layer;
    if (!below.empty()) layer = std::make_unique<RawLayer>(std::make_unique<MemoryFile>(std::make_shared<MemoryFile::Disk>(below), true));
    auto image = Qcow2Image::open(std::move(file), std::move(*header), std::move(layer), false);
    EXPECT_TRUE(image) << (image ? "" : image.error().text);
    return image ? std::move(*image) : nullptr;
}

// Requests until the power is gone.
void write_until_cut(const std::shared_ptr<MemoryFile::Disk>& disk, const std::vector<u8>& below, Expected& expected, std::mt19937_64& random) {
    const auto image = open_memory(disk, below, false);
    ASSERT_TRUE(image);
    for (u64 number = 2;; ++number) {
        const u64 sectors = kDiskBytes / kSector, first = random() % sectors, count = 1 + random() % std::min<u64>(random() % 4 == 0 ? 300 : 8, sectors - first);
        const u64 kind = random() % 8;
        if (kind == 0) {
            const int error = image->flush();
            if (disk->after_cut) return;
            ASSERT_EQ(error, 0);
            expected.flushed();
        } else if (kind == 1) {
            std::vector<u8> is(count * kSector);
            ASSERT_EQ(image->discard(first * kSector, is.size()), 0);
            ASSERT_EQ(image->read(first * kSector, is), 0);
            for (u64 s = 0; s < count; ++s) expected.given(first + s, Expected::word(std::span(is).subspan(s * kSector, kSector)));
        } else {
            std::vector<u8> bytes(count * kSector);
            for (u64 s = 0; s < count; ++s) {
                Expected::fill(std::span(bytes).subspan(s * kSector, kSector), number << 16 | (first + s));
                expected.given(first + s, number << 16 | (first + s));
            }
            ASSERT_EQ(image->write(first * kSector, bytes), 0);
        }
        if (disk->after_cut) return;
    }
}

void check_left(const std::vector<u8>& left, const std::vector<u8>& below, const Expected& expected, bool by_peer_too) {
    const auto disk = std::make_shared<MemoryFile::Disk>(left);
    for (const bool again : {false, true}) {
        {
            const auto image = open_memory(disk, below, true);
            ASSERT_TRUE(image);
            const auto checked = Qcow2Checker(*image).check();
            ASSERT_TRUE(checked);
            ASSERT_EQ(checked->corruptions, 0u) << (again ? "after more writing: " : "") << checked->messages.front();
            std::vector<u8> is(kDiskBytes);
            ASSERT_EQ(image->read(0, is), 0);
            for (u64 s = 0; s < is.size() / kSector && !again; ++s) {
                const u64 word = Expected::word(std::span(is).subspan(s * kSector, kSector));
                ASSERT_TRUE(expected.holds(s, word)) << "sector " << s << " has " << std::hex << word;
            }
        }
        if (again) break;
        const auto image = open_memory(disk, below, false);  // it can be used on
        for (u64 at = 0; at < kDiskBytes; at += 200 * kSector) ASSERT_EQ(image->write(at, std::vector<u8>(kSector, 1)), 0);
    }
    if (!by_peer_too) return;
    const Dir dir;
    write_file(dir / "left.qcow2", left);
    const int verdict = run("qemu-img check " + (dir / "left.qcow2"));
    EXPECT_TRUE(verdict == 0 || verdict == 3) << "qemu-img check: " << verdict;      // 3: leaks
}

TEST(Qcow2PowerCut, corrupts_nothing_and_loses_nothing_that_was_flushed) {
    const u64 seed = setting("VMM_QCOW2_SEED", 1), first = setting("VMM_QCOW2_FIRST", 0), cases = setting("VMM_QCOW2_CASES", 60);
    std::map<std::pair<unsigned, bool>, Base> bases;
    for (u64 number = first; number < first + cases; ++number) {
        SCOPED_TRACE("case " + std::to_string(number) + " of seed " + std::to_string(seed));
        std::mt19937_64 random(seed << 32 | number);
        const auto form = static_cast<unsigned>(number % std::size(kForms));
        const bool backed = random() % 2 == 0;
        auto [base, is_new] = bases.try_emplace({form, backed});
        if (is_new) base->second = make_base(form, backed);
        const auto disk = std::make_shared<MemoryFile::Disk>(base->second.image);
        disk->until_cut = random() % (random() % 2 == 0 ? 100 : 1500);
        disk->seed = random();
        Expected expected(backed ? base->second.below : std::vector<u8>(kDiskBytes));
        write_until_cut(disk, base->second.below, expected, random);
        if (HasFatalFailure()) return;
        ASSERT_TRUE(disk->after_cut);
        check_left(*disk->after_cut, base->second.below, expected, number % 16 == 0);
        if (HasFailure()) return;
    }
}

// A file whose syncs do nothing shows that the dice do fall.
TEST(Qcow2PowerCut, is_felt_where_nothing_was_flushed) {
    const Base base = make_base(1, false);
    unsigned lost = 0;
    for (u64 seed = 0; seed < 10; ++seed) {
        const auto disk = std::make_shared<MemoryFile::Disk>(base.image);
        disk->until_cut = 60;
        disk->seed = seed;
        const auto image = open_memory(disk, {}, false);
        ASSERT_TRUE(image);
        std::vector<u8> ones(kSector, 1);
        for (u64 i = 0; i < 60; ++i) ASSERT_EQ(image->write(i * kSector, ones), 0);
        ASSERT_EQ(image->flush(), 0);
        ASSERT_TRUE(disk->after_cut);
        std::vector<u8> is(60 * kSector);
        ASSERT_EQ(open_memory(std::make_shared<MemoryFile::Disk>(*disk->after_cut), {}, true)->read(0, is), 0);
        lost += is != std::vector<u8>(60 * kSector, 1);
    }
    EXPECT_GT(lost, 0u);
}

// --- the process is killed ------------------------------------------------------------------------------------------------------

constexpr u64 kBlock = 4096, kStretch = 50 * kBlock;
constexpr u32 kStretches = 40;

// Numbered blocks, one a stretch, and around them whatever; says which number was flushed.
[[noreturn]] void write_for_ever(const std::string& path, u64 seed, int say) {
    auto image = open_qcow2(path, {.read_only = false});
    if (!image) _exit(1);
    std::mt19937_64 random(seed);
    for (u32 n = 1;; ++n) {
        const u64 stretch = random() % kStretches * kStretch;
        if (random() % 4 == 0 && (*image)->discard(stretch + random() % 20 * kBlock, 20 * kBlock) != 0) _exit(2);
        if (random() % 4 == 0 && (*image)->write(stretch + random() % 49 * kBlock, noise(random, 512)) != 0) _exit(3);
        std::vector<u8> data(kBlock, static_cast<u8>(n));
        store_be(data, 0, n, 4);
        if ((*image)->write(n % kStretches * kStretch + 49 * kBlock, data) != 0) _exit(4);
        if (n % 8 != 0) continue;
        if ((*image)->flush() != 0) _exit(5);
        if (::write(say, &n, sizeof n) != sizeof n) _exit(6);
    }
}

TEST(Qcow2Kill, leaves_an_image_without_corruption_and_with_all_that_was_flushed) {
    const u64 seed = setting("VMM_QCOW2_SEED", 1), first = setting("VMM_QCOW2_FIRST", 0), cases = setting("VMM_QCOW2_CASES", 14);
    for (u64 number = first; number < first + cases; ++number) {
        SCOPED_TRACE("case " + std::to_string(number) + " of seed " + std::to_string(seed));
        std::mt19937_64 random(seed << 32 | number);
        const Dir dir;
        const std::string path = dir / "a.qcow2";
        ASSERT_EQ(run("qemu-img create -q -f qcow2 -o " + std::string(kForms[number % std::size(kForms)]) + " " + path + " 8M"), 0);
        int pipe_ends[2];
        ASSERT_EQ(pipe(pipe_ends), 0);
        const u64 child_seed = random();
        const pid_t child = fork();
        if (child == 0) write_for_ever(path, child_seed, pipe_ends[1]);
        close(pipe_ends[1]);
        usleep(static_cast<useconds_t>(3000 + random() % 60000));
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        u32 flushed = 0, n = 0;
        while (::read(pipe_ends[0], &n, sizeof n) == sizeof n) flushed = n;
        close(pipe_ends[0]);
        ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
        const int verdict = run("qemu-img check " + path);
        ASSERT_TRUE(verdict == 0 || verdict == 3) << "qemu-img check: " << verdict;      // 3: leaks
        const auto image = open_image(path, true);
        ASSERT_TRUE(image);
        const auto checked = Qcow2Checker(*image).check();
        ASSERT_TRUE(checked);
        ASSERT_EQ(checked->corruptions, 0u) << checked->messages.front();
        for (u32 last = flushed > kStretches ? flushed - kStretches + 1 : 1; last <= flushed; ++last) {
            std::vector<u8> is(kBlock);
            ASSERT_EQ(image->read(last % kStretches * kStretch + 49 * kBlock, is), 0);
            ASSERT_GE(load_be(is, 0, 4), last) << "block " << last % kStretches << "; flushed was " << flushed;
        }
    }
}

}  // namespace
}  // namespace vmm::block
