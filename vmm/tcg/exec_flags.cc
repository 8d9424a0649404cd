// SPDX-License-Identifier: Apache-2.0
// EFLAGS as a whole: PUSHF, POPF, CLI, STI, in every mode with the rules of VME and PVI.
// Reference: SDM volume 2, CLI (table 3-7), STI, PUSHF, POPF (tables 4-15, 4-16); volume 3, 20.3.3, 20.4.
#include "vmm/tcg/exec_system.h"
#include "vmm/tcg/stack_frame.h"

namespace vmm::tcg {

namespace {

constexpr u32 kAlwaysPopped = kArithFlags | kTf | kDf | kNt;

bool v86_below_iopl3(const Cpu& cpu) { return cpu.v86() && cpu.iopl() < 3; }

void pop_flags(Cpu& cpu, u32 size, u32 image, u32 mask) {
    CpuState& s = cpu.s;
    s.gpr[kEsp] = released(s.seg[kSs], s.gpr[kEsp], size);
    s.eflags = (s.eflags & ~(mask | kRf)) | (image & mask) | 2;
    cpu.mode_changed();
}

// PUSHF, POPF of a virtual-8086 program with IOPL < 3: #GP unless VME virtualizes IF, for 16-bit operands.
void require_virtual_if(const Cpu& cpu, u32 size) {
    if ((cpu.s.cr4 & kCr4Vme) == 0 || size != 2) raise(kGp, 0);
}

// Whether CLI and STI act on IF; if they act on VIF, false; else #GP.
bool acts_on_if(const Cpu& cpu) {
    if (cpu.real_mode()) return true;
    if (cpu.iopl() >= cpu.cpl()) return true;
    const bool virtualized = cpu.v86() ? (cpu.s.cr4 & kCr4Vme) != 0 : cpu.cpl() == 3 && (cpu.s.cr4 & kCr4Pvi) != 0;
    if (!virtualized) raise(kGp, 0);
    return false;
}

}  // namespace

void exec_pushf(Cpu& cpu, const Insn& insn) {
    u32 image = cpu.s.eflags & ~(kVm | kRf);
    if (v86_below_iopl3(cpu)) {
        require_virtual_if(cpu, insn.op_size);
        image = (image & ~kIf) | kIopl | ((image & kVif) != 0 ? kIf : 0);
    }
    cpu.push(insn.op_size, image);
}

void exec_popf(Cpu& cpu, const Insn& insn) {
    CpuState& s = cpu.s;
    const u32 size = insn.op_size;
    if (v86_below_iopl3(cpu)) {
        require_virtual_if(cpu, size);
        const u32 image = peek_stack(cpu, 0, size);
        if ((image & kTf) != 0 || ((image & kIf) != 0 && (s.eflags & kVip) != 0)) raise(kGp, 0);
        pop_flags(cpu, size, image | ((image & kIf) != 0 ? kVif : 0), kAlwaysPopped | kVif);
        return;
    }
    const u32 image = peek_stack(cpu, 0, size);
    u32 mask = kAlwaysPopped | (size == 4 ? kAc | kId : 0);
    if (cpu.v86() || cpu.cpl() <= cpu.iopl()) mask |= kIf;
    if (!cpu.v86() && cpu.cpl() == 0) mask |= kIopl;
    pop_flags(cpu, size, image, mask);
}

void exec_cli(Cpu& cpu, const Insn&) {
    cpu.s.eflags &= acts_on_if(cpu) ? ~kIf : ~kVif;
    cpu.end_block();
}

void exec_sti(Cpu& cpu, const Insn&) {
    CpuState& s = cpu.s;
    if (acts_on_if(cpu)) {
        // The shadow only starts when interrupts were off: a row of STIs does not shut them out for ever.
        if ((s.eflags & kIf) == 0) s.shadow = Shadow::Sti;
        s.eflags |= kIf;
    } else {
        if ((s.eflags & kVip) != 0) raise(kGp, 0);
        s.eflags |= kVif;
    }
    cpu.end_block();
}

void exec_flag(Cpu& cpu, const Insn& insn) {
    u32& f = cpu.s.eflags;
    switch (insn.op) {
        case Op::Clc: f &= ~kCf; break;
        case Op::Stc: f |= kCf; break;
        case Op::Cmc: f ^= kCf; break;
        case Op::Cld: f &= ~kDf; break;
        case Op::Std: f |= kDf; break;
        default: break;
    }
}

}  // namespace vmm::tcg
