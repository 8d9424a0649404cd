// SPDX-License-Identifier: Apache-2.0
// The processor models that are offered: 486, pentium, pentium3, pentium4. For each, every CPUID leaf and the features
// that decide which instructions, control-register bits and MSRs exist.
//
// Never offered: RDRAND and other sources that the program cannot control, SMM, hyper-threading, MONITOR/MWAIT, performance
// counters that count. Reference: SDM volume 2, CPUID; the brand index and cache descriptors are those of the named parts
// (Intel application note 485).
#pragma once

#include <span>
#include <string_view>

#include "vmm/result.h"
#include "vmm/tcg/decode.h"
#include "vmm/types.h"

namespace vmm::tcg {

// The first three groups are CPUID bits: leaf 1 EDX, leaf 1 ECX (+32), leaf 80000001 EDX (+64).
enum class Feature : u8 {
    Fpu = 0, Vme = 1, De = 2, Pse = 3, Tsc = 4, Msr = 5, Pae = 6, Mce = 7, Cx8 = 8, Apic = 9, Sep = 11, Mtrr = 12, Pge = 13,
    Mca = 14, Cmov = 15, Pat = 16, Pse36 = 17, Clfsh = 19, Mmx = 23, Fxsr = 24, Sse = 25, Sse2 = 26,
    Sse3 = 32 + 0,
    Nx = 64 + 20,
    // Not in CPUID.
    Rdpmc = 96, LongNop,
};

struct CpuidLeaf {
    u32 leaf, subleaf;
    u32 eax, ebx, ecx, edx;
};

struct CpuModel {
    std::string_view name;
    std::string_view text;             // for a list of models
    u32 signature;                     // family, model, stepping; EDX after reset
    u32 features[4];                   // as Feature counts them
    std::span<const CpuidLeaf> leaves; // ascending; leaf 1 and 80000001 hold the features
    u64 mtrr_cap;                      // IA32_MTRRCAP

    bool has(Feature f) const { return (features[static_cast<unsigned>(f) / 32] >> (static_cast<unsigned>(f) % 32) & 1) != 0; }
    unsigned family() const { return signature >> 8 & 15; }
    // The leaf that CPUID answers with: beyond the last of a range, Intel's processors return the highest basic leaf.
    CpuidLeaf cpuid(u32 leaf, u32 subleaf) const;
};

std::span<const CpuModel> cpu_models();
Result<const CpuModel*> find_cpu_model(std::string_view name);

// Whether the model knows the instruction; #UD otherwise. Says nothing of CR0.EM, CR0.TS and CR4.OSFXSR.
bool available(const CpuModel& model, const Insn& insn);

}  // namespace vmm::tcg
