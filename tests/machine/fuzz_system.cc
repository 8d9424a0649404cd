// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/fuzz_system.h"

#include <algorithm>
#include <cstring>

#include "tests/tcg/case_generator.h"
#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/descriptor.h"
#include "vmm/tcg/translator.h"

namespace vmm::testing {

using test::SplitMix;

namespace {

constexpr u32 kGdt = 0x1000, kGdtEntries = 64, kLdt = 0x1800, kLdtEntries = 32, kIdt = 0x2000, kTss = 0x3000, kTssSize = 0x800,
              kStubs = 0x4400, kRealStub = 0x4c00, kDirectory = 0x5000, kPaeDirectories = 0x6000, kTables = 0xa000, kTablePages = 6;
constexpr u32 kCodeLow = 0x10000, kCodeLowSize = 0x30000, kStack = 0x48000, kCodeHigh = 0x110000, kCodeHighSize = 0x20000;
constexpr u16 kCode0 = 0x08, kData0 = 0x10, kCode3 = 0x1b, kData3 = 0x23, kTssSel = 0x28, kLdtSel = 0x38, kCode16 = 0x40, kData16 = 0x48,
              kCode1 = 0x69, kData1 = 0x71, kCode3At16 = 0x7b, kData3At16 = 0x83;

u32 below(SplitMix& r, u32 n) { return r() % n; }
bool one_in(SplitMix& r, u32 n) { return r() % n == 0; }
u64 r64(SplitMix& r) { return u64{r()} << 32 | r(); }

// Ports and memory where devices are.
u32 a_port(SplitMix& r) {
    constexpr u16 kPorts[] = {0x00, 0x08, 0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xa0, 0xa1, 0xc0, 0xd0, 0xf0, 0x3c0, 0x3d4,
                              0x2f8, 0x3f8, 0x402, 0x4d0, 0x510, 0x511, 0x514, 0x600, 0x604, 0xafe0, 0xb000, 0xcf8, 0xcf9, 0xcfc, 0x1ce};
    return one_in(r, 8) ? r() & 0xffff : kPorts[below(r, std::size(kPorts))] + below(r, 4);
}
u32 a_device_page(SplitMix& r) {
    constexpr u32 kPages[] = {0xfee00, 0xfec00, 0xa0, 0xb8, 0xf0, 0xfffff, 0xfed00, 0xe0, 0xfd000};
    return kPages[below(r, std::size(kPages))];
}

u32 an_address(SplitMix& r) {
    switch (below(r, 10)) {
    case 0: return r();
    case 1: return a_device_page(r) << 12 | (r() & 0xffc);
    case 2: return below(r, 0x10000);                                        // tables
    case 3: return kCodeHigh + below(r, kCodeHighSize);
    case 4: return below(r, 0x1000) * kPageSize - 4 + below(r, 8);            // between two pages
    case 5: return kStack + below(r, 0x4000);
    default: return kCodeLow + below(r, kCodeLowSize);
    }
}

u32 a_value(SplitMix& r) {
    constexpr u32 kCorners[] = {0, 1, 0x7f, 0x80, 0xffff, 0x8000, 0x7fffffff, 0x80000000, 0xffffffff, 0x80000011, 0x11};
    if (one_in(r, 3)) return an_address(r);
    return one_in(r, 2) ? kCorners[below(r, std::size(kCorners))] : r();
}

u16 a_selector(SplitMix& r) {
    if (one_in(r, 6)) return static_cast<u16>(r());
    return static_cast<u16>((below(r, 18) << 3) | (one_in(r, 8) ? 4 : 0) | below(r, 4));
}

class Writer {
  public:
    Writer(std::vector<u8>& out) : out_(out) {}
    void bytes(std::initializer_list<u32> list) {
        for (const u32 b : list) out_.push_back(static_cast<u8>(b));
    }
    void word(u32 v, unsigned n) {
        for (unsigned i = 0; i < n; ++i) out_.push_back(static_cast<u8>(v >> (8 * i)));
    }

  private:
    std::vector<u8>& out_;
};

// Short sequences that chance alone would never make.
void special(Writer& w, SplitMix& r, bool wide) {
    const unsigned z = wide ? 4 : 2;
    switch (below(r, 18)) {
    case 0: w.bytes({0x66u, wide ? 0xbau : 0xbau}), w.word(a_port(r), wide ? 2 : 4), w.bytes({0xec + below(r, 4)}); break;
    case 1: w.bytes({0xb0, r() & 0xff, 0xe4 + below(r, 4), a_port(r) & 0xff}); break;
    case 2: w.bytes({0xba}), w.word(a_port(r), z), w.bytes({0xec + below(r, 4)}); break;
    case 3: w.bytes({0xba}), w.word(a_port(r), z), w.bytes({0xb8}), w.word(a_value(r), z), w.bytes({0xee + below(r, 2)}); break;
    case 4: w.bytes({0xa0 + below(r, 4)}), w.word(an_address(r), z); break;
    case 5: w.bytes({0xc7, wide ? 5u : 6u}), w.word(an_address(r), z), w.word(a_value(r), z); break;
    case 6: {                                                                 // an MSR that exists
        constexpr u32 kMsrs[] = {0x10, 0x1b, 0x174, 0x175, 0x176, 0x1a0, 0x200, 0x201, 0x250, 0x277, 0x2ff, 0xc0000080, 0x179, 0x17a, 0x8b, 0xfe};
        w.bytes({0x66u, 0xb9u});
        if (wide) w.word(r(), 2), w.bytes({0xb9});
        w.word(kMsrs[below(r, std::size(kMsrs))], 4);
        w.bytes({0x0f, one_in(r, 2) ? 0x30u : 0x32u});
        break;
    }
    case 7: w.bytes({0x0f, 0x20, 0xc0 | below(r, 5) << 3, 0x0f, 0xba, 0xf8 - below(r, 3) * 8, r() & 31, 0x0f, 0x22, 0xc0 | below(r, 5) << 3}); break;  // a CR bit
    case 8: w.bytes({0x0f, 0x20 + below(r, 4), 0xc0 | (r() & 0x3f)}); break;
    case 9: w.bytes({0xcd, r() & 0xff}); break;
    case 10: w.bytes({0xfb, 0xf4}); break;
    case 11: w.bytes({one_in(r, 2) ? 0xeau : 0x9au}), w.word(an_address(r), z), w.word(a_selector(r), 2); break;
    case 12: w.bytes({0x66, 0xb8}), w.word(a_selector(r), wide ? 2 : 4), w.bytes({0x8e, 0xc0 | below(r, 6) << 3}); break;
    case 13: w.bytes({0xe8}), w.word(below(r, 256), z), w.bytes({0x58, 0x80, 0x70, below(r, 32), r() & 0xff}); break;     // XOR into what follows
    case 14: w.bytes({0xb9}), w.word(below(r, 300), z), w.bytes({0xf2 + below(r, 2), 0xa4 + below(r, 4)}); break;
    case 15: w.bytes({0x50 + below(r, 8), 0x9d}); break;
    case 16: w.bytes({0xbf}), w.word(an_address(r), z), w.bytes({0xab}); break;
    default: w.bytes({0xe2, 0xf0 + below(r, 16)}); break;
    }
}

u64 a_descriptor(SplitMix& r) {
    const u64 raw = r64(r);
    return one_in(r, 3) ? raw : (raw | u64{0x80} << 40) & ~(u64{0x10} << 40 & raw & r64(r));
}

u64 segment_descriptor(u32 base, u32 limit, u32 attributes) {
    return (u64{base & 0xff000000} | (base >> 16 & 0xff)) << 32 | u64{base & 0xffff} << 16 | (limit & 0xffff) | u64{limit & 0xf0000} << 32 |
           u64{attributes} << 40;
}
u64 gate(u16 selector, u32 offset, u32 access) {
    return u64{offset & 0xffff0000} << 32 | u64{access} << 40 | u64{selector} << 16 | (offset & 0xffff);
}

void put64(Machine& m, u32 at, u64 v) {
    m.memory().store({at}, 4, static_cast<u32>(v));
    m.memory().store({at + 4}, 4, static_cast<u32>(v >> 32));
}

u32 code_address(SplitMix& r) { return one_in(r, 4) ? kCodeHigh + below(r, kCodeHighSize) : kCodeLow + below(r, kCodeLowSize); }

void fill_descriptors(Machine& m, SplitMix& r) {
    const auto set = [&](u32 at, u64 v) { put64(m, at, v); };
    for (u32 i = 1; i < kGdtEntries; ++i) set(kGdt + 8 * i, a_descriptor(r));
    for (u32 i = 0; i < kLdtEntries; ++i) set(kLdt + 8 * i, one_in(r, 2) ? segment_descriptor(0, 0xfffff, one_in(r, 2) ? 0xc0f3 : 0xc0fb) : a_descriptor(r));
    const auto gdt = [&](u16 selector, u64 v) {
        if (!one_in(r, 40)) set(kGdt + (selector & ~7u), v);
    };
    gdt(kCode0, segment_descriptor(0, 0xfffff, 0xc09b));
    gdt(kData0, segment_descriptor(0, 0xfffff, 0xc093));
    gdt(kCode3, segment_descriptor(0, 0xfffff, 0xc0fb));
    gdt(kData3, segment_descriptor(0, 0xfffff, 0xc0f3));
    gdt(kTssSel, segment_descriptor(kTss, kTssSize - 1, 0x8b));
    gdt(0x30, segment_descriptor(kTss + kTssSize, 0x67, one_in(r, 2) ? 0x89 : 0x81));
    gdt(kLdtSel, segment_descriptor(kLdt, 8 * kLdtEntries - 1, 0x82));
    gdt(kCode16, segment_descriptor(kCodeLow, 0xffff, 0x9b));
    gdt(kData16, segment_descriptor(kCodeLow, 0xffff, 0x93));
    gdt(0x50, segment_descriptor(0, 0xfffff, 0xc09f));
    gdt(0x58, gate(kCode0, code_address(r), one_in(r, 2) ? 0xec : 0xe4) | u64{below(r, 4)} << 32);
    gdt(0x60, gate(0x30, 0, 0xe5));
    gdt(kCode1, segment_descriptor(0, 0xfffff, 0xc0bb));
    gdt(kData1, segment_descriptor(0, 0xfffff, 0xc0b3));
    gdt(kCode3At16, segment_descriptor(kCodeLow, 0xffff, 0xfb));
    gdt(kData3At16, segment_descriptor(kCodeLow, 0xffff, 0xf3));
    for (u32 v = 0; v < 256; ++v) {
        const u32 dpl = one_in(r, 2) ? 0x60 : 0;
        u64 g = gate(one_in(r, 12) ? a_selector(r) : kCode0, code_address(r), 0x80 | dpl | (one_in(r, 2) ? 0xe : 0xf));
        if (v < 32 && !one_in(r, 4)) g = gate(kCode0, kStubs + 16 * v, 0x8e | dpl);
        if (one_in(r, 24)) g = gate(0x30, 0, 0x85 | dpl);
        if (one_in(r, 24)) g = gate(kCode16, below(r, 0x10000), 0x86 | dpl);
        if (one_in(r, 40)) g = r64(r);
        set(kIdt + 8 * v, g);
    }
    // Handlers that go on three bytes later, so that a fault is not the end of what a case can do.
    for (u32 v = 0; v < 32; ++v) {
        const bool error = v == 8 || (v >= 10 && v <= 14) || v == 17;
        constexpr u8 kPlain[] = {0x83, 0x04, 0x24, 0x03, 0xcf}, kWithError[] = {0x83, 0xc4, 0x04, 0x83, 0x04, 0x24, 0x03, 0xcf};
        m.memory().write({kStubs + 16 * v}, error ? std::span<const u8>(kWithError) : std::span<const u8>(kPlain));
    }
    constexpr u8 kReal[] = {0x55, 0x89, 0xe5, 0x83, 0x46, 0x02, 0x03, 0x5d, 0xcf};   // ADD word [BP+2], 3
    m.memory().write({kRealStub}, kReal);
    // Two tasks; the first with an I/O bitmap and an interrupt redirection bitmap.
    for (u32 at = kTss; at < kTss + 2 * kTssSize; at += 4) m.memory().store({at}, 4, one_in(r, 2) ? 0 : r() & r());
    for (const u32 tss : {kTss, kTss + kTssSize}) {
        const auto store = [&](u32 offset, u32 v) { m.memory().store({tss + offset}, 4, v); };
        store(0, one_in(r, 4) ? a_selector(r) : 0x30);
        for (u32 n = 0; n < 3; ++n) {
            store(4 + 8 * n, kStack + 0x1000 * n + 0xff0);
            store(8 + 8 * n, one_in(r, 20) ? a_selector(r) : n == 0 ? kData0 : n == 1 ? kData1 : 0x4a);
        }
        store(0x1c, kDirectory);
        store(0x20, code_address(r));
        store(0x24, (r() & 0x3cfd5) | 2);
        for (u32 n = 0; n < 8; ++n) store(0x28 + 4 * n, an_address(r));
        for (u32 n = 0; n < 6; ++n) store(0x48 + 4 * n, n == 1 ? kCode0 : kData0);
        store(0x60, one_in(r, 2) ? kLdtSel : 0);
        store(0x64, u32{0x88} << 16 | one_in(r, 16));
    }
}

u64 table_entry(SplitMix& r, u32 page) {
    if (one_in(r, 24)) page = below(r, 1024);
    if (one_in(r, 32)) page = a_device_page(r);
    u64 e = u64{page} << 12 | 7;
    if (one_in(r, 10)) e &= ~u64{1u << below(r, 3)};
    e |= r() & r() & 0x178;
    if (one_in(r, 64)) e = r64(r);
    return e;
}

void fill_page_tables(Machine& m, SplitMix& r, bool pae) {
    for (u32 t = 0; t < kTablePages; ++t) {
        const u32 at = kTables + t * kPageSize;
        if (pae) {
            for (u32 i = 0; i < 512; ++i) put64(m, at + 8 * i, table_entry(r, t * 512 + i) | (one_in(r, 40) ? u64{1} << 63 : 0));
        } else {
            for (u32 i = 0; i < 1024; ++i) m.memory().store({at + 4 * i}, 4, static_cast<u32>(table_entry(r, t * 1024 + i)));
        }
    }
    const auto directory_entry = [&](u32 index, u32 megabytes) {
        const u32 flags = one_in(r, 8) ? r() & 7 : 7;
        if (index < kTablePages && !one_in(r, 6)) return u64{kTables + index * kPageSize} | flags;
        if (one_in(r, 3)) return r64(r) & ~u64{0x1fe000};
        return u64{index * megabytes} << 20 | flags | 0x80 | (one_in(r, 2) ? 0x100 : 0);       // a large page where it is
    };
    if (!pae) {
        for (u32 i = 0; i < 1024; ++i) m.memory().store({kDirectory + 4 * i}, 4, static_cast<u32>(directory_entry(i, 4)));
        return;
    }
    for (u32 d = 0; d < 4; ++d) {
        put64(m, kDirectory + 8 * d, one_in(r, 16) ? 0 : (kPaeDirectories + d * kPageSize) | 1);
        for (u32 i = 0; i < 512; ++i) put64(m, kPaeDirectories + d * kPageSize + 8 * i, directory_entry(d * 512 + i, 2) & ~(u64{0x7ffffff} << 36 & ~u64{0}));
    }
}

Segment make_segment(u16 selector, u32 base, u32 limit, u32 attributes) { return {selector, base, limit, static_cast<u16>(attributes)}; }

}  // namespace

FuzzCode::FuzzCode(u64 seed, u64 stream) {
    SplitMix r(seed, stream);
    test::CaseGenerator generate(r64(r));
    const auto forms = static_cast<u32>(tcg::all_forms().size());
    bytes_.reserve(kSize + 64);
    Writer w(bytes_);
    bool wide = true;
    while (bytes_.size() < kSize) {
        if (one_in(r, 500)) wide = !wide;
        switch (below(r, 16)) {
        case 0: for (u32 n = 1 + below(r, 12); n != 0; --n) bytes_.push_back(static_cast<u8>(r())); break;
        case 1: case 2: case 3: special(w, r, wide); break;
        case 4: bytes_.push_back(0x90); break;
        default: {
            u8 out[15];
            const unsigned n = generate.instruction(below(r, forms), wide, out);
            bytes_.insert(bytes_.end(), out, out + n);
        }
        }
    }
    bytes_.resize(kSize);
}

void fill_fuzz_memory(Machine& m, SplitMix r, const FuzzCode& code) {
    m.memory().write({kCodeLow}, code.slice(r(), kCodeLowSize));
    m.memory().write({kCodeHigh}, code.slice(r(), kCodeHighSize));
    m.memory().write({kStack}, code.slice(r(), 0x4000));
    fill_descriptors(m, r);
    fill_page_tables(m, r, one_in(r, 2));
    // Vectors of real mode.
    for (u32 v = 0; v < 256; ++v) {
        const u32 to = kCodeLow + below(r, kCodeLowSize - 0x10000);
        m.memory().store({4 * v}, 4, v < 32 && !one_in(r, 4) ? kRealStub : (to >> 4) << 16 | below(r, 0x1000));
    }
}

std::string set_fuzz_processor(Machine& m, SplitMix r) {
    const tcg::CpuModel& model = m.translator().cpu().model;
    CpuState s = m.translator().state();
    using tcg::Feature;
    std::string what;
    for (u32& g : s.gpr) g = a_value(r);
    s.eflags = (r() & (kArithFlags | kDf | kIf | kIopl)) | 2;
    if (one_in(r, 16)) s.eflags |= kTf;
    if (one_in(r, 16)) s.eflags |= kNt;
    if (one_in(r, 8)) s.eflags |= kAc;
    if (one_in(r, 8) && model.has(Feature::Vme)) s.eflags |= r() & (kVif | kVip);
    s.halted = s.nmi_blocked = false;
    s.shadow = Shadow::None;
    s.pending_debug = 0;
    s.gdtr = {kGdt, 8 * kGdtEntries - 1};
    s.idtr = {kIdt, 0x7ff};
    s.ldtr = make_segment(kLdtSel, kLdt, 8 * kLdtEntries - 1, 0x82);
    s.tr = make_segment(kTssSel, kTss, kTssSize - 1, 0x8b);
    s.cr0 = kCr0Et | (r() & (kCr0Ne | kCr0Wp | kCr0Am | kCr0Mp)) | (one_in(r, 12) ? r() & (kCr0Em | kCr0Ts) : 0);
    s.cr3 = kDirectory | (r() & 0x18);
    u32 cr4 = 0;
    if (model.has(Feature::Vme)) cr4 |= kCr4Vme | kCr4Pvi;
    if (model.has(Feature::Tsc)) cr4 |= one_in(r, 8) ? kCr4Tsd : 0;
    if (model.has(Feature::De)) cr4 |= kCr4De;
    if (model.has(Feature::Pse)) cr4 |= kCr4Pse;
    if (model.has(Feature::Pge)) cr4 |= kCr4Pge;
    cr4 &= r() | kCr4Pse;
    if (model.has(Feature::Fxsr) && !one_in(r, 6)) cr4 |= kCr4Osfxsr | (r() & kCr4Osxmmexcpt);
    s.msr.efer = model.has(Feature::Nx) && one_in(r, 2) ? kEferNx : 0;
    if (model.has(Feature::Sep)) s.msr.sysenter_cs = one_in(r, 4) ? 0 : kCode0, s.msr.sysenter_esp = kStack + 0x2000, s.msr.sysenter_eip = code_address(r);
    for (unsigned i = 0; i < 8; ++i) {
        s.fpu.significand[i] = r64(r), s.fpu.exponent[i] = static_cast<u16>(r());
        s.xmm[i] = {r64(r), r64(r)};
    }
    s.fpu.control = static_cast<u16>(0x40 | (r() & 0xf00) | (one_in(r, 4) ? r() & 0x3f : 0x3f));
    s.fpu.tag = static_cast<u8>(r());
    s.fpu.status = static_cast<u16>(below(r, 8) << 11);
    s.mxcsr = one_in(r, 4) ? r() & 0xffbf : 0x1f80;
    s.dr7 = 0x400;
    if (one_in(r, 8)) {
        for (u32& d : s.dr) d = an_address(r);
        s.dr7 = (r() & 0xffff03ff & ~0xdc00u) | 0x400;
        what += "breakpoints ";
    }
    const bool pae_tables = (m.memory().load({kDirectory}, 4) & 0xfff) == 1 || m.memory().load({kDirectory + 4}, 4) == 0;
    const bool paging = !one_in(r, 3);
    const u32 mode = below(r, 8);
    const auto flat = [&](u16 code, u16 data, u32 dpl) {
        s.seg[kCs] = make_segment(code, 0, ~u32{0}, 0xc09b | dpl << 5);
        for (const Seg i : {kEs, kSs, kDs, kFs, kGs}) s.seg[i] = make_segment(data, 0, ~u32{0}, 0xc093 | dpl << 5);
        s.eip = code_address(r);
        s.gpr[kEsp] = kStack + below(r, 0x4000);
    };
    const auto sixteen = [&](u16 code, u16 data, u32 dpl) {
        s.seg[kCs] = make_segment(code, kCodeLow, 0xffff, 0x9b | dpl << 5);
        for (const Seg i : {kEs, kSs, kDs, kFs, kGs}) s.seg[i] = make_segment(data, kCodeLow, 0xffff, 0x93 | dpl << 5);
        s.eip = below(r, 0x10000);
    };
    const auto paragraphs = [&](u32 code_attributes, u32 attributes) {
        for (unsigned i = 0; i < 6; ++i) {
            const u32 selector = (kCodeLow >> 4) + below(r, 0x2000);
            s.seg[i] = make_segment(static_cast<u16>(selector), selector << 4, 0xffff, i == kCs ? code_attributes : attributes);
        }
        s.eip = below(r, 0x10000);
        if (one_in(r, 2)) s.gpr[kEsp] = below(r, 0x10000);
    };
    switch (mode) {
    case 0: case 1:
        paragraphs(0x9b, 0x93);
        s.idtr = {0, 0x3ff};
        s.eflags &= ~(kVif | kVip);
        if (one_in(r, 4))
            for (const Seg i : {kEs, kDs, kFs}) s.seg[i].limit = ~u32{0}, s.seg[i].attr = 0xc093;   // unreal
        what += "real ";
        break;
    case 2: paragraphs(0xf3, 0xf3), s.cr0 |= kCr0Pe, s.eflags |= kVm, what += "V86 "; break;
    case 3: flat(kCode0, kData0, 0), s.cr0 |= kCr0Pe, what += "ring 0 "; break;
    case 4: flat(kCode3, kData3, 3), s.cr0 |= kCr0Pe, what += "ring 3 "; break;
    case 5: flat(kCode1, kData1, 1), s.cr0 |= kCr0Pe, what += "ring 1 "; break;
    case 6: sixteen(kCode16, kData16, 0), s.cr0 |= kCr0Pe, what += "16-bit ring 0 "; break;
    default: sixteen(kCode3At16, kData3At16, 3), s.cr0 |= kCr0Pe, what += "16-bit ring 3 "; break;
    }
    if ((s.cr0 & kCr0Pe) != 0 && paging) {
        s.cr0 |= kCr0Pg;
        if (pae_tables && model.has(Feature::Pae)) cr4 |= kCr4Pae;
        what += (cr4 & kCr4Pae) != 0 ? "PAE" : "paging";
    }
    s.cr4 = cr4;
    if ((cr4 & kCr4Pae) != 0)
        for (u32 i = 0; i < 4; ++i) {
            s.pdpte[i] = m.memory().load({kDirectory + 8 * i}, 4) | u64{m.memory().load({kDirectory + 8 * i + 4}, 4)} << 32;
            if ((s.pdpte[i] & 1) != 0) s.pdpte[i] &= ~u64{0x1e6};
        }
    m.translator().set_state(s);
    return what;
}

std::string touch_device(Machine& m, SplitMix r) {
    const bool port = !one_in(r, 4);
    IoBus& bus = port ? m.ports() : m.mmio();
    const auto ranges = bus.ranges();
    const IoBus::RangeInfo range = ranges[below(r, static_cast<u32>(ranges.size()))];
    for (u32 n = 1 + below(r, 12); n != 0; --n) {
        const unsigned size = 1u << below(r, 3);
        u32 offset = below(r, std::min<u32>(range.size, one_in(r, 4) ? ~u32{0} : 0x400));
        if (!port) offset &= ~(size - 1);
        const u32 at = range.base + offset;
        if (port && at + size > 0x10000) continue;
        if (one_in(r, 3)) (void)bus.read(at, size);
        else bus.write(at, size, one_in(r, 2) ? r() & 0xff : a_value(r));
    }
    return range.owner;
}

}  // namespace vmm::testing
