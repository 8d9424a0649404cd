// SPDX-License-Identifier: Apache-2.0
// RESET# and INIT#. See reset.h.
#include "vmm/tcg/reset.h"

#include "vmm/tcg/cpu_model.h"

namespace vmm::tcg {

void cpu_reset(Cpu& cpu, bool init_only) {
    const CpuState old = cpu.s;
    cpu.s = CpuState{};
    CpuState& s = cpu.s;
    s.gpr[kEdx] = cpu.model.signature;
    if (init_only) {
        s.fpu = old.fpu;
        s.mxcsr = old.mxcsr;
        s.xmm = old.xmm;
        s.msr = old.msr;
        s.msr.efer = 0;
        s.cr0 = (old.cr0 & (kCr0Cd | kCr0Nw)) | kCr0Et;
    } else {
        s.msr.tsc_offset = u64{0} - cpu.time().v;
    }
    cpu.next_eip = s.eip;
    cpu.mode_changed();
    cpu.paging_changed();
    cpu.cr3_changed();
    if (!init_only && cpu.apic_base_changed) cpu.apic_base_changed(s.msr.apic_base);
}

}  // namespace vmm::tcg
