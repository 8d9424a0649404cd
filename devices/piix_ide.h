// SPDX-License-Identifier: Apache-2.0
// The IDE function of the PIIX3 (00:01.1): two channels at their compatibility ports and interrupts, and the bus master.
//
// Done: IDE decode enable of each channel, the timing registers as storage, bus-master ports (BAR 4). Missing: native mode,
// which the chip does not have; effects of the timing registers. Time: see devices/ide_drive.h.
// Document: 82371FB/82371SB data sheet (290550), sections 2.3 (function 1) and 2.6 (bus master).
#pragma once

#include "devices/ide_channel.h"
#include "devices/pci.h"

namespace vmm {

class PiixIde final : public PciDevice {
  public:
    PiixIde(PciBus& bus, Timers& timers, Memory& memory, std::array<IrqLine, 2> irqs);

    IdeChannel& channel(unsigned n) { return *channels_[n]; }

    std::string_view name() const override { return "ide"; }
    void serialize(Archive& ar) override;
    void after_load() override;
    void reset() override;

  private:
    void config_written(u8 offset, unsigned size) override;

    std::array<std::unique_ptr<IdeChannel>, 2> channels_;
};

}  // namespace vmm
