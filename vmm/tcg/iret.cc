// SPDX-License-Identifier: Apache-2.0
// Interrupt return. See iret.h.
#include "vmm/tcg/iret.h"

#include "vmm/tcg/far_transfer.h"
#include "vmm/tcg/segmentation.h"
#include "vmm/tcg/stack_frame.h"
#include "vmm/tcg/task_switch.h"

namespace vmm::tcg {

namespace {

constexpr u32 kAlwaysReturned = kArithFlags | kTf | kDf | kNt;
constexpr u32 kReturned32 = kRf | kAc | kId;

u32 merge(u32 old, u32 image, u32 mask) { return (old & ~mask) | (image & mask) | 2; }

struct Frame {
    u32 eip, eflags;
    u16 cs;
};

Frame peek_frame(Cpu& cpu, u32 size) {
    return {peek_stack(cpu, 0, size), peek_stack(cpu, 2 * size, size), static_cast<u16>(peek_stack(cpu, size, size))};
}

void leave_to_8086(Cpu& cpu, const Frame& frame, const Segment& cs, u32 size, u32 eflags) {
    CpuState& s = cpu.s;
    check_eip(cs, frame.eip);
    s.seg[kCs] = cs;
    s.gpr[kEsp] = released(s.seg[kSs], s.gpr[kEsp], 3 * size);
    s.eflags = eflags;
    cpu.next_eip = frame.eip;
    cpu.mode_changed();
}

void iret_real(Cpu& cpu, u32 size) {
    const Frame frame = peek_frame(cpu, size);
    const u32 mask = kAlwaysReturned | kIf | kIopl | (size == 4 ? kReturned32 : 0);
    leave_to_8086(cpu, frame, real_segment(cpu.s.seg[kCs], frame.cs, true), size, merge(cpu.s.eflags, frame.eflags, mask));
}

void iret_v86(Cpu& cpu, u32 size) {
    CpuState& s = cpu.s;
    const bool virtual_if = cpu.iopl() < 3;
    if (virtual_if && ((s.cr4 & kCr4Vme) == 0 || size != 2)) raise(kGp, 0);
    const Frame frame = peek_frame(cpu, size);
    const Segment cs = v86_segment(frame.cs);
    if (!virtual_if) {
        const u32 mask = kAlwaysReturned | kIf | (size == 4 ? kReturned32 : 0);
        leave_to_8086(cpu, frame, cs, size, merge(s.eflags, frame.eflags, mask));
        return;
    }
    // SDM volume 3, 20.3.3.4: IF goes to VIF; #GP where the monitor has to step in.
    if ((frame.eflags & kTf) != 0 || ((frame.eflags & kIf) != 0 && (s.eflags & kVip) != 0)) raise(kGp, 0);
    u32 eflags = merge(s.eflags, frame.eflags, kAlwaysReturned);
    eflags = (frame.eflags & kIf) != 0 ? eflags | kVif : eflags & ~kVif;
    leave_to_8086(cpu, frame, cs, size, eflags);
}

void iret_to_v86(Cpu& cpu, const Frame& frame) {
    CpuState& s = cpu.s;
    const u32 esp = peek_stack(cpu, 12, 4);
    std::array<u16, 6> selectors{};
    selectors[kCs] = frame.cs;
    constexpr Seg kOrder[] = {kSs, kEs, kDs, kFs, kGs};
    for (u32 i = 0; i < 5; ++i) selectors[kOrder[i]] = static_cast<u16>(peek_stack(cpu, 16 + 4 * i, 4));
    check_eip(v86_segment(frame.cs), frame.eip);
    constexpr u32 kAll = kAlwaysReturned | kReturned32 | kIf | kIopl | kVm | kVif | kVip;
    s.eflags = merge(s.eflags, frame.eflags, kAll);
    for (unsigned i = 0; i < 6; ++i) s.seg[i] = v86_segment(selectors[i]);
    s.gpr[kEsp] = esp;
    cpu.next_eip = frame.eip;
    cpu.mode_changed();
}

void iret_protected(Cpu& cpu, u32 size) {
    CpuState& s = cpu.s;
    const Frame frame = peek_frame(cpu, size);
    const unsigned old_cpl = cpu.cpl();
    if (size == 4 && (frame.eflags & kVm) != 0 && old_cpl == 0) {
        iret_to_v86(cpu, frame);
        return;
    }
    Descriptor d = return_code_segment(cpu, frame.cs);
    const unsigned new_cpl = rpl_of(frame.cs);

    u32 mask = kAlwaysReturned;
    if (size == 4) mask |= kReturned32;
    if (old_cpl <= cpu.iopl()) mask |= kIf;
    if (old_cpl == 0) mask |= kIopl | (size == 4 ? kVif | kVip : 0);

    if (new_cpl == old_cpl) {
        check_eip(make_segment(frame.cs, d), frame.eip);
        mark_accessed(cpu, frame.cs, d);
        s.gpr[kEsp] = released(s.seg[kSs], s.gpr[kEsp], 3 * size);
        s.eflags = merge(s.eflags, frame.eflags, mask);
        load_cs(cpu, frame.cs, d, new_cpl);
        cpu.next_eip = frame.eip;
        return;
    }
    const u32 outer_esp = peek_stack(cpu, 3 * size, size);
    const u16 outer_ss = static_cast<u16>(peek_stack(cpu, 4 * size, size));
    const Segment ss = outer_stack_segment(cpu, outer_ss, new_cpl);
    check_eip(make_segment(frame.cs, d), frame.eip);
    mark_accessed(cpu, frame.cs, d);
    s.eflags = merge(s.eflags, frame.eflags, mask);
    s.seg[kSs] = ss;
    load_cs(cpu, frame.cs, d, new_cpl);
    // Only SP on a 16-bit stack; the upper half of the inner ESP shows, as on hardware.
    cpu.set_esp(outer_esp);
    cpu.next_eip = frame.eip;
    drop_inner_segments(cpu);
}

}  // namespace

void exec_iret(Cpu& cpu, const Insn& insn) {
    const u32 size = insn.op_size;
    if (cpu.real_mode()) iret_real(cpu, size);
    else if (cpu.v86()) iret_v86(cpu, size);
    else if ((cpu.s.eflags & kNt) != 0) return_to_previous_task(cpu);
    else iret_protected(cpu, size);
    cpu.s.nmi_blocked = false;
    cpu.end_block();
}

}  // namespace vmm::tcg
