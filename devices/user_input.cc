// SPDX-License-Identifier: Apache-2.0
#include "devices/user_input.h"

#include <charconv>

#include "devices/ps2_mouse.h"
#include "devices/typist.h"

namespace vmm {
namespace {

constexpr std::size_t kPointerBytes = 14, kHoldBytes = 4;

void put(std::string& data, u32 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) data += static_cast<char>(value >> 8 * i);
}

u32 get(const std::string& data, std::size_t at, unsigned bytes) {
    u32 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= u32{static_cast<u8>(data[at + i])} << 8 * i;
    return value;
}

std::optional<Key> key_at(const std::string& data, std::size_t at) {
    const u8 number = static_cast<u8>(data[at]);
    return valid_key(number) ? std::optional(static_cast<Key>(number)) : std::nullopt;
}

struct Typed {
    char32_t plain, shifted;
    Key key;
};
constexpr Typed kSigns[] = {
    {'`', '~', Key::k_grave_accent}, {'1', '!', Key::k_1}, {'2', '@', Key::k_2}, {'3', '#', Key::k_3}, {'4', '$', Key::k_4},
    {'5', '%', Key::k_5}, {'6', '^', Key::k_6}, {'7', '&', Key::k_7}, {'8', '*', Key::k_8}, {'9', '(', Key::k_9}, {'0', ')', Key::k_0},
    {'-', '_', Key::k_minus}, {'=', '+', Key::k_equal}, {'[', '{', Key::k_bracket_left}, {']', '}', Key::k_bracket_right},
    {'\\', '|', Key::k_backslash}, {';', ':', Key::k_semicolon}, {'\'', '"', Key::k_apostrophe}, {',', '<', Key::k_comma},
    {'.', '>', Key::k_dot}, {'/', '?', Key::k_slash},
    // Shift changes nothing in these: found by the first column.
    {' ', ' ', Key::k_spc}, {'\n', '\n', Key::k_ret}, {'\r', '\r', Key::k_ret}, {'\t', '\t', Key::k_tab},
    {'\b', '\b', Key::k_backspace}, {0x7f, 0x7f, Key::k_backspace}, {0x1b, 0x1b, Key::k_esc},
};

}  // namespace

Input key_event(Key key, bool down) {
    Input input{InputKind::Key, kKeyEvent, {}};
    put(input.data, static_cast<u8>(key), 1);
    put(input.data, down ? 1 : 0, 1);
    return input;
}

Input key_chord(std::span<const Key> keys, u32 hold_ms) {
    Input input{InputKind::Key, kKeyChord, {}};
    put(input.data, hold_ms, kHoldBytes);
    for (const Key k : keys) put(input.data, static_cast<u8>(k), 1);
    return input;
}

Input mouse_event(i32 dx, i32 dy, i32 wheel, u8 changed, u8 down) {
    Input input{InputKind::Pointer, 0, {}};
    for (const i32 v : {dx, dy, wheel}) put(input.data, static_cast<u32>(v), 4);
    put(input.data, changed, 1);
    put(input.data, down, 1);
    return input;
}

Result<std::vector<Key>> parse_chord(std::string_view text) {
    std::vector<Key> keys;
    for (;;) {
        const std::string_view name = text.substr(0, text.find('-'));
        std::optional<Key> key = key_by_name(name);
        if (!key && name.starts_with("0x")) {
            u8 number = 0;
            const auto r = std::from_chars(name.data() + 2, name.data() + name.size(), number, 16);
            if (r.ec == std::errc{} && r.ptr == name.data() + name.size()) key = key_by_number(number);
        }
        if (name == "<") key = Key::k_less;
        if (!key) return Error{"there is no key '" + std::string(name) + "'"};
        keys.push_back(*key);
        if (name.size() == text.size()) break;
        text.remove_prefix(name.size() + 1);
    }
    if (keys.size() > Typist::kMaxKeys) return Error{"at most " + std::to_string(Typist::kMaxKeys) + " keys at once"};
    return keys;
}

Result<Input> sendkey(std::string_view text, u32 hold_ms) {
    const auto keys = parse_chord(text);
    if (!keys) return keys.error();
    return key_chord(*keys, hold_ms);
}

std::optional<std::vector<Key>> keys_for(char32_t c) {
    for (const Typed& t : kSigns) {
        if (c == t.plain) return std::vector{t.key};
        if (c == t.shifted) return std::vector{Key::k_shift, t.key};
    }
    const auto letter = [](char32_t l) {
        const char name = static_cast<char>(l);
        return *key_by_name({&name, 1});
    };
    if (c >= 'a' && c <= 'z') return std::vector{letter(c)};
    if (c >= 'A' && c <= 'Z') return std::vector{Key::k_shift, letter(c - 'A' + 'a')};
    if (c >= 1 && c <= 26) return std::vector{Key::k_ctrl, letter(c - 1 + 'a')};
    if (c >= 0x1c && c <= 0x1f) {
        constexpr Key kControl[] = {Key::k_backslash, Key::k_bracket_right, Key::k_6, Key::k_minus};
        if (c == 0x1e || c == 0x1f) return std::vector{Key::k_ctrl, Key::k_shift, kControl[c - 0x1c]};
        return std::vector{Key::k_ctrl, kControl[c - 0x1c]};
    }
    return std::nullopt;
}

std::string describe_user_input(const Input& input) {
    const auto& d = input.data;
    const auto name = [&d](std::size_t at) {
        const auto key = key_at(d, at);
        return key ? std::string(codes_of(*key).name) : "?";
    };
    if (input.kind == InputKind::Key && input.target == kKeyEvent && d.size() == 2) return name(0) + (d[1] != 0 ? " down" : " up");
    if (input.kind == InputKind::Key && input.target == kKeyChord && d.size() > kHoldBytes) {
        std::string out = name(kHoldBytes);
        for (std::size_t at = kHoldBytes + 1; at < d.size(); ++at) out += "-" + name(at);
        return out + " for " + std::to_string(get(d, 0, kHoldBytes)) + " ms";
    }
    if (input.kind == InputKind::Pointer && d.size() == kPointerBytes) {
        const auto number = [&d](std::size_t at) { return std::to_string(static_cast<i32>(get(d, at, 4))); };
        std::string out = "right " + number(0) + ", down " + number(4) + ", wheel " + number(8);
        if (d[12] != 0) out += ", buttons " + std::to_string(get(d, 13, 1)) + " of " + std::to_string(get(d, 12, 1));
        return out;
    }
    return {};
}

void apply_key(const Input& input, Ps2Keyboard& keyboard) {
    if (input.data.size() != 2) return;
    if (const auto key = key_at(input.data, 0)) keyboard.key(*key, input.data[1] != 0);
}

void apply_chord(const Input& input, Typist& typist) {
    if (input.data.size() <= kHoldBytes) return;
    std::vector<Key> keys;
    for (std::size_t at = kHoldBytes; at < input.data.size(); ++at) {
        const auto key = key_at(input.data, at);
        if (!key) return;
        keys.push_back(*key);
    }
    typist.type(keys, u64{get(input.data, 0, kHoldBytes)} * 1'000'000);
}

void apply_pointer(const Input& input, Ps2Mouse& mouse) {
    const auto& d = input.data;
    if (d.size() != kPointerBytes) return;
    const auto number = [&d](std::size_t at) { return static_cast<i32>(get(d, at, 4)); };
    const u8 changed = static_cast<u8>(d[12]), down = static_cast<u8>(d[13]);
    mouse.move(number(0), number(4), number(8), static_cast<u8>((mouse.buttons() & ~changed) | (down & changed)));
}

}  // namespace vmm
