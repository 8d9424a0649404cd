// SPDX-License-Identifier: Apache-2.0
// Replayer: the journal that says what a recording says, and holds the machine against its hashes.
//
// The host's input is ignored, but for the request to quit; nothing waits. Ends where the recording ends. A run that differs
// is stopped at the first hash, or the first event, that shows it; explain.h says more about it.
// Document: docs/determinism.md.
#pragma once

#include "replay/log_reader.h"
#include "vmm/journal.h"

namespace vmm::replay {

inline constexpr int kStatusDifferent = 3;

// Where a run left its recording, as far as the recording tells.
struct Difference {
    Icount good{};                       // the last hash that was equal
    Icount good_memory{};                // the last one of memory that was
    Icount bad{};                        // where it showed
    std::string what;                    // one line
    std::vector<std::string> parts;      // of the machine; empty: it did not show in a hash

    bool operator==(const Difference&) const = default;
};

class Replayer final : public Journal {
  public:
    enum class Outcome { Running, Identical, Left, Different };

    explicit Replayer(const Recording& recording) : r_(recording), end_(recording.end ? recording.end->at : recording.valid_to) {
        if (recording.header.begins.v != 0) restore(cursor_at(recording.header.begins));
    }

    std::vector<Input> inputs(Icount now, std::vector<Input> posted) override;
    bool due(Icount now) const override;
    bool over(Machine& machine) override;
    PauseEvent end() override;
    bool different() const override { return outcome_ == Outcome::Different; }
    Icount stop(Icount now, Icount limit) override;
    void arrived(Machine& machine) override;
    bool idle(Machine& machine) override;
    void jumped(Icount, u64, bool) override {}
    int leave(Machine& machine, std::optional<Ending> ending, int status) override;   // 0, or kStatusDifferent
    std::optional<DiskMark> disk_due(Icount now, u8 disk, u64 id) override;
    void disk_differs(Icount now, const std::string& what) override { differs(now, what); }

    // Where in the recording it is; back to it together with the machine.
    struct Cursor {
        std::size_t event = 0, hash = 0, stored = 0;
        Icount good{}, good_memory{};
    };
    Cursor cursor() const { return {event_, hash_, stored_, good_, good_memory_}; }
    // Of a machine in the state that a stored one had at this position.
    Cursor cursor_at(Icount position) const;
    void restore(const Cursor& cursor);
    Icount end_position() const { return end_; }
    const Recording& recording() const { return r_; }
    void set_end(Icount end) { end_ = end; }         // of a recording that grows
    // Ends at a position inside the recording, before its inputs.
    void set_goal(Icount at) { goal_ = at; }

    Outcome outcome() const { return outcome_; }
    const std::string& report() const { return report_; }      // one line, once the run is over
    const Difference& difference() const { return difference_; }
    u64 compared() const { return compared_; }                 // hashes

  private:
    const Event* next_event(Icount now) const { return event_ < r_.events.size() && r_.events[event_].at <= now ? &r_.events[event_] : nullptr; }
    void compare(const HashMark& recorded, Machine& machine);
    void differs(Icount now, const std::string& what, std::vector<std::string> parts = {});
    void identical();

    const Recording& r_;
    Icount end_;
    std::size_t event_ = 0, hash_ = 0, stored_ = 0;   // the next of each
    u64 compared_ = 0;
    std::optional<Icount> goal_;
    Icount good_{}, good_memory_{};          // the last hash that was equal
    Difference difference_;
    bool applied_ = false;                   // inputs were applied since the machine last ran
    Outcome outcome_ = Outcome::Running;
    std::string report_;
};

}  // namespace vmm::replay
