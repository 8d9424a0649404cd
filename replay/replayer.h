// SPDX-License-Identifier: Apache-2.0
// Replayer: the journal that says what a recording says, and holds the machine against its hashes.
//
// The host's input is ignored, but for the request to quit; nothing waits. Ends where the recording ends. A run that differs
// is stopped at the first hash, or the first event, that shows it. Missing: which device or page it is.
// Document: docs/determinism.md.
#pragma once

#include "replay/log_reader.h"
#include "vmm/journal.h"

namespace vmm::replay {

inline constexpr int kStatusDifferent = 3;

class Replayer final : public Journal {
  public:
    enum class Outcome { Running, Identical, Left, Different };

    explicit Replayer(const Recording& recording) : r_(recording), end_(recording.end ? recording.end->at : recording.valid_to) {}

    std::vector<Input> inputs(Icount now, std::vector<Input> posted) override;
    bool due(Icount now) const override;
    bool over(Machine& machine) override;
    PauseEvent end() const override;
    Icount stop(Icount now, Icount limit) override;
    void arrived(Machine& machine) override;
    bool idle(Machine& machine) override;
    void jumped(Icount, u64, bool) override {}
    int leave(Machine& machine, std::optional<Ending> ending, int status) override;   // 0, or kStatusDifferent

    // Where in the recording it is; back to it together with the machine.
    struct Cursor {
        std::size_t event = 0, hash = 0;
        Icount good{};
    };
    Cursor cursor() const { return {event_, hash_, good_}; }
    void restore(const Cursor& cursor);
    Icount end_position() const { return end_; }
    void set_end(Icount end) { end_ = end; }         // of a recording that grows

    Outcome outcome() const { return outcome_; }
    const std::string& report() const { return report_; }      // one line, once the run is over

  private:
    const Event* next_event(Icount now) const { return event_ < r_.events.size() && r_.events[event_].at <= now ? &r_.events[event_] : nullptr; }
    void compare(Icount now, u64 expected, u64 found);
    void differs(Icount now, const std::string& what);
    void identical();

    const Recording& r_;
    Icount end_;
    std::size_t event_ = 0, hash_ = 0;       // the next of each
    u64 compared_ = 0;
    Icount good_{};                          // the last hash that was equal
    bool applied_ = false;                   // inputs were applied since the machine last ran
    Outcome outcome_ = Outcome::Running;
    std::string report_;
};

}  // namespace vmm::replay
