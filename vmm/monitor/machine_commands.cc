// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/machine_commands.h"

#include <charconv>

#include "devices/user_input.h"
#include "display/image_file.h"

namespace vmm::monitor {
namespace {

Result<i64> integer(const std::string& text, const char* what) {
    i64 value = 0;
    const bool hex = text.starts_with("0x");
    const char* first = text.data() + (hex ? 2 : 0);
    const auto [end, error] = std::from_chars(first, text.data() + text.size(), value, hex ? 16 : 10);
    if (error != std::errc{} || end != text.data() + text.size()) return Error{std::string(what) + ": a number is expected, not '" + text + "'"};
    return value;
}

Result<Outcome> post(const Context& c, Input input) {
    if (c.control.mode() == RrMode::Replay) return Error{"the input of a replay comes from its recording"};
    c.control.machine().inbox().post(std::move(input));
    return Outcome::Done;
}

Result<Outcome> request(const Context& c, RequestKind kind) { return post(c, {InputKind::Request, static_cast<u8>(kind), {}}); }

Result<Outcome> send_keys(const Context& c, Args a) {
    if (a.empty() || a.size() > 2) return Error{"usage: sendkey KEYS [HOLD-MS], as in sendkey ctrl-alt-f1"};
    u32 hold = kHoldMs;
    if (a.size() == 2) {
        const auto ms = integer(a[1], "hold time");
        if (!ms) return ms.error();
        if (*ms < 0 || *ms > 60'000) return Error{"hold time: 0 to 60000 ms"};
        hold = static_cast<u32>(*ms);
    }
    auto input = sendkey(a[0], hold);
    if (!input) return input.error();
    return post(c, std::move(*input));
}

Result<Outcome> move_mouse(const Context& c, Args a) {
    if (a.size() < 2 || a.size() > 3) return Error{"usage: mouse_move DX DY [DZ]"};
    i32 by[3] = {};
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto n = integer(a[i], "mouse_move");
        if (!n) return n.error();
        by[i] = static_cast<i32>(std::clamp<i64>(*n, -32768, 32767));
    }
    return post(c, mouse_move(by[0], by[1], by[2]));
}

Result<Outcome> press_buttons(const Context& c, Args a) {
    if (a.size() != 1) return Error{"usage: mouse_button STATE (1 left, 2 right, 4 middle, added up)"};
    const auto n = integer(a[0], "mouse_button");
    if (!n) return n.error();
    return post(c, mouse_buttons(static_cast<u8>(*n & 0x1f)));
}

Result<Outcome> info_status(const Context& c, Args) {
    Control& control = c.control;
    std::string text = "VM status: running\n";
    if (!control.running()) {
        const PauseEvent& event = control.last_pause();
        text = "VM status: paused";
        if (event.why == Pause::Ended) text += " (shutdown)";
        if (event.why == Pause::HostError) text += " (io-error)";
        if (!event.text.empty()) text += ": " + event.text;
        text += "\n";
    }
    c.print(text);
    return Outcome::Done;
}

Result<Outcome> info_replay(const Context& c, Args) {
    const std::string at = " execution '" + c.control.rr_file() + "': instruction count = " + std::to_string(c.control.machine().icount().v) + "\n";
    switch (c.control.mode()) {
        case RrMode::None: c.print("Record/replay is not active\n"); break;
        case RrMode::Record: c.print("Recording" + at); break;
        case RrMode::Replay: c.print("Replaying" + at); break;
    }
    return Outcome::Done;
}

Result<Icount> position(Args a, const char* command) {
    if (a.size() != 1) return Error{std::string("usage: ") + command + " ICOUNT"};
    const auto n = integer(a[0], command);
    if (!n) return n.error();
    if (*n < 0) return Error{std::string(command) + ": positions begin at 0"};
    return Icount{static_cast<u64>(*n)};
}

Result<Outcome> break_replay(const Context& c, Args a) {
    const auto at = position(a, "replay_break");
    if (!at) return at.error();
    if (c.control.mode() != RrMode::Replay) return Error{"setting the breakpoint is allowed only in play mode"};
    if (*at < c.control.machine().icount()) return Error{"cannot set breakpoint at the instruction in the past"};
    c.control.set_break_at(*at);
    return Outcome::Done;
}

Result<Outcome> seek_replay(const Context& c, Args a) {
    const auto at = position(a, "replay_seek");
    if (!at) return at.error();
    if (c.control.mode() != RrMode::Replay || c.control.travel() == nullptr) return Error{"replay must be enabled to seek"};
    if (const auto done = c.control.seek(*at); !done) return Error{"cannot seek to the specified instruction count: " + done.error().text};
    return Outcome::Done;
}

Result<Outcome> dump_screen(const Context& c, Args a) {
    if (a.empty() || (a.size() != 1 && !(a.size() == 3 && a[1] == "-f"))) return Error{"usage: screendump FILE [-f png|ppm]"};
    std::optional<display::ImageFormat> as;
    if (a.size() == 3) {
        if (a[2] != "png" && a[2] != "ppm") return Error{"screendump: -f png or -f ppm"};
        as = a[2] == "png" ? display::ImageFormat::Png : display::ImageFormat::Ppm;
    }
    if (const auto done = display::screendump(c.control.machine(), a[0], as); !done) return done.error();
    return Outcome::Done;
}

}  // namespace

void add_machine_commands(CommandTable& table) {
    table.add({"stop|s", "", "pause the machine", [](const Context& c, Args) -> Result<Outcome> {
                   c.control.pause();
                   return Outcome::Done;
               }});
    table.add({"cont|c", "", "let the machine go on", [](const Context& c, Args) -> Result<Outcome> {
                   if (!c.control.running()) c.control.go({});
                   return Outcome::Done;
               }});
    table.add({"quit|q", "", "end the program; a recording gets its end", [](const Context& c, Args) -> Result<Outcome> {
                   c.control.quit();
                   return Outcome::Done;
               }});
    table.add({"system_reset", "", "the reset button", [](const Context& c, Args) { return request(c, RequestKind::Reset); }});
    table.add({"system_powerdown", "", "the power button", [](const Context& c, Args) { return request(c, RequestKind::PowerButton); }});
    table.add({"nmi", "", "a non-maskable interrupt", [](const Context& c, Args) { return request(c, RequestKind::Nmi); }});
    table.add({"sendkey", "KEYS [HOLD-MS]", "press keys together and let go: sendkey ctrl-alt-f1", send_keys});
    table.add({"mouse_move", "DX DY [DZ]", "move the mouse; DZ is the wheel", move_mouse});
    table.add({"mouse_button", "STATE", "buttons that are down: 1 left, 2 right, 4 middle, added up", press_buttons});
    table.add({"info status", "", "running or paused, and why", info_status});
    table.add({"info replay", "", "the recording and the position in it", info_replay});
    table.add({"replay_break", "ICOUNT", "pause a replay at this position", break_replay});
    table.add({"replay_delete_break", "", "forget the position of replay_break", [](const Context& c, Args) -> Result<Outcome> {
                   if (c.control.mode() != RrMode::Replay) return Error{"replay breakpoints are allowed only in play mode"};
                   c.control.set_break_at(std::nullopt);
                   return Outcome::Done;
               }});
    table.add({"replay_seek", "ICOUNT", "go to this position of a replay", seek_replay});
    table.add({"screendump", "FILE [-f png|ppm]", "the screen as a picture", dump_screen});
}

}  // namespace vmm::monitor
