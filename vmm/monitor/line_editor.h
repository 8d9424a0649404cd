// SPDX-License-Identifier: Apache-2.0
// LineEditor: a line that somebody types at a terminal: editing, history, completion. Keys as in GNU readline's emacs mode, as
// far as they are here: arrows, Home, End, Delete, Backspace, Ctrl-A/B/E/F/K/N/P/U/W, Tab. Bytes in, bytes out; no terminal
// is asked for anything. Missing: a line longer than the terminal is wide is drawn wrongly while it is edited; UTF-8.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmm::monitor {

class LineEditor {
  public:
    using Complete = std::function<std::vector<std::string>(std::string_view begun)>;
    LineEditor(std::string prompt, std::function<void(std::string)> out, Complete complete);

    void prompt();                                       // a new line begins
    void redraw();
    std::optional<std::string> key(char c);              // a line, when it is whole
    void clear();

  private:
    static constexpr std::size_t kLongest = 4095, kRemembered = 100;
    void escape(char c);
    std::string enter();
    void recall(int by);
    void tab();

    const std::string prompt_;
    const std::function<void(std::string)> out_;
    const Complete complete_;
    std::string text_;
    std::size_t cursor_ = 0;
    std::vector<std::string> history_;
    std::size_t recalled_ = 0;                           // index into history_; its size: the line that is being typed
    std::string typed_;
    std::string escape_;                                 // an escape sequence under way
    bool after_return_ = false;
};

}  // namespace vmm::monitor
