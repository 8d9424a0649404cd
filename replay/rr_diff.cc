// SPDX-License-Identifier: Apache-2.0
#include "replay/rr_diff.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "replay/rr_dump.h"

namespace vmm::replay {
namespace {

using Lines = std::vector<std::string>;

void field(Lines& out, const std::string& name, const std::string& a, const std::string& b) {
    if (a != b) out.push_back(name + ": " + a + " != " + b);
}

std::string value(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += (out.empty() ? "" : ", ") + line;
    return lines.empty() ? "(none)" : out;
}

// The configuration's lines as key and values; the host's part says where it ran, not what.
std::map<std::string, std::vector<std::string>> settings(std::string_view config) {
    std::map<std::string, std::vector<std::string>> out;
    while (!config.empty()) {
        const std::string_view line = config.substr(0, config.find('\n'));
        config.remove_prefix(std::min(config.size(), line.size() + 1));
        const auto equals = line.find('=');
        if (equals != std::string_view::npos && !line.starts_with("host.")) out[std::string(line.substr(0, equals))].emplace_back(line.substr(equals + 1));
    }
    return out;
}

void headers(Lines& out, const Header& a, const Header& b) {
    field(out, "machine-revision", std::to_string(a.machine_revision), std::to_string(b.machine_revision));
    field(out, "engine", a.engine, b.engine);
    field(out, "clock", a.clock, b.clock);
    field(out, "arithmetic", a.arithmetic, b.arithmetic);
    field(out, "begins", std::to_string(a.begins.v), std::to_string(b.begins.v));
    auto x = settings(a.config), y = settings(b.config);
    for (const char* path : {"bios", "vga-bios", "kernel", "initrd"}) {    // files are compared by content
        x.erase(path);
        y.erase(path);
    }
    for (const auto& [key, values] : x) field(out, key, value(values), y.contains(key) ? value(y[key]) : "(none)");
    for (const auto& [key, values] : y)
        if (!x.contains(key)) field(out, key, "(none)", value(values));
    for (std::size_t i = 0; i < std::max(a.files.size(), b.files.size()); ++i) {
        const auto text = [i](const Header& h) {
            if (i >= h.files.size()) return std::string("(none)");
            char hash[40];
            std::snprintf(hash, sizeof hash, ", XXH3 %016" PRIx64, h.files[i].xxh3);
            return h.files[i].role + " of " + std::to_string(h.files[i].size) + " bytes" + hash;
        };
        field(out, "file", text(a), text(b));
    }
}

bool same(const Event& a, const Event& b) {
    return a.at == b.at && a.kind == b.kind && a.ns == b.ns && a.input.kind == b.input.kind && a.input.target == b.input.target && a.input.data == b.input.data;
}

// What both tell of: a cut recording is no different for what it does not tell.
Icount common_end(const Recording& a, const Recording& b) { return std::min(a.valid_to, b.valid_to); }

void events(Lines& out, const Recording& a, const Recording& b) {
    const Icount end = common_end(a, b);
    for (std::size_t i = 0;; ++i) {
        const bool x = i < a.events.size() && a.events[i].at < end, y = i < b.events.size() && b.events[i].at < end;
        if (!x && !y) return;
        if (x && y && same(a.events[i], b.events[i])) continue;
        out.push_back("event " + std::to_string(i + 1) + ":");
        out.push_back("  " + (x ? describe_event(a.events[i]) : std::string("(none)")));
        out.push_back("  " + (y ? describe_event(b.events[i]) : std::string("(none)")));
        return;
    }
}

void hashes(Lines& out, const Recording& a, const Recording& b) {
    // Recordings of different versions have hashes at different positions.
    for (std::size_t i = 0, k = 0; i < a.hashes.size() && k < b.hashes.size();) {
        const HashMark &x = a.hashes[i], &y = b.hashes[k];
        if (x.at != y.at) {
            x.at < y.at ? ++i : ++k;
            continue;
        }
        ++i, ++k;
        std::string parts;
        for (std::size_t p = 0; p < x.parts.sections.size() && p < y.parts.sections.size() && a.parts == b.parts; ++p)
            if (x.parts.sections[p] != y.parts.sections[p]) parts += " " + a.parts.sections[p];
        const bool whole = x.hash && y.hash && *x.hash != *y.hash;
        if (parts.empty() && !whole) continue;
        out.push_back("state at icount " + std::to_string(x.at.v) + ":" + (parts.empty() ? " memory" : parts));
        return;
    }
}

}  // namespace

std::vector<std::string> differences(const Recording& a, const Recording& b) {
    Lines out;
    headers(out, a.header, b.header);
    events(out, a, b);
    hashes(out, a, b);
    const auto end = [](const Recording& r) {
        if (!r.end) return "cut at icount " + std::to_string(r.valid_to.v);
        return std::string(to_string(r.end->ending)) + ", status " + std::to_string(r.end->status) + ", at icount " + std::to_string(r.end->at.v);
    };
    field(out, "end", end(a), end(b));
    if (a.end && b.end && a.end->at == b.end->at && a.end->hash != b.end->hash) out.push_back("state at the end differs");
    return out;
}

}  // namespace vmm::replay
