// SPDX-License-Identifier: Apache-2.0
// A PS/2 mouse: three buttons; with a wheel or with five buttons once the system has knocked for them.
//
// Done: stream, remote and wrap mode, sample rate, resolution and 2:1 scaling, status, the knocks of IntelliMouse (200, 100,
// 80) and IntelliMouse Explorer (200, 200, 80). Motion that does not fit into one packet goes into the next, so no packet
// shows an overflow; a press and release between two samples make two packets. Missing: the resolution does not scale the
// motion (a count is what the display calls one), as no host knows millimetres.
// Time: packets follow one another at the sample rate in guest time; replies are ready at once, the self test included.
// Documents: IBM PS/2 Hardware Interface Technical Reference, "Mouse"; Microsoft "IntelliMouse Explorer PS/2 protocol".
#pragma once

#include <array>
#include <deque>
#include <initializer_list>
#include <vector>

#include "devices/ps2_device.h"
#include "vmm/clock.h"
#include "vmm/device.h"

namespace vmm {

class Ps2Mouse final : public Device, public Ps2Device {
  public:
    enum Button : u8 { kLeft = 1, kRight = 2, kMiddle = 4, kSide = 8, kExtra = 16 };

    Ps2Mouse() = default;

    // Motion since the last call, as on a screen: x to the right, y down, wheel towards the user. `buttons`: those down now.
    void move(i32 dx, i32 dy, i32 wheel, u8 buttons);
    u8 buttons() const { return s_.buttons; }
    bool listening() const { return s_.reporting && !s_.remote; }

    void receive(u8 byte) override;
    std::optional<GuestTime> ready_at() const override;
    u8 take(GuestTime now) override;

    std::string_view name() const override { return "mouse"; }
    void serialize(Archive& ar) override;
    void reset() override;

  private:
    struct State {
        std::deque<u8> queue;               // replies and packets
        std::vector<u8> last;               // the reply or packet before, for Resend
        u8 command = 0;                     // the command whose parameter comes next, 0: none
        u8 id = 0;
        std::array<u8, 2> rates{};          // the last two sample rates set: a knock has three
        u8 rate = 100;
        u8 resolution = 2;
        bool scaling = false;
        bool remote = false;
        bool wrap = false;
        bool reporting = false;
        i32 dx = 0;                         // counts not yet reported; up is positive from here on
        i32 dy = 0;
        i32 wheel = 0;
        u8 buttons = 0;
        u8 reported_buttons = 0;
        GuestTime next_sample{};
    };

    void set_defaults();
    void forget_motion() { s_.dx = s_.dy = s_.wheel = 0; }
    void send(std::vector<u8> bytes);
    void run_command(u8 command);
    void take_parameter(u8 value);
    void set_rate(u8 rate);
    std::vector<u8> packet(bool scaled);
    bool news() const { return s_.dx != 0 || s_.dy != 0 || s_.wheel != 0 || s_.buttons != s_.reported_buttons; }

    State s_;
};

}  // namespace vmm
