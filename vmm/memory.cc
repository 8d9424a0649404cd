// SPDX-License-Identifier: Apache-2.0
#include "vmm/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "vmm/check.h"
#include "vmm/huge_pages.h"

namespace vmm {
namespace {
constexpr u32 kPhysPages = 1u << 20;
constexpr std::size_t kManyRegions = 4096;
constexpr u32 kA20Page = 0x100;  // bit 20 of the address, in pages

u64 hash_page(u32 number, const u8* data) { return XXH3_64bits_withSeed(data, kPageSize, number); }
}  // namespace

Memory::Memory(u64 ram_bytes, u64 extra_bytes, IoBus& mmio)
    : mmio_(mmio), ram_bytes_(ram_bytes), store_pages_(static_cast<u32>((ram_bytes + extra_bytes) >> kPageShift)),
      next_store_(static_cast<u32>(ram_bytes >> kPageShift)), region_of_(kPhysPages, 0), dirty_(store_pages_, 0),
      watch_(store_pages_, 0), page_hash_(store_pages_, 0) {
    unhashed_.in.resize(store_pages_);
    changed_.in.resize(store_pages_);
    void* p = mmap(nullptr, u64{store_pages_} << kPageShift, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED, "guest memory could not be mapped");
    base_ = static_cast<u8*>(p);
    advise_huge_pages(base_, u64{store_pages_} << kPageShift);
    regions_.push_back({Kind::Io, 0, 0, 0});
    // A page of zeros counts as 0, so that untouched memory needs no look.
}

Memory::~Memory() { munmap(base_, u64{store_pages_} << kPageShift); }

u32 Memory::allocate(u64 bytes) {
    const u32 first = next_store_;
    next_store_ += static_cast<u32>((bytes + kPageSize - 1) >> kPageShift);
    CHECK(next_store_ <= store_pages_, "no room left in the flat mapping");
    return first;
}

void Memory::map(u32 phys_page, u32 pages, Region region) {
    CHECK(u64{phys_page} + pages <= kPhysPages, "physical range beyond 4 GiB");
    // Reuse an equal region so that repeated remapping (PAM) does not grow the table.
    const auto it = std::find_if(regions_.begin(), regions_.end(), [&](const Region& r) {
        return r.kind == region.kind && r.first_page == region.first_page && r.read_store == region.read_store &&
               r.write_store == region.write_store;
    });
    const auto index = static_cast<u16>(it - regions_.begin());
    if (it == regions_.end()) regions_.push_back(region);
    const auto first = region_of_.begin() + phys_page;
    if (std::all_of(first, first + pages, [index](u16 r) { return r == index; })) return;
    std::fill_n(first, pages, index);
    if (regions_.size() >= kManyRegions) forget_unused_regions();
    if (watcher_ != nullptr) watcher_->map_changed();
}

// A guest may move a mapping as often as it likes.
void Memory::forget_unused_regions() {
    std::vector<u16> renamed(regions_.size(), 0);
    for (const u16 r : region_of_) renamed[r] = 1;
    renamed[0] = 1;
    std::vector<Region> kept;
    for (std::size_t i = 0; i < regions_.size(); ++i) {
        if (renamed[i] == 0) continue;
        renamed[i] = static_cast<u16>(kept.size());
        kept.push_back(regions_[i]);
    }
    for (u16& r : region_of_) r = renamed[r];
    regions_ = std::move(kept);
    CHECK(regions_.size() < kManyRegions, "too many memory regions in use");
}

void Memory::map_ram(u32 phys_page, u32 store_page, u32 pages) { map(phys_page, pages, {Kind::Ram, phys_page, store_page, store_page}); }
void Memory::map_rom(u32 phys_page, u32 store_page, u32 pages) { map(phys_page, pages, {Kind::Rom, phys_page, store_page, store_page}); }
void Memory::map_split(u32 phys_page, u32 read_store, u32 write_store, u32 pages) {
    map(phys_page, pages, {Kind::Split, phys_page, read_store, write_store});
}
void Memory::map_io(u32 phys_page, u32 pages) { map(phys_page, pages, {Kind::Io, 0, 0, 0}); }

void Memory::set_a20(bool enabled) {
    if (a20_ == enabled) return;
    a20_ = enabled;
    if (watcher_ != nullptr) watcher_->map_changed();
}

Memory::PageView Memory::view(GuestPhys address) const {
    if (address.v >> 32 != 0) return {};
    u32 page = static_cast<u32>(address.v >> kPageShift);
    if (!a20_) page &= ~kA20Page;
    const Region& r = regions_[region_of_[page]];
    const u32 at = page - r.first_page;
    switch (r.kind) {
        case Kind::Io: return {};
        case Kind::Ram:
        case Kind::Split: return {r.read_store + at, r.write_store + at, false};
        case Kind::Rom: return {r.read_store + at, PageView::kNone, true};
    }
    return {};
}

u32 Memory::load(GuestPhys address, unsigned size) const {
    const PageView v = view(address);
    if (v.read != PageView::kNone) {
        u32 value = 0;
        std::memcpy(&value, page(v.read) + (address.v & (kPageSize - 1)), size);
        return value;
    }
    if (address.v >> 32 != 0) return ~u32{0} >> (32 - 8 * size);
    const u32 a = static_cast<u32>(address.v) & (a20_ ? ~u32{0} : ~(kA20Page << kPageShift));
    return mmio_.read(a, size);
}

void Memory::store(GuestPhys address, unsigned size, u32 value) {
    const PageView v = view(address);
    if (v.write != PageView::kNone) {
        const u32 offset = static_cast<u32>(address.v & (kPageSize - 1));
        std::memcpy(page(v.write) + offset, &value, size);
        written(v.write, offset, size);
        return;
    }
    if (v.rom || address.v >> 32 != 0) return;
    const u32 a = static_cast<u32>(address.v) & (a20_ ? ~u32{0} : ~(kA20Page << kPageShift));
    mmio_.write(a, size, value);
}

void Memory::read(GuestPhys address, std::span<u8> out) const {
    while (!out.empty()) {
        const u32 offset = static_cast<u32>(address.v & (kPageSize - 1));
        const std::size_t n = std::min<std::size_t>(out.size(), kPageSize - offset);
        const PageView v = view(address);
        if (v.read != PageView::kNone) {
            std::memcpy(out.data(), page(v.read) + offset, n);
        } else {
            for (std::size_t i = 0; i < n;) {
                const unsigned size = (offset + i) % 4 == 0 && n - i >= 4 ? 4 : 1;
                const u32 value = load(address + i, size);
                std::memcpy(out.data() + i, &value, size);
                i += size;
            }
        }
        address += n;
        out = out.subspan(n);
    }
}

void Memory::write(GuestPhys address, std::span<const u8> in) {
    while (!in.empty()) {
        const u32 offset = static_cast<u32>(address.v & (kPageSize - 1));
        const std::size_t n = std::min<std::size_t>(in.size(), kPageSize - offset);
        const PageView v = view(address);
        if (v.write != PageView::kNone) {
            std::memcpy(page(v.write) + offset, in.data(), n);
            written(v.write, offset, static_cast<u32>(n));
        } else if (!v.rom) {
            for (std::size_t i = 0; i < n;) {
                const unsigned size = (offset + i) % 4 == 0 && n - i >= 4 ? 4 : 1;
                u32 value = 0;
                std::memcpy(&value, in.data() + i, size);
                store(address + i, size, value);
                i += size;
            }
        }
        address += n;
        in = in.subspan(n);
    }
}

void Memory::read_ram(GuestPhys address, std::span<u8> out) const {
    while (!out.empty()) {
        const std::size_t in_page = address.v & (kPageSize - 1), n = std::min<std::size_t>(out.size(), kPageSize - in_page);
        const PageView v = view(address);
        if (v.read == PageView::kNone) std::fill_n(out.begin(), n, u8{0xff});
        else std::copy_n(page(v.read) + in_page, n, out.begin());
        out = out.subspan(n);
        address += n;
    }
}

void Memory::clean() {
    for (const u32 p : dirty_list_) {
        dirty_[p] = 0;
        unhashed_.add(p);
        changed_.add(p);
        if (watcher_ != nullptr) watcher_->write_protect(p);
    }
    dirty_list_.clear();
}

std::vector<u32> Memory::take_changed() {
    clean();
    std::vector<u32> out;
    out.swap(changed_.list);
    for (const u32 p : out) changed_.in[p] = 0;
    std::sort(out.begin(), out.end());
    return out;
}

void Memory::restore_page(u32 store_page, const u8* content) {
    constexpr u32 kLine = 64;                            // what watchers of code tell apart
    u8* const data = page(store_page);
    CHECK(dirty_[store_page] == 0, "a page is restored while it can be written");
    unhashed_.add(store_page);
    if (watch_[store_page] == 0 || watcher_ == nullptr) {
        std::memcpy(data, content, kPageSize);
        return;
    }
    for (u32 at = 0; at < kPageSize; at += kLine) {
        if (std::memcmp(data + at, content + at, kLine) == 0) continue;
        u32 end = at + kLine;
        while (end < kPageSize && std::memcmp(data + end, content + end, kLine) != 0) end += kLine;
        std::memcpy(data + at, content + at, end - at);
        watcher_->watched_write(store_page, at, end - at);
        at = end - kLine;
    }
}

void Memory::set_watch(u32 store_page, u8 bits) {
    if ((watch_[store_page] & bits) == bits) return;
    const bool was_fast = watch_[store_page] == 0;
    watch_[store_page] |= bits;
    if (was_fast && watcher_ != nullptr) watcher_->write_protect(store_page);
}

void Memory::written(u32 store_page, u32 offset, u32 size) {
    mark_dirty(store_page);
    if (watch_[store_page] != 0 && watcher_ != nullptr) watcher_->watched_write(store_page, offset, size);
}

u64 Memory::content_hash() {
    static constexpr u8 kZero[kPageSize] = {};
    clean();
    for (const u32 p : unhashed_.list) {
        unhashed_.in[p] = 0;
        const u64 now = std::memcmp(page(p), kZero, kPageSize) == 0 ? 0 : hash_page(p, page(p));
        hash_sum_ += now - page_hash_[p];
        part_sum_[std::min<u64>(kRamParts, (u64{p} << kPageShift) / ram_part_bytes())] += now - page_hash_[p];
        page_hash_[p] = now;
    }
    unhashed_.list.clear();
    return hash_sum_;
}

}  // namespace vmm
