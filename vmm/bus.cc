// SPDX-License-Identifier: Apache-2.0
#include "vmm/bus.h"

#include <algorithm>

#include "vmm/check.h"

namespace vmm {
namespace {
constexpr u32 all_ones(unsigned size) { return size >= 4 ? ~u32{0} : (u32{1} << (8 * size)) - 1; }
}

IoBus::Handle IoBus::insert(std::string_view owner, u32 base, u32 size, IoOps ops, bool movable) {
    const auto at = movable ? ranges_.begin()
                            : std::find_if(ranges_.begin(), ranges_.end(), [](const auto& r) { return !r->movable; });
    ranges_.insert(at, std::make_unique<Range>(Range{next_++, std::string(owner), base, size, movable, std::move(ops)}));
    stale_ = true;
    return next_ - 1;
}

IoBus::Handle IoBus::map(std::string_view owner, u32 base, u32 size, IoOps ops) {
    for (const auto& p : ranges_) {
        const Range& r = *p;
        if (r.movable || base >= u64{r.base} + r.size || r.base >= u64{base} + size) continue;
        const std::string text = name_ + " ranges of " + r.owner + " and " + std::string(owner) + " overlap";
        CHECK(false, text.c_str());
    }
    return insert(owner, base, size, std::move(ops), false);
}

IoBus::Handle IoBus::map_movable(std::string_view owner, u32 base, u32 size, IoOps ops) {
    return insert(owner, base, size, std::move(ops), true);
}

void IoBus::unmap(Handle handle) {
    const auto it = std::find_if(ranges_.begin(), ranges_.end(), [handle](const auto& r) { return r->handle == handle; });
    if (it == ranges_.end()) return;
    if (depth_ != 0) retired_.push_back(std::move(*it));  // its handler may be the one that is running
    ranges_.erase(it);
    stale_ = true;
}

void IoBus::resolve() const {
    // Every place where the answer can change, then who comes first in ranges_ at each.
    std::vector<u64> edges;
    for (const auto& r : ranges_) {
        edges.push_back(r->base);
        edges.push_back(u64{r->base} + r->size);
    }
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    segments_.clear();
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
        const auto it = std::find_if(ranges_.begin(), ranges_.end(), [&](const auto& r) { return edges[i] - r->base < r->size; });
        if (it == ranges_.end()) continue;
        const auto last = static_cast<u32>(edges[i + 1] - 1);
        if (!segments_.empty() && segments_.back().range == it->get()) segments_.back().last = last;
        else segments_.push_back({static_cast<u32>(edges[i]), last, it->get()});
    }
    last_ = 0;
    stale_ = false;
}

const IoBus::Range* IoBus::find(u32 address) const {
    if (stale_) resolve();
    const auto holds = [address](const Segment& s) { return s.first <= address && address <= s.last; };
    if (last_ < segments_.size() && holds(segments_[last_])) return segments_[last_].range;
    const auto it = std::partition_point(segments_.begin(), segments_.end(), [address](const Segment& s) { return s.last < address; });
    if (it == segments_.end() || !holds(*it)) return nullptr;
    last_ = static_cast<std::size_t>(it - segments_.begin());
    return it->range;
}

u32 IoBus::read(u32 address, unsigned size) {
    const Range* r = find(address);
    if (r == nullptr && size == 1) return all_ones(1);
    if (r != nullptr && size <= r->ops.max_size && address - r->base + size <= r->size) {
        if (!r->ops.read) return all_ones(size);
        ++depth_;
        const u32 value = r->ops.read(address - r->base, size) & all_ones(size);
        if (--depth_ == 0 && !retired_.empty()) retired_.clear();
        return value;
    }
    if (size == 1) return all_ones(1);
    u32 value = 0;
    for (unsigned i = 0; i < size; ++i) value |= read(address + i, 1) << (8 * i);
    return value;
}

void IoBus::write(u32 address, unsigned size, u32 value) {
    const Range* r = find(address);
    if (r == nullptr && size == 1) return;
    if (r != nullptr && size <= r->ops.max_size && address - r->base + size <= r->size) {
        if (!r->ops.write) return;
        ++depth_;
        r->ops.write(address - r->base, size, value & all_ones(size));
        if (--depth_ == 0 && !retired_.empty()) retired_.clear();
        return;
    }
    if (size == 1) return;
    for (unsigned i = 0; i < size; ++i) write(address + i, 1, value >> (8 * i) & 0xff);
}

std::vector<IoBus::RangeInfo> IoBus::ranges() const {
    std::vector<RangeInfo> out;
    for (const auto& r : ranges_) out.push_back({r->owner, r->base, r->size});
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.base < b.base; });
    return out;
}

}  // namespace vmm
