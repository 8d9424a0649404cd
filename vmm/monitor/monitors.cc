// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/monitors.h"

#include <unistd.h>

#include <algorithm>

#include "vmm/host_clock.h"
#include "vmm/monitor/human_session.h"
#include "vmm/monitor/machine_commands.h"
#include "vmm/monitor/qmp_session.h"

namespace vmm::monitor {
namespace {

constexpr u64 kFarewellNs = 500'000'000;

std::string event_line(const std::string& name, const Json& data) {
    const u64 us = host_calendar_us();
    Json event{{"timestamp", {{"seconds", us / 1'000'000}, {"microseconds", us % 1'000'000}}}, {"event", name}};
    if (!data.is_null()) event["data"] = data;
    return to_line(event);
}

}  // namespace

std::shared_ptr<Client> make_client(Mode mode, const Host& host, Wire wire) {
    if (mode == Mode::Control) return std::make_shared<QmpSession>(host, std::move(wire));
    return std::make_shared<HumanSession>(host, std::move(wire));
}

bool serves_itself(const HostConfig& config, const CharConfig& c) {
    const bool listens = (c.kind == CharKind::Unix || c.kind == CharKind::Tcp) && c.server && !c.mux;
    const auto has = [&c](const auto& ids) { return std::find(ids.begin(), ids.end(), c.id) != ids.end(); };
    return listens && (has(config.monitors) || has(config.qmps));
}

Monitors::Monitors(Needs needs)
    : needs_(std::move(needs)),
      operator_(needs_.control, needs_.start_paused,
                [this](const std::string& name, const Json& data) {
                    needs_.io.run([this, line = event_line(name, data)] {
                        for (const auto& s : servers_) s->event(line);
                        for (const auto& l : lines_) l->event(line);
                    });
                }),
      host_{needs_.io, operator_, needs_.commands, {}} {}

Result<std::unique_ptr<Monitors>> Monitors::open(const MachineConfig& machine, Needs needs) {
    const HostConfig& config = machine.host;
    std::unique_ptr<Monitors> made(new Monitors(std::move(needs)));
    made->host_.around.guest_name = config.name;
    made->host_.around.drives = machine.drives;
    made->host_.around.thread_id = ::gettid();
    made->host_.around.chardevs = [m = made.get()] {
        auto out = m->sockets_;
        for (const auto& d : m->needs_.chars.info()) out.push_back({d.id, d.where});
        return out;
    };
    add_machine_commands(made->needs_.commands, made->operator_, made->host_.around);
    for (const std::string& id : config.monitors)
        if (auto added = made->add(config, id, Mode::Readline); !added) return added.error();
    for (const std::string& id : config.qmps)
        if (auto added = made->add(config, id, Mode::Control); !added) return added.error();
    return made;
}

Result<void> Monitors::add(const HostConfig& config, const std::string& id, Mode mode) {
    const auto chardev = std::find_if(config.chardevs.begin(), config.chardevs.end(), [&id](const CharConfig& c) { return c.id == id; });
    if (chardev != config.chardevs.end() && serves_itself(config, *chardev)) {
        auto server = SocketMonitor::open(*chardev, mode, host_, needs_.tell);
        if (!server) return Error{"chardev '" + id + "': " + server.error().text};
        needs_.io.run_wait([&] {
            sockets_.push_back({id, (*server)->where() + ",server=on"});
            servers_.push_back(std::move(*server));
        });
        return {};
    }
    auto line = needs_.chars.line(id, mode == Mode::Control ? "-qmp" : "-monitor");
    if (!line) return line.error();
    auto made = std::make_unique<LineMonitor>(**line, mode, host_);
    needs_.io.run_wait([&] { lines_.push_back(std::move(made)); });
    return {};
}

Monitors::~Monitors() {
    std::vector<std::unique_ptr<LineMonitor>> lines;     // these join a thread, and may wait for this one
    needs_.io.run_wait([&] {
        lines.swap(lines_);
        servers_.clear();
    });
    lines.clear();
    needs_.io.run_wait([] {});                           // events that were on their way found nobody
}

void Monitors::farewell() {
    const u64 until = host_ns() + kFarewellNs;
    needs_.io.run_wait([this, until] {
        for (const auto& s : servers_) s->farewell(until);
    });
    for (const auto& l : lines_) l->farewell(until);
}

}  // namespace vmm::monitor
