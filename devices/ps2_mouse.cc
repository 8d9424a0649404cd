// SPDX-License-Identifier: Apache-2.0
#include "devices/ps2_mouse.h"

#include <algorithm>

namespace vmm {
namespace {

enum Command : u8 {
    kScaling1 = 0xe6, kScaling2 = 0xe7, kResolution = 0xe8, kStatus = 0xe9, kStream = 0xea, kReadData = 0xeb, kUnwrap = 0xec,
    kWrap = 0xee, kRemote = 0xf0, kIdentify = 0xf2, kSampleRate = 0xf3, kEnable = 0xf4, kDisable = 0xf5, kDefaults = 0xf6,
    kResend = 0xfe, kReset = 0xff,
};
constexpr u8 kAck = 0xfa, kResendPlease = 0xfe, kSelfTestPassed = 0xaa;
constexpr u8 kIdWheel = 3, kIdFiveButtons = 4;
constexpr u8 kPacketAlways1 = 0x08, kPacketXNegative = 0x10, kPacketYNegative = 0x20;
constexpr u8 kThreeButtons = Ps2Mouse::kLeft | Ps2Mouse::kRight | Ps2Mouse::kMiddle;
constexpr u8 kFiveButtons = kThreeButtons | Ps2Mouse::kSide | Ps2Mouse::kExtra;
constexpr u8 kRates[] = {10, 20, 40, 60, 80, 100, 200};
constexpr std::size_t kQueueLimit = 32;         // bytes; beyond that, presses merge into one packet
constexpr i32 kFarthest = 1 << 20;

i32 add(i32 a, i64 b) { return static_cast<i32>(std::clamp<i64>(a + b, -kFarthest, kFarthest)); }

// Takes as much of `value` as one packet can say.
i32 portion(i32& value, i32 low, i32 high) {
    const i32 part = std::clamp(value, low, high);
    value -= part;
    return part;
}

// 2:1 scaling: small counts by table, from six on twice as far.
i32 scale(i32 n) {
    static constexpr i32 kSmall[] = {0, 1, 1, 3, 6, 9};
    const i32 size = n < 0 ? -n : n;
    const i32 scaled = size < 6 ? kSmall[size] : 2 * size;
    return std::clamp(n < 0 ? -scaled : scaled, -256, 255);
}

}  // namespace

void Ps2Mouse::serialize(Archive& ar) {
    VMM_FIELDS(ar, s_, queue, last, command, id, rates, rate, resolution, scaling, remote, wrap, reporting, dx, dy, wheel,
               buttons, reported_buttons, next_sample);
    if (!ar.loading()) return;
    if (std::find(std::begin(kRates), std::end(kRates), s_.rate) == std::end(kRates)) {
        ar.fail();
        s_ = State{};
    }
}

void Ps2Mouse::reset() {
    const u8 buttons = s_.buttons;
    s_ = State{};
    s_.buttons = s_.reported_buttons = buttons;
    changed();
}

void Ps2Mouse::set_defaults() {
    s_.rate = 100;
    s_.resolution = 2;
    s_.scaling = s_.remote = s_.wrap = s_.reporting = false;
    forget_motion();
}

void Ps2Mouse::move(i32 dx, i32 dy, i32 wheel, u8 buttons) {
    buttons &= kFiveButtons;
    if (s_.reporting || s_.remote) {
        const bool unreported = s_.buttons != s_.reported_buttons;
        if (listening() && unreported && buttons != s_.buttons && s_.queue.size() < kQueueLimit) send(packet(true));
        s_.dx = add(s_.dx, dx);
        s_.dy = add(s_.dy, -i64{dy});
        s_.wheel = add(s_.wheel, wheel);
    }
    s_.buttons = buttons;
    changed();
}

std::optional<GuestTime> Ps2Mouse::ready_at() const {
    if (!s_.queue.empty()) return GuestTime{};
    if (listening() && !s_.wrap && news()) return s_.next_sample;
    return std::nullopt;
}

u8 Ps2Mouse::take(GuestTime now) {
    if (s_.queue.empty()) {
        send(packet(true));
        s_.next_sample = now + 1'000'000'000 / s_.rate;
    }
    const u8 byte = s_.queue.front();
    s_.queue.pop_front();
    return byte;
}

std::vector<u8> Ps2Mouse::packet(bool scaled) {
    i32 dx = portion(s_.dx, -256, 255);
    i32 dy = portion(s_.dy, -256, 255);
    if (scaled && s_.scaling) {
        dx = scale(dx);
        dy = scale(dy);
    }
    s_.reported_buttons = s_.buttons;
    std::vector<u8> bytes = {
        static_cast<u8>(kPacketAlways1 | (s_.buttons & kThreeButtons) | (dx < 0 ? kPacketXNegative : 0) | (dy < 0 ? kPacketYNegative : 0)),
        static_cast<u8>(dx), static_cast<u8>(dy)};
    const i32 wheel = portion(s_.wheel, -8, 7);
    if (s_.id == kIdWheel) bytes.push_back(static_cast<u8>(wheel));
    if (s_.id == kIdFiveButtons) bytes.push_back(static_cast<u8>((wheel & 0x0f) | (s_.buttons & (kSide | kExtra)) << 1));
    return bytes;
}

void Ps2Mouse::send(std::vector<u8> bytes) {
    s_.queue.insert(s_.queue.end(), bytes.begin(), bytes.end());
    s_.last = std::move(bytes);
}

void Ps2Mouse::receive(u8 byte) {
    s_.queue.clear();                       // a packet that was under way is given up
    if (s_.wrap && byte != kUnwrap && byte != kReset) {
        send({byte});
    } else if (s_.command != 0) {
        take_parameter(byte);
    } else {
        run_command(byte);
    }
    changed();
}

void Ps2Mouse::run_command(u8 command) {
    switch (command) {
    case kScaling1:
    case kScaling2:
        s_.scaling = command == kScaling2;
        return send({kAck});
    case kResolution:
    case kSampleRate:
        s_.command = command;
        return send({kAck});
    case kStatus: {
        const u8 status = static_cast<u8>((s_.remote ? 0x40 : 0) | (s_.reporting ? 0x20 : 0) | (s_.scaling ? 0x10 : 0) |
                                          (s_.buttons & kLeft ? 4 : 0) | (s_.buttons & kMiddle ? 2 : 0) | (s_.buttons & kRight ? 1 : 0));
        return send({kAck, status, s_.resolution, s_.rate});
    }
    case kStream:
    case kRemote:
        s_.remote = command == kRemote;
        forget_motion();
        return send({kAck});
    case kReadData: {
        std::vector<u8> bytes = packet(false);
        bytes.insert(bytes.begin(), kAck);
        return send(std::move(bytes));
    }
    case kUnwrap:
    case kWrap:
        s_.wrap = command == kWrap;
        forget_motion();
        return send({kAck});
    case kIdentify:
        return send({kAck, s_.id});
    case kEnable:
    case kDisable:
        s_.reporting = command == kEnable;
        s_.reported_buttons = s_.buttons;
        forget_motion();
        return send({kAck});
    case kDefaults:
        set_defaults();
        return send({kAck});
    case kResend:
        return send(s_.last);
    case kReset:
        set_defaults();
        s_.command = 0;
        s_.id = 0;
        s_.rates = {};
        return send({kAck, kSelfTestPassed, s_.id});
    default:
        return send({kResendPlease});
    }
}

void Ps2Mouse::take_parameter(u8 value) {
    const u8 command = s_.command;
    s_.command = 0;
    if (command == kReset || value == kReset) return run_command(kReset);
    if (command == kResolution) {
        if (value > 3) return send({kResendPlease});
        s_.resolution = value;
    } else {
        if (std::find(std::begin(kRates), std::end(kRates), value) == std::end(kRates)) return send({kResendPlease});
        set_rate(value);
    }
    send({kAck});
}

void Ps2Mouse::set_rate(u8 rate) {
    s_.rate = rate;
    if (s_.rates == std::array<u8, 2>{200, 100} && rate == 80) s_.id = kIdWheel;
    if (s_.rates == std::array<u8, 2>{200, 200} && rate == 80) s_.id = kIdFiveButtons;
    s_.rates = {s_.rates[1], rate};
}

}  // namespace vmm
