// SPDX-License-Identifier: Apache-2.0
#include "replay/replayer.h"

#include <algorithm>

namespace vmm::replay {

bool Replayer::due(Icount now) const {
    const Event* e = next_event(now);
    return e != nullptr && e->kind != EventKind::IdleJump;
}

PauseEvent Replayer::end() const {
    return {outcome_ == Outcome::Different ? Pause::Different : Pause::HistoryEnd, {}, report_};
}

std::vector<Input> Replayer::inputs(Icount now, std::vector<Input>) {
    std::vector<Input> out;
    if (const Event* e = next_event(now); e != nullptr && e->kind == EventKind::Pass) ++event_;
    applied_ = false;
    for (const Event* e; (e = next_event(now)) != nullptr && e->kind == EventKind::Input; ++event_) {
        out.push_back(e->input);
        applied_ = true;
    }
    return out;
}

bool Replayer::over(Machine& machine) {
    if (outcome_ != Outcome::Running) return true;
    const Icount now = machine.icount();
    if (now < end_ || next_event(now) != nullptr) return false;
    if (!r_.end) {
        identical();
    } else if (r_.end->ending == Ending::Quit) {
        compare(now, r_.end->hash, machine.state_hash());
        identical();
    } else if (applied_) {
        return false;                        // what was just applied ends the machine
    } else {
        differs(now, "there the recorded run ended (" + std::string(to_string(r_.end->ending)) + "), this one goes on");
    }
    return true;
}

Icount Replayer::stop(Icount now, Icount limit) {
    limit = std::min(limit, std::max(now, end_));
    if (hash_ < r_.hashes.size() && r_.hashes[hash_].at > now) limit = std::min(limit, r_.hashes[hash_].at);
    if (event_ < r_.events.size()) {
        const Event& e = r_.events[event_];
        // At an idle jump the processor waits: it is the machine that says so, when it is asked to go on.
        limit = e.at > now ? std::min(limit, e.at) : e.kind == EventKind::IdleJump ? now + 1 : now;
    }
    return limit;
}

void Replayer::arrived(Machine& machine) {
    const Icount now = machine.icount();
    if (event_ < r_.events.size() && r_.events[event_].at < now)
        differs(now, "the recording has an event at " + std::to_string(r_.events[event_].at.v) + " for which the machine was not ready");
    if (hash_ < r_.hashes.size() && r_.hashes[hash_].at == now) {
        compare(now, r_.hashes[hash_].hash, machine.state_hash());
        ++hash_;
    }
}

bool Replayer::idle(Machine& machine) {
    const Icount now = machine.icount();
    if (outcome_ != Outcome::Running) return true;
    if (const Event* e = next_event(now)) {
        if (e->kind != EventKind::IdleJump) return true;
        ++event_;
        machine.idle_jump(machine.time() + e->ns);
    } else if (now < end_) {
        if (const auto next = machine.next_deadline()) machine.idle_jump(*next);
        else differs(now, "the processor waits, and nothing recorded wakes it");
    }
    return true;
}

int Replayer::leave(Machine& machine, std::optional<Ending> ending, int status) {
    const Icount now = machine.icount();
    if (outcome_ == Outcome::Running && ending == Ending::Quit) {
        outcome_ = Outcome::Left;
        report_ = "left at icount " + std::to_string(now.v) + " of " + std::to_string(end_.v) + ", identical up to there (" +
                  std::to_string(compared_) + " hashes)";
    } else if (outcome_ == Outcome::Running) {
        const std::string how(ending ? to_string(*ending) : "?");
        if (now != end_) differs(now, "the machine ended (" + how + "), the recorded one went on to " + std::to_string(end_.v));
        // Whoever looked at a guest that had ended, and then quit, left the recording there.
        else if (r_.end && r_.end->ending != Ending::Quit && (r_.end->ending != ending || r_.end->status != static_cast<u8>(status)))
            differs(now, "the machine ended (" + how + ", status " + std::to_string(status) + ") otherwise than the recorded one (" +
                             std::string(to_string(r_.end->ending)) + ", status " + std::to_string(r_.end->status) + ")");
        else if (r_.end) compare(now, r_.end->hash, machine.state_hash());
        identical();
    }
    return outcome_ == Outcome::Different ? kStatusDifferent : 0;
}

void Replayer::restore(const Cursor& cursor) {
    event_ = cursor.event;
    hash_ = cursor.hash;
    good_ = cursor.good;
    compared_ = cursor.hash;
    applied_ = false;
    outcome_ = Outcome::Running;
    report_.clear();
}

void Replayer::compare(Icount now, u64 expected, u64 found) {
    ++compared_;
    if (expected == found) {
        good_ = now;
        return;
    }
    char text[96];
    std::snprintf(text, sizeof text, "state hash %016llx, recorded %016llx", static_cast<unsigned long long>(found),
                  static_cast<unsigned long long>(expected));
    differs(now, text);
}

void Replayer::differs(Icount now, const std::string& what) {
    if (outcome_ != Outcome::Running) return;
    outcome_ = Outcome::Different;
    report_ = "differs between icount " + std::to_string(good_.v) + " and " + std::to_string(now.v) + ": " + what;
}

void Replayer::identical() {
    if (outcome_ != Outcome::Running) return;
    outcome_ = Outcome::Identical;
    report_ = "identical up to icount " + std::to_string(end_.v) + " (" + std::to_string(compared_) + " hashes)";
    if (!r_.end) report_ += ", where the recording was cut";
}

}  // namespace vmm::replay
