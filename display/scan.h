// SPDX-License-Identifier: Apache-2.0
// The CRT controller's counters: for each line of a frame, where in memory it begins and which line of a character row it is.
#pragma once

#include "display/screen.h"

namespace vmm::display {

class Scan {
  public:
    struct Line {
        u32 address;                       // of its first character, as the counter has it
        u32 row_scan;                      // line within the row
        u32 panning;                       // dots that are shifted out to the left
    };

    explicit Scan(const Screen& screen);
    Line next();                           // from the top
    const Screen& screen() const { return s_; }

    // The counter's value as it reaches memory: byte, word or doubleword addressing, row scan bits.
    u32 memory_address(u32 counter, u32 row_scan) const;
    u32 word(u32 address) const;           // the four planes there
    bool cursor_enabled() const { return (s_.regs.crtc[0x0a] & 0x20) == 0; }

  private:
    u32 panning() const;

    const Screen& s_;
    u32 line_ = 0;
    u32 address_;
    u32 row_scan_;
    u32 panning_;
    bool repeated_ = false;
};

}  // namespace vmm::display
