// SPDX-License-Identifier: Apache-2.0
// What MMX and SSE helpers share: the checks before an instruction, operands, and the MMX registers' place in the x87
// state. Whether the CPU model has the instruction at all is decided before (cpu_model.h, available()).
// Reference: Intel SDM volume 1, 9.5, 9.6, 10.2, 11.6; volume 3, 12.1-12.4, 13.1.
#pragma once

#include <cstring>

#include "vmm/tcg/cpu.h"
#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/exec_x87.h"
#include "vmm/tcg/sse_exceptions.h"

namespace vmm::tcg {

// Bits of MXCSR that may be set: DAZ came with the Pentium 4.
inline u32 mxcsr_mask(const Cpu& cpu) { return cpu.model.has(Feature::Sse2) ? 0xffff : 0xffbf; }

class SimdOp {
  public:
    SimdOp(Cpu& cpu_in, const Insn& insn_in) : cpu(cpu_in), insn(insn_in) {}

    Cpu& cpu;
    const Insn& insn;

    OperandKind kind(unsigned i) const { return insn.operand[i].kind; }
    unsigned reg(unsigned i) const { return insn.operand[i].reg; }
    unsigned width(unsigned i) const { return insn.operand[i].width; }
    u8 imm8() const { return static_cast<u8>(insn.imm); }

    // #UD and #NM of an instruction on XMM registers or MXCSR.
    void require_sse() const {
        if ((cpu.s.cr0 & kCr0Em) != 0 || (cpu.s.cr4 & kCr4Osfxsr) == 0) raise(kUd);
        if ((cpu.s.cr0 & kCr0Ts) != 0) raise(kNm);
    }
    // #UD, #NM and the pending x87 error of an instruction on MMX registers. False: wait for the error's interrupt.
    [[nodiscard]] bool require_mmx() const {
        if ((cpu.s.cr0 & kCr0Em) != 0) raise(kUd);
        if ((cpu.s.cr0 & kCr0Ts) != 0) raise(kNm);
        return x87_check_pending(cpu);
    }
    // By operand 0, which is what tells the MMX form of an instruction from the XMM one.
    [[nodiscard]] bool require_by_operand(unsigned i = 0) const {
        if (kind(i) == OperandKind::Mmx) return require_mmx();
        require_sse();
        return true;
    }

    // Every MMX instruction, once it cannot fault.
    void enter_mmx() const {
        x87_set_top(cpu.s.fpu, 0);
        cpu.s.fpu.tag = 0xff;
    }
    u64 mmx(unsigned i) const { return cpu.s.fpu.significand[reg(i)]; }
    void set_mmx(unsigned i, u64 value) const {
        cpu.s.fpu.significand[reg(i)] = value;
        cpu.s.fpu.exponent[reg(i)] = 0xffff;
    }
    Xmm& xmm(unsigned i) const { return cpu.s.xmm[reg(i)]; }

    u32 offset() const { return cpu.effective_address(insn.mem); }
    void load(void* out, unsigned size, bool aligned) const {
        const u32 at = offset();
        if (aligned) require_aligned16(cpu, insn.mem, at);
        cpu.read_bytes(insn.mem.seg, at, out, size);
    }
    void store(const void* in, unsigned size, bool aligned = false) const {
        const u32 at = offset();
        if (aligned) require_aligned16(cpu, insn.mem, at);
        cpu.write_bytes(insn.mem.seg, at, in, size);
    }
    // Operand i as XMM, MMX (in the low half) or as many bytes of memory as the form says; 16 bytes must be aligned.
    Xmm source(unsigned i) const {
        if (kind(i) == OperandKind::Xmm) return xmm(i);
        Xmm v;
        if (kind(i) == OperandKind::Mmx) {
            v.lo = mmx(i);
        } else {
            u8 bytes[16] = {};
            load(bytes, width(i), width(i) == 16);
            std::memcpy(&v.lo, bytes, 8);
            std::memcpy(&v.hi, bytes + 8, 8);
        }
        return v;
    }
};

// The guest's MXCSR as the host computes under it: all masked, no flags.
inline u32 sse_control(const Cpu& cpu) { return (cpu.s.mxcsr & 0xffc0) | 0x1f80; }

// One helper for every instruction "XMM = f(XMM, source)" that may raise #XM: arithmetic and the conversions between vectors.
template <class Math>
void sse_arithmetic(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    Xmm d = op.xmm(0);
    const u32 flags = Math::run(d, s, sse_control(cpu));
    sse_commit_arithmetic(cpu, insn, op.xmm(0), s, flags);
    op.xmm(0) = d;
}

}  // namespace vmm::tcg
