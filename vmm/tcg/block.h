// SPDX-License-Identifier: Apache-2.0
// A translated block and the links between blocks.
#pragma once

#include <cstring>
#include <memory_resource>
#include <span>
#include <vector>

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

// What generated code was specialised for, beyond its bytes. Part of the block's key and of the jump cache's.
enum Mode : u32 {
    kMode32 = 1 << 0,        // CS.D
    kModeStack32 = 1 << 1,   // SS.B
    kModeUser = 1 << 2,      // CPL 3
    kModeSlow = 1 << 3,      // data breakpoints or alignment checks: every memory access through the helpers
    kModeCsFlat = 1 << 4,    // CS: base 0, limit 4 GiB
    kModeCs64k = 1 << 5,     // CS.limit is at least FFFF: no near jump of 16-bit code can leave it
    kModeSse = 1 << 6,       // SSE instructions neither #UD nor #NM: CR4.OSFXSR, not CR0.EM, not CR0.TS
    kModeRing0 = 1 << 7,     // CPL 0: rings 1 and 2 are neither this nor user
    kModeSseMasked = 1 << 21, // MXCSR masks every exception: none can be raised
    kModeX87 = 1 << 20,      // x87 instructions neither #NM nor #MF: not CR0.EM, not CR0.TS, all masked and none pending
    kModeFpu = kModeSse | kModeSseMasked | kModeX87,
    // Two bits for each data segment: any access allowed without a check (limit 4 GiB, writable), and base 0.
    kModeSegShift = 8,
    kModeSegOpen = 1, kModeSegZero = 2,
};

struct BlockKey {
    u32 store_page = 0;
    u32 eip = 0;
    u16 offset = 0;          // within the page
    u32 mode = 0;
    bool operator==(const BlockKey&) const = default;
};

struct Block;

// A direct jump out of a block. Unlinked, it leaves to the dispatcher with itself as the reason.
struct Link {
    u32 eip = 0;             // where it goes
    Block* from = nullptr;
    Block* to = nullptr;     // null: unlinked
    bool same_page = false;
    u8* jump = nullptr;      // the rel32 of the jump to patch
    u8* expect = nullptr;    // the imm32 of the check of the executable page (cross-page links)
    const u8* unlinked = nullptr;
};

// What a helper call out of generated code needs.
struct HelperCall {
    ExecFn fn = nullptr;
    Insn insn;
    u32 eip = 0;
    u32 pending = 0;         // steps of the block not yet done when this instruction starts, itself included
};

// The steps of the block behind `code`, which stand in front of it; more than any budget when it is dead.
inline i64 steps_of(const u8* code) {
    i64 steps;
    std::memcpy(&steps, code - sizeof steps, sizeof steps);
    return steps;
}

// In its CodeCache's arena, with all that it points to; never destroyed.
struct Block {
    explicit Block(std::pmr::memory_resource& arena) : incoming(&arena) {}

    BlockKey key;
    const u8* code = nullptr;
    const u8* dead_entry = nullptr;   // leaves for the dispatcher with eip at the block; a dead block begins by jumping here
    u32 steps = 0;
    u32 bytes = 0;
    u64 lines = 0;           // 64-byte lines of its page that hold its bytes
    std::span<const u8> source;       // its bytes, as they were translated
    bool valid = true;
    std::span<HelperCall> calls;      // one for each instruction
    std::array<Link, 2> links;
    std::pmr::vector<Link*> incoming;
};

}  // namespace vmm::tcg
