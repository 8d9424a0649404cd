// SPDX-License-Identifier: Apache-2.0
// What a run of cases has covered of the instruction table: for every form whether it was seen with a register and with a
// memory operand, with both operand and address sizes, with the prefixes it may have, across a page border, completed, and
// with a fault; and the forms without cases, each with its reason.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "tests/tcg/native_protocol.h"
#include "vmm/tcg/decode.h"

namespace vmm::test {

class OracleCoverage {
  public:
    OracleCoverage();
    void note(const tcg::Insn& insn, const NativeCase& c, const NativeResult& native);
    void print(std::ostream& out) const;
    // Forms that should have been seen some way and were not, in words.
    std::vector<std::string> missing() const;
    u64 cases() const { return cases_; }

  private:
    enum Aspect : u16 {
        kRegister = 1, kMemory = 2, kOperand16 = 4, kOperand32 = 8, kAddress16 = 16, kAddress32 = 32, kOverride = 64,
        kRepeated = 128, kLocked = 256, kPageBorder = 512, kCompleted = 1024, kFaulted = 2048,
    };
    static u16 applicable(unsigned form);
    std::vector<u16> seen_;
    u64 cases_ = 0, faults_[32] = {};
};

}  // namespace vmm::test
