// SPDX-License-Identifier: Apache-2.0
// Commands of the human monitor, and of gdb's `monitor`: one table, whoever asks. A line of text goes in, text comes out as it
// arises. Everything here runs on the machine thread (a task of Control's); a front end posts the line and carries the text.
// Done: words, quotes, help, abbreviated `info`, suggestions. Who adds commands: debug_commands.h and the machine's own.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/control.h"
#include "vmm/result.h"

namespace vmm::monitor {

// Where a command runs. Copies are cheap and may be kept by a command that ends later.
struct Context {
    Control& control;
    std::function<void(std::string_view)> print;     // any number of times until finished()
    std::function<void()> finished;                  // once, last; called by CommandTable::run() but for Outcome::Later
};

enum class Outcome : u8 {
    Done,
    Later,             // the command goes on with the machine (a move), and calls finished() itself, on the machine thread
};

using Args = std::span<const std::string>;

struct Command {
    std::string name;                                // of one or more words: "x", "info registers"; other spellings after '|': "quit|q"
    std::string args;                                // as the help shows them: "ADDRESS [LENGTH]"
    std::string help;                                // one line
    std::function<Result<Outcome>(const Context&, Args)> run;   // an Error is printed: "Error: ..."
};

class CommandTable {
  public:
    CommandTable();                                  // with `help`
    CommandTable(const CommandTable&) = delete;
    CommandTable& operator=(const CommandTable&) = delete;

    void add(Command command);                       // a name that is there already is our own mistake
    void run(std::string_view line, const Context& context) const;
    // The names that begin so, for a terminal's completion.
    std::vector<std::string> complete(std::string_view begun) const;
    // All commands, or those that begin with these words.
    std::string help(std::string_view about = {}) const;

  private:
    struct Entry {
        Command command;
        std::vector<std::vector<std::string>> spellings;   // as words
    };
    const Entry* find(const std::vector<std::string>& words, std::size_t& used) const;
    std::string unknown(const std::vector<std::string>& words) const;

    std::vector<Entry> entries_;
};

// Words at blanks; "..." and '...' hold one together; in "x/8xw" the second word begins at the slash.
std::vector<std::string> split_words(std::string_view line);
std::string join(Args words);

}  // namespace vmm::monitor
