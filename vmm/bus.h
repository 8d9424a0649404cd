// SPDX-License-Identifier: Apache-2.0
// IoBus: who answers at an address. One instance is the port space (16 bits), another the memory-mapped space (32 bits).
//
// Overlapping ranges are a programming error at start (named on stderr by CHECK); ranges that the guest moves (PCI BARs) go
// through map/unmap and the later mapping wins. An access wider than the device's max_size, or across the end of a range, is
// split into bytes, lowest address first. Nobody there: reads give all ones, writes vanish. Machine thread only.
// A handler may map and unmap ranges, its own too (a BAR moves while the configuration port is being written).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/types.h"

namespace vmm {

struct IoOps {
    std::function<u32(u32 offset, unsigned size)> read;                    // offset within the range; size 1, 2 or 4
    std::function<void(u32 offset, unsigned size, u32 value)> write;
    unsigned max_size = 1;                                                 // widest access the device takes whole
};

class IoBus {
  public:
    using Handle = u32;                                                    // 0 is no range
    explicit IoBus(std::string name) : name_(std::move(name)) {}

    Handle map(std::string_view owner, u32 base, u32 size, IoOps ops);     // fixed ranges: overlap is a CHECK
    Handle map_movable(std::string_view owner, u32 base, u32 size, IoOps ops);  // BARs: the latest wins
    void unmap(Handle handle);

    u32 read(u32 address, unsigned size);                                  // size 1, 2, 4
    void write(u32 address, unsigned size, u32 value);
    bool claimed(u32 address) const { return find(address) != nullptr; }

    struct RangeInfo { std::string owner; u32 base; u32 size; };
    std::vector<RangeInfo> ranges() const;                                 // by address, for `info`

  private:
    struct Range { Handle handle; std::string owner; u32 base; u32 size; bool movable; IoOps ops; };
    struct Segment { u32 first; u32 last; const Range* range; };           // who answers from first to last
    const Range* find(u32 address) const;
    void resolve() const;
    Handle insert(std::string_view owner, u32 base, u32 size, IoOps ops, bool movable);

    std::string name_;
    std::vector<std::unique_ptr<Range>> ranges_;                           // movable first, each in order of mapping (latest first)
    std::vector<std::unique_ptr<Range>> retired_;                          // unmapped while a handler runs
    Handle next_ = 1;
    unsigned depth_ = 0;                                                   // handlers running
    // Derived from ranges_ when next needed: by address, without overlap.
    mutable std::vector<Segment> segments_;
    mutable std::size_t last_ = 0;                                         // cache of find()
    mutable bool stale_ = true;
};

}  // namespace vmm
