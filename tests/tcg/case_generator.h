// SPDX-License-Identifier: Apache-2.0
// Random cases for one form of the instruction table: prefixes, ModRM, registers with corner values, memory operands that
// land where something is to be learnt (page borders, read-only and absent pages, segment limits), EFLAGS, and x87 and SSE
// state with all kinds of numbers.
#pragma once

#include <random>

#include "tests/tcg/native_protocol.h"
#include "vmm/tcg/insn_table.h"

namespace vmm::test {

enum class Segments { Flat, Mixed };

class CaseGenerator {
  public:
    explicit CaseGenerator(u32 seed) : random_(seed) {}

    // Contents of test memory, the same for all cases of a run.
    void fill_memory(std::span<u8> data, std::span<u8> read_only);
    // A case of form `index` (all_forms()) in `out`, decoded in `insn`. False: try again.
    bool make(unsigned index, Segments segments, NativeCase& out, tcg::Insn& insn);
    u32 operator()() { return static_cast<u32>(random_()); }
    bool one_in(u32 n) { return random_() % n == 0; }
    u32 below(u32 n) { return static_cast<u32>(random_()) % n; }
    u32 value();
    // An offset in `segment` whose linear address is worth trying.
    u32 target(const Segment& segment);

  private:
    void choose_segments(Segments segments, NativeState& s);
    void emit(unsigned index, bool code32, NativeCase& c);
    void place_operand(const tcg::Insn& insn, NativeCase& c);
    void choose_implied(const tcg::Insn& insn, NativeCase& c);
    void choose_immediate(const tcg::Insn& insn, NativeCase& c);
    void choose_float(const tcg::Form& form, NativeCase& c);
    u64 float_bits(unsigned exponent_bits, unsigned fraction_bits);

    std::mt19937 random_;
    std::vector<u8> memory_;          // data, then read-only
    u8 displacement_at_ = 0;          // within the bytes; 0: none
};

}  // namespace vmm::test
