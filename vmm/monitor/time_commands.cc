// SPDX-License-Identifier: Apache-2.0
// Monitor commands about where the machine is in time.
#include <algorithm>
#include <cstdio>

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

// What was not run through yet is, in pieces, until the text is there.
Result<Icount> printed(Control& control, const std::string& text, bool before) {
    constexpr u64 kPiece = 500'000'000;
    TimeTravel* const travel = control.travel();
    if (travel == nullptr) return Error{control.why_not_back()};
    if (travel->branch()) return Error{"this is a branch; 'rejoin' goes back to the recording"};
    if (text.empty()) return Error{"the text is missing"};
    const Icount from = control.machine().icount(), end = before ? from : travel->head();
    (void)control.take_interrupt();                      // it was for what is over now
    for (;;) {
        const bool all = travel->passed() >= end;
        if (!before || all)
            if (const auto at = before ? control.printed().last(text, from) : control.printed().next(text, from)) return *at;
        if (all) break;
        if (auto done = travel->pass(std::min(end, travel->passed() + kPiece)); !done) return done.error();
    }
    if (auto done = control.seek(from); !done) return done.error();
    return Error{"'" + text + (before ? "' was not printed before here" : "' is not printed after here; 'seek last TEXT' looks before here")};
}

Result<Outcome> seek(const Context& c, Args args) {
    if (args.empty() || args[0].empty()) return Error{"seek N, +N, -N, start, end, or TEXT that was printed; 'last TEXT' looks back, 'next TEXT' on"};
    if (c.control.move()) return Error{"the machine is running; stop it first"};
    const bool next = args.size() > 1 && args[0] == "next", last = args.size() > 1 && args[0] == "last";
    const bool number = args[0].find_first_not_of("+-0123456789") == std::string::npos || args[0] == "start" || args[0] == "end";
    const auto to = args.size() == 1 && number ? position(c.control, args[0])
                                               : printed(c.control, join(args.subspan(next || last ? 1 : 0)), last);
    if (!to) return to.error();
    if (auto done = c.control.seek(*to); !done) return done.error();
    c.print(here(c.control));
    return Outcome::Done;
}

// Bookmarks. A checkpoint is one whose name is a number. What makes coming back quick is the timeline's business.
bool is_number(const std::string& name) { return name.size() < 9 && name.find_first_not_of("0123456789") == std::string::npos; }
std::string title(const std::string& name) { return (is_number(name) ? "checkpoint " : "bookmark ") + name; }

Result<Outcome> set_mark(const Context& c, const std::string& name) {
    if (c.control.travel() == nullptr) return Error{c.control.why_not_back()};
    if (c.control.travel()->branch()) return Error{"this is a branch, which ends with the next move back; 'rejoin' goes back to the recording"};
    const auto kept = c.control.bookmarks().set({name, c.control.machine().icount()});
    c.print(title(name) + ": " + here(c.control));
    if (!kept) c.print("kept until the program ends: " + kept.error().text + "\n");
    return Outcome::Done;
}

Result<Outcome> checkpoint(const Context& c, Args) {
    u64 last = 0;
    for (const auto& [name, at] : c.control.bookmarks().all())
        if (is_number(name)) last = std::max<u64>(last, std::stoul(name));
    return set_mark(c, number(last + 1));
}

Result<Outcome> bookmark(const Context& c, Args args) {
    const std::string name = join(args);
    if (name.empty() || is_number(name)) return Error{"bookmark NAME: a name that is no number"};
    if (name.size() > Bookmarks::kLongestName) return Error{"the name is longer than " + number(Bookmarks::kLongestName) + " characters"};
    return set_mark(c, name);
}

Result<Outcome> delete_bookmark(const Context& c, Args args) {
    const std::string name = join(args);
    if (!c.control.bookmarks().all().contains(name)) return Error{"there is no bookmark '" + name + "'; 'bookmarks' lists them"};
    if (auto kept = c.control.bookmarks().remove(name); !kept) c.print("gone until the program ends: " + kept.error().text + "\n");
    return Outcome::Done;
}

Result<Outcome> list_marks(const Context& c, bool numbers) {
    std::vector<std::pair<Icount, std::string>> found;
    for (const auto& [name, at] : c.control.bookmarks().all())
        if (!numbers || is_number(name)) found.emplace_back(at, name);
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
        return std::pair(a.first, a.second.size()) < std::pair(b.first, b.second.size()) ||
               (std::pair(a.first, a.second.size()) == std::pair(b.first, b.second.size()) && a.second < b.second);
    });
    for (const auto& [at, name] : found) c.print(title(name) + ": icount " + number(at.v) + "\n");
    if (found.empty()) c.print(numbers ? "no checkpoints\n" : "no bookmarks\n");
    return Outcome::Done;
}

Result<Outcome> restart(const Context& c, Args args) {
    const std::string name = join(args);
    const auto& all = c.control.bookmarks().all();
    const auto it = all.find(name);
    if (it == all.end()) return Error{"restart N, or the name of a bookmark; 'bookmarks' lists them"};
    if (c.control.move()) return Error{"the machine is running; stop it first"};
    if (auto done = c.control.seek(it->second); !done) return done.error();
    c.print(here(c.control));
    return Outcome::Done;
}

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

// Runs the stretch again; to the last position at which the executions are alike, if they are not.
Result<Outcome> difference(const Context& c, Args) {
    if (c.control.mode() != RrMode::Replay || c.control.record_switch() == nullptr) return Error{"this is no replay"};
    if (c.control.move()) return Error{"the machine is running; stop it first"};
    const auto alike = c.control.record_switch()->explain([&c](const std::string& line) { c.print(line + "\n"); });
    if (!alike) return alike.error();
    if (!*alike) return Outcome::Done;
    if (auto done = c.control.seek(**alike); !done) return done.error();
    c.print(here(c.control));
    return Outcome::Done;
}

}  // namespace

void add_time_commands(CommandTable& table) {
    table.add({"when", "", "where the machine is in time, and what of it can be gone to", when});
    table.add({"seek", "N|+N|-N|start|end|[next|last] TEXT", "to that icount, exactly, or to where the text was printed", seek});
    table.add({"rejoin", "", "from a branch, which a write to the guest opened, back to where it left the recording", rejoin});
    table.add({"difference", "", "of a replay that differs: in what, and what running the stretch again tells; goes to where executions part", difference});
    table.add({"checkpoint", "", "remembers where the machine is, by a number", checkpoint});
    table.add({"checkpoints", "", "lists what was remembered by number", [](const Context& c, Args) { return list_marks(c, true); }});
    table.add({"bookmark", "NAME", "remembers where the machine is, by a name, in the recording's file", bookmark});
    table.add({"bookmarks|info bookmarks", "", "lists bookmarks and checkpoints", [](const Context& c, Args) { return list_marks(c, false); }});
    table.add({"delete-bookmark", "NAME", "forgets a bookmark or checkpoint", delete_bookmark});
    table.add({"restart", "N|NAME", "to a checkpoint or bookmark", restart});
}

}  // namespace vmm::monitor
