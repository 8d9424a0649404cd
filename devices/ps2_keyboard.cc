// SPDX-License-Identifier: Apache-2.0
#include "devices/ps2_keyboard.h"

namespace vmm {
namespace {

enum Command : u8 {
    kSetLeds = 0xed, kEcho = 0xee, kScanCodeSet = 0xf0, kIdentify = 0xf2, kTypematic = 0xf3, kEnable = 0xf4, kDisable = 0xf5,
    kDefaults = 0xf6, kAllTypematic = 0xf7, kAllMakeBreak = 0xf8, kAllMake = 0xf9, kAllTypematicMakeBreak = 0xfa,
    kKeyTypematic = 0xfb, kKeyMakeBreak = 0xfc, kKeyMake = 0xfd, kResend = 0xfe, kReset = 0xff,
};
constexpr u8 kAck = 0xfa, kResendPlease = 0xfe, kSelfTestPassed = 0xaa;
constexpr u8 kBreak = 0xf0;

enum Modifier : u8 { kShiftL = 1, kShiftR = 2, kCtrlL = 4, kCtrlR = 8, kAltL = 16, kAltR = 32 };

// In set 3 only these send break codes before the system asks for more: Shift, Ctrl, Alt on the left, Shift right, Caps Lock.
constexpr u8 kSet3MakeBreak[] = {0x12, 0x59, 0x14, 0x11, 0x19};

u8 modifier_of(Key key) {
    switch (key) {
    case Key::k_shift: return kShiftL;
    case Key::k_shift_r: return kShiftR;
    case Key::k_ctrl: return kCtrlL;
    case Key::k_ctrl_r: return kCtrlR;
    case Key::k_alt: return kAltL;
    case Key::k_alt_r: return kAltR;
    default: return 0;
    }
}

}  // namespace

Ps2Keyboard::Ps2Keyboard() { set_defaults(); }

void Ps2Keyboard::serialize(Archive& ar) {
    VMM_FIELDS(ar, s_, replies, codes, command, last_sent, scanning, set, leds, typematic, modifiers, make_only, repeating, next_repeat);
    if (ar.loading() && s_.repeating != kNoKey && !valid_key(s_.repeating)) {
        ar.fail();
        s_ = State{};
    }
}

void Ps2Keyboard::reset() {
    const u8 modifiers = s_.modifiers;      // the fingers are where they were
    s_ = State{};
    s_.modifiers = modifiers;
    set_defaults();
    changed();
}

void Ps2Keyboard::set_defaults() {
    s_.codes.clear();
    stop_repeating();
    s_.set = 2;
    s_.typematic = State{}.typematic;
    s_.make_only.fill(0xff);
    for (const u8 code : kSet3MakeBreak) set_make_only(code, false);
}

void Ps2Keyboard::set_make_only(u8 code, bool on) {
    u8& byte = s_.make_only[code / 8];
    const u8 bit = static_cast<u8>(1u << code % 8);
    byte = static_cast<u8>(on ? byte | bit : byte & ~bit);
}

std::optional<GuestTime> Ps2Keyboard::ready_at() const {
    if (!s_.replies.empty() || !s_.codes.empty()) return GuestTime{};
    if (s_.repeating != kNoKey && s_.next_repeat != GuestTime{}) return s_.next_repeat;
    return std::nullopt;
}

// (8 + A) * 2^B * 4.17 ms, for bits 2-0 and 4-3.
u64 Ps2Keyboard::period_ns() const { return (8 + (s_.typematic & u64{7})) * (u64{1} << (s_.typematic >> 3 & 3)) * 4'170'000; }

u8 Ps2Keyboard::take(GuestTime now) {
    if (s_.replies.empty() && s_.codes.empty() && s_.repeating != kNoKey) {
        send(codes_for(static_cast<Key>(s_.repeating), true));
        s_.next_repeat = now + period_ns();
    }
    auto& from = s_.replies.empty() ? s_.codes : s_.replies;
    if (from.empty()) return 0;
    const u8 byte = from.front();
    from.pop_front();
    if (s_.codes.empty() && s_.repeating != kNoKey && s_.next_repeat == GuestTime{}) s_.next_repeat = now + delay_ns();
    if (byte != kResendPlease) s_.last_sent = byte;
    return byte;
}

void Ps2Keyboard::receive(u8 byte) {
    s_.replies.clear();                     // whatever was being said is over
    if (s_.command != 0 && byte < kSetLeds) {
        take_parameter(byte);
    } else {
        s_.command = 0;
        run_command(byte);
    }
    changed();
}

void Ps2Keyboard::run_command(u8 command) {
    switch (command) {
    case kSetLeds:
    case kScanCodeSet:
    case kTypematic:
    case kKeyTypematic:
    case kKeyMakeBreak:
    case kKeyMake:
        s_.command = command;
        return reply({kAck});
    case kEcho:
        return reply({kEcho});
    case kIdentify:
        return reply({kAck, 0xab, 0x83});
    case kEnable:
        s_.codes.clear();
        stop_repeating();
        s_.scanning = true;
        return reply({kAck});
    case kDisable:
        set_defaults();
        s_.scanning = false;
        return reply({kAck});
    case kDefaults:
        set_defaults();
        return reply({kAck});
    case kAllTypematic:
    case kAllMake:
        s_.make_only.fill(0xff);
        return reply({kAck});
    case kAllMakeBreak:
    case kAllTypematicMakeBreak:
        s_.make_only.fill(0);
        return reply({kAck});
    case kResend:
        return reply({s_.last_sent});
    case kReset:
        reset();
        return reply({kAck, kSelfTestPassed});
    default:
        return reply({kResendPlease});
    }
}

void Ps2Keyboard::take_parameter(u8 value) {
    const u8 command = s_.command;
    switch (command) {
    case kKeyTypematic:
    case kKeyMake:
    case kKeyMakeBreak:                     // a list, until the next command
        set_make_only(value, command != kKeyMakeBreak);
        return reply({kAck});
    case kSetLeds:
        s_.leds = value & 7;
        break;
    case kTypematic:
        s_.typematic = value & 0x7f;
        break;
    case kScanCodeSet:
        if (value > 3) {
            s_.command = 0;
            return reply({kResendPlease});
        }
        if (value != 0) {
            s_.codes.clear();
            stop_repeating();
            s_.set = value;
        }
        break;
    default:
        break;
    }
    s_.command = 0;
    reply({kAck});
    if (command == kScanCodeSet && value == 0) reply({s_.set});
}

void Ps2Keyboard::note_modifier(Key key, bool down) {
    const u8 bit = modifier_of(key);
    s_.modifiers = static_cast<u8>(down ? s_.modifiers | bit : s_.modifiers & ~bit);
}

void Ps2Keyboard::key(Key key, bool down) {
    note_modifier(key, down);
    if (!s_.scanning) return;
    if (down && s_.set != 3 && key != Key::k_pause) {
        s_.repeating = static_cast<u8>(key);
        s_.next_repeat = {};
    } else if (s_.repeating == static_cast<u8>(key)) {
        stop_repeating();
    }
    const std::vector<u8> codes = codes_for(key, down);
    if (codes.empty()) stop_repeating();        // a key without a code
    send(codes);
    changed();
}

std::vector<u8> Ps2Keyboard::codes_for(Key key, bool down) const {
    if (s_.set == 3) return set3_codes(key, down);
    std::vector<u8> codes = set2_codes(key, down);
    if (s_.set == 2) return codes;
    std::vector<u8> set1;
    u8 up = 0;
    for (const u8 code : codes) {
        if (code != kBreak) set1.push_back(translate_set2(code) | up);
        up = code == kBreak ? 0x80 : 0;
    }
    return set1;
}

// A key whose codes do not fit as a whole is lost, and the overrun code takes the seventeenth place.
void Ps2Keyboard::send(const std::vector<u8>& codes) {
    if (s_.codes.size() > kBuffer) return;
    if (s_.codes.size() + codes.size() <= kBuffer) s_.codes.insert(s_.codes.end(), codes.begin(), codes.end());
    else if (s_.codes.back() != (s_.set == 1 ? 0xff : 0x00)) s_.codes.push_back(s_.set == 1 ? 0xff : 0x00);
}

std::vector<u8> Ps2Keyboard::set2_codes(Key key, bool down) const {
    const bool shift_or_ctrl = (s_.modifiers & (kShiftL | kShiftR | kCtrlL | kCtrlR)) != 0;
    const bool alt = (s_.modifiers & (kAltL | kAltR)) != 0;
    switch (key) {
    case Key::k_print:
    case Key::k_sysrq:
        if (alt) return down ? std::vector<u8>{0x84} : std::vector<u8>{kBreak, 0x84};
        if (shift_or_ctrl) break;
        return down ? std::vector<u8>{0xe0, 0x12, 0xe0, 0x7c} : std::vector<u8>{0xe0, kBreak, 0x7c, 0xe0, kBreak, 0x12};
    case Key::k_pause:                      // says that it went up as soon as it went down
        if (!down) return {};
        if (s_.modifiers & (kCtrlL | kCtrlR)) return {0xe0, 0x7e, 0xe0, kBreak, 0x7e};
        return {0xe1, 0x14, 0x77, 0xe1, kBreak, 0x14, kBreak, 0x77};
    case Key::k_lang1:
    case Key::k_lang2:                      // these say only that they went down
        if (!down) return {};
        break;
    default:
        break;
    }
    const u16 code = codes_of(key).set2;
    if (code == 0) return {};
    std::vector<u8> codes;
    if (code > 0xff) codes.push_back(static_cast<u8>(code >> 8));
    if (!down) codes.push_back(kBreak);
    codes.push_back(static_cast<u8>(code));
    return codes;
}

std::vector<u8> Ps2Keyboard::set3_codes(Key key, bool down) const {
    const u8 code = codes_of(key).set3;
    if (code == 0) return {};
    if (down) return {code};
    if (s_.make_only[code / 8] >> code % 8 & 1) return {};
    return {kBreak, code};
}

}  // namespace vmm
