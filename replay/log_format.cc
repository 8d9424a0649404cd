// SPDX-License-Identifier: Apache-2.0
#include "replay/log_format.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>

#include "block/cluster_map.h"

namespace vmm::replay {
namespace {

// The numbers in the file are those of the enumerations: these may grow at the end only.
static_assert(static_cast<int>(InputKind::Serial) == 0 && static_cast<int>(InputKind::Key) == 1 && static_cast<int>(InputKind::Pointer) == 2 &&
              static_cast<int>(InputKind::Frame) == 3 && static_cast<int>(InputKind::Samples) == 4 && static_cast<int>(InputKind::Request) == 5 &&
              static_cast<int>(InputKind::Disk) == 6);
static_assert(static_cast<int>(DiskError::Io) == 1 && static_cast<int>(DiskError::NoSpace) == 2);
static_assert(static_cast<int>(RequestKind::Reset) == 0 && static_cast<int>(RequestKind::PowerButton) == 1 &&
              static_cast<int>(RequestKind::Nmi) == 3 && static_cast<int>(RequestKind::SetMemory) == 4 &&
              static_cast<int>(RequestKind::SetRegisters) == 5);

constexpr std::size_t kMostSections = 256;
constexpr u8 kWithData = 0x80;               // in the result of a disk event

void put_le(std::string& out, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

u64 get_le(std::string_view in, std::size_t at, unsigned bytes) {
    u64 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= u64{static_cast<u8>(in[at + i])} << (8 * i);
    return value;
}

void put_varint(std::string& out, u64 value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>((value & 0x7f) | 0x80));
    out.push_back(static_cast<char>(value));
}

struct Cursor {
    std::string_view in;
    bool bad = false;

    u8 byte() {
        if (in.empty()) {
            bad = true;
            return 0;
        }
        const u8 b = static_cast<u8>(in[0]);
        in.remove_prefix(1);
        return b;
    }
    u64 varint() {
        u64 value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const u8 b = byte();
            if (shift == 63 && b > 1) break;
            value |= u64{b & 0x7fu} << shift;
            if ((b & 0x80) == 0) return value;
        }
        bad = true;
        return 0;
    }
    u64 le(unsigned bytes) {
        u64 value = 0;
        for (unsigned i = 0; i < bytes; ++i) value |= u64{byte()} << (8 * i);
        return value;
    }
    std::string text(u64 bytes) {
        if (bytes > in.size()) {
            bad = true;
            return {};
        }
        std::string out(in.substr(0, bytes));
        in.remove_prefix(bytes);
        return out;
    }
    bool done() const { return !bad && in.empty(); }
};

std::string escaped(std::string_view s) {
    std::string out;
    for (const char c : s) {
        if (c == '\\') out += "\\\\";
        else if (c == '\n') out += "\\n";
        else out.push_back(c);
    }
    return out;
}

std::string unescaped(std::string_view s) {
    std::string out;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (s[i] == '\\' && i + 1 < s.size()) out.push_back(s[++i] == 'n' ? '\n' : s[i]);
        else out.push_back(s[i]);
    }
    return out;
}

template <class N>
bool number(std::string_view text, N& n, int base = 10) {
    const auto r = std::from_chars(text.data(), text.data() + text.size(), n, base);
    return !text.empty() && r.ec == std::errc() && r.ptr == text.data() + text.size();
}

std::string hex(u64 value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

// "role size mtime xxh3 path"
std::optional<FileIdentity> parse_file(std::string_view line) {
    std::string_view field[4];
    for (auto& f : field) {
        const auto space = line.find(' ');
        if (space == std::string_view::npos) return std::nullopt;
        f = line.substr(0, space);
        line.remove_prefix(space + 1);
    }
    FileIdentity file{.role = std::string(field[0]), .path = unescaped(line)};
    if (!number(field[1], file.size) || !number(field[2], file.mtime) || !number(field[3], file.xxh3, 16)) return std::nullopt;
    return file;
}

}  // namespace

std::string_view to_string(Ending ending) {
    switch (ending) {
        case Ending::Quit: return "quit";
        case Ending::PowerOff: return "power-off";
        case Ending::Reset: return "reset";
        case Ending::DebugExit: return "debug-exit";
    }
    return "?";
}

std::string encode(const Header& header) {
    std::string out = "machine-revision=" + std::to_string(header.machine_revision) + "\n";
    out += "engine=" + escaped(header.engine) + "\nclock=" + escaped(header.clock) + "\narithmetic=" + escaped(header.arithmetic) + "\n";
    out += "build=" + escaped(header.build) + "\n";
    for (const FileIdentity& f : header.files)
        out += "file=" + f.role + " " + std::to_string(f.size) + " " + std::to_string(f.mtime) + " " + hex(f.xxh3) + " " + escaped(f.path) + "\n";
    if (header.begins.v != 0) out += "begins=" + std::to_string(header.begins.v) + "\n";
    std::string_view config = header.config;
    while (!config.empty()) {
        const auto end = config.find('\n');
        out += "config." + std::string(config.substr(0, end)) + "\n";
        config.remove_prefix(end == std::string_view::npos ? config.size() : end + 1);
    }
    return out;
}

Result<Header> decode_header(std::string_view payload) {
    Header h;
    while (!payload.empty()) {
        const auto end = payload.find('\n');
        const std::string_view line = payload.substr(0, end);
        payload.remove_prefix(end == std::string_view::npos ? payload.size() : end + 1);
        const auto equals = line.find('=');
        const std::string_view key = line.substr(0, equals);
        if (equals == std::string_view::npos) return Error{"its header has a line without '='"};
        const std::string_view value = line.substr(equals + 1);
        if (key.starts_with("config.")) {
            h.config += std::string(line.substr(7)) + "\n";
        } else if (key == "machine-revision") {
            if (!number(value, h.machine_revision)) return Error{"its machine revision is not a number"};
        } else if (key == "begins") {
            if (!number(value, h.begins.v)) return Error{"its beginning is not a number"};
        } else if (key == "engine") {
            h.engine = unescaped(value);
        } else if (key == "clock") {
            h.clock = unescaped(value);
        } else if (key == "arithmetic") {
            h.arithmetic = unescaped(value);
        } else if (key == "build") {
            h.build = unescaped(value);
        } else if (key == "file") {
            auto file = parse_file(value);
            if (!file) return Error{"its header has a file entry that cannot be read"};
            h.files.push_back(std::move(*file));
        } else {
            return Error{"its header has the unknown key '" + std::string(key) + "'"};
        }
    }
    return h;
}

std::string encode(std::span<const Event> events, Icount base) {
    std::string out;
    put_varint(out, base.v);
    for (const Event& e : events) {
        put_varint(out, e.at - base);
        base = e.at;
        out.push_back(static_cast<char>(e.kind));
        switch (e.kind) {
            case EventKind::Input:
                out.push_back(static_cast<char>(e.input.kind));
                out.push_back(static_cast<char>(e.input.target));
                put_varint(out, e.input.data.size());
                out += e.input.data;
                break;
            case EventKind::IdleJump: put_varint(out, e.ns); break;
            case EventKind::Pass: break;
            case EventKind::Disk:
                out.push_back(static_cast<char>(e.disk.disk));
                put_varint(out, e.disk.id);
                out.push_back(static_cast<char>(static_cast<u8>(e.disk.error) << 1 | (e.disk.late ? 1 : 0) | (e.disk.data ? kWithData : 0)));
                if (e.disk.data) put_le(out, *e.disk.data, 4);
                break;
        }
    }
    return out;
}

bool decode_events(std::string_view payload, std::vector<Event>& out) {
    Cursor in{payload};
    Icount at{in.varint()};
    while (!in.bad && !in.in.empty()) {
        Event e;
        const u64 delta = in.varint();
        if (delta > ~u64{0} - at.v) return false;
        e.at = at = at + delta;
        e.kind = EventKind{in.byte()};
        switch (e.kind) {
            case EventKind::Input: {
                const u8 kind = in.byte();
                if (kind > static_cast<u8>(InputKind::Disk)) return false;
                e.input.kind = InputKind{kind};
                e.input.target = in.byte();
                e.input.data = in.text(in.varint());
                break;
            }
            case EventKind::IdleJump: e.ns = in.varint(); break;
            case EventKind::Pass: break;
            case EventKind::Disk: {
                e.disk.disk = in.byte();
                e.disk.id = in.varint();
                const u8 result = in.byte();
                const u8 error = static_cast<u8>((result & ~kWithData) >> 1);
                if (error > static_cast<u8>(DiskError::NoSpace)) return false;
                e.disk.error = DiskError{error};
                e.disk.late = (result & 1) != 0;
                if ((result & kWithData) != 0) e.disk.data = static_cast<u32>(in.le(4));
                break;
            }
            default: return false;
        }
        if (in.bad) return false;
        out.push_back(std::move(e));
    }
    return in.done();
}

std::string encode(const HashMark& mark) {
    std::string out;
    put_le(out, mark.at.v, 8);
    put_le(out, mark.hash.value_or(0), 8);
    return out;
}

std::optional<HashMark> decode_hash(std::string_view payload) {
    Cursor in{payload};
    HashMark mark{{in.le(8)}, std::nullopt, {}};
    mark.hash = in.le(8);
    return in.done() ? std::optional(mark) : std::nullopt;
}

std::string encode(const Parts& parts) {
    std::string out = "ram-part-bytes=" + std::to_string(parts.ram_part_bytes) + "\n";
    for (const std::string& name : parts.sections) out += "section=" + name + "\n";
    return out;
}

std::optional<Parts> decode_parts(std::string_view payload) {
    Parts parts;
    while (!payload.empty()) {
        const auto end = payload.find('\n');
        const std::string_view line = payload.substr(0, end);
        if (end == std::string_view::npos) return std::nullopt;
        payload.remove_prefix(end + 1);
        if (line.starts_with("section=") && parts.sections.size() < kMostSections) parts.sections.emplace_back(line.substr(8));
        else if (!line.starts_with("ram-part-bytes=") || !number(line.substr(15), parts.ram_part_bytes)) return std::nullopt;
    }
    return parts;
}

namespace {

// Which numbers differ from those before, as bits, low first; then these.
void put_changed(std::string& out, std::span<const u32> now, std::vector<u32>& before) {
    before.resize(now.size());
    for (std::size_t i = 0; i < now.size(); i += 8) {
        unsigned bits = 0;
        for (std::size_t k = i; k < std::min(i + 8, now.size()); ++k) bits |= unsigned{now[k] != before[k]} << (k - i);
        out.push_back(static_cast<char>(bits));
    }
    for (std::size_t i = 0; i < now.size(); ++i)
        if (now[i] != before[i]) put_le(out, now[i], 4);
    before.assign(now.begin(), now.end());
}

void get_changed(Cursor& in, std::size_t count, std::vector<u32>& values) {
    values.resize(count);
    const std::string bits = in.text((count + 7) / 8);
    for (std::size_t i = 0; i < count && !in.bad; ++i)
        if ((static_cast<u8>(bits[i / 8]) >> (i % 8) & 1) != 0) values[i] = static_cast<u32>(in.le(4));
}

constexpr u8 kWhole = 1;                     // the hash of everything and those of memory's parts follow
constexpr std::size_t kMemoryParts = Memory::kRamParts + 1;

}  // namespace

std::string encode(std::span<const HashMark> marks, Icount base, PartHashes& before) {
    std::string out;
    put_varint(out, base.v);
    for (const HashMark& mark : marks) {
        put_varint(out, mark.at - base);
        base = mark.at;
        out.push_back(static_cast<char>(mark.hash ? kWhole : 0));
        put_changed(out, mark.parts.sections, before.sections);
        if (!mark.hash) continue;
        put_le(out, *mark.hash, 8);
        put_changed(out, mark.parts.memory, before.memory);
    }
    return out;
}

bool decode_hashes(std::string_view payload, const Parts& parts, PartHashes& before, std::vector<HashMark>& out) {
    Cursor in{payload};
    Icount at{in.varint()};
    while (!in.bad && !in.in.empty()) {
        const u64 delta = in.varint();
        if (delta > ~u64{0} - at.v) return false;
        at = at + delta;
        const u8 flags = in.byte();
        if (flags > kWhole) return false;
        HashMark mark{at, std::nullopt, {}};
        get_changed(in, parts.sections.size(), before.sections);
        mark.parts.sections = before.sections;
        if (flags == kWhole) {
            mark.hash = in.le(8);
            get_changed(in, kMemoryParts, before.memory);
            mark.parts.memory = before.memory;
        }
        if (in.bad) return false;
        out.push_back(std::move(mark));
    }
    return in.done();
}

std::string encode(const ImagePiece& piece) {
    std::string out;
    put_varint(out, piece.file);
    put_varint(out, piece.offset);
    return out + piece.bytes;
}

std::optional<ImagePiece> decode_image(std::string_view payload) {
    Cursor in{payload};
    ImagePiece piece{in.varint(), in.varint(), {}};
    if (in.bad) return std::nullopt;
    piece.bytes = in.in;
    return piece;
}

std::string encode(const ImageHash& hash) {
    std::string out;
    put_varint(out, hash.file);
    put_le(out, hash.xxh3, 8);
    return out;
}

std::optional<ImageHash> decode_image_hash(std::string_view payload) {
    Cursor in{payload};
    ImageHash hash{in.varint(), 0};
    hash.xxh3 = in.le(8);
    return in.done() ? std::optional(hash) : std::nullopt;
}

std::string encode(const CheckpointState& checkpoint) {
    std::string out;
    put_le(out, checkpoint.at.v, 8);
    put_le(out, checkpoint.base.v, 8);
    put_le(out, checkpoint.hash, 8);
    return out + checkpoint.state;
}

std::optional<CheckpointState> decode_checkpoint(std::string_view payload) {
    Cursor in{payload};
    CheckpointState out;
    out.at.v = in.le(8);
    out.base.v = in.le(8);
    out.hash = in.le(8);
    if (in.bad) return std::nullopt;
    out.state = in.in;
    return out;
}

std::string begin_pages(Icount at) {
    std::string out;
    put_le(out, at.v, 8);
    return out;
}

void add_page(std::string& payload, u32 page, const u8* content) {
    put_le(payload, page, 4);
    payload.append(content, content + kPageSize);
}

bool decode_pages(std::string_view payload, Icount at, const std::function<bool(u32 page, const u8* content)>& take) {
    constexpr std::size_t kEach = 4 + kPageSize;
    if (payload.size() < 8 || (payload.size() - 8) % kEach != 0 || get_le(payload, 0, 8) != at.v) return false;
    for (std::size_t i = 8; i < payload.size(); i += kEach)
        if (!take(static_cast<u32>(get_le(payload, i, 4)), reinterpret_cast<const u8*>(payload.data() + i + 4))) return false;
    return true;
}

std::string begin_clusters(Icount at, u8 disk) {
    std::string out = begin_pages(at);
    out.push_back(static_cast<char>(disk));
    return out;
}

void add_cluster(std::string& payload, u64 number, u8 present, std::span<const u8> content) {
    put_le(payload, number, 8);
    payload.push_back(static_cast<char>(present));
    payload.append(content.begin(), content.end());
}

bool decode_clusters(std::string_view payload, Icount at, const std::function<bool(u8 disk, u64 number, u8 present, const u8* content)>& take) {
    constexpr std::size_t kBegin = 9, kHead = 9, kEach = kHead + block::Cluster::kBytes;
    if (payload.size() < kBegin || (payload.size() - kBegin) % kEach != 0 || get_le(payload, 0, 8) != at.v) return false;
    for (std::size_t i = kBegin; i < payload.size(); i += kEach)
        if (!take(static_cast<u8>(payload[8]), get_le(payload, i, 8), static_cast<u8>(payload[i + 8]), reinterpret_cast<const u8*>(payload.data() + i + kHead))) return false;
    return true;
}

std::string encode(const End& end) {
    std::string out;
    put_le(out, end.at.v, 8);
    out.push_back(static_cast<char>(end.ending));
    out.push_back(static_cast<char>(end.status));
    put_le(out, end.hash, 8);
    put_varint(out, end.parts.sections.size());
    for (const u32 hash : end.parts.sections) put_le(out, hash, 4);
    put_varint(out, end.parts.memory.size());
    for (const u32 hash : end.parts.memory) put_le(out, hash, 4);
    return out;
}

std::optional<End> decode_end(std::string_view payload) {
    Cursor in{payload};
    End end;
    end.at.v = in.le(8);
    const u8 ending = in.byte();
    end.status = in.byte();
    end.hash = in.le(8);
    if (!in.in.empty()) {                                // not in version 1
        for (auto* hashes : {&end.parts.sections, &end.parts.memory})
            for (u64 n = in.varint(); n > 0 && !in.bad; --n) hashes->push_back(static_cast<u32>(in.le(4)));
    }
    if (!in.done() || ending > static_cast<u8>(Ending::DebugExit)) return std::nullopt;
    end.ending = Ending{ending};
    return end;
}

std::string preamble(u32 version) {
    std::string out(std::begin(kMagic), std::end(kMagic));
    put_le(out, version, 4);
    put_le(out, 0, 4);
    return out;
}

u32 chunk_crc(std::string_view frame, std::string_view stored) {
    const auto bytes = [](std::string_view s) { return reinterpret_cast<const Bytef*>(s.data()); };
    uLong crc = crc32(0, bytes(frame), 8);
    crc = crc32(crc, bytes(frame.substr(12)), kFrameBytes - 12);
    return static_cast<u32>(crc32(crc, bytes(stored), static_cast<uInt>(stored.size())));
}

u64 largest_raw(u64 stored) { return 16 * stored + 256; }

std::string make_chunk(ChunkType type, Icount valid_to, std::string_view payload, int level) {
    CHECK(payload.size() <= kMaxPayload, "a chunk larger than a reader takes");
    uLongf size = compressBound(static_cast<uLong>(payload.size()));
    std::string stored(size, '\0');
    const auto pack = [&](int how) {
        size = stored.size();
        const int packed = compress2(reinterpret_cast<Bytef*>(stored.data()), &size, reinterpret_cast<const Bytef*>(payload.data()),
                                     static_cast<uLong>(payload.size()), how);
        CHECK(packed == Z_OK, "zlib packs into a buffer of compressBound");
    };
    pack(level);
    if (static_cast<u32>(type) < kFirstSkippable && payload.size() > largest_raw(size)) pack(0);
    stored.resize(size);
    std::string frame;
    put_le(frame, static_cast<u32>(type), 4);
    put_le(frame, stored.size(), 4);
    put_le(frame, 0, 4);
    put_le(frame, payload.size(), 4);
    put_le(frame, valid_to.v, 8);
    std::string crc;
    put_le(crc, chunk_crc(frame, stored), 4);
    frame.replace(8, 4, crc);
    return frame + stored;
}

Frame read_frame(std::string_view b) {
    return {static_cast<u32>(get_le(b, 0, 4)), static_cast<u32>(get_le(b, 4, 4)), static_cast<u32>(get_le(b, 8, 4)),
            static_cast<u32>(get_le(b, 12, 4)), {get_le(b, 16, 8)}};
}

std::optional<std::string> unpack(const Frame& frame, std::string_view stored) {
    if (frame.raw > kMaxPayload) return std::nullopt;
    std::string out(frame.raw, '\0');
    uLongf size = frame.raw;
    Bytef none = 0;                                      // zlib wants an address even for nothing
    const int result = uncompress(out.empty() ? &none : reinterpret_cast<Bytef*>(out.data()), &size,
                                  reinterpret_cast<const Bytef*>(stored.data()), static_cast<uLong>(stored.size()));
    if (result != Z_OK || size != frame.raw) return std::nullopt;
    return out;
}

}  // namespace vmm::replay
