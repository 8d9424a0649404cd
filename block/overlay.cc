// SPDX-License-Identifier: Apache-2.0
#include "block/overlay.h"

#include <cstring>

namespace vmm::block {

Overlay::Overlay(std::unique_ptr<Node> base) : base_(std::move(base)), map_((base_->size() + Cluster::kBytes - 1) / Cluster::kBytes) {}

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
    for (u64 i = 0; i < request.data.size() / kSector; ++i) {
        const u64 sector = request.offset / kSector + i;
        Cluster& cluster = map_.change(sector / Cluster::kSectors);
        const u64 in = sector % Cluster::kSectors;
        cluster.present = static_cast<u8>(cluster.present | 1u << in);
        std::memcpy(cluster.data.data() + in * kSector, request.data.data() + i * kSector, kSector);
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
        const Cluster* cluster = map_.find(sector / Cluster::kSectors);
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

}  // namespace vmm::block
