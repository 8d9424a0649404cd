// SPDX-License-Identifier: Apache-2.0
// Packed integers: MMX and its SSE2 forms on XMM registers, one helper for both. Complete.
// Reference: Intel SDM volume 1, chapter 9 and 11.4.2; volume 2; volume 3, chapter 12 (what MMX does to the x87 state).
// MMX leaves FIP, FDP and FOP alone. A masked store with an all-zero mask touches no memory.
#include <bit>

#include "vmm/tcg/exec_sse.h"
#include "vmm/tcg/exec_table.h"
#include "vmm/tcg/sse_host.h"

namespace vmm::tcg {
namespace {


#define VMM_PACKED_OPS(X)                                                                                              \
    X(Packsswb) X(Packssdw) X(Packuswb) X(Paddb) X(Paddw) X(Paddd) X(Paddq) X(Paddsb) X(Paddsw) X(Paddusb) X(Paddusw) \
    X(Pand) X(Pandn) X(Pavgb) X(Pavgw) X(Pcmpeqb) X(Pcmpeqw) X(Pcmpeqd) X(Pcmpgtb) X(Pcmpgtw) X(Pcmpgtd) X(Pmaddwd)    \
    X(Pmaxsw) X(Pmaxub) X(Pminsw) X(Pminub) X(Pmulhuw) X(Pmulhw) X(Pmullw) X(Pmuludq) X(Por) X(Psadbw) X(Psllw)        \
    X(Pslld) X(Psllq) X(Psraw) X(Psrad) X(Psrlw) X(Psrld) X(Psrlq) X(Psubb) X(Psubw) X(Psubd) X(Psubq) X(Psubsb)       \
    X(Psubsw) X(Psubusb) X(Psubusw) X(Punpckhbw) X(Punpckhwd) X(Punpckhdq) X(Punpcklbw) X(Punpcklwd) X(Punpckldq)      \
    X(Pxor)
#define VMM_XMM_ONLY_OPS(X)                                                                                       \
    X(Punpckhqdq) X(Punpcklqdq) X(Andps) X(Andpd) X(Andnps) X(Andnpd) X(Orps) X(Orpd) X(Xorps) X(Xorpd) X(Unpckhps) \
    X(Unpckhpd) X(Unpcklps) X(Unpcklpd)
// The assembler takes mnemonics in any case.
#define X(name) VMM_SSE_AND_MMX(name, #name)
VMM_PACKED_OPS(X)
#undef X
#define X(name) VMM_SSE_PLAIN(name, #name)
VMM_XMM_ONLY_OPS(X)
#undef X

// Operand 1 is a register, memory, or the count of a shift, which works alike from a register.
template <class Math>
void packed(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    if (!op.require_by_operand()) return;
    const Xmm s = op.kind(1) == OperandKind::Imm ? Xmm{op.imm8(), 0} : op.source(1);
    if (op.kind(0) == OperandKind::Xmm) {
        Math::run(op.xmm(0), s);
        return;
    }
    op.enter_mmx();
    u64 d = op.mmx(0);
    Math::run(d, s.lo);
    op.set_mmx(0, d);
}

template <class Math>
void xmm_only(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    Math::run(op.xmm(0), op.source(1));
}

// --- whole-register shifts and shuffles ----------------------------------------------------------------------

template <bool Left>
void shift_bytes(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    Xmm& d = op.xmm(0);
    const unsigned count = op.imm8();
    u128 v = u128{d.hi} << 64 | d.lo;
    if (count > 15) v = 0;
    else v = Left ? v << (8 * count) : v >> (8 * count);
    d = {static_cast<u64>(v), static_cast<u64>(v >> 64)};
}

u16 word(u64 v, unsigned i) { return static_cast<u16>(v >> (16 * (i & 3))); }
u32 dword(const Xmm& v, unsigned i) { return static_cast<u32>(((i & 2) != 0 ? v.hi : v.lo) >> (32 * (i & 1))); }
u64 qword(const Xmm& v, unsigned i) { return (i & 1) != 0 ? v.hi : v.lo; }

u64 shuffle_words(u64 v, unsigned order) {
    u64 r = 0;
    for (unsigned i = 0; i < 4; ++i) r |= u64{word(v, order >> (2 * i))} << (16 * i);
    return r;
}

void pshufw(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    if (!op.require_mmx()) return;
    const u64 s = op.source(1).lo;
    op.enter_mmx();
    op.set_mmx(0, shuffle_words(s, op.imm8()));
}

void pshuflw(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    op.xmm(0) = {shuffle_words(s.lo, op.imm8()), s.hi};
}

void pshufhw(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    op.xmm(0) = {s.lo, shuffle_words(s.hi, op.imm8())};
}

// The low two elements from `a`, the high two from `b`.
Xmm shuffle_dwords(const Xmm& a, const Xmm& b, unsigned order) {
    return {u64{dword(a, order >> 2)} << 32 | dword(a, order), u64{dword(b, order >> 6)} << 32 | dword(b, order >> 4)};
}

void pshufd(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    op.xmm(0) = shuffle_dwords(s, s, op.imm8());
}

void shufps(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    op.xmm(0) = shuffle_dwords(op.xmm(0), s, op.imm8());
}

void shufpd(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    op.xmm(0) = {qword(op.xmm(0), op.imm8()), qword(s, op.imm8() >> 1u)};
}

// --- to and from general registers ------------------------------------------------------------------------------

void pextrw(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    if (!op.require_by_operand(1)) return;
    const bool mmx = op.kind(1) == OperandKind::Mmx;
    if (mmx) op.enter_mmx();
    const u64 s = mmx ? op.mmx(1) : qword(op.xmm(1), op.imm8() >> 2u);
    cpu.set(op.reg(0), 4, word(s, op.imm8()));
}

void pinsrw(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    if (!op.require_by_operand()) return;
    u16 s = 0;
    if (op.kind(1) == OperandKind::Mem) op.load(&s, 2, false);
    else s = static_cast<u16>(cpu.get(op.reg(1), 4));
    const unsigned shift = 16 * (op.imm8() & 3u);
    const auto insert = [&](u64 d) { return (d & ~(u64{0xffff} << shift)) | u64{s} << shift; };
    if (op.kind(0) == OperandKind::Mmx) {
        op.enter_mmx();
        op.set_mmx(0, insert(op.mmx(0)));
        return;
    }
    u64& half = (op.imm8() & 4) != 0 ? op.xmm(0).hi : op.xmm(0).lo;
    half = insert(half);
}

// Bit 7 of each byte.
u32 byte_signs(u64 v) {
    u32 r = 0;
    for (unsigned i = 0; i < 8; ++i) r |= static_cast<u32>(v >> (8 * i + 7) & 1) << i;
    return r;
}

void pmovmskb(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    if (!op.require_by_operand(1)) return;
    if (op.kind(1) == OperandKind::Mmx) {
        op.enter_mmx();
        cpu.set(op.reg(0), 4, byte_signs(op.mmx(1)));
        return;
    }
    cpu.set(op.reg(0), 4, byte_signs(op.xmm(1).lo) | byte_signs(op.xmm(1).hi) << 8);
}

void movmskps(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    u32 r = 0;
    for (unsigned i = 0; i < 4; ++i) r |= dword(op.xmm(1), i) >> 31 << i;
    cpu.set(op.reg(0), 4, r);
}

void movmskpd(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    cpu.set(op.reg(0), 4, static_cast<u32>(op.xmm(1).lo >> 63 | op.xmm(1).hi >> 63 << 1));
}

// --- masked stores to [eDI] ------------------------------------------------------------------------------------------

void masked_store(Cpu& cpu, const Insn& insn, const u8* bytes, u32 mask) {
    if (mask == 0) return;
    const u32 base = cpu.effective_address(insn.mem);
    const u32 wrap = insn.mem.addr_size == 2 ? 0xffff : ~u32{0};
    // All that can fault comes before the first byte.
    for (u32 rest = mask; rest != 0; rest &= rest - 1) {
        cpu.probe_write(insn.mem.seg, (base + static_cast<u32>(std::countr_zero(rest))) & wrap, 1);
    }
    for (u32 rest = mask; rest != 0; rest &= rest - 1) {
        const u32 i = static_cast<u32>(std::countr_zero(rest));
        cpu.write(insn.mem.seg, (base + i) & wrap, 1, bytes[i]);
    }
}

void maskmovq(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    if (!op.require_mmx()) return;
    const u64 data = op.mmx(0);
    u8 bytes[8];
    std::memcpy(bytes, &data, 8);
    masked_store(cpu, insn, bytes, byte_signs(op.mmx(1)));
    op.enter_mmx();
}

void maskmovdqu(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    u8 bytes[16];
    std::memcpy(bytes, &op.xmm(0).lo, 8);
    std::memcpy(bytes + 8, &op.xmm(0).hi, 8);
    masked_store(cpu, insn, bytes, byte_signs(op.xmm(1).lo) | byte_signs(op.xmm(1).hi) << 8);
}

void emms(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    if (!op.require_mmx()) return;
    op.enter_mmx();
    cpu.s.fpu.tag = 0;
}

constexpr ExecEntry kEntries[] = {
#define X(name) {Op::name, packed<name>},
    VMM_PACKED_OPS(X)
#undef X
#define X(name) {Op::name, xmm_only<name>},
    VMM_XMM_ONLY_OPS(X)
#undef X
    {Op::Psrldq, shift_bytes<false>}, {Op::Pslldq, shift_bytes<true>}, {Op::Pshufw, pshufw},     {Op::Pshuflw, pshuflw},
    {Op::Pshufhw, pshufhw},           {Op::Pshufd, pshufd},            {Op::Shufps, shufps},     {Op::Shufpd, shufpd},
    {Op::Pextrw, pextrw},             {Op::Pinsrw, pinsrw},            {Op::Pmovmskb, pmovmskb}, {Op::Movmskps, movmskps},
    {Op::Movmskpd, movmskpd},         {Op::Maskmovq, maskmovq},        {Op::Maskmovdqu, maskmovdqu}, {Op::Emms, emms},
};

}  // namespace

std::span<const ExecEntry> mmx_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
