// SPDX-License-Identifier: Apache-2.0
// What a recording's hashes are hashes of. Machine thread only. Document: docs/recording-format.md, "Hashes".
#pragma once

#include "replay/log_format.h"
#include "vmm/machine.h"

namespace vmm::replay {

// The parts of a machine's state.
Parts parts_of(Machine& machine);
// ... and how they are now. `whole`: memory as well (and a look at all that was written since the last).
PartHashes part_hashes(Machine& machine, bool whole);

}  // namespace vmm::replay
