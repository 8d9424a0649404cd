// SPDX-License-Identifier: Apache-2.0
#include "replay/execution.h"

#include "replay/stored_state.h"
#include "vmm/runner.h"

namespace vmm::replay {

Result<std::unique_ptr<Execution>> Execution::create(const Recording& recording, const MachineConfig& config, std::optional<std::size_t> from) {
    auto machine = Machine::create(config, {});
    if (!machine) return machine.error();
    std::unique_ptr<Execution> made(new Execution(recording, std::move(*machine), config.no_reboot));
    if (!from && recording.header.begins.v != 0) from = 0;
    if (from) {
        if (auto restored = restore_stored(recording, *from, *made->machine_); !restored) return restored.error();
        made->replayer_.restore(made->replayer_.cursor_at(recording.checkpoints[*from].at));
    }
    made->store_ = std::make_unique<Checkpoints>(*made->machine_);
    made->machine_->disks().set_journal(&made->replayer_);
    return made;
}

void Execution::run_to(Icount target) {
    while (machine_->icount() < target) {
        const Icount from = machine_->icount();
        for (const Input& input : replayer_.inputs(from, {})) machine_->inbox().apply(input);
        if (replayer_.over(*machine_)) return;
        const Stop why = machine_->run(replayer_.stop(from, target));
        replayer_.arrived(*machine_);
        if (why == Stop::PowerOff || why == Stop::DebugExit) return;
        if (why == Stop::Idle && replayer_.idle(*machine_) && machine_->icount() != from) {
            machine_->run(machine_->icount());
            replayer_.arrived(*machine_);
        }
    }
}

void Execution::run() {
    Control control(*machine_, RrMode::Replay, {});
    RunnerOptions options;
    options.no_reboot = no_reboot_;
    (void)run_machine(control, options, replayer_);
    machine_->disks().set_journal(&replayer_);
}

void Execution::settle() {
    do {
        for (const Input& input : replayer_.inputs(machine_->icount(), {})) machine_->inbox().apply(input);
        machine_->run(machine_->icount());
        replayer_.arrived(*machine_);
    } while (replayer_.due(machine_->icount()));
}

void Execution::restore(const Mark& mark) {
    store_->restore(mark.machine);
    replayer_.restore(mark.cursor);
}

}  // namespace vmm::replay
