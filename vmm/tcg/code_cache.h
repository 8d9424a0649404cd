// SPDX-License-Identifier: Apache-2.0
// CodeCache: translated blocks by key and by page, and their invalidation when their bytes change. Invisible to the guest.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "vmm/memory.h"
#include "vmm/tcg/block.h"

namespace vmm::tcg {

class CodeCache {
  public:
    explicit CodeCache(Memory& memory) : memory_(memory) {}

    Block* find(const BlockKey& key) const;
    Block* insert(std::unique_ptr<Block> block);
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
    std::unordered_map<BlockKey, std::unique_ptr<Block>, BlockKeyHash> blocks_;
    std::unordered_map<u32, Page> pages_;
    std::vector<std::unique_ptr<Block>> dead_;   // kept until clear(): one of them may be running
    u64 invalidations_ = 0;
};

}  // namespace vmm::tcg
