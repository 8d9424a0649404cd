// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/exec_table.h"

#include <array>

#include "vmm/check.h"

namespace vmm::tcg {
namespace {

constexpr auto kOps = static_cast<std::size_t>(Op::Count);

std::array<ExecFn, kOps> join() {
    std::array<ExecFn, kOps> table{};
    // A new exec_*.cc adds its list here.
    const std::span<const ExecEntry> lists[] = {
        alu_exec_entries(), shift_exec_entries(), muldiv_exec_entries(), move_exec_entries(), string_exec_entries(),
        branch_exec_entries(),
        system_exec_entries(),
        x87_arith_exec_entries(), x87_move_exec_entries(), x87_control_exec_entries(),
        mmx_exec_entries(), sse_arith_exec_entries(), sse_move_exec_entries(), sse_convert_exec_entries(),
    };
    for (const auto list : lists) {
        for (const ExecEntry& entry : list) {
            ExecFn& cell = table[static_cast<std::size_t>(entry.op)];
            CHECK(cell == nullptr, "two helpers for one instruction");
            cell = entry.fn;
        }
    }
    return table;
}

}  // namespace

ExecFn exec_for(Op op) {
    static const auto table = join();
    return table[static_cast<std::size_t>(op)];
}

}  // namespace vmm::tcg
