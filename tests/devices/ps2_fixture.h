// SPDX-License-Identifier: Apache-2.0
// A keyboard controller with keyboard and mouse, as a program at ports 60 and 64 sees them.
#pragma once

#include "devices/i8042.h"
#include "devices/ps2_keyboard.h"
#include "devices/ps2_mouse.h"
#include "tests/devices/generic_device_test.h"

namespace vmm {

inline void make_ps2(Bench& b) {
    auto& keyboard = b.add<Ps2Keyboard>();
    auto& mouse = b.add<Ps2Mouse>();
    b.add<I8042>(b.ports, b.timers, I8042::Wires{b.line("irq1"), b.line("irq12"), b.line("a20"), b.line("reset")}, keyboard, mouse);
}

class Ps2Test : public ::testing::Test {
  protected:
    using Bytes = std::vector<u8>;

    Ps2Test() { make_ps2(bench_); }

    Ps2Keyboard& keyboard() { return bench_.device<Ps2Keyboard>(0); }
    Ps2Mouse& mouse() { return bench_.device<Ps2Mouse>(1); }

    u8 status() { return bench_.in(0x64); }
    void command(u8 value) { bench_.out(0x64, value); }
    void command(u8 value, u8 parameter) {
        bench_.out(0x64, value);
        bench_.out(0x60, parameter);
    }
    u8 reply_to(u8 value) {
        command(value);
        return bench_.in(0x60);
    }
    // Reads bytes, a little time apart, until none has come for long enough.
    Bytes drain() {
        Bytes bytes;
        for (unsigned idle = 0; idle < 300 && bytes.size() < 200; ++idle) {
            if (status() & 1) {
                bytes.push_back(bench_.in(0x60));
                idle = 0;
            }
            bench_.pass(60'000);
        }
        return bytes;
    }
    // Bytes at port 60 while so much time passes.
    Bytes during_ms(u64 ms) {
        Bytes bytes;
        for (u64 us = 0; us < ms * 1000; us += 100) {
            bench_.pass(100'000);
            if (status() & 1) bytes.push_back(bench_.in(0x60));
        }
        return bytes;
    }
    Bytes to_keyboard(std::initializer_list<u8> bytes) {
        Bytes replies;
        for (const u8 b : bytes) {
            bench_.out(0x60, b);
            for (const u8 r : drain()) replies.push_back(r);
        }
        return replies;
    }
    Bytes to_mouse(std::initializer_list<u8> bytes) {
        Bytes replies;
        for (const u8 b : bytes) {
            command(0xd4, b);
            for (const u8 r : drain()) replies.push_back(r);
        }
        return replies;
    }
    Bytes press(Key key) {
        keyboard().key(key, true);
        return drain();
    }
    Bytes release(Key key) {
        keyboard().key(key, false);
        return drain();
    }
    void translate() { command(0x60, 0x43); }

    Bench bench_;
};

}  // namespace vmm
