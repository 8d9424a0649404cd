// SPDX-License-Identifier: Apache-2.0
#include "block/qcow2_header.h"

#include <algorithm>
#include <cstring>

namespace vmm::block {
namespace {

constexpr u32 kV2Bytes = 72, kV3Bytes = 104;
constexpr u32 kEnd = 0, kBackingFormat = 0xe2792aca, kFeatureNames = 0x6803f857, kBitmapsExtension = 0x23852875, kEncryptionHeader = 0x0537be77;

bool inside(u64 offset, u64 length, u64 end) { return offset <= end && length <= end - offset; }

// Names of features that the image itself gives: type (0: incompatible), bit, 46 bytes of name.
std::string feature_name(std::span<const u8> table, unsigned bit) {
    constexpr u64 kEntry = 48;
    for (u64 at = 0; at + kEntry <= table.size(); at += kEntry) {
        if (table[at] != 0 || table[at + 1] != bit) continue;
        std::string name;
        for (u64 i = 2; i < kEntry && table[at + i] != 0; ++i) name += table[at + i] >= ' ' && table[at + i] < 0x7f ? static_cast<char>(table[at + i]) : '?';
        if (!name.empty()) return name;
    }
    return "incompatible feature " + std::to_string(bit);
}

struct Reader {
    std::span<const u8> bytes;
    const std::string& name;
    Error error(const std::string& what) const { return Error{name + " is not a qcow2 image that can be used: " + what}; }
};

Result<void> read_extensions(const Reader& in, Qcow2Header& h, std::span<const u8>& names) {
    const u64 end = std::min<u64>({in.bytes.size(), h.cluster_bytes(), h.backing_offset != 0 ? h.backing_offset : ~u64{0}});
    for (u64 at = h.header_bytes; at + 8 <= end;) {
        const u64 type = load_be(in.bytes, at, 4), length = load_be(in.bytes, at + 4, 4);
        at += 8;
        if (type == kEnd) return {};
        if (!inside(at, length, end)) return in.error("a header extension reaches past the header");
        const auto data = in.bytes.subspan(at, length);
        switch (type) {
            case kBackingFormat:
                if (length > 15) return in.error("the name of its backing file's format is too long");
                h.backing_format.assign(data.begin(), data.end());
                break;
            case kFeatureNames: names = data; break;
            case kBitmapsExtension:
                if (length != 24) return in.error("its bitmaps extension has another length");
                h.bitmaps = {static_cast<u32>(load_be(data, 0, 4)), load_be(data, 8, 8), load_be(data, 16, 8)};
                break;
            case kEncryptionHeader: return in.error("it is encrypted (LUKS)");
            default: break;
        }
        at += (length + 7) / 8 * 8;
    }
    return {};
}

Result<void> check_features(const Reader& in, const Qcow2Header& h, std::span<const u8> names) {
    if ((h.incompatible & Qcow2Header::kExternalData) != 0) return in.error("its data is in another file (external data file)");
    if ((h.incompatible & Qcow2Header::kExtendedL2) != 0) return in.error("it has extended L2 entries (subclusters)");
    const u64 known = Qcow2Header::kDirty | Qcow2Header::kCorrupt | Qcow2Header::kCompressionType;
    for (unsigned bit = 0; bit < 64; ++bit)
        if ((h.incompatible & ~known) >> bit & 1) return in.error("it needs a feature that is not known here: " + feature_name(names, bit));
    return {};
}

// Each table aligned, inside the file, and not larger than it may be.
Result<void> check_tables(const Reader& in, const Qcow2Header& h, u64 file_bytes) {
    const u64 cluster = h.cluster_bytes();
    const auto aligned_inside = [&](u64 offset, u64 bytes) { return offset % cluster == 0 && offset >= cluster && inside(offset, bytes, file_bytes); };
    if (u64{h.l1_entries} * 8 > Qcow2Header::kMaxL1Bytes) return in.error("its L1 table is too large");
    if (h.l1_entries < h.l1_needed()) return in.error("its L1 table is too small for a disk of " + std::to_string(h.size) + " bytes");
    if (h.l1_entries != 0 && !aligned_inside(h.l1_offset, u64{h.l1_entries} * 8)) return in.error("its L1 table is not inside the file");
    if (h.refcount_table_clusters == 0) return in.error("it has no refcount table");
    if (h.refcount_table_clusters > Qcow2Header::kMaxRefcountTableBytes / cluster) return in.error("its refcount table is too large");
    if (!aligned_inside(h.refcount_table_offset, h.refcount_table_clusters * cluster)) return in.error("its refcount table is not inside the file");
    if (h.snapshots > Qcow2Header::kMaxSnapshots) return in.error("it has too many snapshots");
    if (h.snapshots != 0 && !aligned_inside(h.snapshots_offset, u64{h.snapshots} * 40)) return in.error("its snapshot table is not inside the file");
    return {};
}

}  // namespace

u64 Qcow2Header::l1_needed() const {
    const u64 covered = cluster_bytes() * l2_entries();
    return size / covered + (size % covered != 0 ? 1 : 0);
}

Result<Qcow2Header> parse_qcow2_header(std::span<const u8> start, u64 file_bytes, const std::string& name) {
    const Reader in{start, name};
    if (!is_qcow2(start)) return Error{name + " is not a qcow2 image"};
    if (start.size() < kV2Bytes) return in.error("the file ends in its header");
    Qcow2Header h;
    h.version = static_cast<u32>(load_be(start, 4, 4));
    if (h.version != 2 && h.version != 3) return in.error("its version is " + std::to_string(h.version) + ", not 2 or 3");
    h.backing_offset = load_be(start, 8, 8);
    h.backing_bytes = static_cast<u32>(load_be(start, 16, 4));
    h.cluster_bits = static_cast<u32>(load_be(start, 20, 4));
    if (h.cluster_bits < Qcow2Header::kMinClusterBits || h.cluster_bits > Qcow2Header::kMaxClusterBits)
        return in.error("its clusters have 2^" + std::to_string(h.cluster_bits) + " bytes; 2^9 to 2^21 are possible");
    h.size = load_be(start, 24, 8);
    if (const u64 method = load_be(start, 32, 4); method != 0) return in.error(method == 1 ? "it is encrypted (AES)" : method == 2 ? "it is encrypted (LUKS)" : "it is encrypted in an unknown way");
    h.l1_entries = static_cast<u32>(load_be(start, 36, 4));
    h.l1_offset = load_be(start, 40, 8);
    h.refcount_table_offset = load_be(start, 48, 8);
    h.refcount_table_clusters = static_cast<u32>(load_be(start, 56, 4));
    h.snapshots = static_cast<u32>(load_be(start, 60, 4));
    h.snapshots_offset = load_be(start, 64, 8);
    h.header_bytes = kV2Bytes;
    if (h.version == 3) {
        if (start.size() < kV3Bytes) return in.error("the file ends in its header");
        h.incompatible = load_be(start, 72, 8);
        h.compatible = load_be(start, 80, 8);
        h.autoclear = load_be(start, 88, 8);
        h.refcount_order = static_cast<u32>(load_be(start, 96, 4));
        h.header_bytes = static_cast<u32>(load_be(start, 100, 4));
        if (h.header_bytes < kV3Bytes || h.header_bytes % 8 != 0 || h.header_bytes > std::min<u64>(h.cluster_bytes(), start.size())) return in.error("its header's length makes no sense");
        if (h.refcount_order > Qcow2Header::kMaxRefcountOrder) return in.error("its refcounts have more than 64 bits");
    }
    if (h.size > u64{1} << 62) return in.error("a disk of " + std::to_string(h.size) + " bytes is too large");
    if (h.backing_offset != 0) {
        if (h.backing_bytes > Qcow2Header::kMaxNameBytes || h.backing_offset < h.header_bytes || !inside(h.backing_offset, h.backing_bytes, std::min<u64>(start.size(), h.cluster_bytes())))
            return in.error("the name of its backing file is not inside the header");
        const auto text = start.subspan(h.backing_offset, h.backing_bytes);
        h.backing_file.assign(text.begin(), text.end());
        if (h.backing_file.find('\0') != std::string::npos) return in.error("the name of its backing file has a zero byte in it");
    }
    std::span<const u8> names;
    if (auto ok = read_extensions(in, h, names); !ok) return ok.error();
    if (auto ok = check_features(in, h, names); !ok) return ok.error();
    const u8 compression = h.header_bytes > kV3Bytes ? start[kV3Bytes] : u8{0};
    if (compression > 1) return in.error("its compression type " + std::to_string(compression) + " is not known");
    if ((compression != 0) != ((h.incompatible & Qcow2Header::kCompressionType) != 0)) return in.error("its compression type and its feature bits disagree");
    h.compression = Compression{compression};
    if (auto ok = check_tables(in, h, file_bytes); !ok) return ok.error();
    return h;
}

void store_qcow2_fields(const Qcow2Header& h, std::span<u8> out) {
    store_be(out, 0, 0x514649fb, 4);
    store_be(out, 4, h.version, 4);
    store_be(out, 8, h.backing_offset, 8);
    store_be(out, 16, h.backing_bytes, 4);
    store_be(out, 20, h.cluster_bits, 4);
    store_be(out, 24, h.size, 8);
    store_be(out, 36, h.l1_entries, 4);
    store_be(out, 40, h.l1_offset, 8);
    store_be(out, 48, h.refcount_table_offset, 8);
    store_be(out, 56, h.refcount_table_clusters, 4);
    store_be(out, 60, h.snapshots, 4);
    store_be(out, 64, h.snapshots_offset, 8);
    if (h.version < 3) return;
    store_be(out, 72, h.incompatible, 8);
    store_be(out, 80, h.compatible, 8);
    store_be(out, 88, h.autoclear, 8);
    store_be(out, 96, h.refcount_order, 4);
    store_be(out, 100, h.header_bytes, 4);
    if (h.header_bytes > kV3Bytes) out[kV3Bytes] = static_cast<u8>(h.compression);
}

std::vector<u8> encode_qcow2_header(const Qcow2Header& header) {
    Qcow2Header h = header;
    h.header_bytes = h.version == 2 ? kV2Bytes : 112;
    std::vector<u8> out(h.cluster_bytes());
    u64 at = h.header_bytes;
    if (!h.backing_format.empty() && !h.backing_file.empty()) {
        store_be(out, at, kBackingFormat, 4);
        store_be(out, at + 4, h.backing_format.size(), 4);
        std::memcpy(out.data() + at + 8, h.backing_format.data(), h.backing_format.size());
        at += 8 + (h.backing_format.size() + 7) / 8 * 8;
    }
    at += 8;                                                 // the end of the extensions: zeros
    h.backing_offset = 0;
    h.backing_bytes = 0;
    if (!h.backing_file.empty() && at + h.backing_file.size() <= out.size()) {
        h.backing_offset = at;
        h.backing_bytes = static_cast<u32>(h.backing_file.size());
        std::memcpy(out.data() + at, h.backing_file.data(), h.backing_file.size());
    }
    store_qcow2_fields(h, out);
    return out;
}

}  // namespace vmm::block
