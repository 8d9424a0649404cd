// SPDX-License-Identifier: Apache-2.0
// The files a machine is made of, by content: what a recording writes down, and what a replay looks for.
// Document: docs/recording-format.md, "Header".
#pragma once

#include <utility>

#include "replay/log_reader.h"
#include "vmm/config.h"

namespace vmm::replay {

Result<std::vector<FileIdentity>> identify_files(const MachineConfig& config);

// Sets the paths in `config` to files with the recorded contents: in the recording itself if they were packed in, else where `config`
// says, else where they were, else beside the recording. Several Multiboot modules are looked for where they were only.
// `places`: of --image, by the image's id; there, and nowhere else.
Result<void> find_files(const Recording& recording, const std::string& path, MachineConfig& config,
                        const std::vector<std::pair<std::string, std::string>>& places = {});

}  // namespace vmm::replay
