// SPDX-License-Identifier: Apache-2.0
// x87 instructions in generated code: the same instruction on the host's unit, which holds the guest's stack, control and status
// word (kLiveX87). Blocks are made for CR0.EM, TS, all exceptions masked and none pending (kModeX87), so that nothing here
// can fault but the memory operand. FIP, FCS, FOP, FDP, FDS are kept beside (Cpu::Jit::x87_last). The transcendentals and FPREM have
// definitions of our own (exec_x87_arith.cc) and go to their helpers, as does what is rare. That arithmetic leaves C0, C2 and C3
// alone is what every x87 unit does; the manual calls them undefined.
#include "vmm/tcg/emitter.h"
#include "vmm/tcg/fpu_state.h"

namespace vmm::tcg {

using namespace Xbyak::util;
using Xbyak::Reg32;
using Xbyak::Reg64;
using Code = Xbyak::CodeGenerator;

namespace {

unsigned escape(const Insn& insn) { return insn.x87_opcode >> 8 & 7; }
bool has_memory(const Insn& insn) { return insn.has_modrm && insn.modrm >> 6 != 3; }

}  // namespace

bool emits_x87(const Insn& insn, u32 mode) {
    if ((mode & kModeX87) == 0) return false;
    const bool memory = has_memory(insn);
    if (memory) {
        constexpr u32 kFlat = kModeSegOpen | kModeSegZero;
        if ((mode & kModeSlow) != 0 || (mode >> (kModeSegShift + 2 * insn.mem.seg) & kFlat) != kFlat) return false;
    }
    switch (insn.op) {
        case Op::Fwait: return true;
        case Op::Fadd: case Op::Fiadd: case Op::Faddp: case Op::Fmul: case Op::Fimul: case Op::Fmulp:
        case Op::Fsub: case Op::Fisub: case Op::Fsubp: case Op::Fsubr: case Op::Fisubr: case Op::Fsubrp:
        case Op::Fdiv: case Op::Fidiv: case Op::Fdivp: case Op::Fdivr: case Op::Fidivr: case Op::Fdivrp:
        case Op::Fsqrt: case Op::Frndint: case Op::Fabs: case Op::Fchs: case Op::Fxam: case Op::Ftst:
        case Op::Fcompp: case Op::Ficom: case Op::Ficomp: case Op::Fucom: case Op::Fucomp: case Op::Fucompp:
        case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip: case Op::Fcmov:
        case Op::Fld: case Op::Fild: case Op::Fst: case Op::Fist: case Op::Fistp: case Op::Fisttp:
        case Op::Fld1: case Op::Fldl2t: case Op::Fldl2e: case Op::Fldpi: case Op::Fldlg2: case Op::Fldln2: case Op::Fldz:
        case Op::Fincstp: case Op::Fdecstp: case Op::Ffree: case Op::Fnop:
        case Op::Fnstcw: case Op::Fnstsw: case Op::Fldcw: case Op::Fnclex:
            return true;
        // Without the undocumented twins of the register forms.
        case Op::Fcom: case Op::Fcomp: return memory || escape(insn) == 0;
        case Op::Fstp: return memory || escape(insn) == 5;
        case Op::Fxch: return escape(insn) == 1;
        default: return false;
    }
}

// The guest's own bytes: register form, or with the operand at R10 + lin.
void Emitter::x87_bytes(const Insn& insn, Reg64 lin) {
    const u8 first = static_cast<u8>(0xd8 | escape(insn));
    if (!has_memory(insn)) {
        db(first);
        db(insn.modrm);
        return;
    }
    const unsigned index = static_cast<unsigned>(lin.getIdx());
    db(0x41 | (index >> 3) << 1);
    db(first);
    db((insn.modrm & 0x38) | 4);
    db((index & 7) << 3 | 2);
}

void Emitter::x87(const Insn& insn) {
    const bool memory = has_memory(insn);
    const unsigned width = memory ? insn.operand[insn.operand_count - 1].width : 0;
    auto& f = cpu_.s.fpu;
    auto half = [&](const u16* member) {
        return word[r14 + static_cast<int>(reinterpret_cast<const u8*>(member) - reinterpret_cast<const u8*>(&cpu_))];
    };
    switch (insn.op) {
        case Op::Fwait: return;
        case Op::Fnstcw: {
            const auto e = access(linear(insn.mem), 2, true);
            movzx(r11d, half(&f.control));
            Code::mov(word[e], r11w);
            return;
        }
        case Op::Fldcw: {
            need(kLiveX87);
            const auto e = access(linear(insn.mem), 2, false);
            movzx(r11d, word[e]);
            Code::mov(r9d, r11d);
            not_(r9d);
            Code::test(r9d, 0x3f);       // unmasks something: the helper, which leaves for another mode
            jump(If::NE, slow());
            and_(r11d, kX87ControlWritable);
            or_(r11d, kX87ControlOne);
            Code::mov(half(&f.control), r11w);
            fldcw(half(&f.control));
            return;
        }
        case Op::Fnclex:
            need(kLiveX87);
            fnclex();
            return;
        case Op::Fnstsw:
            need(kLiveX87);
            if (memory) {
                const Reg64 lin = linear(insn.mem);
                access(lin, width, true);
                x87_bytes(insn, lin);
                return;
            }
            clobber();
            Code::mov(r11, rax);
            fnstsw(ax);
            Code::mov(bx, ax);
            Code::mov(rax, r11);
            return;
        default: break;
    }
    need(kLiveX87);
    if (memory) {
        const Reg64 lin = linear(insn.mem);
        access(lin, width, (insn.form->attributes & kWritesMem) != 0);
        Code::mov(state(&f.dp), Reg32(lin.getIdx()));
        x87_segment_ = insn.mem.seg + 1u;
        x87_bytes(insn, lin);
    } else {
        if (insn.op == Op::Fcmov) need_host_flags();
        switch (insn.op) {
            // Whether they clear C1 differs between processors; FDECSTP and FINCSTP do on all.
            case Op::Fcmov: case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip:
                for (const int b : {0xd9, 0xf6, 0xd9, 0xf7}) db(b);
                break;
            default: break;
        }
        x87_bytes(insn, r9);
    }
    x87_last_ = &block_->calls[k_];
    switch (insn.op) {
        case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip: return produced();
        default: return;
    }
}

}  // namespace vmm::tcg
