// SPDX-License-Identifier: Apache-2.0
// Checkpoints of a machine in memory: taken in the time that the pages written since the last one take to copy, and gone back
// to in the time that the pages that differ take. Translated code on pages, and lines of pages, that do not differ survives.
// A checkpoint is of the machine that it was taken from. Machine thread only.
#pragma once

#include "replay/page_map.h"
#include "vmm/disks.h"
#include "vmm/machine.h"

namespace vmm::replay {

struct Checkpoint {
    Icount at{};
    std::vector<u8> state;         // Machine::serialize
    PageMap memory;
    Disks::Version disks;
};

class Checkpoints {
  public:
    explicit Checkpoints(Machine& machine) : machine_(machine), current_(room_) {}
    Checkpoints(const Checkpoints&) = delete;
    Checkpoints& operator=(const Checkpoints&) = delete;

    // At a boundary at which the machine has done all it was asked to (Machine::run returned).
    Checkpoint take();
    void restore(const Checkpoint& checkpoint);
    u64 page_bytes() const { return room_.bytes(); }      // of all checkpoints

  private:
    void catch_up();

    Machine& machine_;
    PageMap::Room room_;           // outlives the maps
    PageMap current_;              // memory as it was when last taken or restored
};

}  // namespace vmm::replay
