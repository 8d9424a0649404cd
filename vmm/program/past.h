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
                                              std::function<void(bool)> open, std::function<void(const std::string&)> tell);
    Journal& journal() { return *journal_; }
    // What is to be said at the end; empty: nothing.
    std::string last_words() const;
    // Of a replay that differed, which nobody stayed to look at: what running it again says about it. May take as long as the replay did.
    std::vector<std::string> explanation(const MachineConfig& config, Machine& machine) const;

    // --- RecordSwitch
    Result<void> start(const std::string& file) override;
    Result<void> stop() override;
    Result<void> save(const std::string& file) override;
    Result<i64> fork(const std::string& file, std::vector<std::string> options) override;
    const std::map<Icount, u32>& marks() const override { return marks_; }
    Result<std::optional<Icount>> explain(const std::function<void(const std::string&)>& say) override;

    // What the guest says while outputs may leave. Machine thread.
    void guest_calls(GuestCall call, u32 value);
    void guest_prints(unsigned port, std::span<const u8> bytes);
    // What it asked for, at a boundary; also when the run is over.
    void serve();

  private:
    Past(const CommandLine& line, const replay::Recording& replayed, Machine& machine, Control& control, std::function<void(const std::string&)> tell)
        : line_(line), machine_(machine), control_(control), replayed_(replayed), tell_(std::move(tell)) {}
    void hold(const replay::Recording& recording, std::function<void(bool)> open);
    Result<void> keep(const Bookmark& bookmark, bool gone);
    // With what belongs before the events that are held.
    Result<std::unique_ptr<replay::LogWriter>> new_file(const std::string& file);
    Icount head() const { return timeline_ ? timeline_->head() : machine_.icount(); }
    Result<std::unique_ptr<replay::LogWriter>> file_from(Icount begins, const std::string& file);
    void failed(const std::string& how);

    const CommandLine& line_;
    Machine& machine_;
    Control& control_;
    const replay::Recording& replayed_;
    replay::Recording history_;                          // of a run that may be gone back in, or recorded later
    std::unique_ptr<replay::LogWriter> log_;
    std::unique_ptr<replay::Recorder> recorder_;
    std::unique_ptr<replay::Replayer> replayer_;
    std::unique_ptr<replay::Timeline> timeline_;
    std::unique_ptr<replay::StateWriter> states_;        // of runs whose files may begin later than at power-on
    PlainJournal plain_;
    Journal* journal_ = &plain_;
    std::function<void(const std::string&)> tell_;
    std::map<Icount, u32> marks_;
    std::array<std::string, 4> printed_;                 // the end of each port's output
    std::string failure_;                                // how the guest failed, until that is served
    std::vector<GuestCall> asked_;
    bool looked_at_ = false;                             // a replay that somebody can pause
};

}  // namespace vmm
