// SPDX-License-Identifier: Apache-2.0
#include "block/overlay.h"

#include <algorithm>
#include <cstring>

namespace vmm::block {
namespace {

u64 clusters_of(const Node& node) { return (node.size() + Cluster::kBytes - 1) / Cluster::kBytes; }

// A term of the sum that content_hash() is.
u64 hash_of(u64 number, const Cluster& cluster) {
    u64 h = hash_bytes(cluster.data) ^ (number << 8 | cluster.present) * 0x9e37'79b9'7f4a'7c15;
    h = (h ^ h >> 32) * 0xd6e8'feb8'6659'fd93;
    return h ^ h >> 32;
}

}  // namespace

Overlay::Overlay(std::unique_ptr<Node> base) : base_(std::move(base)), v_{ClusterMap(clusters_of(*base_)), 0} {}

void Overlay::submit(Request request, Done done) {
    if (const int error = refused(request); error != 0) return done({error, {}});
    switch (request.op) {
        case Op::Read: return read(request, std::move(done));
        case Op::Write: write(request); break;
        case Op::Flush:
        case Op::Discard: break;
    }
    done({});
}

void Overlay::write(const Request& request) {
    const u64 first = request.offset / kSector, end = first + request.data.size() / kSector;
    for (u64 sector = first; sector < end;) {
        const u64 number = sector / Cluster::kSectors, in = sector % Cluster::kSectors;
        const u64 count = std::min(end - sector, Cluster::kSectors - in);
        Cluster& cluster = v_.map.change(number);
        cluster.present = static_cast<u8>(cluster.present | ((1u << count) - 1) << in);
        std::memcpy(cluster.data.data() + in * kSector, request.data.data() + (sector - first) * kSector, count * kSector);
        v_.hash -= cluster.hash;
        cluster.hash = hash_of(number, cluster);
        v_.hash += cluster.hash;
        sector += count;
    }
}

// What is here is copied now; the base is asked for the stretch from the first to the last sector that is not here.
void Overlay::read(const Request& request, Done done) {
    std::vector<u8> out(request.length);
    std::vector<bool> here(request.length / kSector);
    const u64 count = here.size(), first_sector = request.offset / kSector;
    u64 first = count, last = 0;
    for (u64 i = 0; i < count; ++i) {
        const u64 sector = first_sector + i, in = sector % Cluster::kSectors;
        const Cluster* cluster = v_.map.find(sector / Cluster::kSectors);
        here[i] = cluster != nullptr && (cluster->present >> in & 1) != 0;
        if (here[i]) {
            std::memcpy(out.data() + i * kSector, cluster->data.data() + in * kSector, kSector);
            continue;
        }
        first = std::min(first, i);
        last = i + 1;
    }
    if (first == count) return done({0, std::move(out)});
    base_->submit({Op::Read, request.offset + first * kSector, (last - first) * kSector, {}},
                  [first, last, out = std::move(out), here = std::move(here), done = std::move(done)](Reply reply) mutable {
                      if (reply.error != 0) return done(std::move(reply));
                      for (u64 i = first; i < last; ++i)
                          if (!here[i]) std::memcpy(out.data() + i * kSector, reply.data.data() + (i - first) * kSector, kSector);
                      done({0, std::move(out)});
                  });
}

bool Overlay::set(u64 number, u8 present, const u8* data) {
    if (number >= clusters_of(*base_) || present == 0) return false;
    Cluster& cluster = v_.map.change(number);
    cluster.present = present;
    std::memcpy(cluster.data.data(), data, Cluster::kBytes);
    v_.hash -= cluster.hash;
    cluster.hash = hash_of(number, cluster);
    v_.hash += cluster.hash;
    return true;
}

void Overlay::serialize(Archive& ar) {
    u64 count = 0;
    v_.map.each([&count](u64, const Cluster&) { ++count; });
    ar.field("clusters", count);
    if (!ar.loading()) {
        v_.map.each([&ar](u64 number, const Cluster& c) {
            Cluster cluster = c;
            ar.field("number", number);
            ar.field("present", cluster.present);
            ar.field("data", cluster.data);
        });
        return;
    }
    v_ = {ClusterMap(clusters_of(*base_)), 0};
    for (u64 i = 0; i < count && !ar.failed(); ++i) {
        u64 number = 0;
        Cluster cluster;
        ar.field("number", number);
        ar.field("present", cluster.present);
        ar.field("data", cluster.data);
        if (ar.failed() || v_.map.find(number) != nullptr || !set(number, cluster.present, cluster.data.data())) return ar.fail();
    }
}

}  // namespace vmm::block
