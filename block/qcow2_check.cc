// SPDX-License-Identifier: Apache-2.0
#include "block/qcow2_check.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "block/qcow2_snapshot.h"

namespace vmm::block {
namespace {

constexpr std::size_t kMostMessages = 50;
constexpr u64 kMostSnapshotEntries = u64{1} << 24;           // L1 entries of all snapshots together
constexpr u64 kMostBitmapEntries = u64{1} << 24;

}  // namespace

void Qcow2Checker::say(u64& kind, const std::string& text) {
    ++kind;
    if (result_.messages.size() < kMostMessages) result_.messages.push_back((&kind == &result_.leaks ? "Leaked " : "ERROR ") + text);
}

void Qcow2Checker::forget() {
    result_ = {};
    pages_.clear();
    tables_.clear();
    order_.clear();
}

u32 Qcow2Checker::counted(u64 cluster) const {
    const auto page = pages_.find(cluster / kPage);
    return page == pages_.end() ? 0 : page->second[cluster % kPage];
}

void Qcow2Checker::count(u64 offset, u64 bytes, const char* what, u32 times) {
    const unsigned bits = image_.header_.cluster_bits;
    if (bytes == 0) return;
    if (offset >= image_.end() || bytes > image_.end() - offset) return say(result_.corruptions, std::string(what) + " at offset " + std::to_string(offset) + " is outside of the file");
    for (u64 cluster = offset >> bits; cluster <= (offset + bytes - 1) >> bits; ++cluster) {
        auto& page = pages_[cluster / kPage];
        page.resize(kPage);
        u32& counted = page[cluster % kPage];
        counted = counted > ~times ? ~u32{0} : counted + times;
        result_.end = std::max(result_.end, (cluster + 1) << bits);
    }
}

void Qcow2Checker::refer(const std::vector<u64>& l1, bool active) {
    for (const u64 entry : l1) {
        const u64 offset = entry & Qcow2Image::kOffset;
        if (offset == 0) continue;
        if (!image_.inside(offset)) {
            say(result_.corruptions, "L2 table at offset " + std::to_string(offset) + " is outside of the file, or not at a cluster's start");
            continue;
        }
        Table& table = tables_[offset];
        if (table.times == 0) order_.push_back(offset);
        ++table.times;
        table.active = table.active || active;
    }
}

// Each table once, however many refer to it: the time is in proportion to the file.
void Qcow2Checker::count_tables() {
    u64 next = 0;
    for (const u64 offset : order_) {
        const Table table = tables_[offset];
        count(offset, image_.cluster_, "L2 table", table.times);
        Qcow2Tables::Table* l2 = nullptr;
        if (image_.l2_.get(offset, l2) != 0) {
            say(result_.corruptions, "L2 table at offset " + std::to_string(offset) + " cannot be read");
            continue;
        }
        for (u64 i = 0; i < image_.header_.l2_entries(); ++i) {
            Qcow2Image::Mapping m;
            if (image_.mapping_of(load_be(l2->bytes, i * 8, 8), m) != 0) {
                say(result_.corruptions, "L2 entry " + std::to_string(i) + " of the table at offset " + std::to_string(offset) + " makes no sense");
                continue;
            }
            if (m.host == 0) continue;
            const bool packed = m.kind == Qcow2Image::Kind::Compressed;
            count(m.host, packed ? std::min(m.bytes, image_.end() - m.host) : image_.cluster_, "a cluster", table.times);
            if (!table.active) continue;
            ++result_.allocated;
            result_.compressed += packed;
            result_.fragmented += packed || (next != 0 && m.host != next);
            next = packed ? 0 : m.host + image_.cluster_;
        }
    }
}

void Qcow2Checker::count_bitmaps() {
    const auto& b = image_.header_.bitmaps;
    const ImageFile& file = image_.file();
    if (b.count == 0 || (image_.header_.autoclear & Qcow2Header::kBitmaps) == 0) return;
    if (b.directory_bytes > (64u << 20) || b.directory_offset > file.size() || b.directory_bytes > file.size() - b.directory_offset)
        return say(result_.corruptions, "the directory of bitmaps is outside of the file");
    std::vector<u8> directory(b.directory_bytes);
    if (file.read(b.directory_offset, directory) != 0) return say(result_.corruptions, "the directory of bitmaps cannot be read");
    count(b.directory_offset, b.directory_bytes, "the directory of bitmaps");
    u64 at = 0, all = 0;
    for (u32 i = 0; i < b.count && at + 24 <= directory.size(); ++i) {
        const u64 table = load_be(directory, at, 8), entries = load_be(directory, at + 8, 4);
        at += (24 + load_be(directory, at + 18, 2) + load_be(directory, at + 20, 4) + 7) / 8 * 8;
        if ((all += entries) > kMostBitmapEntries) return say(result_.corruptions, "the bitmaps have too many tables");
        count(table, entries * 8, "a bitmap's table");
        if (table > file.size() || entries * 8 > file.size() - table) continue;
        std::vector<u8> bytes(entries * 8);
        if (file.read(table, bytes) != 0) continue;
        for (u64 e = 0; e < entries; ++e)
            if (const u64 offset = load_be(bytes, e * 8, 8) & Qcow2Image::kOffset; offset != 0) count(offset, image_.cluster_, "a bitmap's cluster");
    }
}

Result<void> Qcow2Checker::count_all(bool refcounts_too) {
    const Qcow2Header& h = image_.header_;
    count(0, image_.cluster_, "the header");
    count(h.l1_offset, u64{h.l1_entries} * 8, "the L1 table");
    refer(image_.l1_, true);
    u64 table_bytes = 0;
    const auto snapshots = read_snapshots(image_.file(), h, &table_bytes);
    if (!snapshots) return snapshots.error();
    if (h.snapshots != 0) count(h.snapshots_offset, table_bytes, "the snapshot table");
    u64 entries = 0;
    for (const auto& s : *snapshots) {
        if ((entries += s.l1_entries) > kMostSnapshotEntries) return Error{image_.file().path() + ": its snapshots have too many tables to check"};
        std::vector<u8> bytes(u64{s.l1_entries} * 8);
        if (const int error = image_.file().read(s.l1_offset, bytes); error != 0) return Error{image_.file().path() + ": " + std::strerror(error)};
        count(s.l1_offset, bytes.size(), "a snapshot's L1 table");
        std::vector<u64> l1(s.l1_entries);
        for (std::size_t i = 0; i < l1.size(); ++i) l1[i] = load_be(bytes, i * 8, 8);
        refer(l1, false);
    }
    count_tables();
    count_bitmaps();
    if (!refcounts_too) return {};
    count(h.refcount_table_offset, h.refcount_table_clusters * image_.cluster_, "the refcount table");
    for (const u64 entry : image_.refcounts_.table())
        if (entry != 0) count(entry, image_.cluster_, "a refcount block");
    return {};
}

void Qcow2Checker::check_flags() {
    const unsigned bits = image_.header_.cluster_bits;
    const auto flag = [&](u64 entry, const char* what) {
        u64 refcount = 0;
        const u64 offset = entry & Qcow2Image::kOffset;
        if (offset == 0 || !image_.inside(offset) || image_.refcounts_.get(offset >> bits, refcount) != 0) return;
        if ((refcount == 1) != ((entry & Qcow2Image::kCopied) != 0))
            say(result_.corruptions, "OFLAG_COPIED " + std::string(what) + " cluster at offset " + std::to_string(offset) + ": refcount is " + std::to_string(refcount));
    };
    std::set<u64> seen;
    for (const u64 entry : image_.l1_) {
        const u64 offset = entry & Qcow2Image::kOffset;
        Qcow2Tables::Table* l2 = nullptr;
        if (offset == 0 || !image_.inside(offset)) continue;
        flag(entry, "L2");
        if (!seen.insert(offset).second || image_.l2_.get(offset, l2) != 0) continue;
        for (u64 i = 0; i < image_.header_.l2_entries(); ++i)
            if (const u64 e = load_be(l2->bytes, i * 8, 8); (e & Qcow2Image::kCompressed) == 0) flag(e, "data");
    }
}

Result<CheckResult> Qcow2Checker::check() {
    Qcow2Header& h = image_.header_;
    if (image_.read_only() && image_.refcounts_.table().empty())
        if (const int error = image_.refcounts_.load(); error != 0) return Error{image_.file().path() + ": " + std::strerror(error)};
    forget();
    result_.total = (h.size + image_.cluster_ - 1) / image_.cluster_;
    if (auto all = count_all(true); !all) return all.error();
    const u64 per_block = h.refcounts_per_block();
    u64 clusters = image_.refcounts_.table().size() * per_block;                // behind that, and behind what was counted, there is nothing
    for (const auto& [page, counts] : pages_) clusters = std::max(clusters, (page + 1) * kPage);
    clusters = std::min(clusters, image_.end() / image_.cluster_);
    for (u64 cluster = 0; cluster < clusters; ++cluster) {
        const u64 index = cluster / per_block, last = (cluster + kPage - 1) / per_block;
        if (cluster % kPage == 0 && !pages_.contains(cluster / kPage)) {
            const auto& table = image_.refcounts_.table();
            bool none = true;
            for (u64 i = index; i <= last && i < table.size() && none; ++i) none = table[i] == 0;
            if (none) {
                cluster += kPage - 1;
                continue;
            }
        }
        u64 refcount = 0;
        const u64 references = counted(cluster);
        if (image_.refcounts_.get(cluster, refcount) != 0) {
            say(result_.corruptions, "refcount block " + std::to_string(index) + " cannot be read");
            cluster = (index + 1) * per_block - 1;
            continue;
        }
        if (refcount == references) continue;
        const std::string text = "cluster " + std::to_string(cluster) + " refcount=" + std::to_string(refcount) + " reference=" + std::to_string(references);
        say(refcount > references ? result_.leaks : result_.corruptions, text);
        if (refcount > references) result_.end = std::max(result_.end, (cluster + 1) * image_.cluster_);
    }
    check_flags();
    return result_;
}

// Behind all there is, so that nothing in use is written over; the header's one sector is the moment it counts.
Result<void> Qcow2Checker::rebuild() {
    Qcow2Header& h = image_.header_;
    const auto fail = [this](int error) { return Error{image_.file().path() + ": its refcounts cannot be built anew: " + std::strerror(error)}; };
    forget();
    if (image_.begun_)
        if (const int error = image_.flush(); error != 0) return fail(error);
    h.autoclear = 0;
    if (auto all = count_all(false); !all) return all.error();
    const u64 per_block = h.refcounts_per_block(), start = image_.end() / image_.cluster_;
    u64 most = 0;
    std::set<u64> indices;
    for (const auto& [page, counts] : pages_)
        for (u64 i = 0; i < kPage; ++i)
            if (counts[i] != 0) {
                indices.insert((page * kPage + i) / per_block);
                most = std::max<u64>(most, counts[i]);
            }
    if (most > image_.refcounts_.most()) return Error{image_.file().path() + ": a cluster has more references than its refcounts can say"};
    u64 table_clusters = 0, clusters = 0;
    for (;;) {                                               // until the new ones are counted as well
        table_clusters = ((*indices.rbegin() + 1) * 8 + image_.cluster_ - 1) / image_.cluster_;
        clusters = table_clusters + indices.size();
        const auto before = indices.size();
        for (u64 i = start / per_block; i <= (start + clusters) / per_block; ++i) indices.insert(i);
        if (indices.size() == before) break;
    }
    if (table_clusters * image_.cluster_ > Qcow2Header::kMaxRefcountTableBytes) return fail(EFBIG);
    std::vector<u8> table(table_clusters * image_.cluster_);
    u64 at = start + table_clusters;
    for (const u64 index : indices) {
        std::vector<u8> block(image_.cluster_);
        for (u64 i = 0; i < per_block; ++i) {
            const u64 cluster = index * per_block + i;
            const u64 references = counted(cluster) + (cluster >= start && cluster < start + clusters ? 1 : 0);
            if (references != 0) store_refcount(block, i, h.refcount_order, references);
        }
        if (const int error = image_.file_->write(at * image_.cluster_, block); error != 0) return fail(error);
        store_be(table, index * 8, at * image_.cluster_, 8);
        ++at;
    }
    if (const int error = image_.file_->write(start * image_.cluster_, table); error != 0) return fail(error);
    if (const int error = image_.file_->sync(); error != 0) return fail(error);
    h.refcount_table_offset = start * image_.cluster_;
    h.refcount_table_clusters = static_cast<u32>(table_clusters);
    h.incompatible &= ~Qcow2Header::kDirty;
    if (result_.corruptions == 0) h.incompatible &= ~Qcow2Header::kCorrupt;
    if (const int error = write_qcow2_fields(*image_.file_, h); error != 0) return fail(error);
    if (const int error = image_.file_->sync(); error != 0) return fail(error);
    image_.refcounts_.replaced();
    image_.begun_ = false;
    if (const int error = image_.refcounts_.load(); error != 0) return fail(error);
    if (result_.corruptions != 0) return Error{image_.file().path() + " is damaged: " + result_.messages.front()};
    Qcow2Snapshots flags(image_);
    return flags.set_flags_by_counts();
}

Result<void> repair_refcounts(Qcow2Image& image) { return Qcow2Checker(image).rebuild(); }

}  // namespace vmm::block
