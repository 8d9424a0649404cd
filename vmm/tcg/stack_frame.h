// SPDX-License-Identifier: Apache-2.0
// PushFrame: the values that a far transfer or an event pushes as one. All are checked before one is written, and the
// stack may be one that is not loaded yet (the inner stack of a gate).
//
// Reference: SDM volume 3, 5.8.5 (stack switching), 6.12.1; volume 1, 6.2.
#pragma once

#include <array>

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

class PushFrame {
  public:
    // `size`: bytes of each value, 2 or 4. `ss`: may differ from the present SS.
    PushFrame(const Segment& ss, u32 esp, unsigned size) : ss_(ss), esp_(esp), size_(size) {}

    void add(u32 value) { values_[count_++] = value; }

    // Throws #SS(ss_error) where the stack ends, #PF or #AC as the writes would. `cpl`: of the code that will own it.
    void probe(Cpu& cpu, unsigned cpl, u32 ss_error) const;
    void write(Cpu& cpu, unsigned cpl) const;
    // ESP after all pushes; its upper half stays on a 16-bit stack.
    u32 esp() const;

  private:
    u32 offset(unsigned i) const;  // of value i

    static constexpr unsigned kMost = 40;  // 31 parameters of a call gate and four words; 10 of V86 with an error code
    Segment ss_;
    u32 esp_;
    unsigned size_;
    unsigned count_ = 0;
    std::array<u32, kMost> values_{};
};

// Reads `size` bytes at (E)SP + displacement with all the checks of a pop, changing nothing.
u32 peek_stack(Cpu& cpu, u32 displacement, unsigned size);

// Where ESP stands after releasing `bytes` of a stack of this width.
u32 released(const Segment& ss, u32 esp, u32 bytes);

}  // namespace vmm::tcg
