// SPDX-License-Identifier: Apache-2.0
// Nonsense on the whole machine: random code in every mode, random traffic to every device, characters, NMIs and power
// buttons at random times. Nothing aborts, nothing hangs, and what happens is the same when the machine is saved in the middle and
// goes on in another one, under other block sizes, other stops, or interpreted.
// VMM_FUZZ_SEED, VMM_FUZZ_FIRST and VMM_FUZZ_CASES choose another run; case n of a seed is always the same.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>

#include <unistd.h>

#include "tests/machine/fuzz_system.h"
#include "tests/machine/lane.h"
#include "vmm/cpu_state.h"
#include "vmm/tcg/mmu.h"

#ifdef __SANITIZE_ADDRESS__
// A report ends in SIGABRT, so that the case is named.
extern "C" const char* __asan_default_options() { return "abort_on_error=1"; }
extern "C" const char* __ubsan_default_options() { return "abort_on_error=1:halt_on_error=1:print_stacktrace=1"; }
#endif

namespace vmm::testing {
namespace {

using test::SplitMix;

#ifdef __SANITIZE_ADDRESS__
constexpr u64 kCases = 80;
#else
constexpr u64 kCases = 400;
#endif
constexpr u64 kCasesOfCode = 32;            // that share their random code
constexpr u64 kSteps = 20'000;
constexpr unsigned kMostRevivals = 60, kMostIdleJumps = 60;
constexpr unsigned kPatience = 120;         // seconds for one case
constexpr const char* kModels[] = {"pentium4", "pentium3", "pentium", "486"};

u64 setting(const char* name, u64 otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

// --- who died, and how to see it again -------------------------------------------------------------------------------

char g_again[160];

extern "C" void name_the_case(int signal) {
    const char* const what = signal == SIGALRM ? "\nhangs: " : "\ndied in: ";
    (void)!write(2, what, std::strlen(what));
    (void)!write(2, g_again, std::strlen(g_again));
    std::signal(SIGABRT, SIG_DFL);
    std::abort();
}

// --- one case --------------------------------------------------------------------------------------------------------

// What happens from outside, at fixed positions; and what is done when the machine can go on no more.
struct Driver {
    u64 seed, number;
    unsigned events = 0, revivals = 0, idle_jumps = 0;
    u64 next_event = 0;

    SplitMix random(u64 stream) const { return SplitMix(seed ^ 0x5eed, number * 4096 + stream); }
    bool over() const { return revivals > kMostRevivals || idle_jumps > kMostIdleJumps; }
};

struct Count {
    std::map<std::string, u64> places, devices;
    u64 steps = 0, resets = 0, halts = 0, power_offs = 0;
};

void revive(Machine& m, Driver& d, Count* count) {
    const std::string place = set_fuzz_processor(m, d.random(2000 + d.revivals++));
    if (count != nullptr) ++count->places[place];
}

void event(Machine& m, Driver& d, Count* count) {
    SplitMix r = d.random(d.events++);
    d.next_event = m.icount().v + 1 + r() % 800;
    std::string what;
    switch (r() % 9) {
    case 8:
        // Somewhere else: most random code ends in a small circle sooner or later.
        revive(m, d, count);
        break;
    case 0: m.inbox().apply({InputKind::Serial, 0, std::string(1 + r() % 20, static_cast<char>(r()))}), what = "serial input"; break;
    case 1: m.inbox().apply({InputKind::Request, static_cast<u8>(RequestKind::Nmi), {}}), what = "NMI"; break;
    case 2:
        if (r() % 8 == 0) m.inbox().apply({InputKind::Request, static_cast<u8>(RequestKind::PowerButton), {}}), what = "power button";
        break;
    default: what = touch_device(m, r); break;
    }
    if (count != nullptr && !what.empty()) ++count->devices[what];
}

// Up to `until` at the latest; false when the case is over before.
bool go(Machine& m, Driver& d, u64 until, u64 stop_every, Count* count) {
    while (m.icount().v < until) {
        if (d.over()) return false;
        if (m.icount().v >= d.next_event) event(m, d, count);
        u64 limit = std::min(until, d.next_event);
        if (stop_every != 0) limit = std::min(limit, m.icount().v + stop_every);
        switch (m.run({limit})) {
        case Stop::Idle:
            if (count != nullptr) ++count->halts;
            ++d.idle_jumps;
            if (m.next_deadline() && d.idle_jumps % 4 != 0) m.idle_jump(m.time() + 3'000'000);
            else revive(m, d, count);
            break;
        case Stop::Reset: case Stop::PowerOff: case Stop::DebugExit:
            if (count != nullptr) ++count->resets;
            revive(m, d, count);
            break;
        default: break;
        }
    }
    return true;
}

class Fuzz : public ::testing::Test {
  protected:
    struct Pair {
        std::unique_ptr<Lane> straight, other;
        std::vector<u8> fresh;
    };

    Pair& machines(const std::string& model) {
        Pair& pair = pairs_[model];
        if (pair.straight == nullptr) {
            MachineConfig config = firmware_config();
            config.ram_bytes = kFuzzRam;
            config.cpu = model;
            config.debugcon_port = 0xe9;
            config.serial_present = {true, true, false, false};
            config.debug_exit = true;
            pair.straight = std::make_unique<Lane>(config, Setting{"straight"});
            pair.other = std::make_unique<Lane>(config, Setting{"other"});
            EXPECT_EQ(pair.straight->error(), "");
            pair.fresh = pair.straight->machine().save();
        }
        return pair;
    }

    static void start(Machine& m, const std::vector<u8>& fresh, const FuzzCode& code, Driver& d, Count* count) {
        ASSERT_TRUE(m.load(fresh));
        fill_fuzz_memory(m, d.random(4000), code);
        d.next_event = d.random(4001)() % 2000;
        revive(m, d, count);
    }

    void straight(Pair& pair, u64 seed, u64 number, const FuzzCode& code, u64 steps, Count* count) {
        Machine& a = pair.straight->machine();
        a.translator().set_block_limit(32);
        Driver d{seed, number};
        start(a, pair.fresh, code, d, count);
        const u64 from = a.icount().v;
        (void)go(a, d, from + steps, 0, count);
        if (count != nullptr) count->steps += a.icount().v - from;
    }

    // The same in two pieces, the second after a load into a machine that has done other things.
    void in_two(Pair& pair, u64 seed, u64 number, const FuzzCode& code, u64 steps) {
        Machine& b = pair.other->machine();
        SplitMix r(seed, number);
        const u64 split = 1 + r() % (kSteps - 1);
        constexpr unsigned kLimits[] = {1, 2, 7, 32};
        b.translator().set_block_limit(kLimits[r() % std::size(kLimits)]);
        b.translator().set_interpret(r() % 4 == 0);
        const u64 stop_every = r() % 3 == 0 ? 1 + r() % 200 : 0;
        const u64 astray_steps = r() % 500;
        Driver d{seed, number};
        start(b, pair.fresh, code, d, nullptr);
        const u64 from = b.icount().v;
        if (!go(b, d, from + std::min(split, steps), stop_every, nullptr) || split >= steps) return;
        const auto image = b.save();
        Driver astray = d;
        (void)go(b, astray, from + split + astray_steps, 0, nullptr);
        ASSERT_TRUE(b.load(image));
        (void)go(b, d, from + steps, stop_every, nullptr);
    }

    bool alike_after(Pair& pair, u64 seed, u64 number, const FuzzCode& code, u64 steps, Count* count) {
        straight(pair, seed, number, code, steps, count);
        in_two(pair, seed, number, code, steps);
        Machine &a = pair.straight->machine(), &b = pair.other->machine();
        return a.icount() == b.icount() && a.state_hash() == b.state_hash();
    }

    // What differs, and from which step on; or nothing.
    std::string run(u64 seed, u64 number, const FuzzCode& code) {
        Pair& pair = machines(kModels[number / 4 % std::size(kModels)]);
        if (alike_after(pair, seed, number, code, kSteps, &count_)) return {};
        const auto describe = [&] {
            std::string out = "\n  " + where(pair.straight->machine());
            for (const auto& line : Machine::difference(pair.straight->machine(), pair.other->machine())) out += "\n    " + line;
            return out;
        };
        std::string out = "at the end" + describe();
        u64 good = 0, bad = kSteps;
        while (bad - good > 1) {
            const u64 middle = good + (bad - good) / 2;
            (alike_after(pair, seed, number, code, middle, nullptr) ? good : bad) = middle;
        }
        alike_after(pair, seed, number, code, good, nullptr);
        out += "\n  last alike at " + std::to_string(good) + describe();
        alike_after(pair, seed, number, code, bad, nullptr);
        return out + "\n  first different at " + std::to_string(bad) + describe();
    }

    static std::string where(Machine& m) {
        const CpuState& s = m.translator().state();
        char text[300];
        const u32 linear = s.seg[kCs].base + s.eip;
        int n = std::snprintf(text, sizeof text, "icount %llu cs:eip %04x:%08x ss:esp %04x:%08x eflags %08x cr0 %08x cr4 %08x cr2 %08x dr7 %08x debug %x shadow %d:", static_cast<unsigned long long>(m.icount().v),
                              s.seg[kCs].selector, s.eip, s.seg[kSs].selector, s.gpr[kEsp], s.eflags, s.cr0, s.cr4, s.cr2, s.dr7, s.pending_debug, static_cast<int>(s.shadow));
        GuestPhys at;
        for (u32 i = 0; i < 12 && m.translator().cpu().mmu().probe(linear + i, at); ++i) {
            u8 byte = 0;
            m.memory().read_ram(at, {&byte, 1});
            n += std::snprintf(text + n, sizeof text - static_cast<std::size_t>(n), " %02x", byte);
        }
        return text;
    }

    std::map<std::string, Pair> pairs_;
    Count count_;
};

TEST_F(Fuzz, NonsenseDoesTheSameInOnePieceAndInTwo) {
    const u64 seed = setting("VMM_FUZZ_SEED", 20261121), first = setting("VMM_FUZZ_FIRST", 0), cases = setting("VMM_FUZZ_CASES", kCases);
    std::signal(SIGABRT, name_the_case);
    std::signal(SIGALRM, name_the_case);
    std::unique_ptr<FuzzCode> code;
    unsigned failures = 0;
    for (u64 n = first; n < first + cases && failures < 5; ++n) {
        if (code == nullptr || n % kCasesOfCode == 0) code = std::make_unique<FuzzCode>(seed, n / kCasesOfCode);
        std::snprintf(g_again, sizeof g_again, "VMM_FUZZ_SEED=%llu VMM_FUZZ_FIRST=%llu VMM_FUZZ_CASES=1 tests/test_fuzz\n",
                      static_cast<unsigned long long>(seed), static_cast<unsigned long long>(n));
        alarm(kPatience);
        const std::string what = run(seed, n, *code);
        if (what.empty()) continue;
        ++failures;
        ADD_FAILURE() << what << "\n  again: " << g_again;
    }
    alarm(0);
    std::signal(SIGABRT, SIG_DFL);
    std::cout << "seed " << seed << ", cases " << first << " to " << first + cases - 1 << ": " << count_.steps << " steps, " << count_.resets << " resets, "
              << count_.halts << " halts\n  places:";
    for (const auto& [name, n] : count_.places) std::cout << ' ' << name << ": " << n << ';';
    std::cout << "\n  touched:";
    for (const auto& [name, n] : count_.devices) std::cout << ' ' << name << ": " << n << ';';
    std::cout << '\n';
    if (cases < kCases) return;
    for (const auto& range : machines(kModels[0]).straight->machine().ports().ranges()) EXPECT_NE(count_.devices[range.owner], 0u) << range.owner;
}

}  // namespace
}  // namespace vmm::testing
