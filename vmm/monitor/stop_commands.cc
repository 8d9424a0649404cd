// SPDX-License-Identifier: Apache-2.0
// Monitor commands that say where the machine stops, in both directions: breakpoints, limited to one CR3 if so wanted.
#include <cstdio>
#include <memory>
#include <set>

#include "vmm/monitor/debug_commands.h"
#include "vmm/monitor/expression.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

std::string hex(u32 n) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%08x", n);
    return text;
}

std::string title(const Point& p) { return "break " + hex(p.address) + (p.cr3 ? " cr3 " + hex(*p.cr3) : ""); }

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
        if (*n > ~u32{0} || mine_.erase(static_cast<DebugPoints::Id>(*n)) == 0) return Error{"there is no point " + args[0] + "; 'points' lists them"};
        c.control.points().remove(static_cast<DebugPoints::Id>(*n));
        return Outcome::Done;
    }

  private:
    std::set<DebugPoints::Id> mine_;
};

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

}  // namespace

void add_stop_commands(CommandTable& table) {
    const auto points = std::make_shared<Points>();
    table.add({"break", "ADDRESS [cr3 [VALUE]]", "stops before that instruction, if so wanted only under one CR3",
               [points](const Context& c, Args args) { return break_at(c, args, *points); }});
    table.add({"points|info points", "", "lists what break has put in", [points](const Context& c, Args) { return points->list(c); }});
    table.add({"delete", "N|all", "takes such a point away", [points](const Context& c, Args args) { return points->remove(c, args); }});
}

}  // namespace vmm::monitor
