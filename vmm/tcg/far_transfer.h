// SPDX-License-Identifier: Apache-2.0
// Far JMP, CALL and RET, and SYSENTER/SYSEXIT, in every mode: code segments, call gates, task gates, task state segments.
// IRET is in iret.h.
//
// Done: all of it; conforming code, parameter copies, 16- and 32-bit gates, inner and outer rings.
// Reference: SDM volume 2 (JMP, CALL, RET, SYSENTER, SYSEXIT), volume 3, 5.8.
#pragma once

#include "vmm/tcg/cpu.h"
#include "vmm/tcg/descriptor.h"

namespace vmm::tcg {

void exec_jmp_far(Cpu& cpu, const Insn& insn);     // JmpFar, JmpFarInd
void exec_call_far(Cpu& cpu, const Insn& insn);    // CallFar, CallFarInd
void exec_ret_far(Cpu& cpu, const Insn& insn);
void exec_sysenter(Cpu& cpu, const Insn& insn);
void exec_sysexit(Cpu& cpu, const Insn& insn);

// Used by IRET and event delivery as well.
// #GP(0) unless `eip` lies in the segment that CS is about to hold.
void check_eip(const Segment& cs, u32 eip);
// The code segment that a far return (RETF, IRET) names, checked against its own RPL; #GP, #NP.
Descriptor return_code_segment(Cpu& cpu, u16 selector);
// The stack segment of an outer ring, checked; #GP, #SS.
Segment outer_stack_segment(Cpu& cpu, u16 selector, unsigned new_cpl);
// Commits the change of CS, with `cpl` as its RPL.
void load_cs(Cpu& cpu, u16 selector, const Descriptor& d, unsigned cpl);

}  // namespace vmm::tcg
