// SPDX-License-Identifier: Apache-2.0
#include "replay/page_map.h"

#include <cstring>
#include <new>
#include <type_traits>

namespace vmm::replay {

PageMap::Page* PageMap::Page::make(Room& room, const u8* from) {
    room.bytes_ += sizeof(Page);
    auto* const page = new (room.pages_.take()) Page(room);
    std::memcpy(page->content.data(), from, kPageSize);
    return page;
}

void PageMap::Page::destroy(Page* page) {
    Room& room = page->room;
    room.bytes_ -= sizeof(Page);
    room.pages_.give(page);
}

template <class Below>
PageMap::Node<Below>* PageMap::Node<Below>::make(Room& room, const Node* from) {
    static_assert(sizeof(Node) == sizeof(Leaf));
    room.bytes_ += sizeof(Node);
    auto* const node = new (room.nodes_.take()) Node{0, room, {}};
    if (from != nullptr) node->below = from->below;
    return node;
}

template <class Below>
void PageMap::Node<Below>::destroy(Node* node) {
    Room& room = node->room;
    node->~Node();
    room.bytes_ -= sizeof(Node);
    room.nodes_.give(node);
}

template <class N>
constexpr unsigned PageMap::level() {
    if constexpr (std::is_same_v<N, Page>) return 0;
    else return 1 + level<std::remove_reference_t<decltype(*std::declval<N>().below[0])>>();
}

const u8* PageMap::page(u32 number) const {
    const auto at = [number](unsigned l) { return number >> (kBits * l) & (kFan - 1); };
    if (!root_) return nullptr;
    const auto& two = root_->below[at(3)];
    if (!two) return nullptr;
    const auto& one = two->below[at(2)];
    if (!one) return nullptr;
    const auto& leaf = one->below[at(1)];
    if (!leaf) return nullptr;
    const auto& page = leaf->below[at(0)];
    return page ? page->content.data() : nullptr;
}

template <class N>
Ref<N> PageMap::with(const Ref<N>& node, u32 number, const Ref<Page>& page) {
    if constexpr (std::is_same_v<N, Page>) {
        return page;
    } else {
        constexpr unsigned shift = kBits * (level<N>() - 1);
        // A node that no other map shares is changed in place.
        Ref<N> out = node && node->refs == 1 ? node : Ref<N>(N::make(*room_, node.get()));
        auto& slot = out->below[number >> shift & (kFan - 1)];
        slot = with(slot, number, page);
        return out;
    }
}

void PageMap::set(u32 number, const u8* content) {
    static constexpr u8 kZero[kPageSize] = {};
    const u8* before = this->page(number);
    if (std::memcmp(content, before != nullptr ? before : kZero, kPageSize) == 0) return;
    Ref<Page> page;
    if (std::memcmp(content, kZero, kPageSize) != 0) page = Ref<Page>(Page::make(*room_, content));
    root_ = with(root_, number, page);
}

template <class N>
void PageMap::difference(const Ref<N>& a, const Ref<N>& b, u32 first, const std::function<void(u32)>& differs) {
    if (a == b) return;
    if constexpr (std::is_same_v<N, Page>) {
        differs(first);
    } else {
        constexpr unsigned shift = kBits * (level<N>() - 1);
        const std::remove_reference_t<decltype(a->below[0])> none{};
        for (u32 i = 0; i < kFan; ++i) difference(a ? a->below[i] : none, b ? b->below[i] : none, first + (i << shift), differs);
    }
}

void PageMap::difference(const PageMap& a, const PageMap& b, const std::function<void(u32)>& differs) {
    difference(a.root_, b.root_, 0, differs);
}

}  // namespace vmm::replay
