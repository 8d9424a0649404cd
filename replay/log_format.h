// SPDX-License-Identifier: Apache-2.0
// What a recording is made of, as bytes: the frame of a chunk, and the payload of each type of chunk.
//
// Done: header, events, hash, end. Missing: checkpoints. Pure functions; files are in log_writer and log_reader.
// Document: docs/recording-format.md, by section.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/inbox.h"
#include "vmm/journal.h"
#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm::replay {

inline constexpr std::size_t kPreambleBytes = 16, kFrameBytes = 24;
inline constexpr u8 kMagic[8] = {0x89, 'v', 'm', 'm', 'r', 'r', '\r', '\n'};
inline constexpr u32 kFormatVersion = 1;
inline constexpr u32 kMachineRevision = 2;               // raised when a fix to a device shows in the guest
inline constexpr u32 kMaxPayload = 16u << 20;            // before and after compression
inline constexpr u64 kHashEvery = u64{1} << 27;          // steps

// Types from kFirstSkippable on may be passed over by a reader that does not know them.
enum class ChunkType : u32 { Header = 1, Events = 2, Hash = 3, End = 4, Index = 128 };
inline constexpr u32 kFirstSkippable = 128;

struct Frame {
    u32 type = 0;
    u32 stored = 0;             // bytes of the payload in the file
    u32 crc = 0;
    u32 raw = 0;                // bytes of the payload, unpacked
    Icount valid_to{};          // everything before this position is in this chunk and those before it
};

// One input file of the machine.
struct FileIdentity {
    std::string role;           // "bios", "vga-bios", "kernel", "initrd", "module"
    std::string path;           // absolute, where it was
    u64 size = 0;
    i64 mtime = 0;              // seconds since 1970; for the user, never compared
    u64 xxh3 = 0;               // XXH3, 64 bits, of the content

    bool operator==(const FileIdentity&) const = default;
};

struct Header {
    u32 machine_revision = kMachineRevision;
    std::string engine = "tcg", clock = "icount", arithmetic = "canonical";
    std::string build;          // for the user
    std::string config;         // vmm/config.h: to_text
    std::vector<FileIdentity> files;

    bool operator==(const Header&) const = default;
};

enum class EventKind : u8 {
    Input = 1,                  // `input` is applied at `at`
    IdleJump = 2,               // the idle jump at `at` ended after `ns`, not at the next deadline
    Pass = 3,                   // the machine looked at its timers and requests at `at` once more, between inputs
};

struct Event {
    Icount at{};
    EventKind kind{};
    Input input{};
    u64 ns = 0;
};

struct HashMark {
    Icount at{};
    u64 hash = 0;
    bool operator==(const HashMark&) const = default;
};

std::string_view to_string(Ending ending);

struct End {
    Icount at{};
    Ending ending{};
    u8 status = 0;              // the program's exit status
    u64 hash = 0;
    bool operator==(const End&) const = default;
};

// --- payloads. Decoding returns nothing for what no writer wrote.
std::string encode(const Header& header);
Result<Header> decode_header(std::string_view payload);
std::string encode(std::span<const Event> events, Icount base);    // base: a position at or before the first
bool decode_events(std::string_view payload, std::vector<Event>& out);
std::string encode(const HashMark& mark);
std::optional<HashMark> decode_hash(std::string_view payload);
std::string encode(const End& end);
std::optional<End> decode_end(std::string_view payload);

// --- frames. A chunk is its frame and its packed payload.
std::string preamble();
std::string make_chunk(ChunkType type, Icount valid_to, std::string_view payload);
Frame read_frame(std::string_view bytes);                           // kFrameBytes of them
u32 chunk_crc(std::string_view frame, std::string_view stored);     // as it must be in the frame
std::optional<std::string> unpack(const Frame& frame, std::string_view stored);

}  // namespace vmm::replay
