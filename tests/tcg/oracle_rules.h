// SPDX-License-Identifier: Apache-2.0
// What a comparison with the host processor may not ask: rows that the host cannot run, results that the manual leaves
// undefined (with the value we document), and where processors differ and we have decided, each with its reason.
#pragma once

#include <string>

#include "tests/tcg/native_protocol.h"
#include "vmm/tcg/decode.h"

namespace vmm::test {

// Why no case of this form runs on the host; null: they do.
const char* not_on_host(tcg::Op op);
// Why only faults and side effects are compared, not results; null: all is.
const char* results_not_compared(tcg::Op op);

// Flags that the manual leaves undefined for this case, and the value we document for each.
struct Undefined {
    u32 flags = 0;
    u32 documented = 0;
    bool result = false;   // the destination is undefined as well
};
Undefined undefined_of(const tcg::Insn& insn, const NativeCase& c);

// The offset of the memory operand, from the registers before the instruction.
u32 operand_offset(const tcg::MemOperand& m, const NativeState& s);

// Linear addresses where the runner itself lives, or the kernel puts things.
bool runner_lives_at(u32 address);
// With ESP there the host's kernel takes itself to be in a signal handler already.
bool on_signal_stack(u32 esp);

// What is not compared, because processors differ and we have decided: each with its reason.
struct Tolerance {
    bool all = false, x87 = false, xmm = false, eflags = false;
    u16 x87_codes = 0;
    u32 ignored_bits = 0;  // of general registers
};

Tolerance tolerance(const tcg::Insn& insn, const NativeResult& ours, const NativeResult& native);

// What differs between two results of a case, or nothing.
std::string difference(const tcg::Insn& insn, const NativeCase& c, const NativeResult& ours, const NativeResult& native);

std::string show(const NativeState& s);
std::string show(const NativeFloat& fp);
std::string show(const NativeResult& r, bool with_float);

}  // namespace vmm::test
