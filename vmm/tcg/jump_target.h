// SPDX-License-Identifier: Apache-2.0
// A place in generated code that near jumps go to, known already or later. The jumps that wait for it are chained through their own
// displacements, so it costs nothing but two pointers: blocks have many of them, and most are forgotten a microsecond later.
#pragma once

#include <cstring>

#include "vmm/types.h"

namespace vmm::tcg {

// By the number that Jcc has in its opcode (SDM volume 2, appendix B.1.4.7).
enum class If : u8 { O, NO, B, AE, E, NE, BE, A, S, NS, P, NP, L, GE, LE, G };

class JumpTarget {
  public:
    // `end`: of a jump, whose last four bytes are its displacement.
    void aim(u8* end) {
        if (at_ != nullptr) return set(end, static_cast<i32>(at_ - end));
        set(end, waiting_ != nullptr ? static_cast<i32>(end - waiting_) : 0);
        waiting_ = end;
    }
    void bind(u8* at) {
        at_ = at;
        while (waiting_ != nullptr) {
            u8* const end = waiting_;
            i32 before = 0;
            std::memcpy(&before, end - 4, 4);
            waiting_ = before != 0 ? end - before : nullptr;
            set(end, static_cast<i32>(at - end));
        }
    }

  private:
    static void set(u8* end, i32 displacement) { std::memcpy(end - 4, &displacement, 4); }

    u8* at_ = nullptr;
    u8* waiting_ = nullptr;    // the end of the last jump that waits
};

}  // namespace vmm::tcg
