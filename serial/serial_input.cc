// SPDX-License-Identifier: Apache-2.0
#include "serial/serial_input.h"

#include <algorithm>

namespace vmm {

void SerialInput::publish(unsigned room) {
    if (room_.load(std::memory_order_relaxed) == room) return;
    room_.store(room);
    if (room > 0 && starved_.exchange(false)) io_.wake();
}

std::size_t SerialInput::room() {
    if (const unsigned n = room_.load(); n > 0) return n;
    starved_.store(true);
    return room_.load();                                // published in between: nobody would wake us
}

void SerialInput::bytes(std::string_view data) {
    take(static_cast<unsigned>(data.size()));
    inbox_.post({.kind = InputKind::Serial, .target = port_, .data = std::string(data)});
}

void SerialInput::send_break() {
    take(1);
    inbox_.post({.kind = InputKind::Serial, .target = port_, .data = {}});
}

void SerialInput::take(unsigned n) {
    unsigned now = room_.load();
    while (!room_.compare_exchange_weak(now, now - std::min(n, now))) {}
}

}  // namespace vmm
