// SPDX-License-Identifier: Apache-2.0
// 82093AA I/O APIC at FEC00000h: 24 pins to messages on the APIC bus.
//
// Done: redirection entries, edge and level pins, remote IRR and EOI, all delivery modes the bus knows. The polarity bit is
// kept and has no effect: a pin is active when its wire says so. Delivery is instant, so delivery status always reads idle.
// A level that nobody takes is offered again when the local APIC is enabled; an edge that nobody takes is lost.
// Time: none. Document: 82093AA data sheet (290566), section 3.
#pragma once

#include <array>
#include <functional>

#include "devices/apic_bus.h"
#include "vmm/bus.h"
#include "vmm/device.h"

namespace vmm {

class IoApic final : public Device {
  public:
    static constexpr unsigned kPins = 24;

    // `send` puts a message on the bus and says whether somebody took it.
    IoApic(IoBus& mmio, std::function<bool(const ApicMessage&)> send);

    IrqLine pin(unsigned n) { return IrqLine([this, n](bool level) { set_pin(n, level); }); }
    void ended(u8 vector);                     // EOI broadcast
    void offer_again();                        // the local APIC takes messages now

    std::string_view name() const override { return "ioapic"; }
    void serialize(Archive& ar) override { VMM_FIELDS(ar, s_, select, id, redirection, pins); }
    void reset() override;

  private:
    static constexpr u64 kMasked = 1u << 16;
    static constexpr std::array<u64, kPins> all_masked() {
        std::array<u64, kPins> a{};
        a.fill(kMasked);
        return a;
    }
    struct State {
        u8 select = 0;                         // IOREGSEL
        u8 id = 0;
        std::array<u64, kPins> redirection = all_masked();
        u32 pins = 0;                          // levels
    };

    u32 read_register() const;
    void write_register(u32 value);
    void set_pin(unsigned n, bool level);
    bool send(u64 entry) const;
    void service_level(unsigned n);

    std::function<bool(const ApicMessage&)> send_;
    State s_;
};

}  // namespace vmm
