// SPDX-License-Identifier: Apache-2.0
// The contract of every device model, and the wires between them.
//
// All guest-visible state is in one aggregate `State s_` with power-on values as initialisers; serialize() lists every
// member once (vmm/archive.h). The constructor is the list of what the device needs: IrqLine, Timers&, IoBus&, a back end;
// never the machine. What can be derived lives outside State and is rebuilt in after_load(). No host clock, no thread, no
// lock, no mutable static, nothing that depends on whether we record. Whatever the guest does, no abort.
#pragma once

#include <functional>
#include <string_view>
#include <utility>

#include "vmm/archive.h"
#include "vmm/types.h"

namespace vmm {

class Device {
  public:
    virtual ~Device() = default;
    virtual std::string_view name() const = 0;      // unique in a machine, e.g. "pic", "serial0"
    virtual void serialize(Archive& ar) = 0;
    virtual void after_load() {}                    // rebuild what is derived; raise no interrupt edge, call no back end
    virtual void reset() = 0;                       // the RESET# pin: back to power-on values, but for what a battery keeps
};

// A wire. Level-triggered use calls set() with the level; setting the same level twice is harmless.
class IrqLine {
  public:
    IrqLine() = default;                            // not connected
    explicit IrqLine(std::function<void(bool)> sink) : sink_(std::move(sink)) {}
    void set(bool level) const { if (sink_) sink_(level); }
    void pulse() const { set(true); set(false); }

  private:
    std::function<void(bool)> sink_;
};

}  // namespace vmm
