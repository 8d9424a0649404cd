// SPDX-License-Identifier: Apache-2.0
// Helpers: multiplication, division, decimal adjustment. Undefined flags are cleared, but DIV and IDIV set AF.
// Reference: Intel SDM volume 2.
#include "vmm/tcg/alu.h"
#include "vmm/tcg/exec_table.h"

namespace vmm::tcg {
namespace {

// --- products and quotients in AX, DX:AX, EDX:EAX -----------------------------------------------------------

u64 accumulator(const Cpu& cpu, unsigned size) {
    if (size == 1) return cpu.get(kEax, 2);
    return u64{cpu.get(kEdx, size)} << bits_of(size) | cpu.get(kEax, size);
}

void set_halves(Cpu& cpu, unsigned size, u64 low, u64 high) {
    if (size == 1) return cpu.set(kEax, 2, static_cast<u32>((low & 0xff) | (high & 0xff) << 8));
    cpu.set(kEax, size, static_cast<u32>(low));
    cpu.set(kEdx, size, static_cast<u32>(high));
}

void exec_mul(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const u64 product = u64{cpu.get(kEax, size)} * cpu.load_operand(insn, 0);
    const u64 high = product >> bits_of(size);
    set_halves(cpu, size, product, high);
    set_flags(cpu, kArithFlags, flag_if(high != 0, kCf | kOf));
}

void exec_imul_one(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const i64 product = i64{sign_extend(cpu.get(kEax, size), size)} * sign_extend(cpu.load_operand(insn, 0), size);
    set_halves(cpu, size, static_cast<u64>(product), static_cast<u64>(product) >> bits_of(size));
    const bool overflow = product != sign_extend(static_cast<u32>(product), size);
    set_flags(cpu, kArithFlags, flag_if(overflow, kCf | kOf));
}

void exec_imul(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const unsigned first = insn.operand_count == 3 ? 1 : 0;
    const i64 product = i64{sign_extend(cpu.load_operand(insn, first), size)} *
                        sign_extend(cpu.load_operand(insn, first + 1), size);
    cpu.store_operand(insn, 0, static_cast<u32>(product));
    const bool overflow = product != sign_extend(static_cast<u32>(product), size);
    set_flags(cpu, kArithFlags, flag_if(overflow, kCf | kOf));
}

void exec_div(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const u64 divisor = cpu.load_operand(insn, 0);
    if (divisor == 0) raise(kDe);
    const u64 dividend = accumulator(cpu, size);
    const u64 quotient = dividend / divisor;
    if (quotient > mask_of(size)) raise(kDe);
    set_halves(cpu, size, quotient, dividend % divisor);
    set_flags(cpu, kArithFlags, kAf);
}

void exec_idiv(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const i64 divisor = sign_extend(cpu.load_operand(insn, 0), size);
    if (divisor == 0) raise(kDe);
    const unsigned unused = 64 - 2 * bits_of(size);
    const i64 dividend = static_cast<i64>(accumulator(cpu, size) << unused) >> unused;
    if (divisor == -1 && dividend == INT64_MIN) raise(kDe);
    const i64 quotient = dividend / divisor;
    const i64 limit = i64{sign_of(size)};
    if (quotient >= limit || quotient < -limit) raise(kDe);
    set_halves(cpu, size, static_cast<u64>(quotient), static_cast<u64>(dividend % divisor));
    set_flags(cpu, kArithFlags, kAf);
}

// --- decimal ---------------------------------------------------------------------------------------------------

void exec_aaa_aas(Cpu& cpu, const Insn& insn) {
    const u32 ax = cpu.get(kEax, 2);
    const bool adjust = (ax & 15) > 9 || (cpu.s.eflags & kAf) != 0;
    u32 r = ax;
    if (adjust) r = insn.op == Op::Aaa ? ax + 0x106 : ax - 0x106;
    cpu.set(kEax, 2, r & 0xff0f);
    set_flags(cpu, kArithFlags, flag_if(adjust, kAf | kCf));
}

void exec_aam(Cpu& cpu, const Insn& insn) {
    const u32 base = cpu.load_operand(insn, 0);
    if (base == 0) raise(kDe);
    const u32 al = cpu.get(kEax, 1);
    const u32 low = al % base;
    cpu.set(kEax, 2, al / base << 8 | low);
    set_flags(cpu, kArithFlags, result_flags(low, 1));
}

void exec_aad(Cpu& cpu, const Insn& insn) {
    const u32 ax = cpu.get(kEax, 2);
    const u32 al = ((ax & 0xff) + (ax >> 8) * cpu.load_operand(insn, 0)) & 0xff;
    cpu.set(kEax, 2, al);
    set_flags(cpu, kArithFlags, result_flags(al, 1));
}

void exec_daa(Cpu& cpu, const Insn&) {
    const u32 al = cpu.get(kEax, 1);
    const bool low = (al & 15) > 9 || (cpu.s.eflags & kAf) != 0;
    const bool high = al > 0x99 || (cpu.s.eflags & kCf) != 0;
    const u32 r = (al + (low ? 6 : 0) + (high ? 0x60 : 0)) & 0xff;
    cpu.set(kEax, 1, r);
    set_flags(cpu, kArithFlags, result_flags(r, 1) | flag_if(low, kAf) | flag_if(high, kCf));
}

void exec_das(Cpu& cpu, const Insn&) {
    const u32 al = cpu.get(kEax, 1);
    const bool low = (al & 15) > 9 || (cpu.s.eflags & kAf) != 0;
    const bool high = al > 0x99 || (cpu.s.eflags & kCf) != 0;
    const u32 r = (al - (low ? 6 : 0) - (high ? 0x60 : 0)) & 0xff;
    cpu.set(kEax, 1, r);
    // The low correction may borrow on its own.
    const bool carry = high || (low && al < 6);
    set_flags(cpu, kArithFlags, result_flags(r, 1) | flag_if(low, kAf) | flag_if(carry, kCf));
}

constexpr ExecEntry kEntries[] = {
    {Op::Mul, exec_mul}, {Op::Imul1, exec_imul_one}, {Op::Imul, exec_imul}, {Op::Div, exec_div}, {Op::Idiv, exec_idiv},
    {Op::Aaa, exec_aaa_aas}, {Op::Aas, exec_aaa_aas}, {Op::Aam, exec_aam}, {Op::Aad, exec_aad}, {Op::Daa, exec_daa},
    {Op::Das, exec_das},
};

}  // namespace

std::span<const ExecEntry> muldiv_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
