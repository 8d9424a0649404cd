// SPDX-License-Identifier: Apache-2.0
#include "replay/timeline.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "replay/rr_dump.h"
#include "replay/stored_state.h"
#include "vmm/check.h"
#include "vmm/host_clock.h"
#include "vmm/tcg/mmu.h"
#include "vmm/tcg/translator.h"

namespace vmm::replay {
namespace {

constexpr u64 kMillisecond = 1'000'000;
constexpr u64 kSpacingNs = 20 * kMillisecond;      // CPU time from one automatic checkpoint to the next
constexpr u64 kDensestNs = kMillisecond / 2;       // ... and right before where the user is
constexpr u64 kSliceSteps = 5'000'000;             // between looks at whether the user wants it to end
constexpr std::size_t kFewest = 8;                 // checkpoints that stay whatever the budget
constexpr u64 kRingParts = 8;                      // a ring may be longer than it should by one of these
constexpr u64 kMeasurable = 200'000;               // steps whose time says something

bool is_write(const Input& input) {
    return input.kind == InputKind::Request &&
           (input.target == static_cast<u8>(RequestKind::SetMemory) || input.target == static_cast<u8>(RequestKind::SetRegisters));
}

}  // namespace

Timeline::Timeline(Machine& machine, Replayer& replayer, Options options)
    : machine_(machine), replayer_(replayer), options_(std::move(options)), store_(machine), furthest_(machine.icount()),
      passed_(machine.icount()), run_from_(machine.icount()) {
    keep();
}

Timeline::Timeline(Machine& machine, Replayer& replayer, Options options, Recorder& recorder, Recording& history)
    : machine_(machine), replayer_(replayer), recorder_(&recorder), history_(&history), options_(std::move(options)), store_(machine),
      furthest_(machine.icount()), passed_(machine.icount()), run_from_(machine.icount()) {
    keep();
}

// --- Journal -----------------------------------------------------------------------------------------------------------------

std::vector<Input> Timeline::inputs(Icount now, std::vector<Input> posted) {
    if (std::any_of(posted.begin(), posted.end(), is_write) && !live()) {
        if (!branch_) branch_ = Kept{store_.take(), replayer_.cursor(), machine_.time().v};
        return posted;
    }
    if (recorder_ != nullptr) {
        waiting_.insert(waiting_.end(), std::make_move_iterator(posted.begin()), std::make_move_iterator(posted.end()));
        if (!branch_ && live()) {
            auto out = recorder_->inputs(now, std::exchange(waiting_, {}));
            follow();
            return out;
        }
    }
    return branch_ ? std::vector<Input>{} : replayer_.inputs(now, {});
}

void Timeline::follow() {
    Replayer::Cursor cursor = replayer_.cursor();
    cursor.event = history_->events.size();
    cursor.hash = history_->hashes.size();
    replayer_.restore(cursor);
    replayer_.set_end(furthest_);
}

bool Timeline::over(Machine& machine) {
    if (branch_) return false;
    if (live()) return recorder_->over(machine);
    return (ended_ && machine.icount() == head()) || replayer_.over(machine);
}

Icount Timeline::stop(Icount now, Icount limit) {
    if (branch_) return limit;
    if (live()) return recorder_->stop(now, limit);
    // The gate opens exactly where outputs were not seen yet.
    if (now < furthest_) limit = std::min(limit, furthest_);
    return replayer_.stop(now, limit);
}

void Timeline::arrived(Machine& machine) {
    if (branch_) return;
    const Icount now = machine.icount();
    // A run that was live when it set out arrives beyond all that was held.
    if (recorder_ != nullptr && (now > furthest_ || live())) {
        furthest_ = now;
        recorder_->arrived(machine);
        follow();
    } else {
        replayer_.arrived(machine);
        furthest_ = std::max(furthest_, now);
    }
    if (run_from_ <= passed_) passed_ = std::max(passed_, now);
    set_gate();
    if (!options_.automatic || searching_ || (recorder_ == nullptr && now >= head())) return;
    const u64 cpu = thread_cpu_ns();
    // A ring moves on with guest time, which costs nothing while the guest is idle.
    const bool ring_due = options_.ring_ns != 0 && machine.time().v - std::prev(kept_.end())->second.time >= options_.ring_ns / kRingParts;
    if (cpu - mark_ns_ < kSpacingNs && !ring_due) return;
    // One that was passed on the way counts.
    const auto last = std::prev(kept_.upper_bound(now));
    if (last->first > mark_at_) {
        mark_at_ = last->first;
        mark_ns_ = cpu;
    } else {
        keep();
    }
}

bool Timeline::idle(Machine& machine) {
    if (!branch_) return live() ? recorder_->idle(machine) : replayer_.idle(machine);
    if (const auto next = machine.next_deadline()) machine.idle_jump(*next);
    return true;
}

void Timeline::jumped(Icount at, u64 ns, bool cut) {
    if (branch_ || recorder_ == nullptr) return;
    recorder_->jumped(at, ns, cut);
    furthest_ = std::max(furthest_, machine_.icount());
    follow();
}

int Timeline::leave(Machine& machine, std::optional<Ending> ending, int status) {
    rejoin();
    if (recorder_ == nullptr) {
        const int left = replayer_.leave(machine, ending, status);
        return difference_ ? kStatusDifferent : left;
    }
    // A recording ends where it was at its furthest.
    interruptible_ = false;
    if (ending == Ending::Quit) (void)go_to(furthest_);
    return recorder_->leave(machine, ending, status);
}

// A branch is not noted, and takes no input: it waits for the disks.
std::optional<DiskMark> Timeline::disk_due(Icount now, u8 disk, u64 id) {
    if (branch_) return DiskMark{disk, id, DiskError::None, false};
    return live() ? std::nullopt : replayer_.disk_due(now, disk, id);
}

void Timeline::disk_done(Icount now, const DiskMark& mark) {
    recorder_->disk_done(now, mark);
    furthest_ = std::max(furthest_, now);
    follow();
}

void Timeline::disk_differs(Icount now, const std::string& what) {
    if (!branch_) replayer_.disk_differs(now, what);
}

void Timeline::set_gate() {
    const bool open = !branch_ && machine_.icount() >= furthest_;
    if (open != open_) options_.open(open);
    open_ = open;
}

// --- checkpoints -----------------------------------------------------------------------------------------------------------------

void Timeline::keep() {
    Kept kept{store_.take(), replayer_.cursor(), machine_.time().v};
    const Icount at = kept.machine.at;
    state_bytes_ += kept.machine.state.size();
    if (!kept_.emplace(at, std::move(kept)).second) state_bytes_ -= kept_.at(at).machine.state.size();
    mark_at_ = at;
    forget();
    thin();
    mark_ns_ = thread_cpu_ns();
}

// Drops what costs least: a checkpoint whose neighbours are near one another for how far they are from the user.
void Timeline::thin() {
    const Icount user = machine_.icount();
    while (checkpoint_bytes() > options_.budget && kept_.size() > kFewest) {
        auto cheapest = kept_.end();
        double lowest = 0;
        for (auto it = std::next(kept_.begin()); std::next(it) != kept_.end(); ++it) {
            const auto gap = static_cast<double>(std::next(it)->first - std::prev(it)->first);
            const auto distance = static_cast<double>(it->first > user ? it->first - user : user - it->first);
            const double cost = gap / (distance + static_cast<double>(kSpacingNs) / ns_per_step_);
            if (cheapest == kept_.end() || cost < lowest) {
                cheapest = it;
                lowest = cost;
            }
        }
        state_bytes_ -= cheapest->second.machine.state.size();
        kept_.erase(cheapest);
    }
}

// The ring keeps what went on since its last checkpoint that is old enough; the events before it go.
void Timeline::forget() {
    const u64 now = machine_.time().v, first = kept_.begin()->second.time;
    if (options_.ring_ns == 0 || !live() || now - first < options_.ring_ns + options_.ring_ns / kRingParts) return;
    auto begin = kept_.begin();
    for (auto it = std::next(begin); it != kept_.end() && it->second.time + options_.ring_ns <= now; ++it) begin = it;
    for (auto it = kept_.begin(); it != begin; it = kept_.erase(it)) state_bytes_ -= it->second.machine.state.size();
    const Replayer::Cursor gone = begin->second.cursor;
    history_->events.erase(history_->events.begin(), history_->events.begin() + static_cast<std::ptrdiff_t>(gone.event));
    history_->hashes.erase(history_->hashes.begin(), history_->hashes.begin() + static_cast<std::ptrdiff_t>(gone.hash));
    for (auto& [at, kept] : kept_) {
        kept.cursor.event -= gone.event;
        kept.cursor.hash -= gone.hash;
    }
    follow();
}

void Timeline::restore(Icount at) {
    const Kept& kept = kept_.at(at);
    ended_ = false;
    store_.restore(kept.machine);
    replayer_.restore(kept.cursor);
    run_from_ = at;
    mark_at_ = at;
    mark_ns_ = thread_cpu_ns();
    set_gate();
}

// --- moving --------------------------------------------------------------------------------------------------------------------------

Timeline::Arrived Timeline::run_to(Icount target, const DebugPoints* points, Icount seen) {
    machine_.translator().set_debug_points(points, seen);
    while (machine_.icount() < target) {
        if (interruptible_ && options_.interrupted()) return Arrived::Interrupted;
        const Icount from = machine_.icount();
        for (const Input& input : replayer_.inputs(from, {})) machine_.inbox().apply(input);
        if (replayer_.over(machine_)) return Arrived::End;
        const u64 before = thread_cpu_ns();
        const Stop why = machine_.run(stop(from, std::min(target, from + kSliceSteps)));
        if (const u64 steps = machine_.icount() - from; steps >= kMeasurable)
            ns_per_step_ = (3 * ns_per_step_ + static_cast<double>(thread_cpu_ns() - before) / static_cast<double>(steps)) / 4;
        arrived(machine_);
        bool triple_fault = false;
        switch (why) {
            case Stop::DebugPoint: return Arrived::Point;
            case Stop::Reset:
                triple_fault = points != nullptr && machine_.translator().take_triple_fault();
                ended_ = recorder_ == nullptr && machine_.icount() == head();
                break;
            case Stop::PowerOff:
            case Stop::DebugExit:
                ended_ = machine_.icount() == head();
                return machine_.icount() == target ? Arrived::There : Arrived::End;
            case Stop::Idle:
                if (replayer_.idle(machine_) && machine_.icount() != from) {
                    machine_.run(machine_.icount());
                    arrived(machine_);
                }
                break;
            default: break;
        }
        if (triple_fault) return Arrived::Point;
    }
    return Arrived::There;
}

// The state at a position is the one after all that is due there.
void Timeline::settle() {
    do {
        for (const Input& input : replayer_.inputs(machine_.icount(), {})) machine_.inbox().apply(input);
        machine_.run(machine_.icount());
        arrived(machine_);
    } while (replayer_.due(machine_.icount()));
}

Timeline::Arrived Timeline::approach(Icount target) {
    u64 ahead = 32 * kDensestNs;
    for (; ahead >= kDensestNs; ahead /= 2) {
        const auto steps = static_cast<u64>(static_cast<double>(ahead) / ns_per_step_);
        if (target < Icount{steps} || target - steps <= machine_.icount()) continue;
        const Icount at = target - steps;
        if (const Arrived how = run_to(at, nullptr, {}); how != Arrived::There) return how;
        // Near enough to one that is there already?
        const Icount last = std::prev(kept_.upper_bound(at))->first;
        if (at - last > steps / 2 && (recorder_ != nullptr || at < head())) keep();
    }
    return run_to(target, nullptr, {});
}

void Timeline::draw_near(Icount target) {
    const Icount now = machine_.icount(), nearest = std::prev(kept_.upper_bound(target))->first;
    const bool back = now > target || (now == target && replayer_.outcome() != Replayer::Outcome::Running);
    const Icount from = back ? nearest : std::max(now, nearest);
    if (recorder_ == nullptr) {
        const auto& carried = replayer_.recording().checkpoints;
        const auto stored = checkpoint_before(replayer_.recording(), target);
        const u64 saved = stored && carried[*stored].at > from ? carried[*stored].at - from : 0;
        if (saved != 0 && static_cast<double>(saved) * ns_per_step_ >= static_cast<double>(options_.worth_entering_ns) && enter(*stored)) return;
    }
    if (back || nearest > now) restore(nearest);
}

bool Timeline::enter(std::size_t stored) {
    const Icount at = replayer_.recording().checkpoints[stored].at;
    const Kept here{store_.take(), replayer_.cursor(), machine_.time().v};
    store_.restore(kept_.begin()->second.machine);
    if (const auto restored = restore_stored(replayer_.recording(), stored, machine_); !restored) {
        store_.restore(here.machine);
        replayer_.restore(here.cursor);
        return false;
    }
    replayer_.restore(replayer_.cursor_at(at));
    ended_ = false;
    furthest_ = std::max(furthest_, at);
    run_from_ = at;
    set_gate();
    keep();
    return true;
}

Result<void> Timeline::pass(Icount upto) {
    rejoin();
    const Icount now = machine_.icount(), nearest = std::prev(kept_.upper_bound(passed_))->first;
    if (upto <= passed_) return {};
    if (now > passed_ || run_from_ > passed_ || now < nearest) restore(nearest);
    const Arrived how = run_to(std::min(upto, head()), nullptr, {});
    settle();
    if (how == Arrived::Interrupted) return Error{"interrupted at icount " + std::to_string(machine_.icount().v)};
    if (passed_ >= std::min(upto, head())) return {};
    return Error{different() ? differs() : "the replay ended at icount " + std::to_string(machine_.icount().v)};
}

Result<void> Timeline::seek(Icount target) {
    auto done = go_to(target);
    // Whoever knows of it may seek to where it shows.
    if (!different() || difference_ == replayer_.difference()) return done;
    return Error{differs()};
}

Result<void> Timeline::go_to(Icount target) {
    rejoin();
    if (target < begin()) return Error{"the past is held from icount " + std::to_string(begin().v) + " on"};
    if (target > head()) return Error{(recorder_ != nullptr ? "the run is at icount " : "the recording ends at icount ") + std::to_string(head().v)};
    draw_near(target);
    const Arrived how = approach(target);
    settle();
    const Icount at = machine_.icount();
    if (at == target) return {};
    if (how == Arrived::Interrupted) return Error{"interrupted at icount " + std::to_string(at.v)};
    return Error{different() ? replayer_.report() : "the replay ended at icount " + std::to_string(at.v)};
}

PauseEvent Timeline::end() {
    if (!different()) return replayer_.end();
    const bool first = difference_ != replayer_.difference();
    const std::string text = differs();
    return {first ? Pause::LastEqual : Pause::Different, {}, text};
}

// Before anything is wrong is where to look from: the first time that a difference shows, the machine goes back to the last position
// at which what is different was compared and was equal; the next time it stays.
std::string Timeline::differs() {
    const Difference d = replayer_.difference();
    const std::string report = replayer_.report();
    if (difference_ == d) return report;
    difference_ = d;
    report_ = report;
    const auto of_memory = [](const std::string& part) { return part.starts_with("RAM") || part.starts_with("video memory"); };
    Icount at = std::any_of(d.parts.begin(), d.parts.end(), of_memory) ? d.good_memory : d.good;
    // It was compared before the inputs of its position.
    const auto& events = replayer_.recording().events;
    const auto it = std::lower_bound(events.begin(), events.end(), at, [](const Event& e, Icount position) { return e.at < position; });
    if (it != events.end() && it->at == at && at > begin()) at = Icount{at.v - 1};
    interruptible_ = false;
    const auto done = go_to(at);
    interruptible_ = true;
    if (!done) return report + "; going back, it differs otherwise: " + done.error().text;
    return report + "; the machine is at " + std::to_string(at.v) + " again, the last position known to be equal: 'difference' says more, and going on, or 'seek " +
           std::to_string(d.bad.v) + "', comes to where it shows";
}

Result<void> Timeline::visit(Icount position, const std::function<void()>& there) {
    const Icount here = machine_.icount();
    const bool interruptible = std::exchange(interruptible_, false);
    auto done = go_to(position);
    if (done) there();
    if (auto again = go_to(here); done) done = again;
    interruptible_ = interruptible;
    return done;
}

// The machine stands at `from`, a kept checkpoint. The last position before `to` at which one goes back to a point.
std::optional<Icount> Timeline::last_hit(Icount to, const DebugPoints& points, Hit& hit, bool& interrupted) {
    std::optional<Icount> found;
    searching_ = true;
    for (Icount seen{~u64{0}};;) {
        const Arrived how = run_to(to, &points, seen);
        interrupted = how == Arrived::Interrupted;
        if (how != Arrived::Point) break;
        seen = machine_.icount();
        hit = *machine_.translator().hit();
        // Going back one comes to a breakpoint's instruction, but to before the step that touched a watched byte.
        found = hit.point.kind == PointKind::Execute ? seen : Icount{seen.v - 1};
    }
    searching_ = false;
    return found;
}

// A step forward that leaves out interrupts ended at `at`'s instruction. If an interrupt returned to there, that step began before
// the interrupt; before several, if several followed one another.
Icount Timeline::before_interrupts(Icount at) {
    constexpr u64 kFarthest = 1u << 26;                  // steps that are looked through for where it began
    constexpr unsigned kMost = 64;                       // interrupts and exceptions likewise
    DebugPoints points;
    for (const PointKind kind : {PointKind::Interrupt, PointKind::Exception}) points.add({kind, 0, 1, false, {}, true});
    for (bool found = true; std::exchange(found, false);) {
        if (at <= begin() || !go_to(at)) return at;
        const CodePlace place = code_place(machine_.translator().state());
        if (!go_to(at - 1) || !at_iret()) return at;
        Go go;
        go.direction = Direction::Backward;
        go.until = Icount{at.v > kFarthest ? at.v - kFarthest : 0};
        for (unsigned n = 0; n < kMost; ++n) {
            const PauseEvent event = back(go, points);
            if (event.why != Pause::Point) return at;
            if (code_place(machine_.translator().state()) != place) continue;
            if (event.hit->point.kind != PointKind::Interrupt) return at;
            at = machine_.icount();
            found = true;
            break;
        }
    }
    return at;
}

// IRET is the instruction that comes next.
bool Timeline::at_iret() {
    const CpuState& s = machine_.translator().state();
    u32 linear = s.seg[kCs].base + s.eip;
    for (unsigned n = 0; n < 4; ++n, ++linear) {         // prefixes
        GuestPhys at{};
        u8 byte = 0;
        if (!machine_.translator().cpu().mmu().probe(linear, at) || machine_.memory().view(at).read == Memory::PageView::kNone) return false;
        machine_.memory().read_ram(at, {&byte, 1});
        if (byte == 0xcf) return true;
        if (byte != 0x66) return false;
    }
    return false;
}

std::vector<std::string> Timeline::events(Icount from, Icount to, std::size_t most) const {
    std::vector<std::string> out;
    const auto& all = replayer_.recording().events;
    auto it = std::lower_bound(all.begin(), all.end(), from, [](const Event& e, Icount at) { return e.at < at; });
    for (; it != all.end() && it->at <= to && out.size() < most; ++it) out.push_back(describe_event(*it));
    return out;
}

PauseEvent Timeline::back(const Go& go, const DebugPoints& points) {
    const bool left_branch = branch_.has_value();
    rejoin();
    PauseEvent event;
    if (left_branch) event.text = "the branch that a write had opened is left; this is the recording again";
    const Icount start = machine_.icount();
    const Icount goal = go.until ? std::max(*go.until, begin()) : begin();
    if (start <= goal) {
        event.why = go.until && *go.until >= begin() ? Pause::Position : Pause::HistoryBegin;
        return event;
    }
    auto stand_at = [&](Icount at, Pause why) {
        interruptible_ = false;
        const auto done = go_to(at);
        interruptible_ = true;
        event.why = done ? why : Pause::Different;
        if (!done) event.text = done.error().text;
        return event;
    };
    if (go.one_step && go.over_interrupts) {
        interruptible_ = false;
        const Icount at = before_interrupts(Icount{start.v - 1});
        interruptible_ = true;
        return stand_at(at, Pause::Step);
    }
    if (go.one_step) return stand_at(Icount{start.v - 1}, Pause::Step);
    if (!points.empty()) {
        for (Icount to = start; to > goal;) {
            const Icount from = std::prev(kept_.lower_bound(to))->first;
            restore(from);
            Hit hit;
            bool interrupted = false;
            const auto at = last_hit(to, points, hit, interrupted);
            if (interrupted) return stand_at(from, Pause::User);
            if (at && *at >= goal) {
                event.hit = hit;
                if (is_event(hit.point.kind)) event.text = "caught " + describe(hit);
                return stand_at(*at, Pause::Point);
            }
            to = from;
        }
    }
    return stand_at(goal, go.until ? Pause::Position : Pause::HistoryBegin);
}

// --- branches ---------------------------------------------------------------------------------------------------------------------------

std::optional<Icount> Timeline::branch() const { return branch_ ? std::optional(branch_->machine.at) : std::nullopt; }

void Timeline::rejoin() {
    if (!branch_) return;
    const Kept kept = std::move(*branch_);
    branch_.reset();
    ended_ = false;
    run_from_ = kept.machine.at;
    store_.restore(kept.machine);
    replayer_.restore(kept.cursor);
    mark_at_ = kept.machine.at;
    mark_ns_ = thread_cpu_ns();
    set_gate();
}

}  // namespace vmm::replay
