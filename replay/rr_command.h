// SPDX-License-Identifier: Apache-2.0
// `vmm rr COMMAND`: the tools for recordings. Document: docs/determinism.md, "Tools".
#pragma once

#include <span>
#include <string>

namespace vmm::replay {

// The arguments after "rr". Prints; returns the exit status: 0, 1 for an error, 3 where something differs.
int rr_command(std::span<const std::string> args);

}  // namespace vmm::replay
