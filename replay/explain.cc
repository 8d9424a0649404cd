// SPDX-License-Identifier: Apache-2.0
#include "replay/explain.h"

#include <cstdio>

#include "replay/rr_dump.h"
#include "replay/stored_state.h"
#include "vmm/tcg/decode.h"
#include "vmm/tcg/mmu.h"
#include "vmm/tcg/translator.h"

namespace vmm::replay {
namespace {

using Lines = std::vector<std::string>;

std::string number(Icount at) { return std::to_string(at.v); }

void add_difference(Lines& out, Machine& a, Machine& b, const std::string& which) {
    const auto lines = Machine::difference(a, b);
    if (lines.empty()) return;
    out.push_back(which);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i == 20) {
            out.push_back("  ...");
            return;
        }
        out.push_back("  " + lines[i]);
    }
}

// The instruction that the machine is about to execute.
std::string instruction(Machine& machine) {
    const CpuState& s = machine.translator().state();
    const bool big = (s.seg[kCs].attr & 0x4000) != 0;
    const u32 linear = s.seg[kCs].base + s.eip;
    u8 bytes[15] = {};
    std::size_t n = 0;
    for (; n < sizeof bytes; ++n) {
        GuestPhys at{};
        if (!machine.translator().cpu().mmu().probe(static_cast<u32>(linear + n), at)) break;
        machine.memory().read_ram(at, std::span(bytes + n, 1));
    }
    char where[80];
    std::snprintf(where, sizeof where, "cs:eip %04x:%08x, linear %08x", s.seg[kCs].selector, s.eip, linear);
    std::string out = where;
    tcg::Insn insn;
    if (tcg::decode(std::span<const u8>(bytes, n), big, insn) == tcg::DecodeStatus::Ok) out += ", " + tcg::disassemble(insn, s.eip);
    return out;
}

// What came in around there: a changed recording shows here.
void add_events(Lines& out, const Recording& recording, const Difference& difference) {
    constexpr std::size_t kMost = 5;
    Lines events;
    for (const Event& e : recording.events)
        if (e.at >= difference.good_memory && e.at <= difference.bad) events.push_back("  " + describe_event(e));
    if (events.empty()) return;
    out.push_back("the recording's last events up to there:");
    out.insert(out.end(), events.size() > kMost ? events.end() - kMost : events.begin(), events.end());
}

// A run of the events alone: what the recording's hashes say does not stop it.
Recording events_of(const Recording& recording) {
    Recording out = recording;
    out.hashes.clear();
    out.end.reset();
    return out;
}

class Explainer {
  public:
    Explainer(const Recording& recording, const MachineConfig& config, const Difference& difference, Machine* first)
        : recording_(recording), events_(events_of(recording)), config_(config), d_(difference), first_(first),
          from_(checkpoint_before(recording, difference.good_memory)) {}

    Explanation operator()() {
        if (again()) same_as_recorded_ ? agreed() : differed();
        return {std::move(out_), alike_};
    }

  private:
    std::string start() const { return from_ ? "icount " + number(recording_.checkpoints[*from_].at) : "power-on"; }
    Icount start_at() const { return from_ ? recording_.checkpoints[*from_].at : Icount{}; }

    std::unique_ptr<Execution> execution(const Recording& of) {
        auto made = Execution::create(of, config_, from_);
        if (made) return std::move(*made);
        out_.push_back("no second execution: " + made.error().text);
        return nullptr;
    }

    // To where it showed, with the inputs of that position if it is the end.
    void bring(Execution& e) {
        e.run_to(d_.bad);
        if (recording_.end && recording_.end->at == d_.bad && e.position() == d_.bad) e.settle();
    }

    // The second execution, held against the recording's hashes.
    bool again() {
        auto strict = execution(recording_);
        if (!strict) return false;
        bring(*strict);
        Replayer& replayer = strict->replayer();
        if (recording_.end && recording_.end->at == d_.bad && replayer.outcome() == Replayer::Outcome::Running) {
            if (recording_.end->ending == Ending::Quit) (void)replayer.over(strict->machine());
            else (void)replayer.leave(strict->machine(), recording_.end->ending, recording_.end->status);
        }
        same_as_recorded_ = replayer.outcome() != Replayer::Outcome::Different;
        if (!same_as_recorded_) second_ = replayer.difference();
        second_machine_ = std::move(strict);
        return true;
    }

    void agreed() {
        out_.push_back("a second execution, from " + start() + ", agrees with the recording there: the first one was disturbed, by a fault of this host or of this program");
        if (first_ != nullptr && first_->icount() == second_machine_->position())
            add_difference(out_, second_machine_->machine(), *first_, "at icount " + number(d_.bad) + ", as it should be != as the first execution had it:");
    }

    void differed() {
        const bool first_is_like = first_ == nullptr || first_->icount() != second_machine_->position() ||
                                   first_->state_hash() == second_machine_->machine().state_hash();
        if (second_ != d_ || !first_is_like) {
            out_.push_back("a second execution, from " + start() + ", differs as well, but otherwise (between icount " + number(second_.good) + " and " +
                           number(second_.bad) + ": " + second_.what + "): replaying is not stable, which is a fault of this host or of this program");
        } else {
            out_.push_back("a second execution, from " + start() + ", gives the same");
        }
        if (!by_single_instructions()) return;
        with_checkpoint();
        add_events(out_, recording_, d_);
    }

    // Two executions side by side over the stretch, one of them by single instructions. False: they part, and it was said where.
    bool by_single_instructions() {
        const Icount until = std::min(d_.bad, second_.bad);
        auto a = execution(events_), b = execution(events_);
        if (!a || !b) return true;
        const Icount good = std::min(d_.good, second_.good);
        a->run_to(good);
        b->run_to(good);
        if (a->machine().state_hash() != b->machine().state_hash()) {
            out_.push_back("two further executions differ at icount " + number(good) + " already");
            add_difference(out_, a->machine(), b->machine(), "one != the other:");
            return false;
        }
        b->machine().translator().set_interpret(true);
        const auto lines = narrow(*a, *b, until);
        if (lines.empty()) {
            out_.push_back("an execution instruction by instruction, between icount " + number(good) + " and " + number(until) +
                           ", gives the same as translated code: it is the recording that tells of another run (another program, a changed file, a damaged host)");
            return true;
        }
        out_.push_back("translated code and single instructions part, which is a fault of this program:");
        out_.insert(out_.end(), lines.begin(), lines.end());
        alike_ = a->position();
        return false;
    }

    // The recording's own state at the first checkpoint behind the difference.
    void with_checkpoint() {
        for (std::size_t n = 0; n < recording_.checkpoints.size(); ++n) {
            const Icount at = recording_.checkpoints[n].at;
            if (at < d_.bad) continue;
            second_machine_.reset();
            auto mine = execution(events_);
            auto stored = Execution::create(events_, config_, n);
            if (!mine || !stored) return;
            mine->run_to(at);
            if (mine->position() == at)
                add_difference(out_, (*stored)->machine(), mine->machine(), "at icount " + number(at) + ", where the recording has a checkpoint, recorded != replayed:");
            return;
        }
        out_.push_back("the recording has no checkpoint behind that; with one ('vmm rr index' where it replays, or --rr-checkpoint-every) the fields and bytes would be named");
    }

    const Recording& recording_;
    const Recording events_;
    const MachineConfig& config_;
    const Difference& d_;
    Machine* const first_;
    const std::optional<std::size_t> from_;
    std::unique_ptr<Execution> second_machine_;
    Difference second_;
    bool same_as_recorded_ = false;
    std::optional<Icount> alike_;
    Lines out_;
};

}  // namespace

std::vector<std::string> narrow(Execution& a, Execution& b, Icount to, const std::function<void(Machine&)>& disturb) {
    const auto go = [&](Icount at) {
        a.run_to(at);
        b.run_to(at);
        if (disturb) disturb(b.machine());
    };
    const auto alike = [&] { return a.position() == b.position() && a.machine().state_hash() == b.machine().state_hash(); };
    Icount good = a.position(), bad = to;
    auto mark_a = a.mark();
    auto mark_b = b.mark();
    const auto back = [&] {
        a.restore(mark_a);
        b.restore(mark_b);
    };
    go(to);
    if (alike()) return {};
    while (bad - good > 1) {
        back();
        const Icount middle = good + (bad - good) / 2;
        go(middle);
        if (!alike()) {
            bad = middle;
            continue;
        }
        if (a.position() != middle) break;                  // both ended
        good = middle;
        mark_a = a.mark();
        mark_b = b.mark();
    }
    back();
    std::vector<std::string> out{"alike up to icount " + std::to_string(good.v) + ", different at " + std::to_string(bad.v) + "; the next instruction is at " + instruction(a.machine())};
    go(bad);
    if (alike()) out.push_back("not so when that is repeated");
    else add_difference(out, a.machine(), b.machine(), "one != the other:");
    back();
    return out;
}

Explanation explain(const Recording& recording, const MachineConfig& config, const Difference& difference, Machine* first) {
    return Explainer(recording, config, difference, first)();
}

}  // namespace vmm::replay
