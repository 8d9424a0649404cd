// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/operator.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "serial/host_fd.h"
#include "vmm/memory.h"

namespace vmm::monitor {

std::string_view name_of(RunState state) {
    constexpr std::array<std::string_view, 7> kNames = {"running", "prelaunch", "paused", "debug", "shutdown", "internal-error", "io-error"};
    return kNames[static_cast<std::size_t>(state)];
}

std::string_view name_of(DumpStatus::State state) {
    constexpr std::array<std::string_view, 4> kNames = {"none", "active", "completed", "failed"};
    return kNames[static_cast<std::size_t>(state)];
}

namespace {
Json by_reset(bool guest) { return {{"guest", guest}, {"reason", guest ? "guest-reset" : "host-qmp-system-reset"}}; }
}  // namespace

Operator::Operator(Control& control, bool start_paused, Tell tell)
    : control_(control),
      tell_(std::move(tell)),
      observer_(control.observe([this](Happening what, const PauseEvent& event) { happened(what, event); })),
      state_(start_paused ? RunState::Prelaunch : RunState::Running) {}

Operator::~Operator() { control_.forget(observer_); }

void Operator::happened(Happening what, const PauseEvent& event) {
    switch (what) {
        case Happening::Resumed:
            state_ = RunState::Running;
            tell_("RESUME", nullptr);
            break;
        case Happening::Paused:
            if (seeking_) break;                         // its end is told when it is there
            switch (event.why) {
                case Pause::Point:
                case Pause::Step: state_ = RunState::Debug; break;
                case Pause::Ended: state_ = RunState::Shutdown; break;
                case Pause::LastEqual:
                case Pause::Different: state_ = RunState::InternalError; break;
                case Pause::HostError: state_ = RunState::IoError; break;
                default: state_ = RunState::Paused; break;
            }
            tell_("STOP", nullptr);
            break;
        case Happening::Reset:
        case Happening::HostReset:
            if (state_ != RunState::Running) state_ = RunState::Prelaunch;
            tell_("RESET", by_reset(what == Happening::Reset));
            break;
        case Happening::PowerButton: tell_("POWERDOWN", nullptr); break;
        case Happening::Shutdown: tell_("SHUTDOWN", {{"guest", true}, {"reason", "guest-shutdown"}}); break;
        case Happening::ShutdownByReset:
        case Happening::ShutdownByHostReset: tell_("SHUTDOWN", by_reset(what == Happening::ShutdownByReset)); break;
        case Happening::Quit: tell_("SHUTDOWN", {{"guest", false}, {"reason", quit_asked_ ? "host-qmp-quit" : "host-signal"}}); break;
    }
}

void Operator::stop() { control_.pause(); }

Result<void> Operator::cont() {
    if (control_.move()) return {};
    if (state() == RunState::Shutdown) return Error{"Resetting the Virtual Machine is required"};
    control_.go({});
    return {};
}

void Operator::quit() {
    quit_asked_ = true;
    control_.quit();
}

Result<void> Operator::request(RequestKind kind) { return control_.enter({InputKind::Request, static_cast<u8>(kind), {}}); }

Result<void> Operator::reset() { return request(RequestKind::Reset); }
Result<void> Operator::power_button() { return request(RequestKind::PowerButton); }
Result<void> Operator::nmi() { return request(RequestKind::Nmi); }

Result<void> Operator::type(Input input) { return control_.enter(std::move(input)); }

Result<void> Operator::record_start(const std::string& file) {
    if (control_.mode() == RrMode::Replay) return Error{"this is a replay: what it does is recorded already, in " + control_.rr_file()};
    if (control_.record_switch() == nullptr) return Error{"the disk images change in this run, so that it cannot be recorded from its start; --rr live keeps them as they are"};
    return control_.record_switch()->start(file);
}

Result<void> Operator::record_stop() {
    if (control_.mode() != RrMode::Record || control_.record_switch() == nullptr) return Error{"this run is not being recorded"};
    return control_.record_switch()->stop();
}

Result<void> Operator::save_past(const std::string& file) {
    if (control_.mode() == RrMode::Replay) return Error{"this is a replay: what it does is recorded already, in " + control_.rr_file()};
    if (control_.record_switch() == nullptr) return Error{"this run does not hold its past; --rr live or --rr ring=MINUTES does"};
    return control_.record_switch()->save(file);
}

Result<i64> Operator::fork(const std::string& file, std::vector<std::string> options) {
    if (control_.record_switch() == nullptr) return Error{"rr-fork: this run does not hold its past; a replay does, and --rr live"};
    return control_.record_switch()->fork(file, std::move(options));
}

Result<void> Operator::set_break(i64 icount) {
    if (control_.travel() == nullptr) return Error{"setting the breakpoint is allowed only in play mode"};
    const u64 now = control_.machine().icount().v;
    if (icount < 0 || static_cast<u64>(icount) < now) return Error{"cannot set breakpoint at the instruction in the past"};
    control_.set_break_at(Icount{static_cast<u64>(icount)});
    return {};
}

Result<void> Operator::delete_break() {
    if (control_.travel() == nullptr) return Error{"replay breakpoints are allowed only in play mode"};
    control_.set_break_at(std::nullopt);
    return {};
}

Result<Icount> Operator::check_seek(i64 icount) const {
    const TimeTravel* travel = control_.travel();
    if (travel == nullptr) return Error{"replay must be enabled to seek"};
    const Error nowhere{"cannot seek to the specified instruction count"};
    if (icount < 0) return nowhere;
    const Icount to{static_cast<u64>(icount)};
    if (to < travel->begin() || to > travel->head()) return nowhere;
    return to;
}

void Operator::seek(Icount position) {
    const bool was_running = control_.move().has_value();
    seeking_ = true;
    if (!was_running) {
        state_ = RunState::Running;
        tell_("RESUME", nullptr);
    }
    (void)control_.seek(position);                       // wherever it got to, there it stands
    seeking_ = false;
    state_ = RunState::Paused;
    tell_("STOP", nullptr);
}

Result<void> Operator::save_memory(u64 address, u64 size, const std::string& file, bool physical) {
    errno = 0;
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    if (!out) return Error{"Could not open '" + file + "': " + std::strerror(errno)};
    std::array<u8, kPageSize> page{};
    const u64 first = address, whole = size;
    while (size > 0) {
        const u64 n = std::min<u64>(size, kPageSize - address % kPageSize);
        const auto piece = std::span(page).first(static_cast<std::size_t>(n));
        if (address >= u64{1} << 32 || !control_.read_memory(static_cast<u32>(address), piece, physical)) {
            if (!physical) {
                char text[80];
                std::snprintf(text, sizeof text, "Invalid addr 0x%016llx/size %llu specified", static_cast<unsigned long long>(first),
                              static_cast<unsigned long long>(whole));
                return Error{text};
            }
            page.fill(0);
        }
        out.write(reinterpret_cast<const char*>(page.data()), static_cast<std::streamsize>(n));
        if (!out) return Error{"Could not write '" + file + "': " + std::strerror(errno)};
        address += n;
        size -= n;
    }
    out.close();
    if (!out) return Error{"Could not write '" + file + "': " + std::strerror(errno)};
    return {};
}

Result<void> Operator::dump(const DumpWish& wish, const std::string& file, const std::function<void()>& accepted) {
    const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return Error{"Could not open '" + file + "': " + std::strerror(errno)};
    const MemoryDump dump(control_.machine(), wish);
    if (dump.bytes() == 0) return Error{"dump: no guest memory to dump"};
    accepted();
    const RunState before = state();                     // the machine stands still meanwhile, as this is its thread
    if (before == RunState::Running) {
        state_ = RunState::Paused;
        tell_("STOP", nullptr);
    }
    dump_status_.completed = 0;
    dump_status_.total = dump.bytes();
    dump_status_.state = DumpStatus::State::Active;
    const auto done = dump.write(fd.get(), [this](u64 bytes) { dump_status_.completed = bytes; });
    dump_status_.state = done ? DumpStatus::State::Completed : DumpStatus::State::Failed;
    Json event{{"result", dump_object()}};
    if (!done) event["error"] = done.error().text;
    tell_("DUMP_COMPLETED", event);
    if (before == RunState::Running) {
        state_ = before;
        tell_("RESUME", nullptr);
    }
    return done;
}

Json Operator::dump_object() const {
    return {{"total", dump_status_.total.load()}, {"status", name_of(dump_status_.state.load())}, {"completed", dump_status_.completed.load()}};
}

}  // namespace vmm::monitor
