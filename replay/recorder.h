// SPDX-License-Identifier: Apache-2.0
// Recorder: the journal that notes what a replay cannot compute, and hashes by which it can check what it computed.
//
// Done: inputs, idle jumps cut by the host, hashes every kPartsEvery and kHashEvery steps and at the end. When the file cannot be written the run
// pauses with the reason; one that ends so has status 1. Document: docs/recording-format.md.
#pragma once

#include "replay/log_reader.h"
#include "replay/log_writer.h"
#include "replay/stored_state.h"
#include "vmm/journal.h"

namespace vmm::replay {

class Recorder final : public Journal {
  public:
    // Notes in a file, or in `history`, or in both.
    explicit Recorder(LogWriter* log, Recording* history = nullptr) : log_(log), history_(history) {}
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
    void note(const Event& event);

    LogWriter* const log_;
    Recording* const history_;
    std::optional<Icount> last_input_;
    std::unique_ptr<StateWriter> states_;
    u64 checkpoint_every_ = 0;
    Icount next_hash_{kPartsEvery}, next_checkpoint_{~u64{0}};
};

}  // namespace vmm::replay
