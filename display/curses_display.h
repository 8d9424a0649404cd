// SPDX-License-Identifier: Apache-2.0
// The text screen on the user's terminal (-display curses), and the terminal's keys as the guest's.
//
// Done: colours, bright and blinking characters, code page 437, the cursor, terminals of any size (the part with the cursor
// shows), Alt by Escape, function and cursor keys, resizing. Ctrl-A leads the keys of the display's own. Missing: what a terminal does
// not tell (keys going up, Shift with function keys, Pause), graphics (their size is told instead), the mouse.
// Everything here runs on the I/O thread: the screen is a copy (screen_feed.h), keys go through the Inbox and are held in guest time.
#pragma once

#include <functional>
#include <memory>

#include "display/screen_feed.h"
#include "vmm/inbox.h"
#include "vmm/result.h"

namespace vmm::display {

class CursesDisplay {
  public:
    struct Wires {
        IoThread& io;
        ScreenFeed& feed;
        std::function<void(Input)> type;     // empty: keys do not reach the guest (a replay)
        std::function<void()> quit;
    };
    // Takes the terminal over. An error says why it cannot.
    static Result<std::unique_ptr<CursesDisplay>> open(Wires wires);
    ~CursesDisplay();                        // gives it back; not on the I/O thread
    CursesDisplay(const CursesDisplay&) = delete;
    CursesDisplay& operator=(const CursesDisplay&) = delete;

  private:
    class Terminal;
    explicit CursesDisplay(std::unique_ptr<Terminal> terminal);
    std::unique_ptr<Terminal> terminal_;
};

}  // namespace vmm::display
