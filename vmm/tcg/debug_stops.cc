// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/debug_stops.h"

#include <algorithm>

namespace vmm::tcg {

std::optional<DebugStops::Change> DebugStops::update(const DebugPoints* points, Memory& memory) {
    const u64 version = points != nullptr ? points->version() : 0;
    if (points == points_ && version == version_) return std::nullopt;
    points_ = points;
    version_ = version;
    Change change;
    for (const auto& [page, unused] : pages_) change.pages.push_back(page);
    for (const Physical& p : physical_) memory.clear_watch(p.store_page, kWatchDebug);
    const auto before = std::move(breakpoints_);
    breakpoints_.clear();
    watches_.clear();
    pages_.clear();
    physical_.clear();
    events_.clear();
    if (points == nullptr) return change;
    for (const auto& [id, point] : points->all()) {
        const Hit made{id, point, point.address};
        if (is_event(point.kind)) {
            events_.push_back(made);
        } else if (point.kind == PointKind::Execute) {
            if (!before.contains(point.address)) change.fresh.push_back(point.address);
            breakpoints_.emplace(point.address, made);
        } else if (point.physical) {
            for (u32 done = 0; done < point.length;) {
                const GuestPhys at{u64{point.address} + done};
                const u32 offset = static_cast<u32>(at.v & (kPageSize - 1));
                const u32 length = std::min(point.length - done, kPageSize - offset);
                if (const auto view = memory.view(at); view.write != Memory::PageView::kNone) {
                    physical_.push_back({made, static_cast<u32>(at.v), view.write, offset, length});
                    memory.set_watch(view.write, kWatchDebug);
                }
                done += length;
            }
        } else {
            watches_.push_back(made);
            u8 kinds = 0;
            if (point.kind != PointKind::Write) kinds |= kReads;
            if (point.kind != PointKind::Read) kinds |= kWrites;
            const u32 first = point.address >> kPageShift, last = (point.address + point.length - 1) >> kPageShift;
            for (u32 page = first;; page = (page + 1) & 0xfffff) {
                pages_[page] |= kinds;
                change.pages.push_back(page);
                if (page == last) break;
            }
        }
    }
    return change;
}

std::optional<Hit> DebugStops::stop_at(u32 linear, u32 cr3, bool resumed) const {
    for (auto [it, end] = breakpoints_.equal_range(linear); it != end; ++it)
        if ((!it->second.point.cr3 || *it->second.point.cr3 == cr3) && (!resumed || it->second.point.between)) return it->second;
    return std::nullopt;
}

u32 DebugStops::free_bytes(u32 linear, u32 most) const {
    const auto it = breakpoints_.upper_bound(linear);
    return it == breakpoints_.end() ? most : std::min(most, it->first - linear);
}

void DebugStops::accessed(u32 linear, u32 size, bool write, u32 cr3) {
    if (hit) return;
    for (const Hit& w : watches_) {
        const Point& p = w.point;
        if (p.kind == (write ? PointKind::Read : PointKind::Write) || (p.cr3 && *p.cr3 != cr3)) continue;
        const u32 into = linear - p.address;       // wraps as addresses do
        if (into >= p.length && p.address - linear >= size) continue;
        hit = w;
        hit->address = into < p.length ? linear : p.address;
        return;
    }
}

void DebugStops::happened(PointKind kind, u32 number, u32 count, u32 cr3) {
    if (hit) return;
    for (const Hit& e : events_) {
        const Point& p = e.point;
        if (p.kind != kind || (p.cr3 && *p.cr3 != cr3)) continue;
        const u32 into = number - p.address;
        if (!p.any && into >= p.length && p.address - number >= count) continue;
        hit = e;
        hit->address = number;
        return;
    }
}

void DebugStops::physical_written(u32 store_page, u32 offset, u32 size, u32 cr3) {
    if (hit) return;
    for (const Physical& w : physical_) {
        if (w.store_page != store_page || offset >= w.offset + w.length || w.offset >= offset + size) continue;
        if (w.hit.point.cr3 && *w.hit.point.cr3 != cr3) continue;
        hit = w.hit;
        hit->address = w.address + (std::max(offset, w.offset) - w.offset);
        return;
    }
}

}  // namespace vmm::tcg
