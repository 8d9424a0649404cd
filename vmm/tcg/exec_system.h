// SPDX-License-Identifier: Apache-2.0
// Helpers of system instructions that have no room of their own: EFLAGS (exec_flags.cc), input and output (exec_io.cc).
// The list of all system helpers, system_exec_entries(), is in exec_system.cc.
#pragma once

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

void exec_pushf(Cpu& cpu, const Insn& insn);
void exec_popf(Cpu& cpu, const Insn& insn);
void exec_cli(Cpu& cpu, const Insn& insn);
void exec_sti(Cpu& cpu, const Insn& insn);
void exec_flag(Cpu& cpu, const Insn& insn);  // CLC, STC, CMC, CLD, STD

void exec_in(Cpu& cpu, const Insn& insn);
void exec_out(Cpu& cpu, const Insn& insn);
void exec_ins(Cpu& cpu, const Insn& insn);
void exec_outs(Cpu& cpu, const Insn& insn);

// #GP(0) unless the present program may use these ports (IOPL, I/O permission bitmap).
void check_io_permission(Cpu& cpu, u32 port, unsigned size);

}  // namespace vmm::tcg
