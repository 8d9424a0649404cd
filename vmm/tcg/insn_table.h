// SPDX-License-Identifier: Apache-2.0
// The table of instruction forms, and what is built from it once: the lookup arrays of decode() and the encodings that
// the generator of random tests uses. Reference: Intel SDM volume 2 appendix A (opcode maps), volume 1 appendix A (EFLAGS).
//
// A row's encoding is written as in the manual:
//   [NP|66|F2|F3] [0F] opcode [/digit | modrm byte]
//   NP          the form exists without 66, F2 or F3 only (otherwise the prefix has its usual meaning)
//   40+r        eight opcodes (91+r: to the end of its row of eight), the register in the low three bits (letter Z)
//   70+cc       sixteen opcodes, the condition in the low four bits; read flags follow the condition
//   /4 /4m /4r  ModRM.reg is 4; the memory form only; the register form only (/m, /r: any ModRM.reg)
//   C8 C0+i     exactly this ModRM byte; eight ModRM bytes
// and its operands in the letters of appendix A:
//   A far pointer, C control register, D debug register, E general register or memory, G general register (reg),
//   I immediate, J branch, M memory, N MMX (rm), O offset, P MMX (reg), Q MMX or memory, R general register (rm),
//   S segment register, U XMM (rm), V XMM (reg), W XMM or memory, X [eSI], Y [eDI], Z general register (opcode)
//   b 1, w 2, d 4, q 8, t 10, dq 16 bytes (memory aligned), x 16 bytes (memory unaligned), v operand size, z operand
//   size (immediates), s sign-extended byte, p far pointer (operand size + 2), a two operands, 0 no width,
//   u operand size as register but 2 in memory, k 4 as register but 2 in memory
//   BBb is [eBX + AL]; BD stands for the implied [eDI] of MASKMOVQ and is no operand.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "vmm/tcg/decode.h"

namespace vmm::tcg {

struct FlagEffect {
    u16 read = 0, written = 0, undefined = 0, undefined_set = 0;
};

struct Row {
    const char* encoding;
    Op op;
    const char* operands;
    FlagEffect flags{};
    u16 attributes = 0;
};

std::span<const Row> integer_rows();
std::span<const Row> system_rows();
std::span<const Row> x87_rows();
std::span<const Row> simd_rows();

enum class Source : u8 {
    RegReg, RegRm, RegOpcode, RegFixed, RegRmOnly,  // general registers; RegRm may be memory
    MemOnly, Offset, StringX, StringY, XlatMem,
    Imm, ImmSigned, One, Rel, Far,
    SegField, SegFixed, CrField, DrField,
    St0, StRm,
    MmxReg, MmxRm, MmxRmOnly, XmmReg, XmmRm, XmmRmOnly,
};

// Widths that depend on the operand size; smaller values are the width itself.
enum Width : u8 { kWidthV = 0x80, kWidthP, kWidthA, kWidthU, kWidthK };

struct OperandCode {
    Source source;
    u8 width;
    u8 reg;
};

enum class ModrmRule : u8 {
    None,
    Any,
    AnyMem,    // memory form only
    AnyReg,    // register form only
    Digit,     // ModRM.reg is fixed
    DigitMem,
    DigitReg,
    Exact,     // the byte is `modrm`, or one of the `modrm_count` from there
};

// Where a form is found; index as in all_forms().
struct Encoding {
    bool two_byte = false;
    u8 opcode = 0, opcode_count = 1;
    u8 prefix = 0;             // mandatory: 0x66, 0xf2, 0xf3
    bool no_prefix = false;    // NP
    ModrmRule rule = ModrmRule::None;
    u8 modrm = 0;              // the digit, or the byte
    u8 modrm_count = 1;
    u8 cond = 0;
};

struct CompiledForm {
    std::array<OperandCode, 3> operand{};
    u8 operand_count = 0;
    bool has_modrm = false;
    bool ignores_mod = false;  // MOV CR and DR: always a register
    bool implied_edi = false;
    u8 cond = 0;
};

// Entry of the opcode maps: 0 invalid; with kGroup a number of a group, by ModRM; otherwise form number + 1.
inline constexpr u16 kGroup = 0x8000;
enum Slot : u8 { kSlotNone, kSlot66, kSlotF3, kSlotF2 };

struct InsnTables {
    std::vector<Form> forms;
    std::vector<CompiledForm> compiled;
    std::vector<Encoding> encodings;
    std::array<std::array<std::array<u16, 4>, 256>, 2> map{};
    std::vector<std::array<u16, 8 + 64>> groups;  // memory forms by ModRM.reg, then register forms by ModRM & 63

    InsnTables();

  private:
    void add(const Row& row);
    void place(const Encoding& where, unsigned opcode, unsigned slot, u16 entry);
};
const InsnTables& insn_tables();

// EFLAGS read by a condition code.
u16 condition_flags(unsigned cond);

}  // namespace vmm::tcg
