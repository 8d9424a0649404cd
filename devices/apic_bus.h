// SPDX-License-Identifier: Apache-2.0
// What travels on the APIC bus of a machine with one processor: interrupt messages one way, end-of-interrupt the other.
// Document: Intel SDM volume 3, "Advanced Programmable Interrupt Controller", sections on delivery mode and message format.
#pragma once

#include "vmm/types.h"

namespace vmm {

enum class ApicMode : u8 { Fixed = 0, LowestPriority = 1, Smi = 2, Nmi = 4, Init = 5, StartUp = 6, ExtInt = 7 };

struct ApicMessage {
    u8 destination = 0;
    bool logical = false;
    ApicMode mode = ApicMode::Fixed;
    u8 vector = 0;
    bool level = false;        // level-triggered: its end is reported back
};

}  // namespace vmm
