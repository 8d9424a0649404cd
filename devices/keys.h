// SPDX-License-Identifier: Apache-2.0
// The keys of a PC keyboard: the names that QEMU's `sendkey` and `input-send-event` know them by, and their scan codes.
//
// Set 1 is not in the table: it is set 2 as the 8042 translates it, on IBM's keyboards as well. A Key's number goes into
// recordings: add new keys at the end and never renumber.
// Documents: IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and 102-key)"; Microsoft "Keyboard Scan Code
// Specification" 1.3a (application, multimedia and power keys).
#pragma once

#include <optional>
#include <string_view>

#include "vmm/types.h"

namespace vmm {

// X(name, scan code of set 2 (E0xx: prefixed), scan code of set 3); 0: the key has none there.
#define VMM_KEYS(X)                                                                                                      \
    X(shift, 0x12, 0x12) X(shift_r, 0x59, 0x59) X(alt, 0x11, 0x19) X(alt_r, 0xe011, 0x39)                                \
    X(ctrl, 0x14, 0x11) X(ctrl_r, 0xe014, 0x58) X(menu, 0xe02f, 0x8d) X(esc, 0x76, 0x08)                                 \
    X(1, 0x16, 0x16) X(2, 0x1e, 0x1e) X(3, 0x26, 0x26) X(4, 0x25, 0x25) X(5, 0x2e, 0x2e)                                 \
    X(6, 0x36, 0x36) X(7, 0x3d, 0x3d) X(8, 0x3e, 0x3e) X(9, 0x46, 0x46) X(0, 0x45, 0x45)                                 \
    X(minus, 0x4e, 0x4e) X(equal, 0x55, 0x55) X(backspace, 0x66, 0x66) X(tab, 0x0d, 0x0d)                                \
    X(q, 0x15, 0x15) X(w, 0x1d, 0x1d) X(e, 0x24, 0x24) X(r, 0x2d, 0x2d) X(t, 0x2c, 0x2c)                                 \
    X(y, 0x35, 0x35) X(u, 0x3c, 0x3c) X(i, 0x43, 0x43) X(o, 0x44, 0x44) X(p, 0x4d, 0x4d)                                 \
    X(bracket_left, 0x54, 0x54) X(bracket_right, 0x5b, 0x5b) X(ret, 0x5a, 0x5a)                                          \
    X(a, 0x1c, 0x1c) X(s, 0x1b, 0x1b) X(d, 0x23, 0x23) X(f, 0x2b, 0x2b) X(g, 0x34, 0x34)                                 \
    X(h, 0x33, 0x33) X(j, 0x3b, 0x3b) X(k, 0x42, 0x42) X(l, 0x4b, 0x4b)                                                  \
    X(semicolon, 0x4c, 0x4c) X(apostrophe, 0x52, 0x52) X(grave_accent, 0x0e, 0x0e) X(backslash, 0x5d, 0x5c)              \
    X(z, 0x1a, 0x1a) X(x, 0x22, 0x22) X(c, 0x21, 0x21) X(v, 0x2a, 0x2a) X(b, 0x32, 0x32) X(n, 0x31, 0x31)                \
    X(m, 0x3a, 0x3a) X(comma, 0x41, 0x41) X(dot, 0x49, 0x49) X(slash, 0x4a, 0x4a)                                        \
    X(asterisk, 0x7c, 0x7e) X(spc, 0x29, 0x29) X(caps_lock, 0x58, 0x14)                                                  \
    X(f1, 0x05, 0x07) X(f2, 0x06, 0x0f) X(f3, 0x04, 0x17) X(f4, 0x0c, 0x1f) X(f5, 0x03, 0x27) X(f6, 0x0b, 0x2f)          \
    X(f7, 0x83, 0x37) X(f8, 0x0a, 0x3f) X(f9, 0x01, 0x47) X(f10, 0x09, 0x4f)                                             \
    X(num_lock, 0x77, 0x76) X(scroll_lock, 0x7e, 0x5f)                                                                   \
    X(kp_divide, 0xe04a, 0x77) X(kp_multiply, 0x7c, 0x7e) X(kp_subtract, 0x7b, 0x84) X(kp_add, 0x79, 0x7c)               \
    X(kp_enter, 0xe05a, 0x79) X(kp_decimal, 0x71, 0x71) X(sysrq, 0xe07c, 0x57)                                           \
    X(kp_0, 0x70, 0x70) X(kp_1, 0x69, 0x69) X(kp_2, 0x72, 0x72) X(kp_3, 0x7a, 0x7a) X(kp_4, 0x6b, 0x6b)                  \
    X(kp_5, 0x73, 0x73) X(kp_6, 0x74, 0x74) X(kp_7, 0x6c, 0x6c) X(kp_8, 0x75, 0x75) X(kp_9, 0x7d, 0x7d)                  \
    X(less, 0x61, 0x13) X(f11, 0x78, 0x56) X(f12, 0x07, 0x5e) X(print, 0xe07c, 0x57)                                     \
    X(home, 0xe06c, 0x6e) X(pgup, 0xe07d, 0x6f) X(pgdn, 0xe07a, 0x6d) X(end, 0xe069, 0x65)                               \
    X(left, 0xe06b, 0x61) X(up, 0xe075, 0x63) X(down, 0xe072, 0x60) X(right, 0xe074, 0x6a)                               \
    X(insert, 0xe070, 0x67) X(delete, 0xe071, 0x64)                                                                      \
    X(stop, 0, 0) X(again, 0, 0) X(props, 0, 0) X(undo, 0, 0) X(front, 0, 0) X(copy, 0, 0) X(open, 0, 0)                 \
    X(paste, 0, 0) X(find, 0, 0) X(cut, 0, 0) X(lf, 0, 0) X(help, 0, 0)                                                  \
    X(meta_l, 0xe01f, 0x8b) X(meta_r, 0xe027, 0x8c) X(compose, 0xe02f, 0x8d) X(pause, 0xe177, 0x62)                      \
    X(ro, 0x51, 0x51) X(hiragana, 0x13, 0x87) X(henkan, 0x64, 0x86) X(yen, 0x6a, 0x5d) X(muhenkan, 0x67, 0x85)           \
    X(katakanahiragana, 0x13, 0x87) X(kp_comma, 0x6d, 0) X(kp_equals, 0x0f, 0)                                           \
    X(power, 0xe037, 0) X(sleep, 0xe03f, 0) X(wake, 0xe05e, 0)                                                           \
    X(audionext, 0xe04d, 0) X(audioprev, 0xe015, 0) X(audiostop, 0xe03b, 0) X(audioplay, 0xe034, 0)                      \
    X(audiomute, 0xe023, 0) X(volumeup, 0xe032, 0) X(volumedown, 0xe021, 0) X(mediaselect, 0xe050, 0)                    \
    X(mail, 0xe048, 0) X(calculator, 0xe02b, 0) X(computer, 0xe040, 0) X(ac_home, 0xe03a, 0)                             \
    X(ac_back, 0xe038, 0) X(ac_forward, 0xe030, 0) X(ac_refresh, 0xe020, 0) X(ac_bookmarks, 0xe018, 0)                   \
    X(lang1, 0xf2, 0) X(lang2, 0xf1, 0)                                                                                  \
    X(f13, 0x08, 0) X(f14, 0x10, 0) X(f15, 0x18, 0) X(f16, 0x20, 0) X(f17, 0x28, 0) X(f18, 0x30, 0)                      \
    X(f19, 0x38, 0) X(f20, 0x40, 0) X(f21, 0x48, 0) X(f22, 0x50, 0) X(f23, 0x57, 0) X(f24, 0x5f, 0)

enum class Key : u8 {
#define X(name, set2, set3) k_##name,
    VMM_KEYS(X)
#undef X
};

#define X(name, set2, set3) +1
inline constexpr std::size_t kKeyCount = 0 VMM_KEYS(X);
#undef X

struct KeyCodes {
    std::string_view name;
    u16 set2;
    u8 set3;
};

const KeyCodes& codes_of(Key key);                          // `key` from outside: check valid_key() first
constexpr bool valid_key(u8 number) { return number < kKeyCount; }
std::optional<Key> key_by_name(std::string_view name);      // "a", "ret", "ctrl", "f1", ...
// By the number that `sendkey 0x..` takes: the set-1 make code, with bit 7 set for a prefixed one.
std::optional<Key> key_by_number(u8 number);

// What the 8042 makes of a byte of set 2 (a make code or a reply); F0 is not for it.
u8 translate_set2(u8 code);

}  // namespace vmm
