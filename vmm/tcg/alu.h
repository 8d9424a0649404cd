// SPDX-License-Identifier: Apache-2.0
// Arithmetic on guest operands and the EFLAGS bits that go with it, and what integer helpers share: operands that are read
// and written, flags. Values are zero-extended; `size` is 1, 2 or 4 bytes. Reference: Intel SDM volume 1, 3.4.3.
#pragma once

#include "vmm/tcg/cpu.h"

namespace vmm::tcg {

constexpr u32 mask_of(unsigned size) { return size >= 4 ? ~u32{0} : (u32{1} << (8 * size)) - 1; }
constexpr unsigned bits_of(unsigned size) { return 8 * size; }
constexpr u32 sign_of(unsigned size) { return u32{1} << (8 * size - 1); }
constexpr i32 sign_extend(u32 v, unsigned size) {
    return size == 1 ? static_cast<i8>(v) : size == 2 ? static_cast<i16>(v) : static_cast<i32>(v);
}
constexpr u32 flag_if(bool condition, u32 flag) { return condition ? flag : 0; }

constexpr u32 result_flags(u32 r, unsigned size) {
    return flag_if((r & mask_of(size)) == 0, kZf) | flag_if((r & sign_of(size)) != 0, kSf) |
           flag_if(__builtin_parity(r & 0xff) == 0, kPf);
}

struct AluResult {
    u32 value;
    u32 flags;
};

constexpr AluResult alu_add(u32 a, u32 b, u32 carry, unsigned size) {
    const u64 wide = u64{a} + b + carry;
    const u32 r = static_cast<u32>(wide) & mask_of(size);
    return {r, result_flags(r, size) | flag_if((wide >> bits_of(size) & 1) != 0, kCf) | ((a ^ b ^ r) & kAf) |
                   flag_if(((a ^ r) & (b ^ r) & sign_of(size)) != 0, kOf)};
}

constexpr AluResult alu_sub(u32 a, u32 b, u32 borrow, unsigned size) {
    const u64 wide = u64{a} - b - borrow;
    const u32 r = static_cast<u32>(wide) & mask_of(size);
    return {r, result_flags(r, size) | flag_if((wide >> bits_of(size) & 1) != 0, kCf) | ((a ^ b ^ r) & kAf) |
                   flag_if(((a ^ b) & (a ^ r) & sign_of(size)) != 0, kOf)};
}

// Bits of `mask` in EFLAGS become those of `values`.
inline void set_flags(Cpu& cpu, u32 mask, u32 values) { cpu.s.eflags = (cpu.s.eflags & ~mask) | (values & mask); }

// SDM volume 1, appendix B.
constexpr bool condition_holds(u32 eflags, unsigned cond) {
    bool holds = false;
    switch (cond >> 1 & 7) {
    case 0: holds = (eflags & kOf) != 0; break;
    case 1: holds = (eflags & kCf) != 0; break;
    case 2: holds = (eflags & kZf) != 0; break;
    case 3: holds = (eflags & (kCf | kZf)) != 0; break;
    case 4: holds = (eflags & kSf) != 0; break;
    case 5: holds = (eflags & kPf) != 0; break;
    case 6: holds = ((eflags & kSf) != 0) != ((eflags & kOf) != 0); break;
    default: holds = (eflags & kZf) != 0 || ((eflags & kSf) != 0) != ((eflags & kOf) != 0); break;
    }
    return holds != ((cond & 1) != 0);
}

// Operand 0 of an instruction that reads and writes it: faults as a write does, before anything is read.
inline u32 load_destination(Cpu& cpu, const Insn& insn) {
    if (insn.is_mem(0)) cpu.probe_write(insn.mem.seg, cpu.effective_address(insn.mem), insn.operand[0].width);
    return cpu.load_operand(insn, 0);
}

// `address` as the instruction's address size wraps it.
inline u32 wrap(u32 address, const MemOperand& mem) { return mem.addr_size == 2 ? address & 0xffff : address; }

}  // namespace vmm::tcg
