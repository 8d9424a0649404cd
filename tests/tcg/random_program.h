// SPDX-License-Identifier: Apache-2.0
// Random programs for engines to agree about: straight lines of integer, and sometimes vector, instructions with forward jumps, bounded loops, calls,
// memory operands around page borders, a read-only and an absent page, code that writes to itself or to its page table, and now
// and then a look at the time, the flags, or a segment register. Programs survive their faults: they lie in chunks of 32 bytes, and every fault
// handler goes on with the next chunk. They end in HLT, or run until somebody stops them.
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

#include "vmm/cpu_state.h"
#include "vmm/memory.h"

namespace vmm::test {

enum class Setting : u8 {
    Ring0Flat, Ring3Flat,
    Based32,        // 32-bit code; bases, an exact code limit, data segments open but not at 0
    Real16Like,     // 16-bit code and stack, 64 KiB segments with bases
    Code16Flat,     // 16-bit code, data and stack flat
    Limited,        // flat code, data segments with limits
    Count
};

// Where things are (linear and physical alike).
inline constexpr u32 kProgramRam = 0x400000, kPageDirectory = 0x1000, kPageTable = 0x2000, kTables = 0x3000, kIdtAt = 0x4000,
                     kHandlersAt = 0x6000, kCounter = 0x8000, kKernelStack = 0xb000, kOtherDirectory = 0xc000, kOtherTable = 0xd000,
                     kProgramCode = 0x100000, kProgramCodePages = 3, kWindow = 0x200000, kWindowPages = 6, kPageTableAlias = kWindow + kWindowPages * kPageSize,
                     kProgramStack = 0x300000, kProgramStackPages = 2;

struct RandomProgram {
    Setting setting{};
    std::vector<u8> code;
    u32 code_at = 0;                     // linear
    std::vector<u8> window;
    CpuState initial;
    std::vector<u64> interrupts;         // when the interrupt line is raised, ascending
    std::vector<std::string> listing;

    // Memory as it is before the first step.
    void load(Memory& memory) const;
};

RandomProgram make_program(u32 seed);

}  // namespace vmm::test
