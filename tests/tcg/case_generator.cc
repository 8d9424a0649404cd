// SPDX-License-Identifier: Apache-2.0
#include "tests/tcg/case_generator.h"

#include <algorithm>
#include <cstring>

#include "tests/tcg/oracle_rules.h"
#include "tests/tcg/user_engine.h"

namespace vmm::test {

using namespace tcg;

namespace {

constexpr u32 mask16 = 0xffff;

void set_address_register(NativeState& s, unsigned reg, unsigned addr_size, u32 value) {
    s.gpr[reg] = addr_size == 2 ? (s.gpr[reg] & ~mask16) | (value & mask16) : value;
}

}  // namespace

void CaseGenerator::fill_memory(std::span<u8> data, std::span<u8> read_only) {
    memory_.clear();
    for (u32 i = 0; i < (data.size() + read_only.size()) / 4; ++i) {
        const u32 v = value();
        for (unsigned j = 0; j < 4; ++j) memory_.push_back(static_cast<u8>(v >> (8 * j)));
    }
    // Some stretches of equal bytes, so that REPE has something to do.
    for (unsigned i = 0; i < 40; ++i) std::memset(&memory_[below(static_cast<u32>(memory_.size()) - 64)], i % 2 == 0 ? 0 : 0xff, below(60));
    std::copy_n(memory_.begin(), data.size(), data.begin());
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(data.size()), read_only.size(), read_only.begin());
}

u32 CaseGenerator::value() {
    constexpr u32 kCorners[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
                                0xfffffffe, 0xffffffff, 0x01010101, 0x99999999, 0x0a0a0a0a};
    switch (below(4)) {
    case 0: return kCorners[below(std::size(kCorners))];
    case 1: return below(256);
    default: return (*this)();
    }
}

// An offset in `segment` whose linear address is worth trying.
u32 CaseGenerator::target(const Segment& segment) {
    if (segment.limit != ~u32{0} && one_in(6)) return segment.limit + 4 - below(12);
    u32 linear = kDataBase + 8 + below(kDataSize - 16);
    switch (below(12)) {
    case 0: return kDataBase + 0x1000 - 1 - below(one_in(2) ? 2 : 12) - segment.base;    // between two pages
    case 1: linear = kReadOnlyBase - 12 + below(24); break;           // into the read-only page
    case 2: linear = kReadOnlyBase + below(0xff0); break;
    case 3: linear = kDataEnd - 12 + below(16); break;                // past the end
    case 4: linear = kDataBase - 8 + below(12); break;                // before the start
    default: break;
    }
    if (!one_in(3)) linear &= ~u32{3};
    return linear - segment.base;
}

void CaseGenerator::choose_segments(Segments segments, NativeState& s) {
    if (segments == Segments::Flat) {
        for (u16& selector : s.seg) selector = kFlatData;
        s.seg[kNativeCs] = kFlatCode;
        return;
    }
    const auto data = [&]() -> u16 {
        if (one_in(20)) return 0;
        return one_in(6) ? kFlatData : ldt_selector(one_in(4) ? below(8) : 2 + below(2));
    };
    const u16 stacks[] = {kFlatData, ldt_selector(2), ldt_selector(3), ldt_selector(3), ldt_selector(5), ldt_selector(6),
                          ldt_selector(7)};
    for (const unsigned i : {kNativeEs, kNativeDs, kNativeFs, kNativeGs}) s.seg[i] = data();
    s.seg[kNativeSs] = stacks[below(std::size(stacks))];
    const u16 codes[] = {kFlatCode, ldt_selector(0), ldt_selector(1), ldt_selector(1)};
    s.seg[kNativeCs] = codes[below(std::size(codes))];
}

void CaseGenerator::emit(unsigned index, bool code32, NativeCase& c) {
    const Encoding& e = insn_tables().encodings[index];
    const Form& form = all_forms()[index];
    u32 n = 0;
    const auto put = [&](u32 byte) { c.code[n++] = static_cast<u8>(byte); };
    bool addr16 = !code32;
    if (one_in(5)) {
        constexpr u8 kOverrides[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
        put(kOverrides[below(6)]);
    }
    if (one_in(code32 ? 24 : 3)) {
        put(0x67);
        addr16 = !addr16;
    }
    if (e.prefix == 0 && !e.no_prefix && one_in(4)) put(0x66);
    if ((form.attributes & kString) != 0 && !one_in(3)) put(one_in(2) ? 0xf2 : 0xf3);
    if ((form.attributes & kLockable) != 0 && one_in(10)) put(0xf0);
    if (e.prefix != 0) put(e.prefix);
    if (e.two_byte) put(0x0f);
    put(e.opcode + below(e.opcode_count));
    displacement_at_ = static_cast<u8>(n);
    if (insn_tables().compiled[index].has_modrm) {
        u32 modrm = below(256);
        if (one_in(2)) modrm &= 0x3f | below(4) << 6;
        switch (e.rule) {
        case ModrmRule::AnyMem: modrm = below(0xc0); break;
        case ModrmRule::AnyReg: modrm |= 0xc0; break;
        case ModrmRule::Digit: modrm = (modrm & 0xc7) | u32{e.modrm} << 3; break;
        case ModrmRule::DigitMem: modrm = (below(0xc0) & 0xc7) | u32{e.modrm} << 3; break;
        case ModrmRule::DigitReg: modrm = 0xc0 | below(8) | u32{e.modrm} << 3; break;
        case ModrmRule::Exact: modrm = e.modrm + below(e.modrm_count); break;
        default: break;
        }
        put(modrm);
        displacement_at_ = static_cast<u8>(n + (!addr16 && modrm < 0xc0 && (modrm & 7) == 4 ? 1 : 0));
    }
    while (n < 16) put((*this)());
}

// Makes a memory operand land on a target, by a register of its address or its displacement.
void CaseGenerator::place_operand(const Insn& insn, NativeCase& c) {
    const MemOperand& m = insn.mem;
    const Segment segment = segment_of(c.state.seg[m.seg]);
    u32 wanted = target(segment);
    if ((insn.form->attributes & kAlign16) != 0 && !one_in(6)) wanted = ((wanted + segment.base) & ~u32{15}) - segment.base;
    const u32 by = wanted - operand_offset(m, c.state);
    if (m.base != MemOperand::kNone && m.base != m.index) {
        set_address_register(c.state, m.base, m.addr_size, c.state.gpr[m.base] + by);
    } else if (m.base != MemOperand::kNone) {
        set_address_register(c.state, m.base, m.addr_size, (wanted - m.disp) / (1u + m.scale));
    } else if (m.index != MemOperand::kNone) {
        set_address_register(c.state, m.index, m.addr_size, (wanted - m.disp) / m.scale);
    } else {
        std::memcpy(c.code + displacement_at_, &wanted, m.addr_size);
    }
}

// Registers that the instruction uses without naming them, and values that make both outcomes likely.
void CaseGenerator::choose_implied(const Insn& insn, NativeCase& c) {
    NativeState& s = c.state;
    const Segment stack = segment_of(s.seg[kNativeSs]);
    const unsigned stack_size = stack.big() ? 4 : 2;
    const bool stack_operand = insn.mem.base == kEsp || insn.mem.index == kEsp;
    if (!(insn.is_mem(0) || insn.is_mem(1)) || !stack_operand) {
        set_address_register(s, kEsp, stack_size, target(stack));
    }
    switch (insn.op) {
    case Op::Leave: case Op::Enter: set_address_register(s, kEbp, stack_size, target(stack)); break;
    case Op::Movs: case Op::Cmps: case Op::Stos: case Op::Lods: case Op::Scas: {
        set_address_register(s, kEdi, insn.mem.addr_size, target(segment_of(s.seg[kNativeEs])));
        if (insn.mem.base == kEsi)
            set_address_register(s, kEsi, insn.mem.addr_size, target(segment_of(s.seg[insn.mem.seg])));
        // Overlapping operands, some of the time.
        if (one_in(4)) set_address_register(s, kEdi, insn.mem.addr_size, s.gpr[kEsi] + below(9) - 4);
        if (insn.rep != Rep::None) set_address_register(s, kEcx, insn.mem.addr_size, one_in(30) ? 100 : below(24));
        c.repeat = 200;
        break;
    }
    case Op::Bt: case Op::Bts: case Op::Btr: case Op::Btc:
        if (insn.is_mem(0) && insn.is_reg(1) && !one_in(8)) s.gpr[insn.operand[1].reg] = below(2048) - 1024;
        break;
    case Op::Div: case Op::Idiv:
        if (one_in(2)) s.gpr[kEdx] = one_in(2) ? 0 : static_cast<u32>(static_cast<i32>(s.gpr[kEax]) >> 31);
        if (one_in(2)) s.gpr[kEax] = static_cast<u32>(static_cast<i8>(s.gpr[kEax]));
        break;
    case Op::Cmpxchg: case Op::Cmpxchg8b: {
        if (one_in(2)) break;
        const u32 at = operand_at(insn, c) - kDataBase;
        if (!insn.is_mem(0)) {
            s.gpr[kEax] = s.gpr[insn.operand[0].reg & (insn.operand[0].width == 1 ? 3 : 7)];
        } else if (at < memory_.size() - 8) {
            std::memcpy(&s.gpr[kEax], &memory_[at], 4);
            std::memcpy(&s.gpr[kEdx], &memory_[at + 4], 4);
        }
        break;
    }
    default: break;
    }
}

void CaseGenerator::choose_immediate(const Insn& insn, NativeCase& c) {
    u8* const end = c.code + insn.length;
    if (insn.op == Op::Enter) {
        if (!one_in(4)) end[-2] = 0;
        if (!one_in(4)) end[-1] = static_cast<u8>(below(6));
        return;
    }
    for (unsigned i = 0; i < insn.operand_count; ++i) {
        if (insn.operand[i].kind != OperandKind::Imm || std::strchr(insn.form->operands, 'I') == nullptr || !one_in(3)) continue;
        const u32 v = value();
        const bool byte = std::strstr(insn.form->operands, "Ib") != nullptr || std::strstr(insn.form->operands, "Is") != nullptr;
        const unsigned size = byte ? 1 : insn.operand[i].width;
        std::memcpy(end - size, &v, size);
    }
}

// A number of an IEEE format: zeros, denormals, infinities, NaNs of both kinds, and values whose sums and products are
// neither always exact nor always out of range.
u64 CaseGenerator::float_bits(unsigned exponent_bits, unsigned fraction_bits) {
    const u64 fraction_mask = (u64{1} << fraction_bits) - 1;
    const u32 exponent_max = (1u << exponent_bits) - 1;
    const u64 random_fraction = (u64{(*this)()} << 32 | (*this)()) & fraction_mask;
    u32 exponent = exponent_max / 2 + below(64) - 32;
    u64 fraction = random_fraction;
    switch (below(10)) {
    case 0: exponent = 0, fraction = 0; break;
    case 1: exponent = 0; break;
    case 2: exponent = exponent_max, fraction = 0; break;
    case 3: exponent = exponent_max; break;
    case 4: exponent = 1 + below(3); break;
    case 5: exponent = exponent_max - 1 - below(3); break;
    case 6: fraction = 0; break;
    case 7: fraction = fraction_mask & ~u64{below(4)}; break;
    default: break;
    }
    const u64 sign = below(2);
    return sign << (exponent_bits + fraction_bits) | u64{exponent} << fraction_bits | fraction;
}

void CaseGenerator::choose_float(const Form& form, NativeCase& c) {
    NativeFloat& fp = c.state.fp;
    c.use_fp = 1;
    const bool masked = !one_in(8);
    fp.control = static_cast<u16>(0x40 | below(4) << 10 | (one_in(3) ? below(4) : 3u) << 8 | (masked ? 0x3f : below(64)));
    const u32 flags = one_in(3) ? below(128) : 0;
    const bool pending = (flags & ~fp.control & 0x3f) != 0;
    fp.status = static_cast<u16>(below(8) << 11 | (below(16) << 8 & 0x700) | (below(2) << 14) | flags | (pending ? 0x8080 : 0));
    // Mostly full; an operand that is empty is a stack fault.
    fp.tag = 0;
    if (one_in(3))
        for (unsigned r = 0; r < 8; ++r)
            if (one_in(4)) fp.tag |= static_cast<u16>(3 << (2 * r));
    for (auto& st : fp.st) make_f80(st);
    if (one_in(4)) std::memmove(fp.st[below(8)], fp.st[below(8)], 10);
    fp.mxcsr = (one_in(8) ? below(64) << 7 : 0x1f80u) | below(4) << 13 | (one_in(6) ? 0x8000u : 0) | (one_in(6) ? 0x40u : 0) |
               (one_in(2) ? below(64) : 0);
    const bool doubles = std::strstr(op_name(form.op), "pd") != nullptr || std::strstr(op_name(form.op), "sd") != nullptr;
    for (auto& xmm : fp.xmm) {
        for (unsigned i = 0; i < 16; i += 8) {
            const u64 v = doubles ? float_bits(11, 52) : float_bits(8, 23) << 32 | float_bits(8, 23);
            std::memcpy(xmm + i, &v, 8);
        }
    }
}

void CaseGenerator::make_f80(u8* out) {
    const u64 v = float_bits(15, 48);   // sign, exponent, and the upper part of a significand
    u64 significand = u64{1} << 63 | (v & ((u64{1} << 48) - 1)) << 15 | (one_in(2) ? below(1 << 15) : 0);
    u16 exponent = static_cast<u16>(v >> 48);
    if ((exponent & 0x7fff) == 0) significand &= ~(u64{1} << 63);
    if (one_in(12)) significand = one_in(2) ? significand << 1 : significand ^ u64{1} << 63;   // unnormals and the like
    switch (below(6)) {
    case 0: case 1: exponent = static_cast<u16>((exponent & 0x8000) | (0x3fff + below(70) - 3)); break;
    case 2: exponent = static_cast<u16>((exponent & 0x8000) | (0x3fff + (one_in(2) ? 127 : 1023) - below(4))); break;   // largest and
    case 3: exponent = static_cast<u16>((exponent & 0x8000) | (0x3fff - (one_in(2) ? 126 : 1022) - below(56))); break;  // smallest
    default: break;                                                                                                  // of the others
    }
    std::memcpy(out, &significand, 8);
    std::memcpy(out + 8, &exponent, 2);
}

bool CaseGenerator::patch(NativeCase& c, u32 linear, std::span<const u8> bytes) {
    if (linear < kDataBase || linear + bytes.size() > kReadOnlyBase || bytes.size() > sizeof c.patch) return false;
    c.patch_at = linear;
    c.patch_size = static_cast<u32>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), c.patch);
    return true;
}

u32 CaseGenerator::operand_at(const Insn& insn, const NativeCase& c) const {
    return segment_of(c.state.seg[insn.mem.seg]).base + operand_offset(insn.mem, c.state);
}

// A number of the operand's format in memory; and what stores the environment stores pointers, of which hosts know little.
void CaseGenerator::choose_float_operand(const Insn& insn, NativeCase& c) {
    if (!insn.is_mem(0) && !insn.is_mem(1)) return;
    const unsigned width = insn.operand[insn.is_mem(0) ? 0 : 1].width;
    const u32 at = operand_at(insn, c);
    switch (insn.op) {
    case Op::Fnstenv: case Op::Fnsave:
        if (insn.op_size == 4) {
            c.ignored[0] = {at + 12, 16};
        } else {
            c.ignored[0] = {at + 6, 8};
        }
        return;
    case Op::Fxsave:
        c.ignored[0] = {at + 6, 18};
        c.ignored[1] = {at + 28, 4};         // MXCSR_MASK
        return;
    default: break;
    }
    u8 bytes[32];
    for (u8& b : bytes) b = static_cast<u8>((*this)());
    const auto put = [&](unsigned offset, u64 v, unsigned size) { std::memcpy(bytes + offset, &v, size); };
    unsigned size = width;
    switch (insn.op) {
    case Op::Fldenv: case Op::Frstor: size = insn.op_size == 4 ? 28 : 14; put(0, 0x40 | (one_in(4) ? below(64) : 63u) | below(16) << 8, 2); break;
    case Op::Fxrstor: size = 32; put(0, 0x37f, 2), put(24, (*this)() & (one_in(16) ? ~0u : 0xffbfu), 4); break;
    case Op::Ldmxcsr: put(0, (*this)() & (one_in(16) ? ~0u : 0xffffu), 4); break;
    case Op::Fldcw: break;
    case Op::Fbld:
        for (unsigned i = 0; i < 9; ++i) bytes[i] = static_cast<u8>(below(10) << 4 | below(10));
        break;
    default:
        if (width == 4 && !one_in(3)) put(0, float_bits(8, 23), 4);
        else if (width == 8 && !one_in(3)) put(0, float_bits(11, 52), 8);
        else if (width == 10) make_f80(bytes);
        else if (width == 16 && one_in(2)) put(0, float_bits(11, 52), 8), put(8, float_bits(11, 52), 8);
        else if (width == 16 || width == 8)
            for (unsigned i = 0; i < width; i += 4) put(i, float_bits(8, 23), 4);
        break;
    }
    if (size != 0) patch(c, at, {bytes, size});
}

unsigned CaseGenerator::instruction(unsigned index, bool code32, u8* out) {
    NativeCase c{};
    emit(index, code32, c);
    Insn insn;
    if (decode({c.code, 15}, code32, insn) != DecodeStatus::Ok) return 0;
    std::copy_n(c.code, insn.length, out);
    return insn.length;
}

bool CaseGenerator::make(unsigned index, Segments segments, NativeCase& c, Insn& insn) {
    c = NativeCase{};
    choose_segments(segments, c.state);
    const Segment code = segment_of(c.state.seg[kNativeCs]);
    for (u32& r : c.state.gpr) r = value();
    c.state.eflags = 0x202 | ((*this)() & kArithFlags) | (one_in(4) ? u32{kDf} : 0) | (one_in(12) ? u32{kAc} : 0);
    c.repeat = 1;
    emit(index, code.big(), c);
    if (decode({c.code, 15}, code.big(), insn) != DecodeStatus::Ok || insn.form != &all_forms()[index]) return false;
    const bool memory = insn.is_mem(0) || insn.is_mem(1);
    if (memory && (insn.form->attributes & kString) == 0) place_operand(insn, c);
    choose_implied(insn, c);
    choose_immediate(insn, c);
    if (decode({c.code, 15}, code.big(), insn) != DecodeStatus::Ok || insn.form != &all_forms()[index]) return false;
    c.code_at = kCodeBase + 0x800 + below(0x1000);
    c.state.eip = c.code_at - code.base;
    if ((insn.form->attributes & (kX87 | kMmx | kSse)) != 0) {
        choose_float(*insn.form, c);
        choose_float_operand(insn, c);
    }
    if (!choose_system(insn, c) || decode({c.code, 15}, code.big(), insn) != DecodeStatus::Ok) return false;
    c.code_length = insn.length;
    std::fill(c.code + insn.length, std::end(c.code), u8{0x90});
    if (c.sequence != 0) c.code[c.code_length++] = 0xcc;
    return true;
}

}  // namespace vmm::test
