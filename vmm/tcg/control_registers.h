// SPDX-License-Identifier: Apache-2.0
// CR0, CR3, CR4 and the debug registers: writes with all their checks and consequences.
//
// Done: reserved bits, PG/PE and CD/NW rules, PDPTE loads and their checks in PAE mode, DR4/5 aliases, GD.
// Reference: SDM volume 3, 2.5 (control registers), 4.4.1 (PDPTEs), 18.2 (debug registers).
#pragma once

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

void write_cr0(Cpu& cpu, u32 value);
// With the PDPTEs where PAE paging is on: #GP(0), and nothing changed, where one of them is wrong.
void load_cr3(Cpu& cpu, u32 value);
void write_cr4(Cpu& cpu, u32 value);

void exec_mov_cr(Cpu& cpu, const Insn& insn);
void exec_mov_dr(Cpu& cpu, const Insn& insn);
void exec_clts(Cpu& cpu, const Insn& insn);
void exec_lmsw(Cpu& cpu, const Insn& insn);
void exec_smsw(Cpu& cpu, const Insn& insn);

}  // namespace vmm::tcg
