// SPDX-License-Identifier: Apache-2.0
// The recording as a file: what is written is read; whatever is cut or damaged is usable up to there and never does harm.
// Document: docs/recording-format.md.
#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "replay/log_reader.h"
#include "replay/log_writer.h"

namespace vmm::replay {
namespace {

Header small_header() {
    Header h;
    h.build = "0.0";
    h.config = "machine=pc\nappend=a\\nb\nhost.name=\n";
    h.files = {{"kernel", "/a b/line\nfeed\\n", 77, 1'700'000'000, 0xfedcba9876543210}};
    return h;
}

struct TempFile {
    TempFile() {
        path = (std::filesystem::temp_directory_path() / "vmm-log-test-XXXXXX").string();
        const int fd = mkstemp(path.data());
        if (fd >= 0) close(fd);
    }
    ~TempFile() { std::filesystem::remove(path); }
    TempFile(const TempFile&) = delete;
    TempFile& operator=(const TempFile&) = delete;
    void put(std::string_view bytes) const { std::ofstream(path, std::ios::binary) << bytes; }
    std::string get() const {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    std::string path;
};

Event serial(u64 at, std::string text) { return {{at}, EventKind::Input, {InputKind::Serial, 0, std::move(text)}, 0}; }
Event idle(u64 at, u64 ns) { return {{at}, EventKind::IdleJump, {}, ns}; }

// Three chunks of events, two hashes, an end.
std::string small_log() {
    const TempFile file;
    auto writer = LogWriter::create(file.path, small_header());
    EXPECT_TRUE(writer);
    LogWriter& w = **writer;
    w.event(serial(5, "a"));
    w.event(serial(5, ""));
    w.reached({9});
    w.flush();
    w.event(idle(9, 123'456'789'012));
    w.parts({4096, {"clock", "cpu", "pit"}});
    w.hash({{1000}, std::nullopt, {{1, 2, 3}, {}}});
    w.event(serial(u64{1} << 40, std::string("\x00\xff\n", 3)));
    w.event({{u64{1} << 40}, EventKind::Pass, {}, 0});
    w.event({{u64{1} << 40}, EventKind::Input, {InputKind::Request, static_cast<u8>(RequestKind::Nmi), {}}, 0});
    w.hash({{u64{1} << 41}, 0x1122334455667788, {{1, 5, 3}, std::vector<u32>(65, 7)}});
    w.end({{(u64{1} << 41) + 1}, Ending::DebugExit, 33, 42, {{9, 8, 7}, {6}}});
    EXPECT_FALSE(w.trouble());
    return file.get();
}

Recording parse(std::string_view bytes) {
    auto r = parse_recording(bytes, "F");
    EXPECT_TRUE(r) << (r ? "" : r.error().text);
    return r ? *r : Recording{};
}

std::string refusal(std::string_view bytes) {
    const auto r = parse_recording(bytes, "F");
    return r ? "(accepted)" : r.error().text;
}

TEST(Log, is_read_as_it_was_written) {
    const Recording r = parse(small_log());
    EXPECT_EQ(r.header, small_header());
    ASSERT_EQ(r.events.size(), 6u);
    EXPECT_EQ(r.events[0].at.v, 5u);
    EXPECT_EQ(r.events[0].input.data, "a");
    EXPECT_EQ(r.events[1].input.data, "");
    EXPECT_EQ(r.events[2].kind, EventKind::IdleJump);
    EXPECT_EQ(r.events[2].at.v, 9u);
    EXPECT_EQ(r.events[2].ns, 123'456'789'012u);
    EXPECT_EQ(r.events[3].input.data, std::string("\x00\xff\n", 3));
    EXPECT_EQ(r.events[4].kind, EventKind::Pass);
    EXPECT_EQ(r.events[5].input.kind, InputKind::Request);
    EXPECT_EQ(r.events[5].input.target, static_cast<u8>(RequestKind::Nmi));
    EXPECT_EQ(r.events[5].at.v, u64{1} << 40);
    EXPECT_EQ(r.parts, (Parts{4096, {"clock", "cpu", "pit"}}));
    EXPECT_EQ(r.hashes, (std::vector<HashMark>{{{1000}, std::nullopt, {{1, 2, 3}, {}}}, {{u64{1} << 41}, 0x1122334455667788, {{1, 5, 3}, std::vector<u32>(65, 7)}}}));
    EXPECT_EQ(r.end, (End{{(u64{1} << 41) + 1}, Ending::DebugExit, 33, 42, {{9, 8, 7}, {6}}}));
    EXPECT_EQ(r.valid_to.v, (u64{1} << 41) + 1);
    EXPECT_EQ(r.damage, "");
}

TEST(Log, flushed_twice_at_one_position_grows_once) {
    const TempFile file;
    auto writer = LogWriter::create(file.path, small_header());
    ASSERT_TRUE(writer);
    (*writer)->reached({7});
    (*writer)->flush();
    const auto size = file.get().size();
    (*writer)->reached({7});
    (*writer)->flush();
    EXPECT_EQ(file.get().size(), size);
    EXPECT_EQ(parse(file.get()).valid_to.v, 7u);
}

TEST(Log, many_events_between_flushes_go_out_by_themselves) {
    const TempFile file;
    auto writer = LogWriter::create(file.path, small_header());
    ASSERT_TRUE(writer);
    for (u64 i = 0; i < 3000; ++i) (*writer)->event(serial(i, std::string(100, 'x')));
    for (unsigned waits = 0; waits < 1000 && file.get().size() < 1000; ++waits) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const Recording r = parse(file.get());
    EXPECT_GT(r.events.size(), 600u);
    EXPECT_EQ(r.events.back().at.v, r.events.size() - 1);
}

TEST(Log, cut_at_every_byte_is_usable_up_to_its_last_whole_chunk) {
    const std::string whole = small_log();
    const Recording all = parse(whole);
    std::size_t opened = 0, last_events = 0;
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        const auto r = parse_recording(whole.substr(0, cut), "F");
        if (!r) {
            EXPECT_EQ(opened, 0u) << "refused at " << cut << " though opened when shorter: " << r.error().text;
            EXPECT_TRUE(r.error().text.starts_with("F: ")) << r.error().text;
            continue;
        }
        ++opened;
        EXPECT_FALSE(r->end) << cut;
        EXPECT_EQ(r->damage.empty(), r->used_bytes == cut) << cut;
        EXPECT_GE(r->events.size(), last_events);
        EXPECT_LE(r->valid_to.v, all.valid_to.v);
        last_events = r->events.size();
    }
    EXPECT_GT(opened, 100u);
    EXPECT_EQ(last_events, all.events.size());
}

TEST(Log, no_changed_byte_after_the_preamble_is_believed) {
    const std::string whole = small_log();
    for (std::size_t at = kPreambleBytes; at < whole.size(); ++at) {
        std::string bad = whole;
        bad[at] = static_cast<char>(bad[at] ^ 0x40);
        const auto r = parse_recording(bad, "F");
        if (r) { EXPECT_FALSE(r->end) << at; EXPECT_NE(r->damage, "") << at; }
    }
}

TEST(Log, random_corruption_does_no_harm) {
    const std::string whole = small_log();
    std::mt19937 random(27);
    for (int n = 0; n < 20'000; ++n) {
        std::string bad = whole;
        for (unsigned k = random() % 8 + 1; k > 0; --k) bad[random() % bad.size()] = static_cast<char>(random());
        const auto r = parse_recording(bad, "F");
        if (r) { EXPECT_LE(r->used_bytes, bad.size()); }
    }
}

// Payloads behind a right CRC, as somebody who writes files on purpose would make them.
TEST(Log, random_payloads_do_no_harm) {
    std::mt19937 random(72);
    const std::string start = preamble() + make_chunk(ChunkType::Header, {}, encode(small_header()));
    for (int n = 0; n < 20'000; ++n) {
        std::string payload(random() % 40, '\0');
        for (char& c : payload) c = static_cast<char>(random() % 4 == 0 ? random() : random() % 4);
        const auto r = parse_recording(start + make_chunk(ChunkType{static_cast<u32>(1 + random() % 8)}, {random() % 100}, payload), "F");
        ASSERT_TRUE(r);
        if (r->chunks == 1) { EXPECT_NE(r->damage, ""); }
    }
}

TEST(Log, unknown_chunks_that_may_be_skipped_are) {
    const std::string start = preamble() + make_chunk(ChunkType::Header, {}, encode(small_header()));
    const std::string tail = make_chunk(ChunkType::Hash, {8}, encode(HashMark{{8}, 9, {}}));
    EXPECT_EQ(parse(start + make_chunk(ChunkType{200}, {8}, "?") + tail).hashes.size(), 1u);
    EXPECT_EQ(parse(start + make_chunk(ChunkType{100}, {8}, "?") + tail).hashes.size(), 0u);
}

TEST(Log, of_another_version_is_refused_by_name) {
    std::string log = small_log();
    log[8] = 77;
    EXPECT_EQ(refusal(log), "F: is a recording of format version 77; this program knows versions 1 to 2");
}

TEST(Log, of_qemu_is_refused_by_name) {
    const std::string begin("\x00\xe0\x20\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x1c\x18", 14);   // of QEMU 7.2
    EXPECT_NE(refusal(begin).find("QEMU"), std::string::npos) << refusal(begin);
}

TEST(Log, of_anything_else_is_refused) {
    EXPECT_EQ(refusal("#!/bin/sh\nexit\n"), "F: is not a recording of vmm");
    EXPECT_EQ(refusal(""), "F: is empty");
}

TEST(LogWriter, does_not_overwrite_a_file_that_is_no_recording) {
    const TempFile file;
    file.put("precious disk image");
    const auto writer = LogWriter::create(file.path, small_header());
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().text, file.path + ": is there and is not a recording; not overwritten");
    EXPECT_EQ(file.get(), "precious disk image");
    file.put(small_log());
    EXPECT_TRUE(LogWriter::create(file.path, small_header()));
}

// The host lets this process write files up to here.
class FileLimit {
  public:
    explicit FileLimit(rlim_t bytes) {
        std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before_);
        rlimit now = before_;
        now.rlim_cur = bytes;
        setrlimit(RLIMIT_FSIZE, &now);
    }
    ~FileLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
    FileLimit(const FileLimit&) = delete;
    FileLimit& operator=(const FileLimit&) = delete;

  private:
    rlimit before_{};
};

// Does not compress.
std::string noise(std::size_t bytes) {
    std::mt19937 random(9);
    std::string out(bytes, '\0');
    for (char& c : out) c = static_cast<char>(random());
    return out;
}

TEST(LogWriter, whose_disk_fills_up_loses_nothing_and_goes_on_when_there_is_room) {
    const TempFile file;
    auto writer = LogWriter::create(file.path, small_header());
    ASSERT_TRUE(writer);
    LogWriter& w = **writer;
    w.event(serial(5, "before"));
    w.reached({6});
    w.flush();
    ASSERT_FALSE(w.trouble());
    const auto whole = file.get().size();
    {
        const FileLimit limit(whole + 100);
        w.event(serial(7, noise(1000)));
        w.reached({8});
        w.flush();
        ASSERT_TRUE(w.trouble());
        EXPECT_EQ(w.trouble()->text, file.path + ": File too large");
        EXPECT_EQ(file.get().size(), whole) << "a torn tail";
        w.event(serial(9, "meanwhile"));
        EXPECT_FALSE(w.try_again());
        EXPECT_EQ(parse(file.get()).valid_to.v, 6u);
    }
    EXPECT_TRUE(w.try_again());
    w.end({{10}, Ending::Quit, 0, 1, {}});
    const Recording r = parse(file.get());
    ASSERT_EQ(r.events.size(), 3u);
    EXPECT_EQ(r.events[1].input.data, noise(1000));
    EXPECT_EQ(r.events[2].input.data, "meanwhile");
    EXPECT_TRUE(r.end);
    EXPECT_EQ(r.damage, "");
}

TEST(LogWriter, in_trouble_takes_more_than_its_queue_without_waiting) {
    const TempFile file;
    auto writer = LogWriter::create(file.path, small_header());
    ASSERT_TRUE(writer);
    const FileLimit limit(file.get().size());
    for (u64 i = 0; i < 3 * LogWriter::kMostQueued >> 20; ++i) (*writer)->event(serial(i, std::string(1u << 20, 'x')));
    EXPECT_TRUE((*writer)->trouble());
}

TEST(LogWriter, whose_file_is_deleted_says_so_and_writes_it_anew) {
    const TempFile file;
    auto writer = LogWriter::create(file.path, small_header());
    ASSERT_TRUE(writer);
    LogWriter& w = **writer;
    w.event(serial(5, "before"));
    w.flush();
    std::filesystem::remove(file.path);
    w.event(serial(6, "after"));
    w.flush();
    ASSERT_TRUE(w.trouble());
    EXPECT_EQ(w.trouble()->text, file.path + ": was deleted while it was written");
    EXPECT_TRUE(w.try_again());
    w.end({{10}, Ending::Quit, 0, 1, {}});
    const Recording r = parse(file.get());
    ASSERT_EQ(r.events.size(), 2u);
    EXPECT_EQ(r.events[1].input.data, "after");
    EXPECT_TRUE(r.end);
}

TEST(LogWriter, does_not_write_over_what_took_the_place_of_its_file) {
    const TempFile file;
    auto writer = LogWriter::create(file.path, small_header());
    ASSERT_TRUE(writer);
    std::filesystem::remove(file.path);
    file.put("precious");
    (*writer)->event(serial(6, "after"));
    (*writer)->flush();
    EXPECT_FALSE((*writer)->try_again());
    EXPECT_EQ((*writer)->trouble()->text, file.path + ": was deleted, and another file is there now");
    EXPECT_EQ(file.get(), "precious");
}

TEST(LogWriter, says_when_the_disk_is_full) {
    if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
    const auto writer = LogWriter::create("/dev/full", small_header());
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().text, "/dev/full: No space left on device");
}

}  // namespace
}  // namespace vmm::replay
