// SPDX-License-Identifier: Apache-2.0
// The local APIC of the one processor (xAPIC, version 14h, six LVT entries), and the processor's interrupt source.
//
// Done: priorities (TPR, PPR, APR), ISR/TMR/IRR, EOI with its broadcast, logical and physical destinations, self IPIs, NMI,
// LVT with LINT0/LINT1 pins, error register, one-shot and periodic timer, the global enable and the base address.
// While the APIC is disabled, by IA32_APIC_BASE or by SVR, LINT0 is INTR and LINT1 is NMI, as on a processor without one;
// after software enable LINT0 is what its LVT entry says. INIT and start-up messages have no one to go to and are ignored, and
// so is SMI. Missing: x2APIC, TSC deadline, CMCI, focus checking; a base moved onto RAM stays hidden behind the RAM.
// Time: the timer counts guest ns (1 GHz) divided as DCR says; the count is computed when read, and a deadline exists only
// while an unmasked timer can fire.
// Document: Intel SDM volume 3A, chapter "Advanced Programmable Interrupt Controller" (APIC), below by section title.
#pragma once

#include <array>
#include <functional>

#include "devices/apic_bus.h"
#include "vmm/bus.h"
#include "vmm/clock.h"
#include "vmm/cpu_pins.h"
#include "vmm/device.h"

namespace vmm {

class Lapic final : public Device, public InterruptSource {
  public:
    static constexpr u64 kBaseAfterReset = 0xfee0'0900;    // BSP, enabled

    // `pic_acknowledge` is the INTA cycle of the 8259, run for an ExtINT.
    Lapic(IoBus& mmio, Timers& timers, CpuPins& pins, std::function<u8()> pic_acknowledge);

    bool pending() const override { return pending_; }
    u8 acknowledge() override;

    IrqLine lint0() { return IrqLine([this](bool level) { set_lint(kLint0, level); }); }   // INTR of the 8259
    IrqLine lint1() { return IrqLine([this](bool level) { set_lint(kLint1, level); }); }   // NMI of the board

    // The processor wrote IA32_APIC_BASE.
    void set_base(u64 base);
    u64 base() const { return s_.base; }

    // From the I/O APIC; false: not for this APIC, or it takes none now.
    bool accept(const ApicMessage& message);
    // To the I/O APIC: a level-triggered interrupt ended; and: messages are taken from now on.
    void connect(std::function<void(u8 vector)> ended, std::function<void()> ready) {
        ended_ = std::move(ended);
        ready_ = std::move(ready);
    }

    std::string_view name() const override { return "lapic"; }
    void serialize(Archive& ar) override;
    void after_load() override;
    void reset() override;

  private:
    enum Lvt : unsigned { kTimer, kThermal, kPerformance, kLint0, kLint1, kError, kLvtCount };
    static constexpr u32 kMasked = 1u << 16;
    using Bits = std::array<u32, 8>;                       // one bit a vector

    struct State {
        u64 base = kBaseAfterReset;
        u8 id = 0;
        u8 tpr = 0;
        u8 ldr = 0;
        u8 dfr = 0xf;                                      // model: Fh flat, 0 cluster
        u32 svr = 0xff;
        Bits isr{}, tmr{}, irr{};
        u32 esr = 0;
        u32 errors = 0;                                    // since the last write of ESR
        u32 icr_low = 0;
        u32 icr_high = 0;
        std::array<u32, kLvtCount> lvt{kMasked, kMasked, kMasked, kMasked, kMasked, kMasked};
        u32 initial_count = 0;
        u8 divide = 0;                                     // DCR
        GuestTime started{};                               // when the count was `from`
        u32 from = 0;                                      // 0: the timer is stopped
        std::array<bool, 2> lint{};                        // levels of LINT0, LINT1
        bool extint = false;                               // an ExtINT message that waits
    };

    bool globally_enabled() const { return (s_.base & 1u << 11) != 0; }
    bool enabled() const { return globally_enabled() && (s_.svr & 1u << 8) != 0; }
    bool masked(Lvt entry) const { return (s_.lvt[entry] & kMasked) != 0; }
    ApicMode mode(Lvt entry) const { return static_cast<ApicMode>(s_.lvt[entry] >> 8 & 7); }

    u32 read(u32 offset);
    void write(u32 offset, u32 value);
    void write_svr(u32 value);
    void write_lvt(Lvt entry, u32 value);
    void write_icr(u32 value);
    void end_of_interrupt();

    static int highest(const Bits& bits);
    u8 processor_priority() const;
    u8 arbitration_priority() const;
    bool matches(u8 destination, bool logical) const;
    bool take_fixed(u8 vector, bool level);
    void error(u32 bit);
    void set_lint(Lvt entry, bool level);
    void service_lint0();
    bool extint_pending() const;
    void update();
    void map();
    void forget_programming();

    u32 divisor() const;
    u64 elapsed_ticks() const;
    u32 current_count() const;
    void rebase_timer();                                   // before divisor or mode changes
    void arm_timer();
    void timer_expired();

    IoBus& mmio_;
    Timer timer_;
    CpuPins& pins_;
    std::function<u8()> pic_acknowledge_;
    std::function<void(u8)> ended_;
    std::function<void()> ready_;
    State s_;
    // Derived.
    IoBus::Handle handle_ = 0;
    int vector_ = -1;                                      // the interrupt that would be taken, -1: none
    bool pending_ = false;
};

}  // namespace vmm
