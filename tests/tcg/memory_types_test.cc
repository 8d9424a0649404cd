// SPDX-License-Identifier: Apache-2.0
// MTRRs and the PAT, as RDMSR and WRMSR show them. They change nothing else here: there is no cache. Expectations: SDM volume 3,
// 11.11 (MTRRs; figures 11-5 to 11-7, table 11-8), 11.12 (PAT; table 11-10).
#include "tests/tcg/bench.h"

namespace vmm::tcg::test {
namespace {

constexpr u32 kCap = 0xfe, kDefType = 0x2ff, kPat = 0x277;
constexpr u32 kFixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

class MemoryTypes : public Bench {
  protected:
    explicit MemoryTypes(const char* model = "pentium4") : Bench(model) {}
    // False: it faulted, with #GP(0).
    bool write(u32 index, u64 value) {
        enter_ring0();
        s.gpr[kEcx] = index;
        s.gpr[kEax] = static_cast<u32>(value);
        s.gpr[kEdx] = static_cast<u32>(value >> 32);
        run({0x0f, 0x30});
        if (s.eip == kText + 2) return true;
        expect_fault(kGp, 0);
        return false;
    }
    // After write(), where it left the processor: QEMU keeps its MSRs as long as nothing else changes.
    u64 read(u32 index) {
        const u8 high = static_cast<u8>(index >> 8), low = static_cast<u8>(index);
        poke(s.eip, {0xb9, low, high, 0, 0, 0x0f, 0x32});    // MOV ECX, index; RDMSR
        step();
        step();
        return s.gpr[kEax] | u64{s.gpr[kEdx]} << 32;
    }
};
class MemoryTypesP6 : public MemoryTypes {
  protected:
    MemoryTypesP6() : MemoryTypes("pentium3") {}
};
VMM_ON_EVERY_STEPPER(MemoryTypes);
VMM_ON_EVERY_STEPPER(MemoryTypesP6);

TEST_P(MemoryTypes, EightVariableRangesFixedRangesAndWriteCombining) { EXPECT_EQ(read(kCap), 0x508u); }
TEST_P(MemoryTypesP6, EightVariableRangesFixedRangesAndWriteCombining) { EXPECT_EQ(read(kCap), 0x508u); }

TEST_P(MemoryTypes, FixedRangesReadBack) {
    for (const u32 index : kFixed) {
        const u64 value = 0x0605040100060504 + (index & 1);
        EXPECT_TRUE(write(index, value));
        EXPECT_EQ(read(index), value) << std::hex << index;
    }
}

TEST_P(MemoryTypes, VariableRangesReadBack) {
    for (u32 i = 0; i < 8; ++i) {
        const u64 base = 0x0000000fe0000006 - (u64{i} << 28), mask = 0x0000000ff0000800;
        EXPECT_TRUE(write(0x200 + 2 * i, base));
        EXPECT_EQ(read(0x200 + 2 * i), base);
        EXPECT_TRUE(write(0x201 + 2 * i, mask));
        EXPECT_EQ(read(0x201 + 2 * i), mask);
    }
}

TEST_P(MemoryTypes, DefaultTypeKeepsItsEnables) {
    EXPECT_TRUE(write(kDefType, 0xc06));
    EXPECT_EQ(read(kDefType), 0xc06u);
}

TEST_P(MemoryTypes, PatTakesEachTypeInEachPlace) {
    for (unsigned place = 0; place < 8; ++place) {
        for (const u64 type : {0u, 1u, 4u, 5u, 6u, 7u}) {
            EXPECT_TRUE(write(kPat, type << 8 * place));
            EXPECT_EQ(read(kPat), type << 8 * place);
        }
    }
}

TEST_P(MemoryTypes, CapabilitiesCannotBeWritten) { EXPECT_FALSE(write(kCap, 0x508)); }

TEST_P(MemoryTypes, ReservedTypesAreGp0) {
    for (const u64 type : {2u, 3u, 7u, 8u, 0xffu}) {
        EXPECT_FALSE(write(0x250, type << 16));
        EXPECT_FALSE(write(0x200, 0xf0000000 | type));
        EXPECT_FALSE(write(kDefType, type));
        EXPECT_EQ(write(kPat, type << 56), type == 7);
    }
}

TEST_P(MemoryTypes, ReservedBitsAreGp0) {
    EXPECT_FALSE(write(0x200, 0x1000000000));                // beyond 36 bits of address
    EXPECT_FALSE(write(0x200, 0x106));
    EXPECT_FALSE(write(0x201, 0xf0000400));
    EXPECT_FALSE(write(kDefType, 0x106));
    EXPECT_FALSE(write(kDefType, 0x1006));
}

}  // namespace
}  // namespace vmm::tcg::test
