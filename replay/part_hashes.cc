// SPDX-License-Identifier: Apache-2.0
#include "replay/part_hashes.h"

namespace vmm::replay {

Parts parts_of(Machine& machine) {
    Parts parts{machine.memory().ram_part_bytes(), {}};
    for (const auto& part : machine.state_parts()) parts.sections.push_back(part.name);
    return parts;
}

PartHashes part_hashes(Machine& machine, bool whole) {
    PartHashes hashes;
    for (const auto& part : machine.state_parts()) hashes.sections.push_back(part.hash);
    if (!whole) return hashes;
    (void)machine.memory().content_hash();
    for (const u64 sum : machine.memory().part_sums()) hashes.memory.push_back(static_cast<u32>(sum ^ sum >> 32));
    return hashes;
}

}  // namespace vmm::replay
