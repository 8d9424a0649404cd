// SPDX-License-Identifier: Apache-2.0
#include "devices/ioapic.h"

#include <utility>

namespace vmm {
namespace {
constexpr u32 kBase = 0xfec0'0000, kSize = 0x100;
constexpr u32 kSelect = 0x00, kWindow = 0x10;
constexpr u8 kId = 0, kVersion = 1, kArbitration = 2, kRedirection = 0x10;
constexpr u32 kVersionValue = 0x0017'0011;                 // 24 entries
constexpr u64 kLogical = 1u << 11, kRemoteIrr = 1u << 14, kLevel = 1u << 15;
constexpr u64 kLowBits = 0x1'afff, kHighBits = u64{0xff} << 56;
}  // namespace

IoApic::IoApic(IoBus& mmio, std::function<bool(const ApicMessage&)> send) : send_(std::move(send)) {
    mmio.map("ioapic", kBase, kSize,
        {[this](u32 offset, unsigned) -> u32 {
             const u32 reg = offset & ~3u;
             return (reg == kSelect ? s_.select : reg == kWindow ? read_register() : 0) >> (8 * (offset & 3));
         },
         [this](u32 offset, unsigned size, u32 value) {
             if (offset == kSelect) s_.select = static_cast<u8>(value);
             if (offset == kWindow && size == 4) write_register(value);
         }, 4});
}

u32 IoApic::read_register() const {
    switch (s_.select) {
        case kId:
        case kArbitration: return u32{s_.id} << 24;
        case kVersion: return kVersionValue;
        default: break;
    }
    const u32 index = s_.select - u32{kRedirection};
    if (index >= 2 * kPins) return 0;
    return static_cast<u32>(s_.redirection[index / 2] >> (index % 2 * 32));
}

void IoApic::write_register(u32 value) {
    if (s_.select == kId) s_.id = value >> 24 & 0x0f;
    const u32 index = s_.select - u32{kRedirection};
    if (index >= 2 * kPins) return;
    u64& entry = s_.redirection[index / 2];
    if (index % 2 == 1) {
        entry = (entry & ~kHighBits) | (u64{value} << 32 & kHighBits);
    } else {
        // Turning a pin to edge forgets that an EOI is due; systems use that to get a stuck pin going.
        const u64 keep = kHighBits | ((value & kLevel) != 0 ? kRemoteIrr : 0);
        entry = (entry & keep) | (value & kLowBits);
    }
    service_level(index / 2);
}

bool IoApic::send(u64 entry) const {
    return send_ && send_({.destination = static_cast<u8>(entry >> 56), .logical = (entry & kLogical) != 0,
                           .mode = static_cast<ApicMode>(entry >> 8 & 7), .vector = static_cast<u8>(entry),
                           .level = (entry & kLevel) != 0});
}

void IoApic::set_pin(unsigned n, bool level) {
    const bool was = (s_.pins >> n & 1) != 0;
    s_.pins = (s_.pins & ~(1u << n)) | (level ? 1u << n : 0);
    const u64 entry = s_.redirection[n];
    if ((entry & kLevel) != 0) service_level(n);
    else if (level && !was && (entry & kMasked) == 0) send(entry);
}

void IoApic::service_level(unsigned n) {
    u64& entry = s_.redirection[n];
    if ((s_.pins >> n & 1) == 0 || (entry & kLevel) == 0 || (entry & (kMasked | kRemoteIrr)) != 0) return;
    const auto how = static_cast<ApicMode>(entry >> 8 & 7);
    const bool has_end = how == ApicMode::Fixed || how == ApicMode::LowestPriority;
    // Remote IRR before the message: taking it may end it.
    if (has_end) entry |= kRemoteIrr;
    if (!send(entry)) entry &= ~kRemoteIrr;
}

void IoApic::ended(u8 vector) {
    for (unsigned n = 0; n < kPins; ++n) {
        u64& entry = s_.redirection[n];
        if (static_cast<u8>(entry) != vector || (entry & kRemoteIrr) == 0) continue;
        entry &= ~kRemoteIrr;
        service_level(n);
    }
}

void IoApic::offer_again() {
    for (unsigned n = 0; n < kPins; ++n) service_level(n);
}

void IoApic::reset() {
    const u32 pins = s_.pins;
    s_ = {};
    s_.pins = pins;
}

}  // namespace vmm
