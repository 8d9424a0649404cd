// SPDX-License-Identifier: Apache-2.0
// CodeCache: translated blocks by key and by page, and their invalidation when their bytes change. Invisible to the guest.
#pragma once

#include <memory_resource>
#include <unordered_map>
#include <vector>

#include "vmm/huge_pages.h"
#include "vmm/memory.h"
#include "vmm/tcg/block_table.h"

namespace vmm::tcg {

class CodeCache {
  public:
    explicit CodeCache(Memory& memory) : memory_(memory) {}

    Block* find(const BlockKey& key) const { return blocks_.find(key); }
    // A block of so many instructions, to be filled in and inserted.
    Block& make(const BlockKey& key, std::size_t insns);
    Block* insert(Block& block);
    static void link(Link& from, Block& to);
    // Bytes of a page were written: blocks die whose own bytes are others now.
    void written(u32 store_page, u32 offset, u32 size);
    // Blocks that may hold the byte at this linear address die.
    void drop_at(u32 linear);
    void clear();
    std::size_t size() const { return blocks_.size(); }
    u64 invalidations() const { return invalidations_; }

  private:
    struct Page {
        u64 lines = 0;
        std::vector<Block*> blocks;
    };
    void invalidate(Block& block);
    void watch(u32 store_page, u64 lines, Block* block);

    Memory& memory_;
    HugePages huge_;
    std::pmr::monotonic_buffer_resource arena_{HugePages::kSize, &huge_};   // of blocks; the dead stay until clear(): one may be running
    BlockTable blocks_;
    std::unordered_map<u32, Page> pages_;
    u64 invalidations_ = 0;
};

}  // namespace vmm::tcg
