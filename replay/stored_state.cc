// SPDX-License-Identifier: Apache-2.0
#include "replay/stored_state.h"

#include <algorithm>

namespace vmm::replay {
namespace {

constexpr std::size_t kChunkBytes = 1u << 20;

std::vector<u64> page_hashes(Machine& machine) {
    (void)machine.memory().content_hash();
    const auto hashes = machine.memory().page_hashes();
    return {hashes.begin(), hashes.end()};
}

}  // namespace

bool of_checkpoints(ChunkType type) {
    return type == ChunkType::Pages || type == ChunkType::Clusters || type == ChunkType::Checkpoint || type == ChunkType::DiskCheckpoint;
}

StateWriter::StateWriter(Machine& machine, Machine& at_power_on)
    : machine_(machine), at_power_on_(page_hashes(at_power_on)), disks_at_power_on_(at_power_on.disks().version()), last_(at_power_on_), last_disks_(disks_at_power_on_) {}

void StateWriter::put_pages(Icount at, const std::vector<u64>& now, const std::vector<u64>& base, const std::function<void(ChunkType, std::string)>& put) {
    std::string pages = begin_pages(at);
    const std::size_t empty = pages.size();
    const auto finish = [&] {
        if (pages.size() > empty) put(ChunkType::Pages, std::exchange(pages, begin_pages(at)));
    };
    for (u32 p = 0; p < now.size(); ++p) {
        if (now[p] == base[p]) continue;
        add_page(pages, p, machine_.memory().page(p));
        if (pages.size() > kChunkBytes) finish();
    }
    finish();
}

void StateWriter::put_clusters(Icount at, const Disks::Version& base, const std::function<void(ChunkType, std::string)>& put) {
    std::size_t n = 0;
    for (const auto& queue : machine_.disks().queues()) {
        if (queue->overlay() == nullptr) continue;
        const block::ClusterMap& older = base.overlays[n++].map;
        std::string clusters = begin_clusters(at, queue->number());
        const std::size_t empty = clusters.size();
        const auto finish = [&] {
            if (clusters.size() > empty) put(ChunkType::Clusters, std::exchange(clusters, begin_clusters(at, queue->number())));
        };
        queue->overlay()->version().map.each_since(older, [&](u64 number, const block::Cluster& cluster) {
            if (const block::Cluster* was = older.find(number); was != nullptr && was->hash == cluster.hash) return;
            add_cluster(clusters, number, cluster.present, cluster.data);
            if (clusters.size() > kChunkBytes) finish();
        });
        finish();
    }
}

void StateWriter::take(const std::function<void(ChunkType type, std::string payload)>& put, bool whole) {
    const Icount at = machine_.icount();
    whole |= count_++ % kWhole == 0;
    if (whole) last_at_.v = CheckpointState::kPowerOn;
    std::vector<u64> now = page_hashes(machine_);
    put_pages(at, now, whole ? at_power_on_ : last_, put);
    put_clusters(at, whole ? disks_at_power_on_ : last_disks_, put);
    SaveArchive ar;
    machine_.serialize(ar);
    const auto state = ar.take();
    last_ = std::move(now);
    last_disks_ = machine_.disks().version();
    put(last_disks_.overlays.empty() ? ChunkType::Checkpoint : ChunkType::DiskCheckpoint,
        encode(CheckpointState{at, last_at_, machine_.state_hash(), {state.begin(), state.end()}}));
    last_at_ = at;
}

Result<void> restore_stored(const Recording& recording, std::size_t n, Machine& machine) {
    const StoredCheckpoint& wanted = recording.checkpoints[n];
    const Error bad{"the checkpoint at icount " + std::to_string(wanted.at.v) + " is damaged, or of another machine"};
    std::vector<const StoredCheckpoint*> chain;
    for (const StoredCheckpoint* c = &wanted; c != nullptr;) {
        chain.push_back(c);
        const auto base = std::find_if(recording.checkpoints.begin(), recording.checkpoints.end(), [c](const auto& other) { return other.at == c->base; });
        if (base == recording.checkpoints.end() && c->base.v != CheckpointState::kPowerOn) return bad;
        c = base == recording.checkpoints.end() ? nullptr : &*base;
    }
    Memory& memory = machine.memory();
    // restore_page() wants clean pages; whoever follows the changes of this machine is to hear of all of them afterwards.
    std::vector<u32> changed = memory.take_changed();
    const auto restore = [&](u32 page, const u8* content) {
        if (page >= memory.store_pages()) return false;
        memory.restore_page(page, content);
        changed.push_back(page);
        return true;
    };
    const auto restore_cluster = [&machine](u8 disk, u64 number, u8 present, const u8* content) {
        const auto& queues = machine.disks().queues();
        return disk < queues.size() && queues[disk]->overlay() != nullptr && queues[disk]->overlay()->set(number, present, content);
    };
    for (auto c = chain.rbegin(); c != chain.rend(); ++c) {
        for (const Packed& chunk : (*c)->pages) {
            const auto payload = unpack(recording, chunk);
            if (!payload) return bad;
            const bool clusters = ChunkType{chunk.frame.type} == ChunkType::Clusters;
            if (clusters ? !decode_clusters(*payload, (*c)->at, restore_cluster) : !decode_pages(*payload, (*c)->at, restore)) return bad;
        }
    }
    for (const u32 page : changed) memory.mark_dirty(page);
    const auto payload = unpack(recording, wanted.state);
    const auto state = payload ? decode_checkpoint(*payload) : std::nullopt;
    if (!state || !machine.load_state({reinterpret_cast<const u8*>(state->state.data()), state->state.size()})) return bad;
    if (machine.icount() != wanted.at || machine.state_hash() != wanted.hash) return bad;
    return {};
}

Result<void> enter_beginning(const Recording& recording, Machine& machine) {
    return recording.header.begins.v != 0 ? restore_stored(recording, 0, machine) : Result<void>{};
}

std::optional<std::size_t> checkpoint_before(const Recording& recording, Icount position) {
    const auto& all = recording.checkpoints;
    const auto after = std::upper_bound(all.begin(), all.end(), position, [](Icount p, const auto& c) { return p < c.at; });
    if (after == all.begin()) return std::nullopt;
    return static_cast<std::size_t>(after - all.begin()) - 1;
}

}  // namespace vmm::replay
