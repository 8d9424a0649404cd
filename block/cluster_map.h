// SPDX-License-Identifier: Apache-2.0
// ClusterMap: a persistent map from cluster number to a cluster's bytes. A copy costs nothing and is a version: what is
// written to one copy does not show in another. Parts that no other copy holds are changed in place.
// A tree of 64-fold nodes. One thread changes and copies.
#pragma once

#include <array>
#include <functional>
#include <memory>

#include "block/node.h"

namespace vmm::block {

struct Cluster {
    static constexpr u32 kBytes = 4096, kSectors = kBytes / kSector;
    u8 present = 0;                          // which sectors, bit 0 the first
    u64 hash = 0;                            // kept by the map's user
    std::array<u8, kBytes> data{};
};

class ClusterMap {
  public:
    ClusterMap() = default;
    explicit ClusterMap(u64 clusters);       // numbers below that

    const Cluster* find(u64 number) const;   // null: nothing of it was written
    Cluster& change(u64 number);             // there from now on
    void each(const std::function<void(u64 number, const Cluster&)>& visit) const;   // in ascending order
    // Those of this map that may be others than in an older version of it, in ascending order. Looks only at what the two do not share.
    void each_since(const ClusterMap& older, const std::function<void(u64 number, const Cluster&)>& visit) const;

  private:
    static constexpr unsigned kBits = 6;
    struct Branch;
    using Slot = std::shared_ptr<void>;      // a Branch, or at level 0 a Cluster
    struct Branch {
        std::array<Slot, 1u << kBits> slots;
    };
    // `older`: null, or the slot at the same place of another map.
    static void visit_slot(const Slot& slot, const Slot* older, unsigned level, u64 first, const std::function<void(u64, const Cluster&)>& visit);

    unsigned levels_ = 1;                    // of branches
    Slot root_;
};

}  // namespace vmm::block
