// SPDX-License-Identifier: Apache-2.0
// SSE to SSE3 in generated code: the same instruction on the host's registers, guest XMMn in host XMMn, under the guest's MXCSR
// (kLiveSse). Blocks are made for CR4.OSFXSR, CR0.EM and TS (kModeSse). What can raise #XM is here only while MXCSR masks all
// exceptions (kModeSseMasked). RCPPS and RSQRTPS, which processors approximate differently, MMX operands and MASKMOVDQU go to
// their helpers.
#include "vmm/tcg/emitter.h"
#include "vmm/tcg/exec_sse.h"

namespace vmm::tcg {

using namespace Xbyak::util;
using Xbyak::Xmm;
using Code = Xbyak::CodeGenerator;

namespace {

using Binary = void (Code::*)(const Xbyak::Mmx&, const Xbyak::Operand&);
using Float = void (Code::*)(const Xbyak::Xmm&, const Xbyak::Operand&);
using FloatImm = void (Code::*)(const Xbyak::Xmm&, const Xbyak::Operand&, Xbyak::uint8);
using Convert = void (Code::*)(const Xbyak::Operand&, const Xbyak::Operand&);
using Half = void (Code::*)(const Xbyak::Operand&, const Xbyak::Operand&);
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
struct FloatRow { Op op; Float fn; };
// Bitwise and whole elements: MXCSR has no part in them.
constexpr FloatRow kLogic[] = {
    {Op::Andps, &Code::andps}, {Op::Andpd, &Code::andpd}, {Op::Andnps, &Code::andnps}, {Op::Andnpd, &Code::andnpd},
    {Op::Orps, &Code::orps}, {Op::Orpd, &Code::orpd}, {Op::Xorps, &Code::xorps}, {Op::Xorpd, &Code::xorpd},
    {Op::Punpckhqdq, &Code::punpckhqdq}, {Op::Punpcklqdq, &Code::punpcklqdq}, {Op::Unpckhps, &Code::unpckhps},
    {Op::Unpckhpd, &Code::unpckhpd}, {Op::Unpcklps, &Code::unpcklps}, {Op::Unpcklpd, &Code::unpcklpd},
    {Op::Movddup, &Code::movddup}, {Op::Movshdup, &Code::movshdup}, {Op::Movsldup, &Code::movsldup},
};
// Under MXCSR.
constexpr FloatRow kFloat[] = {
    {Op::Addps, &Code::addps}, {Op::Addpd, &Code::addpd}, {Op::Addss, &Code::addss}, {Op::Addsd, &Code::addsd},
    {Op::Subps, &Code::subps}, {Op::Subpd, &Code::subpd}, {Op::Subss, &Code::subss}, {Op::Subsd, &Code::subsd},
    {Op::Mulps, &Code::mulps}, {Op::Mulpd, &Code::mulpd}, {Op::Mulss, &Code::mulss}, {Op::Mulsd, &Code::mulsd},
    {Op::Divps, &Code::divps}, {Op::Divpd, &Code::divpd}, {Op::Divss, &Code::divss}, {Op::Divsd, &Code::divsd},
    {Op::Sqrtps, &Code::sqrtps}, {Op::Sqrtpd, &Code::sqrtpd}, {Op::Sqrtss, &Code::sqrtss}, {Op::Sqrtsd, &Code::sqrtsd},
    {Op::Maxps, &Code::maxps}, {Op::Maxpd, &Code::maxpd}, {Op::Maxss, &Code::maxss}, {Op::Maxsd, &Code::maxsd},
    {Op::Minps, &Code::minps}, {Op::Minpd, &Code::minpd}, {Op::Minss, &Code::minss}, {Op::Minsd, &Code::minsd},
    {Op::Addsubps, &Code::addsubps}, {Op::Addsubpd, &Code::addsubpd}, {Op::Haddps, &Code::haddps},
    {Op::Haddpd, &Code::haddpd}, {Op::Hsubps, &Code::hsubps}, {Op::Hsubpd, &Code::hsubpd}, {Op::Comiss, &Code::comiss},
    {Op::Comisd, &Code::comisd}, {Op::Ucomiss, &Code::ucomiss}, {Op::Ucomisd, &Code::ucomisd},
    {Op::Cvtdq2pd, &Code::cvtdq2pd}, {Op::Cvtdq2ps, &Code::cvtdq2ps}, {Op::Cvtpd2dq, &Code::cvtpd2dq},
    {Op::Cvtpd2ps, &Code::cvtpd2ps}, {Op::Cvtps2dq, &Code::cvtps2dq}, {Op::Cvtps2pd, &Code::cvtps2pd},
    {Op::Cvtsd2ss, &Code::cvtsd2ss}, {Op::Cvtss2sd, &Code::cvtss2sd}, {Op::Cvttpd2dq, &Code::cvttpd2dq},
    {Op::Cvttps2dq, &Code::cvttps2dq},
};
struct ConvertRow { Op op; Convert fn; };
constexpr ConvertRow kFromGeneral[] = {{Op::Cvtsi2ss, &Code::cvtsi2ss}, {Op::Cvtsi2sd, &Code::cvtsi2sd}};
constexpr ConvertRow kToGeneral[] = {
    {Op::Cvtss2si, &Code::cvtss2si}, {Op::Cvtsd2si, &Code::cvtsd2si}, {Op::Cvttss2si, &Code::cvttss2si}, {Op::Cvttsd2si, &Code::cvttsd2si},
};
struct FloatImmRow { Op op; FloatImm fn; };
constexpr FloatImmRow kCompare[] = {
    {Op::Cmpps, &Code::cmpps}, {Op::Cmppd, &Code::cmppd}, {Op::Cmpss, &Code::cmpss}, {Op::CmpsdX, &Code::cmpsd},
};
constexpr FloatImmRow kShuffleFloat[] = {{Op::Shufps, &Code::shufps}, {Op::Shufpd, &Code::shufpd}};
struct HalfRow { Op op; Half fn; };
constexpr HalfRow kHalf[] = {
    {Op::Movlps, &Code::movlps}, {Op::Movlpd, &Code::movlpd}, {Op::Movhps, &Code::movhps}, {Op::Movhpd, &Code::movhpd},
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
        case Op::Movdqa: case Op::Movaps: case Op::Movapd: case Op::Movntps: case Op::Movntpd: case Op::Movntdq: return 1;
        case Op::Movdqu: case Op::Movups: case Op::Movupd: case Op::Lddqu: return 2;
        default: return 0;
    }
}

bool under_mxcsr(Op op) {
    return find(kFloat, op) != nullptr || find(kFromGeneral, op) != nullptr || find(kToGeneral, op) != nullptr ||
           find(kCompare, op) != nullptr || op == Op::Ldmxcsr;
}

}  // namespace

bool emits_simd(const Insn& insn, u32 mode) {
    if ((mode & kModeSse) == 0) return false;
    for (unsigned i = 0; i < insn.operand_count; ++i) {
        if (insn.operand[i].kind == OperandKind::Mmx) return false;
        if (insn.is_mem(i) && (mode >> (kModeSegShift + 2 * insn.mem.seg) & kModeSegOpen) == 0) return false;
        if (insn.is_mem(i) && (mode & kModeSlow) != 0) return false;
    }
    if (under_mxcsr(insn.op)) return (mode & kModeSseMasked) != 0;
    if (whole_move(insn.op) != 0) return true;
    const bool source = is_xmm(insn, 1) || insn.is_mem(1);
    if (find(kBinary, insn.op) != nullptr && is_xmm(insn, 0) && source) return true;
    if (find(kLogic, insn.op) != nullptr || find(kShuffleFloat, insn.op) != nullptr || find(kHalf, insn.op) != nullptr) return true;
    if (find(kShift, insn.op) != nullptr || find(kBytes, insn.op) != nullptr || find(kShuffle, insn.op) != nullptr) return true;
    switch (insn.op) {
        case Op::Movd: case Op::Movq: case Op::Movss: case Op::MovsdX: case Op::Pmovmskb: case Op::Movhlps: case Op::Movlhps:
        case Op::Movmskps: case Op::Movmskpd: case Op::Pextrw: case Op::Pinsrw: case Op::Stmxcsr:
            return true;
        default: return false;
    }
}

// MOVD, MOVQ, MOVSS, MOVSD.
void Emitter::simd_move(const Insn& insn) {
    const Operand &d = insn.operand[0], &s = insn.operand[1];
    const bool four = insn.op == Op::Movss || insn.op == Op::Movd;
    const unsigned w = four ? 4 : 8;
    if (insn.is_mem(0)) {
        const auto e = access(linear(insn.mem), w, true);
        if (four) movd(dword[e], Xmm(s.reg));
        else movq(qword[e], Xmm(s.reg));
    } else if (insn.is_mem(1)) {
        const auto e = access(linear(insn.mem), w, false);
        if (four) movd(Xmm(d.reg), dword[e]);
        else movq(Xmm(d.reg), qword[e]);
    } else if (insn.is_reg(0)) {
        movd(r32(d.reg), Xmm(s.reg));
    } else if (insn.is_reg(1)) {
        movd(Xmm(d.reg), r32(s.reg));
    } else if (insn.op == Op::Movq) {
        movq(Xmm(d.reg), Xmm(s.reg));
    } else if (four) {  // register to register leaves the rest
        movss(Xmm(d.reg), Xmm(s.reg));
    } else {
        movsd(Xmm(d.reg), Xmm(s.reg));
    }
}

// MXCSR: a value that sets a reserved bit or unmasks something is for the helper, which leaves for another mode.
void Emitter::load_mxcsr(const Insn& insn) {
    const auto e = access(linear(insn.mem), 4, false);
    Code::mov(r11d, dword[e]);
    Code::test(r11d, ~mxcsr_mask(cpu_));
    jump(If::NE, slow());
    Code::mov(r9d, r11d);
    not_(r9d);
    Code::test(r9d, 0x1f80);
    jump(If::NE, slow());
    Code::mov(state(&cpu_.s.mxcsr), r11d);
    ldmxcsr(state(&cpu_.s.mxcsr));
}

void Emitter::simd(const Insn& insn) {
    const Operand &d = insn.operand[0], &s = insn.operand[1];
    need(kLiveSse);
    if (const int kind = whole_move(insn.op); kind != 0) {
        if (insn.is_mem(1)) movups(Xmm(d.reg), ptr[access(linear(insn.mem), 16, false, kind == 1)]);
        else if (insn.is_mem(0)) movups(ptr[access(linear(insn.mem), 16, true, kind == 1)], Xmm(s.reg));
        else movaps(Xmm(d.reg), Xmm(s.reg));
        return;
    }
    switch (insn.op) {
        case Op::Movss: case Op::MovsdX: case Op::Movd: case Op::Movq: return simd_move(insn);
        case Op::Movhlps: movhlps(Xmm(d.reg), Xmm(s.reg)); return;
        case Op::Movlhps: movlhps(Xmm(d.reg), Xmm(s.reg)); return;
        case Op::Pmovmskb: pmovmskb(r32(d.reg), Xmm(s.reg)); return;
        case Op::Movmskps: movmskps(r32(d.reg), Xmm(s.reg)); return;
        case Op::Movmskpd: movmskpd(r32(d.reg), Xmm(s.reg)); return;
        case Op::Pextrw: pextrw(r32(d.reg), Xmm(s.reg), static_cast<Xbyak::uint8>(insn.imm)); return;
        case Op::Pinsrw:
            if (insn.is_mem(1)) pinsrw(Xmm(d.reg), word[access(linear(insn.mem), 2, false)], static_cast<int>(insn.imm & 0xff));
            else pinsrw(Xmm(d.reg), r32(s.reg), static_cast<int>(insn.imm & 0xff));
            return;
        case Op::Ldmxcsr: return load_mxcsr(insn);
        case Op::Stmxcsr: stmxcsr(dword[access(linear(insn.mem), 4, true)]); return;
        default: break;
    }
    if (const auto* half = find(kHalf, insn.op)) {
        if (insn.is_mem(0)) (this->*half->fn)(qword[access(linear(insn.mem), 8, true)], Xmm(s.reg));
        else (this->*half->fn)(Xmm(d.reg), qword[access(linear(insn.mem), 8, false)]);
        return;
    }
    if (s.kind == OperandKind::Imm) {
        if (const auto* shift = find(kShift, insn.op)) (this->*shift->fn)(Xmm(d.reg), static_cast<int>(insn.imm & 0xff));
        else (this->*find(kBytes, insn.op)->fn)(Xmm(d.reg), static_cast<int>(insn.imm & 0xff));
        return;
    }
    auto apply = [&](const Xbyak::Operand& source) {
        const auto imm = static_cast<Xbyak::uint8>(insn.imm);
        if (const auto* to = find(kToGeneral, insn.op)) return (this->*to->fn)(r32(d.reg), source);
        const Xmm x(d.reg);
        if (const auto* from = find(kFromGeneral, insn.op)) return (this->*from->fn)(x, source);
        if (const auto* compare = find(kCompare, insn.op)) return (this->*compare->fn)(x, source, imm & 7);
        if (const auto* shuffle = find(kShuffleFloat, insn.op)) return (this->*shuffle->fn)(x, source, imm);
        if (const auto* shuffle = find(kShuffle, insn.op)) return (this->*shuffle->fn)(x, source, imm);
        if (const auto* binary = find(kBinary, insn.op)) return (this->*binary->fn)(x, source);
        if (const auto* logic = find(kLogic, insn.op)) return (this->*logic->fn)(x, source);
        return (this->*find(kFloat, insn.op)->fn)(x, source);
    };
    const bool order = insn.op == Op::Comiss || insn.op == Op::Comisd || insn.op == Op::Ucomiss || insn.op == Op::Ucomisd;
    if (order) clobber();
    if (insn.is_mem(1)) {
        const auto e = access(linear(insn.mem), s.width, false, s.width == 16);
        apply(at(s.width == 16 ? 0 : s.width, e));
    } else if (insn.is_reg(1)) {
        apply(r32(s.reg));
    } else {
        apply(Xmm(s.reg));
    }
    if (order) produced();
}

}  // namespace vmm::tcg
