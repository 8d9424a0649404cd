// SPDX-License-Identifier: Apache-2.0
// Port 92, system control port A: the fast A20 gate and the fast CPU reset.
//
// Done: both. Missing: the PS/2's security lock and disk lights. The A20 wire may be shared with the 8042: every write drives
// it, so the last writer decides, which satisfies programs that know only one of the two ways.
// Time: none. Documents: Intel 82371SB (PIIX3), 2.5.5.4 "Port 92 register".
#pragma once

#include "vmm/bus.h"
#include "vmm/device.h"

namespace vmm {

class Port92 final : public Device {
  public:
    Port92(IoBus& ports, IrqLine a20, IrqLine reset);

    std::string_view name() const override { return "port92"; }
    void serialize(Archive& ar) override { VMM_FIELDS(ar, s_, value); }
    void reset() override { s_ = State{}; }     // the wire is driven by writes; the 8042 raises it at reset

  private:
    static constexpr u8 kFastReset = 0x01, kFastA20 = 0x02;

    struct State {
        u8 value = 0;
    };

    void write(u8 value);

    State s_;
    IrqLine a20_;
    IrqLine reset_;
};

}  // namespace vmm
