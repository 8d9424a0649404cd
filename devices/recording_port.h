// SPDX-License-Identifier: Apache-2.0
// vmm-rr: a port by which the guest speaks of its own recording: it marks a place, starts or stops recording, says that it has failed.
//
// Done: everything; what a write leads to is the host's business, and the guest cannot see it. A read gives 76h ('v'), by which the
// guest finds out that the port is there. It has no state. Time: none. Document: docs/determinism.md, "From inside the guest".
#pragma once

#include <functional>

#include "vmm/bus.h"
#include "vmm/device.h"
#include "vmm/guest_call.h"

namespace vmm {

class RecordingPort final : public Device {
  public:
    static constexpr u16 kPorts = 4;                     // the first counts

    RecordingPort(IoBus& ports, u16 iobase, std::function<void(GuestCall, u32 value)> call);

    std::string_view name() const override { return "vmm-rr"; }
    void serialize(Archive&) override {}
    void reset() override {}
};

}  // namespace vmm
