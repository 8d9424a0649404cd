// SPDX-License-Identifier: Apache-2.0
// Helpers: data movement, stack, conversions, flags in AH, and what does nothing that the guest can see.
// ENTER, PUSHA and POPA check all their memory before they change anything. A 16-bit BSWAP (undefined) clears the register's
// low half. Reference: Intel SDM volume 2.
#include "vmm/tcg/alu.h"
#include "vmm/tcg/exec_table.h"

namespace vmm::tcg {
namespace {

void exec_mov(Cpu& cpu, const Insn& insn) { cpu.store_operand(insn, 0, cpu.load_operand(insn, 1)); }

void exec_movsx(Cpu& cpu, const Insn& insn) {
    cpu.store_operand(insn, 0, static_cast<u32>(sign_extend(cpu.load_operand(insn, 1), insn.operand[1].width)));
}

void exec_xchg(Cpu& cpu, const Insn& insn) {
    const u32 a = load_destination(cpu, insn);
    cpu.store_operand(insn, 0, cpu.load_operand(insn, 1));
    cpu.store_operand(insn, 1, a);
}

void exec_lea(Cpu& cpu, const Insn& insn) { cpu.store_operand(insn, 0, cpu.effective_address(insn.mem)); }

void exec_bswap(Cpu& cpu, const Insn& insn) {
    const u32 v = cpu.load_operand(insn, 0);
    cpu.store_operand(insn, 0, insn.operand[0].width == 2 ? 0 : __builtin_bswap32(v));
}

void exec_xlat(Cpu& cpu, const Insn& insn) {
    const u32 at = wrap(cpu.effective_address(insn.mem) + cpu.get(kEax, 1), insn.mem);
    cpu.set(kEax, 1, cpu.read(insn.mem.seg, at, 1));
}

void exec_setcc(Cpu& cpu, const Insn& insn) {
    cpu.store_operand(insn, 0, condition_holds(cpu.s.eflags, insn.cond) ? 1 : 0);
}

// The source is read whether or not the condition holds.
void exec_cmov(Cpu& cpu, const Insn& insn) {
    const u32 v = cpu.load_operand(insn, 1);
    if (condition_holds(cpu.s.eflags, insn.cond)) cpu.store_operand(insn, 0, v);
}

void exec_cbw(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.op_size;
    cpu.set(kEax, size, static_cast<u32>(sign_extend(cpu.get(kEax, size / 2), size / 2)));
}

void exec_cwd(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.op_size;
    cpu.set(kEdx, size, (cpu.get(kEax, size) & sign_of(size)) != 0 ? ~u32{0} : 0);
}

void exec_salc(Cpu& cpu, const Insn&) { cpu.set(kEax, 1, (cpu.s.eflags & kCf) != 0 ? 0xff : 0); }

constexpr u32 kAhFlags = kCf | kPf | kAf | kZf | kSf;
constexpr unsigned kAh = 4;

void exec_lahf(Cpu& cpu, const Insn&) { cpu.set(kAh, 1, (cpu.s.eflags & kAhFlags) | 2); }
void exec_sahf(Cpu& cpu, const Insn&) { set_flags(cpu, kAhFlags, cpu.get(kAh, 1)); }

// --- stack -----------------------------------------------------------------------------------------------------

// An offset within the stack segment, by SS.B.
u32 stack_wrap(const Cpu& cpu, u32 offset) { return cpu.stack32() ? offset : offset & 0xffff; }

void exec_push(Cpu& cpu, const Insn& insn) { cpu.push(insn.op_size, cpu.load_operand(insn, 0)); }

void exec_pop(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.op_size;
    if (!insn.is_mem(0)) return cpu.store_operand(insn, 0, cpu.pop(size));
    // The address is computed with ESP as it is afterwards, but ESP only changes once the store has succeeded.
    const u32 value = cpu.read(kSs, cpu.esp(), size);
    const u32 before = cpu.s.gpr[kEsp];
    cpu.set_esp(before + size);
    const u32 after = cpu.s.gpr[kEsp];
    const u32 at = cpu.effective_address(insn.mem);
    cpu.s.gpr[kEsp] = before;
    cpu.write(insn.mem.seg, at, size, value);
    cpu.s.gpr[kEsp] = after;
}

void exec_pusha(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.op_size;
    const u32 esp = cpu.s.gpr[kEsp];
    for (u32 i = 1; i <= 8; ++i) cpu.probe_write(kSs, stack_wrap(cpu, esp - i * size), size);
    for (u32 i = 1; i <= 8; ++i) cpu.write(kSs, stack_wrap(cpu, esp - i * size), size, cpu.get(i - 1, size));
    cpu.set_esp(esp - 8 * size);
}

void exec_popa(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.op_size;
    const u32 esp = cpu.s.gpr[kEsp];
    u32 value[8];
    for (u32 i = 0; i < 8; ++i) value[7 - i] = cpu.read(kSs, stack_wrap(cpu, esp + i * size), size);
    for (unsigned reg = 0; reg < 8; ++reg)
        if (reg != kEsp) cpu.set(reg, size, value[reg]);
    cpu.set_esp(esp + 8 * size);
}

void exec_enter(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.op_size;
    const u32 level = insn.imm2 & 31;
    const u32 esp = cpu.s.gpr[kEsp];
    const u32 ebp = cpu.s.gpr[kEbp];
    const u32 frame = esp - size;
    const u32 final_esp = frame - level * size - insn.imm;
    const auto pushed_at = [&](u32 n) { return stack_wrap(cpu, esp - n * size); };
    const auto display_at = [&](u32 n) { return stack_wrap(cpu, ebp - n * size); };
    // Every access that may fault, in order; a write at the final stack pointer has to be possible as well.
    cpu.probe_write(kSs, pushed_at(1), size);
    for (u32 n = 1; n < level; ++n) {
        (void)cpu.read(kSs, display_at(n), size);
        cpu.probe_write(kSs, pushed_at(n + 1), size);
    }
    if (level != 0) cpu.probe_write(kSs, pushed_at(level + 1), size);
    cpu.probe_write(kSs, stack_wrap(cpu, final_esp), size);

    cpu.write(kSs, pushed_at(1), size, ebp);
    for (u32 n = 1; n < level; ++n) cpu.write(kSs, pushed_at(n + 1), size, cpu.read(kSs, display_at(n), size));
    const u32 frame_value = cpu.stack32() ? frame : (esp & 0xffff0000) | (frame & 0xffff);
    if (level != 0) cpu.write(kSs, pushed_at(level + 1), size, frame_value);
    cpu.set(kEbp, size, frame_value);
    cpu.set_esp(final_esp);
}

void exec_leave(Cpu& cpu, const Insn& insn) {
    const u32 ebp = cpu.s.gpr[kEbp];
    const u32 value = cpu.read(kSs, stack_wrap(cpu, ebp), insn.op_size);
    cpu.set_esp(ebp + insn.op_size);
    cpu.set(kEbp, insn.op_size, value);
}

// --- checks and hints --------------------------------------------------------------------------------------------

void exec_bound(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.op_size;
    const u32 at = cpu.effective_address(insn.mem);
    const i32 index = sign_extend(cpu.load_operand(insn, 0), size);
    const i32 lower = sign_extend(cpu.read(insn.mem.seg, at, size), size);
    const i32 upper = sign_extend(cpu.read(insn.mem.seg, wrap(at + size, insn.mem), size), size);
    if (index < lower || index > upper) raise(kBr);
}

void exec_nothing(Cpu&, const Insn&) {}

// Caches are not modelled; the address is checked as for a load.
void exec_clflush(Cpu& cpu, const Insn& insn) {
    cpu.probe_linear(cpu.linear(insn.mem.seg, cpu.effective_address(insn.mem), 1, Access::Read), 1, Access::Read);
}

constexpr ExecEntry kEntries[] = {
    {Op::Mov, exec_mov}, {Op::Movzx, exec_mov}, {Op::Movnti, exec_mov}, {Op::Movsx, exec_movsx}, {Op::Xchg, exec_xchg},
    {Op::Lea, exec_lea}, {Op::Bswap, exec_bswap}, {Op::Xlat, exec_xlat}, {Op::Setcc, exec_setcc}, {Op::Cmov, exec_cmov},
    {Op::Cbw, exec_cbw}, {Op::Cwd, exec_cwd}, {Op::Salc, exec_salc}, {Op::Lahf, exec_lahf}, {Op::Sahf, exec_sahf},
    {Op::Push, exec_push}, {Op::Pop, exec_pop}, {Op::Pusha, exec_pusha}, {Op::Popa, exec_popa}, {Op::Enter, exec_enter},
    {Op::Leave, exec_leave}, {Op::Bound, exec_bound}, {Op::Nop, exec_nothing}, {Op::Pause, exec_nothing},
    {Op::Prefetch, exec_nothing}, {Op::Lfence, exec_nothing}, {Op::Mfence, exec_nothing}, {Op::Sfence, exec_nothing},
    {Op::Clflush, exec_clflush},
};

}  // namespace

std::span<const ExecEntry> move_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
