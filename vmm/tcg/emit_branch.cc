// SPDX-License-Identifier: Apache-2.0
// Stack, branches, calls and returns in generated code.
#include "vmm/tcg/emitter.h"

namespace vmm::tcg {

using namespace Xbyak::util;
using Xbyak::Reg32;
using Xbyak::Reg64;
using Code = Xbyak::CodeGenerator;

// PUSHFD at CPL 0: EFLAGS without VM and RF, the arithmetic flags from RAX.
void Emitter::push_flags() {
    const auto e = access(stack_linear(-4), 4, true);
    Code::mov(r11d, eax);
    shr(r11d, 8);
    and_(r11d, kArithFlags & 0xff);
    xchg(r11d, eax);
    and_(r11d, 1);
    shl(r11d, 11);
    or_(r11d, eax);
    Code::mov(eax, state(&cpu_.s.eflags));
    and_(eax, static_cast<u32>(~(kArithFlags | kVm | kRf)));
    or_(eax, r11d);
    Code::mov(dword[e], eax);
    // RAX again, from the image.
    Code::mov(r11d, eax);
    and_(eax, kArithFlags & 0xff);
    shl(eax, 8);
    shr(r11d, 11);
    and_(r11d, 1);
    or_(eax, r11d);
    lea(r15d, ptr[r15 - 4]);
    flags_ = Flags::Rax;
}

// POPFD at CPL 0, where it changes nothing but arithmetic flags and DF, and clears IF. Else the helper: what it sets may have to be
// acted on.
void Emitter::pop_flags() {
    const auto e = access(stack_linear(0), 4, false);
    Code::mov(r11d, dword[e]);
    Code::mov(r9d, state(&cpu_.s.eflags));
    xor_(r9d, r11d);
    Code::test(r9d, kTf | kNt | kIopl | kAc | kId);
    jump(If::NE, slow());
    and_(r9d, r11d);
    Code::test(r9d, kIf);
    jump(If::NE, slow());
    Code::mov(eax, r11d);
    and_(eax, kIf | kDf);
    and_(state(&cpu_.s.eflags), static_cast<u32>(~(kIf | kDf)));
    or_(state(&cpu_.s.eflags), eax);
    Code::mov(eax, r11d);
    and_(eax, kArithFlags & 0xff);
    shl(eax, 8);
    shr(r11d, 11);
    and_(r11d, 1);
    or_(eax, r11d);
    lea(r15d, ptr[r15 + 4]);
    flags_ = Flags::Rax;
}

Xbyak::Address Emitter::selector(unsigned seg) const {
    return word[r14 + static_cast<int>(reinterpret_cast<const u8*>(&cpu_.s.seg[seg].selector) - reinterpret_cast<const u8*>(&cpu_))];
}

void Emitter::push_segment(const Insn& insn) {
    const auto e = access(stack_linear(-4), 4, true);
    movzx(r11d, selector(insn.operand[0].reg));
    Code::mov(dword[e], r11d);
    lea(r15d, ptr[r15 - 4]);
}

void Emitter::push_value(const Insn& insn) {
    if (insn.is_mem(0)) {
        const auto from = mem(insn, 4, false);
        Code::mov(r11d, dword[from]);
    }
    const Reg64 lin = stack_linear(-4);
    const auto e = access(lin, 4, true);
    if (insn.is_mem(0)) Code::mov(dword[e], r11d);
    else if (insn.is_reg(0)) Code::mov(dword[e], r32(insn.operand[0].reg));
    else store_imm(dword[e], signed_imm(insn.imm, insn.operand[0].width == 1 ? 1 : 4));
    lea(r15d, ptr[r15 - 4]);
}

void Emitter::pop_value(const Insn& insn) {
    const auto e = access(stack_linear(0), 4, false);
    if (insn.operand[0].reg == kEsp) {
        Code::mov(r15d, dword[e]);
        return;
    }
    Code::mov(r32(insn.operand[0].reg), dword[e]);
    lea(r15d, ptr[r15 + 4]);
}

void Emitter::call_near(const Insn& insn) {
    const u32 next = a_->next_eip;
    if (insn.op == Op::CallInd) {
        if (insn.is_mem(0)) {
            const auto from = mem(insn, 4, false);
            Code::mov(r11d, dword[from]);
        } else {
            Code::mov(r11d, r32(insn.operand[0].reg));
        }
    }
    const auto e = access(stack_linear(-4), 4, true);
    store_imm(dword[e], next);
    lea(r15d, ptr[r15 - 4]);
    left_ = true;
    clobber();
    if (insn.op == Op::CallInd) {
        Code::mov(r9d, r11d);
        jump_to_r9();
    } else {
        edge(0, next + insn.imm);
    }
}

void Emitter::return_near(const Insn& insn) {
    const auto e = access(stack_linear(0), 4, false);
    Code::mov(r9d, dword[e]);
    lea(r15d, ptr[r15 + static_cast<int>(4 + (insn.operand_count != 0 ? insn.imm & 0xffff : 0))]);
    left_ = true;
    clobber();
    jump_to_r9();
}

void Emitter::jcc(const Insn& insn) {
    const u32 wrap = (mode_ & kMode32) != 0 ? ~u32{0} : 0xffff;
    const u32 next = a_->next_eip & wrap;
    const u32 target = (next + insn.imm) & wrap;
    JumpTarget taken;
    if (insn.op == Op::Jcc) {
        need_host_flags();
        materialise();
        jump(static_cast<If>(insn.cond), taken);
    } else {
        clobber();
        if (insn.op == Op::Loop) {
            dec(ecx);
            jump(If::NE, taken);
        } else {
            Code::test(ecx, ecx);
            jump(If::E, taken);
        }
    }
    left_ = true;
    edge(0, next);
    bind(taken);
    edge(1, target);
}

}  // namespace vmm::tcg
