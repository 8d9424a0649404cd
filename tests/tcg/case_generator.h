// SPDX-License-Identifier: Apache-2.0
// Random cases for one form of the instruction table: prefixes, ModRM, registers with corner values, memory operands that
// land where something is to be learnt (page borders, read-only and absent pages, segment limits), EFLAGS, x87 and SSE
// state and operands with all kinds of numbers, selectors and stack frames for what loads segments (case_system.cc).
#pragma once

#include "tests/tcg/native_protocol.h"
#include "tests/tcg/random.h"
#include "vmm/tcg/insn_table.h"

namespace vmm::test {

enum class Segments { Flat, Mixed };

class CaseGenerator {
  public:
    explicit CaseGenerator(u64 seed) : random_(seed) {}
    // From here on the numbers of this stream.
    void restart(u64 seed, u64 stream) { random_ = SplitMix(seed, stream); }

    // Contents of test memory, the same for all cases of a run.
    void fill_memory(std::span<u8> data, std::span<u8> read_only);
    // A case of form `index` (all_forms()) in `out`, decoded in `insn`. False: try again.
    bool make(unsigned index, Segments segments, NativeCase& out, tcg::Insn& insn);
    // Just the bytes of an instruction of that form, at most 15; their number, 0: try again.
    unsigned instruction(unsigned index, bool code32, u8* out);
    u32 operator()() { return random_(); }
    bool one_in(u32 n) { return random_() % n == 0; }
    u32 below(u32 n) { return random_() % n; }
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
    void choose_float_operand(const tcg::Insn& insn, NativeCase& c);
    void make_f80(u8* out);
    u64 float_bits(unsigned exponent_bits, unsigned fraction_bits);
    // Bytes of data memory for this case. False where they do not lie in the writable pages.
    bool patch(NativeCase& c, u32 linear, std::span<const u8> bytes);
    u32 operand_at(const tcg::Insn& insn, const NativeCase& c) const;     // linear address
    // case_system.cc. False: this must not run on the host.
    bool choose_system(const tcg::Insn& insn, NativeCase& c);
    u16 selector(bool code);
    u32 code_offset(const NativeCase& c, u16 code);

    SplitMix random_;
    std::vector<u8> memory_;          // data, then read-only
    u8 displacement_at_ = 0;          // within the bytes; 0: none
};

}  // namespace vmm::test
