// SPDX-License-Identifier: Apache-2.0
// LogReader: a recording, read whole and checked.
//
// A file that was cut anywhere, or damaged, is usable up to its last whole chunk, and says so. Refused by name: files that
// are not recordings, recordings of other versions, QEMU's own logs. Document: docs/recording-format.md, "Reading".
#pragma once

#include "replay/log_format.h"

namespace vmm::replay {

struct Recording {
    u32 version = kFormatVersion;
    Header header;
    std::vector<Event> events;            // in log order; positions never go back
    std::vector<HashMark> hashes;
    std::optional<End> end;               // none: cut
    Icount valid_to{};                    // the last position that it tells everything about
    u64 file_bytes = 0, used_bytes = 0;   // used: up to the end of the last whole chunk
    u64 chunks = 0;
    std::string damage;                   // why it ends before the file does; empty if it does not
};

// `name` is for messages.
Result<Recording> parse_recording(std::string_view bytes, const std::string& name);
Result<Recording> read_recording(const std::string& path);

}  // namespace vmm::replay
