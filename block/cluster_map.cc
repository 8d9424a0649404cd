// SPDX-License-Identifier: Apache-2.0
#include "block/cluster_map.h"

namespace vmm::block {
namespace {

constexpr u64 kFan = 64;

// One's own copy of what `slot` holds.
template <class T>
T& own(std::shared_ptr<void>& slot) {
    if (!slot) slot = std::make_shared<T>();
    else if (slot.use_count() > 1) slot = std::make_shared<T>(*static_cast<const T*>(slot.get()));
    return *static_cast<T*>(slot.get());
}

}  // namespace

ClusterMap::ClusterMap(u64 clusters) {
    for (u64 room = kFan; room < clusters; room = room > ~u64{0} / kFan ? ~u64{0} : room * kFan) ++levels_;
}

const Cluster* ClusterMap::find(u64 number) const {
    const Slot* slot = &root_;
    for (unsigned level = levels_; *slot && level > 0; --level)
        slot = &static_cast<const Branch*>(slot->get())->slots[number >> (kBits * (level - 1)) & (kFan - 1)];
    return static_cast<const Cluster*>(slot->get());
}

Cluster& ClusterMap::change(u64 number) {
    Slot* slot = &root_;
    for (unsigned level = levels_; level > 0; --level) slot = &own<Branch>(*slot).slots[number >> (kBits * (level - 1)) & (kFan - 1)];
    return own<Cluster>(*slot);
}

void ClusterMap::visit_slot(const Slot& slot, const Slot* older, unsigned level, u64 first, const std::function<void(u64, const Cluster&)>& visit) {
    if (!slot || (older != nullptr && slot == *older)) return;
    if (level == 0) return visit(first, *static_cast<const Cluster*>(slot.get()));
    const auto& branch = *static_cast<const Branch*>(slot.get());
    const auto* other = older != nullptr ? static_cast<const Branch*>(older->get()) : nullptr;
    for (u64 i = 0; i < kFan; ++i) visit_slot(branch.slots[i], other != nullptr ? &other->slots[i] : nullptr, level - 1, first << kBits | i, visit);
}

void ClusterMap::each(const std::function<void(u64, const Cluster&)>& visit) const { visit_slot(root_, nullptr, levels_, 0, visit); }

void ClusterMap::each_since(const ClusterMap& older, const std::function<void(u64, const Cluster&)>& visit) const {
    visit_slot(root_, older.levels_ == levels_ ? &older.root_ : nullptr, levels_, 0, visit);
}

}  // namespace vmm::block
