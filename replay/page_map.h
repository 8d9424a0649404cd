// SPDX-License-Identifier: Apache-2.0
// PageMap: the content of all memory at one moment, as a persistent map from store page to page content. Copies of a map cost
// nothing; a changed map shares all that it has in common with the one it was made from, so that going from one checkpoint to
// another looks only at the pages in which two maps differ. Pages of zeros take no room. One thread.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <utility>

#include "vmm/huge_pages.h"
#include "vmm/types.h"

namespace vmm::replay {

// Counted by hand and not for threads: checkpoints hold hundreds of thousands of these.
template <class T>
class Ref {
  public:
    Ref() = default;
    explicit Ref(T* p) : p_(p) { if (p_ != nullptr) ++p_->refs; }
    Ref(const Ref& o) : Ref(o.p_) {}
    Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
    Ref& operator=(Ref o) noexcept {
        std::swap(p_, o.p_);
        return *this;
    }
    ~Ref() {
        if (p_ != nullptr && --p_->refs == 0) T::destroy(p_);
    }
    T* get() const { return p_; }
    T* operator->() const { return p_; }
    T& operator*() const { return *p_; }
    explicit operator bool() const { return p_ != nullptr; }
    bool operator==(const Ref&) const = default;

  private:
    T* p_ = nullptr;
};

class PageMap {
  public:
    // Where the maps of one family have their pages.
    class Room {
      public:
        u64 bytes() const { return bytes_; }              // that they take now

      private:
        friend class PageMap;
        u64 bytes_ = 0;
        Slab pages_{sizeof(Page)}, nodes_{sizeof(Leaf)};
    };
    explicit PageMap(Room& room) : room_(&room) {}

    // Content of a page; null: zeros.
    const u8* page(u32 number) const;
    // Copies kPageSize bytes.
    void set(u32 number, const u8* content);
    // Calls `differs` for every page whose content may differ between the two, in order.
    static void difference(const PageMap& a, const PageMap& b, const std::function<void(u32 number)>& differs);

  private:
    static constexpr unsigned kBits = 6, kFan = 1u << kBits;      // four levels: 2^24 pages
    struct Page {
        explicit Page(Room& r) : room(r) {}                // the content follows
        static Page* make(Room& room, const u8* from);
        static void destroy(Page* page);
        u32 refs = 0;
        Room& room;
        std::array<u8, kPageSize> content;
    };
    // Inner nodes hold nodes, leaves hold pages.
    template <class Below>
    struct Node {
        static Node* make(Room& room, const Node* from);   // null: an empty one
        static void destroy(Node* node);
        u32 refs = 0;
        Room& room;
        std::array<Ref<Below>, kFan> below{};
    };
    using Leaf = Node<Page>;
    using Inner1 = Node<Leaf>;
    using Inner2 = Node<Inner1>;
    using Root = Node<Inner2>;
    template <class N>
    static constexpr unsigned level();
    template <class N>
    Ref<N> with(const Ref<N>& node, u32 number, const Ref<Page>& page);
    template <class N>
    static void difference(const Ref<N>& a, const Ref<N>& b, u32 first, const std::function<void(u32)>& differs);

    Room* room_;
    Ref<Root> root_;
};

}  // namespace vmm::replay
