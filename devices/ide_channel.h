// SPDX-License-Identifier: Apache-2.0
// IdeChannel: one IDE cable with up to two drives, its ports, its interrupt, and the bus master that moves its data.
//
// Done: both drives latch register writes, the selected one answers; drive 0 answers for a drive 1 that is not there, and an
// empty cable reads as 7Fh (the pull-down of DD7); device control (HOB, SRST, nIEN); bus master with PRD tables. Missing:
// floating data lines, timing registers (they have no effect), overlapped commands.
// Time: transfers take no time of their own; see devices/ide_drive.h.
// Documents: ATA/ATAPI-6, 7 and 9.16 (two drives); 82371FB/82371SB (290550), 2.6 "Bus master IDE registers"; Programming
// Interface for Bus Master IDE Controller, revision 1.0.
#pragma once

#include <memory>

#include "devices/ide_drive.h"
#include "vmm/bus.h"
#include "vmm/clock.h"
#include "vmm/memory.h"

namespace vmm {

class IdeChannel final : public IdeCable {
  public:
    IdeChannel(Timers& timers, TimerId timer, Memory& memory, IrqLine irq);
    void attach(unsigned unit, std::unique_ptr<IdeDrive> drive) { drives_[unit] = std::move(drive); }
    IdeDrive* drive(unsigned unit) const { return drives_[unit].get(); }

    // The command block (8 ports) and the control block (its port 2).
    u32 read(u32 offset, unsigned size);
    void write(u32 offset, unsigned size, u32 value);
    u8 alternate_status() const;
    void control(u8 value);

    // The bus master's 8 ports, and whether the function may master the bus.
    u8 master_read(u32 offset) const;
    void master_write(u32 offset, u8 value);
    void set_mastering(bool on);

    void reset();
    void serialize(Archive& ar);
    void after_load();

    // --- IdeCable
    void interrupt_changed() override;
    void dma_requested() override { move_data(); }
    void due_changed() override;
    GuestTime now() const override { return timer_.now(); }

  private:
    struct State {
        u8 selected = 0;
        bool high = false, srst = false, no_interrupt = false;   // HOB, SRST, nIEN
        bool line = false;                 // INTRQ
        u8 command = 0;                    // BMICX
        u8 status = 0;                     // BMISX
        u32 table = 0;                     // BMIDTPX
        u32 next = 0;                      // the next descriptor
        u32 address = 0, left = 0;         // of the present region
        bool last = false;                 // it is the last
    };
    IdeDrive* selected() const { return drives_[s_.selected].get(); }
    IdeDrive* answering() const;           // who drives the bus when registers are read; null: nobody
    void write_register(ide::Register reg, u8 value);
    u8 read_register(ide::Register reg);
    void move_data();
    bool next_region();
    void fire();

    std::array<std::unique_ptr<IdeDrive>, 2> drives_;
    Memory& memory_;
    IrqLine irq_;
    Timer timer_;
    State s_;
    bool mastering_ = false;               // derived: the function's command register
    bool moving_ = false;                  // move_data() is at work
};

}  // namespace vmm
