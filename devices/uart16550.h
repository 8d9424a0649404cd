// SPDX-License-Identifier: Apache-2.0
// Uart16550: the serial port of a PC, a 16550A with its FIFOs.
//
// Done: every register, DLAB, both FIFOs with trigger levels, character timeout, line status with the error of each
// character, transmitter-empty interrupt, modem status with its deltas, loopback, break in and out, scratch.
// Not done: parity and framing errors (the host's bytes have none), DMA pins, fractional stop-bit skew.
// Time: a character leaves at the moment it is written, unless Baud::Exact; then it takes the time of its bits, and input
// arrives as fast as the line. The character timeout is always four characters of guest time.
// On purpose unlike the chip: the host's bytes never overrun, they wait on the line until there is room; words shorter
// than 8 bits go out whole (programs that never set LCR are common); INTR is not gated by OUT2 (so are kernels that clear
// MCR). In loopback all of the data sheet holds.
// Reference: National Semiconductor PC16550D data sheet (1995), section 8.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "vmm/bus.h"
#include "vmm/clock.h"
#include "vmm/device.h"

namespace vmm {

class Uart16550 final : public Device {
  public:
    enum class Baud : u8 { Instant, Exact };

    struct Config {
        unsigned index = 0;             // 0..3: names the device "serialN", selects TimerId::SerialN
        u32 base = 0x3f8;
        Baud baud = Baud::Instant;
    };

    // Where the line ends. Called on the machine thread.
    struct Line {
        std::function<void(u8)> transmit;
        std::function<void(bool)> transmit_break;   // may be empty
    };

    Uart16550(const Config& config, IoBus& ports, Timers& timers, IrqLine irq, Line line);

    // Characters from the other end. What does not fit the FIFO waits on the line, so that none is lost.
    void receive(std::span<const u8> bytes);
    void receive_break();
    // As an Input of InputKind::Serial carries it: bytes, or nothing for a break.
    void receive(const std::string& data);
    // How many characters may be sent now without any of them having to wait.
    unsigned room() const;

    // The modem's lines (MSR bits 4-7: CTS, DSR, RI, DCD). At reset a cable with CTS, DSR and DCD on.
    void set_modem_lines(u8 msr_high);

    std::string_view name() const override { return name_; }
    void serialize(Archive& ar) override;
    void after_load() override;
    void reset() override;

  private:
    struct State {
        u8 ier = 0, fcr = 0, lcr = 0, mcr = 0, scr = 0;
        u16 divisor = 12;                       // 9600 baud; the chip leaves it undefined
        u8 errors = 0;                          // LSR bits 1-4, those the guest has not read yet
        u8 modem = 0xb0;                        // what the cable says, MSR bits 4-7
        u8 msr = 0xb0;
        bool thre_pending = false;              // interrupt sources that reading takes back
        bool timeout_pending = false;
        std::vector<u8> rx, rx_errors;          // receiver FIFO and each character's LSR bits, oldest first
        std::vector<u8> tx;                     // transmitter FIFO, the holding register included (Exact only)
        bool shifting = false;                  // the shift register is at work (Exact only)
        u8 shift_register = 0;
        std::vector<u16> line;                  // on the line: characters, kBreak for a break
        u64 timeout_at = kNever, tx_at = kNever, rx_at = kNever;
    };
    static constexpr u64 kNever = ~u64{0};
    static constexpr u16 kBreak = 0x100;

    u8 read(u32 offset);
    void write(u32 offset, u8 value);
    void write_fcr(u8 value);
    void write_lcr(u8 value);
    void write_thr(u8 value);
    u8 read_rbr();
    u8 line_status() const;
    u8 interrupt_id() const;

    void send(u8 value);
    void start_shifting(GuestTime from);
    void take_from_line();
    void push_rx(u8 value, u8 errors);
    void reveal_top();
    void restart_timeout();
    void refresh_modem();
    void clear_rx();
    void clear_tx();
    void update_irq();
    void arm();
    void on_timer();

    bool fifo() const { return (s_.fcr & 1) != 0; }
    bool loopback() const { return (s_.mcr & 0x10) != 0; }
    unsigned depth() const { return fifo() ? 16 : 1; }
    unsigned trigger() const;
    u64 character_ns(u64 count) const;

    std::string name_;
    Baud baud_;
    IrqLine irq_;
    Line line_;
    Timer timer_;
    State s_;
};

}  // namespace vmm
