// SPDX-License-Identifier: Apache-2.0
// HumanSession: a person, or a script, at the human monitor: a prompt, lines, and what their commands print. With somebody to
// type at it there is line editing; in a pipe plain lines go in and plain text comes out.
//
// One command at a time; what is typed meanwhile waits, but for Ctrl-C, which pauses the machine and ends a long move.
#pragma once

#include "vmm/monitor/client.h"
#include "vmm/monitor/line_editor.h"

namespace vmm::monitor {

class HumanSession final : public Client {
  public:
    HumanSession(const Host& host, Wire wire);

    void begin() override;
    void again() override;
    bool wants() const override { return held_.size() < kHeld; }
    void bytes(std::string_view data) override;

  private:
    static constexpr std::size_t kHeld = 4096, kLongest = 4095;
    static constexpr std::size_t kMostPrinted = std::size_t{4} << 20;   // by one command

    void work();
    std::optional<std::string> plain(char c);
    void run(const std::string& line);
    void print(const std::string& text);
    void prompt();

    const Host& host_;
    const Wire wire_;
    LineEditor editor_;
    std::string held_, line_;
    bool busy_ = false;
    Attendance attendance_;
};

}  // namespace vmm::monitor
