// SPDX-License-Identifier: Apache-2.0
// The guest's disk at a position of a recording, as a raw image: the image that was recorded, and over it what the guest had
// written. Missing: other formats. Document: docs/disks.md, "The disk of a recording".
#pragma once

#include "replay/execution.h"

namespace vmm::replay {

// Of the end, if `at` says nothing. `id`: which image; empty where the machine has one that can be written.
// `differs` is set if the replay up to there differs: then there is no such disk, and the error says why.
Result<void> write_guest_disk(const Recording& recording, const MachineConfig& config, std::optional<Icount> at, const std::string& id, const std::string& to,
                              bool& differs);

}  // namespace vmm::replay
