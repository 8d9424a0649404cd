// SPDX-License-Identifier: Apache-2.0
// Event delivery: interrupts and exceptions through the IVT and the IDT, and what happens when that fails.
//
// Done: real mode, protected mode (interrupt, trap and task gates, every ring), from virtual-8086 mode, VME redirection,
// error codes, EXT, RF in the pushed image, double fault and triple fault, debug exceptions. Delivery is one step; events
// that fail and become others in the same delivery are the same step.
// Reference: SDM volume 3, chapter 6 (6.12 and 6.15 #DF, table 6-5), 18.3 (debug exceptions), 20.1.4, 20.2.8, 20.3.3.
//
// For the dispatcher:
//  - after a helper threw a Fault: deliver_fault(cpu, fault). s.eip is what it should return to.
//  - at a boundary with s.pending_debug != 0 (and no MOV SS shadow): deliver_debug_trap(cpu).
//  - external interrupt, NMI: deliver_event(cpu, vector, EventKind::External or Nmi, {}, cpu.s.eip).
//  - each of them sets s.eip and next_eip to the handler, wakes from HLT, ends the interrupt shadow.
//  - an instruction breakpoint is deliver_fault(cpu, {kDb, false, bits for DR6}).
//  - RF: clear it before executing an instruction (after looking for instruction breakpoints), so that IRET and task
//    switches can set it; set it when a REP instruction stops with iterations left.
//  - TF: when it was set before an instruction and the instruction did not deliver an event, pending_debug |= kDr6Bs.
#pragma once

#include <optional>

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

inline constexpr u32 kDr6Bd = 1u << 13, kDr6Bs = 1u << 14, kDr6Bt = 1u << 15;

enum class EventKind : u8 {
    Exception,       // a fault, or #DF: RF is set in the pushed EFLAGS
    Trap,            // #DB after an instruction
    External, Nmi,
    SoftwareInt,     // INT n: gate DPL and virtual-8086 rules apply
    SoftwareTrap,    // INT3, INTO: gate DPL applies, IOPL does not
    Icebp,           // INT1: neither
};

// Delivers an event. Software interrupts throw the Fault when the delivery fails (the instruction faults); all other kinds
// deliver that fault in turn, and end in TripleFaultStop at worst.
void deliver_event(Cpu& cpu, u8 vector, EventKind kind, std::optional<u32> error, u32 return_eip);

// Delivers the fault of the present instruction (s.eip). For #DB, fault.error holds bits for DR6 and is not pushed.
void deliver_fault(Cpu& cpu, const Fault& fault);

// #DB as a trap for s.pending_debug.
void deliver_debug_trap(Cpu& cpu);

void exec_int(Cpu& cpu, const Insn& insn);
void exec_int3(Cpu& cpu, const Insn& insn);
void exec_into(Cpu& cpu, const Insn& insn);
void exec_icebp(Cpu& cpu, const Insn& insn);

}  // namespace vmm::tcg
