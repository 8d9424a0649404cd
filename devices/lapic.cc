// SPDX-License-Identifier: Apache-2.0
#include "devices/lapic.h"

#include <bit>
#include <utility>

namespace vmm {
namespace {
constexpr u32 kId = 0x020, kVersion = 0x030, kTpr = 0x080, kApr = 0x090, kPpr = 0x0a0, kEoi = 0x0b0, kRrd = 0x0c0, kLdr = 0x0d0;
constexpr u32 kDfr = 0x0e0, kSvr = 0x0f0, kIsr = 0x100, kTmr = 0x180, kIrr = 0x200, kEsr = 0x280, kIcrLow = 0x300, kIcrHigh = 0x310;
constexpr u32 kLvt = 0x320, kInitialCount = 0x380, kCurrentCount = 0x390, kDivide = 0x3e0;

constexpr u32 kVersionValue = 0x0005'0014;                 // 6 LVT entries
constexpr u64 kBaseBits = 0xf'ffff'f900, kAddressBits = 0xf'ffff'f000;
constexpr u32 kSoftwareEnable = 1u << 8;
constexpr u32 kPeriodic = 1u << 17, kLevelTriggered = 1u << 15, kRemoteIrr = 1u << 14;
constexpr std::array<u32, 6> kLvtBits{0x300ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};  // what can be written
constexpr u32 kIcrBits = 0xccfff;

constexpr u32 kSendIllegalVector = 1u << 5, kReceiveIllegalVector = 1u << 6, kIllegalRegister = 1u << 7;
constexpr u8 kFirstLegalVector = 16;

void set_bit(std::array<u32, 8>& bits, u8 v) { bits[v / 32] |= 1u << v % 32; }
void clear_bit(std::array<u32, 8>& bits, u8 v) { bits[v / 32] &= ~(1u << v % 32); }
bool test_bit(const std::array<u32, 8>& bits, u8 v) { return (bits[v / 32] >> v % 32 & 1) != 0; }
}  // namespace

Lapic::Lapic(IoBus& mmio, Timers& timers, CpuPins& pins, std::function<u8()> pic_acknowledge)
    : mmio_(mmio), timer_(timers, TimerId::Lapic, [this](GuestTime) { timer_expired(); }), pins_(pins),
      pic_acknowledge_(std::move(pic_acknowledge)) {
    map();
}

void Lapic::serialize(Archive& ar) {
    VMM_FIELDS(ar, s_, base, id, tpr, ldr, dfr, svr, isr, tmr, irr, esr, errors, icr_low, icr_high, lvt, initial_count, divide,
               started, from, lint, extint);
}

void Lapic::after_load() {
    map();
    vector_ = -1;
    pending_ = false;
    update();
}

void Lapic::reset() {
    const u64 base = std::exchange(s_.base, kBaseAfterReset);
    forget_programming();
    if (base != s_.base) map();
    update();
}

// What RESET and the global disable have in common. The levels of the pins are others' business.
void Lapic::forget_programming() {
    const auto lint = s_.lint;
    const u64 base = s_.base;
    s_ = {};
    s_.lint = lint;
    s_.base = base;
    timer_.cancel();
}

void Lapic::map() {
    if (handle_ != 0) mmio_.unmap(handle_);
    handle_ = 0;
    const u64 at = s_.base & kAddressBits;
    if (!globally_enabled() || at >> 32 != 0) return;
    handle_ = mmio_.map_movable("lapic", static_cast<u32>(at), kPageSize,
        {[this](u32 offset, unsigned) {
             // Registers are dwords at multiples of 16; a narrower read gives the part it asks for.
             return (offset & 0xc) == 0 ? read(offset & 0xff0) >> (8 * (offset & 3)) : 0;
         },
         [this](u32 offset, unsigned size, u32 value) {
             if ((offset & 0xf) == 0 && size == 4) write(offset, value);
         }, 4});
}

void Lapic::set_base(u64 base) {
    base &= kBaseBits;
    if (base == s_.base) return;
    const bool was_enabled = globally_enabled();
    s_.base = base;
    if (was_enabled && !globally_enabled()) forget_programming();
    map();
    update();
}

// --- registers ("Local APIC Register Address Map") --------------------------------------------------------------------

u32 Lapic::read(u32 offset) {
    if (offset >= kIsr && offset < kTmr) return s_.isr[(offset - kIsr) / 16];
    if (offset >= kTmr && offset < kIrr) return s_.tmr[(offset - kTmr) / 16];
    if (offset >= kIrr && offset < kEsr) return s_.irr[(offset - kIrr) / 16];
    if (offset >= kLvt && offset < kInitialCount) return s_.lvt[(offset - kLvt) / 16];
    switch (offset) {
        case kId: return u32{s_.id} << 24;
        case kVersion: return kVersionValue;
        case kTpr: return s_.tpr;
        case kApr: return arbitration_priority();
        case kPpr: return processor_priority();
        case kEoi:
        case kRrd: return 0;
        case kLdr: return u32{s_.ldr} << 24;
        case kDfr: return u32{s_.dfr} << 28 | 0x0fff'ffff;
        case kSvr: return s_.svr;
        case kEsr: return s_.esr;
        case kIcrLow: return s_.icr_low;
        case kIcrHigh: return s_.icr_high;
        case kInitialCount: return s_.initial_count;
        case kCurrentCount: return current_count();
        case kDivide: return s_.divide;
        default: error(kIllegalRegister); return 0;
    }
}

void Lapic::write(u32 offset, u32 value) {
    if (offset >= kLvt && offset < kInitialCount) {
        write_lvt(static_cast<Lvt>((offset - kLvt) / 16), value);
        return;
    }
    switch (offset) {
        case kId: s_.id = static_cast<u8>(value >> 24); return;
        case kTpr:
            s_.tpr = static_cast<u8>(value);
            update();
            return;
        case kEoi: end_of_interrupt(); return;
        case kLdr: s_.ldr = static_cast<u8>(value >> 24); return;
        case kDfr: s_.dfr = static_cast<u8>(value >> 28); return;
        case kSvr: write_svr(value); return;
        case kEsr: s_.esr = std::exchange(s_.errors, 0); return;
        case kIcrLow: write_icr(value); return;
        case kIcrHigh: s_.icr_high = value & 0xff00'0000; return;
        case kInitialCount:
            s_.initial_count = s_.from = value;
            s_.started = timer_.now();
            arm_timer();
            return;
        case kDivide:
            rebase_timer();
            s_.divide = value & 0xb;
            s_.started = timer_.now();
            arm_timer();
            return;
        case kVersion:
        case kApr:
        case kPpr:
        case kRrd:
        case kCurrentCount: return;                        // read-only
        default:
            if (offset < kIsr || offset >= kEsr) error(kIllegalRegister);
            return;
    }
}

void Lapic::write_svr(u32 value) {
    const bool was_enabled = enabled();
    s_.svr = value & 0x3ff;
    if ((value & kSoftwareEnable) == 0)
        for (auto& entry : s_.lvt) entry |= kMasked;       // and they stay so until it is enabled
    arm_timer();
    update();
    if (!was_enabled && enabled() && ready_) ready_();
}

void Lapic::write_lvt(Lvt entry, u32 value) {
    if (entry == kTimer) rebase_timer();
    u32 keep = 0;
    if (entry == kLint0 && (value & kLevelTriggered) != 0) keep = s_.lvt[entry] & kRemoteIrr;
    s_.lvt[entry] = (value & kLvtBits[entry]) | keep;
    if ((s_.svr & kSoftwareEnable) == 0) s_.lvt[entry] |= kMasked;
    if (entry == kTimer) arm_timer();
    if (entry == kLint0) service_lint0();
    update();
}

void Lapic::write_icr(u32 value) {
    s_.icr_low = value & kIcrBits;
    const auto vector = static_cast<u8>(value);
    const auto how = static_cast<ApicMode>(value >> 8 & 7);
    bool to_self = false;
    switch (value >> 18 & 3) {                             // destination shorthand
        case 0: to_self = matches(static_cast<u8>(s_.icr_high >> 24), (value & 1u << 11) != 0); break;
        case 1:
        case 2: to_self = true; break;
        default: break;                                    // all but self: there is nobody else
    }
    if (how == ApicMode::Fixed || how == ApicMode::LowestPriority) {
        if (vector < kFirstLegalVector) error(kSendIllegalVector);
        else if (to_self) take_fixed(vector, false);
    } else if (how == ApicMode::Nmi && to_self) {
        pins_.raise_nmi();
    }
}

void Lapic::end_of_interrupt() {
    const int v = highest(s_.isr);
    if (v < 0) return;
    const auto vector = static_cast<u8>(v);
    clear_bit(s_.isr, vector);
    if (test_bit(s_.tmr, vector)) {
        if ((s_.lvt[kLint0] & 0xff) == vector && (s_.lvt[kLint0] & kRemoteIrr) != 0) {
            s_.lvt[kLint0] &= ~kRemoteIrr;
            service_lint0();
        }
        if (ended_) ended_(vector);
    }
    update();
}

// --- priorities and delivery ("Interrupt Acceptance for Fixed Interrupts", "Task and Processor Priorities") -----------------

int Lapic::highest(const Bits& bits) {
    for (int i = 7; i >= 0; --i) {
        const u32 word = bits[static_cast<unsigned>(i)];
        if (word != 0) return 32 * i + 31 - std::countl_zero(word);
    }
    return -1;
}

u8 Lapic::processor_priority() const {
    const int in_service = highest(s_.isr);
    const int isr_class = in_service < 0 ? 0 : in_service & 0xf0;
    return (s_.tpr & 0xf0) >= isr_class ? s_.tpr : static_cast<u8>(isr_class);
}

u8 Lapic::arbitration_priority() const {
    const int in_service = highest(s_.isr), requested = highest(s_.irr);
    const int isr_class = in_service < 0 ? 0 : in_service & 0xf0;
    const int irr_class = requested < 0 ? 0 : requested & 0xf0;
    const int tpr_class = s_.tpr & 0xf0;
    if (tpr_class >= irr_class && tpr_class > isr_class) return s_.tpr;
    const int both = tpr_class & isr_class;
    return static_cast<u8>(both > irr_class ? both : irr_class);
}

bool Lapic::matches(u8 destination, bool logical) const {
    if (!logical) return destination == 0xff || destination == s_.id;
    if (s_.dfr == 0xf) return (destination & s_.ldr) != 0;
    const bool cluster = (destination & 0xf0) == 0xf0 || (destination & 0xf0) == (s_.ldr & 0xf0);
    return cluster && (destination & s_.ldr & 0x0f) != 0;
}

bool Lapic::take_fixed(u8 vector, bool level) {
    if (!enabled()) return false;
    if (vector < kFirstLegalVector) {
        error(kReceiveIllegalVector);
        return true;
    }
    set_bit(s_.irr, vector);
    if (level) set_bit(s_.tmr, vector);
    else clear_bit(s_.tmr, vector);
    update();
    return true;
}

bool Lapic::accept(const ApicMessage& m) {
    if (!globally_enabled() || !matches(m.destination, m.logical)) return false;
    switch (m.mode) {
        case ApicMode::Fixed:
        case ApicMode::LowestPriority: return take_fixed(m.vector, m.level);
        case ApicMode::Nmi: pins_.raise_nmi(); return true;
        case ApicMode::Init: pins_.raise_init(); return true;
        case ApicMode::ExtInt:
            s_.extint = true;
            update();
            return true;
        case ApicMode::Smi:
        case ApicMode::StartUp: break;
    }
    return true;
}

void Lapic::error(u32 bit) {
    s_.errors |= bit;
    const auto vector = static_cast<u8>(s_.lvt[kError]);
    // An illegal vector here would report itself for ever.
    if (!masked(kError) && vector >= kFirstLegalVector) take_fixed(vector, false);
}

bool Lapic::extint_pending() const {
    if (!enabled()) return s_.lint[0];
    return s_.extint || (s_.lint[0] && !masked(kLint0) && mode(kLint0) == ApicMode::ExtInt);
}

void Lapic::set_lint(Lvt entry, bool level) {
    bool& pin = s_.lint[entry - kLint0];
    const bool rises = level && !pin;
    pin = level;
    if (!enabled()) {
        if (entry == kLint1 && rises) pins_.raise_nmi();
    } else if (!masked(entry) && rises) {
        const auto vector = static_cast<u8>(s_.lvt[entry]);
        if (mode(entry) == ApicMode::Nmi) pins_.raise_nmi();
        if (mode(entry) == ApicMode::Init) pins_.raise_init();
        // LINT1 is always taken as edge-triggered.
        if (mode(entry) == ApicMode::Fixed && (entry == kLint1 || (s_.lvt[entry] & kLevelTriggered) == 0)) take_fixed(vector, false);
        if (mode(entry) == ApicMode::ExtInt && entry == kLint1) s_.extint = true;
    }
    if (entry == kLint0) service_lint0();
    update();
}

// A level-triggered Fixed LINT0 asks again after each EOI.
void Lapic::service_lint0() {
    u32& lvt = s_.lvt[kLint0];
    if (!s_.lint[0] || masked(kLint0) || mode(kLint0) != ApicMode::Fixed || (lvt & kLevelTriggered) == 0 || (lvt & kRemoteIrr) != 0) return;
    if (static_cast<u8>(lvt) >= kFirstLegalVector && enabled()) lvt |= kRemoteIrr;
    take_fixed(static_cast<u8>(lvt), true);
}

void Lapic::update() {
    vector_ = -1;
    if (enabled()) {
        const int requested = highest(s_.irr);
        if (requested >= 0 && (requested & 0xf0) > (processor_priority() & 0xf0)) vector_ = requested;
    }
    const bool was = std::exchange(pending_, vector_ >= 0 || extint_pending());
    if (pending_ && !was) pins_.intr_changed();
}

u8 Lapic::acknowledge() {
    u8 vector = static_cast<u8>(s_.svr);                   // spurious, if the request went away
    if (vector_ >= 0) {
        vector = static_cast<u8>(vector_);
        clear_bit(s_.irr, vector);
        set_bit(s_.isr, vector);
    } else if (extint_pending()) {
        s_.extint = false;
        if (pic_acknowledge_) vector = pic_acknowledge_();
    }
    update();
    if (pending_) pins_.intr_changed();
    return vector;
}

// --- timer ("APIC Timer") -------------------------------------------------------------------------------------------------

u32 Lapic::divisor() const {
    const u32 code = (s_.divide & 3u) | (s_.divide >> 1 & 4u);
    return 1u << ((code + 1) & 7);                         // 000: 2 ... 110: 128, 111: 1
}

u64 Lapic::elapsed_ticks() const {
    const GuestTime now = timer_.now();
    return now <= s_.started ? 0 : (now - s_.started) / divisor();
}

u32 Lapic::current_count() const {
    if (s_.from == 0) return 0;
    const u64 elapsed = elapsed_ticks();
    if (elapsed < s_.from) return static_cast<u32>(s_.from - elapsed);
    if ((s_.lvt[kTimer] & kPeriodic) == 0 || s_.initial_count == 0) return 0;
    return static_cast<u32>(s_.initial_count - (elapsed - s_.from) % s_.initial_count);
}

void Lapic::rebase_timer() {
    const GuestTime now = timer_.now();
    s_.from = current_count();
    if (now > s_.started) s_.started = now - (now - s_.started) % divisor();
}

// To the first expiry that lies ahead; those that passed unseen left no trace.
void Lapic::arm_timer() {
    const u64 elapsed = elapsed_ticks();
    const bool periodic = (s_.lvt[kTimer] & kPeriodic) != 0 && s_.initial_count != 0;
    if (!enabled() || masked(kTimer) || s_.from == 0 || (elapsed >= s_.from && !periodic)) {
        timer_.cancel();
        return;
    }
    u64 expiry = s_.from;
    if (elapsed >= expiry) expiry += ((elapsed - expiry) / s_.initial_count + 1) * s_.initial_count;
    timer_.arm(s_.started + expiry * divisor());
}

void Lapic::timer_expired() {
    if (!masked(kTimer)) take_fixed(static_cast<u8>(s_.lvt[kTimer]), false);
    arm_timer();
}

}  // namespace vmm
