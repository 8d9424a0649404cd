// SPDX-License-Identifier: Apache-2.0
// Checkpoints in a recording: whole states of the machine, from which a part of it can be replayed by itself. Each tells what
// differs from the one before it; every kWhole-th from the machine as it is made, so that a damaged one does not cost all later
// ones. Document: docs/recording-format.md, "Checkpoints".
#pragma once

#include "replay/log_reader.h"
#include "vmm/disks.h"
#include "vmm/machine.h"

namespace vmm::replay {

// Makes the chunks of checkpoints. Machine thread only.
class StateWriter {
  public:
    static constexpr unsigned kWhole = 16;

    // The machine at power-on; or wherever it is, with another one of its configuration that is.
    explicit StateWriter(Machine& machine) : StateWriter(machine, machine) {}
    StateWriter(Machine& machine, Machine& at_power_on);
    // At a boundary, before the inputs of its position. `put` gets the chunks one by one, in the order in which they belong into the file.
    // `whole`: with no other as its base.
    void take(const std::function<void(ChunkType type, std::string payload)>& put, bool whole = false);

  private:
    void put_pages(Icount at, const std::vector<u64>& now, const std::vector<u64>& base, const std::function<void(ChunkType, std::string)>& put);
    void put_clusters(Icount at, const Disks::Version& base, const std::function<void(ChunkType, std::string)>& put);

    Machine& machine_;
    const std::vector<u64> at_power_on_;     // hash of each page
    const Disks::Version disks_at_power_on_;
    std::vector<u64> last_;
    Disks::Version last_disks_;
    Icount last_at_{CheckpointState::kPowerOn};
    unsigned count_ = 0;
};

// Is it a part of a checkpoint?
bool of_checkpoints(ChunkType type);

// Into a machine of the recording's configuration that has not run yet. `n`: of Recording::checkpoints.
Result<void> restore_stored(const Recording& recording, std::size_t n, Machine& machine);

// To where the recording begins, if that is not power-on. The machine is as it was made.
Result<void> enter_beginning(const Recording& recording, Machine& machine);

// The last checkpoint at or before a position.
std::optional<std::size_t> checkpoint_before(const Recording& recording, Icount position);

}  // namespace vmm::replay
