// SPDX-License-Identifier: Apache-2.0
// Recorder: the journal that notes what a replay cannot compute, and hashes by which it can check what it computed.
//
// Done: inputs, idle jumps cut by the host, hashes every kPartsEvery and kHashEvery steps and at the end. When the file cannot be written the run
// pauses with the reason; one that ends so has status 1. A file may begin and end while the run goes on. Document: docs/recording-format.md.
#pragma once

#include "replay/log_reader.h"
#include "replay/log_writer.h"
#include "replay/stored_state.h"
#include "vmm/journal.h"

namespace vmm::replay {

// All that is held of a run that has come to `now`.
void write_history(LogWriter& log, const Recording& history, Icount now);

class Recorder final : public Journal {
  public:
    // Notes in a file, or in `history`, or in both. `hashes`: from the start, rather than once there is a file.
    explicit Recorder(LogWriter* log, Recording* history = nullptr, bool hashes = true)
        : log_(log), history_(history), next_hash_(hashes ? Icount{kPartsEvery} : kNever) {}
    // From `now`, the furthest that the run has come, into this file too; first what `history` holds.
    void begin_file(LogWriter& log, Icount now);
    // The file gets its end here.
    void end_file(Machine& machine);
    // Before the machine runs, where that is not at power-on.
    void begin_at(Icount now) { if (next_hash_ != kNever) next_hash_.v = (now.v / kPartsEvery + 1) * kPartsEvery; }
    // Before the machine runs: whole states into the file, every so many steps.
    void keep_checkpoints(Machine& machine, u64 every);

    std::vector<Input> inputs(Icount now, std::vector<Input> posted) override;
    bool over(Machine&) override { return false; }
    std::optional<PauseEvent> trouble() override;
    bool try_again() override { return log_ == nullptr || log_->try_again(); }
    Icount stop(Icount now, Icount limit) override;
    void arrived(Machine& machine) override;
    bool idle(Machine&) override { return false; }
    void jumped(Icount at, u64 ns, bool cut) override;
    int leave(Machine& machine, std::optional<Ending> ending, int status) override;
    bool disk_hashes() const override { return true; }
    void disk_done(Icount now, const DiskMark& mark) override { note({now, EventKind::Disk, {}, 0, mark}); }

  private:
    static constexpr Icount kNever{~u64{0}};
    void note(const Event& event);
    void note(const HashMark& mark, Machine& machine);

    LogWriter* log_;
    Recording* const history_;
    std::optional<Icount> last_input_;
    std::unique_ptr<StateWriter> states_;
    u64 checkpoint_every_ = 0;
    bool parts_in_log_ = false;
    Icount next_hash_, next_checkpoint_{kNever};
};

}  // namespace vmm::replay
