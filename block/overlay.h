// SPDX-License-Identifier: Apache-2.0
// Overlay: what is written stays in memory, on top of a node that stays as it is (snapshot=on, record and replay).
//
// Its content has versions: version() takes one for next to nothing, restore() goes back to it; any number live side by side
// and share what they have in common. content_hash() tells contents apart: it is a function of which sectors were written and
// what they hold. All but answers to reads is for one thread; a read sees what had been submitted before it.
// Missing: a bound on memory; zeroing by discard (a discard does nothing).
#pragma once

#include "block/cluster_map.h"
#include "vmm/archive.h"
#include "block/node.h"

namespace vmm::block {

class Overlay final : public Node {
  public:
    struct Version {
        ClusterMap map{};
        u64 hash = 0;
    };

    explicit Overlay(std::unique_ptr<Node> base);

    u64 size() const override { return base_->size(); }
    bool read_only() const override { return false; }
    void submit(Request request, Done done) override;

    Version version() const { return v_; }
    void restore(const Version& version) { v_ = version; }
    u64 content_hash() const { return v_.hash; }
    // The sectors of `present` become what is in `data` (a whole cluster); other ones of it are the base's. False: there is no such cluster.
    bool set(u64 number, u8 present, const u8* data);
    void serialize(Archive& ar);                 // all of it

  private:
    void read(const Request& request, Done done);
    void write(const Request& request);

    std::unique_ptr<Node> base_;
    Version v_;
};

}  // namespace vmm::block
