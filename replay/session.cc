// SPDX-License-Identifier: Apache-2.0
#include "replay/session.h"

#include <algorithm>

#include "vmm/options.h"

namespace vmm::replay {
namespace {

// The first line in which two texts differ, as in "shift=0 ... shift=3".
std::pair<std::string, std::string> first_difference(std::string_view a, std::string_view b) {
    while (!a.empty() || !b.empty()) {
        const std::string_view x = a.substr(0, a.find('\n')), y = b.substr(0, b.find('\n'));
        if (x != y) return {std::string(x), std::string(y)};
        a.remove_prefix(std::min(a.size(), x.size() + 1));
        b.remove_prefix(std::min(b.size(), y.size() + 1));
    }
    return {};
}

// Monitors belong to whoever looks, not to what was recorded, unless they share a line with the guest.
HostConfig without_monitors(HostConfig host) {
    const auto shared = [&host](const std::string& id) {
        return id == host.debugcon || std::find(host.serial.begin(), host.serial.end(), id) != host.serial.end();
    };
    std::erase_if(host.chardevs, [&](const CharConfig& c) {
        const auto has = [&c](const auto& ids) { return std::find(ids.begin(), ids.end(), c.id) != ids.end(); };
        return !shared(c.id) && (has(host.monitors) || has(host.qmps));
    });
    std::erase_if(host.monitors, [&](const std::string& id) { return !shared(id); });
    std::erase_if(host.qmps, [&](const std::string& id) { return !shared(id); });
    return host;
}

// `lines`, with the monitors of `from`.
HostConfig with_monitors(HostConfig lines, const HostConfig& from) {
    for (const CharConfig& c : from.chardevs) lines.chardevs.push_back(c);
    lines.monitors.insert(lines.monitors.end(), from.monitors.begin(), from.monitors.end());
    lines.qmps.insert(lines.qmps.end(), from.qmps.begin(), from.qmps.end());
    return lines;
}

}  // namespace

Result<Header> make_header(const MachineConfig& config, const std::string& build) {
    auto files = identify_files(config);
    if (!files) return files.error();
    Header header;
    header.build = build;
    header.config = to_text(config);
    header.files = std::move(*files);
    return header;
}

Result<MachineConfig> replay_config(const Recording& recording, const std::string& file, std::span<const std::string> args) {
    const Header& h = recording.header;
    if (h.engine != "tcg" || h.clock != "icount" || h.arithmetic != "canonical")
        return Error{file + ": recorded with engine " + h.engine + ", clock " + h.clock + ", arithmetic " + h.arithmetic + ", which cannot be replayed here"};
    if (h.machine_revision != kMachineRevision)
        return Error{file + ": recorded by a machine of revision " + std::to_string(h.machine_revision) + "; this is revision " + std::to_string(kMachineRevision)};
    const auto recorded = config_from_text(h.config);
    if (!recorded) return Error{file + ": " + recorded.error().text};
    MachineConfig base = *recorded;
    base.host = HostConfig{};
    const auto given = parse_command_line(args, base), nothing = parse_command_line(std::vector<std::string>{}, base);
    if (!given) return given.error();
    if (!nothing) return nothing.error();

    MachineConfig machine = given->config;
    for (unsigned n = 0; n < 4; ++n)
        if (given->serial_given && machine.serial_present[n] && !recorded->serial_present[n])
            return Error{"serial port " + std::to_string(n) + " is not in the recorded machine"};
    machine.serial_present = recorded->serial_present;
    if (machine.rtc_from != RtcFrom::Date) {
        machine.rtc_from = recorded->rtc_from;
        machine.rtc_base = recorded->rtc_base;
    }
    // Files are compared by content; a path that is given is a place to look.
    MachineConfig same_files = machine;
    same_files.bios = recorded->bios;
    same_files.vga_bios = recorded->vga_bios;
    same_files.kernel = recorded->kernel;
    same_files.initrd = recorded->initrd;
    if (guest_text(same_files) != guest_text(*recorded)) {
        const auto [was, is] = first_difference(guest_text(*recorded), guest_text(same_files));
        return Error{file + ": recorded with " + was + ", but the options say " + is + "; a replay needs none of them"};
    }
    // Lines as they were recorded, unless other ones are asked for.
    if (without_monitors(given->config.host) == nothing->config.host) machine.host = with_monitors(without_monitors(recorded->host), given->config.host);
    if (given->display_given) machine.host.display = given->config.host.display;
    if (!given->drives_given) machine.images = recorded->images;
    for (auto& image : machine.images) {
        image.snapshot = !image.read_only;               // no replay changes an image
        image.aio = block::Aio::Auto;
        image.faults.clear();                            // errors are in the recording
    }
    machine.no_reboot = recorded->no_reboot;
    machine.no_shutdown = false;
    if (auto found = find_files(recording, file, machine, given->image_places); !found) return found.error();
    return machine;
}

}  // namespace vmm::replay
