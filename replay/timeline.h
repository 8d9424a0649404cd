// SPDX-License-Identifier: Apache-2.0
// Timeline: a run that can be walked in both directions. It stands between the runner and the Replayer, takes checkpoints as
// the machine passes by, and goes back by restoring one and running forward from there. The run is a replay, or one that is
// live: then what enters it is kept as a recording in memory (and in the file, if it is recorded), its past is a replay of
// that, and beyond the furthest position reached it lives on.
//
// Positions are icounts; the state at a position is the one after everything that is due there. Outputs leave only beyond the
// furthest position that was reached. Checkpoints are spaced by what it costs to run from one to the next, densely just before
// where the user steps back, and thinned out where that costs least when they take more than the budget. Those that a recording
// carries are entered where that saves running there; outputs of a stretch that was never run are not seen then.
// Machine thread only. Document: docs/how-it-works.md, "Going back".
#pragma once

#include <map>

#include "replay/checkpoint.h"
#include "replay/recorder.h"
#include "replay/replayer.h"
#include "vmm/control.h"

namespace vmm::replay {

class Timeline final : public Journal, public TimeTravel {
  public:
    static constexpr u64 kDefaultBudget = u64{512} << 20;

    // `budget`: bytes that checkpoints may take. `open`: told when outputs may leave, and when not. `interrupted`: asked now
    // and then during long moves.
    struct Options {
        u64 budget = kDefaultBudget;
        u64 worth_entering_ns = 200'000'000;   // running time that entering a checkpoint of the recording has to save
        u64 ring_ns = 0;             // of guest time: what a live run's past is cut down to; 0: never
        bool automatic = true;       // checkpoints as the machine passes by; otherwise only where they were needed
        std::function<void(bool)> open = [](bool) {};
        std::function<bool()> interrupted = [] { return false; };
    };
    Timeline(Machine& machine, Replayer& replayer, Options options);
    // Of a live run: `recorder` notes what enters in `history`, which `replayer` replays.
    Timeline(Machine& machine, Replayer& replayer, Options options, Recorder& recorder, Recording& history);

    // --- Journal
    std::vector<Input> inputs(Icount now, std::vector<Input> posted) override;
    bool due(Icount now) const override { return !branch_ && !live() && replayer_.due(now); }
    bool over(Machine& machine) override;
    PauseEvent end() override;
    bool different() const override { return replayer_.different(); }
    std::optional<PauseEvent> trouble() override { return recorder_ != nullptr ? recorder_->trouble() : std::nullopt; }
    bool try_again() override { return recorder_ == nullptr || recorder_->try_again(); }
    Icount stop(Icount now, Icount limit) override;
    void arrived(Machine& machine) override;
    bool idle(Machine& machine) override;
    void jumped(Icount at, u64 ns, bool cut) override;
    int leave(Machine& machine, std::optional<Ending> ending, int status) override;

    std::optional<DiskMark> disk_due(Icount now, u8 disk, u64 id) override;
    bool disk_hashes() const override { return true; }
    void disk_done(Icount now, const DiskMark& mark) override;
    void disk_differs(Icount now, const std::string& what) override;

    // --- TimeTravel
    Icount begin() const override { return kept_.begin()->first; }
    std::optional<Icount> end_position() const override { return recorder_ != nullptr ? std::nullopt : std::optional(head()); }
    Icount head() const override { return recorder_ != nullptr ? furthest_ : replayer_.end_position(); }
    std::vector<std::string> events(Icount from, Icount to, std::size_t most) const override;
    Icount passed() const override { return passed_; }
    bool fresh() const override { return !branch_ && run_from_ <= passed_ && machine_.icount() >= passed_; }
    Result<void> pass(Icount upto) override;
    Result<void> seek(Icount position) override;
    PauseEvent back(const Go& go, const DebugPoints& points) override;
    std::optional<Icount> branch() const override;
    void rejoin() override;

    // Goes to that position of the run, which is no branch, calls `there`, and comes back; nothing ends it before.
    Result<void> visit(Icount position, const std::function<void()>& there);

    // Of a replay that differs, once somebody was told; later re-execution does not take it back.
    const std::optional<Difference>& difference() const { return difference_; }
    const std::string& report() const { return difference_ ? report_ : replayer_.report(); }

    // For tests and figures.
    std::size_t checkpoints() const { return kept_.size(); }
    u64 checkpoint_bytes() const { return store_.page_bytes() + state_bytes_; }

  private:
    struct Kept {
        Checkpoint machine;
        Replayer::Cursor cursor;
        u64 time = 0;                // of the guest, ns
    };
    enum class Arrived { There, Point, End, Interrupted };

    // At the head of a live run, with nothing left to replay.
    bool live() const { return recorder_ != nullptr && machine_.icount() >= furthest_ && replayer_.cursor().event == history_->events.size(); }
    void follow();                   // the replayer has seen what the recorder noted
    void keep();
    void thin();
    void forget();                   // what has left the ring
    void restore(Icount at);         // of a kept checkpoint
    bool enter(std::size_t stored);  // a checkpoint of the recording's own; false: it cannot be used, and nothing was changed
    void draw_near(Icount target);   // to the checkpoint from which running to `target` costs least, unless going on is as good
    Arrived run_to(Icount target, const DebugPoints* points, Icount seen);
    void settle();
    Arrived approach(Icount target); // run_to, with checkpoints dense before it
    std::optional<Icount> last_hit(Icount to, const DebugPoints& points, Hit& hit, bool& interrupted);
    Icount before_interrupts(Icount at);
    bool at_iret();
    void set_gate();
    Result<void> go_to(Icount target);
    std::string differs();           // goes to before it, the first time

    Machine& machine_;
    Replayer& replayer_;
    Recorder* const recorder_ = nullptr;
    Recording* const history_ = nullptr;
    std::vector<Input> waiting_;     // for the run to be live again
    const Options options_;
    Checkpoints store_;
    std::map<Icount, Kept> kept_;
    u64 state_bytes_ = 0;
    Icount furthest_{};
    Icount passed_{};                // everything before was run through
    Icount run_from_{};              // where the present stretch of running forward began
    Icount mark_at_{};               // the last checkpoint that was passed, and the CPU time then
    u64 mark_ns_ = 0;
    bool open_ = true, interruptible_ = true;
    bool ended_ = false;             // the machine came to its own end here, where the recording says so
    bool searching_ = false;         // passing over a stretch that has its checkpoint
    double ns_per_step_ = 1.5;       // of late
    std::optional<Kept> branch_;     // where it began
    std::optional<Difference> difference_;
    std::string report_;
};

}  // namespace vmm::replay
