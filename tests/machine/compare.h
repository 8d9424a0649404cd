// SPDX-License-Identifier: Apache-2.0
// Compare: two lanes in lockstep, and when they part, the step at which they did: by bisection from the last position at
// which they agreed. What to read first when a test of determinism fails.
#pragma once

#include <algorithm>
#include <cstdio>

#include "tests/machine/lane.h"

namespace vmm::testing {

class Compare {
  public:
    Compare(Lane& a, Lane& b) : a_(a), b_(b) {}

    // Both lanes on to `until`, compared every `every` steps and at the end. Empty: they agree; otherwise what parted and where.
    std::string run(Icount until, u64 every) {
        if (!a_.error().empty()) return a_.error();
        if (!b_.error().empty()) return b_.error();
        while (!a_.ended() && a_.icount() < until) {
            const auto agreed = a_.machine().save();
            const Icount from = a_.icount(), to = std::min(until, from + every);
            a_.run_to(to);
            b_.run_to(to);
            if (!same()) return narrow(agreed, from, to);
        }
        return {};
    }

    u64 compared() const { return compared_; }

  private:
    bool same() {
        ++compared_;
        return a_.icount() == b_.icount() && a_.ended() == b_.ended() && a_.machine().state_hash() == b_.machine().state_hash();
    }

    // True when both come from `image` to `at` alike.
    bool alike_at(const std::vector<u8>& image, Icount at) {
        if (!a_.load(image) || !b_.load(image)) return false;
        a_.run_to(at);
        b_.run_to(at);
        return same();
    }

    std::string narrow(const std::vector<u8>& agreed, Icount from, Icount to) {
        std::string out = a_.setting().name + " and " + b_.setting().name + " part between " + std::to_string(from.v) +
                          " and " + std::to_string(to.v) + "\n" + describe();
        if (alike_at(agreed, to)) return out + "\nnot so when both start from the saved state at " + std::to_string(from.v);
        Icount good = from, bad = to;
        while (bad - good > 1) {
            const Icount middle = good + (bad - good) / 2;
            (alike_at(agreed, middle) ? good : bad) = middle;
        }
        alike_at(agreed, good);
        out += "\nlast alike at " + std::to_string(good.v) + where() + "\nfirst different:";
        alike_at(agreed, bad);
        return out + "\n" + describe();
    }

    std::string where() {
        const CpuState& s = a_.machine().translator().state();
        char text[120];
        const u32 linear = s.seg[kCs].base + s.eip;
        std::snprintf(text, sizeof text, " (cs:eip %04x:%08x, linear %08x, cr0 %08x)", s.seg[kCs].selector, s.eip, linear, s.cr0);
        return text;
    }

    std::string describe() {
        std::string out = "positions " + std::to_string(a_.icount().v) + " and " + std::to_string(b_.icount().v);
        for (const auto& line : Machine::difference(a_.machine(), b_.machine())) out += "\n  " + line;
        return out;
    }

    Lane& a_;
    Lane& b_;
    u64 compared_ = 0;
};

}  // namespace vmm::testing
