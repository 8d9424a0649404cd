// SPDX-License-Identifier: Apache-2.0
#include "devices/i8042.h"

#include <algorithm>

#include "devices/keys.h"

namespace vmm {
namespace {

constexpr u8 kStatusObf = 0x01, kStatusSys = 0x04, kStatusCommand = 0x08, kStatusUnlocked = 0x10, kStatusMouse = 0x20;
constexpr u8 kIrq1Enable = 0x01, kIrq12Enable = 0x02, kSys = 0x04, kKeyboardOff = 0x10, kMouseOff = 0x20, kTranslate = 0x40;
constexpr u8 kOutNotReset = 0x01, kOutA20 = 0x02, kOutIrq1 = 0x10, kOutIrq12 = 0x20, kOutIdleLines = 0xcc;
constexpr u8 kInputNotInhibited = 0x80;

enum Command : u8 {
    kReadRam = 0x20, kWriteRam = 0x60, kTestPassword = 0xa4, kDisableMouse = 0xa7, kEnableMouse = 0xa8, kTestMouse = 0xa9,
    kSelfTest = 0xaa, kTestKeyboard = 0xab, kDisableKeyboard = 0xad, kEnableKeyboard = 0xae, kReadInputPort = 0xc0,
    kReadOutputPort = 0xd0, kWriteOutputPort = 0xd1, kWriteOutput = 0xd2, kWriteMouseOutput = 0xd3, kWriteMouse = 0xd4,
    kDisableA20 = 0xdd, kEnableA20 = 0xdf, kReadTestInputs = 0xe0, kPulse = 0xf0,
};
constexpr u8 kNoPassword = 0xf1, kSelfTestPassed = 0x55;
constexpr u8 kBreak = 0xf0;
constexpr u64 kByteGapNs = 50'000;

}  // namespace

I8042::I8042(IoBus& ports, Timers& timers, Wires wires, Ps2Device& keyboard, Ps2Device& mouse)
    : wires_(std::move(wires)), keyboard_(keyboard), mouse_(mouse), timer_(timers, TimerId::Keyboard, [this](GuestTime) { pump(); }) {
    keyboard_.connect([this] { pump(); });
    mouse_.connect([this] { pump(); });
    ports.map("i8042", 0x60, 1, {.read = [this](u32, unsigned) -> u32 { return read_data(); },
                                 .write = [this](u32, unsigned, u32 v) { write_data(static_cast<u8>(v)); }});
    ports.map("i8042", 0x64, 1, {.read = [this](u32, unsigned) -> u32 { return status(); },
                                 .write = [this](u32, unsigned, u32 v) { write_command(static_cast<u8>(v)); }});
}

void I8042::serialize(Archive& ar) {
    VMM_FIELDS(ar, s_, ram, command, last_write_was_command, output, source, reply, reply_source, a20, break_prefix, next_byte);
    if (ar.loading() && (s_.source > Source::Mouse || s_.reply_source > Source::Mouse)) {
        ar.fail();
        s_ = State{};
    }
}

void I8042::reset() {
    s_ = State{};
    wires_.a20.set(true);
    pump();
}

u8 I8042::status() const {
    return static_cast<u8>(kStatusUnlocked | (full() ? kStatusObf : 0) | (command_byte() & kSys ? kStatusSys : 0) |
                           (s_.last_write_was_command ? kStatusCommand : 0) | (holds_mouse_byte() ? kStatusMouse : 0));
}

u8 I8042::read_data() {
    if (s_.source == Source::Keyboard || s_.source == Source::Mouse) s_.next_byte = timer_.now() + kByteGapNs;
    const u8 value = s_.output;
    s_.source = Source::None;
    update_irqs();                          // the line falls before the next byte raises it
    pump();
    return value;
}

void I8042::update_irqs() {
    const bool mouse = holds_mouse_byte();
    wires_.irq1.set(full() && !mouse && (command_byte() & kIrq1Enable));
    wires_.irq12.set(full() && mouse && (command_byte() & kIrq12Enable));
}

// Fills the output buffer if it is empty and someone has a byte; otherwise sees to it that we look again in time.
void I8042::pump() {
    while (!full() && fetch()) {}
    update_irqs();
}

bool I8042::fetch() {
    if (s_.reply_source != Source::None) {
        s_.output = s_.reply;
        s_.source = s_.reply_source;
        s_.reply_source = Source::None;
        return true;
    }
    const GuestTime now = timer_.now();
    const auto at = [this](const Ps2Device& device, u8 off) -> std::optional<GuestTime> {
        if (command_byte() & off) return std::nullopt;
        const auto ready = device.ready_at();
        return ready ? std::optional(std::max(*ready, s_.next_byte)) : std::nullopt;
    };
    const auto keyboard = at(keyboard_, kKeyboardOff), mouse = at(mouse_, kMouseOff);
    if (keyboard && *keyboard <= now) {
        u8 byte = keyboard_.take(now);
        if (command_byte() & kTranslate) {
            if (byte == kBreak) {
                s_.break_prefix = true;
                return true;
            }
            byte = static_cast<u8>(translate_set2(byte) | (s_.break_prefix ? 0x80 : 0));
            s_.break_prefix = false;
        }
        s_.output = byte;
        s_.source = Source::Keyboard;
        return true;
    }
    if (mouse && *mouse <= now) {
        s_.output = mouse_.take(now);
        s_.source = Source::Mouse;
        return true;
    }
    if (keyboard || mouse) timer_.arm(keyboard && mouse ? std::min(*keyboard, *mouse) : keyboard ? *keyboard : *mouse);
    else timer_.cancel();
    return false;
}

void I8042::reply(u8 value, Source source) {
    s_.reply = value;
    s_.reply_source = source;
}

void I8042::write_data(u8 value) {
    s_.last_write_was_command = false;
    const u8 command = s_.command;
    s_.command = 0;
    if (command != 0) {
        take_parameter(command, value);
    } else {
        s_.ram[0] = static_cast<u8>(s_.ram[0] & ~kKeyboardOff);     // sending enables the port
        keyboard_.receive(value);
    }
    pump();
}

void I8042::take_parameter(u8 command, u8 value) {
    switch (command) {
    case kWriteOutputPort: return set_output_port(value);
    case kWriteOutput: return reply(value);
    case kWriteMouseOutput: return reply(value, Source::ControllerAsMouse);
    case kWriteMouse:
        s_.ram[0] = static_cast<u8>(s_.ram[0] & ~kMouseOff);
        return mouse_.receive(value);
    default:
        s_.ram[command & 0x1f] = value;
        s_.break_prefix = false;
    }
}

void I8042::set_output_port(u8 value) {
    s_.a20 = (value & kOutA20) != 0;
    wires_.a20.set(s_.a20);
    if (!(value & kOutNotReset)) wires_.reset.pulse();
}

void I8042::write_command(u8 value) {
    s_.last_write_was_command = true;
    s_.command = 0;
    switch (value) {
    case kTestPassword: reply(kNoPassword); break;
    case kDisableMouse: s_.ram[0] |= kMouseOff; break;
    case kEnableMouse: s_.ram[0] = static_cast<u8>(s_.ram[0] & ~kMouseOff); break;
    case kDisableKeyboard: s_.ram[0] |= kKeyboardOff; break;
    case kEnableKeyboard: s_.ram[0] = static_cast<u8>(s_.ram[0] & ~kKeyboardOff); break;
    case kTestMouse:
    case kTestKeyboard:
    case kReadTestInputs: reply(0x00); break;
    case kSelfTest:
        s_.ram[0] |= kSys;
        reply(kSelfTestPassed);
        break;
    case kReadInputPort: reply(kInputNotInhibited); break;
    case kReadOutputPort: {
        const bool irq1 = full() && !holds_mouse_byte(), irq12 = holds_mouse_byte();
        reply(static_cast<u8>(kOutIdleLines | kOutNotReset | (s_.a20 ? kOutA20 : 0) | (irq1 ? kOutIrq1 : 0) | (irq12 ? kOutIrq12 : 0)));
        break;
    }
    case kWriteOutputPort:
    case kWriteOutput:
    case kWriteMouseOutput:
    case kWriteMouse: s_.command = value; break;
    case kDisableA20:
    case kEnableA20:
        s_.a20 = value == kEnableA20;
        wires_.a20.set(s_.a20);
        break;
    default:
        if (value >= kPulse) {
            if (!(value & kOutNotReset)) wires_.reset.pulse();
        } else if (value >= kReadRam && value < kReadRam + 32) {
            reply(s_.ram[value & 0x1f]);
        } else if (value >= kWriteRam && value < kWriteRam + 32) {
            s_.command = value;
        }
        break;
    }
    pump();
}

}  // namespace vmm
