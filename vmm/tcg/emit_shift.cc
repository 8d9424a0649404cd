// SPDX-License-Identifier: Apache-2.0
// Shifts, rotates and bit instructions in generated code.
#include "vmm/tcg/emitter.h"

namespace vmm::tcg {

using namespace Xbyak::util;
using Xbyak::Reg32;
using Xbyak::Reg64;
using Code = Xbyak::CodeGenerator;

void Emitter::shift(const Insn& insn) {
    const unsigned w = insn.operand[0].width;
    const bool rotate = insn.op == Op::Rol || insn.op == Op::Ror;
    if (insn.operand[1].kind == OperandKind::Imm) {
        const int count = static_cast<int>(insn.imm & 31);
        auto apply = [&](const Xbyak::Operand& o) {
            if (rotate && (live_after() & (kSf | kZf | kAf | kPf)) != 0) need_host_flags();  // they stay
            switch (insn.op) {
                case Op::Shl: shl(o, count); break;
                case Op::Shr: shr(o, count); break;
                case Op::Sar: sar(o, count); break;
                case Op::Rol: rol(o, count); break;
                default: ror(o, count); break;
            }
        };
        if (insn.is_mem(0)) {
            const auto e = mem(insn, w, true);
            apply(at(w, e));
        } else {
            apply(reg(insn.operand[0].reg, w));
        }
        // Undefined and therefore cleared: AF of a shift, OF of a count other than 1.
        return produced(rotate ? 0xff : 0xef, count != 1);
    }
    shift_by_cl(insn, rotate);
}

// By CL, 32 bits wide.
void Emitter::shift_by_cl(const Insn& insn, bool rotate) {
    if (insn.is_mem(0)) shift_by_cl(insn, rotate, dword[mem(insn, 4, true)]);
    else shift_by_cl(insn, rotate, r32(insn.operand[0].reg));
}

void Emitter::shift_by_cl(const Insn& insn, bool rotate, const Xbyak::Operand& r) {
    auto apply = [&] {
        switch (insn.op) {
            case Op::Shl: shl(r, cl); break;
            case Op::Shr: shr(r, cl); break;
            case Op::Sar: sar(r, cl); break;
            case Op::Rol: rol(r, cl); break;
            case Op::Shld: shld(r, r32(insn.operand[1].reg), cl); break;
            case Op::Shrd: shrd(r, r32(insn.operand[1].reg), cl); break;
            default: ror(r, cl); break;
        }
    };
    if (live_after() == 0) {
        apply();
        flags_ = Flags::Dead;
        return;
    }
    // A masked count of 0 leaves the flags, so they are in RAX on both ways.
    clobber();
    JumpTarget done;
    Code::test(cl, 31);
    jump(If::E, done);
    Code::mov(r11d, ecx);
    if (rotate) load_host_flags();
    apply();
    lahf();
    seto(al);
    if (!rotate) and_(ah, 0xef);
    and_(r11d, 31);
    Code::cmp(r11d, 1);
    jump(If::E, done);
    Code::mov(al, 0);
    bind(done);
    flags_ = Flags::Rax;
}

void Emitter::double_shift(const Insn& insn) {
    if (insn.operand[2].kind != OperandKind::Imm) return shift_by_cl(insn, false);
    const auto count = static_cast<Xbyak::uint8>(insn.imm & 31);
    auto apply = [&](const Xbyak::Operand& o) {
        if (insn.op == Op::Shld) shld(o, r32(insn.operand[1].reg), count);
        else shrd(o, r32(insn.operand[1].reg), count);
    };
    if (insn.is_mem(0)) apply(dword[mem(insn, 4, true)]);
    else apply(r32(insn.operand[0].reg));
    produced(0xef, count != 1);
}

void Emitter::bit_test(const Insn& insn) {
    const bool imm = insn.operand[1].kind == OperandKind::Imm;
    // ZF stays and the rest is undefined: cleared. Not every host leaves ZF alone, so it is kept by hand.
    const bool keep = (live_after() & ~kCf) != 0;
    if (keep) clobber();
    auto apply = [&](const Xbyak::Operand& o) {
        const auto n = static_cast<Xbyak::uint8>(insn.imm & 31);
        switch (insn.op) {
            case Op::Bt: imm ? bt(o, n) : bt(o, r32(insn.operand[1].reg)); break;
            case Op::Bts: imm ? bts(o, n) : bts(o, r32(insn.operand[1].reg)); break;
            case Op::Btr: imm ? btr(o, n) : btr(o, r32(insn.operand[1].reg)); break;
            default: imm ? btc(o, n) : btc(o, r32(insn.operand[1].reg)); break;
        }
    };
    if (insn.is_mem(0) && !imm) {
        // A string of bits: the dword that holds the bit, and there the bit by its number modulo 32.
        const Reg32 number = r32(insn.operand[1].reg);
        const MemOperand& m = insn.mem;
        clobber();
        if (m.base == MemOperand::kNone && m.index == MemOperand::kNone) Code::mov(r9d, m.disp);
        else lea(r9d, ptr[effective_address(m)]);
        Code::mov(r11d, number);
        sar(r11d, 5);
        lea(r9d, ptr[r9 + r11 * 4]);
        if (!zero_base(m.seg)) add(r9d, state(&cpu_.s.seg[m.seg].base));
        lea(r10, ptr[access(r9, 4, insn.op != Op::Bt)]);
        Code::mov(r9d, dword[r10]);
        apply(r9d);
        if (insn.op != Op::Bt) Code::mov(dword[r10], r9d);
    } else if (insn.is_mem(0)) {
        apply(dword[mem(insn, 4, insn.op != Op::Bt)]);
    } else {
        apply(r32(insn.operand[0].reg));
    }
    if (!keep) return produced(0x01, true);
    setc(r9b);
    and_(eax, 0x4000);
    movzx(r9d, r9b);
    shl(r9d, 8);
    or_(eax, r9d);
    flags_ = Flags::Rax;
}

void Emitter::bit_scan(const Insn& insn) {
    clobber();
    if (insn.is_mem(1)) {
        const auto e = mem(insn, 4, false);
        Code::mov(r11d, dword[e]);
    } else {
        Code::mov(r11d, r32(insn.operand[1].reg));
    }
    if (insn.op == Op::Bsf) bsf(r9d, r11d);
    else bsr(r9d, r11d);
    cmovnz(r32(insn.operand[0].reg), r9d);  // a zero source leaves the destination
    produced(0x40, true);
}

}  // namespace vmm::tcg
