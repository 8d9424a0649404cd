// SPDX-License-Identifier: Apache-2.0
// Monitor commands that say where the machine stops, in both directions: breakpoints, limited to one CR3 if so wanted, and
// events of the processor; how single steps treat interrupts; and what a recording tells of a stretch of time.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include "vmm/monitor/debug_commands.h"
#include "vmm/monitor/expression.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

constexpr std::size_t kMostEvents = 1000;

std::string hex(u32 n, int digits = 8) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%0*x", digits, n);
    return text;
}

std::string title(const Point& p) {
    const auto number = [&p](const std::string& what, int digits) { return "catch " + what + (p.any ? "" : " " + hex(p.address, digits)); };
    std::string out;
    switch (p.kind) {
        case PointKind::Execute: out = "break " + hex(p.address); break;
        case PointKind::Interrupt: out = number("irq", 2); break;
        case PointKind::Exception: out = number("exception", 2); break;
        case PointKind::Port: out = number("port", 4); break;
        case PointKind::Device: out = number("mmio", 8); break;
        case PointKind::Cr3: out = number("cr3", 8); break;
        case PointKind::Mode: out = "catch mode"; break;
        case PointKind::TripleFault: out = "catch triple-fault"; break;
        default: out = "watch " + hex(p.address); break;
    }
    if (p.length > 1) out += " " + std::to_string(p.length);
    return out + (p.cr3 ? " cr3 " + hex(*p.cr3) : "");
}

// Those of the monitors' users; gdb's are its own.
class Points {
  public:
    Result<Outcome> add(const Context& c, const Point& point) {
        const auto id = c.control.points().add(point);
        mine_.insert(id);
        c.print("point " + std::to_string(id) + ": " + title(point) + "\n");
        return Outcome::Done;
    }

    Result<Outcome> list(const Context& c) const {
        const auto& all = c.control.points().all();
        bool any = false;
        for (const auto id : mine_)
            if (const auto it = all.find(id); it != all.end()) {
                c.print(std::to_string(id) + " " + title(it->second) + "\n");
                any = true;
            }
        if (!any) c.print("no points\n");
        return Outcome::Done;
    }

    Result<Outcome> remove(const Context& c, Args args) {
        if (args.size() != 1) return Error{"delete N, or delete all"};
        if (args[0] == "all") {
            for (const auto id : mine_) c.control.points().remove(id);
            mine_.clear();
            return Outcome::Done;
        }
        const auto n = evaluate(c.control, args[0]);
        if (!n) return n.error();
        if (mine_.erase(static_cast<DebugPoints::Id>(*n)) == 0 || *n > ~u32{0}) return Error{"there is no point " + args[0] + "; 'points' lists them"};
        c.control.points().remove(static_cast<DebugPoints::Id>(*n));
        return Outcome::Done;
    }

  private:
    std::set<DebugPoints::Id> mine_;
};

// [NUMBER [COUNT]] below `end`; none: any.
Result<Point> numbered(const Context& c, PointKind kind, Args args, u64 end) {
    Point point{kind, 0, 1, false, {}, args.empty()};
    if (args.empty()) return point;
    const auto number = evaluate(c.control, args[0]);
    if (!number) return number.error();
    if (*number >= end) return Error{"'" + args[0] + "' is too large"};
    point.address = static_cast<u32>(*number);
    if (args.size() == 1) return point;
    const auto count = evaluate(c.control, args[1]);
    if (!count) return count.error();
    if (args.size() > 2 || *count == 0 || *count > end - *number) return Error{"NUMBER [COUNT]"};
    point.length = static_cast<u32>(*count);
    return point;
}

Result<Outcome> catch_event(const Context& c, Args args, Points& points) {
    const std::string what = args.empty() ? "" : args[0];
    if (!args.empty()) args = args.subspan(1);
    const u64 k4G = u64{1} << 32;
    Result<Point> point = Error{"catch irq [VECTOR], exception [VECTOR], port [N], mmio [ADDRESS], cr3 [VALUE], mode or triple-fault; after a number how many from there"};
    if (what == "irq") point = numbered(c, PointKind::Interrupt, args, 256);
    else if (what == "exception") point = numbered(c, PointKind::Exception, args, 256);
    else if (what == "port") point = numbered(c, PointKind::Port, args, 0x10000);
    else if (what == "mmio") point = numbered(c, PointKind::Device, args, k4G);
    else if (what == "cr3") point = numbered(c, PointKind::Cr3, args, k4G);
    else if (what == "mode" && args.empty()) point = Point{PointKind::Mode, 0, 1, false, {}, true};
    else if (what == "triple-fault" && args.empty()) point = Point{PointKind::TripleFault, 0, 1, false, {}, true};
    if (!point) return point.error();
    if (point->kind == PointKind::TripleFault && c.control.travel() == nullptr) return Error{c.control.why_not_back()};
    return points.add(c, *point);
}

// VALUE, or what it is now.
Result<u32> cr3_of(const Context& c, Args args) {
    if (args.empty()) return c.control.machine().translator().state().cr3;
    if (args.size() > 1) return Error{"one value of CR3"};
    return evaluate_address(c.control, args[0]);
}

Result<Outcome> break_at(const Context& c, Args args, Points& points) {
    if (args.empty() || (args.size() > 1 && args[1] != "cr3")) return Error{"break ADDRESS [cr3 [VALUE]]"};
    const auto address = evaluate_address(c.control, args[0]);
    if (!address) return address.error();
    Point point{PointKind::Execute, *address, 1, false, {}};
    if (args.size() > 1) {
        const auto cr3 = cr3_of(c, args.subspan(2));
        if (!cr3) return cr3.error();
        point.cr3 = *cr3;
    }
    return points.add(c, point);
}

Result<Outcome> limit_cr3(const Context& c, Args args) {
    if (args.size() == 1 && args[0] == "off") {
        c.control.set_only_cr3(std::nullopt);
    } else if (!(args.size() == 1 && args[0] == "show")) {
        const auto cr3 = cr3_of(c, args);
        if (!cr3) return cr3.error();
        c.control.set_only_cr3(*cr3);
    }
    const auto now = c.control.only_cr3();
    c.print(now ? "gdb's break- and watchpoints stop only under CR3 " + hex(*now) + "\n" : "gdb's break- and watchpoints stop under any CR3\n");
    return Outcome::Done;
}

Result<Outcome> step_irq(const Context& c, Args args) {
    if (args.size() > 1 || (args.size() == 1 && args[0] != "on" && args[0] != "off")) return Error{"step-irq on, or off"};
    if (args.size() == 1) c.control.set_step_irq(args[0] == "on");
    c.print(c.control.step_irq() ? "a step goes into an interrupt that is due\n" : "steps leave out interrupts\n");
    return Outcome::Done;
}

Result<Outcome> events(const Context& c, Args args) {
    const TimeTravel* travel = c.control.travel();
    if (travel == nullptr) return Error{c.control.why_not_back()};
    if (args.empty() || args.size() > 2) return Error{"events FROM [TO]: icounts"};
    const auto from = evaluate(c.control, args[0]);
    if (!from) return from.error();
    Icount to = travel->head();
    if (args.size() == 2) {
        const auto last = evaluate(c.control, args[1]);
        if (!last) return last.error();
        to = Icount{*last};
    }
    const auto lines = travel->events(Icount{*from}, to, kMostEvents + 1);
    for (std::size_t i = 0; i < std::min(lines.size(), kMostEvents); ++i) c.print(lines[i] + "\n");
    if (lines.empty()) c.print("nothing entered from outside\n");
    if (lines.size() > kMostEvents) c.print("... there is more\n");
    return Outcome::Done;
}

}  // namespace

void add_stop_commands(CommandTable& table) {
    const auto points = std::make_shared<Points>();
    table.add({"break", "ADDRESS [cr3 [VALUE]]", "stops before that instruction, if so wanted only under one CR3",
               [points](const Context& c, Args args) { return break_at(c, args, *points); }});
    table.add({"catch", "irq|exception|port|mmio|cr3 [N [COUNT]] | mode | triple-fault", "stops when that happens",
               [points](const Context& c, Args args) { return catch_event(c, args, *points); }});
    table.add({"points|info points", "", "lists what break and catch have put in", [points](const Context& c, Args) { return points->list(c); }});
    table.add({"delete", "N|all", "takes such a point away", [points](const Context& c, Args args) { return points->remove(c, args); }});
    table.add({"limit-cr3", "[VALUE|off|show]", "gdb's break- and watchpoints, from the next move on, stop only under this CR3 (the present one)", limit_cr3});
    table.add({"step-irq", "[on|off]", "whether a single step goes into an interrupt that is due", step_irq});
    table.add({"events", "FROM [TO]", "what entered from outside between these icounts", events});
}

}  // namespace vmm::monitor
