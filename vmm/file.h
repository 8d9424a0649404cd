// SPDX-License-Identifier: Apache-2.0
// Reading a whole file. The error names it: "cannot read FILE: why".
#pragma once

#include <string>
#include <vector>

#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm {

Result<std::vector<u8>> read_file(const std::string& path);

}  // namespace vmm
