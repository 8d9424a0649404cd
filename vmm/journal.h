// SPDX-License-Identifier: Apache-2.0
// Journal: what stands between the Inbox and the machine in the runner's loop. A recorder notes what passes; a replayer says
// what passed; without either it passes. So the loop is one, and nothing below it knows which it is.
// Document: docs/determinism.md.
#pragma once

#include <optional>
#include <vector>

#include "vmm/control.h"
#include "vmm/disk_journal.h"

namespace vmm {

enum class Ending : u8 { Quit = 0, PowerOff = 1, Reset = 2, DebugExit = 3 };   // numbers as in recordings

class Journal : public DiskJournal {
  public:
    // What is applied at this boundary, in order. `posted` is what the host has sent since the last.
    virtual std::vector<Input> inputs(Icount now, std::vector<Input> posted) = 0;
    // More is to be applied at this boundary, whatever the host sends.
    virtual bool due(Icount) const { return false; }
    // Asked after the inputs were applied: the run ends here.
    virtual bool over(Machine& machine) = 0;
    // What keeps the host from noting this run (a full disk): the machine pauses with it, until try_again() is true.
    virtual std::optional<PauseEvent> trouble() { return std::nullopt; }
    virtual bool try_again() { return true; }
    // Why it is over, for those who stay.
    virtual PauseEvent end() { return {Pause::HistoryEnd, {}, {}}; }
    // ... because a replay differs from what it replays.
    virtual bool different() const { return false; }
    // Where the machine stops at the latest.
    virtual Icount stop(Icount now, Icount limit) = 0;
    // The machine stopped; the timers of this position have fired.
    virtual void arrived(Machine& machine) = 0;
    // The processor waits. true: what follows from that has been done; false: host time decides how long, and says so below.
    virtual bool idle(Machine& machine) = 0;
    // The idle jump at `at` was asked to end after `ns`; `cut`: not at the next deadline.
    virtual void jumped(Icount at, u64 ns, bool cut) = 0;
    // Once, last. No ending: because of over(). Takes the program's exit status and returns the one that is to be.
    virtual int leave(Machine& machine, std::optional<Ending> ending, int status) = 0;
};

// Neither records nor replays.
class PlainJournal final : public Journal {
  public:
    std::vector<Input> inputs(Icount, std::vector<Input> posted) override { return posted; }
    bool over(Machine&) override { return false; }
    Icount stop(Icount, Icount limit) override { return limit; }
    void arrived(Machine&) override {}
    bool idle(Machine&) override { return false; }
    void jumped(Icount, u64, bool) override {}
    int leave(Machine&, std::optional<Ending>, int status) override { return status; }
};

}  // namespace vmm
