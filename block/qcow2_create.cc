// SPDX-License-Identifier: Apache-2.0
#include "block/qcow2_create.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "block/image_lock.h"
#include "block/qcow2_refcounts.h"

namespace vmm::block {

Result<void> create_qcow2(const std::string& path, Qcow2Header h) {
    const u64 cluster = h.cluster_bytes(), per_block = h.refcounts_per_block();
    if (h.l1_needed() * 8 > Qcow2Header::kMaxL1Bytes) return Error{path + ": a disk of " + std::to_string(h.size) + " bytes is too large for clusters of " + std::to_string(cluster)};
    if (h.backing_file.size() > Qcow2Header::kMaxNameBytes || h.backing_file.size() + 200 > cluster) return Error{path + ": the backing file's name is too long for the header"};
    const u64 l1 = std::max<u64>((h.l1_needed() * 8 + cluster - 1) / cluster, 1);
    u64 blocks = 1, table = 1;
    for (;;) {
        const u64 all = 1 + table + blocks + l1;
        const u64 more_blocks = (all + per_block - 1) / per_block, more_table = (more_blocks * 8 + cluster - 1) / cluster;
        if (more_blocks <= blocks && more_table <= table) break;
        blocks = more_blocks;
        table = more_table;
    }
    h.l1_entries = static_cast<u32>(std::max<u64>(h.l1_needed(), 1));
    h.refcount_table_offset = cluster;
    h.refcount_table_clusters = static_cast<u32>(table);
    h.l1_offset = (1 + table + blocks) * cluster;
    if (h.compression != Compression::Zlib) h.incompatible |= Qcow2Header::kCompressionType;
    std::vector<u8> bytes = encode_qcow2_header(h);
    bytes.resize((1 + table + blocks + l1) * cluster);
    for (u64 b = 0; b < blocks; ++b) store_be(bytes, cluster + b * 8, (1 + table + b) * cluster, 8);
    for (u64 i = 0; i < 1 + table + blocks + l1; ++i)
        store_refcount(std::span(bytes).subspan((1 + table + i / per_block) * cluster, cluster), i % per_block, h.refcount_order, 1);

    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return Error{path + ": Could not create file: " + std::strerror(errno)};
    Result<void> done = lock_image(fd, path, true);
    if (done) {
        std::span<const u8> left(bytes);
        int error = ftruncate(fd, 0) != 0 ? errno : 0;
        for (off_t at = 0; error == 0 && !left.empty();) {
            const ssize_t n = pwrite(fd, left.data(), left.size(), at);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) error = n < 0 ? errno : ENOSPC;
            else left = left.subspan(static_cast<std::size_t>(n)), at += n;
        }
        if (error != 0) done = Error{"cannot write " + path + ": " + std::strerror(error)};
    }
    close(fd);
    return done;
}

}  // namespace vmm::block
