// SPDX-License-Identifier: Apache-2.0
// IN, OUT, INS, OUTS: permission, the bus, I/O breakpoints.
//
// A device sees the time of the boundary the instruction starts from. REP INS and REP OUTS do one iteration per call: each
// may raise a line or move a deadline. Permission is asked for even with a count of 0, as processors do. INS checks its
// destination before the port is read, so that no byte is lost.
// Reference: SDM volume 1, chapter 19 (19.5 protection); volume 2; volume 3, 18.2 (I/O breakpoints).
#include "vmm/tcg/exec_system.h"

namespace vmm::tcg {

namespace {

u32 read_port(Cpu& cpu, u32 port, unsigned size) {
    cpu.sync_clock();
    cpu.end_block();
    if (cpu.debug.any_event()) cpu.debug.happened(PointKind::Port, port, size, cpu.s.cr3);
    return cpu.ports.read(port, size);
}

void write_port(Cpu& cpu, u32 port, unsigned size, u32 value) {
    cpu.sync_clock();
    cpu.end_block();
    if (cpu.debug.any_event()) cpu.debug.happened(PointKind::Port, port, size, cpu.s.cr3);
    cpu.ports.write(port, size, value);
}

// SDM volume 3, 18.2.4: R/W = 10 with CR4.DE is a breakpoint on ports, a trap.
void check_io_breakpoint(Cpu& cpu, u32 port, unsigned size) {
    CpuState& s = cpu.s;
    if ((s.dr7 & 0xff) == 0 || (s.cr4 & kCr4De) == 0) return;
    for (unsigned i = 0; i < 4; ++i) {
        const bool enabled = (s.dr7 >> (2 * i) & 3) != 0 && (s.dr7 >> (16 + 4 * i) & 3) == 2;
        static constexpr u8 kLength[] = {1, 2, 8, 4};
        const u32 length = kLength[s.dr7 >> (18 + 4 * i) & 3];
        const u32 first = s.dr[i] & ~(length - 1);
        if (enabled && (port - first < length || first - port < size)) s.pending_debug |= 1u << i;
    }
}

u32 port_operand(const Cpu& cpu, const Insn& insn, unsigned i) {
    return insn.operand[i].kind == OperandKind::Imm ? insn.imm & 0xff : cpu.s.gpr[kEdx] & 0xffff;
}

// (E)SI, (E)DI and (E)CX by address size.
u32 index_register(const Cpu& cpu, const Insn& insn, Gpr gpr) { return cpu.get(gpr, insn.mem.addr_size); }

void step_index(Cpu& cpu, const Insn& insn, Gpr gpr, unsigned size) {
    const u32 delta = (cpu.s.eflags & kDf) != 0 ? u32{0} - size : size;
    cpu.set(gpr, insn.mem.addr_size, cpu.get(gpr, insn.mem.addr_size) + delta);
}

// False where a REP has nothing left to do.
bool rep_begins(const Cpu& cpu, const Insn& insn) {
    return insn.rep == Rep::None || cpu.get(kEcx, insn.mem.addr_size) != 0;
}

void rep_continues(Cpu& cpu, const Insn& insn) {
    if (insn.rep == Rep::None) return;
    const u32 left = cpu.get(kEcx, insn.mem.addr_size) - 1;
    cpu.set(kEcx, insn.mem.addr_size, left);
    if (left != 0) cpu.next_eip = cpu.s.eip;
}

}  // namespace

void check_io_permission(Cpu& cpu, u32 port, unsigned size) {
    if (cpu.real_mode() || (!cpu.v86() && cpu.cpl() <= cpu.iopl())) return;
    // SDM volume 1, 19.5.2: two bytes are read, so that the last port's byte must be followed by one within the limit.
    const Segment& tr = cpu.s.tr;
    if (!tr.present() || (tr.type() & 8) == 0 || tr.limit < 0x67) raise(kGp, 0);
    const u32 map = cpu.read_linear(tr.base + 0x66, 2, true);
    const u32 at = map + port / 8;
    if (at + 1 > tr.limit) raise(kGp, 0);
    const u32 bits = cpu.read_linear(tr.base + at, 2, true) >> (port & 7);
    if ((bits & ((1u << size) - 1)) != 0) raise(kGp, 0);
}

void exec_in(Cpu& cpu, const Insn& insn) {
    const u32 port = port_operand(cpu, insn, 1);
    const unsigned size = insn.operand[0].width;
    check_io_permission(cpu, port, size);
    const u32 value = read_port(cpu, port, size);
    cpu.set(kEax, size, value);
    check_io_breakpoint(cpu, port, size);
}

void exec_out(Cpu& cpu, const Insn& insn) {
    const u32 port = port_operand(cpu, insn, 0);
    const unsigned size = insn.operand[1].width;
    check_io_permission(cpu, port, size);
    write_port(cpu, port, size, cpu.get(kEax, size));
    check_io_breakpoint(cpu, port, size);
}

void exec_ins(Cpu& cpu, const Insn& insn) {
    cpu.steps = 1;
    const unsigned size = insn.operand[0].width;
    const u32 port = cpu.s.gpr[kEdx] & 0xffff;
    check_io_permission(cpu, port, size);
    if (!rep_begins(cpu, insn)) return;
    const u32 to = index_register(cpu, insn, kEdi);
    cpu.probe_write(kEs, to, size);
    cpu.write(kEs, to, size, read_port(cpu, port, size));
    step_index(cpu, insn, kEdi, size);
    rep_continues(cpu, insn);
    check_io_breakpoint(cpu, port, size);
}

void exec_outs(Cpu& cpu, const Insn& insn) {
    cpu.steps = 1;
    const unsigned size = insn.operand[1].width;
    const u32 port = cpu.s.gpr[kEdx] & 0xffff;
    check_io_permission(cpu, port, size);
    if (!rep_begins(cpu, insn)) return;
    const u32 value = cpu.read(insn.mem.seg, index_register(cpu, insn, kEsi), size);
    write_port(cpu, port, size, value);
    step_index(cpu, insn, kEsi, size);
    rep_continues(cpu, insn);
    check_io_breakpoint(cpu, port, size);
}

}  // namespace vmm::tcg
