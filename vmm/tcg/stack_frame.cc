// SPDX-License-Identifier: Apache-2.0
// Checked pushes of several values at once. See stack_frame.h.
#include "vmm/tcg/stack_frame.h"

#include "vmm/tcg/descriptor.h"

namespace vmm::tcg {

u32 PushFrame::offset(unsigned i) const {
    const u32 at = esp_ - (i + 1) * size_;
    return ss_.big() ? at : at & 0xffff;
}

void PushFrame::probe(Cpu& cpu, unsigned cpl, u32 ss_error) const {
    const bool supervisor = cpl != 3;
    const bool aligned = cpl == 3 && (cpu.s.cr0 & kCr0Am) != 0 && (cpu.s.eflags & kAc) != 0;
    for (unsigned i = 0; i < count_; ++i) {
        const u32 at = offset(i);
        if (!within_limit(ss_, at, size_)) raise(kSsFault, ss_error);
        const u32 address = ss_.base + at;
        if (aligned && address % size_ != 0) raise(kAcFault, 0);
        cpu.probe_linear(address, size_, Access::Write, supervisor);
    }
}

void PushFrame::write(Cpu& cpu, unsigned cpl) const {
    for (unsigned i = 0; i < count_; ++i) cpu.write_linear(ss_.base + offset(i), size_, values_[i], cpl != 3);
}

u32 PushFrame::esp() const {
    const u32 at = esp_ - count_ * size_;
    return ss_.big() ? at : (esp_ & 0xffff0000) | (at & 0xffff);
}

u32 peek_stack(Cpu& cpu, u32 displacement, unsigned size) {
    const u32 at = cpu.s.gpr[kEsp] + displacement;
    return cpu.read(kSs, cpu.stack32() ? at : at & 0xffff, size);
}

u32 released(const Segment& ss, u32 esp, u32 bytes) {
    const u32 at = esp + bytes;
    return ss.big() ? at : (esp & 0xffff0000) | (at & 0xffff);
}

}  // namespace vmm::tcg
