// SPDX-License-Identifier: Apache-2.0
// The exceptions of SSE arithmetic: flags into MXCSR, and #XM. Reference: Intel SDM volume 1, 11.5; volume 3, 13.1.4.
#pragma once

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

// MXCSR: flags, DAZ, masks (flags shifted by 7), rounding control, FTZ.
inline constexpr u32 kSseIe = 0x01, kSseDe = 0x02, kSseZe = 0x04, kSseOe = 0x08, kSseUe = 0x10, kSsePe = 0x20;
inline constexpr u32 kSsePreExceptions = kSseIe | kSseDe | kSseZe, kSseDaz = 0x40, kSseFtz = 0x8000;
inline constexpr unsigned kSseMaskShift = 7, kSseRoundShift = 13;

// Takes over the flags of a computation that ran under the guest's MXCSR with all exceptions masked. If one of them is
// unmasked: #XM, or #UD without CR4.OSXMMEXCPT. Call before any register changes.
void sse_commit(Cpu& cpu, u32 flags);

// The same for instructions that can overflow or underflow. With those exceptions unmasked their flags, and that of
// precision, are found by another rule (volume 1, 4.9.1.4-4.9.1.6) than the masked computation follows, so they are found
// again, element by element. `d` and `s` are the operands.
void sse_commit_arithmetic(Cpu& cpu, const Insn& insn, const Xmm& d, const Xmm& s, u32 flags);

}  // namespace vmm::tcg
