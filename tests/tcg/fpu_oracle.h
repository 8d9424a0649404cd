// SPDX-License-Identifier: Apache-2.0
// Runs one x87, MMX or SSE instruction twice from the same state: by its helper on a Cpu, and natively in this process on
// the host's processor, whose result is the expected one. Native exceptions (#MF, #XM) arrive as SIGFPE.
#pragma once

#include <array>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "vmm/tcg/cpu.h"
#include "vmm/tcg/fpu_state.h"

namespace vmm::tcg::test {

// What an instruction of these groups can read or change.
struct FpuCase {
    X87 x87;
    u32 mxcsr = 0x1f80;
    std::array<Xmm, 8> xmm{};
    u32 ecx = 0, edx = 0;
    u16 ax = 0;                              // after FNSTSW AX
    u32 eflags = 2;                          // arithmetic flags
    std::array<u8, 512> memory{};            // at [eAX] and [eDI], 16-byte aligned
    u8 fault = 0;                            // vector, afterwards; 0: none

    std::string describe() const;
};

class FpuOracle {
  public:
    FpuOracle();
    ~FpuOracle();

    // The instruction that both run from now on. False: not one instruction.
    bool set_instruction(std::span<const u8> bytes);
    const Insn& insn() const { return insn_; }
    const std::string& text() const { return text_; }    // mnemonic and bytes

    FpuCase native(const FpuCase& in);
    FpuCase emulated(const FpuCase& in);
    Cpu& cpu();

    static constexpr u32 kAddress = 0x1000;  // of `memory` in the guest

  private:
    struct Guest;
    struct Native;
    Insn insn_;
    std::string text_;
    std::unique_ptr<Guest> guest_;
    std::unique_ptr<Native> native_;
};

// --- operand values -----------------------------------------------------------------------------------------

using Random = std::mt19937_64;
F80 random_f80(Random& random);              // every class, unsupported formats too, exponents near each other
u64 random_f64(Random& random);
u32 random_f32(Random& random);
Xmm random_floats(Random& random);           // singles, doubles or anything
X87 random_x87(Random& random);              // consistent ES; mostly full, sometimes with empty registers

}  // namespace vmm::tcg::test
