// SPDX-License-Identifier: Apache-2.0
// The 16550A through its ports. Expectations are from the PC16550D data sheet, section 8; times are worked out by hand
// from the 1.8432 MHz crystal: at 115200 baud (divisor 1) a bit takes 8680.56 ns.
#include <gtest/gtest.h>

#include "devices/uart16550.h"
#include "tests/devices/generic_device_test.h"

namespace vmm {
namespace {

constexpr u32 kBase = 0x3f8;
constexpr u32 kRbr = kBase, kThr = kBase, kIer = kBase + 1, kIir = kBase + 2, kFcr = kBase + 2, kLcr = kBase + 3,
              kMcr = kBase + 4, kLsr = kBase + 5, kMsr = kBase + 6, kScr = kBase + 7;

class Uart16550Test : public testing::Test {
  protected:
    explicit Uart16550Test(Uart16550::Baud baud = Uart16550::Baud::Instant)
        : uart({.index = 0, .base = kBase, .baud = baud}, ports, timers,
               IrqLine([this](bool level) {
                   if (level && !irq) ++edges;
                   irq = level;
               }),
               {.transmit = [this](u8 c) { sent.push_back(static_cast<char>(c)); },
                .transmit_break = [this](bool on) { breaks.push_back(on); }}) {}

    u32 in(u32 port) { return ports.read(port, 1); }
    void out(u32 port, u32 value) { ports.write(port, 1, value); }
    void type(const std::string& s) { uart.receive(s); }
    void set_divisor(unsigned d) {
        out(kLcr, 0x83);
        out(kBase, d & 0xff);
        out(kBase + 1, d >> 8);
        out(kLcr, 0x03);
    }
    void advance_to(u64 ns) {
        clock.set_icount({ns});
        timers.run_due();
    }

    IoBus ports{"ports"};
    Clock clock;
    Timers timers{clock};
    bool irq = false;
    int edges = 0;
    std::string sent;
    std::vector<bool> breaks;
    Uart16550 uart;
};

class Uart16550ExactTest : public Uart16550Test {
  protected:
    Uart16550ExactTest() : Uart16550Test(Uart16550::Baud::Exact) {}
};

TEST_F(Uart16550Test, registers_have_their_reset_values) {
    EXPECT_EQ(in(kIer), 0u);
    EXPECT_EQ(in(kIir), 0x01u);
    EXPECT_EQ(in(kLcr), 0u);
    EXPECT_EQ(in(kMcr), 0u);
    EXPECT_EQ(in(kLsr), 0x60u);
    EXPECT_EQ(in(kMsr) & 0x0f, 0u);
}

TEST_F(Uart16550Test, unused_register_bits_read_as_zero) {
    out(kIer, 0xff);
    out(kMcr, 0xff);
    EXPECT_EQ(in(kIer), 0x0fu);
    EXPECT_EQ(in(kMcr), 0x1fu);
}

TEST_F(Uart16550Test, scratch_keeps_a_byte_and_nothing_else_happens) {
    out(kScr, 0xa5);
    EXPECT_EQ(in(kScr), 0xa5u);
    EXPECT_EQ(sent, "");
}

TEST_F(Uart16550Test, dlab_shows_the_divisor_and_hides_data_and_ier) {
    out(kIer, 0x05);
    out(kLcr, 0x83);
    out(kBase, 0x34);
    out(kBase + 1, 0x12);
    EXPECT_EQ(in(kBase), 0x34u);
    EXPECT_EQ(in(kBase + 1), 0x12u);
    out(kLcr, 0x03);
    EXPECT_EQ(in(kIer), 0x05u);
    EXPECT_EQ(sent, "");
}

TEST_F(Uart16550Test, transmits_at_once_and_stays_ready) {
    for (const char c : std::string("hello")) {
        EXPECT_EQ(in(kLsr) & 0x60, 0x60u);
        out(kThr, static_cast<u8>(c));
    }
    EXPECT_EQ(sent, "hello");
}

TEST_F(Uart16550Test, iir_reports_fifos_only_when_they_are_enabled) {
    EXPECT_EQ(in(kIir) & 0xc0, 0u);
    out(kFcr, 0x01);
    EXPECT_EQ(in(kIir) & 0xc0, 0xc0u);
    out(kFcr, 0x00);
    EXPECT_EQ(in(kIir) & 0xc0, 0u);
}

TEST_F(Uart16550Test, enabling_the_thre_interrupt_while_empty_raises_it_and_reading_iir_takes_it_back) {
    out(kIer, 0x02);
    EXPECT_TRUE(irq);
    EXPECT_EQ(in(kIir), 0x02u);
    EXPECT_FALSE(irq);
    EXPECT_EQ(in(kIir), 0x01u);
}

TEST_F(Uart16550Test, each_character_written_gives_a_new_thre_edge) {
    out(kIer, 0x02);
    const int before = edges;
    out(kThr, 'a');
    out(kThr, 'b');
    EXPECT_TRUE(irq);
    EXPECT_EQ(edges, before + 2);
}

TEST_F(Uart16550Test, a_received_character_interrupts_and_reading_it_ends_that) {
    out(kIer, 0x01);
    type("x");
    EXPECT_TRUE(irq);
    EXPECT_EQ(in(kIir), 0x04u);
    EXPECT_EQ(in(kLsr), 0x61u);
    EXPECT_EQ(in(kRbr), u32{'x'});
    EXPECT_FALSE(irq);
    EXPECT_EQ(in(kLsr), 0x60u);
}

TEST_F(Uart16550Test, without_fifo_the_line_holds_what_comes_too_fast) {
    out(kIer, 0x01);
    EXPECT_EQ(uart.room(), 1u);
    type("abc");
    EXPECT_EQ(uart.room(), 0u);
    EXPECT_EQ(in(kRbr), u32{'a'});
    EXPECT_EQ(in(kRbr), u32{'b'});
    EXPECT_EQ(edges, 3);
    EXPECT_EQ(in(kRbr), u32{'c'});
    EXPECT_EQ(in(kLsr), 0x60u);  // no overrun
    EXPECT_EQ(uart.room(), 1u);
}

class Uart16550Trigger : public Uart16550Test, public testing::WithParamInterface<std::pair<u32, unsigned>> {};

TEST_P(Uart16550Trigger, data_interrupt_comes_at_the_trigger_level) {
    const auto [code, level] = GetParam();
    out(kFcr, 0x01 | code << 6);
    out(kIer, 0x01);
    type(std::string(level - 1, 'x'));
    EXPECT_FALSE(irq);
    type("x");
    EXPECT_EQ(in(kIir), 0xc4u);
    in(kRbr);
    EXPECT_EQ(in(kIir), 0xc1u);  // below the level again
}
INSTANTIATE_TEST_SUITE_P(levels, Uart16550Trigger,
                         testing::Values(std::pair{1u, 4u}, std::pair{2u, 8u}, std::pair{3u, 14u}));

TEST_F(Uart16550Test, fifo_takes_sixteen_and_reports_its_room) {
    out(kFcr, 0x01);
    EXPECT_EQ(uart.room(), 16u);
    type("0123456789");
    EXPECT_EQ(uart.room(), 6u);
    type("abcdefXYZ");
    EXPECT_EQ(uart.room(), 0u);
    std::string got;
    while ((in(kLsr) & 1) != 0) got.push_back(static_cast<char>(in(kRbr)));
    EXPECT_EQ(got, "0123456789abcdefXYZ");
    EXPECT_EQ(uart.room(), 16u);
}

TEST_F(Uart16550Test, character_timeout_comes_four_character_times_after_the_last_character) {
    set_divisor(1);                      // 115200, 8N1: 10 bits, 86805.6 ns a character
    out(kFcr, 0xc1);                     // level 14
    out(kIer, 0x01);
    type("hi");
    advance_to(347'222);                 // 4 * 86805.56 = 347222.2
    EXPECT_EQ(in(kIir), 0xc1u);
    advance_to(347'223);
    EXPECT_TRUE(irq);
    EXPECT_EQ(in(kIir), 0xccu);
    EXPECT_EQ(in(kRbr), u32{'h'});
    EXPECT_FALSE(irq);                   // and the time starts anew
    advance_to(2 * 347'223 - 1);
    EXPECT_FALSE(irq);
    advance_to(2 * 347'223);
    EXPECT_EQ(in(kIir), 0xccu);
    EXPECT_EQ(in(kRbr), u32{'i'});
    EXPECT_EQ(uart.room(), 16u);
    EXPECT_FALSE(timers.next().has_value());
}

TEST_F(Uart16550Test, no_character_timeout_without_fifo) {
    out(kIer, 0x01);
    type("h");
    EXPECT_FALSE(timers.next().has_value());
}

TEST_F(Uart16550Test, fcr_resets_the_receiver_fifo) {
    out(kFcr, 0x01);
    type("abc");
    out(kFcr, 0x03);
    EXPECT_EQ(in(kLsr), 0x60u);
    EXPECT_EQ(uart.room(), 16u);
}

TEST_F(Uart16550Test, switching_fifos_on_or_off_empties_them) {
    out(kFcr, 0x01);
    type("abc");
    out(kFcr, 0x00);
    EXPECT_EQ(in(kLsr), 0x60u);
}

TEST_F(Uart16550Test, fcr_bits_need_bit_0_to_be_programmed) {
    out(kFcr, 0xc0);
    out(kFcr, 0x01);
    out(kIer, 0x01);
    type("x");                           // level 1, not 14
    EXPECT_EQ(in(kIir), 0xc4u);
}

TEST_F(Uart16550Test, a_break_arrives_as_a_zero_with_bi_and_a_line_status_interrupt) {
    out(kIer, 0x04);
    uart.receive(std::string());
    EXPECT_EQ(in(kIir), 0x06u);
    EXPECT_EQ(in(kLsr), 0x71u);
    EXPECT_FALSE(irq);
    EXPECT_EQ(in(kLsr), 0x61u);
    EXPECT_EQ(in(kRbr), 0u);
}

TEST_F(Uart16550Test, with_fifo_the_error_shows_when_its_character_is_at_the_top) {
    out(kFcr, 0x01);
    type("a");
    uart.receive_break();
    EXPECT_EQ(in(kLsr), 0xe1u);          // an error is somewhere in the FIFO
    EXPECT_EQ(in(kRbr), u32{'a'});
    EXPECT_EQ(in(kLsr), 0xf1u);          // now it is at the top
    EXPECT_EQ(in(kLsr), 0x61u);
}

TEST_F(Uart16550Test, set_break_reaches_the_line) {
    out(kLcr, 0x43);
    out(kLcr, 0x43);
    out(kLcr, 0x03);
    EXPECT_EQ(breaks, (std::vector<bool>{true, false}));
}

TEST_F(Uart16550Test, loopback_returns_characters_and_sends_none) {
    out(kLcr, 0x03);
    out(kMcr, 0x10);
    out(kThr, 0x5a);
    EXPECT_EQ(in(kLsr), 0x61u);
    EXPECT_EQ(in(kRbr), 0x5au);
    EXPECT_EQ(sent, "");
}

TEST_F(Uart16550Test, loopback_keeps_only_the_bits_of_the_word) {
    out(kLcr, 0x00);                     // 5 bits
    out(kMcr, 0x10);
    out(kThr, 0xff);
    EXPECT_EQ(in(kRbr), 0x1fu);
}

TEST_F(Uart16550Test, overrun_without_fifo_keeps_the_newer_character) {
    out(kLcr, 0x03);
    out(kIer, 0x04);
    out(kMcr, 0x10);
    out(kThr, 'a');
    out(kThr, 'b');
    EXPECT_EQ(in(kIir), 0x06u);
    EXPECT_EQ(in(kLsr), 0x63u);
    EXPECT_EQ(in(kLsr), 0x61u);
    EXPECT_EQ(in(kRbr), u32{'b'});
}

TEST_F(Uart16550Test, overrun_with_fifo_keeps_the_first_sixteen) {
    out(kLcr, 0x03);
    out(kFcr, 0x01);
    out(kMcr, 0x10);
    for (u8 i = 0; i < 17; ++i) out(kThr, 'a' + i);
    EXPECT_EQ(in(kLsr) & 0x02, 0x02u);
    std::string got;
    while ((in(kLsr) & 1) != 0) got.push_back(static_cast<char>(in(kRbr)));
    EXPECT_EQ(got, "abcdefghijklmnop");
}

TEST_F(Uart16550Test, loopback_connects_the_modem_outputs_to_the_inputs) {
    out(kMcr, 0x10);
    EXPECT_EQ(in(kMsr) & 0xf0, 0u);
    out(kMcr, 0x12);                     // RTS -> CTS
    EXPECT_EQ(in(kMsr), 0x11u);
    out(kMcr, 0x11);                     // DTR -> DSR
    EXPECT_EQ(in(kMsr), 0x23u);
    out(kMcr, 0x14);                     // OUT1 -> RI: no delta on the leading edge
    EXPECT_EQ(in(kMsr), 0x42u);
    out(kMcr, 0x18);                     // OUT2 -> DCD; RI falls: TERI
    EXPECT_EQ(in(kMsr), 0x8cu);
    EXPECT_EQ(in(kMsr), 0x80u);
}

TEST_F(Uart16550Test, loopback_holds_host_input_until_it_ends) {
    out(kMcr, 0x10);
    EXPECT_EQ(uart.room(), 0u);
    type("z");
    EXPECT_EQ(in(kLsr) & 1, 0u);
    out(kMcr, 0x00);
    EXPECT_EQ(in(kRbr), u32{'z'});
}

TEST_F(Uart16550Test, a_modem_line_change_interrupts_until_msr_is_read) {
    out(kIer, 0x08);
    uart.set_modem_lines(0x30);          // DCD falls
    EXPECT_EQ(in(kIir), 0x00u);
    EXPECT_EQ(in(kMsr), 0x38u);
    EXPECT_FALSE(irq);
    EXPECT_EQ(in(kMsr), 0x30u);
}

TEST_F(Uart16550Test, interrupts_are_reported_by_priority) {
    out(kIer, 0x0f);                     // THRE pending at once
    uart.set_modem_lines(0x30);
    type("a");
    uart.receive_break();
    in(kRbr);                            // now: break at the top, THRE, modem
    EXPECT_EQ(in(kIir), 0x06u);
    in(kLsr);
    EXPECT_EQ(in(kIir), 0x04u);
    in(kRbr);
    EXPECT_EQ(in(kIir), 0x02u);          // reading it takes it back
    EXPECT_EQ(in(kIir), 0x00u);
    in(kMsr);
    EXPECT_EQ(in(kIir), 0x01u);
    EXPECT_FALSE(irq);
}

TEST_F(Uart16550Test, reset_drops_the_interrupt_and_the_fifos) {
    out(kFcr, 0x01);
    out(kIer, 0x03);
    type("abc");
    uart.reset();
    EXPECT_FALSE(irq);
    EXPECT_EQ(in(kLsr), 0x60u);
    EXPECT_EQ(in(kIer), 0u);
    EXPECT_EQ(in(kIir), 0x01u);
    EXPECT_FALSE(timers.next().has_value());
}

TEST_F(Uart16550ExactTest, a_character_takes_the_time_of_its_bits) {
    set_divisor(12);                     // 9600, 8N1: 1041666.7 ns
    out(kThr, 'A');
    EXPECT_EQ(in(kLsr), 0x20u);          // in the shift register
    advance_to(1'041'666);
    EXPECT_EQ(sent, "");
    advance_to(1'041'667);
    EXPECT_EQ(sent, "A");
    EXPECT_EQ(in(kLsr), 0x60u);
}

TEST_F(Uart16550ExactTest, parity_and_two_stop_bits_make_it_longer) {
    set_divisor(12);
    out(kLcr, 0x0f);                     // 8 bits, parity, two stop bits: 12 bits = 1250000 ns
    out(kThr, 'A');
    advance_to(1'249'999);
    EXPECT_EQ(sent, "");
    advance_to(1'250'000);
    EXPECT_EQ(sent, "A");
}

TEST_F(Uart16550ExactTest, five_bits_with_stb_have_one_and_a_half_stop_bits) {
    set_divisor(12);
    out(kLcr, 0x04);                     // 1 + 5 + 1.5 bits = 781250 ns
    out(kThr, 0x11);
    advance_to(781'249);
    EXPECT_EQ(sent, "");
    advance_to(781'250);
    EXPECT_EQ(sent, "\x11");
}

TEST_F(Uart16550ExactTest, thre_interrupts_when_the_fifo_has_drained_and_a_full_fifo_ignores_writes) {
    set_divisor(12);
    out(kFcr, 0x01);
    for (u8 i = 0; i < 18; ++i) out(kThr, 'a' + i);   // one shifting, sixteen waiting, one lost
    EXPECT_EQ(in(kLsr), 0x00u);
    out(kIer, 0x02);
    EXPECT_FALSE(irq);
    for (u64 n = 1; n < 16; ++n) advance_to(n * 1'041'667);
    EXPECT_FALSE(irq);
    advance_to(16 * 1'041'667);          // the last one leaves the FIFO
    EXPECT_TRUE(irq);
    EXPECT_EQ(in(kIir), 0xc2u);
    EXPECT_EQ(in(kLsr), 0x20u);
    advance_to(17 * 1'041'667);
    EXPECT_EQ(in(kLsr), 0x60u);
    EXPECT_EQ(sent, "abcdefghijklmnopq");
}

TEST_F(Uart16550ExactTest, input_arrives_at_line_speed) {
    set_divisor(12);
    out(kFcr, 0x01);
    type("ab");
    EXPECT_EQ(in(kLsr) & 1, 0u);
    advance_to(1'041'667);
    EXPECT_EQ(in(kRbr), u32{'a'});
    EXPECT_EQ(in(kLsr) & 1, 0u);
    advance_to(2 * 1'041'667);
    EXPECT_EQ(in(kRbr), u32{'b'});
}

TEST_F(Uart16550ExactTest, saved_state_continues_alike_in_a_dirtied_twin) {
    set_divisor(12);
    out(kFcr, 0x41);
    out(kIer, 0x0f);
    out(kThr, 'x');
    out(kThr, 'y');
    type("hello");
    advance_to(1'041'667);
    SaveArchive save;
    uart.serialize(save);
    const auto state = save.take();

    IoBus ports2{"ports"};
    Timers timers2{clock};
    std::string sent2;
    Uart16550 twin({.baud = Uart16550::Baud::Exact}, ports2, timers2, IrqLine(),
                   {.transmit = [&](u8 c) { sent2.push_back(static_cast<char>(c)); }, .transmit_break = {}});
    twin.receive("dirt");
    ports2.write(kScr, 1, 0x77);
    LoadArchive load(state);
    twin.serialize(load);
    twin.after_load();
    SaveArchive again;
    twin.serialize(again);
    EXPECT_TRUE(load.done());
    EXPECT_FALSE(load.failed());
    EXPECT_EQ(again.take(), state);
    for (u32 port = kBase; port < kBase + 8; ++port) EXPECT_EQ(ports2.read(port, 1), in(port)) << port;
}

TEST_F(Uart16550Test, a_damaged_state_is_cut_to_the_size_of_the_chip) {
    type(std::string(100, 'x'));
    SaveArchive save;
    uart.serialize(save);
    auto state = save.take();
    state.resize(state.size() / 2);
    LoadArchive load(state);
    uart.serialize(load);
    uart.after_load();
    EXPECT_TRUE(load.failed());
    for (int i = 0; i < 200; ++i) in(kRbr);
    EXPECT_EQ(in(kLsr) & 1, 0u);
}

std::function<void(bool)> break_line(Bench& b) {
    return [line = b.line("break")](bool on) { line.set(on); };
}

GenericDevice any_uart(Uart16550::Baud baud) {
    return {.make =
                [baud](Bench& b) {
                    const auto sent = std::make_shared<IrqLine>(b.line("sent"));   // each character shows as an edge
                    b.add<Uart16550>(Uart16550::Config{.index = 1, .base = kBase, .baud = baud}, b.ports, b.timers, b.line("irq"),
                                     Uart16550::Line{.transmit = [sent](u8 c) { sent->set((c & 1) != 0); }, .transmit_break = break_line(b)});
                },
            .ports = {{kBase, 8}},
            .input =
                [](Bench& b, Random& random) {
                    auto& uart = b.device<Uart16550>();
                    const u64 what = random() % 8;
                    if (what == 0) uart.receive_break();
                    else if (what == 1) uart.set_modem_lines(static_cast<u8>(random()));
                    else uart.receive(std::string(random() % 5 + 1, static_cast<char>(random())));
                },
            .longest_pause_ns = 20'000'000};
}
TEST(Uart16550, state_is_complete) { expect_state_is_complete(any_uart(Uart16550::Baud::Instant)); }
TEST(Uart16550, state_is_complete_with_exact_baud) { expect_state_is_complete(any_uart(Uart16550::Baud::Exact)); }
TEST(Uart16550, survives_any_traffic) { expect_survives_traffic(any_uart(Uart16550::Baud::Instant)); }
TEST(Uart16550, survives_any_traffic_with_exact_baud) { expect_survives_traffic(any_uart(Uart16550::Baud::Exact)); }

}  // namespace
}  // namespace vmm
