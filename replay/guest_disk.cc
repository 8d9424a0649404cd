// SPDX-License-Identifier: Apache-2.0
#include "replay/guest_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "block/layer.h"
#include "block/overlay.h"
#include "replay/open_file.h"
#include "vmm/disks.h"

namespace vmm::replay {
namespace {

constexpr std::size_t kPiece = 1u << 20;

bool write_at(int fd, std::span<const u8> bytes, u64 at) {
    while (!bytes.empty()) {
        const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        at += static_cast<u64>(n);
    }
    return true;
}

// Holes, and what is as good as one, stay holes.
Result<void> copy_image(const block::ImageConfig& image, int out, const std::string& to) {
    const auto disk = block::open_layer(image.file, image.format, {.lock = false});
    if (!disk) return disk.error();
    std::vector<u8> piece(kPiece);
    for (u64 at = 0; at < (*disk)->size();) {
        u64 length = (*disk)->size() - at;
        if ((*disk)->zeros(at, length)) {
            at += std::max<u64>(length, 1);
            continue;
        }
        const auto bytes = std::span(piece).first(std::min<u64>({length, piece.size()}));
        if (const int error = (*disk)->read(at, bytes, true); error != 0) return Error{"cannot read " + image.file + ": " + std::strerror(error)};
        if (std::any_of(bytes.begin(), bytes.end(), [](u8 b) { return b != 0; }) && !write_at(out, bytes, at))
            return Error{"cannot write " + to + ": " + std::strerror(errno)};
        at += bytes.size();
    }
    return {};
}

bool write_overlay(const block::Overlay& overlay, int out) {
    bool good = true;
    const auto version = overlay.version();
    version.map.each([&](u64 number, const block::Cluster& cluster) {
        for (u32 i = 0; i < block::Cluster::kSectors && good; ++i)
            if ((cluster.present >> i & 1) != 0)
                good = write_at(out, std::span(cluster.data).subspan(std::size_t{i} * block::kSector, block::kSector),
                                number * block::Cluster::kBytes + u64{i} * block::kSector);
    });
    return good;
}

// Brings it there; what keeps it from that.
Result<void> bring(Execution& run, std::optional<Icount> at, bool& differs) {
    const Icount end = run.replayer().end_position();
    if (at && *at > end) return Error{"--at " + std::to_string(at->v) + ": the recording ends at icount " + std::to_string(end.v)};
    if (!at || *at == end) {
        run.run();
    } else {
        run.run_to(*at);
        run.settle();
    }
    differs = run.replayer().outcome() == Replayer::Outcome::Different;
    if (differs) return Error{run.replayer().report()};
    return {};
}

}  // namespace

Result<void> write_guest_disk(const Recording& recording, const MachineConfig& config, std::optional<Icount> at, const std::string& id, const std::string& to,
                              bool& differs) {
    differs = false;
    if (to.ends_with(".qcow2")) return Error{to + ": raw images only; 'qemu-img convert -O qcow2' makes a qcow2 file of one"};
    std::string ids;
    const block::ImageConfig* image = nullptr;
    unsigned count = 0;
    for (const auto& one : config.images) {
        if (one.read_only) continue;
        ids += (ids.empty() ? "" : ", ") + one.id;
        ++count;
        if (id.empty() || one.id == id) image = &one;
    }
    if (count == 0) return Error{"the recorded machine has no disk that it can write"};
    if (image == nullptr) return Error{"--image " + id + ": the disks that the recorded machine can write are " + ids};
    if (id.empty() && count > 1) return Error{"--image ID says which disk; there are " + ids};

    const OpenFile out(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (out.fd() < 0) return errno == EEXIST ? Error{to + ": is there already; not overwritten"} : Error{"cannot make " + to + ": " + std::strerror(errno)};
    const auto write = [&]() -> Result<void> {
        auto run = Execution::create(recording, config);
        if (!run) return run.error();
        if (auto there = bring(**run, at, differs); !there) return there.error();
        for (const auto& queue : (*run)->machine().disks().queues()) {
            if (queue->config().id != image->id) continue;
            if (ftruncate(out.fd(), static_cast<off_t>(queue->bytes())) != 0) return Error{"cannot write " + to + ": " + std::strerror(errno)};
            if (auto copied = copy_image(*image, out.fd(), to); !copied) return copied.error();
            if (queue->overlay() != nullptr && !write_overlay(*queue->overlay(), out.fd())) return Error{"cannot write " + to + ": " + std::strerror(errno)};
        }
        if (fsync(out.fd()) != 0) return Error{"cannot write " + to + ": " + std::strerror(errno)};
        return {};
    };
    auto done = write();
    if (!done) unlink(to.c_str());
    return done;
}

}  // namespace vmm::replay
