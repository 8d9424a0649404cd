// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/machine_commands.h"

#include <charconv>
#include <cstdio>
#include <filesystem>

#include "devices/user_input.h"
#include "display/image_file.h"
#include "vmm/monitor/block_info.h"

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

Result<Outcome> done(const Result<void>& result) {
    if (!result) return result.error();
    return Outcome::Done;
}

// In QEMU's words, and as it prints them: without "Error:".
Result<Outcome> said(const Context& c, const Result<void>& result) {
    if (!result) c.print(result.error().text + "\n");
    return Outcome::Done;
}

Result<Outcome> send_keys(Operator& op, Args a) {
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
    return done(op.type(std::move(*input)));
}

Result<Outcome> move_mouse(Operator& op, Args a) {
    if (a.size() < 2 || a.size() > 3) return Error{"usage: mouse_move DX DY [DZ]"};
    i32 by[3] = {};
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto n = integer(a[i], "mouse_move");
        if (!n) return n.error();
        by[i] = static_cast<i32>(std::clamp<i64>(*n, -32768, 32767));
    }
    return done(op.type(mouse_move(by[0], by[1], by[2])));
}

Result<Outcome> press_buttons(Operator& op, Args a) {
    if (a.size() != 1) return Error{"usage: mouse_button STATE (1 left, 2 right, 4 middle, added up)"};
    const auto n = integer(a[0], "mouse_button");
    if (!n) return n.error();
    return done(op.type(mouse_buttons(static_cast<u8>(*n & 0x1f))));
}

Result<Outcome> info_status(Operator& op, const Context& c) {
    const RunState state = op.state();
    std::string text = state == RunState::Running ? "VM status: running\n" : "VM status: paused";
    if (state != RunState::Running) {
        if (state != RunState::Paused) text += " (" + std::string(name_of(state)) + ")";
        const std::string& why = c.control.last_pause().text;
        text += "\n" + why + (why.empty() ? "" : "\n");
    }
    c.print(text);
    return Outcome::Done;
}

Result<Outcome> info_replay(const Context& c, Args) {
    const std::string at = " execution '" + c.control.rr_file() + "': instruction count = " + std::to_string(c.control.machine().icount().v) + "\n";
    switch (c.control.mode()) {
        case RrMode::None: c.print("Record/replay is not active\n"); break;
        case RrMode::Record: c.print("Recording" + at + length_and_size(c.control.machine(), c.control.rr_file()) + "\n"); break;
        case RrMode::Replay: c.print("Replaying" + at); break;
    }
    return Outcome::Done;
}

Result<i64> position(Args a, const char* command) {
    if (a.size() != 1) return Error{std::string("usage: ") + command + " ICOUNT"};
    return integer(a[0], command);
}

Result<Outcome> break_replay(Operator& op, const Context& c, Args a) {
    const auto at = position(a, "replay_break");
    if (!at) return at.error();
    return said(c, op.set_break(*at));
}

Result<Outcome> seek_replay(Operator& op, const Context& c, Args a) {
    const auto at = position(a, "replay_seek");
    if (!at) return at.error();
    const auto to = op.check_seek(*at);
    if (!to) return said(c, to.error());
    op.seek(*to);
    return Outcome::Done;
}

Result<Outcome> save(Operator& op, Args a, const char* command, bool physical) {
    if (a.size() != 3) return Error{std::string("usage: ") + command + " ADDRESS SIZE FILE"};
    const auto from = integer(a[0], "address"), size = integer(a[1], "size");
    if (!from) return from.error();
    if (!size) return size.error();
    if (*from < 0 || *size < 0) return Error{"addresses and sizes are not negative"};
    return done(op.save_memory(static_cast<u64>(*from), static_cast<u64>(*size), a[2], physical));
}

Result<Outcome> dump_memory(Operator& op, Args a) {
    DumpWish wish;
    for (; !a.empty() && a[0].starts_with('-'); a = a.subspan(1)) {
        if (a[0] != "-p") return Error{"dump-guest-memory: " + a[0] + " is not there; -p is"};
        wish.paging = true;
    }
    if (a.size() != 1 && a.size() != 3) return Error{"usage: dump-guest-memory [-p] FILE [BEGIN LENGTH]"};
    if (a.size() == 3) {
        const auto begin = integer(a[1], "begin"), length = integer(a[2], "length");
        if (!begin) return begin.error();
        if (!length) return length.error();
        if (*begin < 0 || *length <= 0) return Error{"dump-guest-memory: BEGIN is not negative, and LENGTH positive"};
        wish.range = {static_cast<u64>(*begin), static_cast<u64>(*length)};
    }
    return done(op.dump(wish, a[0]));
}

Result<Outcome> info_dump(Operator& op, const Context& c) {
    const DumpStatus& s = op.dump_status();
    c.print("Status: " + std::string(name_of(s.state)) + "\n");
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

std::string length_and_size(const Machine& machine, const std::string& file) {
    char time[48];
    std::snprintf(time, sizeof time, "%.3f", static_cast<double>(machine.time().v) / 1e9);
    std::string out = std::to_string(machine.icount().v) + " steps, " + time + " s of guest time";
    std::error_code none;
    if (const auto bytes = std::filesystem::file_size(file, none); !none) out += ", " + std::to_string((bytes + 1023) / 1024) + " KB";
    return out;
}

void add_machine_commands(CommandTable& table, Operator& op, const Surroundings& around) {
    table.add({"stop|s", "", "pauses the machine", [&op](const Context&, Args) -> Result<Outcome> {
                   op.stop();
                   return Outcome::Done;
               }});
    table.add({"cont|c", "", "lets the machine go on", [&op](const Context&, Args) { return done(op.cont()); }});
    table.add({"quit|q", "", "ends the program; a recording gets its end", [&op](const Context&, Args) -> Result<Outcome> {
                   op.quit();
                   return Outcome::Done;
               }});
    table.add({"system_reset", "", "the reset button", [&op](const Context&, Args) { return done(op.reset()); }});
    table.add({"system_powerdown", "", "the power button", [&op](const Context&, Args) { return done(op.power_button()); }});
    table.add({"nmi", "", "a non-maskable interrupt", [&op](const Context&, Args) { return done(op.nmi()); }});
    table.add({"sendkey", "KEYS [HOLD-MS]", "presses keys together and lets go: sendkey ctrl-alt-f1", [&op](const Context&, Args a) { return send_keys(op, a); }});
    table.add({"mouse_move", "DX DY [DZ]", "moves the mouse; DZ is the wheel", [&op](const Context&, Args a) { return move_mouse(op, a); }});
    table.add({"mouse_button", "STATE", "buttons that are down: 1 left, 2 right, 4 middle, added up", [&op](const Context&, Args a) { return press_buttons(op, a); }});
    table.add({"info status", "", "running or paused, and why", [&op](const Context& c, Args) { return info_status(op, c); }});
    table.add({"info replay", "", "the recording and the position in it", info_replay});
    table.add({"info version", "", "the program's version", [](const Context& c, Args) -> Result<Outcome> {
                   c.print("vmm " VMM_VERSION "\n");
                   return Outcome::Done;
               }});
    table.add({"info name", "", "the guest's name, if it was given one", [&around](const Context& c, Args) -> Result<Outcome> {
                   if (!around.guest_name.empty()) c.print(around.guest_name + "\n");
                   return Outcome::Done;
               }});
    table.add({"info chardev", "", "the character devices, and where they are", [&around](const Context& c, Args) -> Result<Outcome> {
                   for (const auto& d : around.chardevs()) c.print(d.id + ": filename=" + d.where + "\n");
                   return Outcome::Done;
               }});
    table.add({"record-start|record_start", "FILE", "records the run into a file, from power-on, or from where its past is held", [&op](const Context&, Args a) -> Result<Outcome> {
                   if (a.size() != 1) return Error{"usage: record-start FILE"};
                   return done(op.record_start(a[0]));
               }});
    table.add({"record-stop|record_stop", "", "gives the recording its end; the run goes on", [&op](const Context&, Args) { return done(op.record_stop()); }});
    table.add({"rr-save|rr_save", "FILE", "writes what is held of the run's past into a file that replays; the run goes on", [&op](const Context&, Args a) -> Result<Outcome> {
                   if (a.size() != 1) return Error{"usage: rr-save FILE"};
                   return done(op.save_past(a[0]));
               }});
    table.add({"rr-fork|rr_fork", "FILE [OPTION...]", "the machine as it is now goes on in a program of its own, with fresh input and these options; FILE is what it begins with",
               [&op](const Context& c, Args a) -> Result<Outcome> {
                   if (a.empty()) return Error{"usage: rr-fork FILE [OPTION...], as in rr-fork what-if.rr -gdb tcp::1235"};
                   const auto pid = op.fork(a[0], {a.begin() + 1, a.end()});
                   if (!pid) return pid.error();
                   c.print("process " + std::to_string(*pid) + "\n");
                   return Outcome::Done;
               }});
    table.add({"guest-marks|guest_marks", "", "the places that the guest marked by its port vmm-rr", [](const Context& c, Args) -> Result<Outcome> {
                   if (c.control.record_switch() == nullptr) return Error{"no marks are kept in this run; --rr live keeps them, and a replay"};
                   for (const auto& [at, value] : c.control.record_switch()->marks()) c.print("mark " + std::to_string(value) + ": icount " + std::to_string(at.v) + "\n");
                   return Outcome::Done;
               }});
    table.add({"replay_break", "ICOUNT", "pauses a replay, once, when it comes to this position", [&op](const Context& c, Args a) { return break_replay(op, c, a); }});
    table.add({"replay_delete_break", "", "takes that back", [&op](const Context& c, Args) { return said(c, op.delete_break()); }});
    table.add({"replay_seek", "ICOUNT", "goes to this position of a replay, in either direction, and pauses there",
               [&op](const Context& c, Args a) { return seek_replay(op, c, a); }});
    table.add({"memsave", "ADDRESS SIZE FILE", "writes memory by linear address to a file", [&op](const Context&, Args a) { return save(op, a, "memsave", false); }});
    table.add({"pmemsave", "ADDRESS SIZE FILE", "writes memory by physical address to a file", [&op](const Context&, Args a) { return save(op, a, "pmemsave", true); }});
    table.add({"dump-guest-memory", "[-p] FILE [BEGIN LENGTH]", "memory and registers as an ELF core file; -p: by linear address", [&op](const Context&, Args a) { return dump_memory(op, a); }});
    table.add({"info dump", "", "how the last dump went", [&op](const Context& c, Args) { return info_dump(op, c); }});
    table.add({"info block", "", "the drives, and the images in them", [&around](const Context& c, Args) -> Result<Outcome> {
                   c.print(block_text(c.control.machine(), around.drives));
                   return Outcome::Done;
               }});
    table.add({"info cpus", "", "the processors: one", [&around](const Context& c, Args) -> Result<Outcome> {
                   c.print("* CPU #0: thread_id=" + std::to_string(around.thread_id) + "\n");
                   return Outcome::Done;
               }});
    table.add({"info kvm", "", "whether KVM is used", [](const Context& c, Args) -> Result<Outcome> {
                   c.print("kvm support: disabled\n");
                   return Outcome::Done;
               }});
    table.add({"screendump", "FILE [-f png|ppm]", "writes a picture of the screen to a file", dump_screen});
}

}  // namespace vmm::monitor
