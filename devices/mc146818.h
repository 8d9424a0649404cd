// SPDX-License-Identifier: Apache-2.0
// The MC146818 real-time clock with the CMOS memory of a PC: 128 bytes at ports 70/71, 128 more at 72/73.
//
// Done: time and date in BCD or binary, 12 or 24 hours, century byte (32h), alarm with "don't care" codes, periodic, alarm
// and update-ended interrupts on IRQ 8, update in progress, SET, divider reset, the NMI mask bit of port 70. Missing:
// daylight saving (DSE is kept), the square wave pin, time bases other than 32768 Hz.
// Time: the time of day is a base plus guest time; setting it moves the base. Flags are worked out when register C is read
// or an enabled interrupt falls due; a timer is armed for enabled interrupts only. A value written to a time register reads
// back as written until the next update, as on the chip, and odd dates count on from the day they amount to.
// Documents: Motorola MC146818 data sheet, "Registers" and "Update cycle"; Intel 82371SB (PIIX3), 2.5.6 "RTC registers".
#pragma once

#include <array>
#include <limits>
#include <optional>

#include "vmm/bus.h"
#include "vmm/clock.h"
#include "vmm/device.h"

namespace vmm {

class Mc146818 final : public Device {
  public:
    // Ports 70-73. At guest time 0 the clock shows `base` seconds since 1970-01-01 00:00:00.
    Mc146818(IoBus& ports, Timers& timers, IrqLine irq8, i64 base);

    // For the board, before the machine runs. 0-127 is the bank of ports 70/71, 128-255 that of 72/73.
    void set_cmos(u8 index, u8 value) { s_.ram[index] = value; }
    u8 cmos(u8 index) const { return s_.ram[index]; }
    // The bytes from which a BIOS learns how much memory lies below 4 GB: 640 KB, KB above 1 MB, 64 KB above 16 MB.
    void set_memory_size(u64 ram_bytes);

    bool nmi_masked() const { return s_.nmi_masked; }
    i64 seconds_since_epoch() const { return s_.base + second(timer_.now()); }

    std::string_view name() const override { return "rtc"; }
    void serialize(Archive& ar) override;
    void reset() override;

  private:
    static constexpr i64 kNoSecond = std::numeric_limits<i64>::min();

    struct State {
        std::array<u8, 256> ram{};          // time registers are valid here only while raw_valid()
        u8 index = 0;
        u8 extended_index = 0;
        bool nmi_masked = false;
        u8 flags = 0;                       // PF, AF, UF of register C
        i64 base = 0;                       // the time in second 0
        i64 origin = 0;                     // guest time in ns at which second 0 began
        i64 written_in = kNoSecond;         // the second in which the time registers were written
        u8 weekday_shift = 0;               // the guest's day of the week need not be the calendar's
        GuestTime checked{};                // flags are right up to here
    };

    // Seconds and fractions of them since second 0 began.
    u64 since_origin(GuestTime t) const;
    i64 second(GuestTime t) const { return static_cast<i64>(since_origin(t) / 1'000'000'000); }
    GuestTime start_of(i64 second) const;

    bool divider_runs() const;
    bool updates() const;
    bool raw_valid(GuestTime t) const { return !updates() || s_.written_in == second(t); }
    bool update_in_progress(GuestTime t) const;
    u64 periodic_hz() const;

    u8 encode(unsigned value) const;
    unsigned decode(u8 reg) const;
    u8 encode_hour(unsigned hour) const;
    u8 time_register(u8 index, i64 seconds) const;
    void store_time(GuestTime t);
    void take_time(GuestTime t);
    std::optional<i64> next_alarm(i64 after) const;

    u8 read(u8 index);
    void write(u8 index, u8 value);
    void write_a(u8 value);
    void write_b(u8 value);
    void catch_up(GuestTime t);
    void arm();
    void interrupt(GuestTime t) { catch_up(t); arm(); }

    State s_;
    IrqLine irq_;
    Timer timer_;
};

}  // namespace vmm
