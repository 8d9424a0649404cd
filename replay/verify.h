// SPDX-License-Identifier: Apache-2.0
// A recording as a whole: replayed and held against all its hashes, in parallel from checkpoint to checkpoint where it has some; and
// the checkpoints for that, added to one that has none (or other ones). Document: docs/determinism.md, "Tools".
#pragma once

#include "replay/execution.h"

namespace vmm::replay {

struct Verdict {
    bool identical = false;
    std::string text;                        // one line
    std::vector<std::string> explanation;    // of a difference
};

// `jobs`: threads, each replaying one part after another.
Result<Verdict> verify(const Recording& recording, const MachineConfig& config, unsigned jobs);

// Writes `to`: the recording at `path`, with checkpoints every `every` steps instead of those it has. A recording that does not replay
// is an Error. `to` may be the file itself.
Result<std::size_t> add_checkpoints(const Recording& recording, const MachineConfig& config, const std::string& path, const std::string& to, u64 every);

}  // namespace vmm::replay
