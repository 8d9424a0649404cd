// SPDX-License-Identifier: Apache-2.0
// Attaching, stopping, moving, leaving. What the other packets do is in session_target.cc and session_queries.cc.
#include "gdbstub/session.h"

#include <algorithm>
#include <array>

#include "gdbstub/packet.h"
#include "vmm/tcg/translator.h"

namespace vmm::gdb {

Session::Session(Control& control, const monitor::CommandTable& commands, SessionHost host)
    : control_(control), commands_(commands), host_(std::move(host)) {}

Session::~Session() = default;

void Session::attach() {
    control_.hold(true);
    observer_ = control_.observe([weak = weak_from_this()](Happening what, const PauseEvent& event) {
        if (const auto self = weak.lock()) self->happened(what, event);
    });
    control_.pause();
}

void Session::leave(bool resume) {
    if (!observer_) return;
    control_.forget(*std::exchange(observer_, std::nullopt));
    for (const auto& [key, wanted] : points_)
        if (wanted.id) dropped_.push_back(*wanted.id);
    points_.clear();
    for (const auto& id : dropped_) control_.points().remove(id);
    dropped_.clear();
    moving_ = false;
    control_.hold(false);
    if (!resume) return;
    const bool ended = !control_.move() && control_.last_pause().why == Pause::Ended;
    if (ended && host_.quit_when_ended) control_.quit(control_.machine().exit_code());
    else if (!ended && !control_.move()) control_.go({});
}

void Session::lost() { leave(false); }

void Session::program_ends(int status) {
    if (!observer_) return;
    if (moving_) host_.send("W" + to_hex(std::array{static_cast<u8>(status)}));
    lost();
}

// --- packets ---------------------------------------------------------------------------------------------------------------

void Session::packet(std::string_view payload) {
    if (!observer_) return;
    // While it waits for the machine or for a command gdb sends nothing; what comes all the same is not looked at.
    if (moving_ || commanding_) return;
    if (const Verb* verb = find_verb(payload)) return (this->*verb->run)(payload.substr(verb->name.size()));
    host_.send("");                              // not known here
}

void Session::too_long() {
    if (observer_ && !moving_ && !commanding_) error("the packet is longer than PacketSize");
}

void Session::console(std::string_view text) {
    constexpr std::size_t kPiece = kPacketSize / 4;
    for (; !text.empty(); text.remove_prefix(std::min(kPiece, text.size()))) host_.send("O" + to_hex(text.substr(0, kPiece)));
}

// --- stopping ----------------------------------------------------------------------------------------------------------------

void Session::interrupt() {
    if (observer_ && (moving_ || commanding_)) control_.pause();
}

void Session::happened(Happening what, const PauseEvent& event) {
    if (what != Happening::Paused || !moving_) return;
    moving_ = false;
    stopped(event);
}

void Session::stopped(const PauseEvent& event) {
    if (!event.text.empty()) console("vmm: " + event.text + "\n");
    host_.send(stop_reply(event));
}

std::string Session::stop_reply(const PauseEvent& event) const {
    const std::string trap = "T05thread:01;", interrupted = "T02thread:01;";
    switch (event.why) {
        case Pause::Step: return trap;
        case Pause::Point:
            // gdb would take a SIGTRAP in the middle of a `next` for the end of a step.
            if (event.hit && is_event(event.hit->point.kind)) return interrupted;
            return trap + (event.hit ? hit_reason(*event.hit) : "");
        case Pause::HistoryBegin: return trap + "replaylog:begin;";
        case Pause::HistoryEnd:
        case Pause::Different: return trap + "replaylog:end;";
        case Pause::Ended: return control_.mode() == RrMode::Replay ? trap + "replaylog:end;" : trap;
        case Pause::User:
        case Pause::Position:
        case Pause::LastEqual:
        case Pause::HostError: return interrupted;
    }
    return trap;
}

std::string Session::hit_reason(const Hit& hit) const {
    for (const auto& [key, wanted] : points_) {
        if (wanted.id != hit.id) continue;
        // Where CS has a base, gdb's pc is not the address of its breakpoint, and a stop that is said to be for a breakpoint it
        // would take for one of a breakpoint long gone, and go on.
        const bool at_pc = hit.address == control_.machine().translator().state().eip;
        switch (std::get<0>(key)) {
            case 0: return says_swbreak_ && at_pc ? "swbreak:;" : "";
            case 1: return says_hwbreak_ && at_pc ? "hwbreak:;" : "";
            case 2: return "watch:" + hex_number(hit.address) + ";";
            case 3: return "rwatch:" + hex_number(hit.address) + ";";
            default: return "awatch:" + hex_number(hit.address) + ";";
        }
    }
    return "";
}

void Session::why_stopped(std::string_view) {
    // Whoever attaches sees a machine that was stopped.
    if (control_.last_pause().why == Pause::Point || control_.last_pause().why == Pause::Position) host_.send("T05thread:01;");
    else host_.send(stop_reply(control_.last_pause().why == Pause::User ? PauseEvent{Pause::Step, {}, {}} : control_.last_pause()));
}

// --- moving ------------------------------------------------------------------------------------------------------------------

void Session::resume(const Go& go) {
    if (go.direction == Direction::Backward && control_.travel() == nullptr) return error(control_.why_not_back());
    sync_points();
    const PauseEvent& last = control_.last_pause();
    if (go.direction == Direction::Forward && last.why == Pause::Ended) {
        if (control_.mode() == RrMode::Replay) return stopped(last);
        host_.send("W" + to_hex(std::array{static_cast<u8>(control_.machine().exit_code())}));
        return control_.quit(control_.machine().exit_code());
    }
    moving_ = true;
    control_.go(go);
}

// gdb takes all its points away at every stop and puts them back before it goes on: only what is different then is changed.
void Session::sync_points() {
    for (const auto id : dropped_) control_.points().remove(id);
    dropped_.clear();
    for (auto& [key, wanted] : points_)
        if (!wanted.id) wanted.id = control_.points().add(wanted.point);
}

void Session::go_at(std::string_view address, bool one_step) {
    if (!address.empty()) {
        const auto at = take_hex(address);
        if (!at || !address.empty()) return malformed();
        if (!writable()) return;
        CpuState s = control_.machine().translator().state();
        s.eip = static_cast<u32>(*at);
        if (auto done = control_.write_registers(s); !done) return error(done.error().text);
    }
    Go go;
    go.one_step = one_step;
    resume(go);
}

// A signal means nothing to a machine.
void Session::go_on_signal(std::string_view text) {
    const auto semicolon = text.find(';');
    go_at(semicolon == std::string_view::npos ? "" : text.substr(semicolon + 1), false);
}

void Session::step_signal(std::string_view text) {
    const auto semicolon = text.find(';');
    go_at(semicolon == std::string_view::npos ? "" : text.substr(semicolon + 1), true);
}

// vCont;ACTION[:THREAD];...: the first action that is for our one thread.
void Session::v_cont(std::string_view text) {
    while (take(text, ";")) {
        const auto end = std::min(text.find(';'), text.size());
        std::string_view action = text.substr(0, end);
        text.remove_prefix(end);
        if (const auto colon = action.find(':'); colon != std::string_view::npos) {
            std::string_view thread = action.substr(colon + 1);
            action = action.substr(0, colon);
            const auto number = thread == "-1" ? std::optional<u64>(0) : take_hex(thread);
            if (!number || (thread != "-1" && !thread.empty())) return malformed();
            if (*number > 1) continue;           // 0: any; 1: the one there is
        }
        Go go;
        if (action == "c" || action.starts_with('C')) return resume(go);
        go.one_step = true;
        if (action == "s" || action.starts_with('S')) return resume(go);
        if (!take(action, "r")) return malformed();
        const auto first = take_hex(action);
        const bool comma = take(action, ",");
        const auto last = take_hex(action);
        if (!first || !comma || !last || !action.empty()) return malformed();
        go.range = {static_cast<u32>(*first), static_cast<u32>(*last)};
        return resume(go);
    }
    error(text.empty() ? "no action is for thread 1" : "malformed packet");
}

void Session::v_cont_actions(std::string_view) { host_.send("vCont;c;C;s;S;r"); }

void Session::back_step(std::string_view) {
    Go go;
    go.direction = Direction::Backward;
    go.one_step = true;
    resume(go);
}

void Session::back(std::string_view) {
    Go go;
    go.direction = Direction::Backward;
    resume(go);
}

// --- leaving -----------------------------------------------------------------------------------------------------------------

void Session::detach(std::string_view) {
    ok();
    leave(true);
    host_.hang_up();
}

void Session::kill(std::string_view) { control_.quit(); }

void Session::v_kill(std::string_view) {
    ok();
    control_.quit();
}

}  // namespace vmm::gdb
