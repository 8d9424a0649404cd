// SPDX-License-Identifier: Apache-2.0
#include "replay/log_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace vmm::replay {
namespace {

// QEMU's logs begin with a big-endian version number in which only the low byte has changed over the years.
bool is_qemu_log(std::string_view bytes) { return bytes.size() >= 4 && bytes.substr(0, 3) == std::string_view("\x00\xe0\x20", 3); }

// One chunk's content into the recording; false: no writer wrote this.
bool take(Recording& r, const Frame& frame, std::string_view payload) {
    if (frame.valid_to < r.valid_to) return false;
    switch (ChunkType{frame.type}) {
        case ChunkType::Events: {
            std::vector<Event> events;
            if (!decode_events(payload, events)) return false;
            if (!events.empty() && (events.front().at < r.valid_to || events.back().at > frame.valid_to)) return false;
            std::move(events.begin(), events.end(), std::back_inserter(r.events));
            return true;
        }
        case ChunkType::Hash: {
            const auto mark = decode_hash(payload);
            if (!mark || mark->at != frame.valid_to) return false;
            r.hashes.push_back(*mark);
            return true;
        }
        case ChunkType::End: {
            r.end = decode_end(payload);
            return r.end && r.end->at == frame.valid_to;
        }
        case ChunkType::Index: return true;
        case ChunkType::Header: return false;
    }
    return frame.type >= kFirstSkippable;
}

}  // namespace

Result<Recording> parse_recording(std::string_view bytes, const std::string& name) {
    const auto refuse = [&name](const std::string& why) { return Error{name + ": " + why}; };
    if (is_qemu_log(bytes)) return refuse("is a log of QEMU's own record/replay, which vmm does not read; record again with vmm");
    const std::string_view magic(reinterpret_cast<const char*>(kMagic), sizeof kMagic);
    if (bytes.empty()) return refuse("is empty");
    if (bytes.substr(0, magic.size()) != magic.substr(0, std::min(bytes.size(), magic.size()))) return refuse("is not a recording of vmm");
    if (bytes.size() < kPreambleBytes) return refuse("is a recording cut before its header");
    Recording r;
    r.version = 0;
    for (unsigned i = 0; i < 4; ++i) r.version |= u32{static_cast<u8>(bytes[magic.size() + i])} << (8 * i);
    if (r.version != kFormatVersion)
        return refuse("is a recording of format version " + std::to_string(r.version) + "; this program knows version " + std::to_string(kFormatVersion));
    r.file_bytes = bytes.size();
    r.used_bytes = kPreambleBytes;
    bool have_header = false;
    while (r.used_bytes < bytes.size() && !r.end) {
        const std::string_view rest = bytes.substr(r.used_bytes);
        const auto stop = [&](const char* why) { r.damage = std::string(why) + " at byte " + std::to_string(r.used_bytes); };
        if (rest.size() < kFrameBytes) { stop("cut inside a chunk"); break; }
        const Frame frame = read_frame(rest);
        if (frame.stored > rest.size() - kFrameBytes) { stop("cut inside a chunk, or damaged,"); break; }
        const std::string_view stored = rest.substr(kFrameBytes, frame.stored);
        if (chunk_crc(rest.substr(0, kFrameBytes), stored) != frame.crc) { stop("damaged"); break; }
        const auto payload = unpack(frame, stored);
        if (!payload) { stop("damaged"); break; }
        if (!have_header) {
            if (ChunkType{frame.type} != ChunkType::Header) return refuse("does not begin with a header");
            auto header = decode_header(*payload);
            if (!header) return refuse(header.error().text);
            r.header = std::move(*header);
            have_header = true;
        } else if (!take(r, frame, *payload)) {
            r.end.reset();
            stop("a chunk that makes no sense");
            break;
        }
        r.valid_to = frame.valid_to;
        r.used_bytes += kFrameBytes + frame.stored;
        ++r.chunks;
    }
    if (!have_header) return refuse("is a recording cut or damaged in its header");
    return r;
}

Result<Recording> read_recording(const std::string& path) {
    const auto wrong = [&path] { return Error{path + ": " + std::strerror(errno)}; };
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
    if (!file) return wrong();
    std::string bytes;
    char buffer[65536];
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, file.get())) > 0;) bytes.append(buffer, n);
    if (std::ferror(file.get()) != 0) return wrong();
    return parse_recording(bytes, path);
}

}  // namespace vmm::replay
