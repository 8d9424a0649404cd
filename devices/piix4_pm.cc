// SPDX-License-Identifier: Apache-2.0
#include "devices/piix4_pm.h"

namespace vmm {
namespace {
constexpr u64 kPmTimerHz = 3'579'545;
constexpr unsigned kHalfPeriodBits = 23;               // the top bit of 24 changes every 2^23 ticks

// Configuration.
constexpr u8 kPmba = 0x40, kCnta = 0x44, kDevactb = 0x58, kDevResources = 0x5c, kPmregmisc = 0x80, kSmbba = 0x90, kSmbhstcfg = 0xd2;
constexpr u32 kPmSize = 64, kSmbusSize = 16, kGpeBase = 0xafe0, kGpeSize = 4, kApmBase = 0xb2;
constexpr u8 kPmEnable = 1, kSmbusEnable = 1;
constexpr u32 kApmcEnable = 1u << 25;                  // DEVACTB.APMC_EN

// PM block.
constexpr u32 kPmSts = 0x00, kPmEn = 0x02, kPmCntrl = 0x04, kPmTmr = 0x08, kGpSts = 0x0c, kPlvl2 = 0x14, kPlvl3 = 0x15;
constexpr u16 kTimerStatus = 1 << 0, kGlobalStatus = 1 << 5, kPowerButton = 1 << 8, kRtcStatus = 1 << 10, kResume = 1 << 15;
constexpr u16 kStatusBits = kTimerStatus | kGlobalStatus | kPowerButton | kRtcStatus | kResume;
constexpr u16 kEnableBits = kTimerStatus | kGlobalStatus | kPowerButton | kRtcStatus;
constexpr u16 kSciEnable = 1 << 0, kGlobalRelease = 1 << 2, kSleepEnable = 1 << 13;
constexpr u16 kControlBits = 0x1c03;                   // SLP_TYP, BRLD_EN_BM, SCI_EN; the others read as 0
constexpr unsigned kSleepTypeShift = 10;
constexpr u16 kSoftOff = 0;

constexpr u8 kAcpiEnable = 0xf1, kAcpiDisable = 0xf0;

// SMBus host.
constexpr u32 kSmbHstSts = 0, kSmbHstCnt = 2;
constexpr u8 kDeviceError = 1 << 2, kStatusClears = 0x1e, kStart = 1 << 6;

u8 byte_of(u32 value, u32 offset) { return static_cast<u8>(value >> (8 * offset)); }
u16 with_byte(u16 old, bool high, u8 value) {
    return static_cast<u16>(high ? (old & 0x00ff) | value << 8 : (old & 0xff00) | value);
}
IoOps byte_ops(auto read, auto write) {
    return {[read](u32 offset, unsigned) { return u32{read(offset)}; },
            [write](u32 offset, unsigned, u32 value) { write(offset, static_cast<u8>(value)); }, 1};
}
}  // namespace

Piix4Pm::Piix4Pm(PciBus& bus, IoBus& ports, Timers& timers, IrqLine sci, std::function<void()> power_off)
    : PciDevice(bus, pci_devfn(1, 3),
                {.vendor = 0x8086, .device = 0x7113, .revision = 3, .base_class = 6, .sub_class = 0x80, .interrupt_pin = 1}),
      timer_(timers, TimerId::AcpiPm, [this](GuestTime) { update(); }), sci_(std::move(sci)), power_off_(std::move(power_off)) {
    define(pci::kCommand, 2, 0, 0x0001);
    define(pci::kStatus, 2, 0x0280, 0, 0x0800);
    define(kPmba, 4, 0x0000'0001, 0x0000'ffc0);
    define(kCnta, 4, 0, ~u32{0});
    define(kCnta + 4, 4, 0, ~u32{0});
    define(kCnta + 8, 4, 0, ~u32{0});
    define(kCnta + 12, 4, 0, ~u32{0});
    define(0x54, 4, 0, ~u32{0});                       // DEVACTA
    define(kDevactb, 4, kApmcEnable, ~u32{0});
    for (u8 offset = kDevResources; offset < kPmregmisc; offset = static_cast<u8>(offset + 4)) define(offset, 4, 0, ~u32{0});
    define(kPmregmisc, 1, 0, kPmEnable);
    define(kSmbba, 4, 0x0000'0001, 0x0000'fff0);
    define(kSmbhstcfg, 4, 0, 0xffff'ff0f);
    define(0xd6, 1, 0, 0);

    io_window(kPmSize, [this]() -> std::optional<u32> {
        const u32 base = reg32(kPmba) & 0xffc0;
        if ((reg8(kPmregmisc) & kPmEnable) == 0 || base == 0) return std::nullopt;
        return base;
    }, {[this](u32 offset, unsigned size) {
            // A word or dword is one look at the timer.
            if (offset == kPmTmr && size == 4) return pm_read(kPmTmr);
            u32 value = 0;
            for (u32 i = 0; i < size; ++i) value |= (pm_read((offset + i) & ~3u) >> (8 * ((offset + i) & 3)) & 0xff) << (8 * i);
            return value;
        },
        [this](u32 offset, unsigned size, u32 value) {
            for (u32 i = 0; i < size; ++i) pm_write(offset + i, byte_of(value, i));
            update();
        }, 4});
    io_window(kSmbusSize, [this]() -> std::optional<u32> {
        const u32 base = reg32(kSmbba) & 0xfff0;
        if ((reg8(kSmbhstcfg) & kSmbusEnable) == 0 || base == 0) return std::nullopt;
        return base;
    }, byte_ops([this](u32 offset) { return smbus_read(offset); }, [this](u32 offset, u8 value) { smbus_write(offset, value); }));

    ports.map("piix4_pm GPE0", kGpeBase, kGpeSize, byte_ops(
        [this](u32 offset) { return byte_of(s_.gpe_status | u32{s_.gpe_enable} << 16, offset); },
        [this](u32 offset, u8 value) {
            const bool high = (offset & 1) != 0;
            if (offset < 2) s_.gpe_status = static_cast<u16>(s_.gpe_status & ~with_byte(0, high, value));
            else s_.gpe_enable = with_byte(s_.gpe_enable, high, value);
            update();
        }));
    ports.map("piix4_pm APM", kApmBase, 2, byte_ops(
        [this](u32 offset) { return offset == 0 ? s_.apm_control : s_.apm_status; },
        [this](u32 offset, u8 value) {
            (offset == 0 ? s_.apm_control : s_.apm_status) = value;
            if (offset != 0) return;
            if (value == kAcpiEnable) s_.control |= kSciEnable;
            if (value == kAcpiDisable) s_.control = static_cast<u16>(s_.control & ~kSciEnable);
            update();
        }));
}

u64 Piix4Pm::half_periods() const { return ticks_at(timer_.now(), kPmTimerHz) >> kHalfPeriodBits; }

u16 Piix4Pm::pm1_status() const {
    return static_cast<u16>(s_.status | (half_periods() != s_.timer_seen ? kTimerStatus : 0));
}

// The dword at `offset`.
u32 Piix4Pm::pm_read(u32 offset) {
    switch (offset) {
        case kPmSts: return pm1_status() | u32{s_.enable} << 16;
        case kPmCntrl: return s_.control;
        case kPmTmr: return static_cast<u32>(ticks_at(timer_.now(), kPmTimerHz) & 0xff'ffff);
        case kPlvl2 & ~3u: return 0;                   // P_LVL2, P_LVL3: entering C2 and C3 is not modelled
        default: break;
    }
    u32 value = 0;
    for (u32 i = 0; i < 4; ++i) value |= u32{s_.pm[offset + i]} << (8 * i);
    return value;
}

void Piix4Pm::pm_write(u32 offset, u8 value) {
    const bool high = (offset & 1) != 0;
    switch (offset & ~1u) {
        case kPmSts: {
            const u16 clear = with_byte(0, high, value) & kStatusBits;
            if ((clear & kTimerStatus) != 0) s_.timer_seen = half_periods();
            s_.status = static_cast<u16>(s_.status & ~clear);
            return;
        }
        case kPmEn: s_.enable = with_byte(s_.enable, high, value) & kEnableBits; return;
        case kPmCntrl: set_control(with_byte(s_.control, high, value), high); return;
        case kPmCntrl + 2:
        case kPmTmr:
        case kPmTmr + 2:
        case kPlvl2: return;
        case kGpSts: s_.pm[offset] = static_cast<u8>(s_.pm[offset] & ~value); return;
        default: s_.pm[offset] = value; return;
    }
}

void Piix4Pm::set_control(u16 value, bool high_byte) {
    s_.control = value & kControlBits;
    if (!high_byte && (value & kGlobalRelease) != 0) s_.status |= kGlobalStatus;
    if (high_byte && (value & kSleepEnable) != 0 && (value >> kSleepTypeShift & 7) == kSoftOff && power_off_) power_off_();
}

void Piix4Pm::update() {
    const u16 events = pm1_status();
    const bool sci_enabled = (s_.control & kSciEnable) != 0;
    const bool level = sci_enabled && ((events & s_.enable & kEnableBits) != 0 || (s_.gpe_status & s_.gpe_enable) != 0);
    if (sci_enabled && (s_.enable & kTimerStatus) != 0 && (events & kTimerStatus) == 0)
        timer_.arm(time_of_tick((half_periods() + 1) << kHalfPeriodBits, kPmTimerHz));
    else
        timer_.cancel();
    if (level == s_.sci) return;
    s_.sci = level;
    sci_.set(level);
}

u8 Piix4Pm::smbus_read(u32 offset) { return s_.smbus[offset]; }

void Piix4Pm::smbus_write(u32 offset, u8 value) {
    switch (offset) {
        case kSmbHstSts: s_.smbus[offset] = static_cast<u8>(s_.smbus[offset] & ~(value & kStatusClears)); return;
        case kSmbHstCnt:
            s_.smbus[offset] = static_cast<u8>(value & ~kStart);
            if ((value & kStart) != 0) s_.smbus[kSmbHstSts] |= kDeviceError;  // nobody acknowledges the address
            return;
        default: s_.smbus[offset] = value; return;
    }
}

void Piix4Pm::press_power_button() {
    s_.status |= kPowerButton;
    update();
}

void Piix4Pm::raise_gpe(unsigned bit) {
    s_.gpe_status = static_cast<u16>(s_.gpe_status | 1u << (bit & 15));
    update();
}

void Piix4Pm::reset() {
    if (s_.sci) sci_.set(false);
    s_ = {};
    s_.timer_seen = half_periods();                    // the counter itself runs on
    timer_.cancel();
    reset_config();
}

}  // namespace vmm
