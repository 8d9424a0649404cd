// SPDX-License-Identifier: Apache-2.0
// Host memory that is taken in large pieces. A page fault can cost a host several microseconds, and translated code, checkpoints and
// guest memory are tens of thousands of pages that are all used.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <vector>

namespace vmm {

// Asks the host to back [start, start + bytes) with huge pages where it can. A hint.
void advise_huge_pages(const void* start, std::size_t bytes);

// Gives out whole multiples of 2 MiB, aligned. One thread.
class HugePages final : public std::pmr::memory_resource {
  public:
    static constexpr std::size_t kSize = 2u << 20;

  private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override;
    void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override;
    bool do_is_equal(const std::pmr::memory_resource& o) const noexcept override { return this == &o; }
};

// Pieces of one size, aligned to 16 bytes. What is given back is used again, and stays taken until the end. One thread.
class Slab {
  public:
    explicit Slab(std::size_t size);
    ~Slab();
    Slab(const Slab&) = delete;
    Slab& operator=(const Slab&) = delete;

    void* take();
    void give(void* p);

  private:
    struct Free { Free* next; };

    const std::size_t size_;
    HugePages huge_;
    std::vector<void*> chunks_;
    std::size_t used_ = HugePages::kSize;   // of the last chunk
    Free* free_ = nullptr;
};

}  // namespace vmm
