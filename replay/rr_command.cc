// SPDX-License-Identifier: Apache-2.0
#include "replay/rr_command.h"

#include <cinttypes>
#include <cstdio>

#include "devices/user_input.h"

namespace vmm::replay {
namespace {

template <class... Args>
std::string format(const char* pattern, Args... args) {
    char text[256];
    std::snprintf(text, sizeof text, pattern, args...);
    return text;
}

constexpr const char* kInputNames[] = {"serial", "key", "pointer", "frame", "samples", "request"};
constexpr const char* kRequestNames[] = {"reset", "power-button", "quit", "nmi"};

std::string quoted(std::string_view data) {
    std::string out = "\"";
    for (const char c : data) {
        const u8 b = static_cast<u8>(c);
        if (c == '"' || c == '\\') out += std::string("\\") + c;
        else if (b >= 0x20 && b < 0x7f) out.push_back(c);
        else out += format("\\x%02x", b);
    }
    return out + "\"";
}

std::string describe_event(const Event& e) {
    std::string out = format("%16" PRIu64 "  ", e.at.v);
    switch (e.kind) {
        case EventKind::Pass: return out + "pass\n";
        case EventKind::IdleJump: return out + format("idle jump of %" PRIu64 " ns\n", e.ns);
        case EventKind::Input: break;
    }
    out += kInputNames[static_cast<std::size_t>(e.input.kind)];
    if (e.input.kind == InputKind::Request && e.input.target < std::size(kRequestNames)) out += std::string(" ") + kRequestNames[e.input.target];
    else out += format(" %u", e.input.target);
    if (const std::string user = describe_user_input(e.input); !user.empty()) out += " " + user;
    else if (e.input.kind == InputKind::Serial && e.input.data.empty()) out += " break";
    else if (!e.input.data.empty()) out += " " + quoted(e.input.data);
    return out + "\n";
}

std::string describe_end(const Recording& r) {
    if (r.end) return format("ended by %s, status %u, at icount %" PRIu64, std::string(to_string(r.end->ending)).c_str(), r.end->status, r.end->at.v);
    return format("no end: cut; valid up to icount %" PRIu64, r.valid_to.v) + (r.damage.empty() ? "" : " (" + r.damage + ")");
}

}  // namespace

std::string describe(const Recording& r) {
    const Header& h = r.header;
    std::string out = format("format version %u, machine revision %u, recorded by vmm ", r.version, h.machine_revision) + h.build + "\n";
    out += "engine " + h.engine + ", clock " + h.clock + ", arithmetic " + h.arithmetic + "\n";
    out += describe_end(r) + "\n";
    u64 inputs = 0, jumps = 0, bytes = 0;
    for (const Event& e : r.events) {
        inputs += e.kind == EventKind::Input;
        jumps += e.kind == EventKind::IdleJump;
        bytes += e.input.data.size();
    }
    out += format("%" PRIu64 " inputs (%" PRIu64 " bytes), %" PRIu64 " idle jumps, %zu hashes, %" PRIu64 " chunks, %" PRIu64 " of %" PRIu64 " bytes used\n",
                  inputs, bytes, jumps, r.hashes.size(), r.chunks, r.used_bytes, r.file_bytes);
    for (const FileIdentity& f : h.files)
        out += "file " + f.role + " " + f.path + format(", %" PRIu64 " bytes, XXH3 %016" PRIx64 "\n", f.size, f.xxh3);
    return out + "\n" + h.config;
}

std::string dump(const Recording& r) {
    std::string out;
    std::size_t mark = 0;
    const auto marks_to = [&](Icount at) {
        for (; mark < r.hashes.size() && r.hashes[mark].at <= at; ++mark)
            out += format("%16" PRIu64 "  hash %016" PRIx64 "\n", r.hashes[mark].at.v, r.hashes[mark].hash);
    };
    for (const Event& e : r.events) {
        marks_to(e.at);                      // a hash is taken before the inputs of its position
        out += describe_event(e);
    }
    marks_to(r.valid_to);
    if (r.end) out += format("%16" PRIu64 "  hash %016" PRIx64 "\n", r.end->at.v, r.end->hash);
    return out + format("%16" PRIu64 "  ", r.valid_to.v) + describe_end(r) + "\n";
}

int rr_command(std::span<const std::string> args) {
    const bool known = args.size() == 2 && (args[0] == "info" || args[0] == "dump");
    if (!known) {
        std::fprintf(stderr, "vmm: rr: usage: vmm rr info FILE, vmm rr dump FILE\n");
        return 1;
    }
    const auto recording = read_recording(args[1]);
    if (!recording) {
        std::fprintf(stderr, "vmm: %s\n", recording.error().text.c_str());
        return 1;
    }
    std::fputs((args[0] == "info" ? describe(*recording) : dump(*recording)).c_str(), stdout);
    return 0;
}

}  // namespace vmm::replay
