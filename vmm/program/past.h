// SPDX-License-Identifier: Apache-2.0
// Past: what a run remembers of itself, as the options say: nothing, a recording in a file, the recording that is replayed,
// and, where somebody may want to go back, a timeline over it. A run with a monitor keeps what entered it (memory: some bytes
// an event, without bound), so that it can be recorded, from power-on, at any time;
// not one that changes its images.
#pragma once

#include <memory>

#include "replay/log_writer.h"
#include "replay/timeline.h"
#include "vmm/options.h"

namespace vmm {

class Past final : public RecordSwitch {
  public:
    // `line` and `replayed` must outlive it. `open`: told when outputs may leave, and when not.
    static Result<std::unique_ptr<Past>> make(const CommandLine& line, const replay::Recording& replayed, Machine& machine, Control& control,
                                              std::function<void(bool)> open);
    Journal& journal() { return *journal_; }
    // What is to be said at the end; empty: nothing.
    std::string last_words() const;
    // Of a replay that differed: what running it again says about it. May take as long as the replay did.
    std::vector<std::string> explanation(const MachineConfig& config, Machine& machine) const;

    // --- RecordSwitch
    Result<void> start(const std::string& file) override;
    Result<void> stop() override;

  private:
    Past(const CommandLine& line, const replay::Recording& replayed, Machine& machine, Control& control)
        : line_(line), machine_(machine), control_(control), replayed_(replayed) {}
    void hold(const replay::Recording& recording, std::function<void(bool)> open);
    Result<void> keep(const Bookmark& bookmark, bool gone);
    Result<std::unique_ptr<replay::LogWriter>> new_file(const std::string& file) const;

    const CommandLine& line_;
    Machine& machine_;
    Control& control_;
    const replay::Recording& replayed_;
    replay::Recording history_;                          // of a run that may be gone back in, or recorded later
    std::unique_ptr<replay::LogWriter> log_;
    std::unique_ptr<replay::Recorder> recorder_;
    std::unique_ptr<replay::Replayer> replayer_;
    std::unique_ptr<replay::Timeline> timeline_;
    PlainJournal plain_;
    Journal* journal_ = &plain_;
    bool looked_at_ = false;                             // a replay that somebody can pause
};

}  // namespace vmm
