// SPDX-License-Identifier: Apache-2.0
// Far control transfers. See far_transfer.h.
#include "vmm/tcg/far_transfer.h"

#include <algorithm>

#include "vmm/tcg/segmentation.h"
#include "vmm/tcg/stack_frame.h"
#include "vmm/tcg/task_switch.h"

namespace vmm::tcg {

namespace {

struct FarPointer {
    u16 selector;
    u32 offset;
};

FarPointer far_operand(Cpu& cpu, const Insn& insn) {
    if (insn.operand[0].kind == OperandKind::Far)
        return {insn.imm2, insn.op_size == 2 ? insn.imm & 0xffff : insn.imm};
    if (!insn.is_mem(0)) raise(kUd);
    const u32 at = cpu.effective_address(insn.mem);
    const u32 next = insn.mem.addr_size == 2 ? (at + insn.op_size) & 0xffff : at + insn.op_size;
    const u32 offset = cpu.read(insn.mem.seg, at, insn.op_size);
    return {static_cast<u16>(cpu.read(insn.mem.seg, next, 2)), offset};
}

Segment code_segment_by_mode(const Cpu& cpu, u16 selector) {
    return cpu.v86() ? v86_segment(selector) : real_segment(cpu.s.seg[kCs], selector, true);
}

// SDM volume 3, 5.8.1: transfer to a code segment without a gate.
void check_direct_code(const Cpu& cpu, u16 selector, const Descriptor& d) {
    const bool ok = d.conforming() ? d.dpl() <= cpu.cpl() : rpl_of(selector) <= cpu.cpl() && d.dpl() == cpu.cpl();
    if (!ok) raise(kGp, selector_error(selector));
    if (!d.present()) raise(kNp, selector_error(selector));
}

// The privilege checks that gates and TSS descriptors share.
void check_gate(const Cpu& cpu, u16 selector, const Descriptor& d) {
    if (d.dpl() < std::max(cpu.cpl(), rpl_of(selector))) raise(kGp, selector_error(selector));
}

void transfer_to_task(Cpu& cpu, u16 selector, const Descriptor& d, TaskSwitchBy by) {
    check_gate(cpu, selector, d);
    if (d.type() == kTaskGate) {
        if (!d.present()) raise(kNp, selector_error(selector));
        switch_task(cpu, d.gate_selector(), task_gate_target(cpu, d.gate_selector()), by, cpu.next_eip);
        return;
    }
    if (in_ldt(selector) || !d.available_tss()) raise(kGp, selector_error(selector));
    if (!d.present()) raise(kNp, selector_error(selector));
    switch_task(cpu, selector, d, by, cpu.next_eip);
}

bool names_task(const Descriptor& d) { return d.type() == kTaskGate || d.available_tss() || d.busy_tss(); }

// The code segment behind a call gate; the RPL of the gate's selector does not matter.
Descriptor gate_code(Cpu& cpu, u16 selector) {
    if (is_null(selector)) raise(kGp, 0);
    const Descriptor code = read_descriptor(cpu, selector, kGp);
    if (!code.code() || code.dpl() > cpu.cpl()) raise(kGp, selector_error(selector));
    return code;
}

void jump_through_gate(Cpu& cpu, u16 selector, const Descriptor& gate) {
    check_gate(cpu, selector, gate);
    if (!gate.present()) raise(kNp, selector_error(selector));
    const u16 target = gate.gate_selector();
    Descriptor code = gate_code(cpu, target);
    if (!code.conforming() && code.dpl() != cpu.cpl()) raise(kGp, selector_error(target));
    if (!code.present()) raise(kNp, selector_error(target));
    check_eip(make_segment(target, code), gate.gate_offset());
    mark_accessed(cpu, target, code);
    load_cs(cpu, target, code, cpu.cpl());
    cpu.next_eip = gate.gate_offset();
}

// SDM volume 3, 5.8.5: the parameters move from the caller's stack to the inner one.
void call_inner(Cpu& cpu, const Descriptor& gate, Descriptor& code) {
    const u16 target = gate.gate_selector();
    const unsigned new_cpl = code.dpl();
    const unsigned size = gate.gate32() ? 4 : 2;
    const InnerStack inner = inner_stack(cpu, new_cpl);
    PushFrame frame(inner.ss, inner.esp, size);
    frame.add(cpu.s.seg[kSs].selector);
    frame.add(cpu.s.gpr[kEsp]);
    for (unsigned i = gate.gate_parameters(); i-- > 0;) frame.add(peek_stack(cpu, i * size, size));
    frame.add(cpu.s.seg[kCs].selector);
    frame.add(cpu.next_eip);
    frame.probe(cpu, new_cpl, selector_error(inner.ss.selector));
    check_eip(make_segment(target, code), gate.gate_offset());
    mark_accessed(cpu, target, code);
    frame.write(cpu, new_cpl);
    cpu.s.seg[kSs] = inner.ss;
    cpu.s.gpr[kEsp] = frame.esp();
    load_cs(cpu, target, code, new_cpl);
    cpu.next_eip = gate.gate_offset();
}

void call_same(Cpu& cpu, u16 selector, Descriptor& code, u32 eip, unsigned size) {
    PushFrame frame(cpu.s.seg[kSs], cpu.s.gpr[kEsp], size);
    frame.add(cpu.s.seg[kCs].selector);
    frame.add(cpu.next_eip);
    frame.probe(cpu, cpu.cpl(), 0);
    check_eip(make_segment(selector, code), eip);
    mark_accessed(cpu, selector, code);
    frame.write(cpu, cpu.cpl());
    cpu.s.gpr[kEsp] = frame.esp();
    load_cs(cpu, selector, code, cpu.cpl());
    cpu.next_eip = eip;
}

void call_through_gate(Cpu& cpu, u16 selector, const Descriptor& gate) {
    check_gate(cpu, selector, gate);
    if (!gate.present()) raise(kNp, selector_error(selector));
    Descriptor code = gate_code(cpu, gate.gate_selector());
    if (!code.present()) raise(kNp, selector_error(gate.gate_selector()));
    if (!code.conforming() && code.dpl() < cpu.cpl()) call_inner(cpu, gate, code);
    else call_same(cpu, gate.gate_selector(), code, gate.gate_offset(), gate.gate32() ? 4 : 2);
}

bool is_call_gate(const Descriptor& d) { return d.type() == kCallGate16 || d.type() == kCallGate32; }

constexpr Descriptor flat_descriptor(u32 attributes) { return {0x0000ffff, attributes}; }

}  // namespace

void check_eip(const Segment& cs, u32 eip) {
    if (eip > cs.limit) raise(kGp, 0);
}

void load_cs(Cpu& cpu, u16 selector, const Descriptor& d, unsigned cpl) {
    cpu.s.seg[kCs] = make_segment(with_rpl(selector, cpl), d);
    cpu.mode_changed();
}

Descriptor return_code_segment(Cpu& cpu, u16 selector) {
    if (is_null(selector)) raise(kGp, 0);
    const Descriptor d = read_descriptor(cpu, selector, kGp);
    const unsigned rpl = rpl_of(selector);
    const bool ok = d.code() && rpl >= cpu.cpl() && (d.conforming() ? d.dpl() <= rpl : d.dpl() == rpl);
    if (!ok) raise(kGp, selector_error(selector));
    if (!d.present()) raise(kNp, selector_error(selector));
    return d;
}

Segment outer_stack_segment(Cpu& cpu, u16 selector, unsigned new_cpl) {
    if (is_null(selector)) raise(kGp, 0);
    Descriptor d = read_descriptor(cpu, selector, kGp);
    if (!d.writable() || d.dpl() != new_cpl || rpl_of(selector) != new_cpl) raise(kGp, selector_error(selector));
    if (!d.present()) raise(kSsFault, selector_error(selector));
    mark_accessed(cpu, selector, d);
    return make_segment(selector, d);
}

// --- JMP -------------------------------------------------------------------------------------------------------

void exec_jmp_far(Cpu& cpu, const Insn& insn) {
    const FarPointer to = far_operand(cpu, insn);
    if (!cpu.pmode()) {
        const Segment cs = code_segment_by_mode(cpu, to.selector);
        check_eip(cs, to.offset);
        cpu.s.seg[kCs] = cs;
        cpu.next_eip = to.offset;
        cpu.mode_changed();
        return;
    }
    if (is_null(to.selector)) raise(kGp, 0);
    Descriptor d = read_descriptor(cpu, to.selector, kGp);
    if (d.code()) {
        check_direct_code(cpu, to.selector, d);
        check_eip(make_segment(to.selector, d), to.offset);
        mark_accessed(cpu, to.selector, d);
        load_cs(cpu, to.selector, d, cpu.cpl());
        cpu.next_eip = to.offset;
    } else if (d.system() && is_call_gate(d)) {
        jump_through_gate(cpu, to.selector, d);
    } else if (d.system() && names_task(d)) {
        transfer_to_task(cpu, to.selector, d, TaskSwitchBy::Jump);
    } else {
        raise(kGp, selector_error(to.selector));
    }
}

// --- CALL ------------------------------------------------------------------------------------------------------

void exec_call_far(Cpu& cpu, const Insn& insn) {
    const FarPointer to = far_operand(cpu, insn);
    if (!cpu.pmode()) {
        const Segment cs = code_segment_by_mode(cpu, to.selector);
        PushFrame frame(cpu.s.seg[kSs], cpu.s.gpr[kEsp], insn.op_size);
        frame.add(cpu.s.seg[kCs].selector);
        frame.add(cpu.next_eip);
        frame.probe(cpu, cpu.cpl(), 0);
        check_eip(cs, to.offset);
        frame.write(cpu, cpu.cpl());
        cpu.s.gpr[kEsp] = frame.esp();
        cpu.s.seg[kCs] = cs;
        cpu.next_eip = to.offset;
        cpu.mode_changed();
        return;
    }
    if (is_null(to.selector)) raise(kGp, 0);
    Descriptor d = read_descriptor(cpu, to.selector, kGp);
    if (d.code()) {
        check_direct_code(cpu, to.selector, d);
        call_same(cpu, to.selector, d, to.offset, insn.op_size);
    } else if (d.system() && is_call_gate(d)) {
        call_through_gate(cpu, to.selector, d);
    } else if (d.system() && names_task(d)) {
        transfer_to_task(cpu, to.selector, d, TaskSwitchBy::Call);
    } else {
        raise(kGp, selector_error(to.selector));
    }
}

// --- RET -------------------------------------------------------------------------------------------------------

void exec_ret_far(Cpu& cpu, const Insn& insn) {
    const u32 size = insn.op_size;
    const u32 extra = insn.operand_count > 0 ? insn.imm & 0xffff : 0;
    const u32 eip = peek_stack(cpu, 0, size);
    const u16 selector = static_cast<u16>(peek_stack(cpu, size, size));
    CpuState& s = cpu.s;
    if (!cpu.pmode()) {
        const Segment cs = code_segment_by_mode(cpu, selector);
        check_eip(cs, eip);
        s.seg[kCs] = cs;
        s.gpr[kEsp] = released(s.seg[kSs], s.gpr[kEsp], 2 * size + extra);
        cpu.next_eip = eip;
        cpu.mode_changed();
        return;
    }
    Descriptor d = return_code_segment(cpu, selector);
    const unsigned new_cpl = rpl_of(selector);
    if (new_cpl == cpu.cpl()) {
        check_eip(make_segment(selector, d), eip);
        mark_accessed(cpu, selector, d);
        load_cs(cpu, selector, d, new_cpl);
        s.gpr[kEsp] = released(s.seg[kSs], s.gpr[kEsp], 2 * size + extra);
        cpu.next_eip = eip;
        return;
    }
    const u32 outer_esp = peek_stack(cpu, 2 * size + extra, size);
    const u16 outer_ss = static_cast<u16>(peek_stack(cpu, 3 * size + extra, size));
    const Segment ss = outer_stack_segment(cpu, outer_ss, new_cpl);
    check_eip(make_segment(selector, d), eip);
    mark_accessed(cpu, selector, d);
    s.seg[kSs] = ss;
    load_cs(cpu, selector, d, new_cpl);
    // On a 16-bit stack only SP is loaded; the upper half of the inner ESP shows, as on hardware.
    cpu.set_esp(outer_esp);
    s.gpr[kEsp] = released(ss, s.gpr[kEsp], extra);
    cpu.next_eip = eip;
    drop_inner_segments(cpu);
}

// --- SYSENTER and SYSEXIT (SDM volume 3, 5.8.7) --------------------------------------------------------------------

void exec_sysenter(Cpu& cpu, const Insn&) {
    CpuState& s = cpu.s;
    const u16 cs = static_cast<u16>(s.msr.sysenter_cs & 0xfffc);
    if (cpu.real_mode() || cs == 0) raise(kGp, 0);
    s.eflags &= ~(kVm | kIf | kRf);
    s.seg[kSs] = make_segment(static_cast<u16>(cs + 8), flat_descriptor(0x00cf9300));
    s.gpr[kEsp] = s.msr.sysenter_esp;
    load_cs(cpu, cs, flat_descriptor(0x00cf9b00), 0);
    cpu.next_eip = s.msr.sysenter_eip;
}

void exec_sysexit(Cpu& cpu, const Insn&) {
    CpuState& s = cpu.s;
    const u16 cs = static_cast<u16>(s.msr.sysenter_cs & 0xfffc);
    if (!cpu.pmode() || cs == 0 || cpu.cpl() != 0) raise(kGp, 0);
    s.seg[kSs] = make_segment(static_cast<u16>((cs + 24) | 3), flat_descriptor(0x00cff300));
    load_cs(cpu, static_cast<u16>(cs + 16), flat_descriptor(0x00cffb00), 3);
    s.gpr[kEsp] = s.gpr[kEcx];
    cpu.next_eip = s.gpr[kEdx];
}

}  // namespace vmm::tcg
