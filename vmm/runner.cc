// SPDX-License-Identifier: Apache-2.0
#include "vmm/runner.h"

#include <algorithm>
#include <utility>

#include "vmm/disks.h"
#include "vmm/host_clock.h"
#include "vmm/tcg/translator.h"

namespace vmm {
namespace {

constexpr u64 kSliceNs = 200'000;                  // host time of a slice, aimed at
constexpr u64 kMinSlice = 10'000, kMaxSlice = 10'000'000;   // steps
constexpr u64 kShortestSleepNs = 50'000;
constexpr u64 kLongestSleepNs = 100'000'000;
constexpr u64 kTryAgainNs = 1'000'000'000;

class Run {
  public:
    Run(Control& control, const RunnerOptions& options, Journal& journal)
        : control_(control), m_(control.machine()), o_(options), journal_(journal), host_zero_(host_ns()), guest_zero_(m_.time()) {}

    int operator()() {
        control_.set_write([this](const Input& input) {
            apply({input});
            if (const Stop stop = run(m_.icount()); stop != Stop::Limit) asked_ = stop;
        });
        if (!o_.start_paused) control_.go({});
        moves_ = control_.moves();
        m_.disks().set_journal(&journal_);
        const int status = loop();
        m_.disks().set_journal(nullptr);
        control_.set_write(nullptr);
        return status;
    }

  private:
    int loop() {
        for (;;) {
            control_.publish();
            control_.run_tasks();
            if (const auto status = control_.quitting()) return journal_.leave(m_, Ending::Quit, *status);
            if (asked_)
                if (const auto status = ended(*std::exchange(asked_, std::nullopt))) return *status;
            if (control_.take_interrupt()) control_.pause();
            if (!control_.move()) {
                wait_paused();
                continue;
            }
            if (control_.moves() != moves_) move_begins();
            if (control_.move()->direction == Direction::Backward) {
                control_.paused(control_.travel() != nullptr ? control_.travel()->back(*control_.move(), control_.points())
                                                             : PauseEvent{Pause::HistoryBegin, {}, control_.why_not_back()});
                continue;
            }
            if (const auto status = forward()) return *status;
        }
    }

    // One slice of a move forward. The program's exit status, if that is over.
    std::optional<int> forward() {
        if (auto trouble = journal_.trouble()) {
            pause(std::move(*trouble));
            return std::nullopt;
        }
        if (const auto trouble = m_.disks().trouble(); !trouble.empty()) {
            pause({Pause::HostError, {}, trouble + "; going on tries again"});
            return std::nullopt;
        }
        const Icount from = m_.icount();
        if (from == ended_at_) {
            control_.paused({Pause::Ended, {}, "the guest has ended"});
            return std::nullopt;
        }
        if (from != no_input_at_) apply(m_.inbox().take());
        o_.boundary();
        if (journal_.over(m_)) return over();
        const Go go = *control_.move();
        if (over_ && !go.over_interrupts) leave_over();
        const bool one_step = go.one_step && !over_;
        const CodePlace place = code_place(m_.translator().state());
        base_before_ = m_.translator().state().seg[kCs].base;
        Icount limit = from + (one_step || from == no_input_at_ ? 1 : slice_);
        for (const auto& at : {go.until, control_.break_at()})
            if (at && *at > from) limit = std::min(limit, *at);
        m_.translator().set_debug_points(control_.points().empty() ? nullptr : &control_.points(), start_);
        const u64 before = host_ns();
        const Stop stop = run(journal_.stop(from, limit));
        const u64 took = host_ns() - before;
        if (stop == Stop::Reset && m_.translator().take_triple_fault() && from_before_triple_fault()) return std::nullopt;
        if (stop == Stop::Limit && !one_step) adapt(m_.icount() - from, took);
        if (stop == Stop::Idle && idle()) {
            // The timers that are due where the jump ended fire before any input: position N is one state.
            if (const auto status = ended(run(m_.icount()))) return status;
        } else if (const auto status = ended(stop)) {
            return status;
        }
        if (control_.move() && !stepping_over(go, place, stop)) look_for_pause(go, from, stop);
        return std::nullopt;
    }

    void look_for_pause(const Go& go, Icount from, Stop stop) {
        const Icount now = m_.icount();
        PauseEvent event;
        if (stop == Stop::DebugPoint) event = caught();
        else if (go.one_step && now > from && !within(go)) event.why = Pause::Step;
        else if (now > from && ((go.until && now >= *go.until) || (control_.break_at() && now == *control_.break_at()))) {
            event.why = Pause::Position;
            if (control_.break_at() == now) control_.set_break_at(std::nullopt);
        } else {
            return;
        }
        settle();
        if (control_.move()) pause(std::move(event));
    }

    PauseEvent caught() const {
        const auto& hit = m_.translator().hit();
        return {Pause::Point, hit, hit && is_event(hit->point.kind) ? "caught " + describe(*hit) : ""};
    }

    // Everything was reset. Back to before the step, unless the run sets out from there.
    bool from_before_triple_fault() {
        TimeTravel* travel = control_.travel();
        const Icount before = m_.icount() - 1;
        if (travel == nullptr || before == start_ || travel->branch()) return false;
        PauseEvent event = caught();
        if (auto done = travel->seek(before); !done) event = {Pause::Different, {}, done.error().text};
        pause(std::move(event));
        return true;
    }

    // A step that does not go into interrupts: from where one was delivered to where it returns to, and on. True: under way.
    bool stepping_over(const Go& go, const CodePlace& before, Stop stop) {
        if (!go.over_interrupts) return false;
        if (!over_) {
            if (m_.translator().interrupted_at() != m_.icount() || stop != Stop::Limit) return false;
            over_.emplace(before, control_.points().add({PointKind::Execute, base_before_ + before.eip, 1, false, {}, false, true}));
            return true;
        }
        if (stop != Stop::DebugPoint) return true;
        const auto& hit = m_.translator().hit();
        const bool back = hit->point.kind == PointKind::Execute && code_place(m_.translator().state()) == over_->first;
        const bool mine = hit->id == over_->second;
        start_ = m_.icount();                            // seen
        if (back) leave_over();
        return back || mine;
    }
    void leave_over() {
        if (over_) control_.points().remove(over_->second);
        over_.reset();
    }

    bool within(const Go& go) const {
        const u32 eip = m_.translator().state().eip;
        return go.range && eip >= go.range->first && eip < go.range->second;
    }

    // A position is the state after everything that is due there; what a recording says is due is applied before anyone looks.
    void settle() {
        while (journal_.due(m_.icount())) {
            apply({});
            run(m_.icount());
        }
    }

    void pause(PauseEvent event) {
        leave_over();
        start_ = no_input_at_ = m_.icount();
        paused_at_ = tried_at_ = host_ns();
        control_.paused(std::move(event));
    }

    // Paused: tasks, and nothing else; then host time goes on where it stood.
    void wait_paused() {
        leave_over();
        if (!paused_at_) pause_begins();
        control_.wait_for_task(kLongestSleepNs);
        control_.run_tasks();
        if (o_.unattended && control_.last_pause().why == Pause::HostError && host_ns() - tried_at_ >= kTryAgainNs) {
            tried_at_ = host_ns();
            if (journal_.try_again() && !control_.move()) control_.go({});
        }
    }

    // Out of a pause; seeks and other moves may have come since, in the same task.
    void move_begins() {
        moves_ = control_.moves();
        if (journal_.trouble()) (void)journal_.try_again();
        m_.disks().try_again();
        if (paused_at_) host_zero_ += host_ns() - *std::exchange(paused_at_, std::nullopt);
        start_ = no_input_at_ = m_.icount();
    }

    void pause_begins() { paused_at_ = host_ns(); }

    void apply(std::vector<Input> posted) {
        for (const Input& input : journal_.inputs(m_.icount(), std::move(posted))) {
            m_.inbox().apply(input);
            if (input.kind != InputKind::Request) continue;
            host_reset_ |= input.target == static_cast<u8>(RequestKind::Reset);
            if (input.target == static_cast<u8>(RequestKind::PowerButton)) control_.happened(Happening::PowerButton);
        }
    }

    Stop run(Icount limit) {
        const Stop stop = m_.run(limit);
        journal_.arrived(m_);
        return stop;
    }

    std::optional<int> over() {
        const bool looked_at = journal_.different() && (control_.attended() || o_.pause_at_difference);
        if (!control_.held() && !o_.pause_at_end && !looked_at) return journal_.leave(m_, std::nullopt, 0);
        pause(journal_.end());
        return std::nullopt;
    }

    std::optional<int> ended(Stop stop) {
        switch (stop) {
            case Stop::Limit:
            case Stop::DebugPoint:
            case Stop::Idle: return std::nullopt;
            case Stop::Reset:
                if (const bool host = std::exchange(host_reset_, false); o_.no_reboot) {
                    control_.happened(host ? Happening::ShutdownByHostReset : Happening::ShutdownByReset);
                    return finish(Ending::Reset, 0);
                } else {
                    ended_at_ = Icount{~u64{0}};
                    control_.happened(host ? Happening::HostReset : Happening::Reset);
                    return std::nullopt;
                }
            case Stop::PowerOff:
                control_.happened(Happening::Shutdown);
                return finish(Ending::PowerOff, 0);
            case Stop::DebugExit:
                control_.happened(Happening::Shutdown);
                return finish(Ending::DebugExit, m_.exit_code());
        }
        return std::nullopt;
    }

    // The guest ended. With somebody to look at it the machine stays; it stands still from here on.
    std::optional<int> finish(Ending ending, int status) {
        ended_at_ = m_.icount();
        if (!o_.no_shutdown && !control_.held()) return journal_.leave(m_, ending, status);
        pause({Pause::Ended, {}, "the guest " + std::string(ending == Ending::PowerOff ? "powered off" : ending == Ending::Reset ? "reset" : "exited")});
        return std::nullopt;
    }

    void adapt(u64 steps, u64 ns) {
        if (ns == 0) ns = 1;
        const u64 fit = static_cast<u64>(u128{steps} * kSliceNs / ns);
        slice_ = std::clamp((slice_ * 3 + fit) / 4, kMinSlice, kMaxSlice);
    }

    // The guest halted. Never sleeps when guest time is behind host time. False: time stood still.
    bool idle() {
        const Icount at = m_.icount();
        if (journal_.idle(m_)) return m_.icount() != at;
        const auto next = m_.next_deadline();
        if (!next && !o_.sleep) {
            // Nothing will ever happen without input, and time stands still until there is some.
            m_.inbox().wait_ns(kLongestSleepNs);
            return false;
        }
        const u64 length = next ? (*next > m_.time() ? *next - m_.time() : 0) : kLongestSleepNs;
        const u64 guest = m_.time() - guest_zero_ + length;
        const u64 host = host_ns() - host_zero_;
        const u64 ahead = guest > host ? std::min(guest - host, length) : 0;
        if (!o_.sleep || ahead < kShortestSleepNs) {
            if (!next && !m_.inbox().empty()) return false;
            jump(next, length);
            return true;
        }
        const u64 start = host_ns();
        const bool input = m_.inbox().wait_ns(std::min(ahead, kLongestSleepNs));
        const u64 slept = host_ns() - start;
        // Input, or a sleep cut into pieces so that we stay attentive: as much guest time passed as host time did.
        jump(next, input || slept < ahead ? std::min(slept, length) : length);
        return true;
    }

    void jump(std::optional<GuestTime> next, u64 length) {
        const Icount at = m_.icount();
        const GuestTime upto = m_.time() + length;
        m_.idle_jump(upto);
        journal_.jumped(at, length, !next || upto < *next);
    }

    Control& control_;
    Machine& m_;
    const RunnerOptions& o_;
    Journal& journal_;
    u64 host_zero_;
    GuestTime guest_zero_;
    u64 slice_ = 100'000;
    u64 moves_ = 0;                                    // begun by the control, and seen here
    Icount start_{~u64{0}};                            // breakpoints here were seen already
    Icount no_input_at_{~u64{0}};                      // the machine paused here: nothing more enters at this position
    Icount ended_at_{~u64{0}};                         // the guest ended here; there is no way forward
    std::optional<std::pair<CodePlace, DebugPoints::Id>> over_;   // an interrupt that is stepped over: where it returns to
    u32 base_before_ = 0;                              // of CS
    bool host_reset_ = false;                          // the reset that comes is not the guest's
    std::optional<u64> paused_at_;                     // host time
    std::optional<Stop> asked_;                        // by what entered while the machine was paused
    u64 tried_at_ = 0;
};

}  // namespace

int run_machine(Control& control, const RunnerOptions& options, Journal& journal) { return Run(control, options, journal)(); }

}  // namespace vmm
