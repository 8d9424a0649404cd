// SPDX-License-Identifier: Apache-2.0
// Descriptor tables: lookup, accessed and busy bits, and the segment registers that result. See descriptor.h.
#include "vmm/tcg/descriptor.h"

namespace vmm::tcg {

namespace {

constexpr u32 kAccessedBit = 1u << 8;
constexpr u32 kBusyBit = 1u << 9;

}  // namespace

std::optional<u32> descriptor_address(const Cpu& cpu, u16 selector) {
    const u32 offset = selector & 0xfff8u;
    if (in_ldt(selector)) {
        if (!cpu.s.ldtr.present() || offset + 7 > cpu.s.ldtr.limit) return std::nullopt;
        return cpu.s.ldtr.base + offset;
    }
    if (offset + 7 > cpu.s.gdtr.limit) return std::nullopt;
    return cpu.s.gdtr.base + offset;
}

std::optional<Descriptor> find_descriptor(Cpu& cpu, u16 selector) {
    const std::optional<u32> address = descriptor_address(cpu, selector);
    if (!address) return std::nullopt;
    Descriptor d;
    d.lo = cpu.read_linear(*address, 4, true);
    d.hi = cpu.read_linear(*address + 4, 4, true);
    return d;
}

Descriptor read_descriptor(Cpu& cpu, u16 selector, u8 vector) {
    const std::optional<Descriptor> d = find_descriptor(cpu, selector);
    if (!d) raise(vector, selector_error(selector));
    return *d;
}

void mark_accessed(Cpu& cpu, u16 selector, Descriptor& d) {
    if ((d.hi & kAccessedBit) != 0) return;
    const u32 hi = d.hi | kAccessedBit;
    // The byte that holds the type only: its neighbours may belong to somebody else.
    cpu.write_linear(*descriptor_address(cpu, selector) + 5, 1, hi >> 8 & 0xff, true);
    d.hi = hi;
}

void mark_busy(Cpu& cpu, u16 selector, Descriptor& d, bool busy) {
    const u32 hi = busy ? d.hi | kBusyBit : d.hi & ~kBusyBit;
    const std::optional<u32> address = descriptor_address(cpu, selector);
    if (address) cpu.write_linear(*address + 5, 1, hi >> 8 & 0xff, true);
    d.hi = hi;
}

Segment make_segment(u16 selector, const Descriptor& d) {
    return {selector, d.base(), d.limit(), static_cast<u16>(d.hi >> 8 & 0xf0ff)};
}

Segment null_segment(u16 selector, unsigned dpl) {
    return {selector, 0, 0, static_cast<u16>(dpl << 5)};
}

// SDM volume 3, 20.1.1: base = selector * 16. From the Pentium on, loading a segment register in real mode leaves limit
// and D/B alone, CS too. A register that held a null selector comes back with the limits of real mode.
Segment real_segment(const Segment& old, u16 selector, bool code) {
    const u16 kept = old.present() ? old.attr & 0xd000 : 0;
    const u32 limit = old.present() ? old.limit : 0xffff;
    return {selector, u32{selector} << 4, limit, static_cast<u16>(kept | (code ? 0x9b : 0x93))};
}

// SDM volume 3, 20.2.1 and 26.3.1.2: base = selector * 16, limit FFFF, access rights F3.
Segment v86_segment(u16 selector) {
    return {selector, u32{selector} << 4, 0xffff, 0xf3};
}

bool within_limit(const Segment& segment, u32 offset, unsigned size) {
    const u32 last = offset + size - 1;
    const bool expand_down = (segment.attr & 0x1c) == 0x14;
    // A segment of 4 GiB lets an access wrap around the end.
    if (!expand_down && segment.limit == ~u32{0}) return true;
    if (last < offset) return false;
    if (!expand_down) return last <= segment.limit;
    return offset > segment.limit && last <= (segment.big() ? ~u32{0} : 0xffffu);
}

}  // namespace vmm::tcg
