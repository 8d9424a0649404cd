// SPDX-License-Identifier: Apache-2.0
// Code that changes under the translator: each way once in a loop, so that what is changed has been translated and linked by
// then. A processor of the P6 family and later sees its own writes to the next instruction (SDM volume 3, 8.1.3 and 11.6), also
// through another linear address here. Expectations: what the program computes.
#include "tests/tcg/bench.h"
#include "vmm/tcg/translator.h"

namespace vmm::tcg::test {
namespace {

constexpr u32 kRounds = 50;
constexpr u32 kSum = kRounds * (kRounds + 1) / 2;      // of 1 to kRounds, which every loop here adds up in EBX

class SelfModifying : public Bench {
  protected:
    static constexpr u32 kDirectory = 0x100000, kTable = 0x101000;

    void SetUp() override {
        Bench::SetUp();
        for (u32 v = 0; v < 256; ++v) poke(handler(static_cast<u8>(v)), {0xf4});   // HLT
        for (u32 page = 0; page < 512; ++page) map(page << kPageShift, page << kPageShift);
        poke32(kDirectory, kTable | 7);
        translator().set_block_limit(GetParam() == &make_translator ? 32 : 1);
        s.gpr[kEcx] = kRounds;
        s.gpr[kEbx] = 0;
    }
    void map(u32 linear, u32 phys) { poke32(kTable + (linear >> kPageShift) * 4, phys | 7); }
    void page() {
        s.cr3 = kDirectory;
        s.cr0 |= kCr0Pg;
        cpu.paging_changed();
    }
    Translator& translator() { return *cpu.jit.translator; }
    void put(u32 at, std::initializer_list<u32> list) {
        for (const u32 b : list) memory.store({at++}, 1, b & 0xff);
    }
    // Runs from kText to a HLT.
    void go() {
        ASSERT_EQ(translator().run(clock.icount() + 100'000), StopReason::Halted);
    }
    void expect_sum() { EXPECT_EQ(s.gpr[kEbx], kSum); }
};
INSTANTIATE_TEST_SUITE_P(, SelfModifying, testing::Values(&make_translator, &make_single_stepper), stepper_name);

#define U32(v) (v) & 0xff, (v) >> 8 & 0xff, (v) >> 16 & 0xff, (v) >> 24

TEST_P(SelfModifying, TheNextInstruction) {
    put(kText, {0x88, 0x0d, U32(kText + 7),         // MOV [kText+7], CL
                0xb0, 0,                            // MOV AL, 0: the byte that was just written
                0x0f, 0xb6, 0xc0, 0x01, 0xc3,       // MOVZX EAX, AL; ADD EBX, EAX
                0xe2, 0xf1, 0xf4});                 // LOOP kText; HLT
    go();
    expect_sum();
}

TEST_P(SelfModifying, FurtherOnInTheRunningBlock) {
    put(kText, {0x31, 0xc0,                         // XOR EAX, EAX
                0x88, 0x0d, U32(kText + 13),        // MOV [kText+13], CL
                0x42, 0x42, 0x42, 0x42,             // INC EDX
                0xb0, 0,                            // MOV AL, 0
                0x01, 0xc3, 0xe2, 0xee, 0xf4});     // ADD EBX, EAX; LOOP kText; HLT
    s.gpr[kEdx] = 0;
    go();
    expect_sum();
    EXPECT_EQ(s.gpr[kEdx], 4 * kRounds);
}

TEST_P(SelfModifying, BehindInTheRunningBlock) {
    put(kText, {0xb8, 0, 0, 0, 0,                   // MOV EAX, 0: written in the round before
                0x01, 0xc3,                         // ADD EBX, EAX
                0x89, 0x0d, U32(kText + 1),         // MOV [kText+1], ECX
                0xe2, 0xf1, 0x03, 0x1d, U32(kText + 1), 0xf4});   // LOOP kText; ADD EBX, [kText+1]; HLT
    go();
    expect_sum();
}

TEST_P(SelfModifying, AnotherPage) {
    put(kText, {0x89, 0x0d, U32(kText + 0x2001),    // MOV [kText+0x2001], ECX
                0xe8, U32(0x2000u - 11),            // CALL kText+0x2000
                0x01, 0xc3, 0xe2, 0xf1, 0xf4});     // ADD EBX, EAX; LOOP kText; HLT
    put(kText + 0x2000, {0xb8, 0, 0, 0, 0, 0xc3});  // MOV EAX, 0; RET
    go();
    expect_sum();
}

TEST_P(SelfModifying, ThroughAnotherLinearAddress) {
    map(kScratch, kText);
    page();
    put(kText, {0x88, 0x0d, U32(kScratch + 7),      // MOV [alias of kText+7], CL
                0xb0, 0, 0x0f, 0xb6, 0xc0, 0x01, 0xc3, 0xe2, 0xf1, 0xf4});
    go();
    expect_sum();
}

TEST_P(SelfModifying, TheSecondPageOfAnInstruction) {
    constexpr u32 kAt = kText + 0xffe;              // MOV EAX, imm32 with three bytes on the next page
    put(kText, {0x89, 0x0d, U32(kAt + 1), 0xe8, U32(kAt - kText - 11), 0x01, 0xc3, 0xe2, 0xf1, 0xf4});
    put(kAt, {0xb8, 0, 0, 0, 0, 0xc3});
    go();
    expect_sum();
}

TEST_P(SelfModifying, ByTheStack) {
    // PUSH of ECX over the immediate of the next MOV.
    put(kText, {0xbc, U32(kText + 11),              // MOV ESP, kText+11
                0x51,                               // PUSH ECX
                0xb8, 0, 0, 0, 0,                   // MOV EAX, imm32 at kText+7
                0x01, 0xc3, 0xe2, 0xf1, 0xf4});
    go();
    expect_sum();
}

TEST_P(SelfModifying, ByAStringInstruction) {
    constexpr u32 kAt = kText + 0x40;
    put(kText, {0x89, 0x0d, U32(kScratch + 1),      // MOV [kScratch+1], ECX
                0x51,                               // PUSH ECX
                0xbe, U32(kScratch), 0xbf, U32(kAt), 0xb9, 8, 0, 0, 0,   // ESI, EDI, ECX
                0xf3, 0xa4,                         // REP MOVSB: the bytes that run next
                0xeb, 0x40 - 26});                  // JMP kAt
    put(kScratch, {0xb8, 0, 0, 0, 0, 0x01, 0xc3, 0x90});   // MOV EAX, imm32; ADD EBX, EAX; NOP
    put(kAt + 8, {0x59, 0xe2, static_cast<u32>(-(0x40 + 8 + 3)), 0xf4});   // POP ECX; LOOP kText; HLT
    go();
    expect_sum();
}

TEST_P(SelfModifying, ByX87AndSseStores) {
    s.cr4 |= kCr4Osfxsr;
    s.fpu.control = 0x37f;
    cpu.mode_changed();
    put(kText, {0x89, 0x0d, U32(kScratch),          // MOV [kScratch], ECX
                0xdb, 0x05, U32(kScratch),          // FILD [kScratch]
                0xdb, 0x1d, U32(kText + 19),        // FISTP [kText+19]
                0xb8, 0, 0, 0, 0,                   // MOV EAX, imm32
                0x01, 0xc3,                         // ADD EBX, EAX
                0x66, 0x0f, 0x6e, 0xc1,             // MOVD XMM0, ECX
                0xf3, 0x0f, 0x11, 0x05, U32(kText + 38),   // MOVSS [kText+38], XMM0
                0xb8, 0, 0, 0, 0,                   // MOV EAX, imm32
                0x01, 0xc5,                         // ADD EBP, EAX
                0xe2, static_cast<u32>(-46), 0xf4});
    s.gpr[kEbp] = 0;
    go();
    expect_sum();
    EXPECT_EQ(s.gpr[kEbp], kSum);
}

// A device writes the next instruction while OUT executes.
TEST_P(SelfModifying, ByDma) {
    ports.map("dma", 0x310, 4, {{}, [this](u32, unsigned, u32 value) {
                  const u8 bytes[4] = {static_cast<u8>(value), static_cast<u8>(value >> 8), static_cast<u8>(value >> 16), static_cast<u8>(value >> 24)};
                  memory.write({kText + 8}, bytes);
              }, 4});
    put(kText, {0x89, 0xc8, 0xc1, 0xe0, 0x08, 0xb0, 0xb8,     // MOV EAX, ECX; SHL EAX, 8; MOV AL, B8
                0xef,                                         // OUT DX, EAX; then what it wrote: MOV EAX, imm32,
                0x90, 0x90, 0x90, 0x90, 0x00,                 // of which the last byte is here already
                0x01, 0xc3, 0xe2, 0xef, 0xf4});               // ADD EBX, EAX; LOOP kText; HLT
    s.gpr[kEdx] = 0x310;
    go();
    expect_sum();
}

// Another frame behind a code page, by a write to its page-table entry, without a jump out of the block that does it.
TEST_P(SelfModifying, ByAPageTableEntry) {
    constexpr u32 kFunction = kText + 0x2000, kOne = 0x180000, kTwo = 0x181000;
    put(kOne, {0x83, 0xc3, 1, 0xc3});               // ADD EBX, 1; RET
    put(kTwo, {0x83, 0xc3, 2, 0xc3});               // ADD EBX, 2; RET
    map(kFunction, kOne);
    page();
    s.gpr[kEax] = kOne | 7;
    s.gpr[kEdx] = kTwo | 7;
    constexpr u32 kEntry = kTable + (kFunction >> kPageShift) * 4;
    put(kText, {0xe8, U32(0x2000u - 5),             // CALL kFunction
                0x87, 0xc2,                         // XCHG EAX, EDX
                0xa3, U32(kEntry),                  // MOV [entry], EAX
                0x0f, 0x01, 0x3d, U32(kFunction),   // INVLPG [kFunction]
                0xe2, static_cast<u32>(-21), 0xf4});
    go();
    EXPECT_EQ(s.gpr[kEbx], kRounds / 2 * 3);
}

// The page that runs is exchanged under the running block: what follows comes from the new frame.
TEST_P(SelfModifying, ByAPageTableEntryUnderTheRunningBlock) {
    constexpr u32 kNew = 0x180000, kEntry = kTable + (kText >> kPageShift) * 4;
    put(kText, {0xc7, 0x05, U32(kEntry), U32(kNew | 7),      // MOV [entry], other frame
                0x0f, 0x01, 0x3d, U32(kText),                // INVLPG [kText]
                0xb3, 1, 0xf4});                             // MOV BL, 1; HLT
    put(kNew + 10, {0x0f, 0x01, 0x3d, U32(kText),            // a processor may be there before INVLPG
                    0xb3, 2, 0xf4});                         // MOV BL, 2; HLT
    page();
    go();
    EXPECT_EQ(s.gpr[kEbx], 2u);
}

// Every other write changes nothing, as when a boot loader writes the number of the interrupt that it wants.
TEST_P(SelfModifying, TheSameByteAgain) {
    put(kText, {0x89, 0xc8, 0xd1, 0xe8,             // MOV EAX, ECX; SHR EAX, 1
                0xa2, U32(kText + 10),              // MOV [kText+10], AL
                0xb0, 0,                            // MOV AL, 0
                0x0f, 0xb6, 0xc0, 0x01, 0xc3,       // MOVZX EAX, AL; ADD EBX, EAX
                0xe2, 0xee, 0xf4});                 // LOOP kText; HLT
    go();
    u32 sum = 0;
    for (u32 round = 1; round <= kRounds; ++round) sum += round / 2;
    EXPECT_EQ(s.gpr[kEbx], sum);
}

TEST_P(SelfModifying, CodeAndDataOnOneLine) {
    put(kText, {0xff, 0x05, U32(kText + 0x20),      // INC [kText+0x20]
                0xa1, U32(kText + 0x20),            // MOV EAX, [kText+0x20]
                0x01, 0xc3, 0xe2, 0xf1, 0xf4});     // ADD EBX, EAX; LOOP kText; HLT
    memory.store({kText + 0x20}, 4, 0);
    go();
    expect_sum();
}

// Many blocks in little room: the cache is emptied again and again, also between a block and the one it wants to be linked with.
TEST_P(SelfModifying, AFullCodeCacheIsEmptiedAndDoesNotShow) {
    translator().set_code_limit(96 << 10);
    constexpr u32 kBlocks = 2000, kStride = 16;
    for (u32 i = 0; i < kBlocks; ++i)               // INC EDX; ADD EBX, EDX; JMP to the next
        put(kUserText + kStride * i, {0x42, 0x01, 0xd3, 0xeb, kStride - 5});
    put(kUserText + kStride * kBlocks, {0xe2, 1, 0xf4, 0xe9, U32(0u - (kStride * kBlocks + 8))});   // LOOP on; HLT; JMP kUserText
    put(kText, {0xe9, U32(kUserText - kText - 5)});
    s.gpr[kEdx] = 0;
    s.gpr[kEcx] = 4;
    go();
    const u64 n = u64{4} * kBlocks;
    EXPECT_EQ(s.gpr[kEdx], n);
    EXPECT_EQ(s.gpr[kEbx], static_cast<u32>(n * (n + 1) / 2));
    if (GetParam() == &make_translator) {
        EXPECT_GT(translator().stats().flushes, 3u);
    }
}

}  // namespace
}  // namespace vmm::tcg::test
