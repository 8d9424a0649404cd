// SPDX-License-Identifier: Apache-2.0
// 82371SB (PIIX3) ISA bridge at 00:01.0: interrupt steering and reset control.
//
// Done: PIRQRC (the four PCI interrupts to ISA interrupts, several on one are OR-ed with each other and with what an ISA
// device drives), reset control at CF9h, the other registers as storage. The chips on its ISA side (8259, 8254, 8237) are
// devices of their own. Missing: distributed DMA, SMI generation, programmable chip select. Time: none.
// Document: 82371FB/82371SB data sheet (290550), sections 2.1 (function 0 registers), 2.5.6 (reset control).
#pragma once

#include "devices/pci.h"

namespace vmm {

class Piix3 final : public PciDevice {
  public:
    // `irqs`: ISA interrupts 0-15 to whatever takes them. `reset`: RESET was asked for (hard), or INIT (soft).
    Piix3(PciBus& bus, std::array<IrqLine, 16> irqs, std::function<void(bool hard)> reset);

    // An input: the ISA interrupt `irq` as an ISA device drives it. It shares the wire with the PIRQs steered to it.
    IrqLine isa_irq(unsigned irq) {
        return IrqLine([this, irq](bool level) { set_isa(irq, level); });
    }

    std::string_view name() const override { return "piix3"; }
    void serialize(Archive& ar) override {
        ar.field("config", config_);
        VMM_FIELDS(ar, s_, isa, pirq, out, reset_control);
    }
    void reset() override;

  private:
    struct State {
        u16 isa = 0;               // levels that ISA devices drive
        u8 pirq = 0;               // levels of PIRQA#-D#, 1 asserted
        u16 out = 0;               // levels driven on the ISA interrupts
        u8 reset_control = 0;      // RC at CF9h
    };
    void config_written(u8 offset, unsigned size) override;
    void set_isa(unsigned irq, bool level);
    void drive();

    std::array<IrqLine, 16> irqs_;
    std::function<void(bool)> reset_;
    State s_;
};

}  // namespace vmm
