// SPDX-License-Identifier: Apache-2.0
// Which helper executes which Op: each exec_*.cc offers its own list, exec_table.cc joins them for exec_for().
#pragma once

#include <span>

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

struct ExecEntry {
    Op op;
    ExecFn fn;
};

// integer instructions of user programs
std::span<const ExecEntry> alu_exec_entries();
std::span<const ExecEntry> shift_exec_entries();
std::span<const ExecEntry> muldiv_exec_entries();
std::span<const ExecEntry> move_exec_entries();
std::span<const ExecEntry> string_exec_entries();
std::span<const ExecEntry> branch_exec_entries();
// segments, far transfers, events, control registers, input and output
std::span<const ExecEntry> system_exec_entries();
// x87
std::span<const ExecEntry> x87_arith_exec_entries();
std::span<const ExecEntry> x87_move_exec_entries();
std::span<const ExecEntry> x87_control_exec_entries();
// MMX and SSE
std::span<const ExecEntry> mmx_exec_entries();
std::span<const ExecEntry> sse_arith_exec_entries();
std::span<const ExecEntry> sse_move_exec_entries();
std::span<const ExecEntry> sse_convert_exec_entries();

}  // namespace vmm::tcg
