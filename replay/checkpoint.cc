// SPDX-License-Identifier: Apache-2.0
#include "replay/checkpoint.h"

#include "vmm/check.h"

namespace vmm::replay {

void Checkpoints::catch_up() {
    Memory& memory = machine_.memory();
    for (const u32 page : memory.take_changed()) current_.set(page, memory.page(page));
}

Checkpoint Checkpoints::take() {
    catch_up();
    SaveArchive ar;
    machine_.serialize(ar);
    return {machine_.icount(), ar.take(), current_, machine_.disks().version()};
}

void Checkpoints::restore(const Checkpoint& checkpoint) {
    static constexpr u8 kZero[kPageSize] = {};
    Memory& memory = machine_.memory();
    // Pages written since: all that can differ from the map beside what the maps themselves differ in.
    const auto content = [&checkpoint](u32 page) {
        const u8* data = checkpoint.memory.page(page);
        return data != nullptr ? data : kZero;
    };
    for (const u32 page : memory.take_changed()) memory.restore_page(page, content(page));
    PageMap::difference(current_, checkpoint.memory, [&](u32 page) { memory.restore_page(page, content(page)); });
    current_ = checkpoint.memory;
    machine_.disks().restore(checkpoint.disks);
    const bool loaded = machine_.load_state(checkpoint.state);
    CHECK(loaded, "a checkpoint of another machine");
}

}  // namespace vmm::replay
