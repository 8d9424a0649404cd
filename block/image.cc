// SPDX-License-Identifier: Apache-2.0
#include "block/image.h"

#include "block/fault.h"
#include "block/layer.h"
#include "block/overlay.h"
#include "block/qcow2_node.h"

namespace vmm::block {

Result<OpenImage> open_image(HostIo& io, const ImageConfig& config) {
    const auto format = format_of(config.file, config.format);
    if (!format) return format.error();
    const bool read_only = config.read_only || config.snapshot;
    OpenImage image;
    if (*format == "qcow2") {
        auto opened = open_qcow2(config.file, {.read_only = read_only, .cache = config.cache});
        if (!opened) return opened.error();
        if ((*opened)->size() == 0) return Error{config.file + " is a disk of no bytes"};
        auto node = std::make_unique<Qcow2Node>(io, std::move(*opened));
        image.qcow2 = node.get();
        image.node = std::move(node);
    } else {
        auto file = RawFile::open(io, config.file, read_only, config.cache);
        if (!file) return file.error();
        image.node = std::move(*file);
    }
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
