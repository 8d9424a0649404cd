// SPDX-License-Identifier: Apache-2.0
// Which instructions a processor model knows (cpu_model.h). Reference: SDM volume 1, 5.1 (instruction groups by processor).
#include "vmm/tcg/cpu_model.h"

namespace vmm::tcg {

namespace {

bool uses(const Insn& insn, OperandKind kind) {
    for (unsigned i = 0; i < insn.operand_count; ++i)
        if (insn.operand[i].kind == kind) return true;
    return false;
}

// SSE (Pentium III): everything else on XMM registers is SSE2 or SSE3.
bool is_sse1(Op op) {
    switch (op) {
        case Op::Ldmxcsr: case Op::Stmxcsr: case Op::Movaps: case Op::Movups: case Op::Movss: case Op::Movlps: case Op::Movhps:
        case Op::Movhlps: case Op::Movlhps: case Op::Movmskps: case Op::Movntps: case Op::Addps: case Op::Addss: case Op::Subps:
        case Op::Subss: case Op::Mulps: case Op::Mulss: case Op::Divps: case Op::Divss: case Op::Sqrtps: case Op::Sqrtss:
        case Op::Rcpps: case Op::Rcpss: case Op::Rsqrtps: case Op::Rsqrtss: case Op::Maxps: case Op::Maxss: case Op::Minps:
        case Op::Minss: case Op::Cmpps: case Op::Cmpss: case Op::Comiss: case Op::Ucomiss: case Op::Andps: case Op::Andnps:
        case Op::Orps: case Op::Xorps: case Op::Shufps: case Op::Unpckhps: case Op::Unpcklps: case Op::Cvtpi2ps:
        case Op::Cvtps2pi: case Op::Cvttps2pi: case Op::Cvtsi2ss: case Op::Cvtss2si: case Op::Cvttss2si: return true;
        default: return false;
    }
}

bool is_sse3(Op op) {
    switch (op) {
        case Op::Addsubps: case Op::Addsubpd: case Op::Haddps: case Op::Haddpd: case Op::Hsubps: case Op::Hsubpd:
        case Op::Movshdup: case Op::Movsldup: case Op::Movddup: case Op::Lddqu: return true;
        default: return false;
    }
}

// Came to the MMX registers with SSE.
bool is_mmx_of_sse(Op op) {
    switch (op) {
        case Op::Pavgb: case Op::Pavgw: case Op::Pextrw: case Op::Pinsrw: case Op::Pmaxsw: case Op::Pmaxub: case Op::Pminsw:
        case Op::Pminub: case Op::Pmovmskb: case Op::Pmulhuw: case Op::Psadbw: case Op::Pshufw: case Op::Maskmovq:
        case Op::Movntq: return true;
        default: return false;
    }
}

// Came to the MMX registers with SSE2.
bool is_mmx_of_sse2(Op op) { return op == Op::Paddq || op == Op::Psubq || op == Op::Pmuludq; }

bool vector_available(const CpuModel& model, const Insn& insn) {
    if (is_sse1(insn.op)) return model.has(Feature::Sse);
    if (is_sse3(insn.op)) return model.has(Feature::Sse3);
    if (uses(insn, OperandKind::Xmm)) return model.has(Feature::Sse2);
    if (is_mmx_of_sse(insn.op)) return model.has(Feature::Sse);
    if (is_mmx_of_sse2(insn.op)) return model.has(Feature::Sse2);
    return model.has(Feature::Mmx);
}

}  // namespace

bool available(const CpuModel& model, const Insn& insn) {
    switch (insn.op) {
        case Op::Cmov: case Op::Fcmov: case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip:
            return model.has(Feature::Cmov);
        case Op::Cmpxchg8b: return model.has(Feature::Cx8);
        case Op::Rdtsc: return model.has(Feature::Tsc);
        case Op::Rdmsr: case Op::Wrmsr: return model.has(Feature::Msr);
        case Op::Rdpmc: return model.has(Feature::Rdpmc);
        case Op::Sysenter: case Op::Sysexit: return model.has(Feature::Sep);
        case Op::Fxsave: case Op::Fxrstor: return model.has(Feature::Fxsr);
        case Op::Sfence: return model.has(Feature::Sse);
        case Op::Lfence: case Op::Mfence: case Op::Movnti: return model.has(Feature::Sse2);
        case Op::Clflush: return model.has(Feature::Clfsh);
        case Op::Fisttp: return model.has(Feature::Sse3);
        case Op::Prefetch: return model.has(Feature::LongNop);
        case Op::Nop: return !insn.has_modrm || model.has(Feature::LongNop);
        case Op::Monitor: case Op::Mwait: case Op::Rsm: case Op::Ud: return false;
        default: break;
    }
    const u16 attributes = insn.form != nullptr ? insn.form->attributes : u16{0};
    return (attributes & (kMmx | kSse)) == 0 || vector_available(model, insn);
}

}  // namespace vmm::tcg
