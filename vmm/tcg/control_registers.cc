// SPDX-License-Identifier: Apache-2.0
// Control and debug registers. See control_registers.h.
#include "vmm/tcg/control_registers.h"

#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/interrupts.h"

namespace vmm::tcg {

namespace {

constexpr u32 kCr0Writable = kCr0Pe | kCr0Mp | kCr0Em | kCr0Ts | kCr0Ne | kCr0Wp | kCr0Am | kCr0Nw | kCr0Cd | kCr0Pg;
constexpr u32 kDr6Fixed = 0xffff0ff0, kDr6Writable = 0x0000e00f;
constexpr u32 kDr7Fixed = 0x400, kDr7Writable = 0xffff23ff;
constexpr u32 kDr7Gd = 1u << 13;

// SDM volume 3, 4.4.1, table 4-8: bits 1, 2, 5-8 and those from 36 on are reserved in a PDPTE that is present.
std::array<u64, 4> read_pdptes(Cpu& cpu, u32 cr3) {
    constexpr u64 kReserved = 0x1e6 | ~((u64{1} << 36) - 1);
    std::array<u64, 4> entries{};
    for (u32 i = 0; i < 4; ++i) {
        const u64 at = (cr3 & 0xffffffe0) + u64{8} * i;
        entries[i] = cpu.memory.load({at}, 4) | u64{cpu.memory.load({at + 4}, 4)} << 32;
        if ((entries[i] & 1) != 0 && (entries[i] & kReserved) != 0) raise(kGp, 0);
    }
    return entries;
}

bool pae_paging(u32 cr0, u32 cr4) { return (cr0 & kCr0Pg) != 0 && (cr4 & kCr4Pae) != 0; }

u32 cr4_supported(const CpuModel& model) {
    u32 mask = 0;
    if (model.has(Feature::Vme)) mask |= kCr4Vme | kCr4Pvi;
    if (model.has(Feature::Tsc)) mask |= kCr4Tsd;
    if (model.has(Feature::De)) mask |= kCr4De;
    if (model.has(Feature::Pse)) mask |= kCr4Pse;
    if (model.has(Feature::Pae)) mask |= kCr4Pae;
    if (model.has(Feature::Mce)) mask |= kCr4Mce;
    if (model.has(Feature::Pge)) mask |= kCr4Pge;
    if (model.has(Feature::Rdpmc)) mask |= kCr4Pce;
    if (model.has(Feature::Fxsr)) mask |= kCr4Osfxsr;
    if (model.has(Feature::Sse)) mask |= kCr4Osxmmexcpt;
    return mask;
}

void require_ring0(const Cpu& cpu) {
    if (cpu.cpl() != 0) raise(kGp, 0);
}

}  // namespace

void write_cr0(Cpu& cpu, u32 value) {
    const u32 old = cpu.s.cr0;
    if ((value & kCr0Pg) != 0 && (value & kCr0Pe) == 0) raise(kGp, 0);
    if ((value & kCr0Nw) != 0 && (value & kCr0Cd) == 0) raise(kGp, 0);
    const u32 now = (value & kCr0Writable) | kCr0Et;
    const u32 changed = old ^ now;
    if (pae_paging(now, cpu.s.cr4) && (changed & (kCr0Pg | kCr0Cd | kCr0Nw)) != 0)
        cpu.s.pdpte = read_pdptes(cpu, cpu.s.cr3);
    cpu.s.cr0 = now;
    if ((changed & kCr0Pe) != 0) {
        // SDM volume 3, 9.9: the hidden parts of the segment registers stay as they were.
        if ((now & kCr0Pe) != 0) cpu.s.seg[kSs].attr &= static_cast<u16>(~0x60);
    }
    if ((changed & (kCr0Pg | kCr0Wp)) != 0) cpu.paging_changed();
    cpu.mode_changed();
}

void load_cr3(Cpu& cpu, u32 value) {
    if (pae_paging(cpu.s.cr0, cpu.s.cr4)) cpu.s.pdpte = read_pdptes(cpu, value);
    cpu.s.cr3 = value;
    cpu.cr3_changed();
    if (cpu.debug.any_event()) cpu.debug.happened(PointKind::Cr3, value, 1, value);
    cpu.end_block();
}

void write_cr4(Cpu& cpu, u32 value) {
    if ((value & ~cr4_supported(cpu.model)) != 0) raise(kGp, 0);
    const u32 changed = cpu.s.cr4 ^ value;
    if (pae_paging(cpu.s.cr0, value) && (changed & (kCr4Pae | kCr4Pge | kCr4Pse)) != 0)
        cpu.s.pdpte = read_pdptes(cpu, cpu.s.cr3);
    cpu.s.cr4 = value;
    if ((changed & (kCr4Pae | kCr4Pge | kCr4Pse)) != 0) cpu.paging_changed();
    cpu.mode_changed();
}

void exec_mov_cr(Cpu& cpu, const Insn& insn) {
    const bool to_cr = insn.operand[0].kind == OperandKind::Cr;
    const unsigned cr = insn.operand[to_cr ? 0 : 1].reg;
    const unsigned gpr = insn.operand[to_cr ? 1 : 0].reg;
    const bool exists = cr == 0 || cr == 2 || cr == 3 || (cr == 4 && cr4_supported(cpu.model) != 0);
    if (!exists) raise(kUd);
    require_ring0(cpu);
    CpuState& s = cpu.s;
    if (!to_cr) {
        s.gpr[gpr] = cr == 0 ? s.cr0 : cr == 2 ? s.cr2 : cr == 3 ? s.cr3 : s.cr4;
        return;
    }
    const u32 value = s.gpr[gpr];
    switch (cr) {
        case 0: write_cr0(cpu, value); break;
        case 2: s.cr2 = value; break;
        case 3: load_cr3(cpu, value); break;
        default: write_cr4(cpu, value); break;
    }
}

// SDM volume 3, 18.2. DR4 and DR5 mean DR6 and DR7 unless CR4.DE is set.
void exec_mov_dr(Cpu& cpu, const Insn& insn) {
    const bool to_dr = insn.operand[0].kind == OperandKind::Dr;
    unsigned dr = insn.operand[to_dr ? 0 : 1].reg;
    const unsigned gpr = insn.operand[to_dr ? 1 : 0].reg;
    CpuState& s = cpu.s;
    require_ring0(cpu);
    if (dr == 4 || dr == 5) {
        if ((s.cr4 & kCr4De) != 0) raise(kUd);
        dr += 2;
    }
    // A general-detect exception: its DR6 bit travels in the fault, delivery sets it and clears GD.
    if ((s.dr7 & kDr7Gd) != 0) throw Fault{kDb, false, kDr6Bd};
    if (!to_dr) {
        s.gpr[gpr] = dr < 4 ? s.dr[dr] : dr == 6 ? s.dr6 : s.dr7;
        return;
    }
    const u32 value = s.gpr[gpr];
    if (dr < 4) s.dr[dr] = value;
    else if (dr == 6) s.dr6 = (value & kDr6Writable) | kDr6Fixed;
    else s.dr7 = (value & kDr7Writable) | kDr7Fixed;
    cpu.mode_changed();
}

void exec_clts(Cpu& cpu, const Insn&) {
    require_ring0(cpu);
    cpu.s.cr0 &= ~kCr0Ts;
    cpu.mode_changed();
}

// SDM volume 2, LMSW: PE can be set, not cleared.
void exec_lmsw(Cpu& cpu, const Insn& insn) {
    require_ring0(cpu);
    const u32 source = insn.is_reg(0) ? cpu.get(insn.operand[0].reg, 2)
                                      : cpu.read(insn.mem.seg, cpu.effective_address(insn.mem), 2);
    constexpr u32 kLow = kCr0Pe | kCr0Mp | kCr0Em | kCr0Ts;
    write_cr0(cpu, (cpu.s.cr0 & ~(kLow & ~kCr0Pe)) | (source & kLow));
}

// The 32-bit register form stores all of CR0, as every 32-bit processor does.
void exec_smsw(Cpu& cpu, const Insn& insn) {
    if (insn.is_reg(0)) cpu.set(insn.operand[0].reg, insn.op_size, cpu.s.cr0);
    else cpu.write(insn.mem.seg, cpu.effective_address(insn.mem), 2, cpu.s.cr0 & 0xffff);
}

}  // namespace vmm::tcg
