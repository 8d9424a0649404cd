// SPDX-License-Identifier: Apache-2.0
// Sequences: a random case of one form, in the middle of neighbours that make flags and use them, touch memory, and jump over
// each other. They end in INT3. Which flags the manual leaves undefined is followed through the sequence, so that the host can
// be asked about the rest.
#pragma once

#include <vector>

#include "tests/tcg/case_generator.h"

namespace vmm::test {

struct Sequence {
    struct Part {
        tcg::Insn insn;
        u32 at = 0;              // in the code
        u32 undefined = 0;       // flags that are undefined before it
    };
    std::vector<Part> parts;
    u32 undefined = 0;           // ... and at the end
    bool host_knows = true;      // nothing undefined went into a result
    std::size_t subject = 0;     // the part that is the form's case

    // The part at this EIP, or null.
    const Part* part_at(const NativeCase& c, u32 eip) const;
};

// Sequence around form `index`. False: try again.
bool make_sequence(CaseGenerator& generate, unsigned index, Segments segments, NativeCase& out, Sequence& sequence);

}  // namespace vmm::test
