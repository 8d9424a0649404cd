// SPDX-License-Identifier: Apache-2.0
// A port that takes characters: 402h, where SeaBIOS writes its log, or E9h, as guests know it from other virtual machines.
//
// Done: everything. A read gives E9h, by which firmware finds out that somebody listens; the sink is the board's, and is
// told at once. It has no state. Time: none. Document: none; the convention is Bochs' "port E9 hack".
#pragma once

#include <functional>
#include <string>

#include "vmm/bus.h"
#include "vmm/device.h"

namespace vmm {

class DebugConsole final : public Device {
  public:
    static constexpr u8 kPresent = 0xe9;

    DebugConsole(IoBus& ports, std::string name, u16 port, std::function<void(u8)> sink);

    std::string_view name() const override { return name_; }
    void serialize(Archive&) override {}
    void reset() override {}

  private:
    std::string name_;
    std::function<void(u8)> sink_;
};

}  // namespace vmm
