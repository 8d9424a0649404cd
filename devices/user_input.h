// SPDX-License-Identifier: Apache-2.0
// What a user does at the keyboard and the mouse, as inputs of a machine: made by displays and monitors on any thread, posted
// to its Inbox, and applied by the board to the PS/2 devices.
//
//     auto input = sendkey("ctrl-alt-delete");        // monitor: sendkey
//     if (!input) print(input.error().text);
//     else machine.inbox().post(*input);
//     machine.inbox().post(mouse_move(10, -5, 0));    // monitor: mouse_move dx dy [dz]
//     machine.inbox().post(mouse_buttons(1));         // monitor: mouse_button 1
//
// The layout of Input::data is in docs/recording-format.md, "Keyboard and mouse". What does not fit it is ignored when applied.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "devices/keys.h"
#include "vmm/inbox.h"
#include "vmm/result.h"

namespace vmm {

class Ps2Keyboard;
class Ps2Mouse;
class Typist;

inline constexpr u32 kHoldMs = 100;                                    // how long `sendkey` holds keys unless told

// --- keyboard
Input key_event(Key key, bool down);                                   // one key goes down or up, now
Input key_chord(std::span<const Key> keys, u32 hold_ms = kHoldMs);     // pressed in order, held, released in reverse; after earlier ones
// "ctrl-alt-f1": names of devices/keys.h, or numbers (0x1e: set 1, bit 7 for a prefix), joined by '-'.
Result<std::vector<Key>> parse_chord(std::string_view text);
Result<Input> sendkey(std::string_view text, u32 hold_ms = kHoldMs);
// The chord that types a character on a US keyboard: letters, digits, signs, space, \n, \t, \b, escape, and control characters.
std::optional<std::vector<Key>> keys_for(char32_t character);

// --- mouse; buttons as in Ps2Mouse::Button: 1 left, 2 right, 4 middle, 8 side, 16 extra
Input mouse_event(i32 dx, i32 dy, i32 wheel, u8 changed, u8 down);     // of the buttons in `changed`, those in `down` are down now
inline Input mouse_move(i32 dx, i32 dy, i32 wheel) { return mouse_event(dx, dy, wheel, 0, 0); }
inline Input mouse_buttons(u8 down) { return mouse_event(0, 0, 0, 0xff, down); }

// For people: "ctrl-alt-f1 for 100 ms", "a down", "right 10, down -5, wheel 0"; nothing for other inputs.
std::string describe_user_input(const Input& input);

// --- the machine's side
void apply_key(const Input& input, Ps2Keyboard& keyboard);
void apply_chord(const Input& input, Typist& typist);
void apply_pointer(const Input& input, Ps2Mouse& mouse);

inline constexpr u8 kKeyEvent = 0, kKeyChord = 1;                      // targets of InputKind::Key

}  // namespace vmm
