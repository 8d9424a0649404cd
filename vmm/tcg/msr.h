// SPDX-License-Identifier: Apache-2.0
// Model-specific registers and the time stamp counter.
//
// Done: those of Msrs in cpu_state.h, by model, with reserved bits. Reading as 0 and ignoring writes: machine check banks
// (there are none), microcode update, debug control, hard power-on configuration, the P6's performance counters.
// Others: #GP(0). The TSC is guest time in ns plus IA32_TIME_STAMP_COUNTER's offset.
// Reference: SDM volume 4, chapter 2; volume 3, 11.11 (MTRRs), 11.12 (PAT), 10.4.4 (APIC base).
#pragma once

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

u64 read_tsc(Cpu& cpu);

u64 read_msr(Cpu& cpu, u32 index);
void write_msr(Cpu& cpu, u32 index, u64 value);

void exec_rdmsr(Cpu& cpu, const Insn& insn);
void exec_wrmsr(Cpu& cpu, const Insn& insn);
void exec_rdtsc(Cpu& cpu, const Insn& insn);
void exec_rdpmc(Cpu& cpu, const Insn& insn);

}  // namespace vmm::tcg
