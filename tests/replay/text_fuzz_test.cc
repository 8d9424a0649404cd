// SPDX-License-Identifier: Apache-2.0
// What comes from files and command lines, mutated with a seed: the recording's bytes, its header, a configuration's text, options.
// Whatever it is, the answer is a value or one sentence, soon, and in memory that is in proportion to the input.
// VMM_TEXT_FUZZ_SEED, _FIRST and _CASES: more, and others. tests/fuzz/corpus: inputs that were a problem once, or lead far.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "replay/log_reader.h"
#include "vmm/options.h"

namespace vmm::replay {
namespace {

u64 setting(const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

// The corpus, which libFuzzer works from as well (tests/fuzz): a directory for each kind.
std::vector<std::string> corpus(const std::string& kind) {
    std::vector<std::string> out;
    const auto directory = std::filesystem::path(FUZZ_CORPUS) / kind;
    if (!std::filesystem::exists(directory)) return out;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) out.push_back(read(entry.path()));
    return out;
}

std::string a_recording() {
    Header header;
    header.build = "0.1.0";
    header.config = to_text(MachineConfig{});
    header.files = {{"bios", "/usr/share/seabios/bios-256k.bin", 262144, 1'700'000'000, 0x1234}};
    const Event events[] = {{{5}, EventKind::Input, {InputKind::Serial, 0, "hello"}, 0}, {{5}, EventKind::Pass, {}, 0}, {{9}, EventKind::IdleJump, {}, 777}};
    PartHashes before;
    const HashMark marks[] = {{{1u << 24}, std::nullopt, {{1, 2}, {}}}, {{1u << 27}, 99, {{1, 3}, std::vector<u32>(65, 4)}}};
    return preamble() + make_chunk(ChunkType::Header, {}, encode(header)) + make_chunk(ChunkType::Events, {10}, encode(events, {})) +
           make_chunk(ChunkType::Parts, {10}, encode(Parts{16384, {"cpu", "clock"}})) + make_chunk(ChunkType::Hashes, {1u << 27}, encode(marks, {0}, before)) +
           make_chunk(ChunkType::Checkpoint, {}, encode(CheckpointState{{77}, {CheckpointState::kPowerOn}, 1, "state"})) +
           make_chunk(ChunkType::Image, {}, encode(ImagePiece{0, 0, "image"})) +
           make_chunk(ChunkType::End, {1u << 28}, encode(End{{1u << 28}, Ending::Quit, 0, 5, {{1, 2}, {3}}}));
}

class Mutator {
  public:
    explicit Mutator(u64 seed) : random_(seed) {}
    std::string operator()(std::string s) {
        for (u64 n = 1 + random_() % 4; n > 0; --n) once(s);
        return s;
    }
    u64 operator()(u64 below) { return random_() % below; }

  private:
    void once(std::string& s) {
        const std::size_t at = s.empty() ? 0 : random_() % s.size(), n = std::min<std::size_t>(s.size() - at, random_() % 16);
        switch (random_() % 7) {
            case 0: if (!s.empty()) s[at] = static_cast<char>(s[at] ^ (1 << random_() % 8)); break;
            case 1: if (!s.empty()) s[at] = static_cast<char>(random_()); break;
            case 2: s.erase(at, n); break;
            case 3: s.insert(at, s.substr(at, n)); break;
            case 4: s.insert(at, std::string(random_() % 40, "\xff\0\n=,:0-\\"[random_() % 9])); break;
            case 5: s.resize(at); break;
            case 6: s.replace(at, n, std::to_string(random_() >> random_() % 64)); break;
        }
    }
    std::mt19937_64 random_;
};

void one_sentence(const std::string& text) {
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    EXPECT_LT(text.size(), 4096u);
}

void read_as_recording(const std::string& bytes) {
    const auto r = parse_recording(bytes, "F");
    if (!r) return one_sentence(r.error().text);
    // See largest_raw: the smallest entries have 3 and 5 bytes.
    EXPECT_LE(r->events.size() * 3 + r->hashes.size() * 2, 40 * bytes.size());
    EXPECT_LE(r->used_bytes, bytes.size());
}

template <class Each>
void fuzz(const std::string& kind, std::vector<std::string> seeds, u64 cases, const Each& each) {
    for (const std::string& s : corpus(kind)) {
        each(s);
        seeds.push_back(s);
    }
    cases = setting("VMM_TEXT_FUZZ_CASES", cases);
    const u64 seed = setting("VMM_TEXT_FUZZ_SEED", 1), first = setting("VMM_TEXT_FUZZ_FIRST", 0);
    for (u64 n = first; n < first + cases && !::testing::Test::HasFailure(); ++n) {
        SCOPED_TRACE("seed " + std::to_string(seed) + ", case " + std::to_string(n));
        Mutator mutate(seed * 0x9e3779b97f4a7c15 + n);
        each(mutate(seeds[mutate(seeds.size())]));
    }
}

TEST(TextFuzz, recordings) { fuzz("recording", {a_recording()}, 20'000, read_as_recording); }

// Behind a right CRC, so that it gets further.
TEST(TextFuzz, chunks_of_recordings) {
    const std::string whole = a_recording();
    u64 n = 0;
    fuzz("chunks", {whole}, 20'000, [&](const std::string& mutated) {
        Mutator pick(n++);
        std::string out = preamble() + whole.substr(kPreambleBytes, kFrameBytes + read_frame(std::string_view(whole).substr(kPreambleBytes)).stored);
        for (std::size_t at = out.size(); at + kFrameBytes <= whole.size();) {
            const Frame frame = read_frame(std::string_view(whole).substr(at));
            std::string payload = *unpack(frame, std::string_view(whole).substr(at + kFrameBytes, frame.stored));
            if (pick(3) == 0) payload = pick(payload);
            if (pick(40) == 0) payload = mutated.substr(0, 1000);
            out += make_chunk(ChunkType{frame.type}, frame.valid_to, payload);
            at += kFrameBytes + frame.stored;
        }
        read_as_recording(out);
    });
}

TEST(TextFuzz, headers) {
    Header header;
    header.config = to_text(MachineConfig{});
    header.files = {{"kernel", "/a b", 1, 2, 3}};
    fuzz("header", {encode(header)}, 20'000, [](const std::string& text) {
        if (const auto h = decode_header(text); !h) one_sentence(h.error().text);
    });
}

TEST(TextFuzz, configurations) {
    MachineConfig config;
    config.append = "console=ttyS0";
    config.kernel = "/boot/vmlinuz";
    fuzz("config", {to_text(config)}, 20'000, [](const std::string& text) {
        if (const auto c = config_from_text(text); !c) one_sentence(c.error().text);
    });
}

TEST(TextFuzz, command_lines) {
    const std::string line = "-m\n256M\n-icount\nshift=7,rr=record,rrfile=F,sleep=off\n-serial\nmon:stdio\n-chardev\nsocket,id=c,path=/x,server=on\n-rtc\nbase=2026-11-21T18:30:00\n"
                             "-device\nisa-debug-exit,iobase=0x501\n-cpu\npentium3,+sse2\n-boot\norder=cd,menu=on\n-rr-checkpoint-every\n4G\n-gdb\ntcp::1234\n-qmp\nunix:/x,server=on\n";
    fuzz("options", {line}, 5'000, [](const std::string& text) {
        std::vector<std::string> args;
        for (std::size_t at = 0; at < text.size();) {
            const auto end = std::min(text.find('\n', at), text.size());
            args.push_back(text.substr(at, end - at));
            at = end + 1;
        }
        if (const auto parsed = parse_command_line(args); !parsed) one_sentence(parsed.error().text);
    });
}

// What would unpack to a thousand times its size.
TEST(TextFuzz, a_recording_that_packs_too_well_is_not_unpacked) {
    std::string start = preamble() + make_chunk(ChunkType::Header, {}, encode(Header{}));
    const auto before = parse_recording(start, "F");
    ASSERT_TRUE(before);
    // As make_chunk() does not write it: by hand, packed at the highest level.
    const std::string bomb = read(std::filesystem::path(FUZZ_CORPUS) / "recording" / "bomb");
    ASSERT_FALSE(bomb.empty());
    const auto r = parse_recording(bomb, "F");
    ASSERT_TRUE(r) << r.error().text;
    EXPECT_TRUE(r->events.empty());
    EXPECT_NE(r->damage, "");
}

}  // namespace
}  // namespace vmm::replay
