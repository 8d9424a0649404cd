// SPDX-License-Identifier: Apache-2.0
// Emitter: one analysed block to x86-64 code.
//
// Registers. Guest EAX ECX EDX EBX ESP EBP ESI EDI live in RBX RCX RDX R8 R15 RBP RSI RDI, zero-extended, across blocks.
// RAX holds the guest's arithmetic flags at every block boundary: AH as LAHF gives them, AL = OF. Between a flag-setting
// instruction and the next one that needs the host's flags they stay in the host's EFLAGS, and nobody writes them out
// where nobody looks (analyse.h). R12 = TLB tables of the running privilege, R13 = steps left, R14 = Cpu, R9-R11 scratch.
// XMM registers and MXCSR, and the x87 stack with its control and status words, are in the host's own units while
// Cpu::Jit::live says so: the first instruction of a block that needs them loads them if they are not there, and whoever leaves
// generated code, helpers included, stores them. XMM8-15 are scratch.
// A block begins by taking its steps from R13 and leaves when it went negative. A memory access is: index the table, add,
// access. Whatever is not plain memory, and every rare instruction, runs as a whole in its helper (exec_*.cc) out of line;
// it has done nothing before, so it can be done over.
#pragma once

#include <algorithm>

#include <xbyak/xbyak.h>

#include <vector>

#include "vmm/tcg/analyse.h"
#include "vmm/tcg/block.h"
#include "vmm/tcg/jump_target.h"

namespace vmm::tcg {

class Emitter final : private Xbyak::CodeGenerator {
  public:
    // Called for every HelperCall; returns kGoOn, kLeave, or the code to go on with, under Cpu::Jit::tables.
    using Helper = u64 (*)(Cpu*, const HelperCall*);
    static constexpr u64 kGoOn = 0, kLeave = 1;
    Emitter(Cpu& cpu, std::size_t size, Helper callee);

    // Enters generated code; returns the unlinked Link it left by, or null.
    Link* run(const u8* code, u8* tables) { return enter_(&cpu_, code, tables); }
    bool full() const { return getSize() + kRoomForBlock > limit_; }
    void clear();                                        // forget all blocks
    void set_limit(std::size_t bytes) { limit_ = std::min(bytes, limit_); }   // less room than there is
    void emit(Block& block, const Analysis& a);

    // EFLAGS arithmetic bits <-> RAX form.
    static u32 to_eflags(u64 rax) { return static_cast<u32>((rax >> 8 & 0xd5) | (rax & 1) << 11); }
    static u64 from_eflags(u32 eflags) { return (eflags & 0xd5) << 8 | (eflags >> 11 & 1); }

  private:
    static constexpr std::size_t kRoomForBlock = 64 << 10;
    enum class Flags { Rax, Host, Both, Dead };
    struct Cold {
        JumpTarget slow, unaligned, access, done;
        unsigned k = 0;
        unsigned width = 1;
        Xbyak::Reg64 lin;
        u32 table = 0;
        bool has_unaligned = false;
        bool leaves = false;       // the helper does a control transfer: leave afterwards
        u32 live = 0;              // what the code at `done` expects in the host's units
        const HelperCall* x87_last = nullptr;   // see Cpu::Jit, before this instruction
        u32 x87_segment = 0;
        bool host_flags = false;   // the code at `done` expects the flags in the host's EFLAGS
    };

    void emit_thunks();
    void jump(JumpTarget& target);
    void jump(If condition, JumpTarget& target);
    void bind(JumpTarget& target) { target.bind(const_cast<u8*>(getCurr())); }
    Cold& cold();                                        // another cold path of this instruction
    JumpTarget& slow() { return cold_[first_cold_].slow; }   // done over by its helper
    void store_imm(const Xbyak::Address& to, u32 value);
    Xbyak::Reg32 r32(unsigned gpr) const;
    Xbyak::Reg reg(unsigned gpr, unsigned width) const;
    Xbyak::Address state(const void* member) const;      // [r14 + offset], 32-bit
    Xbyak::Address state64(const void* member) const;

    // Registers in the host's units.
    void need(u32 what);
    void note_x87();                                     // writes out what x87_last_ and x87_segment_ say
    void store_x87_note(const HelperCall* last, u32 segment);

    void instruction(unsigned k);
    void inline_instruction(const Insn& insn);
    void helper(unsigned k);

    // Flags.
    void load_host_flags();
    void need_host_flags();
    void need_carry();                                   // host CF only
    void materialise();
    void clobber();                                      // the host's EFLAGS are about to be overwritten
    void produced(u32 ah_keep = 0xff, bool of_known_zero = false);
    u16 live_after() const { return a_->insns[k_].live_after; }

    // Memory.
    bool open(Seg seg) const { return (mode_ >> (kModeSegShift + 2 * seg) & kModeSegOpen) != 0 && (mode_ & kModeSlow) == 0; }
    bool zero_base(Seg seg) const { return (mode_ >> (kModeSegShift + 2 * seg) & kModeSegZero) != 0; }
    Xbyak::RegExp effective_address(const MemOperand& m) const;
    Xbyak::Reg64 linear(const MemOperand& m);
    // `aligned`: an operand that is not aligned to its width is for the helper, which faults.
    Xbyak::RegExp access(Xbyak::Reg64 lin, unsigned width, bool write, bool aligned = false);
    Xbyak::RegExp mem(const Insn& insn, unsigned width, bool write) { return access(linear(insn.mem), width, write); }
    Xbyak::Address at(unsigned width, const Xbyak::RegExp& e) const;
    Xbyak::Reg64 stack_linear(i32 offset);

    // Instruction groups.
    void alu(const Insn& insn);
    void inc_dec(const Insn& insn);
    void shift(const Insn& insn);
    void shift_by_cl(const Insn& insn, bool rotate);
    void shift_by_cl(const Insn& insn, bool rotate, const Xbyak::Operand& o);
    void mul(const Insn& insn);
    void div(const Insn& insn);
    void bit_test(const Insn& insn);
    void bit_scan(const Insn& insn);
    void move(const Insn& insn);
    void extend(const Insn& insn);
    void exchange(const Insn& insn);
    void string_step(const Insn& insn);
    void push_value(const Insn& insn);
    void pop_value(const Insn& insn);
    void call_near(const Insn& insn);
    void return_near(const Insn& insn);
    void edge(unsigned n, u32 eip);
    void jump_to_r9();
    void jcc(const Insn& insn);
    void simd(const Insn& insn);                         // emit_simd.cc
    void simd_move(const Insn& insn);
    void load_mxcsr(const Insn& insn);
    void x87(const Insn& insn);                          // emit_x87.cc
    void x87_bytes(const Insn& insn, Xbyak::Reg64 lin);
    void double_shift(const Insn& insn);
    void push_flags();
    void pop_flags();
    void push_segment(const Insn& insn);
    Xbyak::Address selector(unsigned seg) const;
    // Byte registers that the host cannot name in this instruction.
    void alu_bytes(const Insn& insn, bool writes, void (Xbyak::CodeGenerator::*rr)(const Xbyak::Operand&, const Xbyak::Operand&),
                   void (Xbyak::CodeGenerator::*ri)(const Xbyak::Operand&, u32));
    Xbyak::Reg byte_source(unsigned gpr, const Xbyak::Reg32& scratch);
    void byte_result(unsigned gpr, const Xbyak::Reg8& from);
    void move_bytes(const Insn& insn);
    void cold_paths();

    Cpu& cpu_;
    Helper helper_;
    std::size_t limit_;
    std::size_t thunks_end_ = 0;
    Link* (*enter_)(Cpu*, const u8*, u8*) = nullptr;
    const u8* call_helper_ = nullptr;
    const u8* exit_link_ = nullptr;
    const u8* exit_ = nullptr;
    const u8* exit_to_r9_ = nullptr;
    const u8* save_live_ = nullptr;
    const u8* load_sse_ = nullptr;
    const u8* load_x87_ = nullptr;

    // While a block is being emitted.
    Block* block_ = nullptr;
    const Analysis* a_ = nullptr;
    unsigned k_ = 0;
    u32 mode_ = 0;
    Flags flags_ = Flags::Rax;
    u32 live_ = 0;                  // known to be in the host's units here
    const HelperCall* x87_last_ = nullptr;
    u32 x87_segment_ = 0;
    bool left_ = false;             // the last instruction did its own leaving
    std::vector<Cold> cold_;
    std::size_t first_cold_ = 0;    // of this instruction
    struct Load { u32 what; JumpTarget load, back; };
    std::vector<Load> loads_;
    struct Edge { Link* link; JumpTarget unlinked; };
    std::vector<Edge> edges_;
};

// An immediate as an instruction of that width takes it.
inline u32 signed_imm(u32 imm, unsigned width) {
    switch (width) {
        case 1: return static_cast<u32>(static_cast<i8>(imm));
        case 2: return static_cast<u32>(static_cast<i16>(imm));
        default: return imm;
    }
}

// Cpu::Jit::live.
inline constexpr u32 kLiveSse = 1, kLiveX87 = 2;

// The bits of it that the state of x87 and SSE decides (kModeFpu).
u32 fpu_mode(const Cpu& cpu);
// The mode generated code must have been made for to run now.
u32 current_mode(const Cpu& cpu);

}  // namespace vmm::tcg
