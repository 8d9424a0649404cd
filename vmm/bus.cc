// SPDX-License-Identifier: Apache-2.0
#include "vmm/bus.h"

#include <algorithm>

#include "vmm/check.h"

namespace vmm {
namespace {
constexpr u32 all_ones(unsigned size) { return size >= 4 ? ~u32{0} : (u32{1} << (8 * size)) - 1; }
}

IoBus::Handle IoBus::insert(std::string_view owner, u32 base, u32 size, IoOps ops, bool movable) {
    Range range{next_++, std::string(owner), base, size, movable, std::move(ops)};
    const auto at = movable ? ranges_.begin()
                            : std::find_if(ranges_.begin(), ranges_.end(), [](const Range& r) { return !r.movable; });
    ranges_.insert(at, std::move(range));
    last_ = 0;
    return next_ - 1;
}

IoBus::Handle IoBus::map(std::string_view owner, u32 base, u32 size, IoOps ops) {
    for (const auto& r : ranges_) {
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
    std::erase_if(ranges_, [handle](const Range& r) { return r.handle == handle; });
    last_ = 0;
}

const IoBus::Range* IoBus::find(u32 address) const {
    const auto holds = [address](const Range& r) { return address - r.base < r.size; };
    // The cache may only answer with a fixed range when no movable one could come first.
    if (last_ < ranges_.size() && (last_ == 0 || ranges_.front().movable == false) && holds(ranges_[last_])) return &ranges_[last_];
    for (std::size_t i = 0; i < ranges_.size(); ++i) {
        if (!holds(ranges_[i])) continue;
        last_ = i;
        return &ranges_[i];
    }
    return nullptr;
}

u32 IoBus::read(u32 address, unsigned size) {
    const Range* r = find(address);
    if (r == nullptr && size == 1) return all_ones(1);
    if (r != nullptr && size <= r->ops.max_size && address - r->base + size <= r->size)
        return r->ops.read ? r->ops.read(address - r->base, size) & all_ones(size) : all_ones(size);
    if (size == 1) return all_ones(1);
    u32 value = 0;
    for (unsigned i = 0; i < size; ++i) value |= read(address + i, 1) << (8 * i);
    return value;
}

void IoBus::write(u32 address, unsigned size, u32 value) {
    const Range* r = find(address);
    if (r == nullptr && size == 1) return;
    if (r != nullptr && size <= r->ops.max_size && address - r->base + size <= r->size) {
        if (r->ops.write) r->ops.write(address - r->base, size, value & all_ones(size));
        return;
    }
    if (size == 1) return;
    for (unsigned i = 0; i < size; ++i) write(address + i, 1, value >> (8 * i) & 0xff);
}

std::vector<IoBus::RangeInfo> IoBus::ranges() const {
    std::vector<RangeInfo> out;
    for (const auto& r : ranges_) out.push_back({r.owner, r.base, r.size});
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.base < b.base; });
    return out;
}

}  // namespace vmm
