// SPDX-License-Identifier: Apache-2.0
#include "replay/replayer.h"

#include <algorithm>

#include "replay/part_hashes.h"

namespace vmm::replay {
namespace {

// What the hashes say, by name: devices, registers, parts of memory. None: the two are not of the same parts.
std::vector<std::string> different_parts(const Parts& here, const Parts& there, const PartHashes& recorded, const PartHashes& found) {
    std::vector<std::string> names;
    if (here.sections.size() != found.sections.size() || found.sections.size() != recorded.sections.size() ||
        found.memory.size() != recorded.memory.size() || (!there.sections.empty() && here != there))
        return names;
    for (std::size_t i = 0; i < found.sections.size(); ++i)
        if (found.sections[i] != recorded.sections[i]) names.push_back(here.sections[i]);
    const u64 bytes = here.ram_part_bytes;
    // Neighbours are one stretch.
    for (std::size_t i = 0; i < found.memory.size(); ++i) {
        if (found.memory[i] == recorded.memory[i]) continue;
        std::size_t end = i;
        while (end + 1 < Memory::kRamParts && found.memory[end + 1] != recorded.memory[end + 1]) ++end;
        if (i == Memory::kRamParts) {
            names.emplace_back("video memory or ROM");
            break;
        }
        char text[64];
        std::snprintf(text, sizeof text, "RAM %08llx-%08llx", static_cast<unsigned long long>(i * bytes), static_cast<unsigned long long>((end + 1) * bytes - 1));
        names.emplace_back(text);
        i = end;
    }
    return names;
}

}  // namespace

bool Replayer::due(Icount now) const {
    if (outcome_ != Outcome::Running) return false;      // nothing more will be applied
    const Event* e = next_event(now);
    return e != nullptr && e->kind != EventKind::IdleJump && e->kind != EventKind::Disk;
}

PauseEvent Replayer::end() {
    return {different() ? Pause::Different : Pause::HistoryEnd, {}, report_};
}

std::vector<Input> Replayer::inputs(Icount now, std::vector<Input>) {
    std::vector<Input> out;
    if (outcome_ != Outcome::Running) return out;        // the machine is to be looked at as it is
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
    // What was just applied has yet to happen (a reset), or ends the machine. The recorded run went that far as well.
    if (applied_) return false;
    if (!r_.end) {
        identical();
    } else if (r_.end->ending == Ending::Quit) {
        compare({now, r_.end->hash, r_.end->parts}, machine);
        identical();
    } else {
        differs(now, "there the recorded run ended (" + std::string(to_string(r_.end->ending)) + "), this one goes on");
    }
    return true;
}

Icount Replayer::stop(Icount now, Icount limit) {
    limit = std::min(limit, std::max(now, end_));
    if (stored_ < r_.checkpoints.size() && r_.checkpoints[stored_].at > now) limit = std::min(limit, r_.checkpoints[stored_].at);
    if (goal_ && *goal_ > now) limit = std::min(limit, *goal_);
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
    applied_ = false;
    if (event_ < r_.events.size() && r_.events[event_].at < now)
        differs(now, "the recording has an event at " + std::to_string(r_.events[event_].at.v) + " for which the machine was not ready");
    if (const Event* e = next_event(now); e != nullptr && e->kind == EventKind::Disk)
        differs(now, "there disk " + std::to_string(e->disk.disk) + " completed request " + std::to_string(e->disk.id) + ", which is not due here");
    // A machine never runs past a hash, nor past the end, unless its clock was disturbed.
    if (now > end_ || (hash_ < r_.hashes.size() && r_.hashes[hash_].at < now))
        differs(now, "the machine's clock has gone past " + std::to_string(std::min(end_, hash_ < r_.hashes.size() ? r_.hashes[hash_].at : end_).v), {"clock"});
    if (hash_ < r_.hashes.size() && r_.hashes[hash_].at == now) {
        compare(r_.hashes[hash_], machine);
        ++hash_;
    }
    // A stored state is a hash of everything as well.
    if (stored_ < r_.checkpoints.size() && r_.checkpoints[stored_].at == now) {
        compare({now, r_.checkpoints[stored_].hash, {}}, machine);
        ++stored_;
    }
    if (goal_ == now && outcome_ == Outcome::Running) outcome_ = Outcome::Identical;
}

std::optional<DiskMark> Replayer::disk_due(Icount now, u8 disk, u64 id) {
    const Event* e = next_event(now);
    if (e != nullptr && e->at == now && e->kind == EventKind::Disk && e->disk.disk == disk && e->disk.id == id) {
        ++event_;
        return e->disk;
    }
    // A recording that was cut does not say what came after: nothing speaks against it.
    if (now < end_ || (r_.end && e == nullptr))
        differs(now, "disk " + std::to_string(disk) + " completes request " + std::to_string(id) + ", of which the recording knows nothing");
    return DiskMark{disk, id, DiskError::None, false};
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
        else if (r_.end) compare({now, r_.end->hash, r_.end->parts}, machine);
        identical();
    }
    return outcome_ == Outcome::Different ? kStatusDifferent : 0;
}

void Replayer::restore(const Cursor& cursor) {
    event_ = cursor.event;
    hash_ = cursor.hash;
    good_ = cursor.good;
    good_memory_ = cursor.good_memory;
    stored_ = cursor.stored;
    compared_ = cursor.hash + cursor.stored;
    applied_ = false;
    outcome_ = Outcome::Running;
    report_.clear();
}

Replayer::Cursor Replayer::cursor_at(Icount position) const {
    // A state is stored as hashes are taken: before the inputs of its position.
    Cursor c{0, 0, 0, position, position};
    while (c.event < r_.events.size() && r_.events[c.event].at < position) ++c.event;
    while (c.hash < r_.hashes.size() && r_.hashes[c.hash].at <= position) ++c.hash;
    while (c.stored < r_.checkpoints.size() && r_.checkpoints[c.stored].at <= position) ++c.stored;
    return c;
}

void Replayer::compare(const HashMark& recorded, Machine& machine) {
    ++compared_;
    const bool whole = recorded.hash.has_value();
    const u64 hash = whole ? machine.state_hash() : 0;
    const bool in_parts = !recorded.parts.sections.empty();
    const PartHashes parts = in_parts ? part_hashes(machine, whole) : PartHashes{};
    if (hash == recorded.hash.value_or(0) && parts == recorded.parts) {
        good_ = recorded.at;
        if (whole) good_memory_ = recorded.at;
        return;
    }
    const auto names = different_parts(in_parts ? parts_of(machine) : Parts{}, r_.parts, recorded.parts, parts);
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : i + 1 < names.size() ? ", " : " and ") + names[i];
    if (names.empty()) {
        char hashes[96];
        std::snprintf(hashes, sizeof hashes, "state hash %016llx, recorded %016llx", static_cast<unsigned long long>(hash),
                      static_cast<unsigned long long>(recorded.hash.value_or(0)));
        text = hashes;
    } else {
        text += names.size() == 1 ? " differs" : " differ";
    }
    differs(recorded.at, text, names);
}

void Replayer::differs(Icount now, const std::string& what, std::vector<std::string> parts) {
    if (outcome_ != Outcome::Running) return;
    outcome_ = Outcome::Different;
    difference_ = {good_, good_memory_, now, what, std::move(parts)};
    report_ = "differs between icount " + std::to_string(good_.v) + " and " + std::to_string(now.v) + ": " + what;
    if (good_memory_ < good_) report_ += " (memory was last compared at " + std::to_string(good_memory_.v) + ")";
}

void Replayer::identical() {
    if (outcome_ != Outcome::Running) return;
    outcome_ = Outcome::Identical;
    report_ = "identical up to icount " + std::to_string(end_.v) + " (" + std::to_string(compared_) + " hashes)";
    if (!r_.end) report_ += ", where the recording was cut";
}

}  // namespace vmm::replay
