// SPDX-License-Identifier: Apache-2.0
// The 8042 keyboard controller of a PS/2: two serial ports behind ports 60 and 64, the A20 gate, and a way to reset the CPU.
//
// Done: commands 20-3F, 60-7F, A4, A7-AB, AD, AE, C0, D0-D4, DD, DF, E0, F0-FF; translation of set 2 to set 1; IRQ 1 and
// IRQ 12. Missing: passwords, transfer time-outs and parity errors (there are none), the diagnostic dump.
// Time: replies of the controller and of an idle device are there at once. After the system has read a byte of a device, the
// next one follows 50 us later, so that a handler that reads port 60 twice gets the same byte twice, as on a PC (where it
// takes 1 ms; but programs wait for replies in loops counted in instructions, which are faster here).
// Documents: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and auxiliary device controller".
#pragma once

#include <array>

#include "devices/ps2_device.h"
#include "vmm/bus.h"
#include "vmm/clock.h"
#include "vmm/device.h"

namespace vmm {

class I8042 final : public Device {
  public:
    struct Wires {
        IrqLine irq1;
        IrqLine irq12;
        IrqLine a20;                        // high: address line 20 works
        IrqLine reset;                      // pulsed: CPU reset
    };

    I8042(IoBus& ports, Timers& timers, Wires wires, Ps2Device& keyboard, Ps2Device& mouse);

    std::string_view name() const override { return "i8042"; }
    void serialize(Archive& ar) override;
    void reset() override;                  // high at reset: A20

    enum class Source : u8 { None, Controller, ControllerAsMouse, Keyboard, Mouse };

  private:
    struct State {
        std::array<u8, 32> ram = {0x03};    // byte 0 is the command byte; at power-on both interrupts are enabled
        u8 command = 0;                     // the command whose parameter port 60 takes next, 0: none
        bool last_write_was_command = false;
        u8 output = 0;                      // the output buffer
        Source source = Source::None;       // whose byte it is; None: the buffer is empty
        u8 reply = 0;                       // waits for the output buffer to become empty
        Source reply_source = Source::None;
        bool a20 = true;
        bool break_prefix = false;          // translation has swallowed F0
        GuestTime next_byte{};              // no device byte before this
    };

    u8 command_byte() const { return s_.ram[0]; }
    bool full() const { return s_.source != Source::None; }
    bool holds_mouse_byte() const { return s_.source == Source::Mouse || s_.source == Source::ControllerAsMouse; }

    u8 status() const;
    u8 read_data();
    void write_data(u8 value);
    void write_command(u8 value);
    void take_parameter(u8 command, u8 value);
    void set_output_port(u8 value);
    void reply(u8 value, Source source = Source::Controller);
    void pump();
    bool fetch();
    void update_irqs();

    State s_;
    Wires wires_;
    Ps2Device& keyboard_;
    Ps2Device& mouse_;
    Timer timer_;
};

}  // namespace vmm
