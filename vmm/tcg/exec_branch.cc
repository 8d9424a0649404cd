// SPDX-License-Identifier: Apache-2.0
// Helpers: near jumps, calls, returns and loops. A target outside CS is #GP(0) at the branch, before anything changes.
// Reference: Intel SDM volume 2.
#include "vmm/tcg/alu.h"
#include "vmm/tcg/exec_table.h"

namespace vmm::tcg {
namespace {

// A 16-bit operand size clears the upper half of EIP.
u32 checked_target(const Cpu& cpu, const Insn& insn, u32 target) {
    if (insn.op_size == 2) target &= 0xffff;
    if (target > cpu.s.seg[kCs].limit) raise(kGp, 0);
    return target;
}

u32 relative_target(const Cpu& cpu, const Insn& insn) { return checked_target(cpu, insn, cpu.next_eip + insn.imm); }

void exec_jmp(Cpu& cpu, const Insn& insn) { cpu.next_eip = relative_target(cpu, insn); }

void exec_jmp_indirect(Cpu& cpu, const Insn& insn) { cpu.next_eip = checked_target(cpu, insn, cpu.load_operand(insn, 0)); }

void exec_jcc(Cpu& cpu, const Insn& insn) {
    if (condition_holds(cpu.s.eflags, insn.cond)) cpu.next_eip = relative_target(cpu, insn);
}

void exec_jcxz(Cpu& cpu, const Insn& insn) {
    if (cpu.get(kEcx, insn.mem.addr_size) == 0) cpu.next_eip = relative_target(cpu, insn);
}

void exec_loop(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.mem.addr_size;
    const u32 count = (cpu.get(kEcx, size) - 1) & mask_of(size);
    const bool zero = (cpu.s.eflags & kZf) != 0;
    const bool wanted = insn.op == Op::Loop || (insn.op == Op::Loope) == zero;
    if (count != 0 && wanted) cpu.next_eip = relative_target(cpu, insn);
    cpu.set(kEcx, size, count);
}

void call_to(Cpu& cpu, const Insn& insn, u32 target) {
    cpu.push(insn.op_size, cpu.next_eip);
    cpu.next_eip = target;
}

void exec_call(Cpu& cpu, const Insn& insn) { call_to(cpu, insn, relative_target(cpu, insn)); }

void exec_call_indirect(Cpu& cpu, const Insn& insn) {
    call_to(cpu, insn, checked_target(cpu, insn, cpu.load_operand(insn, 0)));
}

void exec_ret(Cpu& cpu, const Insn& insn) {
    const u32 target = checked_target(cpu, insn, cpu.read(kSs, cpu.esp(), insn.op_size));
    const u32 parameters = insn.operand_count != 0 ? insn.imm : 0;
    cpu.set_esp(cpu.s.gpr[kEsp] + insn.op_size + parameters);
    cpu.next_eip = target;
}

constexpr ExecEntry kEntries[] = {
    {Op::Jmp, exec_jmp}, {Op::JmpInd, exec_jmp_indirect}, {Op::Jcc, exec_jcc}, {Op::Jcxz, exec_jcxz}, {Op::Loop, exec_loop},
    {Op::Loope, exec_loop}, {Op::Loopne, exec_loop}, {Op::Call, exec_call}, {Op::CallInd, exec_call_indirect},
    {Op::Ret, exec_ret},
};

}  // namespace

std::span<const ExecEntry> branch_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
