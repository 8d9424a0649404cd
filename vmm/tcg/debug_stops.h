// SPDX-License-Identifier: Apache-2.0
// DebugStops: what a debugger's points (vmm/debug_points.h) mean inside the translator.
//
// Breakpoints: blocks end before them and nothing is chained to a block that begins at one, so that the dispatcher comes by.
// Watchpoints by linear address: their pages have no fast translation for that kind of access, so that every access to them
// goes through Cpu's slow path, which asks here; by physical address: kWatchDebug on the store page. Events: helpers tell of them.
// Nothing of it is state.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "vmm/debug_points.h"
#include "vmm/memory.h"

namespace vmm::tcg {

class DebugStops {
  public:
    // Takes the points over. True: they are not what they were; `fresh` then has the breakpoints that are new and `pages` the
    // linear pages whose translations must be dropped.
    struct Change {
        std::vector<u32> fresh;
        std::vector<u32> pages;
    };
    std::optional<Change> update(const DebugPoints* points, Memory& memory);

    bool any_breakpoint() const { return !breakpoints_.empty(); }
    bool any_watch() const { return !watches_.empty(); }
    bool breakpoint(u32 linear) const { return !breakpoints_.empty() && breakpoints_.contains(linear); }
    // The breakpoint that stops at `linear` with this CR3. `resumed`: the instruction goes on there rather than begins.
    std::optional<Hit> stop_at(u32 linear, u32 cr3, bool resumed) const;
    // How many bytes from `linear` on hold no breakpoint but at `linear` itself; at most `most`.
    u32 free_bytes(u32 linear, u32 most) const;

    // Is there a watch of this kind of access anywhere on the page of `linear`?
    bool watched(u32 linear, bool write) const {
        if (watches_.empty()) return false;
        const auto it = pages_.find(linear >> kPageShift);
        return it != pages_.end() && (it->second & (write ? kWrites : kReads)) != 0;
    }
    void accessed(u32 linear, u32 size, bool write, u32 cr3);
    // Events: is any waited for; one with numbers from `number` on happened.
    bool any_event() const { return !events_.empty(); }
    void happened(PointKind kind, u32 number, u32 count, u32 cr3);
    void mode(u32 now, u32 cr3) {
        if (now != std::exchange(mode_, now) && any_event()) happened(PointKind::Mode, now, 1, cr3);
    }
    void physical_written(u32 store_page, u32 offset, u32 size, u32 cr3);

    std::optional<Hit> hit;                // a watched access that was made

  private:
    static constexpr u8 kReads = 1, kWrites = 2;
    struct Physical {
        Hit hit;
        u32 address, store_page, offset, length;
    };
    std::multimap<u32, Hit> breakpoints_;
    std::vector<Hit> watches_;             // linear
    std::map<u32, u8> pages_;              // linear page -> kinds of access watched there
    std::vector<Physical> physical_;
    std::vector<Hit> events_;
    u32 mode_ = kRealMode;
    const DebugPoints* points_ = nullptr;
    u64 version_ = 0;
};

}  // namespace vmm::tcg
