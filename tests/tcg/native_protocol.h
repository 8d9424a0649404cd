// SPDX-License-Identifier: Apache-2.0
// What the tests and the 32-bit program that runs instructions natively (native_runner.cc) share: the layout of test
// memory, the segments, cases and results. Compiled for both word sizes, so fixed-width types only.
#pragma once

#include <cstdint>

namespace vmm::test {

// Linear addresses of test memory. Code: readable, executable, not writable. Data: two writable pages, then a read-only
// page, then nothing.
inline constexpr std::uint32_t kCodeBase = 0x10000000, kCodeSize = 0x2000;
inline constexpr std::uint32_t kDataBase = 0x20000000, kDataSize = 0x2000, kReadOnlyBase = kDataBase + kDataSize;
inline constexpr std::uint32_t kDataEnd = kReadOnlyBase + 0x1000;
inline constexpr std::uint32_t kSharedBase = 0x30000000;   // where the runner maps Shared

inline constexpr std::uint32_t kSignalStack = kSharedBase + 0x4000000, kSignalStackSize = 0x10000;

enum NativeSegment : unsigned { kNativeEs, kNativeCs, kNativeSs, kNativeDs, kNativeFs, kNativeGs };
inline constexpr std::uint16_t kFlatCode = 0x23, kFlatData = 0x2b;   // as Linux gives to 32-bit programs

// Descriptors of the local descriptor table; their index is in selector bits 3 up, with TI and RPL 3.
struct LdtEntry {
    std::uint32_t base, limit;
    bool code, expand_down_or_conforming, writable_or_readable, big;
};
inline constexpr LdtEntry kLdt[] = {
    {kCodeBase, kCodeSize - 1, true, false, true, true},     // 0: 32-bit code
    {kCodeBase, kCodeSize - 1, true, false, true, false},    // 1: 16-bit code
    {kDataBase, 0x2fff, false, false, true, true},           // 2: data
    {kDataBase, 0x2fff, false, false, true, false},          // 3: 16-bit data
    {kDataBase, 0x2fff, false, false, false, true},          // 4: read-only data
    {kDataBase, 0x0fff, false, true, true, true},            // 5: expand-down
    {kDataBase, 0x0fff, false, true, true, false},           // 6: 16-bit expand-down
    {kDataBase + 0x10, 0x0e7f, false, false, true, true},    // 7: a short segment
    {kDataBase, 0x1fff, true, false, false, true},           // 8: execute-only
};
constexpr std::uint16_t ldt_selector(unsigned index) { return static_cast<std::uint16_t>(index << 3 | 7); }

// x87 as in FSAVE with 10-byte registers ST(0) to ST(7), then SSE.
struct NativeFloat {
    std::uint16_t control, status, tag;
    std::uint16_t opcode;        // FOP, and FIP and FDP below: results only
    std::uint8_t st[8][10];
    std::uint32_t mxcsr;
    std::uint8_t xmm[8][16];
    std::uint32_t ip, dp;
};

struct NativeState {
    std::uint32_t gpr[8];
    std::uint32_t eip, eflags;
    std::uint16_t seg[6];
    NativeFloat fp;
};

struct NativeCase {
    NativeState state;
    std::uint32_t code_at;       // linear address of the bytes
    std::uint32_t code_length;
    std::uint8_t code[112];
    std::uint32_t patch_at, patch_size;      // bytes put into data memory for this case; linear address
    std::uint8_t patch[32];
    struct { std::uint32_t at, size; } ignored[3];   // results in data memory that are not compared; linear addresses
    std::uint32_t repeat;        // step on while EIP stays (REP), at most this often
    std::uint32_t use_fp;        // load and return state.fp
    std::uint32_t sequence;      // not one instruction: run freely up to an INT3
};

inline constexpr std::uint32_t kNoFault = 0xffff;

struct NativeResult {
    NativeState state;
    std::uint32_t vector;        // or kNoFault
    std::uint32_t error;
    std::uint32_t cr2;
    std::uint32_t steps;
    alignas(8) std::uint64_t digest;   // of the writable data pages
};

inline constexpr unsigned kBatch = 1024;

struct Shared {
    std::uint8_t code[kCodeSize];
    std::uint8_t data[kDataSize];
    std::uint8_t read_only[0x1000];
    std::uint8_t initial[kDataSize];   // of data, before every case
    alignas(8) std::uint64_t initial_digest;
    std::uint32_t count;
    NativeCase cases[kBatch];
    NativeResult results[kBatch];
};

inline std::uint64_t digest(const std::uint8_t* bytes) {
    typedef std::uint32_t Lanes __attribute__((vector_size(16), may_alias));
    Lanes h[4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}, {13, 14, 15, 16}};
    const auto* in = reinterpret_cast<const Lanes*>(bytes);
    for (unsigned i = 0; i < kDataSize / sizeof(Lanes); i += 4)
        for (unsigned j = 0; j < 4; ++j) {
            // One-to-one in h for a given word: a single change is never lost.
            h[j] ^= in[i + j];
            h[j] += h[j] << 10;
            h[j] ^= h[j] >> 6;
        }
    std::uint64_t sum = 0;
    for (const Lanes& lanes : h)
        for (unsigned i = 0; i < 4; ++i) sum = (sum << 7 | sum >> 57) + lanes[i] * 0x9e3779b97f4a7c15u;
    return sum;
}

// Clears what is not compared.
inline void forget_ignored(const NativeCase& c, std::uint8_t* data) {
    for (const auto& range : c.ignored)
        for (std::uint32_t i = 0; i < range.size; ++i)
            if (range.at + i - kDataBase < kDataSize) data[range.at + i - kDataBase] = 0;
}

}  // namespace vmm::test
