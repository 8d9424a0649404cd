// SPDX-License-Identifier: Apache-2.0
#include "vmm/program/past.h"

#include "replay/explain.h"
#include "replay/session.h"
#include "vmm/monitor/machine_commands.h"

namespace vmm {

Result<std::unique_ptr<Past>> Past::make(const CommandLine& line, const replay::Recording& replayed, Machine& machine, Control& control,
                                         std::function<void(bool)> open) {
    std::unique_ptr<Past> past(new Past(replayed));
    past->looked_at_ = line.gdb.has_value() || !line.config.host.monitors.empty() || !line.config.host.qmps.empty();
    const bool wanted = line.rr == Rr::Live || line.gdb.has_value();
    switch (line.rr) {
        case Rr::None:
        case Rr::Live:
            if (!wanted) return past;
            break;
        case Rr::Record: {
            const auto header = replay::make_header(line.config, VMM_VERSION);
            if (!header) return header.error();
            auto made = replay::LogWriter::create(line.rrfile, *header);
            if (!made) return Error{"-rrfile: " + made.error().text};
            past->log_ = std::move(*made);
            break;
        }
        case Rr::Replay:
            past->hold(machine, control, replayed, line.rr_memory, std::move(open));
            return past;
    }
    past->recorder_ = std::make_unique<replay::Recorder>(past->log_.get(), wanted ? &past->history_ : nullptr);
    past->journal_ = past->recorder_.get();
    if (past->log_ && line.rr_checkpoint_every != 0) past->recorder_->keep_checkpoints(machine, line.rr_checkpoint_every);
    if (wanted) past->hold(machine, control, past->history_, line.rr_memory, std::move(open));
    return past;
}

void Past::hold(Machine& machine, Control& control, const replay::Recording& recording, u64 budget, std::function<void(bool)> open) {
    replayer_ = std::make_unique<replay::Replayer>(recording);
    replay::Timeline::Options options;
    options.budget = budget;
    options.automatic = recorder_ != nullptr || looked_at_;
    options.open = std::move(open);
    options.interrupted = [&control] {
        control.publish();                               // where a long move is, for those who ask
        return control.interrupted();
    };
    timeline_ = recorder_ ? std::make_unique<replay::Timeline>(machine, *replayer_, std::move(options), *recorder_, recording)
                          : std::make_unique<replay::Timeline>(machine, *replayer_, std::move(options));
    control.set_travel(timeline_.get(), {});
    journal_ = timeline_.get();
}

std::vector<std::string> Past::explanation(const MachineConfig& config, Machine& machine) const {
    if (!replayer_ || recorder_ || replayer_->outcome() != replay::Replayer::Outcome::Different) return {};
    return replay::explain(replayed_, config, replayer_->difference(), &machine);
}

std::string Past::last_words(const Machine& machine, const std::string& file) const {
    if (log_ && log_->trouble()) return "recording stopped: " + log_->trouble()->text + "; what is in the file replays";
    if (log_) return "recorded " + file + ": " + monitor::length_and_size(machine, file);
    if (replayer_ && !recorder_) return "replay: " + replayer_->report();
    return {};
}

}  // namespace vmm
