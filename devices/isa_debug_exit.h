// SPDX-License-Identifier: Apache-2.0
// isa-debug-exit: a port by which a test guest ends the program with an exit code of its choice.
//
// Done: everything; a write of V asks for exit code V * 2 + 1, so that it is never taken for success; reads give 0.
// It has no state. Time: none. Document: the device of that name in QEMU, by its observable behaviour.
#pragma once

#include <functional>

#include "vmm/bus.h"
#include "vmm/device.h"

namespace vmm {

class IsaDebugExit final : public Device {
  public:
    static constexpr u16 kDefaultBase = 0x501;
    static constexpr u16 kDefaultSize = 2;

    // `exit` is told the code; the guest goes on until the board acts on it. `iosize` is at most 4.
    IsaDebugExit(IoBus& ports, u16 iobase, u16 iosize, std::function<void(u32 code)> exit);

    std::string_view name() const override { return "isa-debug-exit"; }
    void serialize(Archive&) override {}
    void reset() override {}
};

}  // namespace vmm
