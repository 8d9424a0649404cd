// SPDX-License-Identifier: Apache-2.0
#include "devices/i8254.h"

#include <algorithm>

namespace vmm {
namespace {

using Tick = I8254::Tick;
using Counter = I8254::Counter;

constexpr u8 kStatusOut = 0x80, kStatusNullCount = 0x40;
constexpr u8 kRefreshToggle = 0x10, kOut2 = 0x20;
constexpr Tick kRefreshTicks = 18;      // about 15 us, the period the AT refreshes its memory at

unsigned mode(const Counter& c) {
    const unsigned m = c.control >> 1 & 7;
    return m >= 6 ? m - 4 : m;          // X10 and X11 are modes 2 and 3
}
unsigned access(const Counter& c) { return c.control >> 4 & 3; }    // 1: low byte, 2: high byte, 3: low then high
bool bcd(const Counter& c) { return (c.control & 1) != 0; }
bool triggered_by_gate(const Counter& c) { return mode(c) == 1 || mode(c) == 5; }
bool periodic(const Counter& c) { return mode(c) == 2 || mode(c) == 3; }
bool stopped_by_gate(const Counter& c) { return !c.gate && !triggered_by_gate(c); }
bool initial_out(const Counter& c) { return mode(c) != 0; }

// The count that a register value stands for: 0 is the greatest one.
u32 to_count(const Counter& c, u16 reg) {
    if (!bcd(c)) return reg == 0 ? 0x10000 : reg;
    const u32 n = (reg >> 12) * 1000u + (reg >> 8 & 15) * 100u + (reg >> 4 & 15) * 10u + (reg & 15u);
    return n == 0 ? 10000 : n;
}

u16 to_register(const Counter& c, u64 count) {
    if (!bcd(c)) return static_cast<u16>(count);
    const u64 n = count % 10000;
    return static_cast<u16>((n / 1000) << 12 | (n / 100 % 10) << 8 | (n / 10 % 10) << 4 | n % 10);
}

u64 elapsed(const Counter& c, Tick t) {
    if (stopped_by_gate(c)) return static_cast<u64>(c.held);
    return t > c.start ? static_cast<u64>(t) - static_cast<u64>(c.start) : 0;
}

// Mode 3: ticks for which OUT is high; odd counts are high for one tick more than low.
u64 high_ticks(u32 n) { return (n + 1) / 2; }

u16 value_at(const Counter& c, Tick t) {
    if (!c.counting || c.n == 0) return c.idle_value;
    const u64 e = elapsed(c, t), n = c.n;
    if (mode(c) == 2) return to_register(c, n - e % n);
    if (mode(c) == 3) {
        const u64 phase = e % n, high = high_ticks(c.n);
        return to_register(c, (n & ~u64{1}) - 2 * (phase < high ? phase : phase - high));
    }
    const u64 range = bcd(c) ? 10000 : 0x10000;         // beyond zero they wrap and go on
    return to_register(c, (n % range + range - e % range) % range);
}

bool out_at(const Counter& c, Tick t) {
    if (!c.counting || c.n == 0) return initial_out(c);
    if (periodic(c) && !c.gate) return true;
    if (t < c.start && !stopped_by_gate(c)) return c.out_before_start;
    const u64 e = elapsed(c, t);
    switch (mode(c)) {
    case 0:
    case 1: return e >= c.n;
    case 2: return e % c.n != c.n - 1;
    case 3: return e % c.n < high_ticks(c.n);
    default: return e != c.n;
    }
}

// The next tick at which OUT may change by itself.
std::optional<Tick> next_change(const Counter& c, Tick t) {
    if (!c.counting || c.n == 0 || stopped_by_gate(c)) return std::nullopt;
    const Tick n = c.n, end = c.start + n;
    if (!periodic(c)) {
        if (t < c.start && triggered_by_gate(c)) return c.start;
        if (t < end) return end;
        if (mode(c) >= 4 && t == end) return end + 1;
        return std::nullopt;
    }
    if (t < c.start) return c.start;
    const Tick phase = static_cast<Tick>(elapsed(c, t) % c.n);
    const Tick first = mode(c) == 2 ? n - 1 : static_cast<Tick>(high_ticks(c.n));
    Tick next = n == 1 ? I8254::kNever : phase < first ? t + first - phase : t + n - phase;
    if (c.pending) next = std::min(next, c.load_at);
    return next == I8254::kNever ? std::nullopt : std::optional(next);
}

// Puts a count that was waiting for the end of the (half) cycle in use, if that has come.
void sync(Counter& c, Tick t) {
    if (!c.pending || t < c.load_at) return;
    const bool was_high = mode(c) == 3 && elapsed(c, c.load_at - 1) % c.n < high_ticks(c.n);
    c.pending = false;
    c.n = c.written;
    c.start = c.load_at;
    if (was_high) c.start -= static_cast<Tick>(high_ticks(c.n));     // the low half follows
}

void load_on_next_clock(Counter& c, Tick t) {
    c.n = c.written;
    c.counting = true;
    c.pending = false;
    c.start = c.load_at = t + 1;
    c.held = 0;
}

void stop(Counter& c, Tick t) {
    c.idle_value = value_at(c, t);
    c.counting = false;
    c.pending = false;
    c.load_at = I8254::kNever;
}

void count_written(Counter& c, Tick t, u16 reg) {
    c.written = to_count(c, reg);
    if (triggered_by_gate(c)) {
        c.load_at = I8254::kNever;                      // until the trigger
        return;
    }
    if (periodic(c) && c.counting && t >= c.start) {
        if (!c.gate) {
            c.load_at = I8254::kNever;
            return;
        }
        const Tick n = c.n, phase = static_cast<Tick>(elapsed(c, t) % c.n), high = static_cast<Tick>(high_ticks(c.n));
        c.load_at = t - phase + (mode(c) == 3 && phase < high ? high : n);
        c.pending = true;
        return;
    }
    c.out_before_start = mode(c) != 0 && out_at(c, t);
    load_on_next_clock(c, t);
}

void set_gate(Counter& c, Tick t, bool gate) {
    if (gate == c.gate) return;
    sync(c, t);
    if (!gate) {
        if (!triggered_by_gate(c)) c.held = static_cast<Tick>(elapsed(c, t));
        if (c.pending) {
            c.pending = false;                          // the trigger will load it
            c.load_at = I8254::kNever;
        }
        c.gate = false;
        return;
    }
    const bool before = out_at(c, t);
    c.gate = true;
    if (triggered_by_gate(c) || periodic(c)) {
        if (c.written == 0) return;
        c.out_before_start = before;
        load_on_next_clock(c, t);
    } else if (c.counting) {
        c.start = std::max(t - c.held, c.load_at);
    }
}

}  // namespace

void serialize(Archive& ar, Counter& counter) {
    VMM_FIELDS(ar, counter, control, gate, counting, n, start, held, out_before_start, written, load_at, pending, idle_value,
               low_byte, write_high_next, read_high_next, count_latched, latched_count, status_latched, latched_status);
    if (!ar.loading()) return;
    // Ticks that no machine lives to see would overflow the arithmetic above, and a count of 0 divides.
    constexpr Tick kSane = Tick{1} << 60;
    const auto odd_tick = [](Tick t) { return t > kSane || t < -kSane; };
    const auto odd_count = [](u32 n, bool used) { return n > 0x10000 || (used && n == 0); };
    if (odd_tick(counter.start) || odd_tick(counter.held) || (odd_tick(counter.load_at) && counter.load_at != I8254::kNever) ||
        odd_count(counter.n, counter.counting) || odd_count(counter.written, counter.pending)) {
        ar.fail();
        counter = Counter{};
    }
}

I8254::I8254(IoBus& ports, Timers& timers, IrqLine irq0)
    : irq0_(std::move(irq0)),
      timer_(timers, TimerId::Pit0, [this](GuestTime d) { update_irq(static_cast<Tick>(ticks_at(d, kPitHz))); }) {
    s_.counters[2].gate = false;
    ports.map("pit", 0x40, 4, {.read = [this](u32 i, unsigned) -> u32 { return i == 3 ? 0xff : read_counter(i); },
                               .write = [this](u32 i, unsigned, u32 v) {
                                   if (i == 3) write_control(static_cast<u8>(v));
                                   else write_counter(i, static_cast<u8>(v));
                               }});
    ports.map("pit", 0x61, 1, {.read = [this](u32, unsigned) -> u32 { return read_port61(); },
                               .write = [this](u32, unsigned, u32 v) { write_port61(static_cast<u8>(v)); }});
}

void I8254::reset() {
    s_ = State{};
    s_.counters[2].gate = false;
    update_irq(now());
}

bool I8254::out(unsigned counter) const {
    Counter c = s_.counters[counter];
    sync(c, now());
    return out_at(c, now());
}

void I8254::update_irq(Tick t) {
    Counter& c = s_.counters[0];
    sync(c, t);
    irq0_.set(out_at(c, t));
    const auto next = next_change(c, t);
    if (next && *next > t) timer_.arm(time_of_tick(static_cast<u64>(*next), kPitHz));
    else timer_.cancel();
}

u8 I8254::read_counter(unsigned which) {
    Counter& c = s_.counters[which];
    const Tick t = now();
    sync(c, t);
    if (c.status_latched) {
        c.status_latched = false;
        return c.latched_status;
    }
    const u16 value = c.count_latched ? c.latched_count : value_at(c, t);
    const bool high = access(c) == 3 ? c.read_high_next : access(c) == 2;
    if (access(c) == 3) c.read_high_next = !high;
    if (access(c) != 3 || high) c.count_latched = false;
    return static_cast<u8>(high ? value >> 8 : value);
}

void I8254::write_counter(unsigned which, u8 value) {
    Counter& c = s_.counters[which];
    const Tick t = now();
    sync(c, t);
    switch (access(c)) {
    case 1:
        count_written(c, t, value);
        break;
    case 2:
        count_written(c, t, static_cast<u16>(value << 8));
        break;
    default:
        if (!c.write_high_next) {
            c.low_byte = value;
            if (mode(c) == 0) stop(c, t);               // the first byte stops it and OUT goes low
        } else {
            count_written(c, t, static_cast<u16>(value << 8 | c.low_byte));
        }
        c.write_high_next = !c.write_high_next;
        break;
    }
    if (which == 0) update_irq(t);
}

void I8254::write_control(u8 value) {
    const unsigned which = value >> 6;
    if (which == 3) return read_back(value);
    Counter& c = s_.counters[which];
    const Tick t = now();
    sync(c, t);
    if ((value & 0x30) == 0) {                          // counter latch command
        if (c.count_latched) return;
        c.count_latched = true;
        c.latched_count = value_at(c, t);
        return;
    }
    stop(c, t);
    c.control = value & 0x3f;
    c.written = 0;
    c.write_high_next = c.read_high_next = false;
    c.count_latched = c.status_latched = false;
    if (which == 0) update_irq(t);
}

void I8254::read_back(u8 command) {
    const Tick t = now();
    for (unsigned which = 0; which < 3; ++which) {
        if (!(command & 2u << which)) continue;
        Counter& c = s_.counters[which];
        sync(c, t);
        if (!(command & 0x20) && !c.count_latched) {
            c.count_latched = true;
            c.latched_count = value_at(c, t);
        }
        if (!(command & 0x10) && !c.status_latched) {
            c.status_latched = true;
            c.latched_status = static_cast<u8>((out_at(c, t) ? kStatusOut : 0) | (t < c.load_at ? kStatusNullCount : 0) | c.control);
        }
    }
}

u8 I8254::read_port61() const {
    const bool refresh = (now() / kRefreshTicks & 1) != 0;
    return static_cast<u8>(s_.port61 | (refresh ? kRefreshToggle : 0) | (out(2) ? kOut2 : 0));
}

void I8254::write_port61(u8 value) {
    s_.port61 = value & 0x0f;
    set_gate(s_.counters[2], now(), (value & kGate2) != 0);
}

}  // namespace vmm
