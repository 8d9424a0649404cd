// SPDX-License-Identifier: Apache-2.0
#include "devices/piix3.h"

namespace vmm {
namespace {
constexpr u8 kIort = 0x4c, kXbcs = 0x4e, kPirqrc = 0x60, kTom = 0x69, kMstat = 0x6a, kMbirq = 0x70, kMbdma = 0x76, kPcsc = 0x78;
constexpr u8 kApicbase = 0x80, kDlc = 0x82, kSmicntl = 0xa0, kSmien = 0xa2, kSee = 0xa4, kFtmr = 0xa8, kSmireq = 0xaa, kCtltmr = 0xac;
constexpr u8 kNotRouted = 0x80;
constexpr u16 kRoutable = 0xdef8;                     // 3-7, 9-12, 14, 15; the rest is reserved
constexpr u8 kHardReset = 2, kResetCpu = 4;
}  // namespace

Piix3::Piix3(PciBus& bus, std::array<IrqLine, 16> irqs, std::function<void(bool)> reset)
    : PciDevice(bus, pci_devfn(1, 0),
                {.vendor = 0x8086, .device = 0x7000, .base_class = 6, .sub_class = 1, .multi_function = true}),
      irqs_(std::move(irqs)), reset_(std::move(reset)) {
    define(pci::kCommand, 2, 0x0007, 0x0008);         // I/O, memory and mastering are always on
    define(pci::kStatus, 2, 0x0200, 0, 0x7800);
    define(kIort, 1, 0x4d, 0xff);
    define(kXbcs, 2, 0x0003, 0xffff);
    define(kPirqrc, 4, 0x8080'8080, 0x8f8f'8f8f);
    define(kTom, 1, 0x02, 0xfe);
    define(kMstat, 2, 0, 0x8080);
    define(kMbirq, 1, 0x80, 0xef);
    define(kMbdma, 2, 0x0c0c, 0x8f8f);
    define(kPcsc, 2, 0x0002, 0xffff);
    define(kApicbase, 1, 0, 0x7f);
    define(kDlc, 1, 0, 0x0f);
    define(kSmicntl, 1, 0x08, 0x1f);
    define(kSmien, 2, 0, 0x01ff);
    define(kSee, 4, 0, ~u32{0});
    define(kFtmr, 1, 0x0f, 0xff);
    define(kSmireq, 2, 0, 0x01ff);
    define(kCtltmr, 1, 0, 0xff);
    define(kCtltmr + 2, 1, 0, 0xff);
    bus.set_pirq_sink([this](unsigned pirq, bool level) {
        s_.pirq = static_cast<u8>((s_.pirq & ~(1u << pirq)) | (level ? 1u << pirq : 0));
        drive();
    });
    bus.set_reset_control({[this](u32, unsigned) { return u32{s_.reset_control}; },
                           [this](u32, unsigned, u32 value) {
                               const bool rises = (value & kResetCpu) != 0 && (s_.reset_control & kResetCpu) == 0;
                               s_.reset_control = value & (kHardReset | kResetCpu);
                               if (rises && reset_) reset_((value & kHardReset) != 0);
                           }});
}

void Piix3::config_written(u8 offset, unsigned size) {
    if (offset < kPirqrc + 4 && offset + size > kPirqrc) drive();
}

void Piix3::set_isa(unsigned irq, bool level) {
    s_.isa = static_cast<u16>((s_.isa & ~(1u << irq)) | (level ? 1u << irq : 0));
    drive();
}

void Piix3::drive() {
    u32 out = s_.isa;
    for (unsigned i = 0; i < 4; ++i) {
        const u8 route = reg8(static_cast<u8>(kPirqrc + i));
        if ((s_.pirq >> i & 1) != 0 && (route & kNotRouted) == 0) out |= (1u << (route & 15)) & kRoutable;
    }
    const u32 changed = out ^ s_.out;
    s_.out = static_cast<u16>(out);
    for (unsigned irq = 0; irq < 16; ++irq)
        if ((changed >> irq & 1) != 0) irqs_[irq].set((out >> irq & 1) != 0);
}

void Piix3::reset() {
    reset_config();
    s_.reset_control = 0;
    // The levels are what others drive: their own reset takes them away.
    drive();
}

}  // namespace vmm
