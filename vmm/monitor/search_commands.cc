// SPDX-License-Identifier: Apache-2.0
// Monitor commands that look for a write: last-write goes back to before it, next-write forward to after it.
#include "vmm/monitor/debug_commands.h"
#include "vmm/monitor/expression.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

constexpr u64 kLongest = 64;                     // bytes, so that both values fit a line

std::string hex(u32 n) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%08x", n);
    return text;
}

// Up to eight bytes are a number, more are bytes in order.
std::string value(std::span<const u8> bytes) {
    std::string out = bytes.size() <= 8 ? "0x" : "";
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        char text[4];
        std::snprintf(text, sizeof text, "%02x", bytes[bytes.size() <= 8 ? bytes.size() - 1 - i : i]);
        out += (bytes.size() > 8 && i > 0 ? " " : "") + std::string(text);
    }
    return out;
}

class Search {
  public:
    Search(const Context& context, Direction direction, const Point& point)
        : c_(context), direction_(direction), point_(point), before_(point.length) {}

    bool readable() { return c_.control.read_memory(point_.address, before_, point_.physical); }

    static void begin(const std::shared_ptr<Search>& self) {
        self->id_ = self->c_.control.points().add(self->point_);
        self->observer_ = self->c_.control.observe([self](Happening what, const PauseEvent& event) {
            if (what == Happening::Paused) self->over(event);
        });
        Go go;
        go.direction = self->direction_;
        self->c_.control.go(go);
    }

  private:
    void over(const PauseEvent& event) {
        c_.control.points().remove(id_);
        c_.control.forget(observer_);
        const bool found = event.why == Pause::Point && event.hit && event.hit->id == id_;
        c_.print(found ? written() : missed(event));
        c_.finished();
    }

    std::string written() {
        Control& control = c_.control;
        const Icount now = control.machine().icount();
        std::vector<u8> here(point_.length);
        (void)control.read_memory(point_.address, here, point_.physical);
        const bool back = direction_ == Direction::Backward;
        const auto line = [&](Icount at, const std::string& eip) {
            return "icount " + std::to_string(at.v) + ", eip " + eip + ": " + value(back ? here : before_) + " -> " + value(back ? before_ : here) + "\n";
        };
        const auto eip = [&] { return hex(control.machine().translator().state().eip); };
        if (back) return line(now, eip());
        // The instruction that wrote is one step ago.
        if (control.travel() == nullptr || !control.seek(now - 1)) return line(now - 1, "of the instruction before " + eip());
        const std::string writer = eip();
        if (auto again = control.seek(now); !again) return line(now - 1, writer) + "Error: " + again.error().text + "\n";
        return line(now - 1, writer);
    }

    std::string missed(const PauseEvent& event) const {
        const std::string at = " at icount " + std::to_string(c_.control.machine().icount().v) + "\n";
        switch (event.why) {
            case Pause::HistoryBegin: return "not written since the beginning of what is held," + at;
            case Pause::HistoryEnd: return "not written up to the end of the recording," + at;
            case Pause::User: return "interrupted" + at;
            case Pause::Point: return "a breakpoint came first," + at;
            default: return "stopped" + (event.text.empty() ? "" : ": " + event.text + ",") + at;
        }
    }

    const Context c_;
    const Direction direction_;
    const Point point_;
    std::vector<u8> before_;                     // where the search began
    DebugPoints::Id id_ = 0;
    unsigned observer_ = 0;
};

Result<Outcome> search(const Context& c, Args args, Direction direction) {
    Point point{PointKind::Write, 0, 4, false, {}};
    if (!args.empty() && args.back() == "phys") {
        point.physical = true;
        args = args.first(args.size() - 1);
    }
    if (args.empty() || args.size() > 2) return Error{"ADDRESS [LENGTH] [phys]"};
    const auto address = evaluate_address(c.control, args[0]);
    if (!address) return address.error();
    point.address = *address;
    if (args.size() == 2) {
        const auto length = evaluate(c.control, args[1]);
        if (!length) return length.error();
        if (*length == 0 || *length > kLongest) return Error{"the length is 1 to " + std::to_string(kLongest) + " bytes"};
        point.length = static_cast<u32>(*length);
    }
    if (c.control.move()) return Error{"the machine is running; stop it first"};
    if (direction == Direction::Backward && c.control.travel() == nullptr) return Error{c.control.why_not_back()};
    const auto begun = std::make_shared<Search>(c, direction, point);
    if (!begun->readable()) return Error{"no memory is mapped at " + hex(point.address)};
    Search::begin(begun);
    return Outcome::Later;
}

}  // namespace

void add_search_commands(CommandTable& table) {
    table.add({"last-write", "ADDRESS [LENGTH] [phys]", "back to before the last write there, and what it wrote",
               [](const Context& c, Args args) { return search(c, args, Direction::Backward); }});
    table.add({"next-write", "ADDRESS [LENGTH] [phys]", "on to after the next write there, and what it wrote",
               [](const Context& c, Args args) { return search(c, args, Direction::Forward); }});
}

}  // namespace vmm::monitor
