// SPDX-License-Identifier: Apache-2.0
// What is in a recording, as text for people and as JSON lines for programs.
#pragma once

#include <string>

#include "replay/log_reader.h"

namespace vmm::replay {

std::string describe_event(const Event& event);              // one line, without its end
std::string describe_hash(const Recording& recording, std::size_t n);
std::string describe(const Recording& recording);            // info
std::string dump(const Recording& recording);                // one line an event, hash, checkpoint, end
std::string dump_json(const Recording& recording);           // the same, each a JSON object; the header first

}  // namespace vmm::replay
