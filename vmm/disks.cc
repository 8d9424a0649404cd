// SPDX-License-Identifier: Apache-2.0
#include "vmm/disks.h"

#include "vmm/check.h"

namespace vmm {

Result<DiskQueue*> Disks::add(const block::ImageConfig& config) {
    if (!io_for(config.aio)) {
        auto made = block::HostIo::create(config.aio);
        if (!made) return Error{made.error().text + "; aio=threads works everywhere"};
        ios_.push_back(std::move(*made));
    }
    block::HostIo* io = io_for(config.aio);
    auto image = block::open_image(*io, config);
    if (!image) return image.error();
    return &add(std::move(*image), config, io);
}

block::HostIo* Disks::io_for(block::Aio aio) const {
    for (const auto& io : ios_)
        if (aio == block::Aio::Auto || io->aio() == aio) return io.get();
    return nullptr;
}

DiskQueue& Disks::add(block::OpenImage image, block::ImageConfig config, block::HostIo* io) {
    queues_.push_back(std::make_unique<DiskQueue>(*this, static_cast<u8>(queues_.size()), std::move(image), std::move(config), io));
    return *queues_.back();
}

Disks::Version Disks::version() const {
    Version version;
    for (const auto& queue : queues_)
        if (queue->overlay() != nullptr) version.overlays.push_back(queue->overlay()->version());
    return version;
}

void Disks::restore(const Version& version) {
    std::size_t i = 0;
    for (const auto& queue : queues_) {
        queue->restart();
        if (queue->overlay() == nullptr) continue;
        CHECK(i < version.overlays.size(), "a version of other disks");
        queue->overlay()->restore(version.overlays[i++]);
    }
}

void Disks::serialize(Archive& ar) {
    for (const auto& queue : queues_) {
        if (queue->overlay() == nullptr) continue;
        const u64 is = queue->overlay()->content_hash();
        u64 hash = is;
        ar.field(queue->config().id, hash);
        if (hash != is) ar.fail();
    }
}

void Disks::serialize_content(Archive& ar) {
    for (const auto& queue : queues_) {
        if (ar.loading()) queue->restart();
        if (queue->overlay() == nullptr) continue;
        ar.enter(queue->config().id);
        queue->overlay()->serialize(ar);
        ar.leave();
    }
}

std::string Disks::trouble() const {
    for (const auto& queue : queues_)
        if (auto text = queue->trouble(); !text.empty()) return text;
    return {};
}

void Disks::try_again() {
    for (const auto& queue : queues_) queue->try_again();
}

}  // namespace vmm
