// SPDX-License-Identifier: Apache-2.0
// Two recordings compared: the headers field by field, then the first event and the first hash in which they differ.
#pragma once

#include <string>
#include <vector>

#include "replay/log_reader.h"

namespace vmm::replay {

// Lines; none: they tell of the same run. What only says who recorded it, and where, is no difference.
std::vector<std::string> differences(const Recording& a, const Recording& b);

}  // namespace vmm::replay
