// SPDX-License-Identifier: Apache-2.0
// The x87 register stack of the guest: TOP, tags, status summary, and the way into and out of the host's x87 unit.
// Reference: Intel SDM volume 1, 8.1. Registers are kept by physical number R0-R7; ST(i) is R((TOP + i) mod 8).
// Pure functions of X87; no CPU, no memory. Complete.
#pragma once

#include "vmm/cpu_state.h"
#include "vmm/types.h"

namespace vmm::tcg {

// Status word. The six exception flags have the places of their masks in the control word.
inline constexpr u16 kX87Ie = 0x01, kX87De = 0x02, kX87Ze = 0x04, kX87Oe = 0x08, kX87Ue = 0x10, kX87Pe = 0x20,
                     kX87Sf = 0x40, kX87Es = 0x80, kX87C0 = 0x100, kX87C1 = 0x200, kX87C2 = 0x400, kX87C3 = 0x4000,
                     kX87Busy = 0x8000;
inline constexpr u16 kX87Exceptions = 0x3f;
inline constexpr u16 kX87PreExceptions = kX87Ie | kX87De | kX87Ze;  // found before computing: operands stay as they were
inline constexpr u16 kX87Codes = kX87C0 | kX87C1 | kX87C2 | kX87C3;
inline constexpr unsigned kX87TopShift = 11;
// Control word: what can be written, and what always reads as one (387 and later).
inline constexpr u16 kX87ControlWritable = 0x1f3f, kX87ControlOne = 0x0040, kX87ControlInit = 0x037f;
inline constexpr u16 kX87PrecisionMask = 0x0300, kX87RoundShift = 10;
enum class Rounding : u8 { Nearest, Down, Up, Zero };

// What the host's C and C++ code expects of the x87 unit: all masked, 64-bit significands, stack empty.
inline constexpr u16 kHostX87Control = 0x037f;
inline constexpr u32 kHostMxcsr = 0x1f80;

// An 80-bit value as FLD m80 reads it.
struct alignas(16) F80 {
    u64 significand = 0;
    u16 exponent = 0;  // sign in bit 15

    friend bool operator==(const F80&, const F80&) = default;
};
inline constexpr F80 kF80Indefinite{0xc000000000000000, 0xffff};
inline constexpr F80 kF80One{0x8000000000000000, 0x3fff};

inline unsigned x87_top(const X87& f) { return f.status >> kX87TopShift & 7; }
inline void x87_set_top(X87& f, unsigned top) {
    f.status = static_cast<u16>((f.status & ~(7u << kX87TopShift)) | (top & 7) << kX87TopShift);
}
inline unsigned x87_register(const X87& f, unsigned i) { return (x87_top(f) + i) & 7; }
inline bool x87_empty(const X87& f, unsigned i) { return (f.tag >> x87_register(f, i) & 1) == 0; }
inline F80 x87_get(const X87& f, unsigned i) {
    const unsigned r = x87_register(f, i);
    return {f.significand[r], f.exponent[r]};
}
inline void x87_set(X87& f, unsigned i, const F80& value) {
    const unsigned r = x87_register(f, i);
    f.significand[r] = value.significand;
    f.exponent[r] = value.exponent;
    f.tag = static_cast<u8>(f.tag | 1u << r);
}
inline void x87_free(X87& f, unsigned i) { f.tag = static_cast<u8>(f.tag & ~(1u << x87_register(f, i))); }
inline void x87_pop(X87& f) {
    x87_free(f, 0);
    x87_set_top(f, x87_top(f) + 1);
}
inline void x87_push(X87& f, const F80& value) {
    x87_set_top(f, x87_top(f) - 1);
    x87_set(f, 0, value);
}
inline Rounding x87_rounding(u16 control) { return static_cast<Rounding>(control >> kX87RoundShift & 3); }

// ES and B follow from the exception flags and their masks; call after either changed.
inline void x87_refresh_summary(X87& f) {
    const bool error = (f.status & ~f.control & kX87Exceptions) != 0;
    f.status = static_cast<u16>((f.status & ~(kX87Es | kX87Busy)) | (error ? kX87Es | kX87Busy : 0));
}
inline void x87_set_control(X87& f, u16 value) {
    f.control = static_cast<u16>((value & kX87ControlWritable) | kX87ControlOne);
    x87_refresh_summary(f);
}

// FNINIT: registers keep their contents.
void x87_init(X87& f);

// The two-bit tags of FNSTENV and FNSAVE: 0 valid, 1 zero, 2 special, 3 empty; by physical register.
u16 x87_full_tags(const X87& f);
void x87_set_full_tags(X87& f, u16 tags);

// The guest's registers, tags, TOP, status flags, rounding and precision into the host's unit, all exceptions masked; and
// back, with the flags that were raised since. Between the two, nothing but guest x87 instructions may run: no C++ code, no
// helper. save_host_x87() leaves the host's unit as C++ code expects it. Control word, FIP, FDP, FCS, FDS and FOP of the
// guest are not touched. Only where the guest masks every exception: then no flag can be one that should have stopped it.
void load_host_x87(const X87& f);
void save_host_x87(X87& f);

}  // namespace vmm::tcg
