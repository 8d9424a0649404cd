// SPDX-License-Identifier: Apache-2.0
// Execution: one machine that runs a recording, or a part of it, for a tool: no outputs, no host, nobody to wait for.
// Several are normal, each on a thread of its own or side by side.
#pragma once

#include "replay/checkpoint.h"
#include "replay/replayer.h"

namespace vmm::replay {

class Execution {
  public:
    // From power-on, or from the checkpoint `from` of the recording. Both must outlive it.
    static Result<std::unique_ptr<Execution>> create(const Recording& recording, const MachineConfig& config, std::optional<std::size_t> from = {});

    Machine& machine() { return *machine_; }
    Replayer& replayer() { return replayer_; }
    Icount position() const { return machine_->icount(); }
    // To this position, or to where the replayer has an outcome. The inputs of the position itself are not applied.
    void run_to(Icount target);
    // The whole of it; then replayer().outcome() says how it went.
    void run();
    // What is due at this position.
    void settle();

    struct Mark {
        Checkpoint machine;
        Replayer::Cursor cursor;
    };
    Mark mark() { return {store_->take(), replayer_.cursor()}; }
    void restore(const Mark& mark);

  private:
    Execution(const Recording& recording, std::unique_ptr<Machine> machine, bool no_reboot)
        : machine_(std::move(machine)), replayer_(recording), no_reboot_(no_reboot) {}

    std::unique_ptr<Machine> machine_;
    std::unique_ptr<Checkpoints> store_;
    Replayer replayer_;
    const bool no_reboot_;
};

}  // namespace vmm::replay
