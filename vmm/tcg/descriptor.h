// SPDX-License-Identifier: Apache-2.0
// Descriptors: the eight bytes in GDT, LDT and IDT, and how they are found, read and marked.
//
// Done: code, data, system descriptors and gates of the 286 and 386 kind. All table accesses are supervisor accesses
// (SDM volume 3, 4.6.1: implicit). Faults carry the selector without its RPL as error code; event delivery adds EXT.
// Reference: SDM volume 3, 3.4.2 (selectors), 3.4.5 (segment descriptors), 3.5 (system descriptors), 5.8.3 (call gates),
// 6.11 (IDT gates), 7.2.2 (TSS descriptor).
#pragma once

#include <optional>

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

constexpr bool is_null(u16 selector) { return (selector & 0xfffc) == 0; }
constexpr unsigned rpl_of(u16 selector) { return selector & 3; }
constexpr bool in_ldt(u16 selector) { return (selector & 4) != 0; }
constexpr u32 selector_error(u16 selector) { return selector & 0xfffcu; }
constexpr u16 with_rpl(u16 selector, unsigned rpl) { return static_cast<u16>((selector & 0xfffc) | rpl); }

// Types of system descriptors (SDM volume 3, table 3-2).
enum SystemType : u8 {
    kTss16 = 1, kLdt = 2, kTss16Busy = 3, kCallGate16 = 4, kTaskGate = 5, kInterruptGate16 = 6, kTrapGate16 = 7,
    kTss32 = 9, kTss32Busy = 11, kCallGate32 = 12, kInterruptGate32 = 14, kTrapGate32 = 15,
};
inline constexpr unsigned kTssBusyBit = 2;

struct Descriptor {
    u32 lo = 0, hi = 0;

    unsigned type() const { return hi >> 8 & 15; }
    bool system() const { return (hi & 1u << 12) == 0; }
    unsigned dpl() const { return hi >> 13 & 3; }
    bool present() const { return (hi & 1u << 15) != 0; }
    bool big() const { return (hi & 1u << 22) != 0; }
    u32 base() const { return lo >> 16 | (hi & 0xff) << 16 | (hi & 0xff000000); }
    u32 limit() const {
        const u32 raw = (lo & 0xffff) | (hi & 0xf0000);
        return (hi & 1u << 23) != 0 ? raw << 12 | 0xfff : raw;
    }
    // Code and data (S = 1).
    bool code() const { return !system() && (type() & 8) != 0; }
    bool data() const { return !system() && (type() & 8) == 0; }
    bool conforming() const { return code() && (type() & 4) != 0; }
    bool readable() const { return data() || (code() && (type() & 2) != 0); }
    bool writable() const { return data() && (type() & 2) != 0; }
    // Gates.
    u16 gate_selector() const { return static_cast<u16>(lo >> 16); }
    u32 gate_offset() const { return (type() & 8) != 0 ? (lo & 0xffff) | (hi & 0xffff0000) : lo & 0xffff; }
    unsigned gate_parameters() const { return hi & 31; }
    bool gate32() const { return (type() & 8) != 0; }
    // Task state segments.
    bool tss32() const { return (type() & 8) != 0; }
    bool available_tss() const { return system() && (type() == kTss16 || type() == kTss32); }
    bool busy_tss() const { return system() && (type() == kTss16Busy || type() == kTss32Busy); }
};

// Linear address of the descriptor, or nothing when it lies beyond the limit of its table or the LDT is null.
std::optional<u32> descriptor_address(const Cpu& cpu, u16 selector);
// The descriptor, or nothing as above. May throw #PF.
std::optional<Descriptor> find_descriptor(Cpu& cpu, u16 selector);
// The descriptor, or a fault `vector` with the selector as error code.
Descriptor read_descriptor(Cpu& cpu, u16 selector, u8 vector);

// Sets the accessed bit, in memory and in `d`, unless it is set (SDM volume 3, 3.4.5.1).
void mark_accessed(Cpu& cpu, u16 selector, Descriptor& d);
// Sets or clears the busy bit of a TSS descriptor in the GDT, in memory and in `d`.
void mark_busy(Cpu& cpu, u16 selector, Descriptor& d, bool busy);

// What a segment register holds after loading this descriptor.
Segment make_segment(u16 selector, const Descriptor& d);
// A segment register that holds a null selector: not usable. `dpl` only matters for SS, whose DPL is the CPL.
Segment null_segment(u16 selector, unsigned dpl = 0);
// Real mode keeps limit and D/G of what was there before ("unreal mode"); virtual-8086 mode has fixed ones.
Segment real_segment(const Segment& old, u16 selector, bool code);
Segment v86_segment(u16 selector);

// Whether [offset, offset + size) lies within the segment, expand-down ones included. Limit only.
bool within_limit(const Segment& segment, u32 offset, unsigned size);

}  // namespace vmm::tcg
