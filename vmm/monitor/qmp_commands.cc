// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/qmp_commands.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "devices/user_input.h"
#include "display/image_file.h"

namespace vmm::monitor {
namespace {

QmpError generic(std::string text) { return {"GenericError", std::move(text)}; }
Json nothing() { return Json::object(); }

const char* type_name(QmpType type) {
    switch (type) {
        case QmpType::String: return "string";
        case QmpType::Integer: return "integer";
        case QmpType::Boolean: return "boolean";
        case QmpType::List: return "array";
        case QmpType::Object: return "object";
    }
    return "?";
}

bool is(const Json& value, QmpType type) {
    switch (type) {
        case QmpType::String: return value.is_string();
        case QmpType::Integer: return value.is_number_integer();
        case QmpType::Boolean: return value.is_boolean();
        case QmpType::List: return value.is_array();
        case QmpType::Object: return value.is_object();
    }
    return false;
}

// --- state -----------------------------------------------------------------------------------------------------------------

const char* status_name(Control& control) {
    if (control.running()) return "running";
    switch (control.last_pause().why) {
        case Pause::Ended: return "shutdown";
        case Pause::HostError: return "io-error";
        case Pause::Step:
        case Pause::Point:
        case Pause::Position:
        case Pause::HistoryBegin: return "debug";
        default: return control.machine().icount() == Icount{0} ? "prelaunch" : "paused";
    }
}

Json query_status(Control& control) {
    return {{"running", control.running()}, {"singlestep", false}, {"status", status_name(control)}};
}

Json query_replay(Control& control) {
    const RrMode mode = control.mode();
    Json out{{"mode", mode == RrMode::Record ? "record" : mode == RrMode::Replay ? "play" : "none"}, {"icount", control.machine().icount().v}};
    if (mode != RrMode::None) out["filename"] = control.rr_file();
    return out;
}

// --- the replay's positions; the words are QEMU's ----------------------------------------------------------------------------

QmpResult replay_break(Control& control, const Json& a) {
    if (control.mode() != RrMode::Replay) return generic("setting the breakpoint is allowed only in play mode");
    const i64 at = a["icount"];
    if (at < 0 || static_cast<u64>(at) < control.machine().icount().v) return generic("cannot set breakpoint at the instruction in the past");
    control.set_break_at(Icount{static_cast<u64>(at)});
    return nothing();
}

QmpResult replay_delete_break(Control& control, const Json&) {
    if (control.mode() != RrMode::Replay) return generic("replay breakpoints are allowed only in play mode");
    control.set_break_at(std::nullopt);
    return nothing();
}

QmpResult replay_seek(Control& control, const Json& a) {
    if (control.mode() != RrMode::Replay || control.travel() == nullptr) return generic("replay must be enabled to seek");
    const i64 given = a["icount"];
    const Icount at{static_cast<u64>(given)};
    const auto end = control.travel()->end_position();
    if (given < 0 || at < control.travel()->begin() || (end && at > *end)) return generic("cannot seek to the specified instruction count");
    const Icount now = control.machine().icount();
    if (at == now) control.pause(Pause::Position);
    else control.go({at > now ? Direction::Forward : Direction::Backward, false, at, {}});
    return nothing();
}

// --- input -----------------------------------------------------------------------------------------------------------------------

QmpResult post(Control& control, Input input) {
    if (control.mode() == RrMode::Replay) return generic("the input of a replay comes from its recording");
    control.machine().inbox().post(std::move(input));
    return nothing();
}

QmpResult request(Control& control, RequestKind kind) { return post(control, {InputKind::Request, static_cast<u8>(kind), {}}); }

std::variant<Key, QmpError> key_of(const Json& value) {
    if (!value.is_object() || !value.contains("type") || !value.contains("data")) return generic("a key is {\"type\": \"qcode\"|\"number\", \"data\": ...}");
    const auto& data = value["data"];
    if (value["type"] == "qcode" && data.is_string()) {
        const std::string name = data;
        std::string spelled = name;
        std::replace(spelled.begin(), spelled.end(), '-', '_');
        if (const auto key = key_by_name(spelled)) return *key;
        return generic("Invalid parameter '" + name + "'");
    }
    if (value["type"] == "number" && data.is_number_unsigned() && data <= 255u)
        if (const auto key = key_by_number(data.get<u8>())) return *key;
    return generic("Invalid parameter type for 'key'");
}

QmpResult send_key(Control& control, const Json& a) {
    std::vector<Key> keys;
    for (const Json& k : a["keys"]) {
        const auto key = key_of(k);
        if (const auto* error = std::get_if<QmpError>(&key)) return *error;
        keys.push_back(std::get<Key>(key));
    }
    if (keys.empty() || keys.size() > 16) return generic("Parameter 'keys' needs 1 to 16 keys");
    const i64 hold = a.value("hold-time", i64{kHoldMs});
    if (hold < 0 || hold > 60'000) return generic("Parameter 'hold-time' is in ms, 0 to 60000");
    return post(control, key_chord(keys, static_cast<u32>(hold)));
}

QmpResult input_send_event(Control& control, const Json& a) {
    static constexpr std::pair<const char*, u8> kButtons[] = {{"left", 1}, {"right", 2}, {"middle", 4}, {"side", 8}, {"extra", 16}};
    std::vector<Input> inputs;
    for (const Json& event : a["events"]) {
        const bool shaped = event.is_object() && event.contains("type") && event.contains("data") && event["data"].is_object();
        if (!shaped) return generic("an event is {\"type\": ..., \"data\": {...}}");
        const Json& data = event["data"];
        const std::string type = event["type"].is_string() ? event["type"] : "";
        const bool down = data.contains("down") && data["down"].is_boolean() && data["down"];
        if (type == "key" && data.contains("key")) {
            const auto key = key_of(data["key"]);
            if (const auto* error = std::get_if<QmpError>(&key)) return *error;
            inputs.push_back(key_event(std::get<Key>(key), down));
        } else if (type == "rel" && data.contains("value") && data["value"].is_number_integer()) {
            const i32 value = static_cast<i32>(std::clamp<i64>(data["value"], -32768, 32767));
            const bool x = data.value("axis", "") == "x";
            inputs.push_back(mouse_move(x ? value : 0, x ? 0 : value, 0));
        } else if (type == "btn") {
            const std::string button = data.contains("button") && data["button"].is_string() ? data["button"] : "";
            if (button == "wheel-up" || button == "wheel-down") {
                if (down) inputs.push_back(mouse_move(0, 0, button == "wheel-up" ? -1 : 1));
                continue;
            }
            const auto* found = std::find_if(std::begin(kButtons), std::end(kButtons), [&](const auto& b) { return button == b.first; });
            if (found == std::end(kButtons)) return generic("Invalid parameter '" + button + "'");
            inputs.push_back(mouse_event(0, 0, 0, found->second, down ? found->second : u8{0}));
        } else {
            return generic("an event of type '" + type + "' has no device here: key, rel and btn have");
        }
    }
    for (Input& input : inputs)
        if (auto result = post(control, std::move(input)); std::holds_alternative<QmpError>(result)) return result;
    return nothing();
}

// --- memory and screen to files ------------------------------------------------------------------------------------------------------

QmpResult save_memory(Control& control, const Json& a, bool physical) {
    const i64 from = a["val"], size = a["size"];
    const std::string name = a["filename"];
    if (from < 0 || size < 0 || from > 0xffffffff || size > (i64{1} << 32) - from) return generic("an address range is within 4 GiB");
    std::ofstream file(name, std::ios::binary);
    if (!file) return generic("Could not open '" + name + "'");
    std::vector<u8> piece(kPageSize);
    for (i64 done = 0; done < size;) {
        const std::size_t n = static_cast<std::size_t>(std::min<i64>(size - done, kPageSize));
        const std::span<u8> part(piece.data(), n);
        if (!control.read_memory(static_cast<u32>(from + done), part, physical))
            return generic("Invalid addr 0x" + [&] { char t[20]; std::snprintf(t, sizeof t, "%08llx", static_cast<unsigned long long>(from + done)); return std::string(t); }() + " specified");
        file.write(reinterpret_cast<const char*>(part.data()), static_cast<std::streamsize>(n));
        done += static_cast<i64>(n);
    }
    if (!file.flush()) return generic("writing to '" + name + "' failed");
    return nothing();
}

QmpResult screendump(Control& control, const Json& a) {
    const std::string name = a["filename"], format = a.value("format", "");
    if (format != "" && format != "ppm" && format != "png") return generic("Invalid parameter '" + format + "'");
    std::optional<display::ImageFormat> as;
    if (format == "png") as = display::ImageFormat::Png;
    if (format == "ppm") as = display::ImageFormat::Ppm;
    if (const auto done = display::screendump(control.machine(), name, as); !done) return generic(done.error().text);
    return nothing();
}

Json query_cpus() {
    Json cpu{{"cpu-index", 0}, {"qom-path", "/machine/unattached/device[0]"}, {"thread-id", gettid()}, {"target", "i386"}};
    cpu["props"] = {{"core-id", 0}, {"thread-id", 0}, {"socket-id", 0}};
    return Json::array({cpu});
}

}  // namespace

QmpTable::QmpTable(const CommandTable& human) {
    using C = Control;
    using T = QmpType;
    auto add = [this](QmpCommand command) { commands_.push_back(std::move(command)); };
    add({"query-version", {}, "the version of QMP that is spoken, and this program's", [](C&, const Json&) -> QmpResult {
             return Json{{"qemu", {{"major", 7}, {"minor", 2}, {"micro", 0}}}, {"package", "vmm " VMM_VERSION}};
         }});
    add({"query-commands", {}, "the names of all commands", [this](C&, const Json&) -> QmpResult {
             Json out = Json::array();
             for (const auto& c : commands_) out.push_back({{"name", c.name}});
             return out;
         }});
    add({"query-name", {}, "nothing: machines have no name here", [](C&, const Json&) -> QmpResult { return nothing(); }});
    add({"query-kvm", {}, "whether KVM is in use", [](C&, const Json&) -> QmpResult { return Json{{"enabled", false}, {"present", false}}; }});
    add({"query-status", {}, "running or not, and why not", [](C& c, const Json&) -> QmpResult { return query_status(c); }});
    add({"query-cpus-fast", {}, "the one processor", [](C&, const Json&) -> QmpResult { return query_cpus(); }});
    add({"query-replay", {}, "mode (none, record, play), file and position of the recording", [](C& c, const Json&) -> QmpResult { return query_replay(c); }});
    add({"replay-break", {{"icount", T::Integer}}, "pause at this position; one such breakpoint", replay_break});
    add({"replay-delete-break", {}, "forget the position of replay-break", replay_delete_break});
    add({"replay-seek", {{"icount", T::Integer}}, "go to this position, backwards or forwards, and pause there", replay_seek});
    add({"stop", {}, "pause the machine", [](C& c, const Json&) -> QmpResult {
             c.pause();
             return nothing();
         }});
    add({"cont", {}, "let the machine go on", [](C& c, const Json&) -> QmpResult {
             if (!c.running()) c.go({});
             return nothing();
         }});
    add({"quit", {}, "end the program; a recording gets its end", [](C& c, const Json&) -> QmpResult {
             c.quit();
             return nothing();
         }});
    add({"system_reset", {}, "the reset button", [](C& c, const Json&) { return request(c, RequestKind::Reset); }});
    add({"system_powerdown", {}, "the power button", [](C& c, const Json&) { return request(c, RequestKind::PowerButton); }});
    add({"inject-nmi", {}, "a non-maskable interrupt", [](C& c, const Json&) { return request(c, RequestKind::Nmi); }});
    add({"send-key", {{"keys", T::List}, {"hold-time", T::Integer, true}}, "press keys together, hold them for some ms (100), let go", send_key});
    add({"input-send-event", {{"events", T::List}, {"device", T::String, true}, {"head", T::Integer, true}},
         "keys down and up, mouse movements and buttons", input_send_event});
    add({"memsave", {{"val", T::Integer}, {"size", T::Integer}, {"filename", T::String}, {"cpu-index", T::Integer, true}},
         "linear memory into a file", [](C& c, const Json& a) { return save_memory(c, a, false); }});
    add({"pmemsave", {{"val", T::Integer}, {"size", T::Integer}, {"filename", T::String}}, "physical memory into a file",
         [](C& c, const Json& a) { return save_memory(c, a, true); }});
    add({"screendump", {{"filename", T::String}, {"device", T::String, true}, {"head", T::Integer, true}, {"format", T::String, true}},
         "the screen as a picture, PPM or PNG", screendump});
    add({"human-monitor-command", {{"command-line", T::String}, {"cpu-index", T::Integer, true}}, "a line of the human monitor; returns its text",
         [&human](C& c, const Json& a) -> QmpResult {
             auto text = std::make_shared<std::string>();
             human.run(a["command-line"].get<std::string>(), {c, [text](std::string_view piece) { *text += piece; }, [] {}});
             return Json(*text);
         }});
    std::sort(commands_.begin(), commands_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
}

const QmpCommand* QmpTable::find(const std::string& name) const {
    const auto it = std::find_if(commands_.begin(), commands_.end(), [&](const QmpCommand& c) { return c.name == name; });
    return it == commands_.end() ? nullptr : &*it;
}

std::optional<QmpError> QmpTable::check(const QmpCommand& command, const Json& arguments) {
    for (const QmpArgument& a : command.arguments) {
        if (!arguments.contains(a.name)) {
            if (!a.optional) return generic("Parameter '" + a.name + "' is missing");
        } else if (!is(arguments[a.name], a.type)) {
            return generic("Invalid parameter type for '" + a.name + "', expected: " + type_name(a.type));
        }
    }
    for (const auto& [key, unused] : arguments.items()) {
        const bool known = std::any_of(command.arguments.begin(), command.arguments.end(), [&k = key](const QmpArgument& a) { return a.name == k; });
        if (!known) return generic("Parameter '" + key + "' is unexpected");
    }
    return std::nullopt;
}

std::string QmpTable::markdown() const {
    std::string out = "| command | arguments | what it does |\n|---|---|---|\n";
    for (const QmpCommand& c : commands_) {
        std::string arguments;
        for (const QmpArgument& a : c.arguments)
            arguments += (arguments.empty() ? "`" : ", `") + a.name + "`: " + type_name(a.type) + (a.optional ? ", optional" : "");
        out += "| `" + c.name + "` | " + arguments + " | " + c.help + " |\n";
    }
    return out;
}

}  // namespace vmm::monitor
