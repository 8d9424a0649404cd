// SPDX-License-Identifier: Apache-2.0
// BlockTable: blocks by key. Open addressing, so that a look finds what it wants in one or two lines of the host's cache: it is what
// every jump does that no cache of jumps knows.
#pragma once

#include <vector>

#include "vmm/tcg/block.h"

namespace vmm::tcg {

class BlockTable {
  public:
    Block* find(const BlockKey& key) const {
        const u32 hash = hash_of(key);
        for (std::size_t i = hash & mask(); slots_[i].used; i = (i + 1) & mask())
            if (slots_[i].block != nullptr && slots_[i].hash == hash && slots_[i].block->key == key) return slots_[i].block;
        return nullptr;
    }
    // Its key is not in the table.
    void insert(Block& block) {
        if (2 * (taken_ + 1) > slots_.size()) grow();
        const u32 hash = hash_of(block.key);
        std::size_t i = hash & mask();
        while (slots_[i].block != nullptr) i = (i + 1) & mask();
        if (!slots_[i].used) ++taken_;
        slots_[i] = {&block, hash, true};
        ++size_;
    }
    void erase(const Block& block) {
        for (std::size_t i = hash_of(block.key) & mask(); slots_[i].used; i = (i + 1) & mask()) {
            if (slots_[i].block != &block) continue;
            slots_[i].block = nullptr;                   // those behind it are still found
            --size_;
            return;
        }
    }
    void clear() { *this = {}; }
    std::size_t size() const { return size_; }

    template <class F>
    void each(F&& f) const {
        for (const Slot& slot : slots_)
            if (slot.block != nullptr) f(*slot.block);
    }

  private:
    struct Slot {
        Block* block = nullptr;      // null: none, or none any more
        u32 hash = 0;
        bool used = false;
    };
    std::size_t mask() const { return slots_.size() - 1; }
    static u32 hash_of(const BlockKey& k) {
        u64 h = (u64{k.store_page} << 32 | k.eip) * 0x9e3779b97f4a7c15;
        h ^= u64{k.mode} << 32 | u64{k.offset} << 16;
        h *= 0xd6e8feb86659fd93;
        return static_cast<u32>(h >> 32);
    }
    void grow() {
        std::vector<Slot> old(size_ * 4 > slots_.size() ? slots_.size() * 2 : slots_.size());
        old.swap(slots_);
        taken_ = size_ = 0;
        for (const Slot& slot : old)
            if (slot.block != nullptr) insert(*slot.block);
    }

    std::vector<Slot> slots_ = std::vector<Slot>(1024);
    std::size_t size_ = 0, taken_ = 0;   // taken: with those that are none any more
};

}  // namespace vmm::tcg
