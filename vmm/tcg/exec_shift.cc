// SPDX-License-Identifier: Apache-2.0
// Helpers: shifts and rotates. Counts are taken modulo 32; a count of 0 leaves the flags. What the manual leaves undefined:
// OF is cleared for counts other than 1, AF is cleared, CF is cleared by SHL and SHR of more bits than the operand has, and
// a 16-bit SHLD or SHRD of more than 16 bits goes on into a second copy of the destination (48 bits destination : source :
// destination, shifted). Reference: Intel SDM volume 2.
#include "vmm/tcg/alu.h"
#include "vmm/tcg/exec_table.h"

namespace vmm::tcg {
namespace {

struct ShiftResult {
    u32 value;
    bool carry;
    bool overflow;   // as for a count of 1
};

bool top(u32 v, unsigned bits) { return (v >> (bits - 1) & 1) != 0; }

ShiftResult shift(Op op, u32 v, unsigned count, unsigned size) {
    const unsigned bits = bits_of(size);
    switch (op) {
    case Op::Shl: {
        const u64 wide = u64{v} << count;
        const u32 r = static_cast<u32>(wide) & mask_of(size);
        const bool carry = (wide >> bits & 1) != 0;
        return {r, carry, top(r, bits) != carry};
    }
    case Op::Shr: return {static_cast<u32>(u64{v} >> count), (u64{v} >> (count - 1) & 1) != 0, top(v, bits)};
    default: {
        const i64 wide = sign_extend(v, size);
        return {static_cast<u32>(wide >> count) & mask_of(size), (wide >> (count - 1) & 1) != 0, false};
    }
    }
}

void exec_shift(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const u32 v = load_destination(cpu, insn);
    const unsigned count = cpu.load_operand(insn, 1) & 31;
    if (count == 0) return cpu.store_operand(insn, 0, v);
    const ShiftResult r = shift(insn.op, v, count, size);
    cpu.store_operand(insn, 0, r.value);
    set_flags(cpu, kArithFlags, result_flags(r.value, size) | flag_if(r.carry, kCf) | flag_if(count == 1 && r.overflow, kOf));
}

ShiftResult rotate(Op op, u32 v, unsigned count, unsigned size) {
    const unsigned bits = bits_of(size);
    const unsigned left = op == Op::Rol ? count % bits : (bits - count % bits) % bits;
    const u32 r = static_cast<u32>((u64{v} << left | u64{v} >> (bits - left)) & mask_of(size));
    if (op == Op::Rol) return {r, (r & 1) != 0, top(r, bits) != ((r & 1) != 0)};
    return {r, top(r, bits), top(r, bits) != ((r >> (bits - 2) & 1) != 0)};
}

// Through CF: a rotation of bits + 1.
ShiftResult rotate_carry(Op op, u32 v, bool carry, unsigned count, unsigned size) {
    const unsigned bits = bits_of(size);
    const unsigned wide_bits = bits + 1;
    const unsigned n = count % wide_bits;
    const unsigned left = op == Op::Rcl ? n : (wide_bits - n) % wide_bits;
    const u128 wide = u128{v} | u128{carry} << bits;
    const u128 turned = wide << left | wide >> (wide_bits - left);
    const u32 r = static_cast<u32>(turned) & mask_of(size);
    const bool out = (turned >> bits & 1) != 0;
    const bool overflow = op == Op::Rcl ? top(r, bits) != out : top(v, bits) != carry;
    return {r, out, overflow};
}

void exec_rotate(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const u32 v = load_destination(cpu, insn);
    const unsigned count = cpu.load_operand(insn, 1) & 31;
    if (count == 0) return cpu.store_operand(insn, 0, v);
    const bool through_carry = insn.op == Op::Rcl || insn.op == Op::Rcr;
    const ShiftResult r = through_carry ? rotate_carry(insn.op, v, (cpu.s.eflags & kCf) != 0, count, size)
                                        : rotate(insn.op, v, count, size);
    cpu.store_operand(insn, 0, r.value);
    set_flags(cpu, kCf | kOf, flag_if(r.carry, kCf) | flag_if(count == 1 && r.overflow, kOf));
}

void exec_shift_double(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const unsigned bits = bits_of(size);
    const u32 a = load_destination(cpu, insn);
    const u32 b = cpu.load_operand(insn, 1);
    const unsigned count = cpu.load_operand(insn, 2) & 31;
    if (count == 0) return cpu.store_operand(insn, 0, a);
    const u128 wide = u128{a} << (2 * bits) | u128{b} << bits | a;
    const bool is_left = insn.op == Op::Shld;
    const u32 r = static_cast<u32>(is_left ? wide << count >> (2 * bits) : wide >> count) & mask_of(size);
    const bool carry = ((is_left ? wide << count >> (3 * bits) : wide >> (count - 1)) & 1) != 0;
    cpu.store_operand(insn, 0, r);
    const bool overflow = count == 1 && top(r, bits) != top(a, bits);
    set_flags(cpu, kArithFlags, result_flags(r, size) | flag_if(carry, kCf) | flag_if(overflow, kOf));
}

constexpr ExecEntry kEntries[] = {
    {Op::Shl, exec_shift}, {Op::Shr, exec_shift}, {Op::Sar, exec_shift}, {Op::Rol, exec_rotate}, {Op::Ror, exec_rotate},
    {Op::Rcl, exec_rotate}, {Op::Rcr, exec_rotate}, {Op::Shld, exec_shift_double}, {Op::Shrd, exec_shift_double},
};

}  // namespace

std::span<const ExecEntry> shift_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
