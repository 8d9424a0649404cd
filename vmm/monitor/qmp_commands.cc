// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/qmp_commands.h"

#include <algorithm>

#include "devices/user_input.h"
#include "display/image_file.h"
#include "vmm/monitor/block_info.h"

namespace vmm::monitor {
namespace {

using Call = std::shared_ptr<QmpCall>;
using enum QmpCommand::Where;

// --- what commands take

#define X(name, set2, set3) #name,
constexpr std::string_view kKeyNames[] = {VMM_KEYS(X)};
#undef X
constexpr Type kQcode{Type::Kind::Enum, "a key's name", kKeyNames};
constexpr Member kKeyBranches[] = {{"number", &kInteger}, {"qcode", &kQcode}};
constexpr Type kKey{.kind = Type::Kind::Union, .name = "key", .branches = kKeyBranches};
constexpr Type kKeyList{.kind = Type::Kind::Array, .name = "keys", .element = &kKey};

constexpr std::string_view kButtonNames[] = {"left", "middle", "right", "wheel-up", "wheel-down", "side", "extra", "wheel-left", "wheel-right"};
constexpr std::string_view kAxisNames[] = {"x", "y"};
constexpr Type kButton{Type::Kind::Enum, "a button's name", kButtonNames};
constexpr Type kAxis{Type::Kind::Enum, "axis", kAxisNames};
constexpr Member kKeyPress[] = {{"key", &kKey}, {"down", &kBoolean}};
constexpr Member kButtonEvent[] = {{"button", &kButton}, {"down", &kBoolean}};
constexpr Member kMoveEvent[] = {{"axis", &kAxis}, {"value", &kInteger}};
constexpr Type kKeyEventType{.kind = Type::Kind::Struct, .name = "key event", .members = kKeyPress};
constexpr Type kButtonEventType{.kind = Type::Kind::Struct, .name = "button event", .members = kButtonEvent};
constexpr Type kMoveEventType{.kind = Type::Kind::Struct, .name = "move", .members = kMoveEvent};
constexpr Member kEventBranches[] = {{"key", &kKeyEventType}, {"btn", &kButtonEventType}, {"rel", &kMoveEventType}, {"abs", &kMoveEventType}};
constexpr Type kEvent{.kind = Type::Kind::Union, .name = "event", .branches = kEventBranches};
constexpr Type kEventList{.kind = Type::Kind::Array, .name = "events", .element = &kEvent};

constexpr std::string_view kFormats[] = {"ppm", "png"};
constexpr Type kFormat{Type::Kind::Enum, "format", kFormats};
constexpr std::string_view kCapabilities[] = {"oob"};
constexpr Type kCapability{Type::Kind::Enum, "capability", kCapabilities};
constexpr Type kCapabilityList{.kind = Type::Kind::Array, .name = "capabilities", .element = &kCapability};

constexpr Member kFile[] = {{"filename", &kString}};
constexpr Type kOptionList{.kind = Type::Kind::Array, .name = "options", .element = &kString};
constexpr Member kFork[] = {{"filename", &kString}, {"options", &kOptionList, true}};
constexpr Member kPosition[] = {{"icount", &kInteger}};
constexpr Member kSendKey[] = {{"keys", &kKeyList}, {"hold-time", &kInteger, true}};
constexpr Member kSendEvent[] = {{"device", &kString, true}, {"head", &kInteger, true}, {"events", &kEventList}};
constexpr Member kLine[] = {{"command-line", &kString}, {"cpu-index", &kInteger, true}};
constexpr Member kSave[] = {{"val", &kInteger}, {"size", &kInteger}, {"filename", &kString}, {"cpu-index", &kInteger, true}};
constexpr Member kSavePhysical[] = {{"val", &kInteger}, {"size", &kInteger}, {"filename", &kString}};
constexpr std::string_view kDumpFormats[] = {"elf", "kdump-zlib", "kdump-lzo", "kdump-snappy", "win-dmp"};
constexpr Type kDumpFormat{Type::Kind::Enum, "format", kDumpFormats};
constexpr Member kDump[] = {{"paging", &kBoolean}, {"protocol", &kString}, {"detach", &kBoolean, true}, {"begin", &kInteger, true}, {"length", &kInteger, true},
                            {"format", &kDumpFormat, true}};
constexpr Member kScreendump[] = {{"filename", &kString}, {"device", &kString, true}, {"head", &kInteger, true}, {"format", &kFormat, true}};
constexpr Member kNegotiate[] = {{"enable", &kCapabilityList, true}};

// --- what they do

void negotiate(const Call& c) { c->fail("Capabilities negotiation is already complete, command ignored", "CommandNotFound"); }

void query_commands(const Call& c) {
    Json list = Json::array();
    for (const QmpCommand& q : qmp_commands()) list.push_back({{"name", q.name}});
    c->ok(std::move(list));
}

void query_version(const Call& c) { c->ok(version_object()); }

void query_name(const Call& c) {
    Json name = Json::object();
    if (!c->around.guest_name.empty()) name["name"] = c->around.guest_name;
    c->ok(std::move(name));
}

void query_status(const Call& c) {
    const RunState state = c->op.state();
    c->ok({{"status", name_of(state)}, {"singlestep", false}, {"running", state == RunState::Running}});
}

void query_kvm(const Call& c) { c->ok({{"enabled", false}, {"present", false}}); }

void query_chardev(const Call& c) {
    Json list = Json::array();
    for (const auto& d : c->around.chardevs()) list.push_back({{"frontend-open", true}, {"filename", d.where}, {"label", d.id}});
    c->ok(std::move(list));
}

void query_cpus_fast(const Call& c) {
    c->ok(Json::array({{{"thread-id", c->around.thread_id},
                        {"props", {{"core-id", 0}, {"thread-id", 0}, {"socket-id", 0}}},
                        {"qom-path", "/machine/unattached/device[0]"},
                        {"cpu-index", 0},
                        {"target", "i386"}}}));
}

void query_replay(const Call& c) {
    const Control& control = c->op.control();
    Json out{{"icount", control.position().v}, {"mode", "none"}};
    if (control.mode() != RrMode::None) {
        out["mode"] = control.mode() == RrMode::Record ? "record" : "play";
        out["filename"] = control.rr_file();
    }
    c->ok(std::move(out));
}

void record_start(const Call& c) { c->done(c->op.record_start(c->text("filename"))); }
void rr_save(const Call& c) { c->done(c->op.save_past(c->text("filename"))); }
void rr_fork(const Call& c) {
    std::vector<std::string> options;
    for (const Json& option : c->arguments.value("options", Json::array())) options.push_back(option.get<std::string>());
    const auto pid = c->op.fork(c->text("filename"), std::move(options));
    if (!pid) return c->fail(pid.error().text);
    c->ok({{"pid", *pid}});
}
void record_stop(const Call& c) { c->done(c->op.record_stop()); }
void replay_break(const Call& c) { c->done(c->op.set_break(c->integer("icount"))); }
void replay_delete_break(const Call& c) { c->done(c->op.delete_break()); }

void replay_seek(const Call& c) {
    const auto to = c->op.check_seek(c->integer("icount"));
    if (!to) return c->fail(to.error().text);
    c->ok();
    c->op.seek(*to);
}

void stop(const Call& c) {
    c->op.stop();
    c->ok();
}
void cont(const Call& c) { c->done(c->op.cont()); }

void quit(const Call& c) {
    c->op.quit();
    c->ok();
}

void system_reset(const Call& c) { c->done(c->op.reset()); }
void system_powerdown(const Call& c) { c->done(c->op.power_button()); }
void inject_nmi(const Call& c) { c->done(c->op.nmi()); }

std::optional<Key> key_of(const Json& key) {
    if (key["type"] == "qcode") return key_by_name(key["data"].get<std::string>());
    const i64 n = key["data"].get<i64>();
    return n < 0 || n > 0xff ? std::nullopt : key_by_number(static_cast<u8>(n));
}

void send_key(const Call& c) {
    std::vector<Key> keys;
    for (const Json& k : c->arguments["keys"])
        if (const auto key = key_of(k)) keys.push_back(*key);    // a number that is no key is passed over
    const i64 hold = c->integer("hold-time", kHoldMs);
    if (keys.empty()) return c->ok();
    c->done(c->op.type(key_chord(keys, static_cast<u32>(std::clamp<i64>(hold, 0, 60'000)))));
}

// A button of the mouse, or a turn of the wheel when it goes down.
std::optional<Input> button_event(const std::string& name, bool down) {
    constexpr std::pair<std::string_view, u8> kBits[] = {{"left", 1}, {"right", 2}, {"middle", 4}, {"side", 8}, {"extra", 16}};
    for (const auto& [button, bit] : kBits)
        if (button == name) return mouse_event(0, 0, 0, bit, down ? bit : 0);
    if (down && name == "wheel-up") return mouse_event(0, 0, -1, 0, 0);
    if (down && name == "wheel-down") return mouse_event(0, 0, 1, 0, 0);
    return std::nullopt;                                     // there is no wheel to the side
}

void input_send_event(const Call& c) {
    if (c->arguments.contains("device")) return c->fail("Device '" + c->text("device") + "' not found", "DeviceNotFound");
    if (c->op.state() != RunState::Running) return c->fail("VM not running");
    i32 dx = 0, dy = 0;
    std::vector<Input> inputs;
    for (const Json& e : c->arguments["events"]) {
        const Json& data = e["data"];
        if (e["type"] == "abs") return c->fail("Input handler not found for event type abs");
        if (e["type"] == "key") {
            if (const auto key = key_of(data["key"])) inputs.push_back(key_event(*key, data["down"].get<bool>()));
        } else if (e["type"] == "btn") {
            if (auto input = button_event(data["button"].get<std::string>(), data["down"].get<bool>())) inputs.push_back(std::move(*input));
        } else {
            const auto value = static_cast<i32>(std::clamp<i64>(data["value"].get<i64>(), -100'000, 100'000));
            (data["axis"] == "x" ? dx : dy) = value;
        }
    }
    if (dx != 0 || dy != 0) inputs.insert(inputs.begin(), mouse_move(dx, dy, 0));
    for (Input& input : inputs)
        if (auto done = c->op.type(std::move(input)); !done) return c->fail(done.error().text);
    c->ok();
}

void human_monitor_command(const Call& c) {
    if (c->integer("cpu-index") != 0) return c->fail("Parameter 'cpu-index' expects a CPU number");
    constexpr std::size_t kMost = std::size_t{4} << 20;
    auto out = std::make_shared<std::string>();
    c->commands.run(c->text("command-line"), {c->op.control(),
                                              [out](std::string_view text) {
                                                  for (const char ch : text) {
                                                      if (out->size() >= kMost) return;
                                                      if (ch == '\n') *out += '\r';
                                                      *out += ch;
                                                  }
                                              },
                                              [c, out] { c->ok(std::move(*out)); }});
}

void save(const Call& c, bool physical) {
    if (c->integer("cpu-index") != 0) return c->fail("Parameter 'cpu-index' expects a CPU number");
    if (c->integer("size") < 0) return c->fail("Parameter 'size' expects a size that is not negative");
    c->done(c->op.save_memory(static_cast<u64>(c->integer("val")), static_cast<u64>(c->integer("size")), c->text("filename"), physical));
}
void memsave(const Call& c) { save(c, false); }
void pmemsave(const Call& c) { save(c, true); }

// In QEMU's order of complaints.
void dump_guest_memory(const Call& c) {
    const std::string to = c->text("protocol"), format = c->text("format");
    const bool paging = c->arguments["paging"].get<bool>(), begins = c->arguments.contains("begin"), ends = c->arguments.contains("length");
    if (!format.empty() && format != "elf") return c->fail(format + " is not available now");
    if (begins && !ends) return c->fail("Parameter 'length' is missing");
    if (ends && !begins) return c->fail("Parameter 'begin' is missing");
    if (to.starts_with("fd:")) return c->fail("File descriptor named '" + to.substr(3) + "' has not been found");
    if (!to.starts_with("file:")) return c->fail("Invalid parameter 'protocol'");
    DumpWish wish{paging, {}};
    if (begins) {
        if (c->integer("begin") < 0) return c->fail("Invalid parameter 'begin'");
        if (c->integer("length") <= 0) return c->fail("Invalid parameter 'length'");
        wish.range = {static_cast<u64>(c->integer("begin")), static_cast<u64>(c->integer("length"))};
    }
    bool answered = false;
    const auto done = c->op.dump(wish, to.substr(5), [&] {
        if (!c->arguments.value("detach", false)) return;
        c->ok();
        answered = true;
    });
    if (!answered) c->done(done);
}

void query_dump(const Call& c) { c->ok(c->op.dump_object()); }
void query_dump_capability(const Call& c) { c->ok({{"formats", {"elf"}}}); }
void query_target(const Call& c) { c->ok({{"arch", "i386"}}); }
void query_block(const Call& c) { c->ok(blocks(c->op.control().machine(), c->around.drives)); }
void query_nodes(const Call& c) { c->ok(block_nodes(c->op.control().machine())); }
void query_uuid(const Call& c) { c->ok({{"UUID", "00000000-0000-0000-0000-000000000000"}}); }
void query_memory_size(const Call& c) { c->ok({{"base-memory", c->op.control().machine().memory().ram_size()}, {"plugged-memory", 0}}); }
void nothing(const Call& c) { c->ok(Json::array()); }

void screendump(const Call& c) {
    if (c->arguments.contains("device")) return c->fail("Device '" + c->text("device") + "' not found", "DeviceNotFound");
    const auto format = c->text("format") == "png" ? display::ImageFormat::Png : display::ImageFormat::Ppm;
    c->done(display::screendump(c->op.control().machine(), c->text("filename"), format));
}

constexpr QmpCommand kCommands[] = {
    {"qmp_capabilities", "ends the negotiation: the first command of every connection. No capability is offered", kNegotiate, "", Here, negotiate},
    {"query-commands", "the names of the commands", {}, "[{name: string}...]", Here, query_commands},
    {"query-version", "the version of QEMU whose QMP this speaks, and this program's", {}, "{qemu: {micro, minor, major: integer}, package: string}", Here, query_version},
    {"query-name", "the guest's name, if `-name` gave it one", {}, "{name?: string}", Here, query_name},
    {"query-status", "what the machine does: running, prelaunch, paused, debug, shutdown, internal-error or io-error", {},
     "{status: string, singlestep: boolean, running: boolean}", Here, query_status},
    {"query-kvm", "whether KVM is there and used", {}, "{enabled: boolean, present: boolean}", Here, query_kvm},
    {"query-chardev", "the character devices", {}, "[{frontend-open: boolean, filename: string, label: string}...]", Here, query_chardev},
    {"query-cpus-fast", "the processors: one", {}, "[{thread-id: integer, props, qom-path, cpu-index: integer, target: string}]", Here, query_cpus_fast},
    {"query-block", "the drives that the guest has, and the images in them", {}, "[{device: string, removable: boolean, inserted?: {file: string, drv: string, ro: boolean ...} ...}...]", Machine, query_block},
    {"query-named-block-nodes", "the images", {}, "[{node-name: string, file: string, drv: string, ro: boolean ...}...]", Machine, query_nodes},
    {"query-target", "what the guest's processor is", {}, "{arch: i386}", Here, query_target},
    {"query-uuid", "the machine's UUID: none", {}, "{UUID: string}", Here, query_uuid},
    {"query-memory-size-summary", "RAM, in bytes", {}, "{base-memory: integer, plugged-memory: 0}", Here, query_memory_size},
    {"query-iothreads", "threads of disks that have names: none", {}, "[]", Here, nothing},
    {"query-replay", "where the run is; also while it runs, and while a long move is under way", {},
     "{icount: integer, mode: none|record|play, filename?: string}", Here, query_replay},
    {"record-start", "records the run into a file, from power-on, or from where its past is held (not in QEMU)", kFile, "", Machine, record_start},
    {"record-stop", "gives the recording its end; the run goes on (not in QEMU)", {}, "", Machine, record_stop},
    {"rr-fork", "the machine as it is now goes on in a program of its own, with fresh input and these options of the command line (`-qmp`, `-serial`, `--rr record` ...); the file is what it begins with (not in QEMU)", kFork, "{pid: integer}", Machine, rr_fork},
    {"rr-save", "writes what is held of the run's past into a file that replays; the run goes on (not in QEMU)", kFile, "", Machine, rr_save},
    {"replay-break", "pauses, once, when the run comes to that position; a new one replaces it", kPosition, "", Machine, replay_break},
    {"replay-delete-break", "takes that back", {}, "", Machine, replay_delete_break},
    {"replay-seek", "goes to that position, in either direction, and pauses there; answers at once, STOP comes when it is there", kPosition, "", Machine, replay_seek},
    {"stop", "pauses; ends a move through the past where it is", {}, "", Machine, stop, true},
    {"cont", "goes on", {}, "", Machine, cont},
    {"quit", "ends the program; a recording gets its proper end", {}, "", Machine, quit, true},
    {"system_reset", "the reset button", {}, "", Machine, system_reset},
    {"system_powerdown", "the power button", {}, "", Machine, system_powerdown},
    {"inject-nmi", "a non-maskable interrupt", {}, "", Machine, inject_nmi},
    {"send-key", "presses keys in order, holds them (100 ms, or `hold-time` ms of guest time), and lets them go", kSendKey, "", Machine, send_key},
    {"input-send-event", "keys, buttons and moves of the mouse, one by one; only while the machine runs", kSendEvent, "", Machine, input_send_event},
    {"human-monitor-command", "a line for the human monitor, and what that answers", kLine, "string", Machine, human_monitor_command},
    {"memsave", "writes memory by linear address to a file", kSave, "", Machine, memsave},
    {"pmemsave", "writes memory by physical address to a file; where there is none, zeros", kSavePhysical, "", Machine, pmemsave},
    {"dump-guest-memory", "writes memory and registers as an ELF core file (`protocol`: `file:PATH`) for gdb, readelf, crash; `paging`: by the linear addresses of the page tables in use, for gdb; `detach` answers first. `format`: only `elf`",
     kDump, "", Machine, dump_guest_memory},
    {"query-dump", "how far that is", {}, "{total: integer, status: none|active|completed|failed, completed: integer}", Here, query_dump},
    {"query-dump-guest-memory-capability", "the formats of dumps", {}, "{formats: [elf]}", Here, query_dump_capability},
    {"screendump", "writes a picture of the screen to a file", kScreendump, "", Machine, screendump},
};

}  // namespace

std::span<const QmpCommand> qmp_commands() { return kCommands; }

const QmpCommand* find_qmp_command(std::string_view name) {
    const auto* it = std::find_if(std::begin(kCommands), std::end(kCommands), [&](const QmpCommand& c) { return c.name == name; });
    return it == std::end(kCommands) ? nullptr : it;
}

std::string qmp_reference() {
    std::string out = "| command | arguments | returns | what it does |\n|---|---|---|---|\n";
    auto cell = [](std::string text) {
        for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
        return text.empty() ? std::string() : "`" + text + "`";
    };
    for (const QmpCommand& c : kCommands)
        out += "| `" + std::string(c.name) + "` | " + cell(describe(c.arguments)) + " | " + cell(std::string(c.returns)) + " | " + std::string(c.help) + (c.where == Here ? " *(at once)*" : "") + " |\n";
    return out;
}

Json version_object() {
    // The version of QMP that is spoken: scripts look at it.
    return {{"qemu", {{"micro", 0}, {"minor", 2}, {"major", 7}}}, {"package", "vmm " VMM_VERSION}};
}

}  // namespace vmm::monitor
