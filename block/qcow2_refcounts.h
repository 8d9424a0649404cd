// SPDX-License-Identifier: Apache-2.0
// Refcounts of a qcow2 image's clusters, 1 to 64 bits wide, and what is allocated by them.
//
// Nothing here is written on the way but for a table that grows: the image writes blocks and table, in the order that crashes
// ask for (block/qcow2_image.h). Document: qcow2.txt, "Host cluster management".
#pragma once

#include <unordered_set>
#include <vector>

#include "block/qcow2_header.h"
#include "block/qcow2_tables.h"

namespace vmm::block {

u64 load_refcount(std::span<const u8> block, u64 index, unsigned order);
void store_refcount(std::span<u8> block, u64 index, unsigned order, u64 count);
// The fixed fields, over those in the file.
int write_qcow2_fields(ImageFile& file, const Qcow2Header& header);

class Qcow2Refcounts {
  public:
    Qcow2Refcounts(ImageFile& file, Qcow2Header& header);

    int load();                                              // the table
    u64 most() const { return most_; }                       // what fits
    int get(u64 cluster, u64& count);
    int add(u64 cluster, int delta);                         // EIO below zero, ERANGE above what fits
    // Clusters side by side with a count of 1 each: the offset of the first. EIO: the image says that metadata are free.
    int allocate(u64 clusters, u64& offset);
    u64 end() const { return end_; }                         // of the file, with what is allocated and not yet written

    // Clusters with metadata in them, which no data may overwrite.
    void guard(u64 offset, u64 bytes);
    void unguard(u64 offset) { guarded_.erase(offset >> header_.cluster_bits); }
    bool guarded(u64 offset) const { return guarded_.contains(offset >> header_.cluster_bits); }

    bool dirty() const { return blocks_.dirty() || !changed_.empty(); }
    bool crowded() const { return blocks_.crowded(); }
    int write();                                             // blocks, then the table's entries for new ones
    void replaced();                                         // the header has another table: nothing of the old one counts

    const std::vector<u64>& table() const { return table_; }

  private:
    int block_of(u64 cluster, Qcow2Tables::Table*& block);   // null: all zeros
    int find_free(u64 clusters, u64& first);
    int make_block(u64 index, u64 cluster);
    int grow(u64 index);
    int set(u64 cluster, u64 count);
    bool plausible(u64 offset) const;

    ImageFile& file_;
    Qcow2Header& header_;
    const u64 cluster_bytes_, per_block_, most_;
    std::vector<u64> table_;
    std::unordered_set<u64> changed_;                        // entries of the table
    std::unordered_set<u64> guarded_;
    Qcow2Tables blocks_;
    u64 hint_ = 0, end_ = 0;                                 // nothing free below hint_
};

}  // namespace vmm::block
