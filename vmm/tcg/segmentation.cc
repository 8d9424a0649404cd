// SPDX-License-Identifier: Apache-2.0
// Segment register loads and the instructions around them. See segmentation.h.
#include "vmm/tcg/segmentation.h"

#include <algorithm>

#include "vmm/tcg/descriptor.h"
#include "vmm/tcg/stack_frame.h"

namespace vmm::tcg {

namespace {

// SDM volume 2, MOV: "IF SS is loaded".
Segment checked_stack_segment(Cpu& cpu, u16 selector) {
    if (is_null(selector)) raise(kGp, 0);
    Descriptor d = read_descriptor(cpu, selector, kGp);
    const bool usable = d.writable() && rpl_of(selector) == cpu.cpl() && d.dpl() == cpu.cpl();
    if (!usable) raise(kGp, selector_error(selector));
    if (!d.present()) raise(kSsFault, selector_error(selector));
    mark_accessed(cpu, selector, d);
    return make_segment(selector, d);
}

// SDM volume 2, MOV: "IF DS, ES, FS, or GS is loaded".
Segment checked_data_segment(Cpu& cpu, u16 selector) {
    if (is_null(selector)) return null_segment(selector);
    Descriptor d = read_descriptor(cpu, selector, kGp);
    if (!d.readable()) raise(kGp, selector_error(selector));
    if (!d.conforming() && std::max(rpl_of(selector), cpu.cpl()) > d.dpl()) raise(kGp, selector_error(selector));
    if (!d.present()) raise(kNp, selector_error(selector));
    mark_accessed(cpu, selector, d);
    return make_segment(selector, d);
}

void require_protected_mode(const Cpu& cpu) {
    if (!cpu.pmode()) raise(kUd);
}

// A 16-bit operand in a register or in memory, whatever width the table of forms gives it.
u16 load_selector(Cpu& cpu, const Insn& insn, unsigned i) {
    if (insn.is_reg(i)) return static_cast<u16>(cpu.get(insn.operand[i].reg, 2));
    return static_cast<u16>(cpu.read(insn.mem.seg, cpu.effective_address(insn.mem), 2));
}

// Zero-extended into a 32-bit register; always 16 bits in memory (SDM volume 2, MOV, SLDT, STR).
void store_selector(Cpu& cpu, const Insn& insn, u16 selector) {
    if (insn.is_reg(0)) cpu.set(insn.operand[0].reg, insn.op_size, selector);
    else cpu.write(insn.mem.seg, cpu.effective_address(insn.mem), 2, selector);
}

void set_zf(Cpu& cpu, bool zf) { cpu.s.eflags = zf ? cpu.s.eflags | kZf : cpu.s.eflags & ~kZf; }

// Whether LAR and LSL see the descriptor. Conforming code is visible from everywhere.
bool visible(const Cpu& cpu, u16 selector, const Descriptor& d) {
    return d.conforming() || std::max(cpu.cpl(), rpl_of(selector)) <= d.dpl();
}

// SDM volume 2, LAR, table 3-53; LSL, table 3-58.
bool lar_knows(const Descriptor& d) {
    if (!d.system()) return true;
    switch (d.type()) {
        case kTss16: case kLdt: case kTss16Busy: case kCallGate16: case kTaskGate: case kTss32: case kTss32Busy:
        case kCallGate32: return true;
        default: return false;
    }
}

bool lsl_knows(const Descriptor& d) {
    return !d.system() || d.type() == kLdt || d.available_tss() || d.busy_tss();
}

}  // namespace

void load_segment(Cpu& cpu, Seg seg, u16 selector) {
    Segment& target = cpu.s.seg[seg];
    if (cpu.real_mode()) target = real_segment(target, selector, false);
    else if (cpu.v86()) target = v86_segment(selector);
    else if (seg == kSs) target = checked_stack_segment(cpu, selector);
    else target = checked_data_segment(cpu, selector);
    cpu.mode_changed();
}

void load_ldtr(Cpu& cpu, u16 selector, u8 vector) {
    if (is_null(selector)) {
        cpu.s.ldtr = null_segment(selector);
        return;
    }
    if (in_ldt(selector)) raise(vector, selector_error(selector));
    const Descriptor d = read_descriptor(cpu, selector, vector);
    if (!d.system() || d.type() != kLdt) raise(vector, selector_error(selector));
    if (!d.present()) raise(vector == kTs ? kTs : kNp, selector_error(selector));
    cpu.s.ldtr = make_segment(selector, d);
}

void drop_inner_segments(Cpu& cpu) {
    for (const Seg seg : {kEs, kDs, kFs, kGs}) {
        Segment& segment = cpu.s.seg[seg];
        const bool conforming = (segment.attr & 0x1c) == 0x1c;
        if (!segment.present() || (!conforming && cpu.cpl() > segment.dpl())) segment = null_segment(0);
    }
}

// --- MOV, PUSH, POP, LDS ... --------------------------------------------------------------------------------

void exec_mov_seg(Cpu& cpu, const Insn& insn) {
    if (insn.operand[0].kind != OperandKind::SegReg) {
        store_selector(cpu, insn, cpu.s.seg[insn.operand[1].reg].selector);
        return;
    }
    const unsigned reg = insn.operand[0].reg;
    if (reg == kCs || reg > kGs) raise(kUd);
    load_segment(cpu, static_cast<Seg>(reg), load_selector(cpu, insn, 1));
    // SDM volume 3, 6.8.3: nothing is delivered between the load of SS and the next instruction.
    if (reg == kSs) cpu.s.shadow = Shadow::MovSs;
}

void exec_push_seg(Cpu& cpu, const Insn& insn) {
    // With a 32-bit operand size the selector is written zero-extended.
    cpu.push(insn.op_size, cpu.s.seg[insn.operand[0].reg].selector);
}

void exec_pop_seg(Cpu& cpu, const Insn& insn) {
    const Seg seg = static_cast<Seg>(insn.operand[0].reg);
    const u16 selector = static_cast<u16>(peek_stack(cpu, 0, insn.op_size));
    const u32 esp = released(cpu.s.seg[kSs], cpu.s.gpr[kEsp], insn.op_size);
    load_segment(cpu, seg, selector);
    cpu.s.gpr[kEsp] = esp;
    if (seg == kSs) cpu.s.shadow = Shadow::MovSs;
}

void exec_load_far_pointer(Cpu& cpu, const Insn& insn) {
    if (!insn.is_mem(1)) raise(kUd);
    const u32 at = cpu.effective_address(insn.mem);
    const u32 offset = cpu.read(insn.mem.seg, at, insn.op_size);
    const u32 next = insn.mem.addr_size == 2 ? (at + insn.op_size) & 0xffff : at + insn.op_size;
    const u16 selector = static_cast<u16>(cpu.read(insn.mem.seg, next, 2));
    Seg seg = kDs;
    switch (insn.op) {
        case Op::Les: seg = kEs; break;
        case Op::Lfs: seg = kFs; break;
        case Op::Lgs: seg = kGs; break;
        case Op::Lss: seg = kSs; break;
        default: break;
    }
    load_segment(cpu, seg, selector);
    cpu.set(insn.operand[0].reg, insn.op_size, offset);
}

// --- LDTR and TR ------------------------------------------------------------------------------------------------

void exec_lldt(Cpu& cpu, const Insn& insn) {
    require_protected_mode(cpu);
    if (cpu.cpl() != 0) raise(kGp, 0);
    load_ldtr(cpu, load_selector(cpu, insn, 0), kGp);
}

void exec_ltr(Cpu& cpu, const Insn& insn) {
    require_protected_mode(cpu);
    if (cpu.cpl() != 0) raise(kGp, 0);
    const u16 selector = load_selector(cpu, insn, 0);
    if (is_null(selector)) raise(kGp, 0);
    if (in_ldt(selector)) raise(kGp, selector_error(selector));
    Descriptor d = read_descriptor(cpu, selector, kGp);
    if (!d.available_tss()) raise(kGp, selector_error(selector));
    if (!d.present()) raise(kNp, selector_error(selector));
    mark_busy(cpu, selector, d, true);
    cpu.s.tr = make_segment(selector, d);
}

void exec_store_selector(Cpu& cpu, const Insn& insn) {
    require_protected_mode(cpu);
    store_selector(cpu, insn, insn.op == Op::Sldt ? cpu.s.ldtr.selector : cpu.s.tr.selector);
}

// --- questions about descriptors -----------------------------------------------------------------------------------

void exec_lar(Cpu& cpu, const Insn& insn) {
    require_protected_mode(cpu);
    const u16 selector = load_selector(cpu, insn, 1);
    const auto d = is_null(selector) ? std::nullopt : find_descriptor(cpu, selector);
    const bool ok = d && lar_knows(*d) && visible(cpu, selector, *d);
    if (ok) cpu.set(insn.operand[0].reg, insn.op_size, d->hi & (insn.op_size == 4 ? 0x00f0ff00 : 0xff00));
    set_zf(cpu, ok);
}

void exec_lsl(Cpu& cpu, const Insn& insn) {
    require_protected_mode(cpu);
    const u16 selector = load_selector(cpu, insn, 1);
    const auto d = is_null(selector) ? std::nullopt : find_descriptor(cpu, selector);
    const bool ok = d && lsl_knows(*d) && visible(cpu, selector, *d);
    if (ok) cpu.set(insn.operand[0].reg, insn.op_size, d->limit());
    set_zf(cpu, ok);
}

void exec_verify(Cpu& cpu, const Insn& insn) {
    require_protected_mode(cpu);
    const u16 selector = load_selector(cpu, insn, 0);
    const auto d = is_null(selector) ? std::nullopt : find_descriptor(cpu, selector);
    set_zf(cpu, d && visible(cpu, selector, *d) && (insn.op == Op::Verr ? d->readable() : d->writable()));
}

void exec_arpl(Cpu& cpu, const Insn& insn) {
    require_protected_mode(cpu);
    const u16 destination = load_selector(cpu, insn, 0);
    const unsigned rpl = rpl_of(static_cast<u16>(cpu.get(insn.operand[1].reg, 2)));
    const bool raised = rpl_of(destination) < rpl;
    if (raised) {
        const u16 adjusted = with_rpl(destination, rpl);
        if (insn.is_reg(0)) cpu.set(insn.operand[0].reg, 2, adjusted);
        else cpu.write(insn.mem.seg, cpu.effective_address(insn.mem), 2, adjusted);
    }
    set_zf(cpu, raised);
}

// --- GDTR and IDTR ----------------------------------------------------------------------------------------------------

void exec_load_table(Cpu& cpu, const Insn& insn) {
    if (cpu.cpl() != 0) raise(kGp, 0);
    if (insn.has_modrm && insn.modrm >= 0xc0) raise(kUd);
    const u32 at = cpu.effective_address(insn.mem);
    const u16 limit = static_cast<u16>(cpu.read(insn.mem.seg, at, 2));
    const u32 base = cpu.read(insn.mem.seg, insn.mem.addr_size == 2 ? (at + 2) & 0xffff : at + 2, 4);
    TableRegister& target = insn.op == Op::Lgdt ? cpu.s.gdtr : cpu.s.idtr;
    target = {insn.op_size == 2 ? base & 0xffffff : base, limit};
}

// All 32 bits of the base are stored whatever the operand size: so does every 32-bit processor, and the manual's note
// that the upper byte is 0 with 16-bit operands describes the 286's image only.
void exec_store_table(Cpu& cpu, const Insn& insn) {
    const TableRegister& source = insn.op == Op::Sgdt ? cpu.s.gdtr : cpu.s.idtr;
    u8 image[6];
    for (unsigned i = 0; i < 6; ++i)
        image[i] = static_cast<u8>(i < 2 ? source.limit >> (8 * i) : source.base >> (8 * (i - 2)));
    cpu.write_bytes(insn.mem.seg, cpu.effective_address(insn.mem), image, sizeof image);
}

}  // namespace vmm::tcg
