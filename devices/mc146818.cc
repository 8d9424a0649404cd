// SPDX-License-Identifier: Apache-2.0
#include "devices/mc146818.h"

#include <algorithm>
#include <chrono>

namespace vmm {
namespace {

enum Register : u8 {
    kSeconds = 0, kSecondsAlarm = 1, kMinutes = 2, kMinutesAlarm = 3, kHours = 4, kHoursAlarm = 5, kWeekday = 6, kDay = 7,
    kMonth = 8, kYear = 9, kA = 10, kB = 11, kC = 12, kD = 13, kCentury = 0x32,
};
constexpr u8 kTimeRegisters[] = {kSeconds, kMinutes, kHours, kWeekday, kDay, kMonth, kYear, kCentury};

constexpr u8 kAUip = 0x80, kARate = 0x0f;
constexpr u8 kBSet = 0x80, kBPie = 0x40, kBAie = 0x20, kBUie = 0x10, kBSqwe = 0x08, kBDm = 0x04, kB24 = 0x02;
constexpr u8 kCIrqf = 0x80, kCPf = 0x40, kCAf = 0x20, kCUf = 0x10;
constexpr u8 kDVrt = 0x80;
constexpr u8 kPm = 0x80, kDontCare = 0xc0;

constexpr u64 kSecond = 1'000'000'000;
constexpr u64 kUpdateNs = 244'000 + 1'984'000;      // tBUC + tUC with a 32768 Hz crystal
constexpr i64 kFirstUpdateNs = 500'000'000;         // after the divider is released from reset
constexpr i64 kSecondsPerDay = 86400;

bool is_time(u8 index) { return std::find(std::begin(kTimeRegisters), std::end(kTimeRegisters), index) != std::end(kTimeRegisters); }

i64 floor_mod(i64 a, i64 b) { return (a % b + b) % b; }
i64 floor_div(i64 a, i64 b) { return (a - floor_mod(a, b)) / b; }

}  // namespace

Mc146818::Mc146818(IoBus& ports, Timers& timers, IrqLine irq8, i64 base)
    : irq_(std::move(irq8)), timer_(timers, TimerId::Rtc, [this](GuestTime t) { interrupt(t); }) {
    s_.base = base;
    s_.ram[kA] = 0x26;                              // 32768 Hz, 1024 Hz periodic rate: what every BIOS sets
    s_.ram[kB] = kB24;
    ports.map("rtc", 0x70, 2, {.read = [this](u32 i, unsigned) -> u32 { return i == 0 ? 0xff : read(s_.index); },
                               .write = [this](u32 i, unsigned, u32 v) {
                                   if (i == 1) return write(s_.index, static_cast<u8>(v));
                                   s_.index = v & 0x7f;
                                   s_.nmi_masked = (v & 0x80) != 0;
                               }});
    ports.map("rtc", 0x72, 2, {.read = [this](u32 i, unsigned) -> u32 { return i == 0 ? 0xff : s_.ram[0x80 | s_.extended_index]; },
                               .write = [this](u32 i, unsigned, u32 v) {
                                   if (i == 0) s_.extended_index = v & 0x7f;
                                   else s_.ram[0x80 | s_.extended_index] = static_cast<u8>(v);
                               }});
}

void Mc146818::serialize(Archive& ar) {
    VMM_FIELDS(ar, s_, ram, index, extended_index, nmi_masked, flags, base, origin, written_in, weekday_shift, checked);
    if (!ar.loading()) return;
    s_.index &= 0x7f;
    s_.extended_index &= 0x7f;
    s_.flags &= kCPf | kCAf | kCUf;
    // Dates that no register can show, and times that no machine lives to see, would overflow the arithmetic.
    constexpr i64 kSaneDate = 900'000'000'000, kSaneNs = i64{1} << 61;
    if (std::abs(s_.base) <= kSaneDate && std::abs(s_.origin) <= kSaneNs && s_.checked.v <= u64{kSaneNs}) return;
    ar.fail();
    s_ = State{};
}

void Mc146818::reset() {
    catch_up(timer_.now());
    s_.ram[kB] = static_cast<u8>(s_.ram[kB] & ~(kBPie | kBAie | kBUie | kBSqwe));
    s_.flags = 0;
    s_.index = s_.extended_index = 0;
    s_.nmi_masked = false;
    irq_.set(false);
    arm();
}

void Mc146818::set_memory_size(u64 ram_bytes) {
    const auto put = [this](u8 index, u64 value) {
        s_.ram[index] = static_cast<u8>(value);
        s_.ram[index + 1] = static_cast<u8>(value >> 8);
    };
    const auto above = [ram_bytes](u64 start, u64 unit) {
        return std::min<u64>(ram_bytes > start ? (ram_bytes - start) / unit : 0, 0xffff);
    };
    put(0x15, std::min<u64>(ram_bytes / 1024, 640));
    put(0x17, above(1 << 20, 1024));
    put(0x30, above(1 << 20, 1024));
    put(0x34, above(16 << 20, 64 * 1024));
}

u64 Mc146818::since_origin(GuestTime t) const {
    const i64 ns = static_cast<i64>(t.v) - s_.origin;
    return ns > 0 ? static_cast<u64>(ns) : 0;
}

GuestTime Mc146818::start_of(i64 second) const {
    return {static_cast<u64>(s_.origin + second * static_cast<i64>(kSecond))};
}

// DV: 0-2 run the chain (at 32768 Hz whatever was chosen), 3-5 are for the factory, 6 and 7 hold it in reset.
bool Mc146818::divider_runs() const { return (s_.ram[kA] >> 4 & 7) <= 2; }
bool Mc146818::updates() const { return divider_runs() && !(s_.ram[kB] & kBSet); }

bool Mc146818::update_in_progress(GuestTime t) const {
    return updates() && since_origin(t) % kSecond >= kSecond - kUpdateNs;
}

u64 Mc146818::periodic_hz() const {
    const unsigned rate = s_.ram[kA] & kARate;
    if (rate == 0 || !divider_runs()) return 0;
    return 32768u >> ((rate <= 2 ? rate + 7 : rate) - 1);
}

u8 Mc146818::encode(unsigned value) const {
    return static_cast<u8>(s_.ram[kB] & kBDm ? value : value / 10 << 4 | value % 10);
}

unsigned Mc146818::decode(u8 reg) const { return s_.ram[kB] & kBDm ? reg : (reg >> 4) * 10u + (reg & 15u); }

u8 Mc146818::encode_hour(unsigned hour) const {
    if (s_.ram[kB] & kB24) return encode(hour);
    return static_cast<u8>(encode(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? kPm : 0));
}

// What a time register shows at `seconds` since the epoch.
u8 Mc146818::time_register(u8 index, i64 seconds) const {
    const i64 days = floor_div(seconds, kSecondsPerDay);
    const unsigned of_day = static_cast<unsigned>(floor_mod(seconds, kSecondsPerDay));
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
    const auto year = static_cast<unsigned>(floor_mod(static_cast<int>(date.year()), 10000));
    switch (index) {
    case kSeconds: return encode(of_day % 60);
    case kMinutes: return encode(of_day / 60 % 60);
    case kHours: return encode_hour(of_day / 3600);
    case kWeekday: return encode(static_cast<unsigned>(floor_mod(days + 4 + s_.weekday_shift, 7)) + 1);  // the epoch was a Thursday
    case kDay: return encode(static_cast<unsigned>(date.day()));
    case kMonth: return encode(static_cast<unsigned>(date.month()));
    case kYear: return encode(year % 100);
    default: return encode(year / 100);
    }
}

// Puts the time into the registers, where the guest may change it.
void Mc146818::store_time(GuestTime t) {
    const i64 seconds = s_.base + second(t);
    for (const u8 r : kTimeRegisters) s_.ram[r] = time_register(r, seconds);
}

// Counts on from what is in the registers, whatever it is: the 31st of February is a day in March.
void Mc146818::take_time(GuestTime t) {
    const u8 h = s_.ram[kHours];
    const i64 hour = s_.ram[kB] & kB24 ? decode(h) : decode(h & ~kPm & 0xff) % 12 + (h & kPm ? 12 : 0);
    const i64 months = i64{decode(s_.ram[kCentury])} * 1200 + i64{decode(s_.ram[kYear])} * 12 + decode(s_.ram[kMonth]) - 1;
    const std::chrono::sys_days first{std::chrono::year{static_cast<int>(floor_div(months, 12))} /
                                      std::chrono::month{static_cast<unsigned>(floor_mod(months, 12)) + 1} / std::chrono::day{1}};
    const i64 days = first.time_since_epoch().count() + i64{decode(s_.ram[kDay])} - 1;
    const i64 seconds = ((days * 24 + hour) * 60 + decode(s_.ram[kMinutes])) * 60 + decode(s_.ram[kSeconds]);
    s_.base = seconds - second(t);
    s_.written_in = second(t);
    s_.weekday_shift = static_cast<u8>(floor_mod(i64{decode(s_.ram[kWeekday])} - 1 - (floor_div(seconds, kSecondsPerDay) + 4), 7));
}

// The first second after `after` whose time of day matches the alarm registers.
std::optional<i64> Mc146818::next_alarm(i64 after) const {
    const auto matches = [](u8 alarm, u8 value) { return alarm >= kDontCare || alarm == value; };
    std::array<bool, 24> hours{};
    std::array<bool, 60> minutes{}, seconds{};
    bool any_minute = false, any_second = false;
    for (unsigned i = 0; i < 24; ++i) hours[i] = matches(s_.ram[kHoursAlarm], encode_hour(i));
    for (unsigned i = 0; i < 60; ++i) {
        minutes[i] = matches(s_.ram[kMinutesAlarm], encode(i));
        seconds[i] = matches(s_.ram[kSecondsAlarm], encode(i));
        any_minute |= minutes[i];
        any_second |= seconds[i];
    }
    if (!any_minute || !any_second) return std::nullopt;
    const i64 first = floor_mod(s_.base + after + 1, kSecondsPerDay);
    for (i64 i = first; i < first + kSecondsPerDay;) {
        const auto of_day = static_cast<unsigned>(i % kSecondsPerDay);
        if (!hours[of_day / 3600]) i += 3600 - of_day % 3600;
        else if (!minutes[of_day / 60 % 60]) i += 60 - of_day % 60;
        else if (!seconds[of_day % 60]) i += 1;
        else return after + 1 + (i - first);
    }
    return std::nullopt;
}

// Brings the flags and the interrupt line up to time t.
void Mc146818::catch_up(GuestTime t) {
    if (const u64 hz = periodic_hz(); hz != 0) {
        if (ticks_at({since_origin(t)}, hz) > ticks_at({since_origin(s_.checked)}, hz)) s_.flags |= kCPf;
    }
    const i64 before = second(s_.checked), now = second(t);
    if (updates() && now > before) {
        s_.flags |= kCUf;
        const auto alarm = next_alarm(before);
        if (alarm && *alarm <= now) s_.flags |= kCAf;
    }
    s_.checked = t;
    irq_.set((s_.flags & s_.ram[kB]) != 0);         // PF, AF and UF stand where their enables do
}

// Arms the timer for the next enabled interrupt that is not pending already.
void Mc146818::arm() {
    const GuestTime now = s_.checked;
    const u8 wanted = static_cast<u8>(s_.ram[kB] & ~s_.flags);
    std::optional<GuestTime> next;
    const auto at = [&next](GuestTime t) { next = next ? std::min(*next, t) : t; };
    if (const u64 hz = periodic_hz(); hz != 0 && (wanted & kBPie)) {
        const u64 tick = ticks_at({since_origin(now)}, hz) + 1;
        at({static_cast<u64>(s_.origin + static_cast<i64>(time_of_tick(tick, hz).v))});
    }
    if (updates() && (wanted & kBUie)) at(start_of(second(now) + 1));
    if (updates() && (wanted & kBAie)) {
        if (const auto alarm = next_alarm(second(now))) at(start_of(*alarm));
    }
    if (next) timer_.arm(*next);
    else timer_.cancel();
}

u8 Mc146818::read(u8 index) {
    const GuestTime t = timer_.now();
    if (is_time(index)) return raw_valid(t) ? s_.ram[index] : time_register(index, s_.base + second(t));
    switch (index) {
    case kA: return static_cast<u8>(s_.ram[kA] | (update_in_progress(t) ? kAUip : 0));
    case kC: {
        catch_up(t);
        const u8 value = static_cast<u8>(s_.flags | (s_.flags & s_.ram[kB] ? kCIrqf : 0));
        s_.flags = 0;
        irq_.set(false);
        arm();
        return value;
    }
    case kD: return kDVrt;
    default: return s_.ram[index];
    }
}

void Mc146818::write(u8 index, u8 value) {
    const GuestTime t = timer_.now();
    const bool alarm = index == kSecondsAlarm || index == kMinutesAlarm || index == kHoursAlarm;
    if (index == kC || index == kD) return;
    if (index > kD && index != kCentury) {
        s_.ram[index] = value;
        return;
    }
    catch_up(t);
    if (index == kA) write_a(value);
    else if (index == kB) write_b(value);
    else if (alarm || !updates()) s_.ram[index] = value;
    else {
        if (!raw_valid(t)) store_time(t);
        s_.ram[index] = value;
        take_time(t);
    }
    interrupt(t);
}

void Mc146818::write_a(u8 value) {
    const GuestTime t = timer_.now();
    const bool ran = divider_runs(), updated = updates();
    if (updated && !raw_valid(t)) store_time(t);
    s_.ram[kA] = value & ~kAUip & 0xff;
    if (!ran && divider_runs()) s_.origin = static_cast<i64>(t.v) - kFirstUpdateNs;
    if (!updated && updates()) take_time(t);
}

void Mc146818::write_b(u8 value) {
    const GuestTime t = timer_.now();
    const bool updated = updates();
    if (updated && !raw_valid(t)) store_time(t);
    if (value & kBSet) value = static_cast<u8>(value & ~kBUie);
    const bool other_form = ((value ^ s_.ram[kB]) & (kBDm | kB24)) != 0;
    s_.ram[kB] = value;
    if (!updated && updates()) take_time(t);
    else if (other_form && updates()) s_.written_in = kNoSecond;
}

}  // namespace vmm
