// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/code_cache.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>

namespace vmm::tcg {
namespace {

u64 line_mask(u32 offset, u32 size) {
    const u32 first = offset / 64;
    const u32 last = std::min(offset + size - 1, kPageSize - 1) / 64;
    const u64 upto = last == 63 ? ~u64{0} : (u64{1} << (last + 1)) - 1;
    return upto & ~((u64{1} << first) - 1);
}

void patch(Link& link, const u8* target, u32 expect) {
    const auto rel = static_cast<i32>(target - (link.jump + 4));
    std::memcpy(link.jump, &rel, 4);
    if (link.expect != nullptr) std::memcpy(link.expect, &expect, 4);
}

// Whether bytes of the block are others now, of those that were written. Boot loaders keep variables beside their code and write an
// interrupt's number into it again and again, mostly the same.
bool rewritten(const Block& block, const u8* page, u32 offset, u32 size) {
    const u32 start = block.key.offset;
    const u32 from = std::max(start, offset), to = std::min(start + block.bytes, offset + size);
    return from < to && std::memcmp(page + from, block.source.data() + (from - start), to - from) != 0;
}

}  // namespace

void CodeCache::watch(u32 store_page, u64 lines, Block* block) {
    Page& page = pages_[store_page];
    page.lines |= lines;
    page.blocks.push_back(block);
    memory_.set_watch(store_page, kWatchCode);
}

Block& CodeCache::make(const BlockKey& key, std::size_t insns) {
    std::pmr::polymorphic_allocator<> from(&arena_);
    Block& block = *from.new_object<Block>(arena_);
    block.key = key;
    HelperCall* const calls = from.allocate_object<HelperCall>(insns);
    std::uninitialized_default_construct_n(calls, insns);
    block.calls = {calls, insns};
    return block;
}

Block* CodeCache::insert(Block& block) {
    block.lines = line_mask(block.key.offset, block.bytes);
    auto* const source = static_cast<u8*>(arena_.allocate(block.bytes, 1));
    std::memcpy(source, memory_.page(block.key.store_page) + block.key.offset, block.bytes);
    block.source = {source, block.bytes};
    watch(block.key.store_page, block.lines, &block);
    blocks_.insert(block);
    return &block;
}

void CodeCache::link(Link& from, Block& to) {
    from.to = &to;
    to.incoming.push_back(&from);
    patch(from, to.code, to.key.store_page << 1 | 1);
}

void CodeCache::invalidate(Block& block) {
    ++invalidations_;
    block.valid = false;
    // Jump caches may still lead here.
    u8* entry = const_cast<u8*>(block.code);
    const auto rel = static_cast<i32>(block.dead_entry - (entry + 5));
    entry[0] = 0xe9;
    std::memcpy(entry + 1, &rel, 4);
    constexpr i64 kNever = std::numeric_limits<i64>::max();
    std::memcpy(entry - sizeof kNever, &kNever, sizeof kNever);
    for (Link* in : block.incoming) {
        in->to = nullptr;
        patch(*in, in->unlinked, 0);
    }
    block.incoming.clear();
    for (Link& out : block.links) {
        if (out.to == nullptr) continue;
        std::erase(out.to->incoming, &out);
        out.to = nullptr;
    }
    const auto page = pages_.find(block.key.store_page);
    std::erase(page->second.blocks, &block);
    if (page->second.blocks.empty()) {
        pages_.erase(page);
        memory_.clear_watch(block.key.store_page, kWatchCode);
    }
    blocks_.erase(block);
}

void CodeCache::written(u32 store_page, u32 offset, u32 size) {
    const auto it = pages_.find(store_page);
    if (it == pages_.end()) return;
    const u64 mask = line_mask(offset, size);
    if ((it->second.lines & mask) == 0) return;
    std::vector<Block*> hit;
    u64 left = 0;
    for (Block* b : it->second.blocks) {
        if ((b->lines & mask) != 0 && rewritten(*b, memory_.page(store_page), offset, size)) hit.push_back(b);
        else left |= b->lines;
    }
    it->second.lines = left;
    for (Block* b : hit) invalidate(*b);
}

void CodeCache::drop_at(u32 linear) {
    std::vector<Block*> hit;
    blocks_.each([&](Block& block) {
        const u32 into = (linear & (kPageSize - 1)) - block.key.offset;
        const bool flat = (block.key.mode & kModeCsFlat) != 0;
        if (into < block.bytes && (!flat || linear - block.key.eip == into)) hit.push_back(&block);
    });
    for (Block* b : hit) invalidate(*b);
}

void CodeCache::clear() {
    for (const auto& [page, unused] : pages_) memory_.clear_watch(page, kWatchCode);
    pages_.clear();
    blocks_.clear();
    arena_.release();
}

}  // namespace vmm::tcg
