// SPDX-License-Identifier: Apache-2.0
// The program: command line to machine, back ends to ports, and the run.
#include <glib-unix.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <utility>

#include "devices/uart16550.h"
#include "display/curses_display.h"
#include "replay/rr_command.h"
#include "replay/session.h"
#include "serial/char_devices.h"
#include "serial/serial_input.h"
#include "vmm/board.h"
#include "vmm/options.h"
#include "vmm/program/frontends.h"
#include "vmm/program/past.h"
#include "vmm/program/progress.h"
#include "vmm/runner.h"

namespace vmm {
namespace {

int fail(const std::string& text) {
    std::fprintf(stderr, "vmm: %s\n", text.c_str());
    return 1;
}

void tell(const std::string& text) { std::fprintf(stderr, "vmm: %s\n", text.c_str()); }

// Ends the run from a signal that asks the program to go.
class QuitSignals {
  public:
    QuitSignals(IoThread& io, std::function<void()> quit) : quit_(std::move(quit)) {
        for (const int n : {SIGTERM, SIGHUP, SIGINT}) {
            GSource* source = g_unix_signal_source_new(n);
            g_source_set_callback(source, &QuitSignals::on_signal, this, nullptr);
            g_source_attach(source, io.context());
            sources_.push_back(source);
        }
    }
    ~QuitSignals() {
        for (GSource* source : sources_) {
            g_source_destroy(source);
            g_source_unref(source);
        }
    }
    QuitSignals(const QuitSignals&) = delete;
    QuitSignals& operator=(const QuitSignals&) = delete;

  private:
    static gboolean on_signal(gpointer self) {
        static_cast<QuitSignals*>(self)->quit_();
        return G_SOURCE_CONTINUE;
    }
    std::function<void()> quit_;
    std::vector<GSource*> sources_;
};

// A replay's ends of the lines: the host may type, for the keys of the terminal's own; the guest hears nothing of it.
class NoInput final : public CharInput {
  public:
    std::size_t room() override { return 256; }
    void bytes(std::string_view) override {}
};

int run(CommandLine given, const replay::Recording& recording) {
    MachineConfig& config = given.config;
    bool tcg = false;
    for (const Accel a : config.host.accels) tcg |= a == Accel::Tcg;
    if (!tcg) return fail("-accel kvm: there is no KVM engine yet; leave -accel away, or use -accel tcg");

    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    resolve_rtc(config, now, local.tm_gmtoff);

    bool outputs_open = true;                // shut while the past is run through again

    IoThread io;
    std::unique_ptr<Control> control;
    std::unique_ptr<CharDevices> chars;
    auto quit = [&] {
        if (chars) chars->give_up();
        if (control) control->post([&] { control->quit(); });
    };
    chars = std::make_unique<CharDevices>(CharHost{io, tell, quit});
    std::vector<CharConfig> chardevs = config.host.chardevs;
    std::erase_if(chardevs, [&](const CharConfig& c) { return monitor::serves_itself(config.host, c); });
    if (auto opened = chars->open(chardevs); !opened) return fail(opened.error().text);

    Outputs outputs;
    Machine* running = nullptr;
    // What comes out for the first time is where it can be gone back to.
    auto printed = [&](unsigned line, std::span<const u8> bytes) {
        if (running != nullptr && control->travel() != nullptr && control->travel()->fresh()) control->printed().add(line, running->icount() + 1, bytes);
    };
    Past* calls = nullptr;                   // who hears the guest
    std::array<CharLine*, 4> lines{};
    for (unsigned n = 0; n < 4; ++n) {
        if (!config.serial_present[n]) continue;
        if (config.host.serial[n].empty()) {
            outputs.serial[n] = [&printed, n](std::span<const u8> bytes) { printed(n, bytes); };
            continue;
        }
        auto line = chars->line(config.host.serial[n], "serial" + std::to_string(n));
        if (!line) return fail(line.error().text);
        lines[n] = *line;
        outputs.serial[n] = [to = *line, &printed, n, &outputs_open](std::span<const u8> bytes) {
            printed(n, bytes);
            if (outputs_open) to->write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
        };
    }
    if (!config.host.debugcon.empty()) {
        auto line = chars->line(config.host.debugcon, "debugcon");
        if (!line) return fail(line.error().text);
        outputs.debug_console = [to = *line, &printed, &outputs_open](u8 byte) {
            const char c = static_cast<char>(byte);
            printed(PrintedText::kDebugConsole, {&byte, 1});
            if (outputs_open) to->write({&c, 1});
        };
    }

    for (unsigned n = 0; n < 4 && !given.rr_panic.empty(); ++n)
        outputs.serial[n] = [n, to = std::move(outputs.serial[n]), &calls, &outputs_open](std::span<const u8> bytes) {
            if (to) to(bytes);
            if (outputs_open && calls != nullptr) calls->guest_prints(n, bytes);
        };
    outputs.call = [&calls, &outputs_open](GuestCall call, u32 value) {
        if (outputs_open && calls != nullptr) calls->guest_calls(call, value);
    };

    // A past that can be gone back to, or replayed, needs images that stay as they are.
    const bool keeps_images = given.rr != Rr::None || given.gdb.has_value();
    bool changes_kept = false;
    for (auto& image : config.images) {
        changes_kept |= keeps_images && !image.read_only && !std::exchange(image.snapshot, image.snapshot || keeps_images);
    }
    auto machine = Machine::create(config, std::move(outputs));
    if (!machine) return fail(machine.error().text);
    Machine& m = **machine;
    const RrMode mode = given.rr == Rr::Record ? RrMode::Record : given.rr == Rr::Replay ? RrMode::Replay : RrMode::None;
    control = std::make_unique<Control>(m, mode, given.rrfile);
    const auto past = Past::make(given, recording, m, *control, [&outputs_open](bool open) { outputs_open = open; }, tell);
    if (!past) return fail(past.error().text);
    running = &m;
    calls = past->get();
    control->publish();                      // a run may begin anywhere
    auto frontends = Frontends::open(given, io, *control, *chars, tell);
    if (!frontends) return fail(frontends.error().text);
    const QuitSignals signals(io, quit);                 // until here, where a client may be waited for, signals just end the program

    NoInput no_input;
    std::array<std::unique_ptr<SerialInput>, 4> inputs;
    for (unsigned n = 0; n < 4; ++n) {
        if (lines[n] == nullptr) continue;
        if (mode == RrMode::Replay) {
            lines[n]->connect(&no_input);
            continue;
        }
        inputs[n] = std::make_unique<SerialInput>(m.inbox(), io, static_cast<u8>(n));
        lines[n]->connect(inputs[n].get());
    }
    display::ScreenFeed feed(*control, io);
    std::unique_ptr<display::CursesDisplay> screen;
    if (config.host.display == DisplayKind::Curses) {
        display::CursesDisplay::Wires wires{io, feed, {}, quit};
        if (mode != RrMode::Replay) wires.type = [&m](Input input) { m.inbox().post(std::move(input)); };
        auto opened = display::CursesDisplay::open(std::move(wires));
        if (!opened) return fail(opened.error().text);
        screen = std::move(*opened);
    }
    RunnerOptions options;
    options.sleep = config.sleep;
    options.no_reboot = config.no_reboot;
    options.no_shutdown = config.no_shutdown;
    options.start_paused = given.start_paused;
    options.unattended = !given.gdb && config.host.monitors.empty() && config.host.qmps.empty();
    options.pause_at_end = given.rr_end_pause;
    options.pause_at_difference = given.gdb.has_value();
    control->observe([](Happening what, const PauseEvent& event) {
        if (what == Happening::Paused && (event.why == Pause::HostError || event.why == Pause::LastEqual)) tell("the machine is paused: " + event.text);
    });
    options.boundary = [&] {
        for (unsigned n = 0; n < 4; ++n)
            if (inputs[n]) inputs[n]->publish(m.board().serial(n).room());
        feed.boundary();
    };
    // Only where neither the guest nor a monitor has the terminal.
    const bool terminal_is_free = ::isatty(STDERR_FILENO) != 0 && config.host.display != DisplayKind::Curses &&
                                  std::none_of(chardevs.begin(), chardevs.end(), [](const CharConfig& c) { return c.kind == CharKind::Stdio; });
    std::optional<Progress> progress;
    if (mode == RrMode::Replay && terminal_is_free && control->travel() != nullptr) progress.emplace(io, *control, control->travel()->head());
    const int status = run_machine(*control, options, (*past)->journal());
    progress.reset();
    (*past)->serve();
    (*frontends)->program_ends(status);
    chars->give_up();                        // a client that does not read does not hold up the end
    frontends->reset();
    for (CharLine* line : lines)
        if (line != nullptr) line->connect(nullptr);
    screen.reset();
    chars.reset();                           // its thread may still ask to quit, of a machine that is there
    if (const std::string words = (*past)->last_words(); !words.empty()) tell(words);
    for (const std::string& line : (*past)->explanation(config, m)) tell(line);
    if (changes_kept && given.rr == Rr::Record) tell("the disk images are as they were; what the guest wrote to them is in the recording");
    else if (changes_kept && given.rr != Rr::Replay) tell("the disk images are as they were: what the guest wrote to them was held in memory, to go back in it");
    return status;
}

}  // namespace
}  // namespace vmm

int main(int argc, char** argv) {
    std::signal(SIGXFSZ, SIG_IGN);           // a file that may grow no more is an error like others
    const std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
    if (!args.empty() && args[0] == "rr") return vmm::replay::rr_command(std::span(args).subspan(1));
    auto line = vmm::parse_command_line(argc, argv);
    if (!line) return vmm::fail(line.error().text);
    switch (line->action) {
        case vmm::CommandLine::Action::Print:
            std::fputs(line->text.c_str(), stdout);
            return 0;
        case vmm::CommandLine::Action::AccelHelp:
            std::puts("tcg    the translator: exact, works everywhere (default)");
            std::puts("kvm    not there yet");
            return 0;
        case vmm::CommandLine::Action::Run: break;
    }
    const bool replay = line->rr == vmm::Rr::Replay;
    if (!replay && line->rr_from.empty()) return vmm::run(std::move(*line), {});
    const std::string& file = replay ? line->rrfile : line->rr_from;
    const auto recording = vmm::replay::read_recording(file);
    if (!recording) return vmm::fail((replay ? "-rrfile: " : "-rr-from: ") + recording.error().text);
    if (!recording->damage.empty()) vmm::tell(file + ": " + recording->damage + "; what is before it is used");
    auto config = vmm::replay::replay_config(*recording, file, args);
    if (!config) return vmm::fail(config.error().text);
    if (!replay) {
        // The machine is the recorded one; where it meets this host is not.
        config->host = line->config.host;
        config->no_reboot = line->config.no_reboot;
        config->no_shutdown = line->config.no_shutdown;
        config->sleep = line->config.sleep;
    }
    line->config = std::move(*config);
    return vmm::run(std::move(*line), *recording);
}
