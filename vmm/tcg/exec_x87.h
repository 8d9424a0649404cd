// SPDX-License-Identifier: Apache-2.0
// What all x87 helpers share: the checks before an instruction, its operands, pointers, and what its exceptions do to it.
// Reference: Intel SDM volume 1, 8.1.8, 8.5-8.7; volume 3, 2.5 and 9.2 (CR0.EM, MP, TS, NE).
//
// An unmasked exception never faults the instruction that raised it: it sets ES, and the next waiting instruction raises
// #MF (CR0.NE = 1) or asserts FERR# and stands still until an interrupt comes (NE = 0, IGNNE# not asserted).
// Condition codes that the manual leaves undefined keep their value, but for C1, which is cleared.
#pragma once

#include "vmm/tcg/cpu.h"
#include "vmm/tcg/fpu_state.h"

namespace vmm::tcg {

// #NM where CR0.EM or CR0.TS says so: every x87 instruction but FWAIT.
inline void x87_require_available(const Cpu& cpu) {
    if ((cpu.s.cr0 & (kCr0Em | kCr0Ts)) != 0) raise(kNm);
}
// The pending unmasked exception. False: FERR# is asserted and the instruction waits; it runs again at the next step.
[[nodiscard]] bool x87_check_pending(Cpu& cpu);
// After ES may have gone away: FERR# follows.
void x87_errors_changed(Cpu& cpu);

// A 16-byte operand that must lie on its natural boundary.
void require_aligned16(Cpu& cpu, const MemOperand& mem, u32 offset);

class X87Op {
  public:
    X87Op(Cpu& cpu_in, const Insn& insn_in)
        : cpu(cpu_in), insn(insn_in), f(cpu_in.s.fpu), offset_(memory() ? cpu_in.effective_address(insn_in.mem) : 0) {}

    Cpu& cpu;
    const Insn& insn;
    X87& f;

    bool memory() const { return insn.modrm >> 6 != 3; }
    unsigned sti() const { return insn.modrm & 7; }
    unsigned opcode() const { return insn.x87_opcode >> 8 & 7; }      // first byte, D8 to DF
    unsigned digit() const { return insn.modrm >> 3 & 7; }

    template <class T>
    T load() {
        T value;
        cpu.read_bytes(insn.mem.seg, offset_, &value, sizeof(T));
        return value;
    }
    F80 load80() {
        u8 bytes[10];
        cpu.read_bytes(insn.mem.seg, offset_, bytes, sizeof bytes);
        F80 value;
        __builtin_memcpy(&value.significand, bytes, 8);
        __builtin_memcpy(&value.exponent, bytes + 8, 2);
        return value;
    }
    template <class T>
    void store(T value) {
        cpu.write_bytes(insn.mem.seg, offset_, &value, sizeof(T));
    }
    void store_bytes(const void* bytes, unsigned size) { cpu.write_bytes(insn.mem.seg, offset_, bytes, size); }
    void probe(unsigned size) { cpu.probe_write(insn.mem.seg, offset_, size); }
    u32 offset() const { return offset_; }

    // FIP, FCS, FOP, and for a memory operand FDP and FDS: every instruction but the control ones, once it cannot fault.
    void note_pointers() {
        f.ip = cpu.s.eip;
        f.cs = cpu.s.seg[kCs].selector;
        f.opcode = insn.x87_opcode & 0x7ff;
        if (!memory()) return;
        f.dp = offset_;
        f.ds = cpu.s.seg[insn.mem.seg].selector;
    }

    u16 unmasked(u16 flags) const { return static_cast<u16>(flags & ~f.control & kX87Exceptions); }
    void set_codes(u16 which, u16 values) { f.status = static_cast<u16>((f.status & ~which) | (values & which)); }

    // Takes over flags and C1 of what was computed. True: the result is to be stored and the stack moved; false: an
    // unmasked exception found before computing leaves everything as it was.
    [[nodiscard]] bool commit(u16 flags) {
        f.status = static_cast<u16>((f.status & ~kX87C1) | (flags & (kX87Exceptions | kX87C1)));
        x87_refresh_summary(f);
        return unmasked(flags & kX87PreExceptions) == 0;
    }
    // An operand was empty; a push found a full register. True: masked, the result is the indefinite value.
    [[nodiscard]] bool underflow() { return stack_fault(0); }
    [[nodiscard]] bool overflow() { return stack_fault(kX87C1); }

  private:
    bool stack_fault(u16 c1) {
        f.status = static_cast<u16>((f.status & ~kX87C1) | kX87Ie | kX87Sf | c1);
        x87_refresh_summary(f);
        return unmasked(kX87Ie) == 0;
    }

    u32 offset_;
};

// An ordinary (waiting) instruction.
template <void (*Body)(X87Op&)>
void x87(Cpu& cpu, const Insn& insn) {
    x87_require_available(cpu);
    if (!x87_check_pending(cpu)) return;
    X87Op op(cpu, insn);
    Body(op);
}

}  // namespace vmm::tcg
