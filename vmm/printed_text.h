// SPDX-License-Identifier: Apache-2.0
// PrintedText: what the guest has printed on its serial ports and the debug console, with the position at which each character
// came out, so that one can go to where a text was printed. Filled as the run passes by for the first time; nothing of it is state
// of the machine. Keeps the first kMost characters of each line. Machine thread only. Document: docs/debugging.md, "Monitor commands".
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/types.h"

namespace vmm {

class PrintedText {
  public:
    static constexpr std::size_t kMost = 4u << 20;           // characters of a line
    static constexpr unsigned kLines = 5, kDebugConsole = 4; // four serial ports before it

    // Came out at `at`; positions of a line never go back.
    void add(unsigned line, Icount at, std::span<const u8> bytes);
    // The position of the last character of `text`: the first after `from`, the last before `from`. Carriage returns do not count.
    std::optional<Icount> next(std::string_view text, Icount from) const;
    std::optional<Icount> last(std::string_view text, Icount from) const;
    bool full() const;                                       // of some line the rest is not known

  private:
    struct Line {
        std::string text;
        std::vector<Icount> at;
    };
    std::array<Line, kLines> lines_;
};

}  // namespace vmm
