// SPDX-License-Identifier: Apache-2.0
// Model-specific registers. See msr.h.
#include "vmm/tcg/msr.h"

#include "vmm/tcg/cpu_model.h"

namespace vmm::tcg {

namespace {

enum MsrIndex : u32 {
    kP5McAddr = 0x0, kP5McType = 0x1, kTscMsr = 0x10, kPlatformId = 0x17, kApicBase = 0x1b, kPowerOn = 0x2a, kPowerOnSoft = 0x2b,
    kFrequencyId = 0x2c, kBiosUpdateTrigger = 0x79, kBiosSignature = 0x8b, kP6Counter0 = 0xc1, kP6Counter1 = 0xc2,
    kMtrrCap = 0xfe, kBblCrCtl3 = 0x11e, kSysenterCs = 0x174, kSysenterEsp = 0x175, kSysenterEip = 0x176, kMcgCap = 0x179,
    kMcgStatus = 0x17a, kP6EventSelect0 = 0x186, kP6EventSelect1 = 0x187, kMiscEnable = 0x1a0, kDebugCtl = 0x1d9,
    kLastBranchFirst = 0x1db, kLastBranchLast = 0x1de, kMtrrVarFirst = 0x200, kMtrrVarLast = 0x20f, kMtrrFix64k = 0x250,
    kMtrrFix16kFirst = 0x258, kMtrrFix16kLast = 0x259, kMtrrFix4kFirst = 0x268, kMtrrFix4kLast = 0x26f, kPatMsr = 0x277,
    kMtrrDefType = 0x2ff, kEfer = 0xc0000080,
};

constexpr u64 kPhysMask = (u64{1} << 36) - 1;
constexpr u64 kApicBsp = 1u << 8, kApicEnable = 1u << 11;
constexpr u64 kApicBaseReserved = ~(kPhysMask & ~u64{0xfff}) & ~(kApicBsp | kApicEnable);

[[noreturn]] void unknown() { raise(kGp, 0); }

void require(bool feature) {
    if (!feature) unknown();
}

void allow_only(u64 value, u64 mask) {
    if ((value & ~mask) != 0) raise(kGp, 0);
}

// SDM volume 3, table 11-8: memory types 0, 1, 4, 5, 6; PAT knows 7 (UC-) as well.
void check_types(u64 value, bool pat) {
    for (unsigned i = 0; i < 8; ++i, value >>= 8) {
        const unsigned type = value & 0xff;
        if (type > (pat ? 7u : 6u) || type == 2 || type == 3) raise(kGp, 0);
    }
}

// Index into Msrs::mtrr_fix, or -1.
int fixed_mtrr(u32 index) {
    if (index == kMtrrFix64k) return 0;
    if (index >= kMtrrFix16kFirst && index <= kMtrrFix16kLast) return static_cast<int>(1 + index - kMtrrFix16kFirst);
    if (index >= kMtrrFix4kFirst && index <= kMtrrFix4kLast) return static_cast<int>(3 + index - kMtrrFix4kFirst);
    return -1;
}

bool variable_mtrr(u32 index) { return index >= kMtrrVarFirst && index <= kMtrrVarLast; }

void write_variable_mtrr(Cpu& cpu, u32 index, u64 value) {
    const bool mask = (index & 1) != 0;
    allow_only(value, (kPhysMask & ~u64{0xfff}) | (mask ? 0x800 : 0xff));
    if (!mask) check_types(value & 0xff, false);
    cpu.s.msr.mtrr_var[index - kMtrrVarFirst] = value;
}

void write_apic_base(Cpu& cpu, u64 value) {
    allow_only(value, ~kApicBaseReserved);
    u64& base = cpu.s.msr.apic_base;
    base = (value & ~kApicBsp) | (base & kApicBsp);
    if (cpu.apic_base_changed) cpu.apic_base_changed(base);
    cpu.end_block();
}

bool p6_or_later(const CpuModel& m) { return m.family() >= 6; }

}  // namespace

u64 read_tsc(Cpu& cpu) { return cpu.time().v + cpu.s.msr.tsc_offset; }

u64 read_msr(Cpu& cpu, u32 index) {
    const Msrs& m = cpu.s.msr;
    const CpuModel& model = cpu.model;
    const bool p6 = p6_or_later(model);
    switch (index) {
        case kP5McAddr: case kP5McType: require(model.has(Feature::Mce)); return 0;
        case kTscMsr: require(model.has(Feature::Tsc)); return read_tsc(cpu);
        case kPlatformId: case kPowerOn: case kBiosUpdateTrigger: case kDebugCtl: require(p6); return 0;
        case kPowerOnSoft: case kFrequencyId: require(model.family() == 15); return 0;
        case kP6Counter0: case kP6Counter1: case kP6EventSelect0: case kP6EventSelect1: case kBblCrCtl3:
            require(model.family() == 6);
            return 0;
        case kApicBase: require(p6); return m.apic_base;
        case kBiosSignature: require(p6); return m.ucode_rev;
        case kMtrrCap: require(model.has(Feature::Mtrr)); return model.mtrr_cap;
        case kSysenterCs: require(model.has(Feature::Sep)); return m.sysenter_cs;
        case kSysenterEsp: require(model.has(Feature::Sep)); return m.sysenter_esp;
        case kSysenterEip: require(model.has(Feature::Sep)); return m.sysenter_eip;
        case kMcgCap: require(model.has(Feature::Mca)); return 0;
        case kMcgStatus: require(model.has(Feature::Mca)); return m.mcg_status;
        case kMiscEnable: require(model.family() == 15); return m.misc_enable;
        case kPatMsr: require(model.has(Feature::Pat)); return m.pat;
        case kMtrrDefType: require(model.has(Feature::Mtrr)); return m.mtrr_def_type;
        case kEfer: require(model.has(Feature::Nx)); return m.efer;
        default: break;
    }
    if (index >= kLastBranchFirst && index <= kLastBranchLast && model.family() == 6) return 0;
    require(model.has(Feature::Mtrr));
    if (variable_mtrr(index)) return m.mtrr_var[index - kMtrrVarFirst];
    const int fixed = fixed_mtrr(index);
    if (fixed < 0) unknown();
    return m.mtrr_fix[static_cast<unsigned>(fixed)];
}

void write_msr(Cpu& cpu, u32 index, u64 value) {
    Msrs& m = cpu.s.msr;
    const CpuModel& model = cpu.model;
    const bool p6 = p6_or_later(model);
    switch (index) {
        case kP5McAddr: case kP5McType: require(model.has(Feature::Mce)); return;
        case kTscMsr:
            require(model.has(Feature::Tsc));
            // SDM volume 3, 17.17: before family 15, model 3 only the low half can be written, and the high half becomes 0.
            if (model.family() < 15) value &= 0xffffffff;
            m.tsc_offset = value - cpu.time().v;
            return;
        case kPowerOn: case kBiosUpdateTrigger: case kDebugCtl: require(p6); return;
        case kPowerOnSoft: require(model.family() == 15); return;
        case kP6Counter0: case kP6Counter1: case kP6EventSelect0: case kP6EventSelect1: case kBblCrCtl3:
            require(model.family() == 6);
            return;
        case kApicBase: require(p6); write_apic_base(cpu, value); return;
        case kBiosSignature: require(p6); m.ucode_rev = value; return;
        case kSysenterCs: require(model.has(Feature::Sep)); m.sysenter_cs = static_cast<u32>(value); return;
        case kSysenterEsp: require(model.has(Feature::Sep)); m.sysenter_esp = static_cast<u32>(value); return;
        case kSysenterEip: require(model.has(Feature::Sep)); m.sysenter_eip = static_cast<u32>(value); return;
        case kMcgStatus: require(model.has(Feature::Mca)); allow_only(value, 7); m.mcg_status = value; return;
        case kMiscEnable: require(model.family() == 15); m.misc_enable = value; return;
        case kPatMsr: require(model.has(Feature::Pat)); check_types(value, true); m.pat = value; return;
        case kMtrrDefType:
            require(model.has(Feature::Mtrr));
            allow_only(value, 0xcff);
            check_types(value & 0xff, false);
            m.mtrr_def_type = value;
            return;
        case kEfer:
            require(model.has(Feature::Nx));
            allow_only(value, kEferNx);
            m.efer = value;
            cpu.paging_changed();
            return;
        default: break;
    }
    require(model.has(Feature::Mtrr));
    if (variable_mtrr(index)) return write_variable_mtrr(cpu, index, value);
    const int fixed = fixed_mtrr(index);
    if (fixed < 0) unknown();
    check_types(value, false);
    m.mtrr_fix[static_cast<unsigned>(fixed)] = value;
}

namespace {

void to_edx_eax(Cpu& cpu, u64 value) {
    cpu.s.gpr[kEax] = static_cast<u32>(value);
    cpu.s.gpr[kEdx] = static_cast<u32>(value >> 32);
}

}  // namespace

void exec_rdmsr(Cpu& cpu, const Insn& insn) {
    if (!available(cpu.model, insn)) raise(kUd);
    if (cpu.cpl() != 0) raise(kGp, 0);
    to_edx_eax(cpu, read_msr(cpu, cpu.s.gpr[kEcx]));
}

void exec_wrmsr(Cpu& cpu, const Insn& insn) {
    if (!available(cpu.model, insn)) raise(kUd);
    if (cpu.cpl() != 0) raise(kGp, 0);
    write_msr(cpu, cpu.s.gpr[kEcx], cpu.s.gpr[kEax] | u64{cpu.s.gpr[kEdx]} << 32);
    cpu.end_block();
}

void exec_rdtsc(Cpu& cpu, const Insn& insn) {
    if (!available(cpu.model, insn)) raise(kUd);
    if ((cpu.s.cr4 & kCr4Tsd) != 0 && cpu.cpl() != 0) raise(kGp, 0);
    to_edx_eax(cpu, read_tsc(cpu));
}

// The counters exist and stand still. SDM volume 2, RDPMC: 2 of them up to the Pentium III, 18 in the Pentium 4.
void exec_rdpmc(Cpu& cpu, const Insn& insn) {
    if (!available(cpu.model, insn)) raise(kUd);
    if ((cpu.s.cr4 & kCr4Pce) == 0 && cpu.cpl() != 0) raise(kGp, 0);
    const u32 counters = cpu.model.family() == 15 ? 18 : 2;
    const u32 index = cpu.model.family() == 15 ? cpu.s.gpr[kEcx] & 0x7fffffff : cpu.s.gpr[kEcx];
    if (index >= counters) raise(kGp, 0);
    to_edx_eax(cpu, 0);
}

}  // namespace vmm::tcg
