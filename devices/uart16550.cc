// SPDX-License-Identifier: Apache-2.0
#include "devices/uart16550.h"

#include <algorithm>

#include "vmm/check.h"

namespace vmm {
namespace {

constexpr u64 kClockHz = 1'843'200;
constexpr u64 kNsPerSecond = 1'000'000'000;
constexpr std::size_t kLineMax = 1u << 20;   // what a damaged saved state may claim

constexpr u8 kErbfi = 1, kEtbei = 2, kElsi = 4, kEdssi = 8;
constexpr u8 kIirModem = 0x0, kIirNone = 0x1, kIirThre = 0x2, kIirData = 0x4, kIirLine = 0x6, kIirTimeout = 0xc, kIirFifo = 0xc0;
constexpr u8 kStb = 0x04, kPen = 0x08, kSetBreak = 0x40, kDlab = 0x80;
constexpr u8 kDtr = 0x01, kRts = 0x02, kOut1 = 0x04, kOut2 = 0x08, kLoop = 0x10, kMcrBits = 0x1f;
constexpr u8 kDr = 0x01, kOe = 0x02, kPe = 0x04, kFe = 0x08, kBi = 0x10, kThre = 0x20, kTemt = 0x40, kFifoError = 0x80;
constexpr u8 kDcts = 0x01, kDdsr = 0x02, kTeri = 0x04, kDdcd = 0x08, kCts = 0x10, kDsr = 0x20, kRi = 0x40, kDcd = 0x80;

constexpr u8 u8_of(unsigned v) { return static_cast<u8>(v); }

TimerId timer_id(unsigned index) {
    CHECK(index < 4, "a PC has four serial ports");
    return static_cast<TimerId>(static_cast<unsigned>(TimerId::Serial0) + index);
}

}  // namespace

Uart16550::Uart16550(const Config& config, IoBus& ports, Timers& timers, IrqLine irq, Line line)
    : name_("serial" + std::to_string(config.index)),
      baud_(config.baud),
      irq_(std::move(irq)),
      line_(std::move(line)),
      timer_(timers, timer_id(config.index), [this](GuestTime) { on_timer(); }) {
    ports.map(name_, config.base, 8,
              {.read = [this](u32 offset, unsigned) -> u32 { return read(offset); },
               .write = [this](u32 offset, unsigned, u32 value) { write(offset, static_cast<u8>(value)); },
               .max_size = 1});
}

void Uart16550::serialize(Archive& ar) {
    VMM_FIELDS(ar, s_, ier, fcr, lcr, mcr, scr, divisor, errors, modem, msr, thre_pending, timeout_pending, rx, rx_errors, tx,
               shifting, shift_register, line, timeout_at, tx_at, rx_at);
}

void Uart16550::after_load() {
    // A damaged state must not make the FIFOs longer than the chip's.
    s_.rx.resize(std::min<std::size_t>(s_.rx.size(), 16));
    s_.rx_errors.resize(s_.rx.size());
    s_.tx.resize(std::min<std::size_t>(s_.tx.size(), 16));
    s_.line.resize(std::min(s_.line.size(), kLineMax));
}

void Uart16550::reset() {
    // The modem and what is on the line are not part of the chip.
    State fresh;
    fresh.modem = s_.modem;
    fresh.msr = s_.modem;
    fresh.line = std::move(s_.line);
    s_ = std::move(fresh);
    take_from_line();
    update_irq();
    arm();
}

// --- registers

u8 Uart16550::read(u32 offset) {
    switch (offset) {
        case 0: return (s_.lcr & kDlab) != 0 ? u8_of(s_.divisor & 0xff) : read_rbr();
        case 1: return (s_.lcr & kDlab) != 0 ? u8_of(s_.divisor >> 8) : s_.ier;
        case 2: {
            const u8 id = interrupt_id();
            if (id == kIirThre) {
                s_.thre_pending = false;
                update_irq();
            }
            return u8_of(id | (fifo() ? unsigned{kIirFifo} : 0u));
        }
        case 3: return s_.lcr;
        case 4: return s_.mcr;
        case 5: {
            const u8 status = line_status();
            s_.errors = 0;
            update_irq();
            return status;
        }
        case 6: {
            const u8 status = s_.msr;
            s_.msr &= 0xf0;
            update_irq();
            return status;
        }
        default: return s_.scr;
    }
}

void Uart16550::write(u32 offset, u8 value) {
    switch (offset) {
        case 0:
            if ((s_.lcr & kDlab) != 0) s_.divisor = static_cast<u16>((s_.divisor & 0xff00) | value);
            else write_thr(value);
            break;
        case 1:
            if ((s_.lcr & kDlab) != 0) {
                s_.divisor = static_cast<u16>((s_.divisor & 0xff) | value << 8);
            } else {
                const bool was = (s_.ier & kEtbei) != 0;
                s_.ier = value & 0x0f;
                // Enabling the interrupt while the holding register is empty raises it at once.
                if (!was && (value & kEtbei) != 0 && (line_status() & kThre) != 0) s_.thre_pending = true;
                update_irq();
            }
            break;
        case 2: write_fcr(value); break;
        case 3: write_lcr(value); break;
        case 4:
            s_.mcr = value & kMcrBits;
            refresh_modem();
            take_from_line();   // the line is connected again when loopback ends
            update_irq();
            arm();
            break;
        case 5: break;          // LSR: factory testing only
        case 6: break;
        default: s_.scr = value; break;
    }
}

void Uart16550::write_fcr(u8 value) {
    const bool enable = (value & 1) != 0;
    if (enable != fifo()) {
        clear_rx();
        clear_tx();
    }
    if (!enable) {
        s_.fcr = 0;             // the other bits are programmed only together with bit 0
    } else {
        if ((value & 2) != 0) clear_rx();
        if ((value & 4) != 0) clear_tx();
        s_.fcr = value & 0xc9;
    }
    take_from_line();
    update_irq();
    arm();
}

void Uart16550::write_lcr(u8 value) {
    const u8 changed = s_.lcr ^ value;
    s_.lcr = value;
    if ((changed & kSetBreak) == 0) return;
    const bool on = (value & kSetBreak) != 0;
    if (!loopback()) {
        if (line_.transmit_break) line_.transmit_break(on);
    } else if (on) {
        push_rx(0, kBi);
        update_irq();
        arm();
    }
}

u8 Uart16550::line_status() const {
    unsigned status = s_.errors;
    if (!s_.rx.empty()) status |= kDr;
    if (s_.tx.empty()) status |= kThre;
    if (s_.tx.empty() && !s_.shifting) status |= kTemt;
    if (fifo()) {
        const bool held = std::any_of(s_.rx_errors.begin(), s_.rx_errors.end(), [](u8 e) { return e != 0; });
        if (held || (s_.errors & (kPe | kFe | kBi)) != 0) status |= kFifoError;
    }
    return u8_of(status);
}

u8 Uart16550::interrupt_id() const {
    if ((s_.ier & kElsi) != 0 && s_.errors != 0) return kIirLine;
    if ((s_.ier & kErbfi) != 0) {
        if (s_.rx.size() >= trigger()) return kIirData;
        if (s_.timeout_pending) return kIirTimeout;
    }
    if ((s_.ier & kEtbei) != 0 && s_.thre_pending) return kIirThre;
    if ((s_.ier & kEdssi) != 0 && (s_.msr & 0x0f) != 0) return kIirModem;
    return kIirNone;
}

void Uart16550::update_irq() { irq_.set(interrupt_id() != kIirNone); }

unsigned Uart16550::trigger() const {
    constexpr unsigned kLevels[4] = {1, 4, 8, 14};
    return fifo() ? kLevels[s_.fcr >> 6] : 1;
}

// --- transmitter

void Uart16550::write_thr(u8 value) {
    s_.thre_pending = false;
    update_irq();               // INTR falls here, so that the next "empty" is an edge again
    if (baud_ == Baud::Instant) {
        send(value);
        s_.thre_pending = true;
    } else if (!s_.shifting && s_.tx.empty()) {
        s_.tx.push_back(value);
        start_shifting(timer_.now());
    } else if (s_.tx.size() < depth()) {
        s_.tx.push_back(value);
    } else if (!fifo()) {
        s_.tx.back() = value;   // the holding register is overwritten; a full FIFO ignores the write
    }
    update_irq();
    arm();
}

void Uart16550::start_shifting(GuestTime from) {
    s_.shift_register = s_.tx.front();
    s_.tx.erase(s_.tx.begin());
    s_.shifting = true;
    s_.tx_at = from.v + character_ns(1);
    if (s_.tx.empty()) s_.thre_pending = true;
}

void Uart16550::send(u8 value) {
    if (loopback()) {
        const unsigned word = 5u + (s_.lcr & 3u);
        push_rx(u8_of(value & ((1u << word) - 1)), 0);
    } else if (line_.transmit) {
        line_.transmit(value);
    }
}

void Uart16550::clear_tx() {
    if (!s_.tx.empty()) s_.thre_pending = true;
    s_.tx.clear();              // the shift register is not cleared
}

// --- receiver

u8 Uart16550::read_rbr() {
    if (s_.rx.empty()) return 0;
    const u8 value = s_.rx.front();
    s_.rx.erase(s_.rx.begin());
    s_.rx_errors.erase(s_.rx_errors.begin());
    reveal_top();
    s_.timeout_pending = false;
    restart_timeout();
    update_irq();               // INTR may fall before characters from the line raise it again
    take_from_line();
    update_irq();
    arm();
    return value;
}

void Uart16550::receive(std::span<const u8> bytes) {
    s_.line.insert(s_.line.end(), bytes.begin(), bytes.end());
    take_from_line();
    update_irq();
    arm();
}

void Uart16550::receive_break() {
    s_.line.push_back(kBreak);
    take_from_line();
    update_irq();
    arm();
}

void Uart16550::receive(const std::string& data) {
    if (data.empty()) return receive_break();
    receive(std::span(reinterpret_cast<const u8*>(data.data()), data.size()));
}

unsigned Uart16550::room() const {
    if (loopback() || !s_.line.empty() || s_.rx.size() >= depth()) return 0;
    return depth() - static_cast<unsigned>(s_.rx.size());
}

void Uart16550::take_from_line() {
    if (loopback()) {           // SIN is disconnected; the line waits
        s_.rx_at = kNever;
        return;
    }
    if (baud_ == Baud::Instant) {
        std::size_t taken = 0;
        while (taken < s_.line.size() && s_.rx.size() < depth()) {
            const u16 c = s_.line[taken++];
            push_rx(u8_of(c & 0xff), c == kBreak ? u8{kBi} : u8{0});
        }
        s_.line.erase(s_.line.begin(), s_.line.begin() + static_cast<std::ptrdiff_t>(taken));
    } else if (s_.line.empty() || s_.rx.size() >= depth()) {
        s_.rx_at = kNever;
    } else if (s_.rx_at == kNever) {
        s_.rx_at = timer_.now().v + character_ns(1);
    }
}

void Uart16550::push_rx(u8 value, u8 errors) {
    if (s_.rx.size() >= depth()) {
        s_.errors |= kOe;
        if (fifo()) return;     // the character in the shift register is lost, the FIFO keeps its own
        s_.rx.clear();
        s_.rx_errors.clear();
    }
    s_.rx.push_back(value);
    s_.rx_errors.push_back(errors);
    if (s_.rx.size() == 1) reveal_top();
    restart_timeout();
}

// The error of a character shows in LSR when the character is at the top of the FIFO.
void Uart16550::reveal_top() {
    if (s_.rx.empty()) return;
    s_.errors |= s_.rx_errors.front();
    s_.rx_errors.front() = 0;
}

void Uart16550::clear_rx() {
    s_.rx.clear();
    s_.rx_errors.clear();
    s_.timeout_pending = false;
    restart_timeout();
}

void Uart16550::restart_timeout() {
    const bool wanted = fifo() && !s_.rx.empty();
    s_.timeout_at = wanted ? timer_.now().v + character_ns(4) : kNever;
}

// --- modem

void Uart16550::set_modem_lines(u8 msr_high) {
    s_.modem = msr_high & 0xf0;
    refresh_modem();
    update_irq();
}

void Uart16550::refresh_modem() {
    unsigned lines = s_.modem;
    if (loopback()) {
        lines = 0;
        if ((s_.mcr & kRts) != 0) lines |= kCts;
        if ((s_.mcr & kDtr) != 0) lines |= kDsr;
        if ((s_.mcr & kOut1) != 0) lines |= kRi;
        if ((s_.mcr & kOut2) != 0) lines |= kDcd;
    }
    const unsigned changed = lines ^ s_.msr;
    unsigned deltas = s_.msr & 0x0fu;
    if ((changed & kCts) != 0) deltas |= kDcts;
    if ((changed & kDsr) != 0) deltas |= kDdsr;
    if ((changed & kDcd) != 0) deltas |= kDdcd;
    if ((changed & kRi) != 0 && (lines & kRi) == 0) deltas |= kTeri;   // the trailing edge only
    s_.msr = u8_of(lines | deltas);
}

// --- time

// Bits are counted in halves, for 1.5 stop bits. A divisor of 0 counts as 65536.
u64 Uart16550::character_ns(u64 count) const {
    const unsigned word = 5u + (s_.lcr & 3u);
    unsigned half_bits = 2 * (1 + word + ((s_.lcr & kPen) != 0 ? 1 : 0)) + 2;
    if ((s_.lcr & kStb) != 0) half_bits += word == 5 ? 1 : 2;
    const u64 divisor = s_.divisor != 0 ? s_.divisor : 0x10000;
    const u64 half_clocks = count * half_bits * 16 * divisor;
    return (half_clocks * kNsPerSecond + 2 * kClockHz - 1) / (2 * kClockHz);
}

void Uart16550::arm() {
    const u64 next = std::min({s_.timeout_at, s_.tx_at, s_.rx_at});
    if (next == kNever) timer_.cancel();
    else timer_.arm({next});
}

void Uart16550::on_timer() {
    const GuestTime now = timer_.now();
    if (s_.tx_at <= now.v) {
        const GuestTime done{s_.tx_at};
        s_.tx_at = kNever;
        s_.shifting = false;
        send(s_.shift_register);
        if (!s_.tx.empty()) start_shifting(done);
    }
    if (s_.rx_at <= now.v) {
        s_.rx_at = kNever;
        if (!s_.line.empty() && s_.rx.size() < depth()) {
            const u16 c = s_.line.front();
            s_.line.erase(s_.line.begin());
            push_rx(u8_of(c & 0xff), c == kBreak ? u8{kBi} : u8{0});
        }
        take_from_line();
    }
    if (s_.timeout_at <= now.v) {
        s_.timeout_at = kNever;
        s_.timeout_pending = true;
    }
    update_irq();
    arm();
}

}  // namespace vmm
