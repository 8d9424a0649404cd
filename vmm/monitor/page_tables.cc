// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/page_tables.h"

#include <array>

#include "vmm/cpu_state.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

constexpr u64 kPresent = 1, kWritable = 2, kUser = 4, kThrough = 8, kUncached = 16, kAccessed = 32, kDirty = 64, kLarge = 128,
              kGlobal = 256, kNoExecute = u64{1} << 63;
constexpr u64 kPaeAddress = 0xf'ffff'f000;

class Walker {
  public:
    Walker(Machine& machine, u32 first, const std::function<bool(const PageMapping&)>& use)
        : machine_(machine), s_(machine.translator().state()), first_(first), use_(use) {}

    void run() {
        if ((s_.cr4 & kCr4Pae) == 0) {
            directory(s_.cr3 & ~0xfffu, 0, 4, 22, kUser | kWritable);
            return;
        }
        for (u32 i = 0; i < 4; ++i)
            if ((s_.pdpte[i] & kPresent) != 0 && !directory(s_.pdpte[i] & kPaeAddress, i << 30, 8, 21, kUser | kWritable)) return;
    }

  private:
    u64 entry(u64 table, u32 index, unsigned size) const {
        std::array<u8, 8> bytes{};
        machine_.memory().read_ram(GuestPhys{table + u64{index} * size}, std::span(bytes).first(size));
        u64 value = 0;
        for (unsigned i = size; i-- > 0;) value = value << 8 | bytes[i];
        return value;
    }

    bool directory(u64 table, u32 linear, unsigned size, unsigned shift, u64 rights) {
        const bool large_pages = size == 8 || (s_.cr4 & kCr4Pse) != 0;
        for (u32 i = 0; i < kPageSize / size; ++i) {
            const u32 at = linear + (i << shift);
            if (at + ((u32{1} << shift) - 1) < first_) continue;
            const u64 e = entry(table, i, size);
            if ((e & kPresent) == 0) continue;
            const u64 both = (rights & e) | ((rights | e) & kNoExecute);
            if (large_pages && (e & kLarge) != 0) {
                // PSE-36: address bits 32 to 39 are in bits 13 to 20.
                const u64 address = size == 8 ? e & 0xf'ffe0'0000 : (e & 0xffc0'0000) | (e >> 13 & 0xff) << 32;
                if (!page(at, u32{1} << shift, address, e, both)) return false;
            } else if (!pages(size == 8 ? e & kPaeAddress : e & 0xffff'f000, at, size, both)) {
                return false;
            }
        }
        return true;
    }

    bool pages(u64 table, u32 linear, unsigned size, u64 rights) {
        for (u32 i = 0; i < kPageSize / size; ++i) {
            const u32 at = linear + (i << kPageShift);
            if (at + (kPageSize - 1) < first_) continue;
            const u64 e = entry(table, i, size);
            if ((e & kPresent) == 0) continue;
            const u64 both = (rights & e) | ((rights | e) & kNoExecute);
            if (!page(at, kPageSize, size == 8 ? e & kPaeAddress : e & 0xffff'f000, e, both)) return false;
        }
        return true;
    }

    bool page(u32 linear, u32 bytes, u64 physical, u64 e, u64 rights) const {
        PageMapping m;
        m.linear = linear;
        m.bytes = bytes;
        m.physical = physical;
        m.user = (rights & kUser) != 0;
        m.writable = (rights & kWritable) != 0;
        m.no_execute = (rights & kNoExecute) != 0 && (s_.msr.efer & kEferNx) != 0;
        m.accessed = (e & kAccessed) != 0;
        m.dirty = (e & kDirty) != 0;
        m.global = (e & kGlobal) != 0;
        m.uncached = (e & kUncached) != 0;
        m.write_through = (e & kThrough) != 0;
        return use_(m);
    }

    Machine& machine_;
    const CpuState& s_;
    const u32 first_;
    const std::function<bool(const PageMapping&)>& use_;
};

}  // namespace

bool for_each_mapping(Machine& machine, u32 first, const std::function<bool(const PageMapping&)>& use) {
    if ((machine.translator().state().cr0 & kCr0Pg) == 0) return false;
    Walker(machine, first, use).run();
    return true;
}

}  // namespace vmm::monitor
