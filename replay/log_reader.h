// SPDX-License-Identifier: Apache-2.0
// LogReader: a recording, read whole and checked.
//
// A file that was cut anywhere, or damaged, is usable up to its last whole chunk, and says so. Refused by name: files that
// are not recordings, recordings of unknown versions, QEMU's own logs. Document: docs/recording-format.md, "Reading".
#pragma once

#include <map>
#include <memory>

#include "replay/log_format.h"

namespace vmm::replay {

// A chunk that stays packed until it is wanted.
struct Packed {
    u64 offset = 0;                       // of its frame in the file
    Frame frame;
};

struct StoredCheckpoint {
    Icount at{}, base{};
    u64 hash = 0;
    Packed state;
    std::vector<Packed> pages;            // and clusters
};

struct Recording {
    u32 version = kFormatVersion;
    Header header;
    std::vector<Event> events;            // in log order; positions never go back
    Parts parts;                          // what the hashes of parts are of; empty in version 1
    std::vector<HashMark> hashes;
    std::vector<StoredCheckpoint> checkpoints;   // in order of position
    std::vector<Packed> images;
    std::map<u64, u64> image_hashes;      // by file of the header: the XXH3 of a packed disk image, all of it
    std::shared_ptr<const std::string> bytes;    // what these are in; null if there are none
    std::optional<End> end;               // none: cut
    Icount valid_to{};                    // the last position that it tells everything about
    u64 file_bytes = 0, used_bytes = 0;   // used: up to the end of the last whole chunk
    u64 chunks = 0;
    std::map<u32, std::pair<u64, u64>> kinds;    // by type of chunk: how many, and their bytes in the file
    std::string damage;                   // why it ends before the file does; empty if it does not
};

// What is in such a chunk; nothing if it is damaged.
std::optional<std::string> unpack(const Recording& recording, const Packed& chunk);

// `name` is for messages.
Result<Recording> parse_recording(std::string_view bytes, const std::string& name);
Result<Recording> read_recording(const std::string& path);

}  // namespace vmm::replay
