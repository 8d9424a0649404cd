// SPDX-License-Identifier: Apache-2.0
// DiskJournal: what a recorder notes, and a replayer says, of the requests that disks complete.
// Document: docs/disks.md, "When a request is done".
#pragma once

#include <optional>
#include <string>

#include "vmm/types.h"

namespace vmm {

enum class DiskError : u8 { None = 0, Io = 1, NoSpace = 2 };   // numbers as in recordings

// What became of a request at its due time.
struct DiskMark {
    u8 disk = 0;
    u64 id = 0;
    DiskError error{};
    bool late = false;               // the host was not ready: it comes as an input (InputKind::Disk)
    std::optional<u32> data{};       // of a read that reached sectors nobody had read before: a hash of what it gave

    bool operator==(const DiskMark&) const = default;
};

class DiskJournal {
  public:
    virtual ~DiskJournal() = default;
    // Request `id` is due. What the recording says of it; nothing: the host decides, and disk_done() is told.
    virtual std::optional<DiskMark> disk_due(Icount /*now*/, u8 /*disk*/, u64 /*id*/) { return std::nullopt; }
    // Is DiskMark::data wanted?
    virtual bool disk_hashes() const { return false; }
    virtual void disk_done(Icount /*now*/, const DiskMark& /*mark*/) {}
    // This host cannot do what the recorded one did, or an image is another one.
    virtual void disk_differs(Icount /*now*/, const std::string& /*what*/) {}
};

}  // namespace vmm
