// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/mmu.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "vmm/check.h"

namespace vmm::tcg {
namespace {
constexpr u32 kPresent = 1, kWritable = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kLarge = 0x80;
constexpr u64 kNx = u64{1} << 63;
constexpr u64 kPaeAddress = 0x0000000ffffff000;        // 36-bit physical addresses
constexpr u64 kPaeReserved = 0x7ffffff000000000;
// Error code of #PF, SDM 4.7.
constexpr u32 kErrProtection = 1, kErrWrite = 2, kErrUser = 4, kErrReserved = 8, kErrFetch = 16;
// A page written this often without touching an entry in use is no page table any more.
constexpr u32 kIdleWrites = 64;
}  // namespace

Mmu::Mmu(Cpu& cpu, Memory& memory) : cpu_(cpu), memory_(memory), writers_(memory.store_pages()) {
    spaces_[0].used = true;
    for (auto& v : spaces_[0].views) {
        void* p = mmap(nullptr, TlbLayout::kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(p != MAP_FAILED, "TLB tables could not be mapped");
        v.base = static_cast<u8*>(p);
    }
}

Mmu::~Mmu() {
    for (auto& s : spaces_)
        for (auto& v : s.views)
            if (v.base != nullptr) munmap(v.base, TlbLayout::kSize);
}

// --- walking --------------------------------------------------------------------------------------------

// SDM 4.3 (32-bit paging) and 4.4 (PAE). Returns false with `error` set on a page fault. With `update`, sets A and D.
bool Mmu::walk(u32 linear, Access access, bool user, Walk& w, u32& error, bool update) {
    const CpuState& s = cpu_.s;
    const bool write = access == Access::Write;
    error = (write ? kErrWrite : 0) | (user ? kErrUser : 0);
    w = Walk{};
    if ((s.cr0 & kCr0Pg) == 0) {
        w.phys = {linear};
        w.user = w.writable = true;
        return true;
    }
    const bool pae = (s.cr4 & kCr4Pae) != 0;
    const bool nxe = pae && (s.msr.efer & kEferNx) != 0;
    if (access == Access::Execute && nxe) error |= kErrFetch;
    auto load = [this](GuestPhys at, unsigned bytes) {
        u64 v = 0;
        u8 raw[8];
        memory_.read_ram(at, {raw, bytes});
        std::memcpy(&v, raw, bytes);
        return v;
    };
    u64 entry[3] = {};
    u64 permissions = kWritable | kUser;
    bool no_execute = false;
    unsigned n = 0;
    GuestPhys table{s.cr3 & 0xfffff000};
    u64 offset_mask = 0xfff;
    if (pae) {
        const u64 pdpte = s.pdpte[linear >> 30];
        if ((pdpte & kPresent) == 0) return false;
        table = {pdpte & kPaeAddress};
    }
    for (const unsigned shift : {pae ? 21u : 22u, 12u}) {
        const unsigned bytes = pae ? 8 : 4;
        const u32 index = linear >> shift & (pae ? 511 : 1023);
        const GuestPhys at = table + u64{index} * bytes;
        const u64 e = load(at, bytes);
        w.level[n] = {at, static_cast<u8>(shift), static_cast<u8>(bytes)};
        entry[n++] = e;
        if ((e & kPresent) == 0) return false;
        const bool large = shift != 12 && (e & kLarge) != 0 && (pae || (s.cr4 & kCr4Pse) != 0);
        bool reserved = false;
        if (pae) reserved = (e & kPaeReserved) != 0 || ((e & kNx) != 0 && !nxe) || (large && (e & 0x1fe000) != 0);
        else if (large) reserved = (e & 0x200000) != 0;
        if (reserved) {
            error |= kErrProtection | kErrReserved;
            return false;
        }
        permissions &= e;
        no_execute |= pae && (e & kNx) != 0;
        if (large) {
            offset_mask = (u64{1} << shift) - 1;
            table = pae ? GuestPhys{e & kPaeAddress & ~offset_mask} : GuestPhys{(e & 0xffc00000) | (e & 0x1e000) << 19};
            break;
        }
        table = pae ? GuestPhys{e & kPaeAddress} : GuestPhys{e & 0xfffff000};
    }
    w.levels = n;
    w.phys = table + (linear & offset_mask);
    w.user = (permissions & kUser) != 0;
    w.writable = (permissions & kWritable) != 0;
    w.no_execute = no_execute && nxe;
    const bool wp = (s.cr0 & kCr0Wp) != 0;
    const bool allowed = (!user || w.user) && (!write || w.writable || (!user && !wp)) &&
                         !(access == Access::Execute && w.no_execute);
    if (!allowed) {
        error |= kErrProtection;
        return false;
    }
    w.dirty_ok = write || (entry[n - 1] & kDirty) != 0;
    if (!update) return true;
    for (unsigned i = 0; i < n; ++i) {
        const u64 want = entry[i] | kAccessed | (write && i == n - 1 ? kDirty : 0);
        if (want == entry[i]) continue;
        // Only the low byte changes; our own translations stay valid, so the watcher is not told.
        const auto v = memory_.view(w.level[i].entry);
        if (v.write == Memory::PageView::kNone) continue;
        memory_.page(v.write)[w.level[i].entry.v & (kPageSize - 1)] = static_cast<u8>(want);
        memory_.mark_dirty(v.write);
    }
    return true;
}

Mmu::Mapping Mmu::translate(u32 linear, Access access, bool user) {
    Walk w;
    u32 error = 0;
    ++walks_;
    if (!walk(linear, access, user, w, error, true)) {
        cpu_.s.cr2 = linear;
        raise(kPfault, error);
    }
    return {w.phys, w.no_execute};
}

bool Mmu::probe(u32 linear, GuestPhys& out) const {
    Walk w;
    u32 error = 0;
    if (!const_cast<Mmu*>(this)->walk(linear, Access::Read, false, w, error, false)) return false;
    out = w.phys;
    return true;
}

// --- the tables ---------------------------------------------------------------------------------------------

void Mmu::touch(View& v, u32 page) {
    const u32 chunk = page >> 9;
    if (v.touched[chunk] != 0) return;
    v.touched[chunk] = 1;
    v.touched_list.push_back(static_cast<u16>(chunk));
}

void Mmu::note_derived(const Walk& w, u32 linear) {
    for (unsigned i = 0; i < w.levels; ++i) {
        const auto& level = w.level[i];
        const auto v = memory_.view(level.entry);
        const u32 store = v.read;
        if (store == Memory::PageView::kNone) continue;
        const u32 entries = kPageSize / level.size;
        const u32 index = static_cast<u32>(level.entry.v & (kPageSize - 1)) / level.size;
        const u32 base = static_cast<u32>(u64{linear >> level.span_shift} - index) << level.span_shift;
        auto& page = tables_[store];
        page.idle_writes = 0;
        auto it = std::find_if(page.uses.begin(), page.uses.end(), [&](const TableUse& u) {
            return u.space == current_ && u.span_shift == level.span_shift && u.linear_base == base;
        });
        if (it == page.uses.end()) {
            page.uses.push_back({static_cast<u16>(current_), level.span_shift, base, {}});
            it = page.uses.end() - 1;
            memory_.set_watch(store, kWatchPageTable);
        }
        CHECK(index < entries, "page-table index");
        it->derived.set(index);
    }
}

u8* Mmu::lookup(u32 linear, Access access, bool user, GuestPhys& phys) {
    View& v = view(user);
    const u32 page = linear >> kPageShift;
    const u64 hit = access == Access::Write ? v.write()[page] : v.read()[page];
    if (hit != 0 && access != Access::Execute) return reinterpret_cast<u8*>(hit + linear);

    Walk w;
    u32 error = 0;
    ++walks_;
    if (!walk(linear, access, user, w, error, true)) {
        cpu_.s.cr2 = linear;
        raise(kPfault, error);
    }
    phys = w.phys;
    const auto where = memory_.view(w.phys);
    const u64 base = u64{page} << kPageShift;
    if (access == Access::Write) {
        if (where.write == Memory::PageView::kNone) return nullptr;
        if (w.levels != 0) note_derived(w, linear);
        if (memory_.watch(where.write) != 0 || cpu_.debug.watched(linear, true)) return nullptr;
        memory_.mark_dirty(where.write);
        touch(v, page);
        v.write()[page] = reinterpret_cast<u64>(memory_.page(where.write)) - base;
        if (where.read == where.write && !cpu_.debug.watched(linear, false)) v.read()[page] = v.write()[page];
        const u32 me = (current_ << 20 | page) + 1;
        auto& writers = writers_[where.write];
        if (writers[0] == 0 || writers[0] == me) writers[0] = me;
        else if (writers[1] == 0 || writers[1] == me) writers[1] = me;
        else writers[1] = ~u32{0};
        return reinterpret_cast<u8*>(v.write()[page] + linear);
    }
    if (where.read == Memory::PageView::kNone) return nullptr;
    if (w.levels != 0) note_derived(w, linear);
    if (cpu_.debug.watched(linear, false)) return nullptr;
    touch(v, page);
    v.read()[page] = reinterpret_cast<u64>(memory_.page(where.read)) - base;
    return reinterpret_cast<u8*>(v.read()[page] + linear);
}

u32 Mmu::lookup_exec(u32 linear, bool user, GuestPhys& phys) {
    View& v = view(user);
    const u32 page = linear >> kPageShift;
    if (v.exec()[page] != 0) return v.exec()[page];
    Walk w;
    u32 error = 0;
    ++walks_;
    if (!walk(linear, Access::Execute, user, w, error, true)) {
        cpu_.s.cr2 = linear;
        raise(kPfault, error);
    }
    phys = w.phys;
    const auto where = memory_.view(w.phys);
    if (where.read == Memory::PageView::kNone) return 0;
    if (w.levels != 0) note_derived(w, linear);
    touch(v, page);
    v.exec()[page] = where.read << 1 | 1;
    return v.exec()[page];
}

void Mmu::exec_dropped(View& v) {
    if (&v == &view(running_user_)) {
        cpu_.jit.code_changed = true;
        std::memset(static_cast<void*>(v.jumps()), 0, sizeof(JumpEntry) * TlbLayout::kJumpEntries);
    } else {
        v.jumps_stale = true;
    }
}

void Mmu::prepare(bool user) {
    running_user_ = user;
    View& v = view(user);
    if (!v.jumps_stale) return;
    v.jumps_stale = false;
    std::memset(static_cast<void*>(v.jumps()), 0, sizeof(JumpEntry) * TlbLayout::kJumpEntries);
}

void Mmu::drop_page(Space& s, u32 page) {
    for (auto& v : s.views) {
        if (v.touched[page >> 9] == 0) continue;
        v.read()[page] = 0;
        v.write()[page] = 0;
        if (v.exec()[page] != 0) {
            v.exec()[page] = 0;
            exec_dropped(v);
        }
    }
}

void Mmu::drop_range(Space& s, u32 first_page, u32 pages) {
    if (pages == 1) return drop_page(s, first_page);
    for (auto& v : s.views) {
        bool exec = false;
        for (u32 p = first_page; p < first_page + pages; p += 512) {
            if (v.touched[p >> 9] == 0) continue;
            std::memset(v.read() + p, 0, 512 * sizeof(u64));
            std::memset(v.write() + p, 0, 512 * sizeof(u64));
            for (u32 i = 0; i < 512; ++i) exec |= v.exec()[p + i] != 0;
            std::memset(v.exec() + p, 0, 512 * sizeof(u32));
            v.touched[p >> 9] = 0;
            std::erase(v.touched_list, static_cast<u16>(p >> 9));
        }
        if (exec) exec_dropped(v);
    }
}

void Mmu::clear_view(View& v) {
    for (const u16 chunk : v.touched_list) {
        const u32 p = u32{chunk} << 9;
        std::memset(v.read() + p, 0, 512 * sizeof(u64));
        std::memset(v.write() + p, 0, 512 * sizeof(u64));
        std::memset(v.exec() + p, 0, 512 * sizeof(u32));
        v.touched[chunk] = 0;
    }
    if (!v.touched_list.empty()) exec_dropped(v);
    v.touched_list.clear();
}

// --- coherence ---------------------------------------------------------------------------------------------------

bool Mmu::derived_from(u32 store_page, u32 offset, u32 size) const {
    const auto it = tables_.find(store_page);
    if (it == tables_.end()) return false;
    for (const auto& use : it->second.uses) {
        const bool pae = (spaces_[use.space].key.mode & kCr4Pae) != 0;
        const u32 bytes = entry_bytes(use, pae);
        for (u32 i = offset / bytes; i <= (offset + size - 1) / bytes; ++i)
            if (use.derived.test(i)) return true;
    }
    return false;
}

void Mmu::page_table_written(u32 store_page, u32 offset, u32 size) {
    const auto it = tables_.find(store_page);
    if (it == tables_.end()) return;
    bool hit = false;
    for (auto& use : it->second.uses) {
        Space& s = spaces_[use.space];
        const u32 bytes = entry_bytes(use, (s.key.mode & kCr4Pae) != 0);
        for (u32 i = offset / bytes; i <= (offset + size - 1) / bytes; ++i) {
            if (!use.derived.test(i)) continue;
            hit = true;
            use.derived.reset(i);
            const u32 first = (use.linear_base >> kPageShift) + (i << (use.span_shift - kPageShift));
            drop_range(s, first, 1u << (use.span_shift - kPageShift));
        }
    }
    if (hit) it->second.idle_writes = 0;
    else if (++it->second.idle_writes > kIdleWrites) forget_table(store_page);
}

// The page is no longer a page table as far as we know: drop what came from it and stop watching.
void Mmu::forget_table(u32 store_page) {
    const auto it = tables_.find(store_page);
    if (it == tables_.end()) return;
    for (auto& use : it->second.uses) {
        if (use.derived.none()) continue;
        for (u32 i = 0; i < 1024; ++i) {
            if (!use.derived.test(i)) continue;
            const u32 first = (use.linear_base >> kPageShift) + (i << (use.span_shift - kPageShift));
            drop_range(spaces_[use.space], first, 1u << (use.span_shift - kPageShift));
        }
    }
    tables_.erase(it);
    memory_.clear_watch(store_page, kWatchPageTable);
}

void Mmu::space_changed() {
    const CpuState& s = cpu_.s;
    Key key;
    key.mode = (s.cr0 & (kCr0Pg | kCr0Wp));
    if ((s.cr0 & kCr0Pg) != 0) {
        key.mode |= s.cr4 & (kCr4Pse | kCr4Pae);
        key.cr3 = s.cr3 & 0xfffff000;
        if ((s.cr4 & kCr4Pae) != 0) {
            key.mode |= static_cast<u32>(s.msr.efer & kEferNx);
            key.cr3 = 0;
            key.pdpte = s.pdpte;
        }
    } else {
        key.mode = 0;
    }
    unsigned victim = 0;
    for (unsigned i = 0; i < kMaxSpaces; ++i) {
        Space& space = spaces_[i];
        if (space.used && space.key == key) {
            current_ = i;
            space.last_use = ++use_counter_;
            return;
        }
        if (spaces_[victim].used && (!space.used || space.last_use < spaces_[victim].last_use)) victim = i;
    }
    Space& space = spaces_[victim];
    if (space.used) {
        for (auto& v : space.views) {
            clear_view(v);
            v.jumps_stale = true;
        }
        for (auto it = tables_.begin(); it != tables_.end();) {
            std::erase_if(it->second.uses, [victim](const TableUse& u) { return u.space == victim; });
            if (it->second.uses.empty()) {
                memory_.clear_watch(it->first, kWatchPageTable);
                it = tables_.erase(it);
            } else {
                ++it;
            }
        }
    }
    for (auto& v : space.views) {
        if (v.base != nullptr) continue;
        void* p = mmap(nullptr, TlbLayout::kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(p != MAP_FAILED, "TLB tables could not be mapped");
        v.base = static_cast<u8*>(p);
    }
    space.used = true;
    space.key = key;
    space.last_use = ++use_counter_;
    current_ = victim;
}

void Mmu::forget_page(u32 linear_page) {
    for (auto& s : spaces_) {
        if (!s.used) continue;
        for (auto& v : s.views) {
            if (v.touched[linear_page >> 9] == 0) continue;
            v.read()[linear_page] = 0;
            v.write()[linear_page] = 0;
        }
    }
}

void Mmu::flush_all() {
    for (auto& s : spaces_) {
        if (!s.used) continue;
        for (auto& v : s.views) {
            clear_view(v);
            v.jumps_stale = true;
        }
    }
    for (const auto& [page, unused] : tables_) memory_.clear_watch(page, kWatchPageTable);
    tables_.clear();
    std::fill(writers_.begin(), writers_.end(), std::array<u32, 2>{});
    prepare(running_user_);
}

void Mmu::flush_jump_caches() {
    for (auto& s : spaces_)
        if (s.used)
            for (auto& v : s.views) v.jumps_stale = true;
    prepare(running_user_);
}

void Mmu::write_protect(u32 store_page) {
    auto& writers = writers_[store_page];
    if (writers[1] == ~u32{0}) return write_protect_all();
    for (auto& w : writers) {
        if (w == 0) continue;
        Space& s = spaces_[(w - 1) >> 20];
        for (auto& v : s.views)
            if (v.base != nullptr) v.write()[(w - 1) & 0xfffff] = 0;
        w = 0;
    }
}

void Mmu::write_protect_all() {
    for (auto& s : spaces_) {
        if (!s.used) continue;
        for (auto& v : s.views)
            for (const u16 chunk : v.touched_list) std::memset(v.write() + (u32{chunk} << 9), 0, 512 * sizeof(u64));
    }
    std::fill(writers_.begin(), writers_.end(), std::array<u32, 2>{});
}

}  // namespace vmm::tcg
