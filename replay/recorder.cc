// SPDX-License-Identifier: Apache-2.0
#include "replay/recorder.h"

#include <algorithm>
#include <utility>

#include "replay/part_hashes.h"

namespace vmm::replay {

void Recorder::note(const Event& event) {
    if (log_ != nullptr) log_->event(event);
    if (history_ != nullptr) history_->events.push_back(event);
}

void Recorder::note(const HashMark& mark, Machine& machine) {
    if (log_ != nullptr) {
        if (!std::exchange(parts_in_log_, true)) log_->parts(parts_of(machine));
        log_->hash(mark);
    }
    if (history_ != nullptr) {
        if (history_->parts.sections.empty()) history_->parts = parts_of(machine);
        history_->hashes.push_back(mark);
    }
}

void write_history(LogWriter& log, const Recording& history, Icount now) {
    if (!history.hashes.empty()) log.parts(history.parts);
    auto mark = history.hashes.begin();
    for (const Event& event : history.events) {
        for (; mark != history.hashes.end() && mark->at <= event.at; ++mark) log.hash(*mark);
        log.event(event);
    }
    for (; mark != history.hashes.end(); ++mark) log.hash(*mark);
    log.reached(now);
}

void Recorder::begin_file(LogWriter& log, Icount now) {
    parts_in_log_ = !history_->hashes.empty();
    write_history(log, *history_, now);
    if (next_hash_ == kNever) next_hash_.v = (now.v / kPartsEvery + 1) * kPartsEvery;
    log_ = &log;
}

void Recorder::end_file(Machine& machine) {
    log_->end({machine.icount(), Ending::Quit, 0, machine.state_hash(), part_hashes(machine, true)});
    log_ = nullptr;
    next_checkpoint_ = kNever;
}

std::vector<Input> Recorder::inputs(Icount now, std::vector<Input> posted) {
    bool again = last_input_ == now;
    for (const Input& input : posted) {
        // A second batch at one position: between the two the machine looked at its timers and requests.
        if (std::exchange(again, false)) note({now, EventKind::Pass, {}, 0, {}});
        note({now, EventKind::Input, input, 0, {}});
    }
    if (!posted.empty()) last_input_ = now;
    return posted;
}

void Recorder::keep_checkpoints(Machine& machine, u64 every) {
    states_ = std::make_unique<StateWriter>(machine);
    checkpoint_every_ = every;
    next_checkpoint_ = Icount{every};
}

Icount Recorder::stop(Icount, Icount limit) { return std::min({limit, next_hash_, next_checkpoint_}); }

void Recorder::arrived(Machine& machine) {
    const Icount now = machine.icount();
    if (now == next_hash_) {
        const bool whole = now.v % kHashEvery == 0;
        HashMark mark{now, std::nullopt, part_hashes(machine, whole)};
        if (whole) mark.hash = machine.state_hash();
        note(mark, machine);
        next_hash_ += kPartsEvery;
    }
    if (log_ != nullptr && now == next_checkpoint_) {
        states_->take([&](ChunkType type, std::string payload) { log_->chunk(type, std::move(payload), now); });
        next_checkpoint_ += checkpoint_every_;
    }
    if (log_ != nullptr) log_->reached(now);
}

std::optional<PauseEvent> Recorder::trouble() {
    const auto error = log_ != nullptr ? log_->trouble() : std::nullopt;
    if (!error) return std::nullopt;
    return PauseEvent{Pause::HostError, {}, error->text + "; what was recorded is kept, and going on tries again"};
}

void Recorder::jumped(Icount at, u64 ns, bool cut) {
    if (cut) note({at, EventKind::IdleJump, {}, ns, {}});
}

int Recorder::leave(Machine& machine, std::optional<Ending> ending, int status) {
    if (log_ == nullptr) return status;
    if (ending) log_->end({machine.icount(), *ending, static_cast<u8>(status), machine.state_hash(), part_hashes(machine, true)});
    return log_->trouble() ? 1 : status;
}

}  // namespace vmm::replay
