// SPDX-License-Identifier: Apache-2.0
#include "replay/log_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

namespace vmm::replay {
namespace {

// QEMU's logs begin with a big-endian version number in which only the low byte has changed over the years.
bool is_qemu_log(std::string_view bytes) { return bytes.size() >= 4 && bytes.substr(0, 3) == std::string_view("\x00\xe0\x20", 3); }

void count(Recording& r, const Frame& frame) {
    auto& [chunks, bytes] = r.kinds[frame.type];
    ++chunks;
    bytes += kFrameBytes + frame.stored;
    ++r.chunks;
    r.used_bytes += kFrameBytes + frame.stored;
}

// A chunk of those that may be skipped. One that makes no sense is passed over: nothing depends on it.
void take_skippable(Recording& r, std::vector<Packed>& pages, const Packed& chunk, std::string_view bytes) {
    switch (ChunkType{chunk.frame.type}) {
        case ChunkType::Image: r.images.push_back(chunk); return;
        case ChunkType::ImageHash: {
            const auto payload = unpack(chunk.frame, bytes.substr(chunk.offset + kFrameBytes, chunk.frame.stored));
            if (const auto hash = payload ? decode_image_hash(*payload) : std::nullopt) r.image_hashes[hash->file] = hash->xxh3;
            return;
        }
        case ChunkType::Pages:
        case ChunkType::Clusters: pages.push_back(chunk); return;
        case ChunkType::Checkpoint:
        case ChunkType::DiskCheckpoint: break;
        default: return;
    }
    auto mine = std::exchange(pages, {});
    const auto payload = unpack(chunk.frame, bytes.substr(chunk.offset + kFrameBytes, chunk.frame.stored));
    const auto state = payload ? decode_checkpoint(*payload) : std::nullopt;
    if (!state) return;
    const auto at = std::lower_bound(r.checkpoints.begin(), r.checkpoints.end(), state->at, [](const auto& c, Icount p) { return c.at < p; });
    const auto is_base = [&](const StoredCheckpoint& c) { return c.at == state->base; };
    if (at != r.checkpoints.end() && at->at == state->at) return;
    if (state->base.v != CheckpointState::kPowerOn && (state->base >= state->at || std::none_of(r.checkpoints.begin(), at, is_base))) return;
    r.checkpoints.insert(at, {state->at, state->base, state->hash, chunk, std::move(mine)});
}

// One chunk's content into the recording; false: no writer wrote this.
bool take(Recording& r, PartHashes& last, const Frame& frame, std::string_view payload) {
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
        case ChunkType::Parts: {
            auto parts = decode_parts(payload);
            if (!parts || !r.parts.sections.empty()) return false;
            r.parts = std::move(*parts);
            return true;
        }
        case ChunkType::Hashes: {
            const std::size_t before = r.hashes.size();
            if (!decode_hashes(payload, r.parts, last, r.hashes)) return false;
            const Icount from = before > 0 ? r.hashes[before - 1].at : Icount{};
            return r.hashes.size() == before || (r.hashes[before].at >= from && r.hashes.back().at <= frame.valid_to);
        }
        case ChunkType::End: {
            r.end = decode_end(payload);
            return r.end && r.end->at == frame.valid_to;
        }
        default: return false;
    }
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
    if (r.version < kOldestVersion || r.version > kFormatVersion)
        return refuse("is a recording of format version " + std::to_string(r.version) + "; this program knows versions " +
                      std::to_string(kOldestVersion) + " to " + std::to_string(kFormatVersion));
    r.file_bytes = bytes.size();
    r.used_bytes = kPreambleBytes;
    bool have_header = false;
    PartHashes last;
    std::vector<Packed> pages;
    while (r.used_bytes < bytes.size()) {
        const std::string_view rest = bytes.substr(r.used_bytes);
        const auto stop = [&](const char* why) { r.damage = std::string(why) + " at byte " + std::to_string(r.used_bytes); };
        if (rest.size() < kFrameBytes) { stop("cut inside a chunk"); break; }
        const Frame frame = read_frame(rest);
        if (frame.stored > rest.size() - kFrameBytes) { stop("cut inside a chunk, or damaged,"); break; }
        const std::string_view stored = rest.substr(kFrameBytes, frame.stored);
        if (chunk_crc(rest.substr(0, kFrameBytes), stored) != frame.crc) { stop("damaged"); break; }
        if (frame.type >= kFirstSkippable && have_header) {
            take_skippable(r, pages, {r.used_bytes, frame}, bytes);
            count(r, frame);
            continue;
        }
        if (r.end) { stop("something behind the end"); break; }
        const bool small = ChunkType{frame.type} == ChunkType::Header || frame.raw <= largest_raw(frame.stored);
        const auto payload = small ? unpack(frame, stored) : std::nullopt;
        if (!payload) { stop("damaged"); break; }
        if (!have_header) {
            if (ChunkType{frame.type} != ChunkType::Header) return refuse("does not begin with a header");
            auto header = decode_header(*payload);
            if (!header) return refuse(header.error().text);
            r.header = std::move(*header);
            have_header = true;
        } else if (!take(r, last, frame, *payload)) {
            r.end.reset();
            stop("a chunk that makes no sense");
            break;
        }
        r.valid_to = std::max(frame.valid_to, r.header.begins);
        count(r, frame);
    }
    if (!have_header) return refuse("is a recording cut or damaged in its header");
    const Icount begins = r.header.begins;
    const auto first = std::find_if(r.checkpoints.begin(), r.checkpoints.end(), [&](const StoredCheckpoint& c) { return c.at >= begins; });
    r.checkpoints.erase(r.checkpoints.begin(), begins.v != 0 ? first : r.checkpoints.begin());
    if (begins.v != 0 && (r.checkpoints.empty() || r.checkpoints[0].at != begins || r.checkpoints[0].base.v != CheckpointState::kPowerOn))
        return refuse("begins at icount " + std::to_string(begins.v) + ", and is cut or damaged in the state that belongs there");
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
    auto r = parse_recording(bytes, path);
    if (r && (!r->checkpoints.empty() || !r->images.empty())) r->bytes = std::make_shared<const std::string>(std::move(bytes));
    return r;
}

std::optional<std::string> unpack(const Recording& recording, const Packed& chunk) {
    if (!recording.bytes || chunk.offset + kFrameBytes + chunk.frame.stored > recording.bytes->size()) return std::nullopt;
    return unpack(chunk.frame, std::string_view(*recording.bytes).substr(chunk.offset + kFrameBytes, chunk.frame.stored));
}

}  // namespace vmm::replay
