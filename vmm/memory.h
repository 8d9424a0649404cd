// SPDX-License-Identifier: Apache-2.0
// Guest memory: one flat host mapping that holds RAM, then video RAM, then ROM images, and the map from guest-physical
// pages to it.
//
// "Store page" numbers count pages of the flat mapping; dirty and watch flags are kept by store page, so that a page that
// appears at several physical addresses (BIOS shadow, A20, frame buffer) is one page. Every write by devices and the CPU's
// slow path goes through write(), which tells the watcher; the translator's fast path writes only to store pages that are
// dirty already and unwatched. Machine thread only.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vmm/bus.h"
#include "vmm/types.h"

namespace vmm {

inline constexpr u8 kWatchCode = 1;        // holds translated code
inline constexpr u8 kWatchPageTable = 2;   // holds page-table entries in use
inline constexpr u8 kWatchDebug = 4;       // debugger or tests want every write

// Told of what happens to watched pages. `offset` and `size` are within the page.
class MemoryWatcher {
  public:
    virtual ~MemoryWatcher() = default;
    virtual void watched_write(u32 store_page, u32 offset, u32 size) = 0;  // after the bytes changed
    virtual void map_changed() = 0;                                        // any physical page may now mean another
    virtual void write_protect(u32 store_page) = 0;                        // forget fast write access to this page
};

class Memory {
  public:
    // `ram_bytes`: multiple of 4096, at most 3584 MiB; `extra_bytes`: room for video RAM and ROMs.
    Memory(u64 ram_bytes, u64 extra_bytes, IoBus& mmio);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    u64 ram_size() const { return ram_bytes_; }
    u8* base() const { return base_; }                       // the flat mapping
    u32 store_pages() const { return store_pages_; }
    u32 allocate(u64 bytes);                                 // further store pages (VRAM, ROM); returns the first

    // --- the physical map; addresses and sizes in pages -------------------------------------------------
    void map_ram(u32 phys_page, u32 store_page, u32 pages);  // read and write
    void map_rom(u32 phys_page, u32 store_page, u32 pages);  // writes vanish
    void map_split(u32 phys_page, u32 read_store, u32 write_store, u32 pages);  // PAM: read from one, write to the other
    void map_io(u32 phys_page, u32 pages);                   // to the mmio bus
    void set_a20(bool enabled);
    bool a20() const { return a20_; }

    struct PageView {
        static constexpr u32 kNone = ~u32{0};
        u32 read = kNone;                                    // store page that reads come from; kNone: not memory
        u32 write = kNone;                                   // store page that writes go to; kNone: not memory (or ROM)
        bool rom = false;                                    // writes vanish rather than go to the bus
    };
    PageView view(GuestPhys address) const;

    // --- access by physical address; any length, may cross pages; MMIO goes to the bus in its natural sizes ------
    void read(GuestPhys address, std::span<u8> out) const;
    void write(GuestPhys address, std::span<const u8> in);
    u32 load(GuestPhys address, unsigned size) const;        // 1, 2, 4; within a page
    void store(GuestPhys address, unsigned size, u32 value); // 1, 2, 4; within a page
    void read_ram(GuestPhys address, std::span<u8> out) const;  // for debuggers: memory only, no device is touched (0xff)

    // --- dirty pages and watched pages, by store page -----------------------------------------------------
    bool dirty(u32 store_page) const { return dirty_[store_page] != 0; }
    void mark_dirty(u32 store_page) {
        if (dirty_[store_page] != 0) return;
        dirty_[store_page] = 1;
        dirty_list_.push_back(store_page);
    }
    // Pages whose content may have changed since the last call (or restore_page), sorted. All become clean, so that the
    // next write to each is noticed again.
    std::vector<u32> take_changed();
    // Page content from a checkpoint; only for pages that take_changed() has made clean. Watchers are told of what differs.
    void restore_page(u32 store_page, const u8* content);
    u8 watch(u32 store_page) const { return watch_[store_page]; }
    void set_watch(u32 store_page, u8 bits);
    void clear_watch(u32 store_page, u8 bits) { watch_[store_page] &= static_cast<u8>(~bits); }
    void set_watcher(MemoryWatcher* watcher) { watcher_ = watcher; }
    u8* page(u32 store_page) const { return base_ + u64{store_page} * kPageSize; }
    // Call after writing bytes of a store page by hand (restore of a checkpoint, DMA into video RAM).
    void written(u32 store_page, u32 offset, u32 size);

    // Sum over pages of a hash of page number and content. Costs a look at the pages written since the last call.
    u64 content_hash();
    // The same sum by part: kRamParts equal parts of RAM, then what is not RAM. As of the last content_hash().
    static constexpr unsigned kRamParts = 64;
    const std::array<u64, kRamParts + 1>& part_sums() const { return part_sum_; }
    // By page, 0 for one of zeros; as of the last content_hash().
    std::span<const u64> page_hashes() const { return page_hash_; }
    u64 ram_part_bytes() const { return ram_bytes_ / kRamParts; }

  private:
    enum class Kind : u8 { Io, Ram, Rom, Split };
    struct Region { Kind kind; u32 first_page, read_store, write_store; };
    void map(u32 phys_page, u32 pages, Region region);
    void forget_unused_regions();

    IoBus& mmio_;
    u64 ram_bytes_;
    u8* base_ = nullptr;
    u32 store_pages_;
    u32 next_store_;
    bool a20_ = true;
    std::vector<u16> region_of_;                             // by physical page (20 bits)
    std::vector<Region> regions_;
    std::vector<u8> dirty_, watch_;
    // Written since the last clean(), since the last content_hash(), since the last take_changed().
    struct PageSet {
        std::vector<u8> in;
        std::vector<u32> list;
        void add(u32 page) {
            if (in[page] != 0) return;
            in[page] = 1;
            list.push_back(page);
        }
    };
    void clean();

    std::vector<u32> dirty_list_;
    PageSet unhashed_, changed_;
    std::vector<u64> page_hash_;
    u64 hash_sum_ = 0;
    std::array<u64, kRamParts + 1> part_sum_{};
    MemoryWatcher* watcher_ = nullptr;
};

}  // namespace vmm
