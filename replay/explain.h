// SPDX-License-Identifier: Apache-2.0
// What more can be said about a replay that differs from its recording, by running the stretch in question again: in a second
// machine, and in a third one that executes every instruction by itself rather than in translated blocks.
//
// Either the executions part, which is a fault of this program or of this host: then the instruction at which they do, and the
// fields and bytes with both values. Or they agree with one another and not with the recording: then the recording tells of another
// machine or was changed; where it holds a checkpoint, the fields and bytes there. Document: docs/divergence.md.
#pragma once

#include "replay/execution.h"

namespace vmm::replay {

struct Explanation {
    std::vector<std::string> lines;          // for people
    std::optional<Icount> alike;             // two executions part: the last position at which they are alike
};

// `first`: the machine as it was stopped at the difference, or null. Takes at most about as long as three
// replays from the last checkpoint before the difference, and the stretch in question once instruction by instruction.
Explanation explain(const Recording& recording, const MachineConfig& config, const Difference& difference, Machine* first);

// Two machines that ran alike up to `from`, where they stand, and differ at `to`: brings them to the last position at which they are alike
// and says where that is and what the next step makes different. For tests of what cannot be planted from outside: `disturb` is called
// for the second machine when it has come to a position.
std::vector<std::string> narrow(Execution& a, Execution& b, Icount to, const std::function<void(Machine&)>& disturb = {});

}  // namespace vmm::replay
