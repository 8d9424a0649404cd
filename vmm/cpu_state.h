// SPDX-License-Identifier: Apache-2.0
// The architectural state of the i386 processor, as both engines exchange it, saved and hashed.
// Reference: Intel SDM volume 1 chapter 3 and volume 3 chapter 2. EFLAGS is kept whole here; the translator keeps its
// arithmetic bits elsewhere while it runs and puts them back at every boundary.
#pragma once

#include <array>

#include "vmm/archive.h"
#include "vmm/types.h"

namespace vmm {

enum Gpr : u8 { kEax, kEcx, kEdx, kEbx, kEsp, kEbp, kEsi, kEdi };
enum Seg : u8 { kEs, kCs, kSs, kDs, kFs, kGs };

// EFLAGS
inline constexpr u32 kCf = 1u << 0, kPf = 1u << 2, kAf = 1u << 4, kZf = 1u << 6, kSf = 1u << 7, kTf = 1u << 8,
                     kIf = 1u << 9, kDf = 1u << 10, kOf = 1u << 11, kIopl = 3u << 12, kNt = 1u << 14, kRf = 1u << 16,
                     kVm = 1u << 17, kAc = 1u << 18, kVif = 1u << 19, kVip = 1u << 20, kId = 1u << 21;
inline constexpr u32 kArithFlags = kCf | kPf | kAf | kZf | kSf | kOf;
// CR0
inline constexpr u32 kCr0Pe = 1u << 0, kCr0Mp = 1u << 1, kCr0Em = 1u << 2, kCr0Ts = 1u << 3, kCr0Et = 1u << 4,
                     kCr0Ne = 1u << 5, kCr0Wp = 1u << 16, kCr0Am = 1u << 18, kCr0Nw = 1u << 29, kCr0Cd = 1u << 30,
                     kCr0Pg = 1u << 31;
// CR4
inline constexpr u32 kCr4Vme = 1u << 0, kCr4Pvi = 1u << 1, kCr4Tsd = 1u << 2, kCr4De = 1u << 3, kCr4Pse = 1u << 4,
                     kCr4Pae = 1u << 5, kCr4Mce = 1u << 6, kCr4Pge = 1u << 7, kCr4Pce = 1u << 8, kCr4Osfxsr = 1u << 9,
                     kCr4Osxmmexcpt = 1u << 10;
inline constexpr u64 kEferNx = 1u << 11;

// Segment attributes as in the second dword of a descriptor, shifted right by 8: type 0-3, S 4, DPL 5-6, P 7, AVL 12,
// D/B 14, G 15. `limit` is in bytes, G applied. An unusable (null) segment has P = 0.
struct Segment {
    u16 selector = 0;
    u32 base = 0;
    u32 limit = 0xffff;
    u16 attr = 0x93;

    unsigned type() const { return attr & 15; }
    bool system() const { return (attr & 0x10) == 0; }
    unsigned dpl() const { return attr >> 5 & 3; }
    bool present() const { return (attr & 0x80) != 0; }
    bool big() const { return (attr & 0x4000) != 0; }
};
inline void serialize(Archive& ar, Segment& s) { VMM_FIELDS(ar, s, selector, base, limit, attr); }

struct TableRegister {
    u32 base = 0;
    u16 limit = 0xffff;
};
inline void serialize(Archive& ar, TableRegister& s) { VMM_FIELDS(ar, s, base, limit); }

struct X87 {
    // Physical registers R0-R7 (not ST(i)): significand and sign/exponent. MMX register i is the significand of Ri.
    std::array<u64, 8> significand{};
    std::array<u16, 8> exponent{};
    u16 control = 0x0040;      // FCW after power-on RESET#; FNINIT sets 037F
    u16 status = 0;            // TOP in bits 11-13
    u8 tag = 0;                // abridged as in FXSAVE: bit i set = Ri holds a value
    u16 opcode = 0;            // FOP
    u32 ip = 0, dp = 0;        // FIP, FDP
    u16 cs = 0, ds = 0;        // FCS, FDS
};
inline void serialize(Archive& ar, X87& s) {
    VMM_FIELDS(ar, s, significand, exponent, control, status, tag, opcode, ip, dp, cs, ds);
}

struct Xmm {
    u64 lo = 0, hi = 0;
};
inline void serialize(Archive& ar, Xmm& s) { VMM_FIELDS(ar, s, lo, hi); }

struct Msrs {
    u64 apic_base = 0xfee00900;
    u64 efer = 0;
    u32 sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
    u64 pat = 0x0007040600070406;
    u64 mtrr_def_type = 0;
    std::array<u64, 16> mtrr_var{};
    std::array<u64, 11> mtrr_fix{};
    u64 tsc_offset = 0;        // TSC = guest ns + this
    u64 misc_enable = 1;
    u64 mcg_status = 0;
    u64 ucode_rev = 0;
};
inline void serialize(Archive& ar, Msrs& s) {
    VMM_FIELDS(ar, s, apic_base, efer, sysenter_cs, sysenter_esp, sysenter_eip, pat, mtrr_def_type, mtrr_var, mtrr_fix,
               tsc_offset, misc_enable, mcg_status, ucode_rev);
}

// Interrupt shadow: what the next boundary must not deliver.
enum class Shadow : u8 { None, Sti, MovSs };

struct CpuState {
    std::array<u32, 8> gpr{};
    u32 eip = 0xfff0;
    u32 eflags = 2;
    std::array<Segment, 6> seg = {Segment{}, Segment{0xf000, 0xffff0000, 0xffff, 0x9b}, Segment{}, Segment{}, Segment{}, Segment{}};
    Segment ldtr{0, 0, 0xffff, 0x82};
    Segment tr{0, 0, 0xffff, 0x8b};
    TableRegister gdtr, idtr;
    u32 cr0 = 0x60000010, cr2 = 0, cr3 = 0, cr4 = 0;
    std::array<u64, 4> pdpte{};
    std::array<u32, 4> dr{};          // DR0-3
    u32 dr6 = 0xffff0ff0, dr7 = 0x400;
    Msrs msr;
    X87 fpu;
    u32 mxcsr = 0x1f80;
    std::array<Xmm, 8> xmm{};
    Shadow shadow = Shadow::None;
    bool nmi_blocked = false;
    bool halted = false;
    u32 pending_debug = 0;            // DR6 bits of a #DB that the next boundary delivers
};
inline void serialize(Archive& ar, CpuState& s) {
    VMM_FIELDS(ar, s, gpr, eip, eflags, seg, ldtr, tr, gdtr, idtr, cr0, cr2, cr3, cr4, pdpte, dr, dr6, dr7, msr, fpu, mxcsr,
               xmm, shadow, nmi_blocked, halted, pending_debug);
}

}  // namespace vmm
