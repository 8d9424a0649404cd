// SPDX-License-Identifier: Apache-2.0
// A machine full of nonsense: random code in some mode, with descriptor tables, page tables and vectors that are right mostly.
// Everything is a function of the random numbers given, so a case can be set up in any machine, any number of times.
#pragma once

#include <string>
#include <vector>

#include "tests/tcg/random.h"
#include "vmm/machine.h"

namespace vmm::testing {

inline constexpr u64 kFuzzRam = 4 << 20;

// Random bytes and instructions of the table mixed, with what talks to devices, control registers and MSRs, and what rewrites code.
class FuzzCode {
  public:
    static constexpr u32 kSize = 512 << 10;
    FuzzCode(u64 seed, u64 stream);
    std::span<const u8> slice(u32 at, u32 size) const { return {&bytes_[at % (kSize - size)], size}; }

  private:
    std::vector<u8> bytes_;
};

// Memory: code, tables, data.
void fill_fuzz_memory(Machine& m, test::SplitMix r, const FuzzCode& code);
// The processor somewhere in there; what kind of place, in words.
std::string set_fuzz_processor(Machine& m, test::SplitMix r);
// A few accesses to one of the machine's devices; its name.
std::string touch_device(Machine& m, test::SplitMix r);

}  // namespace vmm::testing
