// SPDX-License-Identifier: Apache-2.0
// Memory as a random program finds it: descriptor tables, page tables, handlers, code and data.
#include "tests/tcg/random_system.h"

#include <algorithm>
#include <cstring>

#include "vmm/tcg/cpu.h"

namespace vmm::test {

using namespace tcg;

namespace {

Segment segment(u16 selector, u32 base, u32 limit, u16 access, bool big) {
    const bool pages = limit > 0xfffff;
    return {selector, base, limit, static_cast<u16>(access | (big ? 0x4000 : 0) | (pages ? 0x8000 : 0))};
}

void write_descriptor(Memory& memory, u32 at, const Segment& s) {
    const u32 limit = (s.attr & 0x8000) != 0 ? s.limit >> 12 : s.limit;
    memory.store({at}, 4, (limit & 0xffff) | s.base << 16);
    memory.store({at + 4}, 4, (s.base >> 16 & 0xff) | u32{s.attr} << 8 | (limit & 0xf0000) | (s.base & 0xff000000));
}

}  // namespace

Descriptions descriptions(Setting setting, u32 code_end) {
    constexpr u32 kAll = ~u32{0};
    const auto user = [](u16 selector, u32 base, u32 limit, bool code, bool big) {
        return segment(selector, base, limit, code ? 0xfb : 0xf3, big);
    };
    Descriptions d{user(kUserCode, 0, kAll, true, true), user(kUserData, 0, kAll, false, true), user(kUserStack, 0, kAll, false, true)};
    switch (setting) {
    case Setting::Ring0Flat:
        return {segment(kKernelCode, 0, kAll, 0x9b, true), segment(kKernelData, 0, kAll, 0x93, true), segment(kKernelData, 0, kAll, 0x93, true)};
    case Setting::Based32:
        d.code = user(kUserCode, kProgramCode - 0x1040, code_end - (kProgramCode - 0x1040) - 1, true, true);
        d.data = user(kUserData, kWindow - 0x123, kAll, false, true);
        d.stack = user(kUserStack, kProgramStack - 0x1002, kAll, false, true);
        break;
    case Setting::Real16Like:
        d.code = user(kUserCode, kProgramCode, 0xffff, true, false);
        d.data = user(kUserData, kWindow - 0x1000, 0xffff, false, false);
        d.stack = user(kUserStack, kProgramStack - 0x40, 0xffff, false, false);
        break;
    case Setting::Code16Flat: d.code = user(kUserCode, kProgramCode - 0x200, 0xffff, true, false); break;
    case Setting::Limited: d.data = user(kUserData, 0, kWindow + 0x57ff, false, true); break;
    default: break;
    }
    return d;
}

void RandomProgram::load(Memory& memory) const {
    const auto clear = [&](u32 at, u32 size) {
        const std::vector<u8> zeros(size);
        memory.write({at}, zeros);
    };
    const auto bytes = [&](u32 at, std::initializer_list<u8> list) { memory.write({at}, {list.begin(), list.size()}); };
    // Page tables: the first 4 MiB at their own addresses; a second space has the window and the last code page elsewhere.
    constexpr u32 kP = 1, kW = 2, kU = 4;
    std::vector<u8> table(kPageSize);
    for (u32 page = 0; page < 1024; ++page) {
        const u32 at = page << kPageShift;
        u32 flags = kP | kW;
        const auto inside = [at](u32 from, u32 pages) { return at >= from && at < from + pages * kPageSize; };
        if (at >= kProgramCode) flags = 0;
        if (inside(kProgramCode, kProgramCodePages) || inside(kProgramStack, kProgramStackPages)) flags = kP | kW | kU;
        if (inside(kWindow, kWindowPages)) {
            const u32 n = (at - kWindow) >> kPageShift;
            flags = n == 3 ? 0 : kP | kU | (n == 2 ? 0 : kW);
        }
        if (at == kPageTableAlias) flags = kP | kW | kU;
        const u32 entry = flags == 0 ? 0 : at == kPageTableAlias ? kPageTable | flags : at | flags;
        std::memcpy(&table[page * 4], &entry, 4);
    }
    memory.write({kPageTable}, table);
    const auto frame = [&table](u32 linear, u32 physical) {
        u32 entry;
        u8* const at = &table[(linear >> kPageShift) * 4];
        std::memcpy(&entry, at, 4);
        entry = physical | (entry & 0xfff);
        std::memcpy(at, &entry, 4);
    };
    for (u32 n = 0; n < kWindowPages; ++n) frame(kWindow + n * kPageSize, kWindow + (n + 1) % kWindowPages * kPageSize);
    frame(kProgramCode + 2 * kPageSize, kProgramCode + kPageSize);
    frame(kPageTableAlias, kOtherTable);
    memory.write({kOtherTable}, table);
    clear(kOtherDirectory, kPageSize);
    memory.store({kOtherDirectory}, 4, kOtherTable | kP | kW | kU);
    clear(kPageDirectory, kPageSize);
    memory.store({kPageDirectory}, 4, kPageTable | kP | kW | kU);
    // GDT and TSS.
    clear(kTables, kPageSize);
    const Descriptions kernel = descriptions(Setting::Ring0Flat, 0);
    const Descriptions user = descriptions(setting == Setting::Ring0Flat ? Setting::Ring3Flat : setting, code_at + static_cast<u32>(code.size()));
    write_descriptor(memory, kTables + kKernelCode, kernel.code);
    write_descriptor(memory, kTables + kKernelData, kernel.data);
    write_descriptor(memory, kTables + (kUserCode & ~7u), user.code);
    write_descriptor(memory, kTables + (kUserData & ~7u), user.data);
    write_descriptor(memory, kTables + (kUserStack & ~7u), user.stack);
    write_descriptor(memory, kTables + kTss, {kTss, kTables + 0x100, 0x67, 0x8b});
    memory.store({kTables + 0x104}, 4, kKernelStack);
    memory.store({kTables + 0x108}, 4, kKernelData);
    // Handlers.
    for (u32 v = 0; v < 256; ++v) {
        const u32 handler = kHandlersAt + 32 * std::min<u32>(v, 0x3f);
        memory.store({kIdtAt + 8 * v}, 4, u32{kKernelCode} << 16 | (handler & 0xffff));
        memory.store({kIdtAt + 8 * v + 4}, 4, (handler & 0xffff0000) | 0xee00);
    }
    for (u32 v = 0; v < 0x40; ++v) {
        const u32 at = kHandlersAt + 32 * v;
        switch (v) {
        case 1: bytes(at, {0x81, 0x64, 0x24, 8, 0xff, 0xfe, 0xff, 0xff, 0x81, 0x4c, 0x24, 8, 0, 0, 1, 0, 0xcf}); break;   // TF off, RF on
        case 3: case 4: bytes(at, {0xcf}); break;
        case kInterruptVector: bytes(at, {0x36, 0xff, 0x05, kCounter & 0xff, kCounter >> 8, 0, 0, 0xcf}); break;
        case 0x3f: bytes(at, {0xf4, 0xeb, 0xfd}); break;
        default: {
            // With an error code to take away; then to the next chunk.
            const bool error = v == kDfault || (v >= kTs && v <= kPfault) || v == kAcFault;
            if (error) bytes(at, {0x83, 0xc4, 4, 0x83, 0x04, 0x24, 0x20, 0x83, 0x24, 0x24, 0xe0, 0xcf});
            else bytes(at, {0x83, 0x04, 0x24, 0x20, 0x83, 0x24, 0x24, 0xe0, 0xcf});
        }
        }
    }
    clear(kCounter, 0x1000);
    clear(kKernelStack - 0x2000, 0x2000);
    std::vector<u8> text(kProgramCodePages * kPageSize, 0x90);
    std::copy(code.begin(), code.end(), text.begin() + (code_at - kProgramCode));
    memory.write({kProgramCode}, text);
    memory.write({kWindow}, window);
    clear(kProgramStack, kProgramStackPages * kPageSize);
}

}  // namespace vmm::test
