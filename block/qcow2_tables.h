// SPDX-License-Identifier: Apache-2.0
// A cache of metadata tables, each one cluster: L2 tables, or blocks of refcounts. The least recently used go first, but never
// one that was changed: who changes tables writes them in the order that crashes ask for.
#pragma once

#include <list>
#include <unordered_map>
#include <vector>

#include "block/image_file.h"

namespace vmm::block {

class Qcow2Tables {
  public:
    struct Table {
        u64 offset = 0;
        bool dirty = false;
        std::vector<u8> bytes{};
    };

    Qcow2Tables(ImageFile& file, u64 cluster_bytes, u64 budget);

    // errno, or 0 and the table, which stays where it is until kAtLeast - 1 others were asked for.
    int get(u64 offset, Table*& table, bool may_wait = true);
    Table& make(u64 offset);                                 // new: zeros, to be written
    void drop(u64 offset);                                   // it is no table any more
    void mark(Table& table);                                 // it was changed
    void clear();                                            // forgets all, changed or not
    bool dirty() const { return dirty_ != 0; }
    bool crowded() const { return dirty_ > most_ / 2; }      // it is time to write
    int write_dirty();

    static constexpr std::size_t kAtLeast = 8;

  private:
    void make_room();

    ImageFile& file_;
    const u64 cluster_bytes_;
    const std::size_t most_;
    std::size_t dirty_ = 0;
    std::list<Table> tables_;                                // the last used in front
    std::unordered_map<u64, std::list<Table>::iterator> at_;
};

}  // namespace vmm::block
