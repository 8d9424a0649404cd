// SPDX-License-Identifier: Apache-2.0
// A PS/2 keyboard with 101 to 106 keys and the usual extra ones.
//
// Done: scan-code sets 1, 2 and 3, all commands, the buffer of 16 bytes with its overrun code, Print Screen, System Request
// and Pause in their several forms. Missing: repeating by itself (a display that repeats sends further presses; rate and
// delay are kept), and the shift codes that sets 1 and 2 wrap around the grey keys under Shift and Num Lock.
// Time: none; replies and codes are ready at once, the self test included. The controller paces them.
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
    };

    void set_defaults();
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
