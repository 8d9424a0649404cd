// SPDX-License-Identifier: Apache-2.0
// 82371AB (PIIX4) function 3 at 00:01.3: ACPI power management and the SMBus host controller.
//
// Done: the PM1 event and control blocks with SCI, the 24-bit PM timer, soft off, power button, global release, a GPE0 block
// of 4 bytes at AFE0h (board wiring that the ACPI tables name), the APM control and status ports B2h/B3h. There is no
// system-management mode, so writing ACPI enable (F1h) or disable (F0h) to B2h switches SCI_EN directly, and the device says
// at reset that SMM is set up already, lest firmware wait for it. Missing: sleep states other than soft off (the write is kept and
// nothing happens), throttling, device monitors, GPIO. SMBus: every transfer ends at once with "no device".
// Time: the PM timer is 3.579545 MHz of guest time since power-on; its status bit is computed when read, and a deadline
// exists only while the guest wants an SCI from it.
// Documents: 82371AB data sheet (290562), sections 7.1 (configuration), 7.2 (I/O); ACPI 2.0, sections 4.7.3, 4.7.4.
#pragma once

#include "devices/pci.h"
#include "vmm/clock.h"

namespace vmm {

class Piix4Pm final : public PciDevice {
  public:
    Piix4Pm(PciBus& bus, IoBus& ports, Timers& timers, IrqLine sci, std::function<void()> power_off);

    void press_power_button();
    void raise_gpe(unsigned bit);                                // sets GPE0_STS; bit 0-15

    std::string_view name() const override { return "piix4_pm"; }
    void serialize(Archive& ar) override {
        ar.field("config", config_);
        VMM_FIELDS(ar, s_, status, enable, control, timer_seen, gpe_status, gpe_enable, apm_control, apm_status, pm, smbus, sci);
    }
    void reset() override;

  private:
    struct State {
        u16 status = 0;             // PMSTS without TMR_STS
        u16 enable = 0;             // PMEN
        u16 control = 0;            // PMCNTRL
        u64 timer_seen = 0;         // half periods of the PM timer when TMR_STS was last cleared
        u16 gpe_status = 0;
        u16 gpe_enable = 0;
        u8 apm_control = 0;         // APMC
        u8 apm_status = 0;          // APMS
        std::array<u8, 64> pm{};    // the rest of the PM block, kept without effect
        std::array<u8, 16> smbus{};
        bool sci = false;
    };
    void config_written(u8, unsigned) override { update(); }
    u32 pm_read(u32 offset);
    void pm_write(u32 offset, u8 value);
    u8 smbus_read(u32 offset);
    void smbus_write(u32 offset, u8 value);
    u64 half_periods() const;
    u16 pm1_status() const;
    void set_control(u16 value, bool high_byte);
    void update();                                               // SCI and the deadline

    Timer timer_;
    IrqLine sci_;
    std::function<void()> power_off_;
    State s_;
};

}  // namespace vmm
