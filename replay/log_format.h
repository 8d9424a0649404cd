// SPDX-License-Identifier: Apache-2.0
// What a recording is made of, as bytes: the frame of a chunk, and the payload of each type of chunk.
//
// Done: header, events, hashes, end, checkpoints, images. Missing: index. Pure functions; files are in log_writer and log_reader.
// Document: docs/recording-format.md, by section.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/inbox.h"
#include "vmm/journal.h"
#include "vmm/memory.h"
#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm::replay {

inline constexpr std::size_t kPreambleBytes = 16, kFrameBytes = 24;
inline constexpr u8 kMagic[8] = {0x89, 'v', 'm', 'm', 'r', 'r', '\r', '\n'};
inline constexpr u32 kFormatVersion = 2, kOldestVersion = 1;
inline constexpr u32 kMachineRevision = 5;               // raised when a fix to a device shows in the guest
inline constexpr u32 kMaxPayload = 16u << 20;            // before and after compression
inline constexpr u64 kHashEvery = u64{1} << 27;          // steps: everything
inline constexpr u64 kPartsEvery = u64{1} << 24;         // steps: registers and devices

// Types from kFirstSkippable on may be passed over by a reader that does not know them.
enum class ChunkType : u32 { Header = 1, Events = 2, Hash = 3, End = 4, Parts = 5, Hashes = 6, Index = 128, Image = 129, Pages = 130, Checkpoint = 131, Clusters = 132, DiskCheckpoint = 133,
                              ImageHash = 134, Bookmark = 140 };
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
    std::string role;           // "bios", "vga-bios", "kernel", "initrd", "module"; "image:ID" of a disk
    std::string path;           // absolute, where it was
    u64 size = 0;
    i64 mtime = 0;              // seconds since 1970; for the user, never compared
    u64 xxh3 = 0;               // XXH3, 64 bits, of the content; of an image: of samples of it

    bool operator==(const FileIdentity&) const = default;
};

struct Header {
    u32 machine_revision = kMachineRevision;
    std::string engine = "tcg", clock = "icount", arithmetic = "canonical";
    std::string build;          // for the user
    std::string config;         // vmm/config.h: to_text
    std::vector<FileIdentity> files;
    Icount begins{};            // not 0: with a checkpoint there, rather than at power-on

    bool operator==(const Header&) const = default;
};

enum class EventKind : u8 {
    Input = 1,                  // `input` is applied at `at`
    IdleJump = 2,               // the idle jump at `at` ended after `ns`, not at the next deadline
    Pass = 3,                   // the machine looked at its timers and requests at `at` once more, between inputs
    Disk = 4,                   // `disk`: what became of a disk's request, due at `at`
};

struct Event {
    Icount at{};
    EventKind kind{};
    Input input{};
    u64 ns = 0;
    DiskMark disk{};
};

// What the hashes of parts are hashes of, in their order.
struct Parts {
    u64 ram_part_bytes = 0;
    std::vector<std::string> sections;       // of Machine::serialize

    bool operator==(const Parts&) const = default;
};

// 32 bits for each section of the machine's state, and for each part of memory (Memory::part_sums).
struct PartHashes {
    std::vector<u32> sections, memory;

    bool operator==(const PartHashes&) const = default;
};

struct HashMark {
    Icount at{};
    std::optional<u64> hash;                 // of everything
    PartHashes parts{};                      // memory: only where `hash` is

    bool operator==(const HashMark&) const = default;
};

// Part of a file that was packed into the recording.
struct ImagePiece {
    u64 file = 0, offset = 0;                // of Header::files; in that file
    std::string bytes;
};

// Of a disk image that was packed into the recording, all of it.
struct ImageHash {
    u64 file = 0;                            // of Header::files
    u64 xxh3 = 0;
};

// The state of the machine at `at`, before the inputs of that position, as a difference to another. Its pages come first.
struct CheckpointState {
    static constexpr u64 kPowerOn = ~u64{0};

    Icount at{};
    Icount base{kPowerOn};                   // the checkpoint that it tells the differences to; or the machine as it is made
    u64 hash = 0;                            // Machine::state_hash
    std::string state;                       // Machine::serialize
};

std::string_view to_string(Ending ending);

struct End {
    Icount at{};
    Ending ending{};
    u8 status = 0;              // the program's exit status
    u64 hash = 0;
    PartHashes parts{};

    bool operator==(const End&) const = default;
};

// --- payloads. Decoding returns nothing for what no writer wrote.
std::string encode(const Header& header);
Result<Header> decode_header(std::string_view payload);
std::string encode(std::span<const Event> events, Icount base);    // base: a position at or before the first
bool decode_events(std::string_view payload, std::vector<Event>& out);
std::string encode(const HashMark& mark);                          // position and hash of everything only
std::optional<HashMark> decode_hash(std::string_view payload);
std::string encode(const Parts& parts);
std::optional<Parts> decode_parts(std::string_view payload);
// Each mark tells what changed since the one before it; `before` is what the last chunk left, and becomes what this one leaves.
std::string encode(std::span<const HashMark> marks, Icount base, PartHashes& before);
bool decode_hashes(std::string_view payload, const Parts& parts, PartHashes& before, std::vector<HashMark>& out);
std::string encode(const ImagePiece& piece);
std::optional<ImagePiece> decode_image(std::string_view payload);
std::string encode(const ImageHash& hash);
std::optional<ImageHash> decode_image_hash(std::string_view payload);
std::string encode(const CheckpointState& checkpoint);
std::optional<CheckpointState> decode_checkpoint(std::string_view payload);
// Pages: position (u64), then page number (u32) and content, again and again.
std::string begin_pages(Icount at);
void add_page(std::string& payload, u32 page, const u8* content);
bool decode_pages(std::string_view payload, Icount at, const std::function<bool(u32 page, const u8* content)>& take);
// Clusters, of what the guest wrote to a disk: position (u64), the disk's number (u8), then number (u64), sectors that it has (u8) and
// content, again and again.
std::string begin_clusters(Icount at, u8 disk);
void add_cluster(std::string& payload, u64 number, u8 present, std::span<const u8> content);
bool decode_clusters(std::string_view payload, Icount at, const std::function<bool(u8 disk, u64 number, u8 present, const u8* content)>& take);
std::string encode(const End& end);
std::optional<End> decode_end(std::string_view payload);

// --- frames. A chunk is its frame and its packed payload.
std::string preamble(u32 version = kFormatVersion);
std::string make_chunk(ChunkType type, Icount valid_to, std::string_view payload, int level = 6);   // of zlib
Frame read_frame(std::string_view bytes);                           // kFrameBytes of them
u64 largest_raw(u64 stored);                                        // so many bytes may that unpack to: what is kept of events and hashes
u32 chunk_crc(std::string_view frame, std::string_view stored);     // as it must be in the frame
std::optional<std::string> unpack(const Frame& frame, std::string_view stored);

}  // namespace vmm::replay
