// SPDX-License-Identifier: Apache-2.0
// A disk image as the command line describes it, and the graph of nodes made from that.
#pragma once

#include <string>

#include "block/raw_file.h"

namespace vmm::block {

enum class OnError : u8 { Report, Ignore, Stop, Enospc };    // Enospc: stop when the host's disk is full, else report

// Where a drive's bytes are. A guest sees nothing of it.
struct ImageConfig {
    std::string id{};
    std::string file{};
    std::string format{};           // empty: found out
    bool read_only = false;
    bool snapshot = false;          // writes stay in memory
    Aio aio = Aio::Auto;
    Cache cache = Cache::WriteBack;
    OnError on_write_error = OnError::Enospc;
    OnError on_read_error = OnError::Report;
    std::string faults{};           // rules of block/fault.h

    bool operator==(const ImageConfig&) const = default;
};

class Overlay;
class Qcow2Node;

struct OpenImage {
    std::unique_ptr<Node> node;
    Overlay* overlay = nullptr;      // in `node`, if writes stay in memory
    Qcow2Node* qcow2 = nullptr;      // in `node`, if it is that: for its snapshots
};
// An error names the file.
Result<OpenImage> open_image(HostIo& io, const ImageConfig& config);

}  // namespace vmm::block
