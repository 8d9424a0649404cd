// SPDX-License-Identifier: Apache-2.0
// Event delivery. See interrupts.h.
#include "vmm/tcg/interrupts.h"

#include "vmm/tcg/far_transfer.h"
#include "vmm/tcg/stack_frame.h"
#include "vmm/tcg/task_switch.h"

namespace vmm::tcg {

namespace {

constexpr u32 kDr7Gd = 1u << 13;
constexpr u32 kIdtBit = 2;  // error code: the index is one of the IDT

struct Event {
    u8 vector;
    EventKind kind;
    std::optional<u32> error;
    u32 return_eip;

    bool software() const { return kind == EventKind::SoftwareInt || kind == EventKind::SoftwareTrap; }
    // SDM volume 3, 18.3.1.1: RF in the pushed image is 1 for faults, except instruction breakpoints.
    u32 pushed_rf() const { return kind == EventKind::Exception ? kRf : 0; }
    // SDM volume 3, 6.13.
    u32 ext() const { return software() ? 0 : 1; }
};

u32 gate_error(u8 vector) { return u32{vector} << 3 | kIdtBit; }

void enter_handler(Cpu& cpu, u32 eip) {
    cpu.next_eip = eip;
    cpu.s.halted = false;
    cpu.s.shadow = Shadow::None;
}

// SDM volume 3, 20.1.4: FLAGS, CS, IP, through the table of four-byte vectors. No error code.
void deliver_real(Cpu& cpu, const Event& e) {
    CpuState& s = cpu.s;
    const u32 at = u32{e.vector} * 4;
    if (at + 3 > s.idtr.limit) raise(kGp, gate_error(e.vector));
    const u32 vector = cpu.read_linear(s.idtr.base + at, 4, true);
    const Segment cs = real_segment(s.seg[kCs], static_cast<u16>(vector >> 16), true);
    PushFrame frame(s.seg[kSs], s.gpr[kEsp], 2);
    frame.add(s.eflags);
    frame.add(s.seg[kCs].selector);
    frame.add(e.return_eip);
    frame.probe(cpu, 0, 0);
    check_eip(cs, vector & 0xffff);
    frame.write(cpu, 0);
    s.gpr[kEsp] = frame.esp();
    s.eflags &= ~(kIf | kTf | kAc | kRf);
    s.seg[kCs] = cs;
    cpu.mode_changed();
    enter_handler(cpu, vector & 0xffff);
}

// SDM volume 3, 20.3.3.4: INT n of a virtual-8086 program to its own handler.
void deliver_redirected(Cpu& cpu, const Event& e) {
    CpuState& s = cpu.s;
    const u32 vector = cpu.read_linear(u32{e.vector} * 4, 4, true);
    const bool virtual_if = cpu.iopl() < 3;
    u32 image = s.eflags;
    if (virtual_if) image = (image & ~kIf) | kIopl | ((image & kVif) != 0 ? kIf : 0);
    const Segment cs = v86_segment(static_cast<u16>(vector >> 16));
    PushFrame frame(s.seg[kSs], s.gpr[kEsp], 2);
    frame.add(image);
    frame.add(s.seg[kCs].selector);
    frame.add(e.return_eip);
    frame.probe(cpu, 3, 0);
    frame.write(cpu, 3);
    s.gpr[kEsp] = frame.esp();
    s.eflags &= ~(kTf | kRf | (virtual_if ? kVif : kIf));
    s.seg[kCs] = cs;
    cpu.mode_changed();
    enter_handler(cpu, vector & 0xffff);
}

// The bit for `vector` in the interrupt redirection bitmap: the 32 bytes below the I/O map (SDM volume 3, figure 20-5).
bool redirected(Cpu& cpu, u8 vector) {
    const Segment& tr = cpu.s.tr;
    if (!tr.present() || (tr.type() & 8) == 0 || tr.limit < 0x67) raise(kGp, 0);
    const u32 io_map = cpu.read_linear(tr.base + 0x66, 2, true);
    const u32 at = io_map - 32 + vector / 8u;
    if (io_map < 32 || at > tr.limit) raise(kGp, 0);
    return (cpu.read_linear(tr.base + at, 1, true) >> (vector & 7) & 1) == 0;
}

void push_error(PushFrame& frame, const Event& e) {
    if (e.error) frame.add(*e.error);
}

void enter_gate(Cpu& cpu, const Descriptor& gate, Descriptor& code, unsigned new_cpl) {
    CpuState& s = cpu.s;
    const bool interrupt_gate = (gate.type() & 1) == 0;
    s.eflags &= ~(kTf | kNt | kRf | kVm | (interrupt_gate ? kIf : 0));
    load_cs(cpu, gate.gate_selector(), code, new_cpl);
    enter_handler(cpu, gate.gate_offset());
}

// SDM volume 2, INT, INTER-PRIVILEGE-LEVEL-INTERRUPT and INTERRUPT-FROM-VIRTUAL-8086-MODE.
void deliver_inner(Cpu& cpu, const Event& e, const Descriptor& gate, Descriptor& code) {
    CpuState& s = cpu.s;
    const unsigned new_cpl = code.dpl();
    const bool from_v86 = cpu.v86();
    const InnerStack inner = inner_stack(cpu, new_cpl);
    PushFrame frame(inner.ss, inner.esp, gate.gate32() ? 4 : 2);
    if (from_v86)
        for (const Seg seg : {kGs, kFs, kDs, kEs}) frame.add(s.seg[seg].selector);
    frame.add(s.seg[kSs].selector);
    frame.add(s.gpr[kEsp]);
    frame.add(s.eflags | e.pushed_rf());
    frame.add(s.seg[kCs].selector);
    frame.add(e.return_eip);
    push_error(frame, e);
    frame.probe(cpu, new_cpl, selector_error(inner.ss.selector));
    check_eip(make_segment(gate.gate_selector(), code), gate.gate_offset());
    mark_accessed(cpu, gate.gate_selector(), code);
    frame.write(cpu, new_cpl);
    if (from_v86)
        for (const Seg seg : {kGs, kFs, kDs, kEs}) s.seg[seg] = null_segment(0);
    s.seg[kSs] = inner.ss;
    s.gpr[kEsp] = frame.esp();
    enter_gate(cpu, gate, code, new_cpl);
}

void deliver_same(Cpu& cpu, const Event& e, const Descriptor& gate, Descriptor& code) {
    CpuState& s = cpu.s;
    PushFrame frame(s.seg[kSs], s.gpr[kEsp], gate.gate32() ? 4 : 2);
    frame.add(s.eflags | e.pushed_rf());
    frame.add(s.seg[kCs].selector);
    frame.add(e.return_eip);
    push_error(frame, e);
    frame.probe(cpu, cpu.cpl(), 0);
    check_eip(make_segment(gate.gate_selector(), code), gate.gate_offset());
    mark_accessed(cpu, gate.gate_selector(), code);
    frame.write(cpu, cpu.cpl());
    s.gpr[kEsp] = frame.esp();
    enter_gate(cpu, gate, code, cpu.cpl());
}

void deliver_through_task_gate(Cpu& cpu, const Event& e, const Descriptor& gate) {
    const u16 selector = gate.gate_selector();
    const Descriptor tss = task_gate_target(cpu, selector);
    switch_task(cpu, selector, tss, TaskSwitchBy::Gate, e.return_eip, e.error, e.pushed_rf());
}

void deliver_protected(Cpu& cpu, const Event& e) {
    CpuState& s = cpu.s;
    const u32 at = u32{e.vector} * 8;
    const u32 error = gate_error(e.vector);
    if (at + 7 > s.idtr.limit) raise(kGp, error);
    Descriptor gate;
    gate.lo = cpu.read_linear(s.idtr.base + at, 4, true);
    gate.hi = cpu.read_linear(s.idtr.base + at + 4, 4, true);
    switch (gate.system() ? gate.type() : 0) {
        case kTaskGate: case kInterruptGate16: case kTrapGate16: case kInterruptGate32: case kTrapGate32: break;
        default: raise(kGp, error);
    }
    if (e.software() && gate.dpl() < cpu.cpl()) raise(kGp, error);
    if (!gate.present()) raise(kNp, error);
    if (gate.type() == kTaskGate) return deliver_through_task_gate(cpu, e, gate);

    const u16 selector = gate.gate_selector();
    if (is_null(selector)) raise(kGp, 0);
    Descriptor code = read_descriptor(cpu, selector, kGp);
    if (!code.code() || code.dpl() > cpu.cpl()) raise(kGp, selector_error(selector));
    if (!code.present()) raise(kNp, selector_error(selector));
    const bool inner = !code.conforming() && code.dpl() < cpu.cpl();
    // From virtual-8086 mode only ring 0 may be entered.
    if (cpu.v86() && (!inner || code.dpl() != 0)) raise(kGp, selector_error(selector));
    if (inner) deliver_inner(cpu, e, gate, code);
    else deliver_same(cpu, e, gate, code);
}

void deliver_once(Cpu& cpu, const Event& e) {
    if (cpu.real_mode()) return deliver_real(cpu, e);
    if (cpu.v86() && e.kind == EventKind::SoftwareInt) {
        if ((cpu.s.cr4 & kCr4Vme) != 0 && redirected(cpu, e.vector)) return deliver_redirected(cpu, e);
        if (cpu.iopl() < 3) raise(kGp, 0);
    }
    deliver_protected(cpu, e);
}

// SDM volume 3, table 6-4.
enum class Class { Benign, Contributory, PageFault, DoubleFault };

Class class_of(const Event& e) {
    if (e.kind != EventKind::Exception) return Class::Benign;
    switch (e.vector) {
        case kDe: case kTs: case kNp: case kSsFault: case kGp: return Class::Contributory;
        case kPfault: return Class::PageFault;
        case kDfault: return Class::DoubleFault;
        default: return Class::Benign;
    }
}

// What becomes of `second`, raised while `first` was being delivered (SDM volume 3, table 6-5).
Event combine(const Event& first, const Event& second) {
    const Class a = class_of(first), b = class_of(second);
    if (b == Class::Benign || a == Class::Benign) return second;
    if (a == Class::DoubleFault) throw TripleFaultStop{};
    if (a == Class::PageFault || b == Class::Contributory)
        return {kDfault, EventKind::Exception, 0, second.return_eip};
    return second;
}

// EXT belongs to the error codes that hold a selector.
std::optional<u32> error_of(const Fault& fault, u32 ext) {
    if (!fault.has_error) return std::nullopt;
    const bool selector = fault.vector == kTs || fault.vector == kNp || fault.vector == kSsFault || fault.vector == kGp;
    return selector ? fault.error | ext : fault.error;
}

}  // namespace

void deliver_event(Cpu& cpu, u8 vector, EventKind kind, std::optional<u32> error, u32 return_eip) {
    CpuState& s = cpu.s;
    const bool instruction = kind == EventKind::SoftwareInt || kind == EventKind::SoftwareTrap || kind == EventKind::Icebp;
    if (kind == EventKind::Nmi) s.nmi_blocked = true;
    Event e{vector, kind, error, return_eip};
    // Faults that are handled one after the other can go round for ever, #AC and #AC above all: a user's handler on a stack
    // that is not aligned. Hardware hangs there until a reset; here it is a shutdown.
    constexpr unsigned kMostFaults = 8;
    for (unsigned n = 0;; ++n) {
        if (n == kMostFaults) throw TripleFaultStop{};
        // Known by its change: once a task switch is committed, what fails belongs to the new task.
        const u32 eip_before = s.eip;
        const u16 task_before = s.tr.selector;
        try {
            deliver_once(cpu, e);
            break;
        } catch (const Fault& fault) {
            const std::optional<u32> code = error_of(fault, e.ext());
            if (instruction) throw Fault{fault.vector, fault.has_error, code.value_or(0)};
            const bool new_task = s.tr.selector != task_before || s.eip != eip_before;
            e = combine(e, {fault.vector, EventKind::Exception, code, new_task ? s.eip : e.return_eip});
        }
    }
    // Software interrupts leave that to the caller of the helper, which commits next_eip.
    if (!instruction) s.eip = cpu.next_eip;
    if (cpu.debug.any_event() && e.kind != EventKind::SoftwareInt) {
        const bool outside = e.kind == EventKind::External || e.kind == EventKind::Nmi;
        cpu.debug.happened(outside ? PointKind::Interrupt : PointKind::Exception, e.vector, 1, s.cr3);
    }
    cpu.end_block();
}

void deliver_fault(Cpu& cpu, const Fault& fault) {
    CpuState& s = cpu.s;
    if (fault.vector != kDb) {
        deliver_event(cpu, fault.vector, EventKind::Exception, fault.has_error ? std::optional(fault.error) : std::nullopt,
                      s.eip);
        return;
    }
    s.dr6 |= fault.error;
    s.dr7 &= ~kDr7Gd;
    // General detect is a fault like others; an instruction breakpoint pushes RF as it is (SDM volume 3, 18.3.1.1).
    const bool breakpoint = (fault.error & kDr6Bd) == 0;
    deliver_event(cpu, kDb, breakpoint ? EventKind::Trap : EventKind::Exception, std::nullopt, s.eip);
}

void deliver_debug_trap(Cpu& cpu) {
    CpuState& s = cpu.s;
    s.dr6 |= s.pending_debug;
    s.pending_debug = 0;
    s.dr7 &= ~kDr7Gd;
    deliver_event(cpu, kDb, EventKind::Trap, std::nullopt, s.eip);
}

// --- INT n, INT3, INTO, INT1 -----------------------------------------------------------------------------------

void exec_int(Cpu& cpu, const Insn& insn) {
    deliver_event(cpu, static_cast<u8>(insn.imm), EventKind::SoftwareInt, std::nullopt, cpu.next_eip);
}

void exec_int3(Cpu& cpu, const Insn&) {
    deliver_event(cpu, kBp, EventKind::SoftwareTrap, std::nullopt, cpu.next_eip);
}

void exec_into(Cpu& cpu, const Insn&) {
    if ((cpu.s.eflags & kOf) == 0) return;
    deliver_event(cpu, kOfTrap, EventKind::SoftwareTrap, std::nullopt, cpu.next_eip);
}

void exec_icebp(Cpu& cpu, const Insn&) {
    deliver_event(cpu, kDb, EventKind::Icebp, std::nullopt, cpu.next_eip);
    cpu.s.dr7 &= ~kDr7Gd;
}

}  // namespace vmm::tcg
