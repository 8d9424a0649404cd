// SPDX-License-Identifier: Apache-2.0
// The 8254 interval timer, and port 61 through which a PC drives its counter 2.
//
// Done: three counters, all six modes, binary and BCD, latch and read-back, OUT0 on IRQ 0, the gate of counter 2, refresh
// toggle, OUT2, the speaker's data enable. The gates of counters 0 and 1 are tied high. Missing: parity and channel-check
// NMI (their enables are kept), the sound itself.
// Time: nothing ticks. A counter is the count it was loaded with and the tick at which that happened; all else is computed
// when it is looked at. A timer is armed only for the next edge of OUT0. Where the data sheet says "on the next CLK pulse",
// it is the next tick of guest time at 1193182 Hz.
// Documents: Intel 8254 data sheet (231164-005), "Mode Definitions"; Intel 82371SB (PIIX3), 2.5.5.3 "NMI status and control".
#pragma once

#include <array>
#include <limits>
#include <optional>

#include "vmm/bus.h"
#include "vmm/clock.h"
#include "vmm/device.h"

namespace vmm {

inline constexpr u64 kPitHz = 1'193'182;

class I8254 final : public Device {
  public:
    // Ports 40-43 and 61. OUT of counter 0 drives `irq0`.
    I8254(IoBus& ports, Timers& timers, IrqLine irq0);

    bool out(unsigned counter) const;       // level of OUT0..2 now
    bool speaker_enabled() const { return (s_.port61 & kSpeakerData) != 0; }

    std::string_view name() const override { return "pit"; }
    void serialize(Archive& ar) override { VMM_FIELDS(ar, s_, counters, port61); }
    void reset() override;

    using Tick = i64;
    static constexpr Tick kNever = std::numeric_limits<Tick>::max();

    struct Counter {
        u8 control = 0x30;          // RW, mode and BCD bits as written; at power-on undefined, here mode 0: OUT is low
        bool gate = true;
        bool counting = false;      // n and start hold
        u32 n = 0;                  // the count in use
        Tick start = 0;             // the tick at which the counting element held it
        Tick held = 0;              // ticks counted when the gate stopped it
        bool out_before_start = false;
        u32 written = 0;            // the last whole count written, 0: none since the control word
        Tick load_at = kNever;      // when `written` goes to the counting element: NULL COUNT until then
        bool pending = false;       // a count is in use and `written` follows it at load_at
        u16 idle_value = 0;         // what a read gives while not counting
        u8 low_byte = 0;
        bool write_high_next = false;
        bool read_high_next = false;
        bool count_latched = false;
        u16 latched_count = 0;
        bool status_latched = false;
        u8 latched_status = 0;
    };

  private:
    static constexpr u8 kGate2 = 0x01, kSpeakerData = 0x02;

    struct State {
        std::array<Counter, 3> counters{};
        u8 port61 = 0;              // bits 0-3
    };

    Tick now() const { return static_cast<Tick>(ticks_at(timer_.now(), kPitHz)); }

    u8 read_counter(unsigned which);
    void write_counter(unsigned which, u8 value);
    void write_control(u8 value);
    void read_back(u8 command);
    u8 read_port61() const;
    void write_port61(u8 value);
    void update_irq(Tick t);

    State s_;
    IrqLine irq0_;
    Timer timer_;
};

void serialize(Archive& ar, I8254::Counter& counter);

}  // namespace vmm
