// SPDX-License-Identifier: Apache-2.0
#include "replay/rr_dump.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "devices/user_input.h"
#include "vmm/disk_queue.h"

namespace vmm::replay {
namespace {

template <class... Args>
std::string format(const char* pattern, Args... args) {
    char text[256];
    std::snprintf(text, sizeof text, pattern, args...);
    return text;
}

constexpr const char* kInputNames[] = {"serial", "key", "pointer", "frame", "samples", "request", "disk"};
constexpr const char* kRequestNames[] = {"reset", "power-button", "quit", "nmi", "set-memory", "set-registers"};
static_assert(static_cast<std::size_t>(InputKind::Disk) + 1 == std::size(kInputNames));
static_assert(static_cast<std::size_t>(RequestKind::SetRegisters) + 1 == std::size(kRequestNames));

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

std::string hex_bytes(std::string_view data) {
    std::string out;
    for (const char c : data) out += format("%02x", static_cast<u8>(c));
    return out;
}

const char* disk_error(DiskError error) { return error == DiskError::None ? "" : error == DiskError::Io ? ", I/O error" : ", no space"; }

const char* request_name(u8 target) { return target < std::size(kRequestNames) ? kRequestNames[target] : "?"; }

std::string describe_input(const Input& input) {
    std::string out = kInputNames[static_cast<std::size_t>(input.kind)];
    if (input.kind == InputKind::Request) {
        out += std::string(" ") + request_name(input.target);
        if (input.target == static_cast<u8>(RequestKind::SetMemory) && input.data.size() >= 8) {
            u64 at = 0;
            std::memcpy(&at, input.data.data(), 8);
            return out + format(" %08" PRIx64 " ", at) + hex_bytes(std::string_view(input.data).substr(8));
        }
        return input.data.empty() ? out : out + " " + hex_bytes(input.data);
    }
    out += format(" %u", input.target);
    if (const std::string user = describe_user_input(input); !user.empty()) return out + " " + user;
    if (const auto done = parse_disk_input(input.data); input.kind == InputKind::Disk && done)
        return out + format(" request %" PRIu64 " comes late", done->first) + disk_error(done->second);
    if (input.kind == InputKind::Serial && input.data.empty()) return out + " break";
    return input.data.empty() ? out : out + " " + quoted(input.data);
}

std::string describe_end(const Recording& r) {
    if (r.end) return format("ended by %s, status %u, at icount %" PRIu64, std::string(to_string(r.end->ending)).c_str(), r.end->status, r.end->at.v);
    return format("no end: cut; valid up to icount %" PRIu64, r.valid_to.v) + (r.damage.empty() ? "" : " (" + r.damage + ")");
}

// Calls one of these for everything in the recording, in order of position.
template <class OnEvent, class OnHash, class OnCheckpoint>
void in_order(const Recording& r, const OnEvent& event, const OnHash& hash, const OnCheckpoint& checkpoint) {
    std::size_t mark = 0, stored = 0;
    const auto marks_to = [&](Icount at) {       // hashes and states are taken before the inputs of their position
        while (true) {
            const bool m = mark < r.hashes.size() && r.hashes[mark].at <= at;
            const bool c = stored < r.checkpoints.size() && r.checkpoints[stored].at <= at;
            if (m && (!c || r.hashes[mark].at <= r.checkpoints[stored].at)) hash(mark++);
            else if (c) checkpoint(r.checkpoints[stored++]);
            else return;
        }
    };
    for (const Event& e : r.events) {
        marks_to(e.at);
        event(e);
    }
    marks_to(r.valid_to);
}

u64 checkpoint_bytes(const StoredCheckpoint& c) {
    u64 bytes = c.state.frame.stored;
    for (const Packed& p : c.pages) bytes += p.frame.stored;
    return bytes;
}

// A JSON string. Bytes that are not ASCII are taken as Latin-1, so that the output is UTF-8 whatever was in a file name.
std::string json(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const u8 b = static_cast<u8>(c);
        if (c == '"' || c == '\\') out += std::string("\\") + c;
        else if (b >= 0x20 && b < 0x7f) out.push_back(c);
        else out += format("\\u%04x", b);
    }
    return out + "\"";
}

std::string json_parts(const Recording& r, const PartHashes& parts) {
    std::string out;
    for (std::size_t i = 0; i < parts.sections.size(); ++i) {
        const std::string name = i < r.parts.sections.size() ? r.parts.sections[i] : std::to_string(i);
        out += (i == 0 ? ",\"parts\":{" : ",") + json(name) + format(":\"%08x\"", parts.sections[i]);
    }
    if (!parts.sections.empty()) out += "}";
    for (std::size_t i = 0; i < parts.memory.size(); ++i) out += (i == 0 ? ",\"memory\":[" : ",") + format("\"%08x\"", parts.memory[i]);
    if (!parts.memory.empty()) out += "]";
    return out;
}

const char* chunk_name(u32 type) {
    switch (ChunkType{type}) {
        case ChunkType::Header: return "header";
        case ChunkType::Events: return "events";
        case ChunkType::Hash:
        case ChunkType::Hashes: return "hashes";
        case ChunkType::Parts: return "parts";
        case ChunkType::End: return "end";
        case ChunkType::Index: return "index";
        case ChunkType::Bookmark: return "bookmarks";
        case ChunkType::ImageHash:
        case ChunkType::Image: return "images";
        case ChunkType::Pages:
        case ChunkType::Clusters:
        case ChunkType::DiskCheckpoint:
        case ChunkType::Checkpoint: return "checkpoints";
    }
    return "unknown";
}

}  // namespace

std::string describe_event(const Event& e) {
    std::string out = format("%16" PRIu64 "  ", e.at.v);
    switch (e.kind) {
        case EventKind::Pass: return out + "pass";
        case EventKind::IdleJump: return out + format("idle jump of %" PRIu64 " ns", e.ns);
        case EventKind::Disk: return out + format("disk %u request %" PRIu64, e.disk.disk, e.disk.id) + (e.disk.late ? ", late" : disk_error(e.disk.error)) + (e.disk.data ? format(", read for the first time: %08x", *e.disk.data) : "");
        case EventKind::Input: break;
    }
    return out + describe_input(e.input);
}

// A hash: of everything if it is, and of the parts that changed since the one before.
std::string describe_hash(const Recording& r, std::size_t n) {
    const HashMark& mark = r.hashes[n];
    std::string out = format("%16" PRIu64 "  hash", mark.at.v);
    if (mark.hash) out += format(" %016" PRIx64, *mark.hash);
    for (std::size_t i = 0; i < mark.parts.sections.size() && i < r.parts.sections.size(); ++i)
        if (n == 0 || r.hashes[n - 1].parts.sections.size() <= i || r.hashes[n - 1].parts.sections[i] != mark.parts.sections[i])
            out += " " + r.parts.sections[i] + format("=%08x", mark.parts.sections[i]);
    return out;
}

std::string describe(const Recording& r) {
    const Header& h = r.header;
    std::string out = format("format version %u, machine revision %u, recorded by vmm ", r.version, h.machine_revision) + h.build + "\n";
    out += "engine " + h.engine + ", clock " + h.clock + ", arithmetic " + h.arithmetic + "\n";
    if (h.begins.v != 0) out += "begins at icount " + std::to_string(h.begins.v) + ", with the state there\n";
    out += describe_end(r) + "\n";
    // Events by kind, and how many in a thousand million steps.
    std::map<std::string, std::pair<u64, u64>> kinds;
    for (const Event& e : r.events) {
        std::string name = e.kind == EventKind::Pass ? "pass" : e.kind == EventKind::IdleJump ? "idle jump" : e.kind == EventKind::Disk ? e.disk.late ? "disk request, late" : "disk request" : kInputNames[static_cast<std::size_t>(e.input.kind)];
        if (e.kind == EventKind::Input && e.input.kind == InputKind::Request) name += std::string(" ") + request_name(e.input.target);
        auto& [count, bytes] = kinds[name];
        ++count;
        bytes += e.input.data.size();
    }
    const double giga = static_cast<double>(r.valid_to.v) / 1e9;
    for (const auto& [name, what] : kinds) {
        out += format("%8" PRIu64 " ", what.first) + name;
        if (what.second != 0) out += format(", %" PRIu64 " bytes", what.second);
        if (giga > 0) out += format(", %.2f in 1e9 steps", static_cast<double>(what.first) / giga);
        out += "\n";
    }
    if (kinds.empty()) out += "       no events\n";
    out += format("%8zu hashes, %zu checkpoints, %" PRIu64 " chunks, %" PRIu64 " of %" PRIu64 " bytes used", r.hashes.size(), r.checkpoints.size(), r.chunks,
                  r.used_bytes, r.file_bytes);
    if (giga > 0) out += format(", %.0f in 1e9 steps", static_cast<double>(r.used_bytes) / giga);
    out += "\n";
    std::map<std::string, u64> chunks;
    for (const auto& [type, what] : r.kinds) chunks[chunk_name(type)] += what.second;
    for (const auto& [name, bytes] : chunks) out += format("%8" PRIu64 " bytes of ", bytes) + name + "\n";
    for (const FileIdentity& f : h.files) out += "file " + f.role + " " + f.path + format(", %" PRIu64 " bytes, XXH3 %016" PRIx64 "\n", f.size, f.xxh3);
    return out + "\n" + h.config;
}

std::string dump(const Recording& r) {
    std::string out;
    in_order(
        r, [&](const Event& e) { out += describe_event(e) + "\n"; }, [&](std::size_t n) { out += describe_hash(r, n) + "\n"; },
        [&](const StoredCheckpoint& c) {
            out += format("%16" PRIu64 "  checkpoint, %" PRIu64 " bytes, ", c.at.v, checkpoint_bytes(c));
            out += c.base.v == CheckpointState::kPowerOn ? std::string("whole\n") : format("on top of the one at %" PRIu64 "\n", c.base.v);
        });
    if (r.end) out += format("%16" PRIu64 "  hash %016" PRIx64 "\n", r.end->at.v, r.end->hash);
    return out + format("%16" PRIu64 "  ", r.valid_to.v) + describe_end(r) + "\n";
}

std::string dump_json(const Recording& r) {
    const Header& h = r.header;
    std::string out = format("{\"type\":\"header\",\"format\":%u,\"machine_revision\":%u,\"engine\":", r.version, h.machine_revision) + json(h.engine) +
                      ",\"clock\":" + json(h.clock) + ",\"arithmetic\":" + json(h.arithmetic) + ",\"build\":" + json(h.build) + (h.begins.v != 0 ? ",\"begins\":" + std::to_string(h.begins.v) : std::string()) + ",\"files\":[";
    for (std::size_t i = 0; i < h.files.size(); ++i) {
        const FileIdentity& f = h.files[i];
        out += (i == 0 ? "" : ",") + format("{\"role\":\"%s\",\"size\":%" PRIu64 ",\"mtime\":%" PRId64 ",\"xxh3\":\"%016" PRIx64 "\",\"path\":", f.role.c_str(),
                                            f.size, f.mtime, f.xxh3) + json(f.path) + "}";
    }
    out += "],\"config\":[";
    bool first = true;
    for (std::string_view config = h.config; !config.empty();) {
        const auto end = std::min(config.find('\n'), config.size() - 1);
        out += (std::exchange(first, false) ? "" : ",") + json(config.substr(0, config[end] == '\n' ? end : end + 1));
        config.remove_prefix(end + 1);
    }
    out += "]}\n";
    in_order(
        r,
        [&](const Event& e) {
            out += format("{\"type\":\"event\",\"at\":%" PRIu64, e.at.v);
            switch (e.kind) {
                case EventKind::Pass: out += ",\"kind\":\"pass\"}\n"; return;
                case EventKind::IdleJump: out += format(",\"kind\":\"idle-jump\",\"ns\":%" PRIu64 "}\n", e.ns); return;
                case EventKind::Disk:
                    out += format(",\"kind\":\"disk\",\"disk\":%u,\"request\":%" PRIu64 ",\"late\":%s,\"error\":%u", e.disk.disk, e.disk.id,
                                  e.disk.late ? "true" : "false", static_cast<unsigned>(e.disk.error));
                    out += (e.disk.data ? format(",\"data\":\"%08x\"", *e.disk.data) : "") + "}\n";
                    return;
                case EventKind::Input: break;
            }
            out += format(",\"kind\":\"input\",\"input\":\"%s\",\"target\":%u", kInputNames[static_cast<std::size_t>(e.input.kind)], e.input.target);
            out += ",\"data\":\"" + hex_bytes(e.input.data) + "\",\"text\":" + json(describe_input(e.input)) + "}\n";
        },
        [&](std::size_t n) {
            const HashMark& m = r.hashes[n];
            out += format("{\"type\":\"hash\",\"at\":%" PRIu64, m.at.v);
            if (m.hash) out += format(",\"hash\":\"%016" PRIx64 "\"", *m.hash);
            out += json_parts(r, m.parts) + "}\n";
        },
        [&](const StoredCheckpoint& c) {
            out += format("{\"type\":\"checkpoint\",\"at\":%" PRIu64 ",\"hash\":\"%016" PRIx64 "\",\"bytes\":%" PRIu64 ",\"base\":", c.at.v, c.hash, checkpoint_bytes(c));
            out += c.base.v == CheckpointState::kPowerOn ? std::string("null}\n") : format("%" PRIu64 "}\n", c.base.v);
        });
    if (r.end)
        return out + format("{\"type\":\"end\",\"at\":%" PRIu64 ",\"ending\":\"%s\",\"status\":%u,\"hash\":\"%016" PRIx64 "\"", r.end->at.v,
                            std::string(to_string(r.end->ending)).c_str(), r.end->status, r.end->hash) + json_parts(r, r.end->parts) + "}\n";
    return out + format("{\"type\":\"cut\",\"at\":%" PRIu64 ",\"why\":", r.valid_to.v) + json(r.damage) + "}\n";
}

}  // namespace vmm::replay
