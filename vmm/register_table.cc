// SPDX-License-Identifier: Apache-2.0
#include "vmm/register_table.h"

#include <array>
#include <cstdio>

#include "vmm/tcg/translator.h"

namespace vmm {
namespace {

using S = CpuState;
constexpr unsigned kTopShift = 11;
constexpr u32 kCr0Bits = kCr0Pe | kCr0Mp | kCr0Em | kCr0Ts | kCr0Et | kCr0Ne | kCr0Wp | kCr0Am | kCr0Nw | kCr0Cd | kCr0Pg;
constexpr u32 kCr4Bits = 0x7ff;
constexpr u32 kEflagsBits = kArithFlags | kTf | kIf | kDf | kIopl | kNt | kRf | kAc | kVif | kVip | kId;
constexpr u32 kMxcsrBits = 0xffff;

unsigned slot(const S& s, u8 n) { return ((s.fpu.status >> kTopShift) + n) & 7; }

// The tag word of FSTENV: 0 valid, 1 zero, 2 special, 3 empty.
u16 full_tags(const S& s) {
    unsigned out = 0;
    for (unsigned i = 0; i < 8; ++i) {
        const unsigned exponent = s.fpu.exponent[i] & 0x7fff;
        const u64 significand = s.fpu.significand[i];
        unsigned tag = 0;
        if ((s.fpu.tag >> i & 1) == 0) tag = 3;
        else if (exponent == 0 && significand == 0) tag = 1;
        else if (exponent == 0 || exponent == 0x7fff || significand >> 63 == 0) tag = 2;
        out |= tag << (2 * i);
    }
    return static_cast<u16>(out);
}

void set_tags(S& s, u128 value) {
    s.fpu.tag = 0;
    for (unsigned i = 0; i < 8; ++i)
        if ((value >> (2 * i) & 3) != 3) s.fpu.tag = static_cast<u8>(s.fpu.tag | 1u << i);
}

#define GET [](const S & s, [[maybe_unused]] u8 n) -> u128
#define SET [](S & s, [[maybe_unused]] u8 n, u128 v)
#define U32(v) static_cast<u32>(v)
#define U16(v) static_cast<u16>(v)

constexpr Register gpr(std::string_view name, u8 which, RegisterType type = RegisterType::Int) {
    return {name, 4, type, RegisterGroup::General, which, GET { return s.gpr[n]; }, SET { s.gpr[n] = U32(v); }};
}
constexpr Register seg(std::string_view name, u8 which) {
    return {name, 4, RegisterType::Int, RegisterGroup::Segment, which, GET { return s.seg[n].selector; }, SET { s.seg[n].selector = U16(v); }};
}
constexpr Register base(std::string_view name, u8 which) {
    return {name, 4, RegisterType::Int, RegisterGroup::System, which, GET { return s.seg[n].base; }, SET { s.seg[n].base = U32(v); }};
}
constexpr Register st(std::string_view name, u8 which) {
    return {name, 10, RegisterType::X87, RegisterGroup::Float, which,
            GET { return u128{s.fpu.exponent[slot(s, n)]} << 64 | s.fpu.significand[slot(s, n)]; },
            SET {
                s.fpu.significand[slot(s, n)] = static_cast<u64>(v);
                s.fpu.exponent[slot(s, n)] = U16(v >> 64);
            }};
}
constexpr Register xmm(std::string_view name, u8 which) {
    return {name, 16, RegisterType::Xmm, RegisterGroup::Vector, which, GET { return u128{s.xmm[n].hi} << 64 | s.xmm[n].lo; },
            SET { s.xmm[n] = {static_cast<u64>(v), static_cast<u64>(v >> 64)}; }};
}
using Get = u128 (*)(const S&, u8);
using Set = void (*)(S&, u8, u128);
constexpr Register fpu(std::string_view name, Get get, Set set) { return {name, 4, RegisterType::Int, RegisterGroup::Float, 0, get, set}; }
constexpr Register sys(std::string_view name, RegisterType type, Get get, Set set) {
    return {name, 4, type, RegisterGroup::System, 0, get, set};
}

constexpr std::array kRegisters = {
    gpr("eax", kEax), gpr("ecx", kEcx), gpr("edx", kEdx), gpr("ebx", kEbx), gpr("esp", kEsp, RegisterType::Data),
    gpr("ebp", kEbp, RegisterType::Data), gpr("esi", kEsi), gpr("edi", kEdi),
    Register{"eip", 4, RegisterType::Code, RegisterGroup::General, 0, GET { return s.eip; }, SET { s.eip = U32(v); }},
    Register{"eflags", 4, RegisterType::Eflags, RegisterGroup::General, 0, GET { return s.eflags; },
             SET { s.eflags = (U32(v) & kEflagsBits) | (s.eflags & kVm) | 2; }},
    seg("cs", kCs), seg("ss", kSs), seg("ds", kDs), seg("es", kEs), seg("fs", kFs), seg("gs", kGs),
    base("ss_base", kSs), base("ds_base", kDs), base("es_base", kEs), base("fs_base", kFs), base("gs_base", kGs),
    sys("cr0", RegisterType::Cr0, GET { return s.cr0; }, SET { s.cr0 = (U32(v) & kCr0Bits) | kCr0Et; }),
    sys("cr2", RegisterType::Int, GET { return s.cr2; }, SET { s.cr2 = U32(v); }),
    sys("cr3", RegisterType::Cr3, GET { return s.cr3; }, SET { s.cr3 = U32(v); }),
    sys("cr4", RegisterType::Cr4, GET { return s.cr4; }, SET { s.cr4 = U32(v) & kCr4Bits; }),
    sys("efer", RegisterType::Efer, GET { return s.msr.efer; }, SET { s.msr.efer = v & kEferNx; }),
    st("st0", 0), st("st1", 1), st("st2", 2), st("st3", 3), st("st4", 4), st("st5", 5), st("st6", 6), st("st7", 7),
    fpu("fctrl", GET { return s.fpu.control; }, SET { s.fpu.control = U16(v); }),
    fpu("fstat", GET { return s.fpu.status; }, SET { s.fpu.status = U16(v); }),
    fpu("ftag", GET { return full_tags(s); }, SET { set_tags(s, v); }),
    fpu("fiseg", GET { return s.fpu.cs; }, SET { s.fpu.cs = U16(v); }),
    fpu("fioff", GET { return s.fpu.ip; }, SET { s.fpu.ip = U32(v); }),
    fpu("foseg", GET { return s.fpu.ds; }, SET { s.fpu.ds = U16(v); }),
    fpu("fooff", GET { return s.fpu.dp; }, SET { s.fpu.dp = U32(v); }),
    fpu("fop", GET { return s.fpu.opcode; }, SET { s.fpu.opcode = U16(v & 0x7ff); }),
    xmm("xmm0", 0), xmm("xmm1", 1), xmm("xmm2", 2), xmm("xmm3", 3), xmm("xmm4", 4), xmm("xmm5", 5), xmm("xmm6", 6), xmm("xmm7", 7),
    Register{"mxcsr", 4, RegisterType::Mxcsr, RegisterGroup::Vector, 0, GET { return s.mxcsr; }, SET { s.mxcsr = U32(v) & kMxcsrBits; }},
    // Not in QEMU's list.
    base("cs_base", kCs),
    sys("gdt_base", RegisterType::Int, GET { return s.gdtr.base; }, nullptr),
    sys("gdt_limit", RegisterType::Int, GET { return s.gdtr.limit; }, nullptr),
    sys("idt_base", RegisterType::Int, GET { return s.idtr.base; }, nullptr),
    sys("idt_limit", RegisterType::Int, GET { return s.idtr.limit; }, nullptr),
    sys("tr", RegisterType::Int, GET { return s.tr.selector; }, nullptr),
    sys("tr_base", RegisterType::Int, GET { return s.tr.base; }, nullptr),
    sys("ldt", RegisterType::Int, GET { return s.ldtr.selector; }, nullptr),
    sys("ldt_base", RegisterType::Int, GET { return s.ldtr.base; }, nullptr),
};

#undef GET
#undef SET
#undef U32
#undef U16

constexpr FlagField kEflags[] = {{"CF", 0, 0}, {"PF", 2, 2}, {"AF", 4, 4}, {"ZF", 6, 6}, {"SF", 7, 7}, {"TF", 8, 8}, {"IF", 9, 9},
                                 {"DF", 10, 10}, {"OF", 11, 11}, {"IOPL", 12, 13}, {"NT", 14, 14}, {"RF", 16, 16}, {"VM", 17, 17},
                                 {"AC", 18, 18}, {"VIF", 19, 19}, {"VIP", 20, 20}, {"ID", 21, 21}};
constexpr FlagField kCr0[] = {{"PE", 0, 0}, {"MP", 1, 1}, {"EM", 2, 2}, {"TS", 3, 3}, {"ET", 4, 4}, {"NE", 5, 5}, {"WP", 16, 16},
                              {"AM", 18, 18}, {"NW", 29, 29}, {"CD", 30, 30}, {"PG", 31, 31}};
constexpr FlagField kCr3[] = {{"PWT", 3, 3}, {"PCD", 4, 4}, {"PDBR", 5, 31}};
constexpr FlagField kCr4[] = {{"VME", 0, 0}, {"PVI", 1, 1}, {"TSD", 2, 2}, {"DE", 3, 3}, {"PSE", 4, 4}, {"PAE", 5, 5}, {"MCE", 6, 6},
                              {"PGE", 7, 7}, {"PCE", 8, 8}, {"OSFXSR", 9, 9}, {"OSXMMEXCPT", 10, 10}};
constexpr FlagField kEfer[] = {{"NXE", 11, 11}};
constexpr FlagField kMxcsr[] = {{"IE", 0, 0}, {"DE", 1, 1}, {"ZE", 2, 2}, {"OE", 3, 3}, {"UE", 4, 4}, {"PE", 5, 5}, {"DAZ", 6, 6},
                                {"IM", 7, 7}, {"DM", 8, 8}, {"ZM", 9, 9}, {"OM", 10, 10}, {"UM", 11, 11}, {"PM", 12, 12},
                                {"RC", 13, 14}, {"FZ", 15, 15}};

Error segment_error(u16 selector, const char* why) {
    char text[64];
    std::snprintf(text, sizeof text, "selector %04x %s", selector, why);
    return {text};
}

// What loading the selector would bring along, without the checks of privilege: SDM volume 3, 3.4.5.
Result<void> load_segment(Control& control, CpuState& s, u8 n, u16 selector) {
    Segment& g = s.seg[n];
    if ((s.cr0 & kCr0Pe) == 0 || (s.eflags & kVm) != 0) {
        g.selector = selector;
        g.base = u32{selector} << 4;
        return {};
    }
    const u32 offset = selector & 0xfff8u;
    if ((selector & 0xfffcu) == 0) {
        if (n == kCs || n == kSs) return segment_error(selector, "is null");
        g = Segment{selector, 0, 0, 0};
        return {};
    }
    const bool local = (selector & 4) != 0;
    const u32 table = local ? s.ldtr.base : s.gdtr.base, limit = local ? s.ldtr.limit : s.gdtr.limit;
    std::array<u8, 8> d{};
    if (offset + 7 > limit || !control.read_memory(table + offset, d, false)) return segment_error(selector, "is outside its table");
    Segment loaded;
    loaded.selector = selector;
    loaded.base = static_cast<u32>(d[2] | d[3] << 8 | d[4] << 16) | u32{d[7]} << 24;
    loaded.attr = static_cast<u16>(d[5] | (d[6] & 0xf0) << 8);
    loaded.limit = static_cast<u32>(d[0] | d[1] << 8 | (d[6] & 0xf) << 16);
    if ((d[6] & 0x80) != 0) loaded.limit = loaded.limit << 12 | 0xfff;
    const bool code = (loaded.type() & 8) != 0, second = (loaded.type() & 2) != 0;   // readable code, writable data
    const bool fits = n == kCs ? code : n == kSs ? !code && second : !code || second;
    if (loaded.system() || !loaded.present() || !fits) return segment_error(selector, "does not fit this register");
    g = loaded;
    return {};
}

Result<void> settle_control(Control& control, const CpuState& old, CpuState& s) {
    if ((s.cr0 & kCr0Pg) != 0 && (s.cr0 & kCr0Pe) == 0) return Error{"CR0.PG without CR0.PE is no state of a processor"};
    if ((s.cr0 & kCr0Nw) != 0 && (s.cr0 & kCr0Cd) == 0) return Error{"CR0.NW without CR0.CD is no state of a processor"};
    if ((s.cr0 & kCr0Pe) == 0 && (s.eflags & kVm) != 0) return Error{"CR0.PE cannot be cleared while EFLAGS.VM is set"};
    const bool pae = (s.cr0 & kCr0Pg) != 0 && (s.cr4 & kCr4Pae) != 0;
    if (!pae || (s.cr0 == old.cr0 && s.cr3 == old.cr3 && s.cr4 == old.cr4)) return {};
    std::array<u8, 32> table{};
    if (!control.read_memory(s.cr3 & ~31u, table, true)) return Error{"there is no memory where CR3 points"};
    for (unsigned i = 0; i < 4; ++i) {
        s.pdpte[i] = 0;
        for (unsigned b = 0; b < 8; ++b) s.pdpte[i] |= u64{table[i * 8 + b]} << (8 * b);
    }
    return {};
}

}  // namespace

std::span<const Register> register_table() { return kRegisters; }

const Register* find_register(std::string_view name) {
    if (name == "pc") name = "eip";
    else if (name == "sp") name = "esp";
    else if (name == "fp") name = "ebp";
    else if (name == "flags") name = "eflags";
    for (const Register& r : kRegisters)
        if (r.name == name) return &r;
    return nullptr;
}

std::span<const FlagField> flag_fields(RegisterType type) {
    switch (type) {
        case RegisterType::Eflags: return kEflags;
        case RegisterType::Cr0: return kCr0;
        case RegisterType::Cr3: return kCr3;
        case RegisterType::Cr4: return kCr4;
        case RegisterType::Efer: return kEfer;
        case RegisterType::Mxcsr: return kMxcsr;
        default: return {};
    }
}

Result<void> write_register(Control& control, CpuState& state, const Register& reg, u128 value) {
    if (reg.set == nullptr) return Error{"the register " + std::string(reg.name) + " cannot be written"};
    if (reg.group == RegisterGroup::Segment) {
        if (static_cast<u16>(value) == state.seg[reg.n].selector) return {};
        return load_segment(control, state, reg.n, static_cast<u16>(value));
    }
    const CpuState old = state;
    reg.set(state, reg.n, value);
    auto ok = settle_control(control, old, state);
    if (!ok) state = old;
    return ok;
}

}  // namespace vmm
