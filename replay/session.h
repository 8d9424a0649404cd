// SPDX-License-Identifier: Apache-2.0
// What `--rr` means for a configuration: the header of a new recording, and the machine of an old one.
// Document: docs/determinism.md, "One flag".
#pragma once

#include <span>

#include "replay/files.h"
#include "replay/log_reader.h"
#include "vmm/config.h"

namespace vmm::replay {

// `config` with its calendar resolved.
Result<Header> make_header(const MachineConfig& config, const std::string& build);

// The machine to replay with these options: the recorded one, with the host's ends as the options say if they say anything.
// Options that would make another machine are refused by name.
Result<MachineConfig> replay_config(const Recording& recording, const std::string& file, std::span<const std::string> args);

}  // namespace vmm::replay
