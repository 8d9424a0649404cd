// SPDX-License-Identifier: Apache-2.0
// IRET in every mode: real, virtual-8086 (IOPL and VME rules), to the same ring, to an outer ring, to virtual-8086 mode,
// back to the previous task. Ends NMI blocking.
// Reference: SDM volume 2, IRET/IRETD; volume 3, 20.2.6 and 20.3.3 (virtual-8086), 7.4 (tasks).
#pragma once

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

void exec_iret(Cpu& cpu, const Insn& insn);

}  // namespace vmm::tcg
