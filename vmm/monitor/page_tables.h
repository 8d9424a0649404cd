// SPDX-License-Identifier: Apache-2.0
// What the guest's page tables say, read as a debugger does: no A bit, no fault, no device. Not what is cached.
// Reference: Intel SDM volume 3, 4.3 and 4.4 (32-bit and PAE paging).
#pragma once

#include <functional>

#include "vmm/machine.h"

namespace vmm::monitor {

struct PageMapping {
    u32 linear = 0;
    u32 bytes = 0;                               // 4 KiB, 2 MiB, 4 MiB
    u64 physical = 0;
    // Of all levels together: user and writable where every level allows it, no_execute where one forbids it.
    bool user = false, writable = false, no_execute = false;
    // Of the last entry.
    bool accessed = false, dirty = false, global = false, uncached = false, write_through = false;
};

// Each page that is mapped, upwards from `first`, until `use` returns false. False: there is no paging now.
bool for_each_mapping(Machine& machine, u32 first, const std::function<bool(const PageMapping&)>& use);

}  // namespace vmm::monitor
