// SPDX-License-Identifier: Apache-2.0
// Checkpoints in a recording: whole states of the machine, from which a part of it can be replayed by itself. Each tells what
// differs from the one before it; every kWhole-th from the machine as it is made, so that a damaged one does not cost all later
// ones. Document: docs/recording-format.md, "Checkpoints".
#pragma once

#include "replay/log_reader.h"
#include "vmm/machine.h"

namespace vmm::replay {

// Makes the chunks of checkpoints. Machine thread only.
class StateWriter {
  public:
    static constexpr unsigned kWhole = 16;

    struct Chunk {
        ChunkType type;
        std::string payload;
    };
    // The machine at power-on.
    explicit StateWriter(Machine& machine);
    // At a boundary, before the inputs of its position. In the order in which they belong into the file.
    std::vector<Chunk> take();

  private:
    Machine& machine_;
    const std::vector<u64> at_power_on_;     // hash of each page
    std::vector<u64> last_;
    Icount last_at_{CheckpointState::kPowerOn};
    unsigned count_ = 0;
};

// Into a machine of the recording's configuration that has not run yet. `n`: of Recording::checkpoints.
Result<void> restore_stored(const Recording& recording, std::size_t n, Machine& machine);

// The last checkpoint at or before a position.
std::optional<std::size_t> checkpoint_before(const Recording& recording, Icount position);

}  // namespace vmm::replay
