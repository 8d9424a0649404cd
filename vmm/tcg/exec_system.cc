// SPDX-License-Identifier: Apache-2.0
// The remaining system instructions (HLT, CPUID, cache and TLB control) and the list of all system helpers.
// INVLPG, INVD and WBINVD have nothing to do: the TLB and the caches are invisible. Reference: SDM volume 2.
#include "vmm/tcg/exec_system.h"

#include "vmm/tcg/control_registers.h"
#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/exec_table.h"
#include "vmm/tcg/far_transfer.h"
#include "vmm/tcg/interrupts.h"
#include "vmm/tcg/iret.h"
#include "vmm/tcg/msr.h"
#include "vmm/tcg/segmentation.h"

namespace vmm::tcg {

namespace {

constexpr u32 kApicEnable = 1u << 11;

void exec_hlt(Cpu& cpu, const Insn&) {
    if (cpu.cpl() != 0) raise(kGp, 0);
    cpu.s.halted = true;
    cpu.end_block();
}

void exec_cache_or_tlb(Cpu& cpu, const Insn&) {
    if (cpu.cpl() != 0) raise(kGp, 0);
}

// Leaf 1 shows the APIC only while IA32_APIC_BASE enables it (SDM volume 3, 10.4.3).
void exec_cpuid(Cpu& cpu, const Insn&) {
    CpuState& s = cpu.s;
    const CpuidLeaf leaf = cpu.model.cpuid(s.gpr[kEax], s.gpr[kEcx]);
    s.gpr[kEax] = leaf.eax;
    s.gpr[kEbx] = leaf.ebx;
    s.gpr[kEcx] = leaf.ecx;
    s.gpr[kEdx] = leaf.edx;
    if (leaf.leaf == 1 && (s.msr.apic_base & kApicEnable) == 0) s.gpr[kEdx] &= ~(1u << 9);
}

// RSM outside system-management mode, MONITOR and MWAIT which no model offers, UD.
void exec_undefined(Cpu&, const Insn&) { raise(kUd); }

void exec_available(Cpu& cpu, const Insn& insn) {
    if (!available(cpu.model, insn)) raise(kUd);
    if (insn.op == Op::Sysenter) exec_sysenter(cpu, insn);
    else exec_sysexit(cpu, insn);
}

constexpr ExecEntry kEntries[] = {
    {Op::MovSeg, exec_mov_seg}, {Op::PushSeg, exec_push_seg}, {Op::PopSeg, exec_pop_seg},
    {Op::Lds, exec_load_far_pointer}, {Op::Les, exec_load_far_pointer}, {Op::Lfs, exec_load_far_pointer},
    {Op::Lgs, exec_load_far_pointer}, {Op::Lss, exec_load_far_pointer},
    {Op::Lldt, exec_lldt}, {Op::Ltr, exec_ltr}, {Op::Sldt, exec_store_selector}, {Op::Str, exec_store_selector},
    {Op::Lar, exec_lar}, {Op::Lsl, exec_lsl}, {Op::Verr, exec_verify}, {Op::Verw, exec_verify}, {Op::Arpl, exec_arpl},
    {Op::Lgdt, exec_load_table}, {Op::Lidt, exec_load_table}, {Op::Sgdt, exec_store_table}, {Op::Sidt, exec_store_table},
    {Op::JmpFar, exec_jmp_far}, {Op::JmpFarInd, exec_jmp_far}, {Op::CallFar, exec_call_far},
    {Op::CallFarInd, exec_call_far}, {Op::RetFar, exec_ret_far}, {Op::Iret, exec_iret},
    {Op::Sysenter, exec_available}, {Op::Sysexit, exec_available},
    {Op::Int, exec_int}, {Op::Int3, exec_int3}, {Op::Into, exec_into}, {Op::Icebp, exec_icebp},
    {Op::MovCr, exec_mov_cr}, {Op::MovDr, exec_mov_dr}, {Op::Clts, exec_clts}, {Op::Lmsw, exec_lmsw}, {Op::Smsw, exec_smsw},
    {Op::Hlt, exec_hlt}, {Op::Invlpg, exec_cache_or_tlb}, {Op::Invd, exec_cache_or_tlb}, {Op::Wbinvd, exec_cache_or_tlb},
    {Op::Rdmsr, exec_rdmsr}, {Op::Wrmsr, exec_wrmsr}, {Op::Rdtsc, exec_rdtsc}, {Op::Rdpmc, exec_rdpmc},
    {Op::Cpuid, exec_cpuid}, {Op::Rsm, exec_undefined}, {Op::Monitor, exec_undefined}, {Op::Mwait, exec_undefined},
    {Op::Ud, exec_undefined},
    {Op::Pushf, exec_pushf}, {Op::Popf, exec_popf}, {Op::Cli, exec_cli}, {Op::Sti, exec_sti},
    {Op::Clc, exec_flag}, {Op::Stc, exec_flag}, {Op::Cmc, exec_flag}, {Op::Cld, exec_flag}, {Op::Std, exec_flag},
    {Op::In, exec_in}, {Op::Out, exec_out}, {Op::Ins, exec_ins}, {Op::Outs, exec_outs},
};

}  // namespace

std::span<const ExecEntry> system_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
