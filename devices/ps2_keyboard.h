// SPDX-License-Identifier: Apache-2.0
// A PS/2 keyboard with 101 to 106 keys and the usual extra ones.
//
// Done: scan-code sets 1, 2 and 3, all commands, the buffer of 16 bytes with its overrun code, Print Screen, System Request
// and Pause in their several forms, repeating in sets 1 and 2. Missing: repeating in set 3, and the shift codes that sets 1 and 2
// wrap around the grey keys under Shift and Num Lock.
// Time: replies and codes are ready at once, the self test included; the controller paces them. The key that went down last
// repeats by delay and rate in guest time, from when its code was sent; a press that comes again (a display that repeats) begins anew.
// Documents: IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-key)".
#pragma once

#include <array>
#include <deque>
#include <initializer_list>
#include <vector>

#include "devices/keys.h"
#include "devices/ps2_device.h"
#include "vmm/device.h"

namespace vmm {

class Ps2Keyboard final : public Device, public Ps2Device {
  public:
    Ps2Keyboard();

    void key(Key key, bool down);                                   // a key goes down (again) or up
    bool has_room() const { return s_.codes.size() <= kBuffer / 2; }    // any one key still fits
    u8 leds() const { return s_.leds; }                             // bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock

    void receive(u8 byte) override;
    std::optional<GuestTime> ready_at() const override;
    u8 take(GuestTime now) override;

    std::string_view name() const override { return "keyboard"; }
    void serialize(Archive& ar) override;
    void reset() override;

  private:
    static constexpr std::size_t kBuffer = 16;
    static constexpr u8 kNoKey = 0xff;
    static_assert(kKeyCount <= kNoKey);

    struct State {
        std::deque<u8> replies;             // sent before any codes
        std::deque<u8> codes;
        u8 command = 0;                     // the command whose parameter comes next, 0: none
        u8 last_sent = 0;
        bool scanning = true;
        u8 set = 2;
        u8 leds = 0;
        u8 typematic = 0x2b;                // 10.9 a second after 500 ms
        u8 modifiers = 0;                   // which of Shift, Ctrl and Alt are down
        std::array<u8, 32> make_only{};     // set 3: a bit for each code that sends no break code
        u8 repeating = kNoKey;              // number of the Key
        GuestTime next_repeat{};            // 0: its code was not sent yet
    };

    void set_defaults();
    std::vector<u8> codes_for(Key key, bool down) const;            // in the present set
    void stop_repeating() { s_.repeating = kNoKey; }
    u64 delay_ns() const { return 250'000'000 * ((s_.typematic >> 5 & 3) + u64{1}); }
    u64 period_ns() const;
    void reply(std::initializer_list<u8> bytes) { s_.replies.insert(s_.replies.end(), bytes); }
    void run_command(u8 command);
    void take_parameter(u8 value);
    void set_make_only(u8 code, bool on);
    void send(const std::vector<u8>& codes);
    void note_modifier(Key key, bool down);
    std::vector<u8> set2_codes(Key key, bool down) const;
    std::vector<u8> set3_codes(Key key, bool down) const;

    State s_;
};

}  // namespace vmm
