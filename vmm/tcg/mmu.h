// SPDX-License-Identifier: Apache-2.0
// Mmu: guest-linear to host translation for the translator. Reference: Intel SDM volume 3 chapter 4.
//
// The TLB is a direct table per address space: entry = linear page, value = what to add to a linear address to get the host
// address, 0 = ask the Mmu. Address spaces (CR3, PDPTEs, paging mode) are kept across MOV CR3, each with its tables for
// supervisor and user. No entry is ever stale: pages holding page-table entries that a cached translation came from are
// write-watched (kWatchPageTable), and a write drops what was derived from the entry. So flushing is invisible, and nothing
// of this is state. Done: 4 KiB, 4 MiB (PSE, PSE-36), PAE with NX, WP, A and D bits. Generated code reads the tables through
// the layout constants below.
#pragma once

#include <array>
#include <bitset>
#include <memory>
#include <unordered_map>
#include <vector>

#include "vmm/memory.h"
#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

// One privilege's view of a space, as one host mapping.
struct TlbLayout {
    static constexpr u32 kRead = 0;                      // u64[2^20]: host - linear of readable pages
    static constexpr u32 kWrite = 8u << 20;              // u64[2^20]: likewise, writable, dirty and unwatched
    static constexpr u32 kExec = 16u << 20;              // u32[2^20]: (store page << 1) | 1 of executable pages
    static constexpr u32 kJump = 20u << 20;              // JumpEntry[kJumpEntries]: linear EIP -> code
    static constexpr u32 kJumpEntries = 4096;
    static constexpr u32 kSize = kJump + kJumpEntries * 16;
};

struct JumpEntry {
    u32 eip = 0;
    u32 mode = 0;
    const u8* code = nullptr;                            // null: empty
    bool leads_to(u32 to_eip, u32 in_mode) const { return eip == to_eip && mode == in_mode && code != nullptr; }
};
// Its place in the table.
inline u32 jump_slot(u32 eip) { return (eip ^ eip >> kPageShift) & (TlbLayout::kJumpEntries - 1); }

class Mmu {
  public:
    Mmu(Cpu& cpu, Memory& memory);
    ~Mmu();

    JumpEntry& jump_entry(bool user, u32 eip) { return view(user).jumps()[jump_slot(eip)]; }
    // Tables of the present space for the given privilege; what generated code keeps in a register.
    u8* tables(bool user) { return view(user).base; }

    // Result of a page walk. Throws Fault (#PF, CR2 set) where access is not allowed.
    struct Mapping {
        GuestPhys phys;          // of the address itself
        bool no_execute = false;
    };
    Mapping translate(u32 linear, Access access, bool user);
    // As a debugger sees it: no fault, no A/D bits, no device. False: not mapped.
    bool probe(u32 linear, GuestPhys& out) const;

    // Host pointer for an access inside one page, or null where it has to go through Memory (device, ROM write, watched
    // page); then `phys` tells where. Fills the TLB.
    u8* lookup(u32 linear, Access access, bool user, GuestPhys& phys);
    // Store page | valid bit of an instruction fetch; 0 when code is not in plain memory (then phys is set).
    u32 lookup_exec(u32 linear, bool user, GuestPhys& phys);

    void space_changed();        // CR3, PDPTEs, CR0, CR4 or EFER changed: choose the space that fits
    void flush_all();            // physical map changed, or everything must be asked again
    void forget_page(u32 linear_page);   // its data translations, in every space
    void write_protect(u32 store_page);
    void write_protect_all();
    void page_table_written(u32 store_page, u32 offset, u32 size);
    // Would a write of these bytes drop a cached translation?
    bool derived_from(u32 store_page, u32 offset, u32 size) const;
    // All jump caches forget their code (the code cache was emptied).
    void flush_jump_caches();
    // Called by the dispatcher when it enters generated code with `user` tables.
    void prepare(bool user);
    u64 walks() const { return walks_; }

  private:
    static constexpr unsigned kMaxSpaces = 32;
    static constexpr u32 kChunks = 2048;                 // 512 pages each
    struct View {
        u8* base = nullptr;
        std::array<u8, kChunks> touched{};
        std::vector<u16> touched_list;
        bool jumps_stale = false;
        u64* read() const { return reinterpret_cast<u64*>(base + TlbLayout::kRead); }
        u64* write() const { return reinterpret_cast<u64*>(base + TlbLayout::kWrite); }
        u32* exec() const { return reinterpret_cast<u32*>(base + TlbLayout::kExec); }
        JumpEntry* jumps() const { return reinterpret_cast<JumpEntry*>(base + TlbLayout::kJump); }
    };
    struct Key {
        u32 cr3 = 0;
        u32 mode = 0;                                    // CR0.PG/WP, CR4.PSE/PAE, EFER.NX
        std::array<u64, 4> pdpte{};
        bool operator==(const Key&) const = default;
    };
    struct Space {
        Key key;
        bool used = false;
        u64 last_use = 0;
        View views[2];                                   // supervisor, user
    };
    // A page of page-table entries in use by a space: entry i covers linear_base + i << span_shift.
    struct TableUse {
        u16 space;
        u8 span_shift;                                   // 12: PTE, 21: PAE PDE, 22: PDE
        u32 linear_base;
        std::bitset<1024> derived;
    };
    struct TablePage {
        std::vector<TableUse> uses;
        u32 idle_writes = 0;
    };
    struct Walk {
        GuestPhys phys;
        bool user, writable, no_execute, dirty_ok;
        unsigned levels = 0;
        struct Level { GuestPhys entry; u8 span_shift; u8 size; } level[3];
    };

    View& view(bool user) { return spaces_[current_].views[user ? 1 : 0]; }
    bool walk(u32 linear, Access access, bool user, Walk& w, u32& error, bool update);
    void note_derived(const Walk& w, u32 linear);
    void touch(View& v, u32 page);
    void drop_page(Space& s, u32 page);
    void drop_range(Space& s, u32 first_page, u32 pages);
    void clear_view(View& v);
    void exec_dropped(View& v);
    void forget_table(u32 store_page);
    static constexpr u8 entry_bytes(const TableUse& u, bool pae) { return u.span_shift == 21 || pae ? 8 : 4; }

    Cpu& cpu_;
    Memory& memory_;
    std::array<Space, kMaxSpaces> spaces_;
    unsigned current_ = 0;
    u64 use_counter_ = 0;
    u64 walks_ = 0;
    bool running_user_ = false;
    std::unordered_map<u32, TablePage> tables_;
    // Up to two fast writable mappings of each store page: space << 20 | linear page, + 1; ~0 in the second: more.
    std::vector<std::array<u32, 2>> writers_;
};

}  // namespace vmm::tcg
