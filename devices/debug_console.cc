// SPDX-License-Identifier: Apache-2.0
#include "devices/debug_console.h"

#include <utility>

namespace vmm {

DebugConsole::DebugConsole(IoBus& ports, std::string name, u16 port, std::function<void(u8)> sink)
    : name_(std::move(name)), sink_(std::move(sink)) {
    ports.map(name_, port, 1, {[](u32, unsigned) { return u32{kPresent}; },
                               [this](u32, unsigned, u32 value) { if (sink_) sink_(static_cast<u8>(value)); }, 1});
}

}  // namespace vmm
