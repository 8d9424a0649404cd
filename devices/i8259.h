// SPDX-License-Identifier: Apache-2.0
// The pair of 8259A interrupt controllers of a PC, as the PIIX3 contains them.
//
// Done: ICW1-4, OCW1-3, fully and special fully nested mode, rotation, special mask, poll, AEOI, edge and level inputs
// through the ELCR, default IR7 on either chip. As in the PIIX3, LTIM of ICW1 is without effect and the slave is wired to
// IR2 whatever ICW3 says. Missing: the MCS-80 mode, in which an 8259A gives CALL instructions.
// Time: none; every output follows its inputs at once.
// Documents: Intel 8259A data sheet (231468-003); Intel 82371SB (PIIX3), 2.5.4 "Interrupt Controller Registers".
#pragma once

#include <array>

#include "vmm/bus.h"
#include "vmm/cpu_pins.h"
#include "vmm/device.h"

namespace vmm {

class I8259 final : public Device, public InterruptSource {
  public:
    // Ports 20-21, A0-A1, 4D0-4D1. `intr` is the INTR output of the master.
    I8259(IoBus& ports, IrqLine intr);

    // The wire of ISA IRQ n, 0..15. IRQ 2 is the cascade: its wire leads nowhere.
    IrqLine irq(unsigned n);

    bool pending() const override { return request(s_.chip[kMaster]) >= 0; }
    u8 acknowledge() override;      // the INTA cycle: the vector, IRQ 7's or 15's if there is no request any more

    std::string_view name() const override { return "pic"; }
    void serialize(Archive& ar) override { VMM_FIELDS(ar, s_, chip); }
    void after_load() override { intr_level_ = pending(); }
    void reset() override;

    struct Chip {
        u8 lines = 0;               // levels of IR0..7
        u8 latch = 0;               // edge-triggered requests: risen, still high and not acknowledged
        u8 imr = 0;
        u8 isr = 0;
        u8 elcr = 0;                // 1: level-triggered
        u8 lowest = 7;              // the IR of lowest priority; the next one has the highest
        u8 base = 0;                // T7-T3 of ICW2
        u8 next_icw = 0;            // the ICW that the next write to A0=1 is, 0: none
        bool icw4_follows = false;
        bool single = false;
        bool nested_specially = false;
        bool auto_eoi = false;
        bool rotate_on_auto_eoi = false;
        bool special_mask = false;
        bool read_isr = false;
        bool poll = false;          // the next read is a poll
    };

  private:
    static constexpr unsigned kMaster = 0, kSlave = 1, kCascade = 2;

    struct State {
        std::array<Chip, 2> chip{};
    };

    static u8 irr(const Chip& c) { return static_cast<u8>((c.lines & c.elcr) | (c.latch & ~c.elcr)); }
    static int highest(const Chip& c, u8 bits);
    int request(const Chip& c) const;

    void set_line(Chip& c, unsigned n, bool level);
    void take(Chip& c, unsigned n);
    void end(Chip& c, unsigned n, bool rotate);
    void drop_output(unsigned which);
    void update();

    u8 read(unsigned which, u32 a0);
    void write(unsigned which, u32 a0, u8 value);
    void write_icw1(Chip& c, u8 value);
    void write_ocw2(Chip& c, u8 value);
    void write_ocw3(Chip& c, u8 value);
    void write_data(Chip& c, u8 value);

    State s_;
    bool intr_level_ = false;       // derived: what intr_ was last told
    IrqLine intr_;
};

void serialize(Archive& ar, I8259::Chip& chip);

}  // namespace vmm
