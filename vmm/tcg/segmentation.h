// SPDX-License-Identifier: Apache-2.0
// Loading and storing segment registers, LDTR, TR and the table registers, and asking about descriptors.
//
// Done: all of it. In real mode limits and D/B survive a load (unreal mode); in virtual-8086 mode they are fixed.
// Reference: SDM volume 2 (MOV, POP, LDS, LLDT, LTR, LAR, LSL, VERR, ARPL, LGDT), volume 3, 5.4-5.6 and 5.10.
#pragma once

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

// Loads a segment register other than CS, with the checks of the present mode. Throws before anything changed.
void load_segment(Cpu& cpu, Seg seg, u16 selector);

// LDTR as LLDT and a task switch load it; `vector` is #GP for the one, #TS for the other, which also reports an LDT that
// is not present as #TS.
void load_ldtr(Cpu& cpu, u16 selector, u8 vector);

// On a return to an outer ring: ES, DS, FS and GS become null where the new CPL may not use them (SDM volume 2, IRET, RET).
void drop_inner_segments(Cpu& cpu);

void exec_mov_seg(Cpu& cpu, const Insn& insn);
void exec_push_seg(Cpu& cpu, const Insn& insn);
void exec_pop_seg(Cpu& cpu, const Insn& insn);
void exec_load_far_pointer(Cpu& cpu, const Insn& insn);  // LDS, LES, LFS, LGS, LSS
void exec_lldt(Cpu& cpu, const Insn& insn);
void exec_ltr(Cpu& cpu, const Insn& insn);
void exec_store_selector(Cpu& cpu, const Insn& insn);    // SLDT, STR
void exec_lar(Cpu& cpu, const Insn& insn);
void exec_lsl(Cpu& cpu, const Insn& insn);
void exec_verify(Cpu& cpu, const Insn& insn);            // VERR, VERW
void exec_arpl(Cpu& cpu, const Insn& insn);
void exec_load_table(Cpu& cpu, const Insn& insn);        // LGDT, LIDT
void exec_store_table(Cpu& cpu, const Insn& insn);       // SGDT, SIDT

}  // namespace vmm::tcg
