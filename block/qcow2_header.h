// SPDX-License-Identifier: Apache-2.0
// The header of a qcow2 image: versions 2 and 3, its extensions, what is refused and in which words. Pure functions.
//
// Refused by name: encryption, an external data file, extended L2 entries, incompatible features nobody knows. Not refused
// here: the dirty and the corrupt bit; who writes must look at them. Document: QEMU's docs/interop/qcow2.txt, "Header".
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm::block {

inline u64 load_be(std::span<const u8> bytes, u64 at, unsigned n) {
    u64 value = 0;
    for (unsigned i = 0; i < n; ++i) value = value << 8 | bytes[at + i];
    return value;
}
inline void store_be(std::span<u8> bytes, u64 at, u64 value, unsigned n) {
    for (unsigned i = 0; i < n; ++i) bytes[at + i] = static_cast<u8>(value >> (8 * (n - 1 - i)));
}

enum class Compression : u8 { Zlib = 0, Zstd = 1 };

struct Qcow2Header {
    static constexpr unsigned kMinClusterBits = 9, kMaxClusterBits = 21, kMaxRefcountOrder = 6;
    static constexpr u64 kDirty = 1, kCorrupt = 2;                                       // incompatible
    static constexpr u64 kExternalData = 4, kCompressionType = 8, kExtendedL2 = 16;
    static constexpr u64 kLazyRefcounts = 1;                                             // compatible
    static constexpr u64 kBitmaps = 1;                                                   // autoclear
    static constexpr u64 kMaxL1Bytes = 32u << 20, kMaxRefcountTableBytes = 8u << 20, kMaxSnapshots = 65536;
    static constexpr unsigned kMaxNameBytes = 1023;

    u32 version = 3;
    u64 backing_offset = 0;
    u32 backing_bytes = 0;
    u32 cluster_bits = 16;
    u64 size = 0;                    // of the disk, in bytes
    u32 l1_entries = 0;
    u64 l1_offset = 0;
    u64 refcount_table_offset = 0;
    u32 refcount_table_clusters = 0;
    u32 snapshots = 0;
    u64 snapshots_offset = 0;
    u64 incompatible = 0, compatible = 0, autoclear = 0;
    u32 refcount_order = 4;
    u32 header_bytes = 112;
    Compression compression = Compression::Zlib;
    std::string backing_file{}, backing_format{};        // the format may be absent
    struct Bitmaps {
        u32 count = 0;
        u64 directory_bytes = 0, directory_offset = 0;
    } bitmaps{};

    u64 cluster_bytes() const { return u64{1} << cluster_bits; }
    u64 l2_entries() const { return cluster_bytes() / 8; }
    u64 l1_needed() const;                                // entries for `size`
    unsigned refcount_bits() const { return 1u << refcount_order; }
    u64 refcounts_per_block() const { return cluster_bytes() * 8 / refcount_bits(); }
};

inline bool is_qcow2(std::span<const u8> bytes) { return bytes.size() >= 4 && load_be(bytes, 0, 4) == 0x514649fb; }

// `start`: the first bytes of the file, the first cluster at least (64 KiB to 2 MiB as the file gives; shorter files: all).
// An error says what is wrong, after `name`.
Result<Qcow2Header> parse_qcow2_header(std::span<const u8> start, u64 file_bytes, const std::string& name);
// The first cluster of a new image, in which nothing but the fields above is.
std::vector<u8> encode_qcow2_header(const Qcow2Header& header);
// The fixed fields only, over those of a header there is.
void store_qcow2_fields(const Qcow2Header& header, std::span<u8> start);

}  // namespace vmm::block
