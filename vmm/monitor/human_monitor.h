// SPDX-License-Identifier: Apache-2.0
// HumanMonitor: a person at a character line: a prompt, a line with editing, history and completion, and what the command of
// that line prints. Keys as in GNU readline's emacs mode, as far as they are here: arrows, Home, End, Ctrl-A/E/K/U/W/C,
// Backspace, Tab. Bytes come on the I/O thread; commands run on the machine thread.
#pragma once

#include <string>
#include <vector>

#include "vmm/monitor/command.h"
#include "vmm/monitor/line_output.h"

namespace vmm::monitor {

class HumanMonitor final : public CharInput {
  public:
    HumanMonitor(CharLine& line, Control& control, const CommandTable& table);
    ~HumanMonitor() override;                  // when the machine's loop is over
    HumanMonitor(const HumanMonitor&) = delete;
    HumanMonitor& operator=(const HumanMonitor&) = delete;

    // CharInput
    std::size_t room() override { return 4096; }
    void bytes(std::string_view data) override;
    void peer(bool there) override;
    void focus(bool here) override;

  private:
    static constexpr std::size_t kLongest = 4096, kRemembered = 100;
    void key(char c);
    void escape(char c);
    void enter();
    void recall(int by);
    void complete();
    void redraw();
    void prompt();
    void greet();

    CharLine& line_;
    Control& control_;
    const CommandTable& table_;
    LineOutput output_;
    std::string text_;
    std::size_t cursor_ = 0;
    std::vector<std::string> history_;
    std::size_t recalled_ = 0;                 // index into history_; its size: the line that is being typed
    std::string typed_;
    std::string escape_;                       // an escape sequence under way
    bool after_return_ = false, greeted_ = false;
};

}  // namespace vmm::monitor
