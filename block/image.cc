// SPDX-License-Identifier: Apache-2.0
#include "block/image.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>

#include "block/fault.h"
#include "block/overlay.h"

namespace vmm::block {
namespace {

// The first sector, asked for and waited for.
std::vector<u8> first_sector(HostIo& io, Node& node) {
    struct Answer {
        std::mutex mutex;
        std::optional<Reply> reply;
    };
    const auto answer = std::make_shared<Answer>();
    node.submit({Op::Read, 0, kSector, {}}, [answer](Reply reply) {
        const std::lock_guard lock(answer->mutex);
        answer->reply = std::move(reply);
    });
    io.wait([&] {
        const std::lock_guard lock(answer->mutex);
        return answer->reply.has_value();
    }, ~u64{0});
    return std::move(answer->reply->data);
}

struct Magic {
    const char* name;
    std::array<u8, 4> bytes;
};
constexpr Magic kForeign[] = {{"qcow2", {'Q', 'F', 'I', 0xfb}}, {"vmdk", {'K', 'D', 'M', 'V'}}, {"vhdx", {'v', 'h', 'd', 'x'}}};

}  // namespace

Result<OpenImage> open_image(HostIo& io, const ImageConfig& config) {
    if (!config.format.empty() && config.format != "raw")
        return Error{config.file + ": the format " + config.format + " is not available yet; 'qemu-img convert -O raw' makes a raw image"};
    const bool read_only = config.read_only || config.snapshot;
    auto file = RawFile::open(io, config.file, read_only, config.cache);
    if (!file) return file.error();
    if (config.format.empty()) {
        const auto start = first_sector(io, **file);
        for (const Magic& m : kForeign)
            if (start.size() >= 4 && std::equal(m.bytes.begin(), m.bytes.end(), start.begin()))
                return Error{config.file + " is a " + m.name + " image, which is not available yet; 'qemu-img convert -O raw' makes a raw image (format=raw takes it as it is)"};
    }
    OpenImage image;
    image.node = std::move(*file);
    auto faults = parse_faults(config.faults);
    if (!faults) return faults.error();
    if (!faults->empty()) image.node = std::make_unique<Fault>(std::move(image.node), std::move(*faults));
    if (config.snapshot && !config.read_only) {
        auto overlay = std::make_unique<Overlay>(std::move(image.node));
        image.overlay = overlay.get();
        image.node = std::move(overlay);
    }
    return image;
}

}  // namespace vmm::block
