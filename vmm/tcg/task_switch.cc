// SPDX-License-Identifier: Apache-2.0
// Task switching. See task_switch.h.
#include "vmm/tcg/task_switch.h"

#include <algorithm>

#include "vmm/tcg/control_registers.h"
#include "vmm/tcg/interrupts.h"
#include "vmm/tcg/segmentation.h"
#include "vmm/tcg/stack_frame.h"

namespace vmm::tcg {

namespace {

constexpr u32 kTss32MinLimit = 0x67, kTss16MinLimit = 0x2b;
constexpr u32 kDr7LocalEnables = 0x155;  // L0-L3 and LE

// Offsets, SDM volume 3, figures 7-2 (32-bit) and 7-10 (16-bit).
struct Layout {
    unsigned size;        // of a register image
    u32 cr3, eip, eflags, gpr, seg, segments, seg_stride, ldt, last;
};
constexpr Layout kLayout32{4, 0x1c, 0x20, 0x24, 0x28, 0x48, 6, 4, 0x60, 0x5f};
constexpr Layout kLayout16{2, 0, 0x0e, 0x10, 0x12, 0x22, 4, 2, 0x2a, 0x29};

const Layout& layout(bool tss32) { return tss32 ? kLayout32 : kLayout16; }

struct Image {
    u32 cr3 = 0, eip = 0, eflags = 0;
    std::array<u32, 8> gpr{};
    std::array<u16, 6> seg{};
    u16 ldt = 0;
    bool debug_trap = false;
};

Image read_image(Cpu& cpu, u32 base, bool tss32) {
    const Layout& l = layout(tss32);
    Image image;
    if (tss32) image.cr3 = cpu.read_linear(base + l.cr3, 4, true);
    image.eip = cpu.read_linear(base + l.eip, l.size, true);
    image.eflags = cpu.read_linear(base + l.eflags, l.size, true);
    for (u32 i = 0; i < 8; ++i) {
        image.gpr[i] = cpu.read_linear(base + l.gpr + i * l.size, l.size, true);
        // The upper halves are undefined after loading a 16-bit TSS; here they are all ones as on the first 386.
        if (!tss32) image.gpr[i] |= 0xffff0000;
    }
    for (u32 i = 0; i < l.segments; ++i)
        image.seg[i] = static_cast<u16>(cpu.read_linear(base + l.seg + i * l.seg_stride, 2, true));
    image.ldt = static_cast<u16>(cpu.read_linear(base + l.ldt, 2, true));
    if (tss32) image.debug_trap = (cpu.read_linear(base + 0x64, 1, true) & 1) != 0;
    return image;
}

void probe(Cpu& cpu, u32 first, u32 last, Access access) {
    cpu.probe_linear(first, 1, access, true);
    cpu.probe_linear(last, 1, access, true);
}

void save_image(Cpu& cpu, u32 eip, u32 eflags) {
    const u32 base = cpu.s.tr.base;
    const Layout& l = layout((cpu.s.tr.type() & 8) != 0);
    cpu.write_linear(base + l.eip, l.size, eip, true);
    cpu.write_linear(base + l.eflags, l.size, eflags, true);
    for (u32 i = 0; i < 8; ++i) cpu.write_linear(base + l.gpr + i * l.size, l.size, cpu.s.gpr[i], true);
    for (u32 i = 0; i < l.segments; ++i)
        cpu.write_linear(base + l.seg + i * l.seg_stride, 2, cpu.s.seg[i].selector, true);
}

// SDM volume 3, table 7-1, the checks on CS of the new task.
void load_task_cs(Cpu& cpu, u16 selector) {
    if (is_null(selector)) raise(kTs, 0);
    Descriptor d = read_descriptor(cpu, selector, kTs);
    const unsigned rpl = rpl_of(selector);
    const bool ok = d.code() && (d.conforming() ? d.dpl() <= rpl : d.dpl() == rpl);
    if (!ok) raise(kTs, selector_error(selector));
    if (!d.present()) raise(kNp, selector_error(selector));
    mark_accessed(cpu, selector, d);
    cpu.s.seg[kCs] = make_segment(selector, d);
}

void load_task_ss(Cpu& cpu, u16 selector, unsigned cpl) {
    if (is_null(selector)) raise(kTs, 0);
    Descriptor d = read_descriptor(cpu, selector, kTs);
    if (!d.writable() || d.dpl() != cpl || rpl_of(selector) != cpl) raise(kTs, selector_error(selector));
    if (!d.present()) raise(kSsFault, selector_error(selector));
    mark_accessed(cpu, selector, d);
    cpu.s.seg[kSs] = make_segment(selector, d);
}

void load_task_data(Cpu& cpu, Seg seg, u16 selector, unsigned cpl) {
    if (is_null(selector)) return;
    Descriptor d = read_descriptor(cpu, selector, kTs);
    const bool ok = d.readable() && (d.conforming() || std::max(cpl, rpl_of(selector)) <= d.dpl());
    if (!ok) raise(kTs, selector_error(selector));
    if (!d.present()) raise(kNp, selector_error(selector));
    mark_accessed(cpu, selector, d);
    cpu.s.seg[seg] = make_segment(selector, d);
}

// From here on everything belongs to the new task: a fault finds its registers and selectors in place.
void enter_image(Cpu& cpu, const Image& image, bool tss32) {
    CpuState& s = cpu.s;
    if (tss32 && (s.cr0 & kCr0Pg) != 0 && image.cr3 != s.cr3) load_cr3(cpu, image.cr3);
    load_ldtr(cpu, image.ldt, kTs);
    if (cpu.v86()) {
        for (unsigned i = 0; i < 6; ++i) s.seg[i] = v86_segment(image.seg[i]);
        cpu.mode_changed();
    } else {
        const unsigned cpl = rpl_of(image.seg[kCs]);
        load_task_cs(cpu, image.seg[kCs]);
        load_task_ss(cpu, image.seg[kSs], cpl);
        for (const Seg seg : {kEs, kDs, kFs, kGs}) load_task_data(cpu, seg, image.seg[seg], cpl);
        cpu.mode_changed();
    }
    if (s.eip > s.seg[kCs].limit) raise(kGp, 0);
}

}  // namespace

Descriptor task_gate_target(Cpu& cpu, u16 selector) {
    if (is_null(selector) || in_ldt(selector)) raise(kGp, selector_error(selector));
    const Descriptor d = read_descriptor(cpu, selector, kGp);
    if (!d.available_tss()) raise(kGp, selector_error(selector));
    if (!d.present()) raise(kNp, selector_error(selector));
    return d;
}

void switch_task(Cpu& cpu, u16 selector, Descriptor d, TaskSwitchBy by, u32 return_eip, std::optional<u32> error,
                 u32 saved_flags) {
    CpuState& s = cpu.s;
    const bool new32 = d.tss32();
    const bool nested = by == TaskSwitchBy::Call || by == TaskSwitchBy::Gate;
    if (d.limit() < (new32 ? kTss32MinLimit : kTss16MinLimit)) raise(kTs, selector_error(selector));

    // Everything that the switch touches is checked and read before the first change.
    const Layout& old_layout = layout((s.tr.type() & 8) != 0);
    if (s.tr.limit < old_layout.last) raise(kTs, selector_error(s.tr.selector));
    probe(cpu, s.tr.base + old_layout.eip, s.tr.base + old_layout.last, Access::Write);
    if (nested) probe(cpu, d.base(), d.base() + 1, Access::Write);
    const Image image = read_image(cpu, d.base(), new32);
    const std::optional<u32> new_address = descriptor_address(cpu, selector);
    if (new_address && by != TaskSwitchBy::Iret) cpu.probe_linear(*new_address + 5, 1, Access::Write, true);
    std::optional<Descriptor> old;
    if (!nested && !is_null(s.tr.selector)) {
        old = find_descriptor(cpu, s.tr.selector);
        if (old) cpu.probe_linear(*descriptor_address(cpu, s.tr.selector) + 5, 1, Access::Write, true);
    }

    // SDM volume 3, 7.3, steps 5-12.
    const u16 old_selector = s.tr.selector;
    if (old) mark_busy(cpu, old_selector, *old, false);
    save_image(cpu, return_eip, (by == TaskSwitchBy::Iret ? s.eflags & ~kNt : s.eflags) | saved_flags);
    if (nested) cpu.write_linear(d.base(), 2, old_selector, true);
    if (by != TaskSwitchBy::Iret) mark_busy(cpu, selector, d, true);
    s.tr = make_segment(selector, d);
    s.tr.attr |= kTssBusyBit;
    s.cr0 |= kCr0Ts;
    s.dr7 &= ~kDr7LocalEnables;

    s.eip = cpu.next_eip = image.eip;
    constexpr u32 kFlags32 = 0x003f7fd5, kFlags16 = 0x7fd5;
    s.eflags = (image.eflags & (new32 ? kFlags32 : kFlags16)) | 2;
    if (nested) s.eflags |= kNt;
    s.gpr = image.gpr;
    // Unusable until their descriptors are checked; the DPL of SS is the CPL.
    for (unsigned i = 0; i < 6; ++i) s.seg[i] = null_segment(image.seg[i]);
    s.seg[kSs].attr = static_cast<u16>(rpl_of(image.seg[kCs]) << 5);
    s.ldtr = null_segment(image.ldt);
    s.halted = false;
    s.shadow = Shadow::None;
    cpu.mode_changed();
    if (image.debug_trap) s.pending_debug |= kDr6Bt;

    enter_image(cpu, image, new32);
    if (error) {
        PushFrame frame(s.seg[kSs], s.gpr[kEsp], new32 ? 4 : 2);
        frame.add(*error);
        frame.probe(cpu, cpu.cpl(), 0);
        frame.write(cpu, cpu.cpl());
        s.gpr[kEsp] = frame.esp();
    }
}

void return_to_previous_task(Cpu& cpu) {
    const u16 link = static_cast<u16>(cpu.read_linear(cpu.s.tr.base, 2, true));
    if (is_null(link) || in_ldt(link)) raise(kTs, selector_error(link));
    const Descriptor d = read_descriptor(cpu, link, kTs);
    if (!d.busy_tss()) raise(kTs, selector_error(link));
    if (!d.present()) raise(kNp, selector_error(link));
    switch_task(cpu, link, d, TaskSwitchBy::Iret, cpu.next_eip);
}

InnerStack inner_stack(Cpu& cpu, unsigned new_cpl) {
    const Segment& tr = cpu.s.tr;
    const bool tss32 = (tr.type() & 8) != 0;
    const u32 at = tss32 ? new_cpl * 8 + 4 : new_cpl * 4 + 2;
    if (!tr.present() || at + (tss32 ? 5 : 3) > tr.limit) raise(kTs, selector_error(tr.selector));
    const u32 esp = cpu.read_linear(tr.base + at, tss32 ? 4 : 2, true);
    const u16 selector = static_cast<u16>(cpu.read_linear(tr.base + at + (tss32 ? 4 : 2), 2, true));
    if (is_null(selector)) raise(kTs, 0);
    Descriptor d = read_descriptor(cpu, selector, kTs);
    if (rpl_of(selector) != new_cpl || d.dpl() != new_cpl || !d.writable()) raise(kTs, selector_error(selector));
    if (!d.present()) raise(kSsFault, selector_error(selector));
    mark_accessed(cpu, selector, d);
    return {make_segment(selector, d), esp};
}

}  // namespace vmm::tcg
