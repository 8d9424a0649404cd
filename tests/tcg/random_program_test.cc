// SPDX-License-Identifier: Apache-2.0
// How code is cut into blocks, when a run is stopped, and whether code is generated at all never shows: random programs run
// interpreted one step at a time, and again with generated code, blocks of several lengths and stops in between; processor
// state, memory (accessed and dirty bits too) and the count of steps are the same at every stop.
// VMM_PROGRAM_SEED and VMM_PROGRAM_COUNT choose another run.
#include <gtest/gtest.h>

#include <xxhash.h>

#include <cstdlib>
#include <map>
#include <sstream>

#include "tests/tcg/random_program.h"
#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/translator.h"

namespace vmm::test {
namespace {

using namespace tcg;

constexpr u64 kMostSteps = 600;

u32 setting(const char* name, u32 otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? static_cast<u32>(std::strtoul(text, nullptr, 0)) : otherwise;
}

class Line final : public InterruptSource {
  public:
    bool pending() const override { return raised; }
    u8 acknowledge() override {
        raised = false;
        return 0x30;
    }
    bool raised = false;
};

struct Snapshot {
    CpuState s;
    u64 memory = 0;
};

class Machine {
  public:
    explicit Machine(unsigned block_limit, bool interpret) {
        memory_.map_ram(0, 0, kProgramRam >> kPageShift);
        pins_.source = &line_;
        translator_.set_block_limit(block_limit);
        translator_.set_interpret(interpret);
    }

    void load(const RandomProgram& p) {
        p.load(memory_);
        clock_.set_icount({0});
        line_.raised = false;
        next_interrupt_ = 0;
        program_ = &p;
        translator_.set_state(p.initial);
    }

    // Up to `limit`; false when the machine halted or shut down.
    bool run(u64 limit) {
        for (;;) {
            const auto& due = program_->interrupts;
            while (next_interrupt_ < due.size() && due[next_interrupt_] <= clock_.icount().v) {
                line_.raised = true;
                pins_.intr_changed();
                ++next_interrupt_;
            }
            if (clock_.icount().v >= limit) return true;
            const u64 stop = next_interrupt_ < due.size() ? std::min(limit, due[next_interrupt_]) : limit;
            switch (translator_.run({stop})) {
            case StopReason::Halted: case StopReason::TripleFault: return false;
            default: break;
            }
        }
    }

    u64 now() const { return clock_.icount().v; }
    Snapshot snapshot() {
        u64 h = 0;
        const auto add = [&](u32 at, u32 pages) { h = XXH3_64bits_withSeed(memory_.base() + at, pages * kPageSize, h); };
        add(kPageDirectory, 3);
        add(kCounter, 3);
        add(kOtherDirectory, 2);
        add(kProgramCode, kProgramCodePages);
        add(kWindow, kWindowPages);
        add(kProgramStack, kProgramStackPages);
        return {translator_.state(), h};
    }
    const Translator::Stats& stats() const { return translator_.stats(); }

  private:
    IoBus ports_{"ports"}, mmio_{"mmio"};
    Memory memory_{kProgramRam, 0, mmio_};
    Clock clock_;
    Timers timers_{clock_};
    CpuPins pins_;
    Line line_;
    Translator translator_{memory_, ports_, clock_, timers_, pins_, **find_cpu_model("pentium4")};
    const RandomProgram* program_ = nullptr;
    std::size_t next_interrupt_ = 0;
};

std::string show(const CpuState& s) {
    constexpr const char* kNames[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    std::ostringstream out;
    out << std::hex;
    for (unsigned i = 0; i < 8; ++i) out << kNames[i] << '=' << s.gpr[i] << ' ';
    out << "eip=" << s.eip << " cs=" << s.seg[kCs].selector << " eflags=" << s.eflags << " cr2=" << s.cr2;
    return out.str();
}

std::string difference(const Snapshot& a, const Snapshot& b) {
    if (a.s.gpr != b.s.gpr) return "registers";
    if (a.s.eip != b.s.eip) return "EIP";
    if (a.s.eflags != b.s.eflags) return "EFLAGS";
    for (unsigned i = 0; i < 6; ++i) {
        const Segment &x = a.s.seg[i], &y = b.s.seg[i];
        if (x.selector != y.selector || x.base != y.base || x.limit != y.limit || x.attr != y.attr) return "segments";
    }
    for (unsigned i = 0; i < 8; ++i) {
        if (a.s.xmm[i].lo != b.s.xmm[i].lo || a.s.xmm[i].hi != b.s.xmm[i].hi) return "XMM registers";
        if (a.s.fpu.significand[i] != b.s.fpu.significand[i] || a.s.fpu.exponent[i] != b.s.fpu.exponent[i]) return "x87 registers";
    }
    if (a.s.mxcsr != b.s.mxcsr || a.s.fpu.status != b.s.fpu.status || a.s.fpu.tag != b.s.fpu.tag) return "MXCSR or x87 state";
    if (a.s.cr2 != b.s.cr2) return "CR2";
    if (a.s.dr6 != b.s.dr6 || a.s.dr7 != b.s.dr7 || a.s.pending_debug != b.s.pending_debug) return "debug state";
    if (a.s.shadow != b.s.shadow || a.s.halted != b.s.halted) return "shadow or halt";
    if (a.memory != b.memory) return "memory";
    return {};
}

class RandomPrograms : public testing::Test {
  protected:
    // What every step leaves behind; index: icount.
    void reference(const RandomProgram& p) {
        path_.clear();
        reference_.load(p);
        path_.push_back(reference_.snapshot());
        while (path_.size() <= kMostSteps && reference_.run(path_.size())) path_.push_back(reference_.snapshot());
        // HLT and shutdown end a run within the step that is looked at next.
        while (path_.size() <= reference_.now()) path_.push_back(reference_.snapshot());
    }

    std::string compare(Machine& m, const RandomProgram& p, u64 every) {
        m.load(p);
        bool on = true;
        for (u64 stop = every; on; stop += every) {
            on = m.run(std::min<u64>(stop, path_.size() - 1));
            const u64 now = m.now();
            if (now >= path_.size()) return "ran on to step " + std::to_string(now);
            const Snapshot here = m.snapshot();
            const std::string what = difference(path_[now], here);
            if (!what.empty()) {
                std::ostringstream out;
                out << what << " after " << now << " steps\n  expected " << show(path_[now].s) << "\n  found    " << show(here.s);
                for (u64 i = now < 8 ? 0 : now - 8; i < now; ++i) out << "\n  before step " << i + 1 << ": " << show(path_[i].s);
                return out.str();
            }
            if (now == path_.size() - 1) break;
        }
        if (m.now() != path_.size() - 1) return "stopped at step " + std::to_string(m.now());
        return {};
    }

    std::vector<Snapshot> path_;
    Machine reference_{1, true};
};

TEST_F(RandomPrograms, LeaveTheSameStateHoweverTheyAreCut) {
    const u32 seed = ::vmm::test::setting("VMM_PROGRAM_SEED", 20261121);
    const u32 count = ::vmm::test::setting("VMM_PROGRAM_COUNT", 300);
    struct Way { unsigned limit; u64 every; bool interpret; };
    constexpr Way kWays[] = {{1, 1, false}, {1, 50, false}, {2, 13, false}, {5, 7, false}, {32, 3, false}, {32, 97, false}, {32, kMostSteps, false}, {1, 29, true}};
    std::vector<std::unique_ptr<Machine>> machines;
    for (const Way& w : kWays) machines.push_back(std::make_unique<Machine>(w.limit, w.interpret));
    u64 steps = 0;
    u32 failures = 0;
    for (u32 i = 0; i < count && failures < 5; ++i) {
        const RandomProgram p = make_program(seed + i);
        reference(p);
        steps += path_.size() - 1;
        for (std::size_t w = 0; w < machines.size(); ++w) {
            const std::string what = compare(*machines[w], p, kWays[w].every);
            if (what.empty()) continue;
            ++failures;
            std::string listing;
            for (const std::string& line : p.listing) listing += "\n    " + line;
            ADD_FAILURE() << "seed " << seed + i << ", setting " << unsigned(p.setting) << ", blocks of " << kWays[w].limit << ", stops every " << kWays[w].every
                          << (kWays[w].interpret ? ", interpreted" : "") << ": " << what << listing;
            break;
        }
    }
    u64 blocks = 0;
    for (const auto& m : machines) blocks += m->stats().blocks;
    std::cout << "seeds from " << seed << ": " << count << " programs, " << steps << " steps, " << blocks << " blocks\n";
    EXPECT_GT(blocks, count);
}

}  // namespace
}  // namespace vmm::test
