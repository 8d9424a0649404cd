// SPDX-License-Identifier: Apache-2.0
// RawTerminal: the user's terminal in raw mode for as long as the object lives, and given back on every way out: the
// destructor, exit(), abort() and deadly signals that nobody else handles. After a stop (SIGCONT) it is made raw again.
//
// The one mutable static of the program is here, since terminal and signal handlers belong to the process, not to a machine.
#pragma once

#include <memory>

namespace vmm {

class RawTerminal {
  public:
    // nullptr if `fd` is no terminal. With `keep_signals` Ctrl-C and Ctrl-\ still end the program.
    static std::unique_ptr<RawTerminal> take(int fd, bool keep_signals);
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

  private:
    RawTerminal() = default;
};

}  // namespace vmm
