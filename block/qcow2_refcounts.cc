// SPDX-License-Identifier: Apache-2.0
#include "block/qcow2_refcounts.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace vmm::block {
namespace {

constexpr u64 kCacheBytes = 4u << 20;
constexpr u64 kMostBehind = 1u << 20;                        // clusters counted behind the end of the file, before one gives up
constexpr u64 kReserved = 511;                               // of an entry of the table

}  // namespace

u64 load_refcount(std::span<const u8> block, u64 index, unsigned order) {
    if (order >= 3) return load_be(block, index << (order - 3), 1u << (order - 3));
    const unsigned bits = 1u << order;
    const u64 per_byte = 8 / bits;
    return block[index / per_byte] >> (index % per_byte * bits) & ((1u << bits) - 1);
}

void store_refcount(std::span<u8> block, u64 index, unsigned order, u64 count) {
    if (order >= 3) return store_be(block, index << (order - 3), count, 1u << (order - 3));
    const unsigned bits = 1u << order;
    const u64 per_byte = 8 / bits, shift = index % per_byte * bits;
    u8& byte = block[index / per_byte];
    byte = static_cast<u8>((byte & ~(((1u << bits) - 1) << shift)) | count << shift);
}

int write_qcow2_fields(ImageFile& file, const Qcow2Header& header) {
    std::array<u8, 512> start{};
    if (const int error = file.read(0, start); error != 0) return error;
    store_qcow2_fields(header, start);
    return file.write(0, start);
}

Qcow2Refcounts::Qcow2Refcounts(ImageFile& file, Qcow2Header& header)
    : file_(file), header_(header), cluster_bytes_(header.cluster_bytes()), per_block_(header.refcounts_per_block()),
      most_(header.refcount_order == 6 ? ~u64{0} : (u64{1} << header.refcount_bits()) - 1), blocks_(file, cluster_bytes_, kCacheBytes) {}

int Qcow2Refcounts::load() {
    end_ = (file_.size() + cluster_bytes_ - 1) / cluster_bytes_ * cluster_bytes_;
    std::vector<u8> bytes(header_.refcount_table_clusters * cluster_bytes_);
    if (const int error = file_.read(header_.refcount_table_offset, bytes); error != 0) return error;
    table_.resize(bytes.size() / 8);
    for (std::size_t i = 0; i < table_.size(); ++i) table_[i] = load_be(bytes, i * 8, 8);
    guard(header_.refcount_table_offset, bytes.size());
    for (const u64 entry : table_)
        if (entry != 0 && plausible(entry)) guard(entry, cluster_bytes_);
    return 0;
}

void Qcow2Refcounts::replaced() {
    table_.clear();
    changed_.clear();
    guarded_.clear();
    blocks_.clear();
    hint_ = 0;
}

bool Qcow2Refcounts::plausible(u64 offset) const {
    return (offset & kReserved) == 0 && offset % cluster_bytes_ == 0 && offset >= cluster_bytes_ && offset <= end_ - cluster_bytes_;
}

void Qcow2Refcounts::guard(u64 offset, u64 bytes) {
    for (u64 cluster = offset >> header_.cluster_bits; cluster << header_.cluster_bits < offset + bytes; ++cluster) guarded_.insert(cluster);
}

int Qcow2Refcounts::block_of(u64 cluster, Qcow2Tables::Table*& block) {
    block = nullptr;
    const u64 index = cluster / per_block_;
    if (index >= table_.size() || table_[index] == 0) return 0;
    if (!plausible(table_[index])) return EIO;
    return blocks_.get(table_[index], block);
}

int Qcow2Refcounts::get(u64 cluster, u64& count) {
    Qcow2Tables::Table* block = nullptr;
    if (const int error = block_of(cluster, block); error != 0) return error;
    count = block == nullptr ? 0 : load_refcount(block->bytes, cluster % per_block_, header_.refcount_order);
    return 0;
}

int Qcow2Refcounts::set(u64 cluster, u64 count) {
    Qcow2Tables::Table* block = nullptr;
    if (const int error = block_of(cluster, block); error != 0) return error;
    if (block == nullptr) return EIO;
    store_refcount(block->bytes, cluster % per_block_, header_.refcount_order, count);
    blocks_.mark(*block);
    if (count == 0) hint_ = std::min(hint_, cluster);
    return 0;
}

int Qcow2Refcounts::add(u64 cluster, int delta) {
    u64 count = 0;
    if (const int error = get(cluster, count); error != 0) return error;
    if (delta < 0 && count == 0) return EIO;
    if (delta > 0 && count >= most_) return ERANGE;
    return set(cluster, delta < 0 ? count - 1 : count + 1);
}

// The first run of free ones, at the end of the file at the latest.
int Qcow2Refcounts::find_free(u64 clusters, u64& first) {
    u64 run = 0;
    const u64 last = end_ / cluster_bytes_ + kMostBehind;
    for (u64 cluster = hint_;; ++cluster) {
        if (cluster > last) return EIO;
        u64 count = 0;
        if (const int error = get(cluster, count); error != 0) return error;
        if (count != 0) {
            if (run == 0 && hint_ == cluster) hint_ = cluster + 1;
            run = 0;
            continue;
        }
        if (guarded_.contains(cluster)) return EIO;
        if (++run < clusters) continue;
        first = cluster + 1 - clusters;
        return 0;
    }
}

int Qcow2Refcounts::allocate(u64 clusters, u64& offset) {
    for (;;) {
        u64 first = 0;
        if (const int error = find_free(clusters, first); error != 0) return error;
        if (first + clusters > u64{1} << (55 - header_.cluster_bits)) return EFBIG;
        bool blocks_there = true;
        for (u64 index = first / per_block_; index <= (first + clusters - 1) / per_block_ && blocks_there; ++index) {
            if (index < table_.size() && table_[index] != 0) continue;
            blocks_there = false;
            // The run's first cluster becomes the block; then once more.
            if (const int error = index >= table_.size() ? grow(index) : make_block(index, first); error != 0) return error;
        }
        if (!blocks_there) continue;
        for (u64 cluster = first; cluster < first + clusters; ++cluster)
            if (const int error = set(cluster, 1); error != 0) return error;
        offset = first << header_.cluster_bits;
        end_ = std::max(end_, offset + (clusters << header_.cluster_bits));
        return 0;
    }
}

int Qcow2Refcounts::make_block(u64 index, u64 cluster) {
    const u64 offset = cluster << header_.cluster_bits;
    end_ = std::max(end_, offset + cluster_bytes_);
    Qcow2Tables::Table& block = blocks_.make(offset);
    if (cluster / per_block_ == index) {
        store_refcount(block.bytes, cluster % per_block_, header_.refcount_order, 1);
    } else if (const int error = set(cluster, 1); error != 0) {
        blocks_.drop(offset);
        return error;
    }
    table_[index] = offset;
    changed_.insert(index);
    guard(offset, cluster_bytes_);
    return 0;
}

// A larger table with `index` in it, behind all that the old one covers, together with the blocks that count these clusters.
// It is written and the header says so before anything is allocated with it; a crash before that leaves clusters nobody counts.
int Qcow2Refcounts::grow(u64 index) {
    const u64 start_index = std::max<u64>(table_.size(), end_ / cluster_bytes_ / per_block_ + 1), start = start_index * per_block_;
    u64 table_clusters = 0, blocks = 1;
    for (;; ++blocks) {
        const u64 entries = std::max({table_.size() * 2, index + 1, start_index + blocks});
        table_clusters = (entries * 8 + cluster_bytes_ - 1) / cluster_bytes_;
        if (blocks * per_block_ >= table_clusters + blocks) break;
    }
    if (table_clusters * cluster_bytes_ > Qcow2Header::kMaxRefcountTableBytes) return EFBIG;
    if (const int error = write(); error != 0) return error;
    std::vector<u64> grown = table_;
    grown.resize(table_clusters * cluster_bytes_ / 8);
    const u64 table_at = (start + blocks) * cluster_bytes_;
    end_ = std::max(end_, table_at + table_clusters * cluster_bytes_);
    for (u64 b = 0; b < blocks; ++b) {
        const u64 at = (start + b) * cluster_bytes_;
        std::vector<u8> bytes(cluster_bytes_);
        for (u64 i = 0; i < per_block_ && b * per_block_ + i < blocks + table_clusters; ++i) store_refcount(bytes, i, header_.refcount_order, 1);
        blocks_.drop(at);
        if (const int error = file_.write(at, bytes); error != 0) return error;
        grown[start_index + b] = at;
    }
    std::vector<u8> bytes(grown.size() * 8);
    for (std::size_t i = 0; i < grown.size(); ++i) store_be(bytes, i * 8, grown[i], 8);
    if (const int error = file_.write(table_at, bytes); error != 0) return error;
    if (const int error = file_.sync(); error != 0) return error;
    const Qcow2Header old = header_;
    header_.refcount_table_offset = table_at;
    header_.refcount_table_clusters = static_cast<u32>(table_clusters);
    int error = write_qcow2_fields(file_, header_);
    if (error == 0) error = file_.sync();
    if (error != 0) {
        header_ = old;
        return error;
    }
    for (u64 b = 0; b < blocks; ++b) guard(grown[start_index + b], cluster_bytes_);
    guard(table_at, table_clusters * cluster_bytes_);
    table_ = std::move(grown);
    for (u64 i = 0; i < old.refcount_table_clusters; ++i) {
        unguard(old.refcount_table_offset + i * cluster_bytes_);
        if (error == 0) error = add((old.refcount_table_offset >> header_.cluster_bits) + i, -1);
    }
    return error;
}

int Qcow2Refcounts::write() {
    if (const int error = blocks_.write_dirty(); error != 0) return error;
    if (changed_.empty()) return 0;
    if (const int error = file_.sync(); error != 0) return error;
    for (const u64 index : changed_) {
        std::array<u8, 8> entry{};
        store_be(entry, 0, table_[index], 8);
        if (const int error = file_.write(header_.refcount_table_offset + index * 8, entry); error != 0) return error;
    }
    changed_.clear();
    return 0;
}

}  // namespace vmm::block
