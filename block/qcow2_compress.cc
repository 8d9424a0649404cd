// SPDX-License-Identifier: Apache-2.0
#include "block/qcow2_compress.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>

namespace vmm::block {
namespace {

constexpr int kWindowBits = -12;                             // raw, 4 KiB: readers may have no more than that
constexpr int kMemoryLevel = 9;
constexpr int kMostWindowLog = 23;                           // clusters have 2 MiB at most

bool inflate_all(std::span<const u8> in, std::span<u8> out) {
    z_stream z{};
    if (inflateInit2(&z, kWindowBits) != Z_OK) return false;
    std::vector<u8> copy(in.begin(), in.end());              // zlib's pointer is not const
    z.next_in = copy.data();
    z.avail_in = static_cast<uInt>(copy.size());
    z.next_out = out.data();
    z.avail_out = static_cast<uInt>(out.size());
    const int r = inflate(&z, Z_FINISH);
    const bool whole = z.avail_out == 0 && (r == Z_STREAM_END || r == Z_BUF_ERROR || r == Z_OK);
    inflateEnd(&z);
    return whole;
}

bool unzstd_all(std::span<const u8> in, std::span<u8> out) {
    ZSTD_DCtx* context = ZSTD_createDCtx();
    if (context == nullptr) return false;
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, kMostWindowLog);
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    bool fine = true;
    while (fine && to.pos < to.size) {
        const std::size_t in_before = from.pos, out_before = to.pos;
        const std::size_t r = ZSTD_decompressStream(context, &to, &from);
        fine = ZSTD_isError(r) == 0 && (from.pos != in_before || to.pos != out_before);
    }
    ZSTD_freeDCtx(context);
    return fine;
}

}  // namespace

bool decompress_cluster(Compression how, std::span<const u8> in, std::span<u8> cluster) {
    return how == Compression::Zlib ? inflate_all(in, cluster) : unzstd_all(in, cluster);
}

std::vector<u8> compress_cluster(Compression how, std::span<const u8> cluster) {
    std::vector<u8> out(cluster.size() - 1);
    if (how == Compression::Zstd) {
        const std::size_t n = ZSTD_compress(out.data(), out.size(), cluster.data(), cluster.size(), ZSTD_CLEVEL_DEFAULT);
        out.resize(ZSTD_isError(n) != 0 ? 0 : n);
        return out;
    }
    z_stream z{};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) return {};
    std::vector<u8> copy(cluster.begin(), cluster.end());
    z.next_in = copy.data();
    z.avail_in = static_cast<uInt>(copy.size());
    z.next_out = out.data();
    z.avail_out = static_cast<uInt>(out.size());
    const int r = deflate(&z, Z_FINISH);
    out.resize(r == Z_STREAM_END ? z.total_out : 0);
    deflateEnd(&z);
    return out;
}

}  // namespace vmm::block
