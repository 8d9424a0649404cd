// SPDX-License-Identifier: Apache-2.0
// Columns of the instruction table: effects on EFLAGS and attribute sets that many rows share.
// Reference: Intel SDM volume 1 appendix A. `written` holds the defined results and `undefined` the others; what the
// manual leaves undefined is cleared, but DIV and IDIV set AF. A flag that may keep its old value (shifts by a count
// that may be 0, REP CMPS with a count of 0) counts as read. Shift counts above 1 clear OF.
#pragma once

#include "vmm/tcg/insn_table.h"

namespace vmm::tcg {

inline constexpr u16 f16(u32 flags) { return static_cast<u16>(flags); }
inline constexpr u16 kA = f16(kArithFlags);

inline constexpr FlagEffect kNoFlags{};
inline constexpr FlagEffect kArith{0, kA, 0, 0};
inline constexpr FlagEffect kArithCarry{f16(kCf), kA, 0, 0};
inline constexpr FlagEffect kLogic{0, f16(kCf | kPf | kZf | kSf | kOf), f16(kAf), 0};
inline constexpr FlagEffect kIncDec{0, f16(kPf | kAf | kZf | kSf | kOf), 0, 0};
inline constexpr FlagEffect kShift1{0, f16(kCf | kPf | kZf | kSf | kOf), f16(kAf), 0};
inline constexpr FlagEffect kShiftN{kA, f16(kCf | kPf | kZf | kSf), f16(kAf | kOf), 0};
inline constexpr FlagEffect kRotate1{0, f16(kCf | kOf), 0, 0};
inline constexpr FlagEffect kRotateN{f16(kCf | kOf), f16(kCf), f16(kOf), 0};
inline constexpr FlagEffect kRotateCarry1{f16(kCf), f16(kCf | kOf), 0, 0};
inline constexpr FlagEffect kMultiply{0, f16(kCf | kOf), f16(kPf | kAf | kZf | kSf), 0};
inline constexpr FlagEffect kDivide{0, 0, kA, f16(kAf)};
inline constexpr FlagEffect kBitTest{0, f16(kCf), f16(kPf | kAf | kSf | kOf), 0};
inline constexpr FlagEffect kBitScan{0, f16(kZf), f16(kCf | kPf | kAf | kSf | kOf), 0};
inline constexpr FlagEffect kAsciiAdd{f16(kAf), f16(kAf | kCf), f16(kPf | kZf | kSf | kOf), 0};
inline constexpr FlagEffect kAsciiMul{0, f16(kPf | kZf | kSf), f16(kCf | kAf | kOf), 0};
inline constexpr FlagEffect kDecimal{f16(kAf | kCf), f16(kCf | kPf | kAf | kZf | kSf), f16(kOf), 0};
inline constexpr FlagEffect kZeroOnly{0, f16(kZf), 0, 0};
inline constexpr FlagEffect kReadsDf{f16(kDf), 0, 0, 0};
inline constexpr FlagEffect kStringCompare{f16(kA | kDf), kA, 0, 0};
inline constexpr FlagEffect kLow5{0, f16(kCf | kPf | kAf | kZf | kSf), 0, 0};
inline constexpr FlagEffect kReadsLow5{f16(kCf | kPf | kAf | kZf | kSf), 0, 0, 0};
inline constexpr FlagEffect kReadsCf{f16(kCf), 0, 0, 0};
inline constexpr FlagEffect kWritesCf{0, f16(kCf), 0, 0};
inline constexpr FlagEffect kReadsZf{f16(kZf), 0, 0, 0};
inline constexpr FlagEffect kReadsOf{f16(kOf), 0, 0, 0};
inline constexpr FlagEffect kWritesDf{0, f16(kDf), 0, 0};
inline constexpr FlagEffect kWritesIf{f16(kIf), f16(kIf), 0, 0};
inline constexpr FlagEffect kReadsAll{f16(kA | kDf | kIf), 0, 0, 0};
inline constexpr FlagEffect kWritesAll{f16(kIf), f16(kA | kDf | kIf), 0, 0};
inline constexpr FlagEffect kInterrupt{f16(kA | kDf | kIf), f16(kIf), 0, 0};
inline constexpr FlagEffect kFloatCompare{0, kA, 0, 0};  // ZF PF CF by the result; OF SF AF cleared

inline constexpr u16 kRw = kWritesMem | kReadsDest;
inline constexpr u16 kRwLock = kRw | kLockable;
inline constexpr u16 kEnd = kEndsBlock;

}  // namespace vmm::tcg
