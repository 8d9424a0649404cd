// SPDX-License-Identifier: Apache-2.0
// The instruction table: integer instructions. Reference: Intel SDM volume 2. Notation: insn_table.h.
#include "vmm/tcg/insn_table_flags.h"

namespace vmm::tcg {
namespace {

// The six encodings that the two-operand instructions share; `digit` in the groups 80-83.
#define ARITHMETIC(b0, b1, b2, b3, b4, b5, digit, op, flags, write, lock)                              \
    {b0, op, "Eb,Gb", flags, write | lock}, {b1, op, "Ev,Gv", flags, write | lock},                    \
    {b2, op, "Gb,Eb", flags, write}, {b3, op, "Gv,Ev", flags, write}, {b4, op, "AL,Ib", flags, write}, \
    {b5, op, "eAX,Iz", flags, write}, {"80 /" digit, op, "Eb,Ib", flags, write | lock},                \
    {"81 /" digit, op, "Ev,Iz", flags, write | lock}, {"82 /" digit, op, "Eb,Ib", flags, write | lock}, \
    {"83 /" digit, op, "Ev,Is", flags, write | lock}

#define SHIFT(digit, op, one, many)                                                              \
    {"C0 /" digit, op, "Eb,Ib", many, kRw}, {"C1 /" digit, op, "Ev,Ib", many, kRw},              \
    {"D0 /" digit, op, "Eb,1", one, kRw}, {"D1 /" digit, op, "Ev,1", one, kRw},                  \
    {"D2 /" digit, op, "Eb,CL", many, kRw}, {"D3 /" digit, op, "Ev,CL", many, kRw}

constexpr FlagEffect kRotateCarryN{f16(kCf | kOf), f16(kCf), f16(kOf), 0};

constexpr Row kRows[] = {
    ARITHMETIC("00", "01", "02", "03", "04", "05", "0", Op::Add, kArith, kRw, kLockable),
    ARITHMETIC("08", "09", "0A", "0B", "0C", "0D", "1", Op::Or, kLogic, kRw, kLockable),
    ARITHMETIC("10", "11", "12", "13", "14", "15", "2", Op::Adc, kArithCarry, kRw, kLockable),
    ARITHMETIC("18", "19", "1A", "1B", "1C", "1D", "3", Op::Sbb, kArithCarry, kRw, kLockable),
    ARITHMETIC("20", "21", "22", "23", "24", "25", "4", Op::And, kLogic, kRw, kLockable),
    ARITHMETIC("28", "29", "2A", "2B", "2C", "2D", "5", Op::Sub, kArith, kRw, kLockable),
    ARITHMETIC("30", "31", "32", "33", "34", "35", "6", Op::Xor, kLogic, kRw, kLockable),
    ARITHMETIC("38", "39", "3A", "3B", "3C", "3D", "7", Op::Cmp, kArith, 0, 0),
    {"27", Op::Daa, "", kDecimal}, {"2F", Op::Das, "", kDecimal},
    {"37", Op::Aaa, "", kAsciiAdd}, {"3F", Op::Aas, "", kAsciiAdd},
    {"D4", Op::Aam, "Ib", kAsciiMul}, {"D5", Op::Aad, "Ib", kAsciiMul},
    {"40+r", Op::Inc, "Zv", kIncDec, kReadsDest}, {"48+r", Op::Dec, "Zv", kIncDec, kReadsDest},
    {"FE /0", Op::Inc, "Eb", kIncDec, kRwLock}, {"FE /1", Op::Dec, "Eb", kIncDec, kRwLock},
    {"FF /0", Op::Inc, "Ev", kIncDec, kRwLock}, {"FF /1", Op::Dec, "Ev", kIncDec, kRwLock},

    SHIFT("0", Op::Rol, kRotate1, kRotateN), SHIFT("1", Op::Ror, kRotate1, kRotateN),
    SHIFT("2", Op::Rcl, kRotateCarry1, kRotateCarryN), SHIFT("3", Op::Rcr, kRotateCarry1, kRotateCarryN),
    SHIFT("4", Op::Shl, kShift1, kShiftN), SHIFT("5", Op::Shr, kShift1, kShiftN),
    SHIFT("6", Op::Shl, kShift1, kShiftN), SHIFT("7", Op::Sar, kShift1, kShiftN),
    {"0F A4", Op::Shld, "Ev,Gv,Ib", kShiftN, kRw}, {"0F A5", Op::Shld, "Ev,Gv,CL", kShiftN, kRw},
    {"0F AC", Op::Shrd, "Ev,Gv,Ib", kShiftN, kRw}, {"0F AD", Op::Shrd, "Ev,Gv,CL", kShiftN, kRw},

    {"84", Op::Test, "Eb,Gb", kLogic}, {"85", Op::Test, "Ev,Gv", kLogic},
    {"A8", Op::Test, "AL,Ib", kLogic}, {"A9", Op::Test, "eAX,Iz", kLogic},
    {"F6 /0", Op::Test, "Eb,Ib", kLogic}, {"F6 /1", Op::Test, "Eb,Ib", kLogic},
    {"F7 /0", Op::Test, "Ev,Iz", kLogic}, {"F7 /1", Op::Test, "Ev,Iz", kLogic},
    {"F6 /2", Op::Not, "Eb", kNoFlags, kRwLock}, {"F7 /2", Op::Not, "Ev", kNoFlags, kRwLock},
    {"F6 /3", Op::Neg, "Eb", kArith, kRwLock}, {"F7 /3", Op::Neg, "Ev", kArith, kRwLock},
    {"F6 /4", Op::Mul, "Eb", kMultiply}, {"F7 /4", Op::Mul, "Ev", kMultiply},
    {"F6 /5", Op::Imul1, "Eb", kMultiply}, {"F7 /5", Op::Imul1, "Ev", kMultiply},
    {"F6 /6", Op::Div, "Eb", kDivide}, {"F7 /6", Op::Div, "Ev", kDivide},
    {"F6 /7", Op::Idiv, "Eb", kDivide}, {"F7 /7", Op::Idiv, "Ev", kDivide},
    {"69", Op::Imul, "Gv,Ev,Iz", kMultiply}, {"6B", Op::Imul, "Gv,Ev,Is", kMultiply},
    {"0F AF", Op::Imul, "Gv,Ev", kMultiply, kReadsDest},
    {"98", Op::Cbw, ""}, {"99", Op::Cwd, ""},

    {"0F A3", Op::Bt, "Ev,Gv", kBitTest}, {"0F BA /4", Op::Bt, "Ev,Ib", kBitTest},
    {"0F AB", Op::Bts, "Ev,Gv", kBitTest, kRwLock}, {"0F BA /5", Op::Bts, "Ev,Ib", kBitTest, kRwLock},
    {"0F B3", Op::Btr, "Ev,Gv", kBitTest, kRwLock}, {"0F BA /6", Op::Btr, "Ev,Ib", kBitTest, kRwLock},
    {"0F BB", Op::Btc, "Ev,Gv", kBitTest, kRwLock}, {"0F BA /7", Op::Btc, "Ev,Ib", kBitTest, kRwLock},
    {"0F BC", Op::Bsf, "Gv,Ev", kBitScan, kReadsDest}, {"0F BD", Op::Bsr, "Gv,Ev", kBitScan, kReadsDest},
    {"0F C8+r", Op::Bswap, "Zv", kNoFlags, kReadsDest},

    {"88", Op::Mov, "Eb,Gb", kNoFlags, kWritesMem}, {"89", Op::Mov, "Ev,Gv", kNoFlags, kWritesMem},
    {"8A", Op::Mov, "Gb,Eb"}, {"8B", Op::Mov, "Gv,Ev"},
    {"A0", Op::Mov, "AL,Ob"}, {"A1", Op::Mov, "eAX,Ov"},
    {"A2", Op::Mov, "Ob,AL", kNoFlags, kWritesMem}, {"A3", Op::Mov, "Ov,eAX", kNoFlags, kWritesMem},
    {"B0+r", Op::Mov, "Zb,Ib"}, {"B8+r", Op::Mov, "Zv,Iz"},
    {"C6 /0", Op::Mov, "Eb,Ib", kNoFlags, kWritesMem}, {"C7 /0", Op::Mov, "Ev,Iz", kNoFlags, kWritesMem},
    {"0F B6", Op::Movzx, "Gv,Eb"}, {"0F B7", Op::Movzx, "Gv,Ew"},
    {"0F BE", Op::Movsx, "Gv,Eb"}, {"0F BF", Op::Movsx, "Gv,Ew"},
    {"NP 0F C3", Op::Movnti, "Md,Gd", kNoFlags, kWritesMem},
    {"8D", Op::Lea, "Gv,M0"},
    {"86", Op::Xchg, "Eb,Gb", kNoFlags, kRwLock}, {"87", Op::Xchg, "Ev,Gv", kNoFlags, kRwLock},
    {"90", Op::Nop, ""}, {"F3 90", Op::Pause, ""}, {"91+r", Op::Xchg, "Zv,eAX", kNoFlags, kReadsDest},
    {"0F C0", Op::Xadd, "Eb,Gb", kArith, kRwLock}, {"0F C1", Op::Xadd, "Ev,Gv", kArith, kRwLock},
    {"0F B0", Op::Cmpxchg, "Eb,Gb", kArith, kRwLock}, {"0F B1", Op::Cmpxchg, "Ev,Gv", kArith, kRwLock},
    {"0F C7 /1m", Op::Cmpxchg8b, "Mq", kZeroOnly, kRwLock},
    {"D7", Op::Xlat, "BBb"},
    {"9E", Op::Sahf, "", kLow5}, {"9F", Op::Lahf, "", kReadsLow5},
    {"D6", Op::Salc, "", kReadsCf},
    {"F5", Op::Cmc, "", {f16(kCf), f16(kCf), 0, 0}}, {"F8", Op::Clc, "", kWritesCf}, {"F9", Op::Stc, "", kWritesCf},
    {"FC", Op::Cld, "", kWritesDf}, {"FD", Op::Std, "", kWritesDf},
    {"0F 90+cc", Op::Setcc, "Eb", kNoFlags, kWritesMem}, {"0F 40+cc", Op::Cmov, "Gv,Ev", kNoFlags, kReadsDest},

    {"50+r", Op::Push, "Zv"}, {"58+r", Op::Pop, "Zv"},
    {"68", Op::Push, "Iz"}, {"6A", Op::Push, "Is"}, {"FF /6", Op::Push, "Ev"},
    {"8F /0", Op::Pop, "Ev", kNoFlags, kWritesMem},
    {"60", Op::Pusha, ""}, {"61", Op::Popa, ""},
    {"C8", Op::Enter, "Iw,Ib"}, {"C9", Op::Leave, ""},

    {"A4", Op::Movs, "Yb,Xb", kReadsDf, kString | kWritesMem}, {"A5", Op::Movs, "Yv,Xv", kReadsDf, kString | kWritesMem},
    {"A6", Op::Cmps, "Xb,Yb", kStringCompare, kString}, {"A7", Op::Cmps, "Xv,Yv", kStringCompare, kString},
    {"AA", Op::Stos, "Yb,AL", kReadsDf, kString | kWritesMem}, {"AB", Op::Stos, "Yv,eAX", kReadsDf, kString | kWritesMem},
    {"AC", Op::Lods, "AL,Xb", kReadsDf, kString}, {"AD", Op::Lods, "eAX,Xv", kReadsDf, kString},
    {"AE", Op::Scas, "AL,Yb", kStringCompare, kString}, {"AF", Op::Scas, "eAX,Yv", kStringCompare, kString},

    {"70+cc", Op::Jcc, "Jb", kNoFlags, kEnd}, {"0F 80+cc", Op::Jcc, "Jz", kNoFlags, kEnd},
    {"E0", Op::Loopne, "Jb", kReadsZf, kEnd}, {"E1", Op::Loope, "Jb", kReadsZf, kEnd},
    {"E2", Op::Loop, "Jb", kNoFlags, kEnd}, {"E3", Op::Jcxz, "Jb", kNoFlags, kEnd},
    {"E8", Op::Call, "Jz", kNoFlags, kEnd}, {"E9", Op::Jmp, "Jz", kNoFlags, kEnd}, {"EB", Op::Jmp, "Jb", kNoFlags, kEnd},
    {"FF /2", Op::CallInd, "Ev", kNoFlags, kEnd}, {"FF /4", Op::JmpInd, "Ev", kNoFlags, kEnd},
    {"C2", Op::Ret, "Iw", kNoFlags, kEnd}, {"C3", Op::Ret, "", kNoFlags, kEnd},
    {"62", Op::Bound, "Gv,Ma"},

    // 0D is 3DNow!'s PREFETCH, which processors without 3DNow! that know NX execute as a NOP.
    {"0F 0D", Op::Nop, "Ev"},
    {"0F 18 /0m", Op::Prefetch, "Mb"}, {"0F 18 /1m", Op::Prefetch, "Mb"}, {"0F 18 /2m", Op::Prefetch, "Mb"},
    {"0F 18 /3m", Op::Prefetch, "Mb"},
    {"0F 18 /0r", Op::Nop, "Ev"}, {"0F 18 /1r", Op::Nop, "Ev"}, {"0F 18 /2r", Op::Nop, "Ev"}, {"0F 18 /3r", Op::Nop, "Ev"},
    {"0F 18 /4", Op::Nop, "Ev"}, {"0F 18 /5", Op::Nop, "Ev"}, {"0F 18 /6", Op::Nop, "Ev"}, {"0F 18 /7", Op::Nop, "Ev"},
    {"0F 19", Op::Nop, "Ev"}, {"0F 1A", Op::Nop, "Ev"}, {"0F 1B", Op::Nop, "Ev"}, {"0F 1C", Op::Nop, "Ev"},
    {"0F 1D", Op::Nop, "Ev"}, {"0F 1E", Op::Nop, "Ev"}, {"0F 1F", Op::Nop, "Ev"},
    {"NP 0F AE /5r", Op::Lfence, ""}, {"NP 0F AE /6r", Op::Mfence, ""}, {"NP 0F AE /7r", Op::Sfence, ""},
    {"NP 0F AE /7m", Op::Clflush, "Mb"},
};

}  // namespace

std::span<const Row> integer_rows() { return kRows; }

}  // namespace vmm::tcg
