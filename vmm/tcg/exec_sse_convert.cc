// SPDX-License-Identifier: Apache-2.0
// SSE and SSE2 conversions between single, double and integer data, with general and MMX registers too. Complete.
// Reference: Intel SDM volume 1, 10.4.3, 11.4.1.6; volume 2.
// CVTPI2PD from memory does not enter the MMX state (volume 2); the other instructions with an MMX operand form always do, but not when they
// end in #XM.
#include "vmm/tcg/exec_sse.h"
#include "vmm/tcg/exec_table.h"
#include "vmm/tcg/sse_exceptions.h"
#include "vmm/tcg/sse_host.h"

namespace vmm::tcg {
namespace {


#define VMM_CONVERT_OPS(X)                                                                                 \
    X(Cvtdq2pd) X(Cvtdq2ps) X(Cvtpd2dq) X(Cvtpd2ps) X(Cvtps2dq) X(Cvtps2pd) X(Cvtsd2ss) X(Cvtss2sd) \
    X(Cvttpd2dq) X(Cvttps2dq)
#define X(name) VMM_SSE_FLOAT(name, #name)
VMM_CONVERT_OPS(X)
#undef X
VMM_SSE_FROM_INT(Cvtsi2ss, "cvtsi2ssl")
VMM_SSE_FROM_INT(Cvtsi2sd, "cvtsi2sdl")
VMM_SSE_TO_INT(Cvtss2si, "cvtss2si")
VMM_SSE_TO_INT(Cvtsd2si, "cvtsd2si")
VMM_SSE_TO_INT(Cvttss2si, "cvttss2si")
VMM_SSE_TO_INT(Cvttsd2si, "cvttsd2si")

template <class Math>
void from_general(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const u32 s = cpu.load_operand(insn, 1);
    Xmm d = op.xmm(0);
    sse_commit(cpu, Math::run(d, s, sse_control(cpu)));
    op.xmm(0) = d;
}

template <class Math>
void to_general(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    u32 d;
    sse_commit(cpu, Math::run(d, s, sse_control(cpu)));
    cpu.set(op.reg(0), 4, d);
}

void cvtpi2ps(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    if (!op.require_mmx()) return;
    const Xmm s = op.source(1);
    Xmm d;
    sse_commit(cpu, Cvtdq2ps::run(d, s, sse_control(cpu)));
    op.enter_mmx();
    op.xmm(0).lo = d.lo;
}

void cvtpi2pd(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const bool uses_mmx = op.kind(1) == OperandKind::Mmx;
    if (uses_mmx && !op.require_mmx()) return;
    const Xmm s = op.source(1);
    if (uses_mmx) op.enter_mmx();
    (void)Cvtdq2pd::run(op.xmm(0), s, sse_control(cpu));      // exact
}

// CVTPS2PI takes 8 bytes, CVTPD2PI 16; the upper half of the former converts to nothing that matters.
template <class Math>
void to_mmx(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    if (!op.require_mmx()) return;
    Xmm s = op.source(1);
    if (op.width(1) == 8) s.hi = 0;
    Xmm d;
    sse_commit(cpu, Math::run(d, s, sse_control(cpu)));
    op.enter_mmx();
    op.set_mmx(0, d.lo);
}

constexpr ExecEntry kEntries[] = {
#define X(name) {Op::name, sse_arithmetic<name>},
    VMM_CONVERT_OPS(X)
#undef X
    {Op::Cvtsi2ss, from_general<Cvtsi2ss>},
    {Op::Cvtsi2sd, from_general<Cvtsi2sd>},
    {Op::Cvtss2si, to_general<Cvtss2si>},
    {Op::Cvtsd2si, to_general<Cvtsd2si>},
    {Op::Cvttss2si, to_general<Cvttss2si>},
    {Op::Cvttsd2si, to_general<Cvttsd2si>},
    {Op::Cvtpi2ps, cvtpi2ps},
    {Op::Cvtpi2pd, cvtpi2pd},
    {Op::Cvtps2pi, to_mmx<Cvtps2dq>},
    {Op::Cvttps2pi, to_mmx<Cvttps2dq>},
    {Op::Cvtpd2pi, to_mmx<Cvtpd2dq>},
    {Op::Cvttpd2pi, to_mmx<Cvttpd2dq>},
};

}  // namespace

std::span<const ExecEntry> sse_convert_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
