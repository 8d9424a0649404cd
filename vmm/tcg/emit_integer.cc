// SPDX-License-Identifier: Apache-2.0
// The instructions that generated code does itself: the list of them, moves and arithmetic; emit_shift.cc, emit_branch.cc,
// emit_simd.cc and emit_x87.cc have the others. What is not listed in emits_inline() goes to its helper.
#include "vmm/check.h"
#include "vmm/tcg/emitter.h"

namespace vmm::tcg {

using namespace Xbyak::util;
using Xbyak::Reg32;
using Xbyak::Reg64;
using Xbyak::RegExp;
using Code = Xbyak::CodeGenerator;

namespace {

// Whether the byte registers of the instruction can be named on the host. AH CH DH are BH CH DH there, which an instruction
// with a REX prefix cannot name; BH has no name at all (EBX lives in R8D).
bool byte_registers_ok(const Insn& insn) {
    bool high = false, rex = false;
    for (unsigned i = 0; i < insn.operand_count; ++i) {
        if (insn.is_mem(i)) rex = true;
        if (!insn.is_reg(i)) continue;
        const Operand& o = insn.operand[i];
        if (o.width == 1 && o.reg >= 4) {
            if (o.reg == 4 + kEbx) return false;
            high = true;
        } else if (o.reg == kEbx || o.reg == kEsp) {
            rex = true;
        }
    }
    return !(high && rex);
}

bool seg_open(Seg seg, u32 mode) {
    return (mode & kModeSlow) == 0 && (mode >> (kModeSegShift + 2 * seg) & kModeSegOpen) != 0;
}

bool memory_ok(const Insn& insn, u32 mode) {
    for (unsigned i = 0; i < insn.operand_count; ++i) {
        if (!insn.is_mem(i)) continue;
        const unsigned w = insn.operand[i].width;
        if (!seg_open(insn.mem.seg, mode) || (w != 1 && w != 2 && w != 4)) return false;
    }
    return true;
}

bool stack_ok(u32 mode) { return (mode & kModeStack32) != 0 && seg_open(kSs, mode); }

}  // namespace

bool emits_inline(const Insn& insn, u32 mode) {
    const bool operands = byte_registers_ok(insn) && memory_ok(insn, mode);
    const bool high = insn.is_reg(0) && insn.operand[0].width == 1 && insn.operand[0].reg >= 4;
    const bool code32 = (mode & kMode32) != 0;
    const unsigned w0 = insn.operand[0].width;
    switch (insn.op) {
        case Op::Nop: case Op::Pause: case Op::Prefetch: return true;
        case Op::Lea: return w0 == 4;
        case Op::Mov: case Op::Add: case Op::Or: case Op::Adc: case Op::Sbb: case Op::And: case Op::Sub: case Op::Xor:
        case Op::Cmp: case Op::Test: case Op::Movzx: case Op::Movsx:
            return memory_ok(insn, mode);
        case Op::Inc: case Op::Dec: case Op::Neg: case Op::Not: case Op::Setcc: case Op::Cmov:
            return operands;
        case Op::Xchg: case Op::Cmpxchg: case Op::Xadd:
            return operands && !high && !(insn.is_reg(1) && insn.operand[1].width == 1 && insn.operand[1].reg >= 4);
        case Op::Shl: case Op::Shr: case Op::Sar: case Op::Rol: case Op::Ror:
            // A masked count of zero is a NOP; 8- and 16-bit rotates by multiples of the width have flag rules of their own.
            if (!operands) return false;
            if (insn.operand[1].kind == OperandKind::Imm) return (insn.imm & 31) != 0 && (insn.imm & 31) < 8 * w0;
            return w0 == 4;
        case Op::Shld: case Op::Shrd:
            return operands && w0 == 4 && (insn.operand[2].kind != OperandKind::Imm || (insn.imm & 31) != 0);
        case Op::Imul: return operands && w0 == 4;
        case Op::Mul: case Op::Imul1: case Op::Div: case Op::Idiv: return operands && w0 == 4;
        case Op::Bt: case Op::Bts: case Op::Btr: case Op::Btc:
            return operands && w0 == 4 && (insn.is_reg(0) || insn.operand[1].kind == OperandKind::Imm || insn.mem.addr_size == 4);
        case Op::Bsf: case Op::Bsr: return operands && w0 == 4;
        case Op::Bswap: return w0 == 4;
        case Op::Cbw: case Op::Cwd: return insn.op_size == 4;
        case Op::Push: return operands && stack_ok(mode) && insn.op_size == 4;
        case Op::Pop: return stack_ok(mode) && insn.op_size == 4 && insn.is_reg(0);
        case Op::Leave: return stack_ok(mode) && insn.op_size == 4;
        case Op::Jmp: case Op::Jcc:
            return code32 ? insn.op_size == 4 && (mode & kModeCsFlat) != 0 : insn.op_size == 2 && (mode & kModeCs64k) != 0;
        case Op::Jcxz: case Op::Loop: return code32 && insn.op_size == 4 && insn.mem.addr_size == 4 && (mode & kModeCsFlat) != 0;
        case Op::Call: case Op::Ret: return code32 && insn.op_size == 4 && stack_ok(mode) && (mode & kModeCsFlat) != 0;
        case Op::JmpInd: return operands && code32 && insn.op_size == 4 && (mode & kModeCsFlat) != 0;
        case Op::CallInd: return operands && code32 && insn.op_size == 4 && stack_ok(mode) && (mode & kModeCsFlat) != 0;
        case Op::Clc: case Op::Stc: case Op::Cmc: case Op::Sahf: case Op::Lahf: return true;
        case Op::Lfence: case Op::Mfence: case Op::Sfence: return true;
        case Op::Rdtsc: return (mode & kModeRing0) != 0;
        case Op::Lods: case Op::Stos: return insn.rep == Rep::None && insn.mem.addr_size == 4 && seg_open(insn.op == Op::Lods ? insn.mem.seg : kEs, mode);
        // With CPL 0 no virtual-8086 or VIF rules apply.
        case Op::Pushf: return (mode & kModeUser) == 0 && stack_ok(mode) && insn.op_size == 4;
        case Op::Popf: return (mode & kModeRing0) != 0 && stack_ok(mode) && insn.op_size == 4;
        case Op::PushSeg: return stack_ok(mode) && insn.op_size == 4;
        case Op::Cli: return (mode & kModeRing0) != 0;
        case Op::Cld: case Op::Std: return true;
        case Op::MovSeg: return insn.is_reg(0) && w0 == 4;
        default: return emits_simd(insn, mode) || emits_x87(insn, mode);
    }
}

void Emitter::alu(const Insn& insn) {
    using Rr = void (Code::*)(const Xbyak::Operand&, const Xbyak::Operand&);
    using Ri = void (Code::*)(const Xbyak::Operand&, u32);
    struct Row { Op op; Rr rr; Ri ri; bool writes; };
    static const Row kRows[] = {
        {Op::Add, &Code::add, &Code::add, true}, {Op::Or, &Code::or_, &Code::or_, true},
        {Op::Adc, &Code::adc, &Code::adc, true}, {Op::Sbb, &Code::sbb, &Code::sbb, true},
        {Op::And, &Code::and_, &Code::and_, true}, {Op::Sub, &Code::sub, &Code::sub, true},
        {Op::Xor, &Code::xor_, &Code::xor_, true}, {Op::Cmp, &Code::cmp, &Code::cmp, false},
    };
    const unsigned w = insn.operand[0].width;
    const bool carry = insn.op == Op::Adc || insn.op == Op::Sbb;
    const bool imm = insn.operand[1].kind == OperandKind::Imm;
    const u32 value = signed_imm(insn.imm, w);
    if (w == 1 && !byte_registers_ok(insn)) {
        if (insn.op == Op::Test) return alu_bytes(insn, false, nullptr, &Code::test);
        const Row* row = kRows;
        while (row->op != insn.op) ++row;
        return alu_bytes(insn, row->writes, row->rr, row->ri);
    }
    if (insn.op == Op::Test) {
        if (insn.is_mem(0)) {
            const auto e = mem(insn, w, false);
            if (imm) Code::test(at(w, e), value);
            else Code::test(at(w, e), reg(insn.operand[1].reg, w));
        } else if (imm) {
            Code::test(reg(insn.operand[0].reg, w), value);
        } else {
            Code::test(reg(insn.operand[0].reg, w), reg(insn.operand[1].reg, w));
        }
        return produced();
    }
    const Row* row = kRows;
    while (row->op != insn.op) ++row;
    if (insn.is_mem(0)) {
        const auto e = mem(insn, w, row->writes);
        if (carry) need_carry();
        if (imm) (this->*row->ri)(at(w, e), value);
        else (this->*row->rr)(at(w, e), reg(insn.operand[1].reg, w));
    } else if (insn.is_mem(1)) {
        const auto e = mem(insn, w, false);
        if (carry) need_carry();
        (this->*row->rr)(reg(insn.operand[0].reg, w), at(w, e));
    } else {
        if (carry) need_carry();
        if (imm) (this->*row->ri)(reg(insn.operand[0].reg, w), value);
        else (this->*row->rr)(reg(insn.operand[0].reg, w), reg(insn.operand[1].reg, w));
    }
    produced();
}

// A byte register in a form that any instruction can name. AH to BH are taken out to `scratch`, and the host's flags lost.
Xbyak::Reg Emitter::byte_source(unsigned gpr, const Reg32& scratch) {
    if (gpr < 4) return reg(gpr, 1);
    Code::mov(scratch, r32(gpr - 4));
    shr(scratch, 8);
    return Xbyak::Reg8(scratch.getIdx());
}

// Into AH to BH; the host's flags stay.
void Emitter::byte_result(unsigned gpr, const Xbyak::Reg8& from) {
    const auto whole = state(&cpu_.jit.scratch);
    Code::mov(whole, r32(gpr - 4));
    Code::mov(byte[whole.getRegExp() + 1], from);
    Code::mov(r32(gpr - 4), whole);
}

// `rr` is null for TEST, whose operands have no order.
void Emitter::alu_bytes(const Insn& insn, bool writes, void (Code::*rr)(const Xbyak::Operand&, const Xbyak::Operand&),
                        void (Code::*ri)(const Xbyak::Operand&, u32)) {
    const bool carry = insn.op == Op::Adc || insn.op == Op::Sbb;
    clobber();
    if (insn.is_mem(0)) {
        const auto e = mem(insn, 1, writes);
        const auto source = byte_source(insn.operand[1].reg, r11d);
        if (carry) need_carry();
        if (rr == nullptr) Code::test(byte[e], source);
        else (this->*rr)(byte[e], source);
        return produced();
    }
    const unsigned d = insn.operand[0].reg;
    RegExp e;
    if (insn.is_mem(1)) e = mem(insn, 1, false);
    const auto to = byte_source(d, r11d);
    if (insn.is_mem(1)) {
        if (carry) need_carry();
        (this->*rr)(to, byte[e]);
    } else if (insn.operand[1].kind == OperandKind::Imm) {
        if (carry) need_carry();
        (this->*ri)(to, signed_imm(insn.imm, 1));
    } else {
        const auto source = byte_source(insn.operand[1].reg, r9d);
        if (carry) need_carry();
        if (rr == nullptr) Code::test(to, source);
        else (this->*rr)(to, source);
    }
    if (writes && d >= 4) byte_result(d, r11b);
    produced();
}

void Emitter::inc_dec(const Insn& insn) {
    const unsigned w = insn.operand[0].width;
    auto apply = [&](const Xbyak::Operand& o) {
        switch (insn.op) {
            case Op::Inc: case Op::Dec:
                // CF stays: it must be in the host's flags if somebody looks at it afterwards.
                if ((live_after() & kCf) != 0) need_carry();
                if (insn.op == Op::Inc) inc(o);
                else dec(o);
                break;
            case Op::Neg: neg(o); break;
            default: not_(o); break;
        }
    };
    if (insn.is_mem(0)) {
        const auto e = mem(insn, w, true);
        apply(at(w, e));
    } else {
        apply(reg(insn.operand[0].reg, w));
    }
    if (insn.op != Op::Not) produced();
}

void Emitter::mul(const Insn& insn) {
    if (insn.op == Op::Imul) {
        const Reg32 d = r32(insn.operand[0].reg);
        const bool three = insn.operand_count == 3;
        if (insn.is_mem(1)) {
            const auto e = mem(insn, 4, false);
            if (three) imul(d, dword[e], static_cast<int>(insn.imm));
            else imul(d, dword[e]);
        } else {
            const Reg32 s = r32(insn.operand[1].reg);
            if (three) imul(d, s, static_cast<int>(insn.imm));
            else imul(d, s);
        }
    } else {
        // Flags before are dead, so RAX is free.
        auto apply = [&](const Xbyak::Operand& o) {
            Code::mov(eax, ebx);
            if (insn.op == Op::Mul) Code::mul(o);
            else imul(o);
            Code::mov(ebx, eax);
        };
        if (insn.is_mem(0)) {
            const auto e = mem(insn, 4, false);
            apply(dword[e]);
        } else {
            apply(r32(insn.operand[0].reg));
        }
    }
    produced(0x01);  // SF ZF AF PF are undefined: cleared
}

void Emitter::div(const Insn& insn) {
    clobber();
    if (insn.is_mem(0)) {
        const auto e = mem(insn, 4, false);
        Code::mov(r11d, dword[e]);
    } else {
        Code::mov(r11d, r32(insn.operand[0].reg));
        cold();
    }
    JumpTarget& slow = this->slow();
    if (insn.op == Op::Div) {
        // The quotient fits when EDX < divisor, which also excludes 0.
        Code::cmp(edx, r11d);
        jump(If::AE, slow);
        Code::mov(eax, ebx);
        Code::div(r11d);
    } else {
        // Fast where EDX:EAX is a sign-extended 32-bit number and the divisor is neither 0 nor -1.
        lea(r10d, ptr[r11 + 1]);
        Code::cmp(r10d, 2);
        jump(If::B, slow);
        Code::mov(r10d, ebx);
        sar(r10d, 31);
        Code::cmp(r10d, edx);
        jump(If::NE, slow);
        Code::mov(eax, ebx);
        idiv(r11d);
    }
    Code::mov(ebx, eax);
    // All flags are undefined; the documented value is AF set, the others cleared.
    Code::mov(eax, 0x1000);
    flags_ = Flags::Rax;
}

void Emitter::move_bytes(const Insn& insn) {
    clobber();
    if (insn.is_mem(0)) {
        const auto e = mem(insn, 1, true);
        Code::mov(byte[e], byte_source(insn.operand[1].reg, r11d));
        return;
    }
    const unsigned d = insn.operand[0].reg;
    if (insn.is_mem(1)) {
        const auto e = mem(insn, 1, false);
        movzx(r11d, byte[e]);
    } else if (insn.operand[1].kind == OperandKind::Imm) {
        Code::mov(r11d, insn.imm & 0xff);
    } else {
        movzx(r11d, byte_source(insn.operand[1].reg, r11d));
    }
    if (d < 4) {
        Code::mov(reg(d, 1), r11b);
        return;
    }
    shl(r11d, 8);
    and_(r32(d - 4), ~0xff00u);
    or_(r32(d - 4), r11d);
}

void Emitter::move(const Insn& insn) {
    const unsigned w = insn.operand[0].width;
    if (w == 1 && !byte_registers_ok(insn)) return move_bytes(insn);
    if (insn.is_mem(0)) {
        const auto e = mem(insn, w, true);
        if (insn.operand[1].kind == OperandKind::Imm) store_imm(at(w, e), signed_imm(insn.imm, w));
        else Code::mov(at(w, e), reg(insn.operand[1].reg, w));
    } else if (insn.is_mem(1)) {
        const auto e = mem(insn, w, false);
        Code::mov(reg(insn.operand[0].reg, w), at(w, e));
    } else if (insn.operand[1].kind == OperandKind::Imm) {
        if (w == 4) Code::mov(r32(insn.operand[0].reg), insn.imm);
        else Code::mov(reg(insn.operand[0].reg, w), signed_imm(insn.imm, w) & (w == 1 ? 0xffu : 0xffffu));
    } else {
        Code::mov(reg(insn.operand[0].reg, w), reg(insn.operand[1].reg, w));
    }
}

void Emitter::extend(const Insn& insn) {
    const unsigned from = insn.operand[1].width;
    const auto d = reg(insn.operand[0].reg, insn.operand[0].width);
    if (insn.operand[0].width == from) {  // MOVZX r16, r/m16
        if (insn.is_mem(1)) Code::mov(d, at(from, mem(insn, from, false)));
        else Code::mov(d, reg(insn.operand[1].reg, from));
        return;
    }
    if (insn.is_mem(1)) {
        const auto e = mem(insn, from, false);
        if (insn.op == Op::Movzx) movzx(d, at(from, e));
        else movsx(d, at(from, e));
    } else {
        if (from == 1 && insn.operand[1].reg >= 4) clobber();
        const auto s = from == 1 && !byte_registers_ok(insn) ? byte_source(insn.operand[1].reg, r11d) : reg(insn.operand[1].reg, from);
        if (insn.op == Op::Movzx) movzx(d, s);
        else movsx(d, s);
    }
}

void Emitter::exchange(const Insn& insn) {
    const unsigned w = insn.operand[0].width;
    const Xbyak::Reg scratch = w == 1 ? Xbyak::Reg(r11b) : w == 2 ? Xbyak::Reg(r11w) : Xbyak::Reg(r11d);
    const unsigned m = insn.is_mem(1) ? 1 : 0;
    const auto other = reg(insn.operand[1 - m].reg, w);
    if (insn.op == Op::Xchg) {
        if (insn.is_mem(m)) {
            const auto e = mem(insn, w, true);
            Code::mov(scratch, at(w, e));
            Code::mov(at(w, e), other);
            Code::mov(other, scratch);
        } else {
            const auto r = reg(insn.operand[m].reg, w);
            Code::mov(scratch, r);
            Code::mov(r, other);
            Code::mov(other, scratch);
        }
        return;
    }
    // One CPU: LOCK adds nothing.
    if (insn.op == Op::Xadd) {
        if (insn.is_mem(0)) xadd(at(w, mem(insn, w, true)), reg(insn.operand[1].reg, w));
        else xadd(reg(insn.operand[0].reg, w), reg(insn.operand[1].reg, w));
        return produced();
    }
    // CMPXCHG sets every flag, so RAX is free for the accumulator.
    auto accumulator = [&](bool in) {
        if (in) Code::mov(eax, ebx);
        else if (w == 1) Code::mov(bl, al);
        else if (w == 2) Code::mov(bx, ax);
        else Code::mov(ebx, eax);
    };
    if (insn.is_mem(0)) {
        const auto e = mem(insn, w, true);
        accumulator(true);
        cmpxchg(at(w, e), reg(insn.operand[1].reg, w));
    } else {
        accumulator(true);
        // The destination may be EAX itself (RBX); CMPXCHG reads and writes it after the comparison.
        cmpxchg(reg(insn.operand[0].reg, w), reg(insn.operand[1].reg, w));
        if (insn.operand[0].reg == kEax) {
            produced();
            return;
        }
    }
    accumulator(false);
    produced();
}

// LODS and STOS without REP, going up. Downwards is for the helper.
void Emitter::string_step(const Insn& insn) {
    clobber();
    const bool load = insn.op == Op::Lods;
    const unsigned w = insn.operand[0].width;
    MemOperand m;
    m.base = load ? kEsi : kEdi;
    m.seg = load ? insn.mem.seg : kEs;
    const auto e = access(linear(m), w, !load);
    Code::test(state(&cpu_.s.eflags), kDf);
    jump(If::NE, slow());
    if (load) {
        Code::mov(reg(kEax, w), at(w, e));
        lea(esi, ptr[rsi + static_cast<int>(w)]);
    } else {
        Code::mov(at(w, e), reg(kEax, w));
        lea(edi, ptr[rdi + static_cast<int>(w)]);
    }
}

void Emitter::inline_instruction(const Insn& insn) {
    switch (insn.op) {
        case Op::Nop: case Op::Pause: case Op::Prefetch: case Op::Lfence: case Op::Mfence: case Op::Sfence: return;
        case Op::Lea: {
            const MemOperand& m = insn.mem;
            const bool base = m.base != MemOperand::kNone, index = m.index != MemOperand::kNone;
            const Reg32 d = r32(insn.operand[0].reg);
            if (!base && !index) {
                Code::mov(d, m.addr_size == 2 ? m.disp & 0xffff : m.disp);
                return;
            }
            lea(d, ptr[effective_address(m)]);
            if (m.addr_size == 2) movzx(d, Xbyak::Reg16(d.getIdx()));
            return;
        }
        case Op::Mov: return move(insn);
        case Op::Movzx: case Op::Movsx: return extend(insn);
        case Op::Add: case Op::Or: case Op::Adc: case Op::Sbb: case Op::And: case Op::Sub: case Op::Xor: case Op::Cmp:
        case Op::Test:
            return alu(insn);
        case Op::Inc: case Op::Dec: case Op::Neg: case Op::Not: return inc_dec(insn);
        case Op::Shl: case Op::Shr: case Op::Sar: case Op::Rol: case Op::Ror: return shift(insn);
        case Op::Shld: case Op::Shrd: return double_shift(insn);
        case Op::Pushf: return push_flags();
        case Op::Popf: return pop_flags();
        case Op::PushSeg: return push_segment(insn);
        case Op::Cli: clobber(); and_(state(&cpu_.s.eflags), static_cast<u32>(~kIf)); return;
        case Op::Cld: clobber(); and_(state(&cpu_.s.eflags), static_cast<u32>(~kDf)); return;
        case Op::Std: clobber(); or_(state(&cpu_.s.eflags), kDf); return;
        case Op::MovSeg:
            movzx(r32(insn.operand[0].reg), selector(insn.operand[1].reg));
            return;
        case Op::Imul: case Op::Mul: case Op::Imul1: return mul(insn);
        case Op::Div: case Op::Idiv: return div(insn);
        case Op::Bt: case Op::Bts: case Op::Btr: case Op::Btc: return bit_test(insn);
        case Op::Bsf: case Op::Bsr: return bit_scan(insn);
        case Op::Bswap: bswap(r32(insn.operand[0].reg)); return;
        case Op::Cbw: movsx(ebx, bx); return;
        case Op::Cwd:
            clobber();
            Code::mov(edx, ebx);
            sar(edx, 31);
            return;
        case Op::Setcc: case Op::Cmov: {
            const unsigned w = insn.operand[0].width;
            const unsigned m = insn.op == Op::Setcc ? 0 : 1;
            RegExp e;
            if (insn.is_mem(m)) e = mem(insn, w, insn.op == Op::Setcc);
            need_host_flags();
            using Set = void (Code::*)(const Xbyak::Operand&);
            using Move = void (Code::*)(const Xbyak::Reg&, const Xbyak::Operand&);
            static constexpr Set kSet[16] = {&Code::seto, &Code::setno, &Code::setb, &Code::setae, &Code::setz, &Code::setnz,
                &Code::setbe, &Code::seta, &Code::sets, &Code::setns, &Code::setp, &Code::setnp, &Code::setl, &Code::setge,
                &Code::setle, &Code::setg};
            static constexpr Move kMove[16] = {&Code::cmovo, &Code::cmovno, &Code::cmovb, &Code::cmovae, &Code::cmovz,
                &Code::cmovnz, &Code::cmovbe, &Code::cmova, &Code::cmovs, &Code::cmovns, &Code::cmovp, &Code::cmovnp,
                &Code::cmovl, &Code::cmovge, &Code::cmovle, &Code::cmovg};
            if (insn.op == Op::Setcc) {
                if (insn.is_mem(0)) (this->*kSet[insn.cond])(byte[e]);
                else (this->*kSet[insn.cond])(reg(insn.operand[0].reg, 1));
            } else if (insn.is_mem(1)) {
                (this->*kMove[insn.cond])(reg(insn.operand[0].reg, w), at(w, e));
            } else {
                (this->*kMove[insn.cond])(reg(insn.operand[0].reg, w), reg(insn.operand[1].reg, w));
            }
            return;
        }
        case Op::Xchg: case Op::Cmpxchg: case Op::Xadd: return exchange(insn);
        case Op::Push: return push_value(insn);
        case Op::Pop: return pop_value(insn);
        case Op::Leave: {
            clobber();
            Reg64 lin = rbp;
            if (!zero_base(kSs)) {
                Code::mov(r9d, ebp);
                add(r9d, state(&cpu_.s.seg[kSs].base));
                lin = r9;
            }
            const auto e = access(lin, 4, false);
            Code::mov(r11d, dword[e]);
            lea(r15d, ptr[rbp + 4]);
            Code::mov(ebp, r11d);
            return;
        }
        case Op::Jmp:
            materialise();
            left_ = true;
            return edge(0, (a_->next_eip + insn.imm) & ((mode_ & kMode32) != 0 ? ~u32{0} : 0xffff));
        case Op::JmpInd: {
            if (insn.is_mem(0)) {
                const auto e = mem(insn, 4, false);
                Code::mov(r9d, dword[e]);
            } else {
                clobber();
                Code::mov(r9d, r32(insn.operand[0].reg));
            }
            left_ = true;
            return jump_to_r9();
        }
        case Op::Jcc: case Op::Jcxz: case Op::Loop: return jcc(insn);
        case Op::Call: case Op::CallInd: return call_near(insn);
        case Op::Ret: return return_near(insn);
        case Op::Clc: case Op::Stc: case Op::Cmc:
            clobber();
            if (insn.op == Op::Clc) and_(ah, 0xfe);
            else if (insn.op == Op::Stc) or_(ah, 1);
            else xor_(ah, 1);
            flags_ = Flags::Rax;
            return;
        case Op::Sahf:
            clobber();
            Code::mov(ah, bh);  // guest AH
            flags_ = Flags::Rax;
            return;
        case Op::Lahf:
            materialise();
            Code::mov(bh, ah);
            clobber();
            and_(bh, 0xd5);
            or_(bh, 2);
            return;
        case Op::Rdtsc: {
            // TSC = guest time + offset; guest time of the boundary this instruction starts from.
            clobber();
            Code::mov(r9, state64(&cpu_.jit.limit));
            sub(r9, r13);
            sub(r9, static_cast<u32>(a_->insns.size()) - k_);
            if (cpu_.clock.shift() != 0) shl(r9, static_cast<int>(cpu_.clock.shift()));
            Code::mov(r10, reinterpret_cast<u64>(cpu_.clock.idle_location()));
            add(r9, qword[r10]);
            add(r9, state64(&cpu_.s.msr.tsc_offset));
            Code::mov(ebx, r9d);
            shr(r9, 32);
            Code::mov(edx, r9d);
            return;
        }
        case Op::Lods: case Op::Stos: return string_step(insn);
        default:
            if (emits_simd(insn, mode_)) return simd(insn);
            if (emits_x87(insn, mode_)) return x87(insn);
            CHECK(false, "emits_inline() promised an instruction that is not here");
    }
}

}  // namespace vmm::tcg
