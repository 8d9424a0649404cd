// SPDX-License-Identifier: Apache-2.0
#include "block/qcow2_snapshot.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>

#include "vmm/check.h"

namespace vmm::block {
namespace {

constexpr u64 kFixed = 40, kMostExtra = 1024, kMostTableBytes = 64u << 20, kExtra = 24;

u64 rounded(u64 n, u64 to) { return (n + to - 1) / to * to; }

}  // namespace

Result<std::vector<Qcow2Snapshot>> read_snapshots(const ImageFile& file, const Qcow2Header& header, u64* table_bytes) {
    const Error damaged{file.path() + ": its table of snapshots is damaged"};
    std::vector<Qcow2Snapshot> out;
    u64 at = header.snapshots_offset;
    const auto take = [&](u64 bytes) {
        std::vector<u8> piece;
        if (at > file.size() || bytes > file.size() - at || at + bytes - header.snapshots_offset > kMostTableBytes) return piece;
        piece.resize(bytes);
        if (file.read(at, piece) != 0) piece.clear();
        at += bytes;
        return piece;
    };
    for (u32 i = 0; i < header.snapshots; ++i) {
        const auto fixed = take(kFixed);
        if (fixed.empty()) return damaged;
        Qcow2Snapshot s;
        s.l1_offset = load_be(fixed, 0, 8);
        s.l1_entries = static_cast<u32>(load_be(fixed, 8, 4));
        s.date_seconds = static_cast<u32>(load_be(fixed, 16, 4));
        s.date_nanoseconds = static_cast<u32>(load_be(fixed, 20, 4));
        s.vm_clock_ns = load_be(fixed, 24, 8);
        s.vm_state_bytes = load_be(fixed, 32, 4);
        s.disk_bytes = header.size;
        const u64 extra = load_be(fixed, 36, 4), id = load_be(fixed, 12, 2), name = load_be(fixed, 14, 2);
        if (extra > kMostExtra || u64{s.l1_entries} * 8 > Qcow2Header::kMaxL1Bytes || s.l1_offset % header.cluster_bytes() != 0) return damaged;
        if (s.l1_offset > file.size() || u64{s.l1_entries} * 8 > file.size() - s.l1_offset) return damaged;
        const u64 rest = rounded(extra + id + name, 8);
        const auto bytes = take(rest);
        if (bytes.size() != rest) return damaged;
        if (extra >= 8) s.vm_state_bytes = load_be(bytes, 0, 8);
        if (extra >= 16) s.disk_bytes = load_be(bytes, 8, 8);
        if (s.disk_bytes > u64{1} << 62 || Qcow2Snapshots::disk_entries(header, s.disk_bytes) * 8 > Qcow2Header::kMaxL1Bytes) return damaged;
        if (extra >= 24) s.icount = load_be(bytes, 16, 8);
        if (extra > kExtra) s.more.assign(bytes.begin() + kExtra, bytes.begin() + static_cast<std::ptrdiff_t>(extra));
        const auto* text = reinterpret_cast<const char*>(bytes.data());
        s.id.assign(text + extra, id);
        s.name.assign(text + extra + id, name);
        out.push_back(std::move(s));
    }
    if (table_bytes != nullptr) *table_bytes = at - header.snapshots_offset;
    return out;
}

Result<void> Qcow2Snapshots::fail(int error) const {
    if (error == ERANGE) return Error{image_.file().path() + ": its refcounts are too narrow for that many references to a cluster"};
    return Error{image_.file().path() + ": " + std::strerror(error)};
}

Result<void> Qcow2Snapshots::load() {
    if (const int error = image_.begin_write(); error != 0) return fail(error);
    if (const int error = image_.flush(); error != 0) return fail(error);
    auto all = read_snapshots(image_.file(), image_.header_, &table_bytes_);
    if (!all) return all.error();
    all_ = std::move(*all);
    return {};
}

Result<std::vector<Qcow2Snapshot>> Qcow2Snapshots::list() const { return read_snapshots(image_.file(), image_.header_); }

Result<Qcow2Snapshot> Qcow2Snapshots::get(const std::string& id_or_name) const {
    auto all = list();
    if (!all) return all.error();
    const auto at = find(*all, id_or_name);
    if (!at) return at.error();
    return (*all)[*at];
}

// Ids go before names.
Result<std::size_t> Qcow2Snapshots::find(const std::vector<Qcow2Snapshot>& all, const std::string& wanted) const {
    for (const bool by_id : {true, false})
        for (std::size_t i = 0; i < all.size(); ++i)
            if ((by_id ? all[i].id : all[i].name) == wanted) return i;
    return Error{image_.file().path() + " has no snapshot " + wanted};
}

int Qcow2Snapshots::write_table() {
    std::vector<u8> bytes;
    for (const auto& s : all_) {
        std::vector<u8> entry(kFixed + kExtra);
        store_be(entry, 0, s.l1_offset, 8);
        store_be(entry, 8, s.l1_entries, 4);
        store_be(entry, 12, s.id.size(), 2);
        store_be(entry, 14, s.name.size(), 2);
        store_be(entry, 16, s.date_seconds, 4);
        store_be(entry, 20, s.date_nanoseconds, 4);
        store_be(entry, 24, s.vm_clock_ns, 8);
        store_be(entry, 32, s.vm_state_bytes > 0xffff'ffff ? 0xffff'ffff : s.vm_state_bytes, 4);
        store_be(entry, 36, kExtra + s.more.size(), 4);
        store_be(entry, 40, s.vm_state_bytes, 8);
        store_be(entry, 48, s.disk_bytes, 8);
        store_be(entry, 56, s.icount, 8);
        entry.insert(entry.end(), s.more.begin(), s.more.end());
        entry.insert(entry.end(), s.id.begin(), s.id.end());
        entry.insert(entry.end(), s.name.begin(), s.name.end());
        entry.resize(rounded(entry.size(), 8));
        bytes.insert(bytes.end(), entry.begin(), entry.end());
    }
    if (bytes.size() > kMostTableBytes || all_.size() > Qcow2Header::kMaxSnapshots) return EFBIG;
    Qcow2Header& h = image_.header_;
    const u64 old_at = h.snapshots_offset, old_bytes = h.snapshots != 0 ? table_bytes_ : 0;
    u64 at = 0;
    if (!bytes.empty()) {
        if (const int error = image_.refcounts_.allocate(rounded(bytes.size(), image_.cluster_) / image_.cluster_, at); error != 0) return error;
        if (const int error = image_.file_->write(at, bytes); error != 0) return error;
        image_.refcounts_.guard(at, bytes.size());
    }
    if (const int error = image_.flush(); error != 0) return error;
    h.snapshots = static_cast<u32>(all_.size());
    h.snapshots_offset = at;
    table_bytes_ = bytes.size();
    if (const int error = write_qcow2_fields(*image_.file_, h); error != 0) return error;
    for (u64 cluster = old_at; cluster < old_at + old_bytes; cluster += image_.cluster_) {
        image_.refcounts_.unguard(cluster);
        image_.freed_.push_back(cluster >> h.cluster_bits);
    }
    return image_.flush();
}

int Qcow2Snapshots::read_l1(const Qcow2Snapshot& snapshot, std::vector<u64>& l1) const {
    std::vector<u8> bytes(u64{snapshot.l1_entries} * 8);
    if (const int error = image_.file_->read(snapshot.l1_offset, bytes); error != 0) return error;
    l1.resize(snapshot.l1_entries);
    for (std::size_t i = 0; i < l1.size(); ++i) l1[i] = load_be(bytes, i * 8, 8) & ~Qcow2Image::kCopied;
    return 0;
}

// After an error nothing was counted.
int Qcow2Snapshots::refer(const std::vector<u64>& l1, int delta) {
    std::vector<u64> counted;
    const int error = refer_all(l1, delta, counted);
    if (error != 0 && delta > 0) {
        image_.freed_.insert(image_.freed_.end(), counted.begin(), counted.end());
        image_.flush();
    }
    return error;
}

int Qcow2Snapshots::refer_all(const std::vector<u64>& l1, int delta, std::vector<u64>& counted) {
    const unsigned bits = image_.header_.cluster_bits;
    const auto count = [&](u64 cluster) {
        if (delta < 0) {
            image_.freed_.push_back(cluster);
            return 0;
        }
        const int error = image_.refcounts_.add(cluster, delta);
        if (error == 0) counted.push_back(cluster);
        return error;
    };
    std::unordered_set<u64> seen;
    for (const u64 entry : l1) {
        const u64 offset = entry & Qcow2Image::kOffset;
        if (offset == 0) continue;
        if (!image_.inside(offset) || !seen.insert(offset).second) return EIO;
        Qcow2Tables::Table* l2 = nullptr;
        if (const int error = image_.l2_.get(offset, l2); error != 0) return error;
        for (u64 i = 0; i < image_.header_.l2_entries(); ++i) {
            Qcow2Image::Mapping m;
            if (const int error = image_.mapping_of(load_be(l2->bytes, i * 8, 8), m); error != 0) return error;
            if (m.host == 0) continue;
            const u64 bytes = m.kind == Qcow2Image::Kind::Compressed ? m.bytes : image_.cluster_;
            for (u64 cluster = m.host >> bits; cluster <= (m.host + bytes - 1) >> bits; ++cluster)
                if (const int error = count(cluster); error != 0) return error;
        }
        if (const int error = count(offset >> bits); error != 0) return error;
        if (image_.refcounts_.crowded())
            if (const int error = image_.commit(); error != 0) return error;
    }
    return 0;
}

int Qcow2Snapshots::set_flags() {
    const unsigned bits = image_.header_.cluster_bits;
    for (std::size_t n = 0; n < image_.l1_.size(); ++n) {
        const u64 offset = image_.l1_[n] & Qcow2Image::kOffset;
        if (offset == 0) continue;
        u64 count = 0;
        if (const int error = image_.refcounts_.get(offset >> bits, count); error != 0) return error;
        const u64 entry = offset | (count == 1 ? Qcow2Image::kCopied : 0);
        if (entry != image_.l1_[n]) {
            image_.l1_[n] = entry;
            image_.l1_changed_.insert(n);
        }
        Qcow2Tables::Table* l2 = nullptr;
        if (const int error = image_.l2_.get(offset, l2); error != 0) return error;
        for (u64 i = 0; i < image_.header_.l2_entries(); ++i) {
            const u64 was = load_be(l2->bytes, i * 8, 8);
            if ((was & Qcow2Image::kCompressed) != 0 || (was & Qcow2Image::kOffset) == 0) continue;
            if (const int error = image_.refcounts_.get((was & Qcow2Image::kOffset) >> bits, count); error != 0) return error;
            const u64 is = (was & ~Qcow2Image::kCopied) | (count == 1 ? Qcow2Image::kCopied : 0);
            if (is == was) continue;
            store_be(l2->bytes, i * 8, is, 8);
            image_.l2_.mark(*l2);
        }
        if (image_.l2_.crowded())
            if (const int error = image_.commit(); error != 0) return error;
    }
    return 0;
}

int Qcow2Snapshots::write_l1(const std::vector<u64>& l1, u64& offset) {
    std::vector<u8> bytes(rounded(std::max<u64>(l1.size() * 8, 1), image_.cluster_));
    for (std::size_t i = 0; i < l1.size(); ++i) store_be(bytes, i * 8, l1[i], 8);
    if (const int error = image_.refcounts_.allocate(bytes.size() / image_.cluster_, offset); error != 0) return error;
    image_.refcounts_.guard(offset, bytes.size());
    return image_.file_->write(offset, bytes);
}

u64 Qcow2Snapshots::disk_entries(const Qcow2Header& header, u64 disk_bytes) {
    Qcow2Header sized = header;
    sized.size = disk_bytes;
    return sized.l1_needed();
}

int Qcow2Snapshots::put_content(const Qcow2SnapshotContent& content) {
    const u64 disk = image_.header_.size;
    const auto put = [this, disk](u64 at, std::span<const u8> bytes) {
        return at >= disk ? 0 : image_.write(at, bytes.first(std::min<u64>(bytes.size(), disk - at)));
    };
    if (content.changes)
        if (const int error = content.changes(put); error != 0) return error;
    u64 at = disk_entries(image_.header_, disk) * covered();
    for (auto left = content.vm_state; !left.empty();) {
        const auto piece = left.first(std::min<u64>(left.size(), image_.cluster_));
        std::vector<u8> whole(piece.begin(), piece.end());
        whole.resize(image_.cluster_);                       // whole clusters: nothing is looked for in layers below
        if (const int error = image_.write(at, whole); error != 0) return error;
        left = left.subspan(piece.size());
        at += image_.cluster_;
    }
    return 0;
}

// What only a snapshot refers to says nothing about how many do: it may be applied.
int Qcow2Snapshots::clear_flags() {
    for (std::size_t n = 0; n < image_.l1_.size(); ++n) {
        if ((image_.l1_[n] & Qcow2Image::kCopied) == 0) continue;
        Qcow2Tables::Table* l2 = nullptr;
        if (const int error = image_.l2_.get(image_.l1_[n] & Qcow2Image::kOffset, l2); error != 0) return error;
        for (u64 i = 0; i < image_.header_.l2_entries(); ++i)
            if (const u64 entry = load_be(l2->bytes, i * 8, 8); (entry & Qcow2Image::kCopied) != 0) store_be(l2->bytes, i * 8, entry & ~Qcow2Image::kCopied, 8);
        image_.l2_.mark(*l2);
        image_.l1_[n] &= ~Qcow2Image::kCopied;
        image_.l1_changed_.insert(n);
        if (image_.l2_.crowded())
            if (const int error = image_.commit(); error != 0) return error;
    }
    return 0;
}

// Writes to the disk that `l1`, at `l1_at` in the file, describes, instead of the image's own.
int Qcow2Snapshots::write_aside(std::vector<u64>& l1, u64 l1_at, const Qcow2SnapshotContent& content) {
    std::swap(image_.l1_, l1);
    image_.l1_at_ = l1_at;
    int error = put_content(content);
    if (error == 0) error = clear_flags();
    if (error == 0) error = image_.flush();
    if (error != 0) image_.l1_changed_.clear();
    std::swap(image_.l1_, l1);
    image_.l1_at_ = image_.header_.l1_offset;
    return error;
}

Result<void> Qcow2Snapshots::show(const std::string& id_or_name) {
    const auto snapshot = get(id_or_name);
    if (!snapshot) return snapshot.error();
    CHECK(image_.read_only(), "a snapshot is shown of an image that is read only");
    std::vector<u64> l1;
    if (const int error = read_l1(*snapshot, l1); error != 0) return fail(error);
    l1.resize(disk_entries(image_.header_, snapshot->disk_bytes));
    image_.l1_ = std::move(l1);
    image_.header_.size = snapshot->disk_bytes;
    return {};
}

Result<void> Qcow2Snapshots::create(Qcow2Snapshot snapshot, const Qcow2SnapshotContent& content) {
    if (auto loaded = load(); !loaded) return loaded;
    u64 highest = 0;
    for (const auto& s : all_) highest = std::max<u64>(highest, std::strtoull(s.id.c_str(), nullptr, 10));
    snapshot.id = std::to_string(highest + 1);
    snapshot.disk_bytes = image_.header_.size;
    snapshot.vm_state_bytes = content.vm_state.size();
    const u64 entries = image_.header_.l1_needed(), with_state = entries + (content.vm_state.size() + covered() - 1) / covered();
    if (image_.refcounts_.most() < 2) return Error{image_.file().path() + ": refcounts of one bit leave no room for snapshots"};
    if (snapshot.name.size() > 0xffff) return Error{image_.file().path() + ": the name of a snapshot has at most 65535 bytes"};
    if (with_state * 8 > Qcow2Header::kMaxL1Bytes) return fail(EFBIG);
    // Counts rise, the flags that say "nobody else has it" go, and only then is there a snapshot.
    std::vector<u64> l1(image_.l1_.begin(), image_.l1_.begin() + static_cast<std::ptrdiff_t>(entries));
    for (u64& entry : l1) entry &= ~Qcow2Image::kCopied;
    if (const int error = refer(l1, 1); error != 0) return fail(error);
    if (const int error = set_flags(); error != 0) return fail(error);
    l1.resize(with_state);
    if (const int error = write_l1(l1, snapshot.l1_offset); error != 0) return fail(error);
    if (content.changes || !content.vm_state.empty()) {
        if (const int error = image_.flush(); error != 0) return fail(error);
        if (const int error = write_aside(l1, snapshot.l1_offset, content); error != 0) return fail(error);
    }
    snapshot.l1_entries = static_cast<u32>(l1.size());
    all_.push_back(std::move(snapshot));
    if (const int error = write_table(); error != 0) return fail(error);
    if (!content.changes) return {};
    if (const int error = set_flags(); error != 0) return fail(error);      // what the snapshot has no more is the image's own again
    if (const int error = image_.flush(); error != 0) return fail(error);
    return {};
}

// Of the disk that the image's l1_ describes, past its end too.
int Qcow2Snapshots::read_aside(u64 at, std::span<u8> out) const {
    while (!out.empty()) {
        const u64 in = at % image_.cluster_;
        const auto part = out.first(std::min<u64>(out.size(), image_.cluster_ - in));
        Qcow2Image::Mapping m;
        int error = image_.lookup(at, m, true);
        if (error != 0) return error;
        if (m.kind == Qcow2Image::Kind::Data) error = image_.file_->read(m.host + in, part);
        else if (m.kind == Qcow2Image::Kind::Compressed) error = image_.read_compressed(m, in, part, true);
        else std::fill(part.begin(), part.end(), u8{0});
        if (error != 0) return error;
        out = out.subspan(part.size());
        at += part.size();
    }
    return 0;
}

Result<void> Qcow2Snapshots::read_state(const std::string& id_or_name, u64 at, std::span<u8> out) const {
    const auto snapshot = get(id_or_name);
    if (!snapshot) return snapshot.error();
    if (at > snapshot->vm_state_bytes || out.size() > snapshot->vm_state_bytes - at)
        return Error{image_.file().path() + ": snapshot " + id_or_name + " has " + std::to_string(snapshot->vm_state_bytes) + " bytes of machine state"};
    std::vector<u64> l1;
    if (const int error = read_l1(*snapshot, l1); error != 0) return fail(error);
    std::swap(image_.l1_, l1);
    const int error = read_aside(disk_entries(image_.header_, snapshot->disk_bytes) * covered() + at, out);
    std::swap(image_.l1_, l1);
    if (error != 0) return fail(error);
    return {};
}

Result<void> Qcow2Snapshots::remove(const std::string& id_or_name) {
    if (auto loaded = load(); !loaded) return loaded;
    const auto at = find(all_, id_or_name);
    if (!at) return at.error();
    const Qcow2Snapshot gone = all_[*at];
    std::vector<u64> l1;
    if (const int error = read_l1(gone, l1); error != 0) return fail(error);
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(*at));
    if (const int error = write_table(); error != 0) return fail(error);
    if (const int error = refer(l1, -1); error != 0) return fail(error);
    for (u64 i = 0; i < u64{gone.l1_entries} * 8; i += image_.cluster_) {
        image_.refcounts_.unguard(gone.l1_offset + i);
        image_.freed_.push_back((gone.l1_offset + i) >> image_.header_.cluster_bits);
    }
    if (const int error = image_.flush(); error != 0) return fail(error);
    if (const int error = set_flags(); error != 0) return fail(error);
    if (const int error = image_.flush(); error != 0) return fail(error);
    return {};
}

Result<void> Qcow2Snapshots::set_flags_by_counts() {
    if (const int error = image_.begin_write(); error != 0) return fail(error);
    if (const int error = set_flags(); error != 0) return fail(error);
    if (const int error = image_.flush(); error != 0) return fail(error);
    return {};
}

// The header has another L1 table from here on.
int Qcow2Snapshots::replace_l1(std::vector<u64> l1, u64 disk_bytes) {
    Qcow2Header& h = image_.header_;
    const u64 old_at = h.l1_offset, old_bytes = u64{h.l1_entries} * 8;
    u64 at = 0;
    if (const int error = write_l1(l1, at); error != 0) return error;
    if (const int error = image_.flush(); error != 0) return error;
    h.l1_offset = at;
    h.l1_entries = static_cast<u32>(l1.size());
    h.size = disk_bytes;
    if (const int error = write_qcow2_fields(*image_.file_, h); error != 0) return error;
    if (const int error = image_.file_->sync(); error != 0) return error;
    image_.l1_ = std::move(l1);
    image_.l1_at_ = at;
    image_.unpacked_ = 0;
    for (u64 i = 0; i < old_bytes; i += image_.cluster_) {
        image_.refcounts_.unguard(old_at + i);
        image_.freed_.push_back((old_at + i) >> h.cluster_bits);
    }
    return 0;
}

Result<void> Qcow2Snapshots::apply(const std::string& id_or_name) {
    if (auto loaded = load(); !loaded) return loaded;
    const auto at = find(all_, id_or_name);
    if (!at) return at.error();
    std::vector<u64> l1;
    if (const int error = read_l1(all_[*at], l1); error != 0) return fail(error);
    const std::vector<u64> old = image_.l1_;
    Qcow2Header sized = image_.header_;
    sized.size = all_[*at].disk_bytes;
    l1.resize(sized.l1_needed());                            // without the machine's state
    if (const int error = refer(l1, 1); error != 0) return fail(error);
    if (const int error = replace_l1(std::move(l1), sized.size); error != 0) return fail(error);
    if (const int error = refer(old, -1); error != 0) return fail(error);
    if (const int error = image_.flush(); error != 0) return fail(error);
    if (const int error = set_flags(); error != 0) return fail(error);
    if (const int error = image_.flush(); error != 0) return fail(error);
    return {};
}

// What is there already behind the disk's end, or in a layer below, is not seen when the disk grows.
int Qcow2Snapshots::write_zeros(u64 from, u64 end) {
    const u64 below = image_.backing_ ? image_.backing_->size() : 0;
    for (u64 at = from; at < end;) {
        const u64 start = at / image_.cluster_ * image_.cluster_, next = std::min(start + image_.cluster_, end);
        if (image_.l1_[at / covered()] == 0 && at >= below) {
            at = (at / covered() + 1) * covered();
            continue;
        }
        Qcow2Image::Mapping m;
        if (const int error = image_.begin_write(); error != 0) return error;
        if (const int error = image_.lookup(at, m, true); error != 0) return error;
        const bool zero = m.kind == Qcow2Image::Kind::Zero || (m.kind == Qcow2Image::Kind::Unallocated && at >= below);
        int error = 0;
        if (!zero && at == start && (image_.header_.version >= 3 || start >= below)) {
            error = image_.set_entry(at, image_.header_.version >= 3 ? Qcow2Image::kZero : 0);
            image_.free_later(m);
        } else if (!zero) {
            error = image_.write(at, std::vector<u8>(next - at));
        }
        if (error != 0) return error;
        at = next;
    }
    return 0;
}

Result<void> Qcow2Snapshots::resize(u64 bytes) {
    if (auto loaded = load(); !loaded) return loaded;
    const u64 was = image_.header_.size, needed = disk_entries(image_.header_, bytes);
    if (needed * 8 > Qcow2Header::kMaxL1Bytes) return Error{image_.file().path() + ": a disk of " + std::to_string(bytes) + " bytes is too large for its clusters"};
    if (needed > image_.l1_.size()) {
        std::vector<u64> l1 = image_.l1_;
        l1.resize(needed);
        if (const int error = replace_l1(std::move(l1), was); error != 0) return fail(error);
    }
    const int error = bytes < was ? image_.discard(bytes, was - bytes) : write_zeros(was, bytes);
    if (error != 0) return fail(error);
    if (const int flushed = image_.flush(); flushed != 0) return fail(flushed);
    image_.header_.size = bytes;
    if (const int written = write_qcow2_fields(*image_.file_, image_.header_); written != 0) return fail(written);
    if (const int flushed = image_.flush(); flushed != 0) return fail(flushed);
    return {};
}

}  // namespace vmm::block
