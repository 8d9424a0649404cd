// SPDX-License-Identifier: Apache-2.0
#include "block/qcow2_image.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "block/qcow2_check.h"
#include "block/qcow2_compress.h"

namespace vmm::block {
namespace {

constexpr u64 kCacheBytes = 16u << 20, kBackingCacheBytes = 4u << 20;
constexpr u64 kHeaderLook = 64u << 10;                       // the first look at a file

}  // namespace

Result<Qcow2Header> Qcow2Image::read_header(const ImageFile& file) {
    const auto start = [&file](u64 bytes) {
        std::vector<u8> out(std::min(bytes, file.size()));
        return file.read(0, out) == 0 ? out : std::vector<u8>{};
    };
    std::vector<u8> bytes = start(kHeaderLook);
    if (is_qcow2(bytes) && bytes.size() >= 24) {
        const u64 bits = load_be(bytes, 20, 4);
        if (bits <= Qcow2Header::kMaxClusterBits && u64{1} << bits > kHeaderLook) bytes = start(u64{1} << bits);
    }
    return parse_qcow2_header(bytes, file.size(), file.path());
}

Qcow2Image::Qcow2Image(std::unique_ptr<ImageFile> file, Qcow2Header header, std::unique_ptr<Layer> backing)
    : file_(std::move(file)), header_(std::move(header)), backing_(std::move(backing)), cluster_(header_.cluster_bytes()),
      l2_(*file_, cluster_, file_->read_only() ? kBackingCacheBytes : kCacheBytes), refcounts_(*file_, header_) {}

Result<std::unique_ptr<Qcow2Image>> Qcow2Image::open(std::unique_ptr<ImageFile> file, Qcow2Header header, std::unique_ptr<Layer> backing, bool repairs) {
    std::unique_ptr<Qcow2Image> image(new Qcow2Image(std::move(file), std::move(header), std::move(backing)));
    if (auto loaded = image->load(repairs); !loaded) return loaded.error();
    return image;
}

Result<void> Qcow2Image::load(bool repairs) {
    const std::string& path = file_->path();
    if (!read_only() && !repairs && (header_.incompatible & Qcow2Header::kCorrupt) != 0)
        return Error{path + " is marked as corrupt, and cannot be written; 'qemu-img check -r all' may repair it, readonly=on reads it"};
    std::vector<u8> bytes(u64{header_.l1_entries} * 8);
    if (const int error = file_->read(header_.l1_offset, bytes); error != 0) return Error{"cannot read " + path + ": " + std::strerror(error)};
    l1_at_ = header_.l1_offset;
    l1_.resize(header_.l1_entries);
    for (std::size_t i = 0; i < l1_.size(); ++i) l1_[i] = load_be(bytes, i * 8, 8);
    if (read_only()) return {};
    if (const int error = refcounts_.load(); error != 0) return Error{"cannot read " + path + ": " + std::strerror(error)};
    if (!repairs && (header_.incompatible & Qcow2Header::kDirty) != 0) return repair_refcounts(*this);
    return {};
}

u64 Qcow2Image::end() const { return std::max((file_->size() + cluster_ - 1) / cluster_ * cluster_, refcounts_.end()); }

bool Qcow2Image::inside(u64 offset) const { return offset % cluster_ == 0 && offset >= cluster_ && offset <= end() - cluster_; }

int Qcow2Image::mapping_of(u64 entry, Mapping& m) const {
    m = {};
    if ((entry & kCompressed) != 0) {
        // The offset's bits, then how many further sectors it reaches into; the last one may end early.
        const unsigned offset_bits = 62 - (header_.cluster_bits - 8);
        m.kind = Kind::Compressed;
        m.host = entry & ((u64{1} << offset_bits) - 1);
        const u64 sectors = (entry >> offset_bits & ((u64{1} << (header_.cluster_bits - 8)) - 1)) + 1;
        m.bytes = sectors * 512 - m.host % 512;
        return m.host < cluster_ || m.host >= end() ? EIO : 0;
    }
    m.host = entry & kOffset;
    m.copied = (entry & kCopied) != 0;
    if ((entry & kZero) != 0) {
        if (header_.version < 3) return EIO;
        m.kind = Kind::Zero;
        return m.host == 0 || inside(m.host) ? 0 : EIO;
    }
    m.kind = m.host == 0 ? Kind::Unallocated : Kind::Data;
    return m.host == 0 || inside(m.host) ? 0 : EIO;
}

int Qcow2Image::lookup(u64 at, Mapping& m, bool may_wait) {
    const u64 number = at / cluster_, l1_index = number / header_.l2_entries();
    if (l1_index >= l1_.size()) return EIO;
    const u64 offset = l1_[l1_index] & kOffset;
    if (offset == 0) {
        m = {};
        return 0;
    }
    if (!inside(offset)) return EIO;
    Qcow2Tables::Table* l2 = nullptr;
    if (const int error = l2_.get(offset, l2, may_wait); error != 0) return error;
    return mapping_of(load_be(l2->bytes, number % header_.l2_entries() * 8, 8), m);
}

int Qcow2Image::read_below(u64 at, std::span<u8> out, bool may_wait) {
    if (backing_) return backing_->read(at, out, may_wait);
    std::fill(out.begin(), out.end(), u8{0});
    return 0;
}

int Qcow2Image::read_compressed(const Mapping& m, u64 in, std::span<u8> out, bool may_wait) {
    if (unpacked_ != m.host) {
        std::vector<u8> packed(std::min(m.bytes, end() - m.host));
        if (const int error = file_->read(m.host, packed, may_wait); error != 0) return error;
        unpacked_ = 0;
        unpacked_bytes_.resize(cluster_);
        if (!decompress_cluster(header_.compression, packed, unpacked_bytes_)) return EIO;
        unpacked_ = m.host;
    }
    std::memcpy(out.data(), unpacked_bytes_.data() + in, out.size());
    return 0;
}

// Stretches that lie side by side are read at once.
int Qcow2Image::read(u64 at, std::span<u8> out, bool may_wait) {
    while (!out.empty()) {
        if (at >= header_.size) {
            std::fill(out.begin(), out.end(), u8{0});
            return 0;
        }
        Mapping first;
        if (const int error = lookup(at, first, may_wait); error != 0) return error;
        const u64 in = at % cluster_, left = std::min<u64>(out.size(), header_.size - at);
        u64 length = std::min(cluster_ - in, left);
        while (first.kind != Kind::Compressed && length < left) {
            Mapping next;
            if (const int error = lookup(at + length, next, may_wait); error != 0) return error;
            if (next.kind != first.kind || (first.kind == Kind::Data && next.host != first.host + in + length)) break;
            length = std::min(length + cluster_, left);
        }
        const auto part = out.first(length);
        int error = 0;
        switch (first.kind) {
            case Kind::Unallocated: error = read_below(at, part, may_wait); break;
            case Kind::Zero: std::fill(part.begin(), part.end(), u8{0}); break;
            case Kind::Data: error = file_->read(first.host + in, part, may_wait); break;
            case Kind::Compressed: error = read_compressed(first, in, part, may_wait); break;
        }
        if (error != 0) return error;
        out = out.subspan(length);
        at += length;
    }
    return 0;
}

bool Qcow2Image::zeros(u64 at, u64& length) {
    if (at >= header_.size) return true;
    const u64 left = std::min(length, header_.size - at);
    length = 0;
    bool zero = false;
    while (length < left) {
        const u64 here = at + length;
        u64 n = std::min(cluster_ - here % cluster_, left - length);
        Mapping m;
        if (l1_[here / cluster_ / header_.l2_entries()] == 0) n = std::min(cluster_ * header_.l2_entries() - here % (cluster_ * header_.l2_entries()), left - length);
        if (lookup(here, m, true) != 0) m.kind = Kind::Data;
        bool is = m.kind == Kind::Zero || m.kind == Kind::Unallocated;
        if (m.kind == Kind::Unallocated && backing_) is = backing_->zeros(here, n);
        if (length != 0 && is != zero) break;
        zero = is;
        length += n;
    }
    return zero;
}

}  // namespace vmm::block
