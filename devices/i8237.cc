// SPDX-License-Identifier: Apache-2.0
#include "devices/i8237.h"

#include <algorithm>

namespace vmm {
namespace {
constexpr u32 kStatusCommand = 8, kRequest = 9, kSingleMask = 10, kMode = 11, kClearPointer = 12, kMasterClear = 13, kClearMask = 14, kAllMask = 15;
constexpr u8 kDisable = 1 << 2;                            // command register
constexpr u8 kAutoInit = 1 << 4, kDecrement = 1 << 5, kCascade = 0xc0;
constexpr unsigned kCascadeChannel = 4;
// Page register of each channel, as an offset from 80h. Channel 4 has none; 8Fh is the refresh page.
constexpr std::array<u8, 8> kPage{0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa};
}  // namespace

void serialize(Archive& ar, I8237::Channel& channel) { VMM_FIELDS(ar, channel, base_address, base_count, address, count, mode); }
void serialize(Archive& ar, I8237::Controller& controller) {
    VMM_FIELDS(ar, controller, channel, command, mask, request, dreq, terminal, high_byte);
}

I8237::I8237(IoBus& ports, Memory& memory) : memory_(memory) {
    ports.map("dma1", 0x00, 16, {[this](u32 offset, unsigned) { return u32{read(s_.controller[0], offset)}; },
                                 [this](u32 offset, unsigned, u32 value) { write(s_.controller[0], offset, static_cast<u8>(value)); }, 1});
    // The second controller sees address line 1 as its line 0.
    ports.map("dma2", 0xc0, 32, {[this](u32 offset, unsigned) { return u32{read(s_.controller[1], offset / 2)}; },
                                 [this](u32 offset, unsigned, u32 value) { write(s_.controller[1], offset / 2, static_cast<u8>(value)); }, 1});
    ports.map("dma page", 0x80, 16, {[this](u32 offset, unsigned) { return u32{s_.page[offset]}; },
                                     [this](u32 offset, unsigned, u32 value) { s_.page[offset] = static_cast<u8>(value); }, 1});
}

u8 I8237::read(Controller& c, u32 reg) {
    if (reg < 8) {
        const Channel& ch = c.channel[reg / 2];
        const u16 value = reg % 2 == 0 ? ch.address : ch.count;
        c.high_byte = !c.high_byte;
        return static_cast<u8>(c.high_byte ? value : value >> 8);
    }
    switch (reg) {
        case kStatusCommand: {
            const auto status = static_cast<u8>((c.dreq | c.request) << 4 | c.terminal);
            c.terminal = 0;
            return status;
        }
        case kAllMask: return c.mask | 0xf0;
        default: return 0;                                 // the temporary register, and what cannot be read
    }
}

void I8237::write(Controller& c, u32 reg, u8 value) {
    const unsigned which = value & 3;
    const auto bit = static_cast<u8>(1u << which);
    switch (reg) {
        case kStatusCommand: c.command = value; return;
        case kRequest: c.request = static_cast<u8>((value & 4) != 0 ? c.request | bit : c.request & ~bit); return;
        case kSingleMask: c.mask = static_cast<u8>((value & 4) != 0 ? c.mask | bit : c.mask & ~bit); return;
        case kMode: c.channel[which].mode = value & 0xfc; return;
        case kClearPointer: c.high_byte = false; return;
        case kMasterClear:
            c.command = c.request = c.terminal = 0;
            c.high_byte = false;
            c.mask = 0x0f;
            return;
        case kClearMask: c.mask = 0; return;
        case kAllMask: c.mask = value & 0x0f; return;
        default: break;
    }
    Channel& ch = c.channel[reg / 2 & 3];
    u16& base = reg % 2 == 0 ? ch.base_address : ch.base_count;
    u16& current = reg % 2 == 0 ? ch.address : ch.count;
    base = static_cast<u16>(c.high_byte ? (base & 0x00ff) | value << 8 : (base & 0xff00) | value);
    current = base;
    c.high_byte = !c.high_byte;
}

void I8237::set_dreq(unsigned channel, bool level) {
    u8& dreq = s_.controller[channel / 4].dreq;
    const auto bit = static_cast<u8>(1u << channel % 4);
    dreq = static_cast<u8>(level ? dreq | bit : dreq & ~bit);
}

bool I8237::ready(unsigned channel) const {
    const Controller& c = s_.controller[channel / 4];
    if ((c.command & kDisable) != 0 || (c.mask >> channel % 4 & 1) != 0) return false;
    const bool cascade = (c.channel[channel % 4].mode & kCascade) == kCascade;
    if (channel == kCascadeChannel) return cascade;
    // The first controller asks for the bus through the second.
    return !cascade && (channel > kCascadeChannel || ready(kCascadeChannel));
}

u32 I8237::physical(unsigned channel) const {
    const u16 address = s_.controller[channel / 4].channel[channel % 4].address;
    const u32 page = s_.page[kPage[channel]];
    return channel < kCascadeChannel ? page << 16 | address : (page & 0xfe) << 16 | u32{address} << 1;
}

template <class Move>
I8237::Transfer I8237::run(unsigned channel, std::size_t size, Direction wanted, Move move) {
    Controller& c = s_.controller[channel / 4];
    Channel& ch = c.channel[channel % 4];
    const auto programmed = static_cast<Direction>(ch.mode >> 2 & 3);
    if (channel == kCascadeChannel || !ready(channel) || (programmed != wanted && programmed != Direction::Verify)) return {};
    const u32 unit = channel < kCascadeChannel ? 1 : 2;
    const bool down = (ch.mode & kDecrement) != 0;
    Transfer done;
    while (size - done.bytes >= unit && !done.terminal_count) {
        // As much as lies in one direction without wrapping; one unit at a time downwards.
        u32 units = down ? 1 : 0x10000u - ch.address;
        units = static_cast<u32>(std::min<std::size_t>({units, u32{ch.count} + 1, (size - done.bytes) / unit}));
        if (programmed != Direction::Verify) move(physical(channel), done.bytes, units * unit);
        done.bytes += units * unit;
        ch.address = static_cast<u16>(down ? ch.address - 1 : ch.address + units);
        done.terminal_count = units == u32{ch.count} + 1;
        ch.count = static_cast<u16>(ch.count - units);
    }
    if (done.terminal_count) {
        const auto bit = static_cast<u8>(1u << channel % 4);
        c.terminal |= bit;
        c.request = static_cast<u8>(c.request & ~bit);
        if ((ch.mode & kAutoInit) != 0) {
            ch.address = ch.base_address;
            ch.count = ch.base_count;
        } else {
            c.mask |= bit;
        }
    }
    return done;
}

I8237::Transfer I8237::to_memory(unsigned channel, std::span<const u8> data) {
    return run(channel, data.size(), Direction::ToMemory, [&](u32 address, std::size_t at, std::size_t n) {
        memory_.write({address}, data.subspan(at, n));
    });
}

I8237::Transfer I8237::from_memory(unsigned channel, std::span<u8> data) {
    return run(channel, data.size(), Direction::FromMemory, [&](u32 address, std::size_t at, std::size_t n) {
        memory_.read({address}, data.subspan(at, n));
    });
}

void I8237::reset() {
    const u8 low = s_.controller[0].dreq, high = s_.controller[1].dreq;
    s_ = {};
    s_.controller[0].dreq = low;
    s_.controller[1].dreq = high;
}

}  // namespace vmm
