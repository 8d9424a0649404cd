// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/sse_exceptions.h"

namespace vmm::tcg {

void sse_commit(Cpu& cpu, u32 flags) {
    const u32 unmasked = ~(cpu.s.mxcsr >> kSseMaskShift) & flags;
    if (unmasked == 0) {
        cpu.s.mxcsr |= flags;
        return;
    }
    // An exception found before computing stops the computation: no others arise.
    if ((unmasked & kSsePreExceptions) != 0) flags &= kSsePreExceptions;
    cpu.s.mxcsr |= flags;
    raise((cpu.s.cr4 & kCr4Osxmmexcpt) != 0 ? kXm : kUd);
}

void sse_commit_arithmetic(Cpu& cpu, const Insn&, const Xmm&, const Xmm&, u32 flags) { sse_commit(cpu, flags); }

}  // namespace vmm::tcg
