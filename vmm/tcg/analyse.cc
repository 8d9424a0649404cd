// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/analyse.h"

#include "vmm/tcg/cpu_model.h"

namespace vmm::tcg {
namespace {

// Whether a fault, a helper or a boundary may look at the flags while this instruction runs.
bool observes_flags(const Insn& insn, u32 mode) {
    if (!emits_inline(insn, mode)) return true;
    for (unsigned i = 0; i < insn.operand_count; ++i)
        if (insn.is_mem(i) && insn.op != Op::Lea && insn.op != Op::Nop) return true;
    switch (insn.op) {
        case Op::Push: case Op::Pop: case Op::Call: case Op::CallInd: case Op::Ret: case Op::Leave:
        case Op::Div: case Op::Idiv: case Op::Stos: case Op::Lods: case Op::Movs:
        case Op::Pushf: case Op::Popf: case Op::PushSeg:
            return true;
        default: return ends_block(insn);
    }
}

bool is_cl_shift(const Insn& insn) {
    switch (insn.op) {
        case Op::Shl: case Op::Shr: case Op::Sar: case Op::Rol: case Op::Ror: case Op::Rcl: case Op::Rcr:
            return insn.is_reg(1) || (insn.operand[1].kind == OperandKind::Imm && (insn.imm & 31) == 0);
        case Op::Shld: case Op::Shrd:
            return insn.is_reg(2) || (insn.imm & 31) == 0;
        default: return false;
    }
}

}  // namespace

bool ends_block(const Insn& insn) {
    switch (insn.op) {
        case Op::Call: case Op::CallInd: case Op::CallFar: case Op::CallFarInd: case Op::Jmp: case Op::JmpInd:
        case Op::JmpFar: case Op::JmpFarInd: case Op::Jcc: case Op::Jcxz: case Op::Loop: case Op::Loope: case Op::Loopne:
        case Op::Ret: case Op::RetFar: case Op::Iret: case Op::Int: case Op::Int3: case Op::Into: case Op::Icebp:
        case Op::Hlt: case Op::Sysenter: case Op::Sysexit: case Op::Ud: case Op::Invalid: case Op::MovCr: case Op::Rsm:
            return true;
        // After these an interrupt may have to be taken; the next boundary is looked at by the dispatcher.
        case Op::Sti:
            return true;
        default: return false;
    }
}

Analysis analyse(std::span<const u8> code, u32 eip, u32 mode, unsigned max_insns, const CpuModel& model) {
    Analysis a;
    const bool code32 = (mode & kMode32) != 0;
    std::size_t at = 0;
    while (a.insns.size() < max_insns) {
        AnalysedInsn entry;
        if (decode(code.subspan(at), code32, entry.insn) != DecodeStatus::Ok) break;
        if (!available(model, entry.insn)) entry.insn.op = Op::Ud;
        entry.eip = eip + static_cast<u32>(at);
        if (!code32) entry.eip &= 0xffff;
        at += entry.insn.length;
        a.insns.push_back(entry);
        if (ends_block(entry.insn) || at >= code.size()) break;
    }
    a.bytes = static_cast<u32>(at);
    a.next_eip = eip + a.bytes;
    u16 live = kArithFlags;
    for (std::size_t i = a.insns.size(); i-- > 0;) {
        AnalysedInsn& e = a.insns[i];
        const Form& f = *e.insn.form;
        e.live_after = live;
        // A shift by a variable or zero count may leave every flag alone.
        const u32 kills = is_cl_shift(e.insn) ? 0u : u32{f.flags_written} | f.flags_undefined;
        live = static_cast<u16>((live & ~kills & kArithFlags) | (f.flags_read & kArithFlags));
        if (observes_flags(e.insn, mode)) live = kArithFlags;
        e.live_before = live;
    }
    return a;
}

}  // namespace vmm::tcg
