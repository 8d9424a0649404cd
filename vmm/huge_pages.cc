// SPDX-License-Identifier: Apache-2.0
#include "vmm/huge_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include "vmm/check.h"

namespace vmm {
namespace {

std::size_t rounded(std::size_t bytes) { return (bytes + HugePages::kSize - 1) / HugePages::kSize * HugePages::kSize; }

}  // namespace

void advise_huge_pages(const void* start, std::size_t bytes) {
    // Whole small pages within the range.
    const std::uintptr_t from = (reinterpret_cast<std::uintptr_t>(start) + 4095) & ~std::uintptr_t{4095};
    const std::uintptr_t to = (reinterpret_cast<std::uintptr_t>(start) + bytes) & ~std::uintptr_t{4095};
    if (from < to) (void)madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);   // NOLINT
}

void* HugePages::do_allocate(std::size_t bytes, std::size_t alignment) {
    CHECK(alignment <= kSize, "an alignment beyond huge pages");
    bytes = rounded(std::max<std::size_t>(bytes, 1));
    // One more, for alignment; what is too much goes back.
    void* p = mmap(nullptr, bytes + kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    auto* const begin = static_cast<std::byte*>(p);
    const std::size_t skip = (kSize - reinterpret_cast<std::uintptr_t>(begin) % kSize) % kSize;
    if (skip != 0) munmap(begin, skip);
    munmap(begin + skip + bytes, kSize - skip);
    advise_huge_pages(begin + skip, bytes);
    return begin + skip;
}

void HugePages::do_deallocate(void* p, std::size_t bytes, std::size_t) { munmap(p, rounded(std::max<std::size_t>(bytes, 1))); }

Slab::Slab(std::size_t size) : size_((std::max(size, sizeof(Free)) + 15) / 16 * 16) {}

Slab::~Slab() {
    for (void* chunk : chunks_) huge_.deallocate(chunk, HugePages::kSize);
}

void* Slab::take() {
    if (free_ != nullptr) {
        Free* const f = free_;
        free_ = f->next;
        return f;
    }
    if (used_ + size_ > HugePages::kSize) {
        chunks_.push_back(huge_.allocate(HugePages::kSize));
        used_ = 0;
    }
    void* const p = static_cast<std::byte*>(chunks_.back()) + used_;
    used_ += size_;
    return p;
}

void Slab::give(void* p) {
    free_ = new (p) Free{free_};
}

}  // namespace vmm
