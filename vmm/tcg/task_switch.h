// SPDX-License-Identifier: Apache-2.0
// Hardware task switching between 16- and 32-bit task state segments.
//
// Done: JMP, CALL, IRET, task gates; busy bits, back link, NT, CR3 with PDPTEs, LDT, T bit, TS; virtual-8086 tasks; the
// inner stacks of the TSS for gates. Faults before the switch is committed belong to the old task; afterwards s.eip is the
// new task's and the fault belongs to the new task.
// Reference: SDM volume 3, chapter 7 (7.3 switching, table 7-1 checks, 7.2.1 and 7.6 the two formats).
#pragma once

#include <optional>

#include "vmm/tcg/descriptor.h"

namespace vmm::tcg {

enum class TaskSwitchBy : u8 { Jump, Call, Iret, Gate };  // Gate: an interrupt or exception

// Switches to the task of a TSS descriptor whose kind and privileges the caller has checked. `return_eip` goes into the
// old TSS, with `saved_flags` (RF of a fault) added to EFLAGS there; `error` is pushed on the new stack.
void switch_task(Cpu& cpu, u16 selector, Descriptor d, TaskSwitchBy by, u32 return_eip,
                 std::optional<u32> error = std::nullopt, u32 saved_flags = 0);

// The TSS that a task gate names, checked: in the GDT, available, present. Faults as by table 7-1.
Descriptor task_gate_target(Cpu& cpu, u16 selector);

// IRET with NT set: back to the task that the back link names.
void return_to_previous_task(Cpu& cpu);

// SS and ESP for an inner ring from the present TSS, with the checks of a gate. #TS, #SS(new SS).
struct InnerStack {
    Segment ss;
    u32 esp;
};
InnerStack inner_stack(Cpu& cpu, unsigned new_cpl);

}  // namespace vmm::tcg
