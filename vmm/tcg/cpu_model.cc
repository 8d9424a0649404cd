// SPDX-License-Identifier: Apache-2.0
// The tables of processor models. See cpu_model.h.
#include "vmm/tcg/cpu_model.h"

namespace vmm::tcg {

namespace {

constexpr u32 bits() { return 0; }
template <class... More>
constexpr u32 bits(Feature f, More... more) { return 1u << (static_cast<unsigned>(f) % 32) | bits(more...); }

using enum Feature;

constexpr u32 kEdx486 = bits(Fpu, Vme);
constexpr u32 kEdxPentium = bits(Fpu, Vme, De, Pse, Tsc, Msr, Mce, Cx8, Apic, Mmx);
constexpr u32 kEdxPentium3 = bits(Fpu, Vme, De, Pse, Tsc, Msr, Pae, Mce, Cx8, Apic, Sep, Mtrr, Pge, Mca, Cmov, Pat, Pse36,
                                  Mmx, Fxsr, Sse);
constexpr u32 kEdxPentium4 = kEdxPentium3 | bits(Clfsh, Sse2);
constexpr u32 kEcxPentium4 = bits(Sse3);
constexpr u32 kExtPentium4 = bits(Nx);
constexpr u32 kRdpmcOnly = bits(Rdpmc);
constexpr u32 kP6Extras = bits(Rdpmc, LongNop);

constexpr u32 kSignature486 = 0x0480;       // i486 DX4
constexpr u32 kSignaturePentium = 0x0543;   // Pentium MMX, P55C
constexpr u32 kSignaturePentium3 = 0x068a;  // Coppermine, cD0
constexpr u32 kSignaturePentium4 = 0x0f41;  // Prescott, E0

// "GenuineIntel" as EBX, EDX, ECX.
constexpr u32 kGenu = 0x756e6547, kIneI = 0x49656e69, kNtel = 0x6c65746e;

constexpr CpuidLeaf k486[] = {
    {0, 0, 1, kGenu, kNtel, kIneI},
    {1, 0, kSignature486, 0, 0, kEdx486},
};

constexpr CpuidLeaf kPentium[] = {
    {0, 0, 1, kGenu, kNtel, kIneI},
    {1, 0, kSignaturePentium, 0, 0, kEdxPentium},
};

constexpr CpuidLeaf kPentium3[] = {
    {0, 0, 2, kGenu, kNtel, kIneI},
    {1, 0, kSignaturePentium3, 0x00000002, 0, kEdxPentium3},  // brand index 2: Pentium III
    // 01, 02, 03: TLBs; 82: L2 256 KiB, 8-way; 08: L1 code 16 KiB; 04: data TLB of 4 MiB pages; 0C: L1 data 16 KiB.
    {2, 0, 0x03020101, 0, 0, 0x0c040882},
};

constexpr u32 text(const char (&s)[49], unsigned at) {
    u32 v = 0;
    for (unsigned i = 0; i < 4; ++i) v |= static_cast<u32>(static_cast<u8>(s[at + i])) << (8 * i);
    return v;
}
// 48 characters, spaces in front. 1 GHz is what the TSC counts at.
constexpr char kBrand4[49] = "              Intel(R) Pentium(R) 4 CPU 1.00GHz\0";
constexpr CpuidLeaf brand(u32 leaf, unsigned at) {
    return {leaf, 0, text(kBrand4, at), text(kBrand4, at + 4), text(kBrand4, at + 8), text(kBrand4, at + 12)};
}

constexpr CpuidLeaf kPentium4[] = {
    {0, 0, 5, kGenu, kNtel, kIneI},
    {1, 0, kSignaturePentium4, 0x00000800, kEcxPentium4, kEdxPentium4},  // CLFLUSH line 8 * 8 bytes, APIC id 0
    // 50: code TLB; 5B: data TLB; 60: L1 data 16 KiB; 40: no L3; 70: trace cache 12 K; 7C: L2 1 MiB, 8-way.
    {2, 0, 0x605b5001, 0, 0, 0x007c7040},
    {3, 0, 0, 0, 0, 0},
    // L1 data: 8 ways, 64-byte lines, 32 sets. L2: 8 ways, 64-byte lines, 2048 sets.
    {4, 0, 0x00000121, 0x01c0003f, 0x0000001f, 0},
    {4, 1, 0x00000143, 0x01c0003f, 0x000007ff, 0},
    {4, 2, 0, 0, 0, 0},
    {5, 0, 0, 0, 0, 0},
    {0x80000000, 0, 0x80000008, 0, 0, 0},
    {0x80000001, 0, 0, 0, 0, kExtPentium4},
    brand(0x80000002, 0),
    brand(0x80000003, 16),
    brand(0x80000004, 32),
    {0x80000005, 0, 0, 0, 0, 0},
    {0x80000006, 0, 0, 0, 0x04006040, 0},  // L2: 1 MiB, 8-way, 64-byte lines
    {0x80000007, 0, 0, 0, 0, 0},
    {0x80000008, 0, 0x00002024, 0, 0, 0},  // 36 bits physical, 32 linear
};

constexpr u64 kMtrrCap = 0x508;  // write combining, fixed ranges, 8 variable ranges

constexpr CpuModel kModels[] = {
    {"486", "Intel 486 DX4 (CPUID, virtual-8086 extensions)", kSignature486, {kEdx486, 0, 0, 0}, k486, 0},
    {"pentium", "Intel Pentium with MMX", kSignaturePentium, {kEdxPentium, 0, 0, kRdpmcOnly}, kPentium, 0},
    {"pentium3", "Intel Pentium III (PAE, SSE, SYSENTER)", kSignaturePentium3, {kEdxPentium3, 0, 0, kP6Extras}, kPentium3,
     kMtrrCap},
    {"pentium4", "Intel Pentium 4 (PAE, NX, SSE to SSE3), the default", kSignaturePentium4,
     {kEdxPentium4, kEcxPentium4, kExtPentium4, kP6Extras}, kPentium4, kMtrrCap},
};

}  // namespace

CpuidLeaf CpuModel::cpuid(u32 leaf, u32 subleaf) const {
    const u32 last_basic = leaves[0].eax;
    const CpuidLeaf* found = nullptr;
    for (const CpuidLeaf& l : leaves) {
        if (l.leaf != leaf) continue;
        // A leaf without subleaves ignores ECX; beyond the last subleaf its last, empty one answers.
        if (l.subleaf <= subleaf) found = &l;
    }
    if (found == nullptr)
        for (const CpuidLeaf& l : leaves)
            if (l.leaf == last_basic && l.subleaf <= subleaf) found = &l;
    return *found;
}

std::span<const CpuModel> cpu_models() { return kModels; }

Result<const CpuModel*> find_cpu_model(std::string_view name) {
    std::string known;
    for (const CpuModel& m : kModels) {
        if (m.name == name) return &m;
        known += (known.empty() ? "" : ", ") + std::string(m.name);
    }
    return Error{"there is no CPU model '" + std::string(name) + "' (the models are " + known + ")"};
}

}  // namespace vmm::tcg
