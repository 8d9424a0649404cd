// SPDX-License-Identifier: Apache-2.0
// Monitor commands about where the machine is in time.
#include <cstdio>
#include <memory>

#include "vmm/monitor/debug_commands.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

std::string number(u64 n) { return std::to_string(n); }

std::string hex(u32 n) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%08x", n);
    return text;
}

// "icount 123, guest time 0.000000123 s, eip 0xc0101234"
std::string here(Control& c) {
    Machine& m = c.machine();
    char time[48];
    std::snprintf(time, sizeof time, "%llu.%09llu s", static_cast<unsigned long long>(m.time().v / 1'000'000'000),
                  static_cast<unsigned long long>(m.time().v % 1'000'000'000));
    return "icount " + number(m.icount().v) + ", guest time " + time + ", eip " + hex(m.translator().state().eip) + "\n";
}

Result<Outcome> when(const Context& c, Args) {
    std::string text = here(c.control);
    if (const TimeTravel* travel = c.control.travel()) {
        text += "held from " + number(travel->begin().v);
        if (const auto end = travel->end_position()) text += " to " + number(end->v) + ", the end of the recording";
        text += "\n";
        if (const auto left = travel->branch()) text += "on a branch that left the recording at " + number(left->v) + "\n";
    } else {
        text += c.control.why_not_back() + "\n";
    }
    c.print(text);
    return Outcome::Done;
}

// N, +N, -N, start, end.
Result<Icount> position(Control& control, const std::string& text) {
    const TimeTravel* travel = control.travel();
    if (travel == nullptr) return Error{control.why_not_back()};
    if (text == "start") return travel->begin();
    if (text == "end") {
        const auto end = travel->end_position();
        if (!end) return Error{"this run has no end yet"};
        return *end;
    }
    const bool plus = text[0] == '+', minus = text[0] == '-';
    const std::string digits = text.substr(plus || minus ? 1 : 0);
    if (digits.empty() || digits.size() > 19 || digits.find_first_not_of("0123456789") != std::string::npos)
        return Error{"'" + text + "' is no position: N, +N, -N, start or end"};
    const u64 n = std::stoull(digits), now = control.machine().icount().v;
    if (minus) return Icount{n > now ? 0 : now - n};
    return Icount{plus ? now + n : n};
}

Result<Outcome> seek(const Context& c, Args args) {
    if (args.size() != 1 || args[0].empty()) return Error{"seek N, +N, -N, start or end"};
    if (c.control.move()) return Error{"the machine is running; stop it first"};
    const auto to = position(c.control, args[0]);
    if (!to) return to.error();
    if (auto done = c.control.seek(*to); !done) return done.error();
    c.print(here(c.control));
    return Outcome::Done;
}

// Positions with a number, to come back to. What makes coming back quick is the timeline's business.
class Marks {
  public:
    Result<Outcome> add(const Context& c) {
        if (c.control.travel() == nullptr) return Error{c.control.why_not_back()};
        at_.push_back(c.control.machine().icount());
        c.print("checkpoint " + number(at_.size()) + ": " + here(c.control));
        return Outcome::Done;
    }
    Result<Outcome> list(const Context& c) const {
        for (std::size_t i = 0; i < at_.size(); ++i) c.print("checkpoint " + number(i + 1) + ": icount " + number(at_[i].v) + "\n");
        if (at_.empty()) c.print("no checkpoints\n");
        return Outcome::Done;
    }
    Result<Outcome> restart(const Context& c, Args args) const {
        std::size_t n = 0;
        if (args.size() == 1 && args[0].size() < 9 && args[0].find_first_not_of("0123456789") == std::string::npos) n = std::stoul(args[0]);
        if (n == 0 || n > at_.size()) return Error{"restart N: the number of a checkpoint; 'checkpoints' lists them"};
        if (auto done = c.control.seek(at_[n - 1]); !done) return done.error();
        c.print(here(c.control));
        return Outcome::Done;
    }

  private:
    std::vector<Icount> at_;
};

Result<Outcome> rejoin(const Context& c, Args) {
    TimeTravel* travel = c.control.travel();
    if (travel == nullptr) return Error{c.control.why_not_back()};
    if (!travel->branch()) return Error{"this is the recording itself, no branch"};
    c.control.pause();
    travel->rejoin();
    c.control.publish();
    c.print(here(c.control));
    return Outcome::Done;
}

}  // namespace

void add_time_commands(CommandTable& table) {
    table.add({"when", "", "where the machine is in time, and what of it can be gone to", when});
    table.add({"seek", "N|+N|-N|start|end", "to that icount, exactly", seek});
    table.add({"rejoin", "", "from a branch, which a write to the guest opened, back to where it left the recording", rejoin});
    const auto marks = std::make_shared<Marks>();
    table.add({"checkpoint", "", "remembers where the machine is", [marks](const Context& c, Args) { return marks->add(c); }});
    table.add({"checkpoints", "", "lists what was remembered", [marks](const Context& c, Args) { return marks->list(c); }});
    table.add({"restart", "N", "to a checkpoint", [marks](const Context& c, Args args) { return marks->restart(c, args); }});
}

}  // namespace vmm::monitor
