// SPDX-License-Identifier: Apache-2.0
// SSE2 moves, integer and bitwise operations in generated code. XMM registers stay in Cpu's state between instructions; what
// depends on MXCSR or can raise #XM goes to the helpers. Blocks are made for CR4.OSFXSR and CR0.EM, TS (kModeSse).
#include "vmm/check.h"
#include "vmm/tcg/emitter.h"

namespace vmm::tcg {

using namespace Xbyak::util;
using Xbyak::Xmm;
using Code = Xbyak::CodeGenerator;

namespace {

using Binary = void (Code::*)(const Xbyak::Mmx&, const Xbyak::Operand&);
using Logic = void (Code::*)(const Xbyak::Xmm&, const Xbyak::Operand&);
using ShiftImm = void (Code::*)(const Xbyak::Mmx&, int);
using BytesImm = void (Code::*)(const Xbyak::Xmm&, int);
using Shuffle = void (Code::*)(const Xbyak::Mmx&, const Xbyak::Operand&, Xbyak::uint8);

struct BinaryRow { Op op; Binary fn; };
constexpr BinaryRow kBinary[] = {
    {Op::Paddb, &Code::paddb}, {Op::Paddw, &Code::paddw}, {Op::Paddd, &Code::paddd}, {Op::Paddq, &Code::paddq},
    {Op::Paddsb, &Code::paddsb}, {Op::Paddsw, &Code::paddsw}, {Op::Paddusb, &Code::paddusb}, {Op::Paddusw, &Code::paddusw},
    {Op::Psubb, &Code::psubb}, {Op::Psubw, &Code::psubw}, {Op::Psubd, &Code::psubd}, {Op::Psubq, &Code::psubq},
    {Op::Psubsb, &Code::psubsb}, {Op::Psubsw, &Code::psubsw}, {Op::Psubusb, &Code::psubusb}, {Op::Psubusw, &Code::psubusw},
    {Op::Pand, &Code::pand}, {Op::Pandn, &Code::pandn}, {Op::Por, &Code::por}, {Op::Pxor, &Code::pxor},
    {Op::Pavgb, &Code::pavgb}, {Op::Pavgw, &Code::pavgw}, {Op::Pcmpeqb, &Code::pcmpeqb}, {Op::Pcmpeqw, &Code::pcmpeqw},
    {Op::Pcmpeqd, &Code::pcmpeqd}, {Op::Pcmpgtb, &Code::pcmpgtb}, {Op::Pcmpgtw, &Code::pcmpgtw}, {Op::Pcmpgtd, &Code::pcmpgtd},
    {Op::Pmaddwd, &Code::pmaddwd}, {Op::Pmaxsw, &Code::pmaxsw}, {Op::Pmaxub, &Code::pmaxub}, {Op::Pminsw, &Code::pminsw},
    {Op::Pminub, &Code::pminub}, {Op::Pmulhuw, &Code::pmulhuw}, {Op::Pmulhw, &Code::pmulhw}, {Op::Pmullw, &Code::pmullw},
    {Op::Pmuludq, &Code::pmuludq}, {Op::Psadbw, &Code::psadbw}, {Op::Packsswb, &Code::packsswb}, {Op::Packssdw, &Code::packssdw},
    {Op::Packuswb, &Code::packuswb}, {Op::Punpckhbw, &Code::punpckhbw}, {Op::Punpckhwd, &Code::punpckhwd},
    {Op::Punpckhdq, &Code::punpckhdq}, {Op::Punpcklbw, &Code::punpcklbw}, {Op::Punpcklwd, &Code::punpcklwd},
    {Op::Punpckldq, &Code::punpckldq}, {Op::Psllw, &Code::psllw}, {Op::Pslld, &Code::pslld}, {Op::Psllq, &Code::psllq},
    {Op::Psraw, &Code::psraw}, {Op::Psrad, &Code::psrad}, {Op::Psrlw, &Code::psrlw}, {Op::Psrld, &Code::psrld},
    {Op::Psrlq, &Code::psrlq},
};
struct LogicRow { Op op; Logic fn; };
constexpr LogicRow kLogic[] = {
    {Op::Andps, &Code::andps}, {Op::Andpd, &Code::andpd}, {Op::Andnps, &Code::andnps}, {Op::Andnpd, &Code::andnpd},
    {Op::Orps, &Code::orps}, {Op::Orpd, &Code::orpd}, {Op::Xorps, &Code::xorps}, {Op::Xorpd, &Code::xorpd},
    {Op::Punpckhqdq, &Code::punpckhqdq}, {Op::Punpcklqdq, &Code::punpcklqdq}, {Op::Unpckhps, &Code::unpckhps},
    {Op::Unpckhpd, &Code::unpckhpd}, {Op::Unpcklps, &Code::unpcklps}, {Op::Unpcklpd, &Code::unpcklpd},
};
struct ShiftRow { Op op; ShiftImm fn; };
constexpr ShiftRow kShift[] = {
    {Op::Psllw, &Code::psllw}, {Op::Pslld, &Code::pslld}, {Op::Psllq, &Code::psllq}, {Op::Psraw, &Code::psraw},
    {Op::Psrad, &Code::psrad}, {Op::Psrlw, &Code::psrlw}, {Op::Psrld, &Code::psrld}, {Op::Psrlq, &Code::psrlq},
};
struct BytesRow { Op op; BytesImm fn; };
constexpr BytesRow kBytes[] = {{Op::Pslldq, &Code::pslldq}, {Op::Psrldq, &Code::psrldq}};
struct ShuffleRow { Op op; Shuffle fn; };
constexpr ShuffleRow kShuffle[] = {
    {Op::Pshufd, &Code::pshufd}, {Op::Pshufhw, &Code::pshufhw}, {Op::Pshuflw, &Code::pshuflw},
};

template <class Row, std::size_t N>
constexpr const Row* find(const Row (&rows)[N], Op op) {
    for (const Row& row : rows)
        if (row.op == op) return &row;
    return nullptr;
}

bool is_xmm(const Insn& insn, unsigned i) { return insn.operand[i].kind == OperandKind::Xmm; }

// Whole-register moves: 1 aligned, 2 unaligned.
int whole_move(Op op) {
    switch (op) {
        case Op::Movdqa: case Op::Movaps: case Op::Movapd: return 1;
        case Op::Movdqu: case Op::Movups: case Op::Movupd: case Op::Lddqu: return 2;
        default: return 0;
    }
}

}  // namespace

bool emits_simd(const Insn& insn, u32 mode) {
    if ((mode & kModeSse) == 0) return false;
    for (unsigned i = 0; i < insn.operand_count; ++i) {
        if (insn.operand[i].kind == OperandKind::Mmx) return false;
        if (insn.is_mem(i) && (mode >> (kModeSegShift + 2 * insn.mem.seg) & kModeSegOpen) == 0) return false;
        if (insn.is_mem(i) && (mode & kModeSlow) != 0) return false;
    }
    if (whole_move(insn.op) != 0) return true;
    const bool source = is_xmm(insn, 1) || insn.is_mem(1);
    if (find(kBinary, insn.op) != nullptr && is_xmm(insn, 0) && source) return true;
    if (find(kLogic, insn.op) != nullptr) return true;
    if (find(kShift, insn.op) != nullptr || find(kBytes, insn.op) != nullptr || find(kShuffle, insn.op) != nullptr) return true;
    switch (insn.op) {
        case Op::Movd: case Op::Movq: case Op::Movss: case Op::MovsdX: case Op::Pmovmskb: return true;
        default: return false;
    }
}

Xbyak::Address Emitter::xmm_state(unsigned n) const {
    return ptr[r14 + static_cast<int>(reinterpret_cast<const u8*>(&cpu_.s.xmm[n]) - reinterpret_cast<const u8*>(&cpu_))];
}

void Emitter::simd(const Insn& insn) {
    const Operand &d = insn.operand[0], &s = insn.operand[1];
    if (const int kind = whole_move(insn.op); kind != 0) {
        if (insn.is_mem(1)) {
            movups(xmm0, ptr[access(linear(insn.mem), 16, false, kind == 1)]);
            movups(xmm_state(d.reg), xmm0);
        } else {
            movups(xmm0, xmm_state(s.reg));
            if (insn.is_mem(0)) movups(ptr[access(linear(insn.mem), 16, true, kind == 1)], xmm0);
            else movups(xmm_state(d.reg), xmm0);
        }
        return;
    }
    if (insn.op == Op::Movss || insn.op == Op::MovsdX || insn.op == Op::Movd || insn.op == Op::Movq) {
        const bool four = insn.op == Op::Movss || insn.op == Op::Movd;
        const unsigned w = four ? 4 : 8;
        const bool scalar = insn.op == Op::Movss || insn.op == Op::MovsdX;
        if (insn.is_mem(0)) {
            const auto e = access(linear(insn.mem), w, true);
            movups(xmm0, xmm_state(s.reg));
            if (four) movd(dword[e], xmm0);
            else movq(qword[e], xmm0);
        } else if (insn.is_reg(0)) {
            Code::mov(r32(d.reg), xmm_state(s.reg));
        } else if (insn.is_mem(1)) {
            const auto e = access(linear(insn.mem), w, false);
            if (four) movd(xmm0, dword[e]);
            else movq(xmm0, qword[e]);
            movups(xmm_state(d.reg), xmm0);
        } else if (insn.is_reg(1)) {
            movd(xmm0, r32(s.reg));
            movups(xmm_state(d.reg), xmm0);
        } else if (scalar) {  // register to register leaves the rest
            if (four) {
                Code::mov(r9d, xmm_state(s.reg));
                Code::mov(xmm_state(d.reg), r9d);
            } else {
                Code::mov(r9, xmm_state(s.reg));
                Code::mov(xmm_state(d.reg), r9);
            }
        } else {
            movq(xmm0, qword[r14 + static_cast<int>(reinterpret_cast<const u8*>(&cpu_.s.xmm[s.reg]) - reinterpret_cast<const u8*>(&cpu_))]);
            movups(xmm_state(d.reg), xmm0);
        }
        return;
    }
    if (insn.op == Op::Pmovmskb) {
        movups(xmm0, xmm_state(s.reg));
        pmovmskb(r32(d.reg), xmm0);
        return;
    }
    if (s.kind == OperandKind::Imm) {
        movups(xmm0, xmm_state(d.reg));
        if (const auto* shift = find(kShift, insn.op)) (this->*shift->fn)(xmm0, static_cast<int>(insn.imm & 0xff));
        else (this->*find(kBytes, insn.op)->fn)(xmm0, static_cast<int>(insn.imm & 0xff));
        movups(xmm_state(d.reg), xmm0);
        return;
    }
    if (insn.is_mem(1)) movups(xmm1, ptr[access(linear(insn.mem), 16, false, true)]);
    else movups(xmm1, xmm_state(s.reg));
    if (const auto* shuffle = find(kShuffle, insn.op)) {
        (this->*shuffle->fn)(xmm0, xmm1, static_cast<Xbyak::uint8>(insn.imm));
    } else {
        movups(xmm0, xmm_state(d.reg));
        if (const auto* binary = find(kBinary, insn.op)) (this->*binary->fn)(xmm0, xmm1);
        else (this->*find(kLogic, insn.op)->fn)(xmm0, xmm1);
    }
    movups(xmm_state(d.reg), xmm0);
}

}  // namespace vmm::tcg
