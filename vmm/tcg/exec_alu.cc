// SPDX-License-Identifier: Apache-2.0
// Helpers: two-operand arithmetic and logic, INC, DEC, NEG, NOT, exchange-and-add, compare-and-exchange, bit tests and
// scans. Undefined flags are cleared. Reference: Intel SDM volume 2.
#include "vmm/tcg/alu.h"
#include "vmm/tcg/exec_table.h"

namespace vmm::tcg {
namespace {

u32 carry_in(const Cpu& cpu) { return cpu.s.eflags & kCf; }

AluResult logic(u32 r, unsigned size) { return {r, result_flags(r, size)}; }

void exec_arithmetic(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const bool writes = insn.op != Op::Cmp && insn.op != Op::Test;
    const u32 a = writes ? load_destination(cpu, insn) : cpu.load_operand(insn, 0);
    const u32 b = cpu.load_operand(insn, 1);
    AluResult r{};
    switch (insn.op) {
    case Op::Add: r = alu_add(a, b, 0, size); break;
    case Op::Adc: r = alu_add(a, b, carry_in(cpu), size); break;
    case Op::Sub: case Op::Cmp: r = alu_sub(a, b, 0, size); break;
    case Op::Sbb: r = alu_sub(a, b, carry_in(cpu), size); break;
    case Op::And: case Op::Test: r = logic(a & b, size); break;
    case Op::Or: r = logic(a | b, size); break;
    default: r = logic(a ^ b, size); break;
    }
    if (writes) cpu.store_operand(insn, 0, r.value);
    set_flags(cpu, kArithFlags, r.flags);
}

void exec_unary(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const u32 a = load_destination(cpu, insn);
    AluResult r{~a & mask_of(size), 0};
    u32 changed = 0;
    switch (insn.op) {
    case Op::Inc: r = alu_add(a, 1, 0, size); changed = kArithFlags & ~kCf; break;
    case Op::Dec: r = alu_sub(a, 1, 0, size); changed = kArithFlags & ~kCf; break;
    case Op::Neg: r = alu_sub(0, a, 0, size); changed = kArithFlags; break;
    default: break;
    }
    cpu.store_operand(insn, 0, r.value);
    set_flags(cpu, changed, r.flags);
}

void exec_xadd(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const u32 a = load_destination(cpu, insn);
    const AluResult r = alu_add(a, cpu.load_operand(insn, 1), 0, size);
    // The same register twice holds the sum.
    if (insn.is_mem(0)) cpu.store_operand(insn, 0, r.value);
    cpu.store_operand(insn, 1, a);
    if (!insn.is_mem(0)) cpu.store_operand(insn, 0, r.value);
    set_flags(cpu, kArithFlags, r.flags);
}

void exec_cmpxchg(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const u32 a = load_destination(cpu, insn);
    const AluResult r = alu_sub(cpu.get(kEax, size), a, 0, size);
    const bool equal = (r.flags & kZf) != 0;
    // A memory destination is written either way.
    if (equal || insn.is_mem(0)) cpu.store_operand(insn, 0, equal ? cpu.load_operand(insn, 1) : a);
    if (!equal) cpu.set(kEax, size, a);
    set_flags(cpu, kArithFlags, r.flags);
}

void exec_cmpxchg8b(Cpu& cpu, const Insn& insn) {
    const u32 at = cpu.effective_address(insn.mem);
    cpu.probe_write(insn.mem.seg, at, 8);
    const u64 a = cpu.read64(insn.mem.seg, at);
    auto& gpr = cpu.s.gpr;
    const bool equal = a == (u64{gpr[kEdx]} << 32 | gpr[kEax]);
    cpu.write64(insn.mem.seg, at, equal ? u64{gpr[kEcx]} << 32 | gpr[kEbx] : a);
    if (!equal) {
        gpr[kEax] = static_cast<u32>(a);
        gpr[kEdx] = static_cast<u32>(a >> 32);
    }
    set_flags(cpu, kZf, flag_if(equal, kZf));
}

// A register as bit offset reaches beyond the operand when that is memory.
u32 bit_operand_address(Cpu& cpu, const Insn& insn, unsigned size) {
    const u32 at = cpu.effective_address(insn.mem);
    if (!insn.is_reg(1)) return at;
    const i32 offset = sign_extend(cpu.load_operand(insn, 1), size);
    const i32 units = size == 2 ? offset >> 4 : offset >> 5;
    return wrap(at + static_cast<u32>(units) * size, insn.mem);
}

void exec_bit_test(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    const bool memory = insn.is_mem(0);
    const u32 at = memory ? bit_operand_address(cpu, insn, size) : 0;
    const u32 bit = u32{1} << (cpu.load_operand(insn, 1) & (bits_of(size) - 1));
    if (memory && insn.op != Op::Bt) cpu.probe_write(insn.mem.seg, at, size);
    const u32 a = memory ? cpu.read(insn.mem.seg, at, size) : cpu.load_operand(insn, 0);
    if (insn.op != Op::Bt) {
        const u32 r = insn.op == Op::Bts ? a | bit : insn.op == Op::Btr ? a & ~bit : a ^ bit;
        if (memory) cpu.write(insn.mem.seg, at, size, r);
        else cpu.store_operand(insn, 0, r);
    }
    set_flags(cpu, kArithFlags & ~kZf, flag_if((a & bit) != 0, kCf));
}

// A source of 0 leaves the destination as it is.
void exec_bit_scan(Cpu& cpu, const Insn& insn) {
    const u32 a = cpu.load_operand(insn, 1);
    if (a != 0) {
        const int bit = insn.op == Op::Bsf ? __builtin_ctz(a) : 31 - __builtin_clz(a);
        cpu.store_operand(insn, 0, static_cast<u32>(bit));
    }
    set_flags(cpu, kArithFlags, flag_if(a == 0, kZf));
}

constexpr ExecEntry kEntries[] = {
    {Op::Add, exec_arithmetic}, {Op::Or, exec_arithmetic}, {Op::Adc, exec_arithmetic}, {Op::Sbb, exec_arithmetic},
    {Op::And, exec_arithmetic}, {Op::Sub, exec_arithmetic}, {Op::Xor, exec_arithmetic}, {Op::Cmp, exec_arithmetic},
    {Op::Test, exec_arithmetic}, {Op::Inc, exec_unary}, {Op::Dec, exec_unary}, {Op::Neg, exec_unary},
    {Op::Not, exec_unary}, {Op::Xadd, exec_xadd}, {Op::Cmpxchg, exec_cmpxchg}, {Op::Cmpxchg8b, exec_cmpxchg8b},
    {Op::Bt, exec_bit_test}, {Op::Bts, exec_bit_test}, {Op::Btr, exec_bit_test}, {Op::Btc, exec_bit_test},
    {Op::Bsf, exec_bit_scan}, {Op::Bsr, exec_bit_scan},
};

}  // namespace

std::span<const ExecEntry> alu_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
