// SPDX-License-Identifier: Apache-2.0
// Moves of MMX and XMM data, and MXCSR. Complete. Non-temporal stores are plain stores.
// Reference: Intel SDM volume 1, 9.4.1, 10.4.1, 10.4.6, 11.4.1.1, 12.2; volume 2.
#include "vmm/tcg/exec_sse.h"
#include "vmm/tcg/exec_table.h"

namespace vmm::tcg {
namespace {

// --- 16 bytes --------------------------------------------------------------------------------------------------

template <bool Aligned>
void move16(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    if (op.kind(0) == OperandKind::Mem) {
        u8 bytes[16];
        std::memcpy(bytes, &op.xmm(1).lo, 8);
        std::memcpy(bytes + 8, &op.xmm(1).hi, 8);
        op.store(bytes, 16, Aligned);
        return;
    }
    if (op.kind(1) == OperandKind::Xmm) {
        op.xmm(0) = op.xmm(1);
        return;
    }
    u8 bytes[16];
    op.load(bytes, 16, Aligned);
    std::memcpy(&op.xmm(0).lo, bytes, 8);
    std::memcpy(&op.xmm(0).hi, bytes + 8, 8);
}

void movsldup(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    const auto low = [](u64 v) { return (v & 0xffffffff) | v << 32; };
    op.xmm(0) = {low(s.lo), low(s.hi)};
}

void movshdup(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    const auto high = [](u64 v) { return (v & ~u64{0xffffffff}) | v >> 32; };
    op.xmm(0) = {high(s.lo), high(s.hi)};
}

void movddup(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const u64 s = op.source(1).lo;
    op.xmm(0) = {s, s};
}

// --- 4 and 8 bytes ------------------------------------------------------------------------------------------------

void movss(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    if (op.kind(0) == OperandKind::Mem) return op.store(&op.xmm(1).lo, 4);
    const Xmm s = op.source(1);
    Xmm& d = op.xmm(0);
    if (op.kind(1) == OperandKind::Mem) d = s;
    else d.lo = (d.lo & ~u64{0xffffffff}) | (s.lo & 0xffffffff);
}

void movsd(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    if (op.kind(0) == OperandKind::Mem) return op.store(&op.xmm(1).lo, 8);
    const Xmm s = op.source(1);
    op.xmm(0).lo = s.lo;
    if (op.kind(1) == OperandKind::Mem) op.xmm(0).hi = 0;
}

template <u64 Xmm::*Half>
void move_half(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    if (op.kind(0) == OperandKind::Mem) return op.store(&(op.xmm(1).*Half), 8);
    op.xmm(0).*Half = op.source(1).lo;
}

void movhlps(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    op.xmm(0).lo = op.xmm(1).hi;
}

void movlhps(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    op.xmm(0).hi = op.xmm(1).lo;
}

// Operand 0 or 1 is the vector register, the other general register or memory.
void movd(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    const unsigned vector = op.kind(0) == OperandKind::Mmx || op.kind(0) == OperandKind::Xmm ? 0 : 1;
    if (!op.require_by_operand(vector)) return;
    const bool mmx = op.kind(vector) == OperandKind::Mmx;
    if (vector == 1) {
        cpu.store_operand(insn, 0, static_cast<u32>(mmx ? op.mmx(1) : op.xmm(1).lo));
        if (mmx) op.enter_mmx();
        return;
    }
    const u32 s = cpu.load_operand(insn, 1);
    if (!mmx) {
        op.xmm(0) = {s, 0};
        return;
    }
    op.enter_mmx();
    op.set_mmx(0, s);
}

// Between MMX registers and memory, or XMM registers and memory.
void movq(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    const unsigned vector = op.kind(0) == OperandKind::Mem ? 1 : 0;
    if (!op.require_by_operand(vector)) return;
    const bool mmx = op.kind(vector) == OperandKind::Mmx;
    const u64 s = op.source(1).lo;
    if (vector == 1) {
        op.store(&s, 8);
        if (mmx) op.enter_mmx();
        return;
    }
    if (!mmx) {
        op.xmm(0) = {s, 0};
        return;
    }
    op.enter_mmx();
    op.set_mmx(0, s);
}

void movq2dq(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    if (!op.require_mmx()) return;
    op.enter_mmx();
    op.xmm(0) = {op.mmx(1), 0};
}

void movdq2q(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    if (!op.require_mmx()) return;
    op.enter_mmx();
    op.set_mmx(0, op.xmm(1).lo);
}

// --- MXCSR ----------------------------------------------------------------------------------------------------------

void ldmxcsr(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    u32 v;
    op.load(&v, 4, false);
    if ((v & ~mxcsr_mask(cpu)) != 0) raise(kGp, 0);
    cpu.s.mxcsr = v;
}

void stmxcsr(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    op.store(&cpu.s.mxcsr, 4);
}

constexpr ExecEntry kEntries[] = {
    {Op::Movaps, move16<true>},    {Op::Movapd, move16<true>},    {Op::Movdqa, move16<true>},
    {Op::Movntps, move16<true>},   {Op::Movntpd, move16<true>},   {Op::Movntdq, move16<true>},
    {Op::Movups, move16<false>},   {Op::Movupd, move16<false>},   {Op::Movdqu, move16<false>},
    {Op::Lddqu, move16<false>},    {Op::Movsldup, movsldup},      {Op::Movshdup, movshdup},
    {Op::Movddup, movddup},        {Op::Movss, movss},            {Op::MovsdX, movsd},
    {Op::Movlps, move_half<&Xmm::lo>}, {Op::Movlpd, move_half<&Xmm::lo>}, {Op::Movhps, move_half<&Xmm::hi>},
    {Op::Movhpd, move_half<&Xmm::hi>}, {Op::Movhlps, movhlps},    {Op::Movlhps, movlhps},
    {Op::Movd, movd},              {Op::Movq, movq},              {Op::Movntq, movq},
    {Op::Movq2dq, movq2dq},        {Op::Movdq2q, movdq2q},        {Op::Ldmxcsr, ldmxcsr},
    {Op::Stmxcsr, stmxcsr},
};

}  // namespace

std::span<const ExecEntry> sse_move_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
