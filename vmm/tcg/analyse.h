// SPDX-License-Identifier: Apache-2.0
// Analyse: from guest bytes to the list of instructions of one block, with the liveness of the arithmetic flags.
#pragma once

#include <vector>

#include "vmm/tcg/block.h"

namespace vmm::tcg {

struct AnalysedInsn {
    Insn insn;
    u32 eip = 0;
    u16 live_before = 0;     // arithmetic flags that must be right when this instruction starts
    u16 live_after = 0;      // ... that somebody looks at after it
};

struct Analysis {
    std::vector<AnalysedInsn> insns;
    u32 bytes = 0;
    u32 next_eip = 0;        // behind the last instruction
};

// Decodes up to `max_insns` from `code`, which ends at the page's end. Empty when not even one instruction is whole and
// valid there.
Analysis analyse(std::span<const u8> code, u32 eip, u32 mode, unsigned max_insns, const CpuModel& model);

// Does generated code, not a helper, do this instruction (given the mode)? The emitter's list.
bool emits_inline(const Insn& insn, u32 mode);
bool emits_simd(const Insn& insn, u32 mode);   // the part of it in emit_simd.cc
bool emits_x87(const Insn& insn, u32 mode);    // ... in emit_x87.cc
// May generated code continue behind it within the block?
bool ends_block(const Insn& insn);

}  // namespace vmm::tcg
