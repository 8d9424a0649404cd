// SPDX-License-Identifier: Apache-2.0
// `vmm rr info|dump FILE`: what is in a recording, as text. Missing: JSON, verify, diff, pack.
#pragma once

#include <span>
#include <string>

#include "replay/log_reader.h"

namespace vmm::replay {

std::string describe(const Recording& recording);            // info
std::string dump(const Recording& recording);                // one line an event, hash, end

// The arguments after "rr". Prints; returns the exit status.
int rr_command(std::span<const std::string> args);

}  // namespace vmm::replay
