// SPDX-License-Identifier: Apache-2.0
// Qcow2Image's writing: allocation, copies of what is shared, and the order in which metadata reach the file.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "block/qcow2_compress.h"
#include "block/qcow2_image.h"

namespace vmm::block {
namespace {

constexpr std::size_t kMostFreed = 4096;                     // clusters that wait for a commit

}  // namespace

Qcow2Image::~Qcow2Image() {
    if (!begun_ || broken_) return;
    flush();
    if (refcounts_.dirty()) commit();                        // counts that fell at last
}

int Qcow2Image::broken(const char*) {
    broken_ = true;
    if (header_.version >= 3) {
        header_.incompatible |= Qcow2Header::kCorrupt;
        write_qcow2_fields(*file_, header_);
    }
    return EIO;
}

// Before the first write: what lies where is noted, and what other programs keep beside the image is no longer true.
int Qcow2Image::begin_write() {
    if (read_only()) return EROFS;
    if (broken_) return EIO;
    if (begun_) return l2_.crowded() || refcounts_.crowded() || freed_.size() > kMostFreed ? commit() : 0;
    refcounts_.guard(0, cluster_);
    refcounts_.guard(header_.l1_offset, u64{header_.l1_entries} * 8);
    if (header_.snapshots != 0) refcounts_.guard(header_.snapshots_offset, u64{header_.snapshots} * 40);
    for (const u64 entry : l1_) {
        const u64 offset = entry & kOffset;
        if (offset == 0) continue;
        if (!inside(offset) || refcounts_.guarded(offset)) return broken("an L2 table is where other metadata are");
        refcounts_.guard(offset, cluster_);
    }
    if (header_.autoclear != 0) {
        header_.autoclear = 0;
        if (const int error = write_qcow2_fields(*file_, header_); error != 0) return error;
    }
    begun_ = true;
    return 0;
}

int Qcow2Image::l2_for_write(u64 at, Qcow2Tables::Table*& l2) {
    const u64 index = at / cluster_ / header_.l2_entries();
    const u64 old = l1_[index] & kOffset;
    if (old != 0 && !inside(old)) return EIO;
    if (old != 0 && (l1_[index] & kCopied) != 0) {
        if (const int error = l2_.get(old, l2); error != 0) return error;
        return 0;
    }
    std::vector<u8> content;
    if (old != 0) {
        Qcow2Tables::Table* shared = nullptr;
        if (const int error = l2_.get(old, shared); error != 0) return error;
        content = shared->bytes;
    }
    u64 offset = 0;
    if (const int error = refcounts_.allocate(1, offset); error != 0) return error;
    Qcow2Tables::Table& made = l2_.make(offset);
    if (old != 0) {
        made.bytes = std::move(content);
        freed_.push_back(old >> header_.cluster_bits);
    }
    refcounts_.guard(offset, cluster_);
    l1_[index] = offset | kCopied;
    l1_changed_.insert(index);
    l2 = &made;
    return 0;
}

int Qcow2Image::set_entry(u64 at, u64 entry) {
    Qcow2Tables::Table* l2 = nullptr;
    if (const int error = l2_for_write(at, l2); error != 0) return error;
    store_be(l2->bytes, at / cluster_ % header_.l2_entries() * 8, entry, 8);
    l2_.mark(*l2);
    return 0;
}

int Qcow2Image::free_later(const Mapping& m) {
    if (m.kind == Kind::Unallocated || m.host == 0) return 0;
    const u64 bytes = m.kind == Kind::Compressed ? m.bytes : cluster_;
    for (u64 cluster = m.host >> header_.cluster_bits; cluster <= (m.host + bytes - 1) >> header_.cluster_bits; ++cluster) freed_.push_back(cluster);
    if (m.kind == Kind::Compressed) unpacked_ = 0;
    return 0;
}

int Qcow2Image::write(u64 at, std::span<const u8> bytes) {
    while (!bytes.empty()) {
        if (const int error = begin_write(); error != 0) return error;
        const std::size_t n = std::min<u64>(bytes.size(), cluster_ - at % cluster_);
        if (const int error = write_cluster(at, bytes.first(n)); error != 0) return error;
        bytes = bytes.subspan(n);
        at += n;
    }
    return 0;
}

// Part of one cluster, or all of it.
int Qcow2Image::write_cluster(u64 at, std::span<const u8> bytes) {
    Mapping m;
    if (const int error = lookup(at, m, true); error != 0) return error;
    const u64 in = at % cluster_, start = at - in;
    const bool mine = m.copied && m.host != 0 && (m.kind == Kind::Data || m.kind == Kind::Zero);
    if (mine && refcounts_.guarded(m.host)) return broken("data are where metadata are");
    if (mine && m.kind == Kind::Data) return file_->write(m.host + in, bytes);
    u64 host = m.host;
    if (!mine) {
        Qcow2Tables::Table* l2 = nullptr;
        if (const int error = l2_for_write(at, l2); error != 0) return error;
        if (const int error = refcounts_.allocate(1, host); error != 0) return error == EIO ? broken("metadata are counted as free") : error;
    }
    const bool empty = m.kind == Kind::Zero || (m.kind == Kind::Unallocated && (!backing_ || start >= backing_->size()));
    int error = 0;
    if (bytes.size() == cluster_ || (empty && host >= file_->size())) {
        error = file_->write(host + in, bytes);              // behind the end of the file there are zeros already
    } else {
        std::vector<u8> whole(cluster_);
        if (m.kind == Kind::Data) error = file_->read(m.host, whole);
        else if (m.kind == Kind::Compressed) error = read_compressed(m, 0, whole, true);
        else if (m.kind == Kind::Unallocated) error = read_below(start, whole, true);
        if (error == 0) {
            std::memcpy(whole.data() + in, bytes.data(), bytes.size());
            error = file_->write(host, whole);
        }
    }
    if (error == 0) error = set_entry(at, host | kCopied);
    if (error != 0) {
        if (!mine) refcounts_.add(host >> header_.cluster_bits, -1);
        return error;
    }
    return mine ? 0 : free_later(m);
}

int Qcow2Image::write_compressed(u64 at, std::span<const u8> cluster) {
    if (const int error = begin_write(); error != 0) return error;
    Mapping m;
    if (const int error = lookup(at, m, true); error != 0) return error;
    const auto packed = compress_cluster(header_.compression, cluster);
    if (packed.empty()) return EINVAL;
    u64 host = packed_at_;
    const bool fits = host != 0 && host % cluster_ != 0 && host % cluster_ + packed.size() <= cluster_;
    if (!fits || refcounts_.add(host >> header_.cluster_bits, 1) != 0) {
        if (const int error = refcounts_.allocate(1, host); error != 0) return error;
    }
    if (const int error = file_->write(host, packed); error != 0) return error;
    const unsigned offset_bits = 62 - (header_.cluster_bits - 8);
    const u64 further = (host + packed.size() - 1) / 512 - host / 512;
    if (const int error = set_entry(at, kCompressed | further << offset_bits | host); error != 0) return error;
    packed_at_ = host + packed.size();
    return free_later(m);
}

int Qcow2Image::discard(u64 at, u64 length) {
    const u64 first = (at + cluster_ - 1) / cluster_ * cluster_, end = at + length >= header_.size ? header_.size : (at + length) / cluster_ * cluster_;
    if (header_.version < 3 && backing_) return 0;           // there is no way to say "zeros" over a layer below
    for (u64 here = first; here < end; here += cluster_) {
        if (const int error = begin_write(); error != 0) return error;
        Mapping m;
        if (const int error = lookup(here, m, true); error != 0) return error;
        if (m.host == 0 && (m.kind == Kind::Zero || !backing_)) continue;
        if (const int error = set_entry(here, backing_ ? kZero : 0); error != 0) return error;
        free_later(m);
    }
    return 0;
}

// Counts that rise before what refers to the clusters; that before counts that fall.
int Qcow2Image::commit() {
    if (file_->size() < refcounts_.end() && (refcounts_.dirty() || l2_.dirty())) file_->resize(refcounts_.end());   // a device cannot, and need not
    if (const int error = refcounts_.write(); error != 0) return error;
    if (l2_.dirty() || !l1_changed_.empty()) {
        if (const int error = file_->sync(); error != 0) return error;
        if (const int error = l2_.write_dirty(); error != 0) return error;
    }
    if (!l1_changed_.empty()) {
        if (const int error = file_->sync(); error != 0) return error;
        for (const u64 index : l1_changed_) {
            std::array<u8, 8> entry{};
            store_be(entry, 0, l1_[index], 8);
            if (const int error = file_->write(l1_at_ + index * 8, entry); error != 0) return error;
        }
        l1_changed_.clear();
    }
    if (freed_.empty()) return 0;
    if (const int error = file_->sync(); error != 0) return error;
    for (const u64 cluster : std::exchange(freed_, {})) {
        u64 count = 0;
        if (refcounts_.add(cluster, -1) != 0 || refcounts_.get(cluster, count) != 0) return broken("a cluster in use is counted as free");
        if (count != 0) continue;
        if (packed_at_ >> header_.cluster_bits == cluster) packed_at_ = 0;
        file_->punch(cluster << header_.cluster_bits, cluster_);
    }
    return 0;
}

int Qcow2Image::flush() {
    if (read_only()) return 0;
    if (broken_) return EIO;
    if (const int error = commit(); error != 0) return error;
    return file_->sync();
}

}  // namespace vmm::block
