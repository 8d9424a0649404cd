// SPDX-License-Identifier: Apache-2.0
// The frame of generated code: entry, exits, helper calls, flags, memory access, edges between blocks.
#include "vmm/tcg/emitter.h"

#include <bit>

#include "vmm/check.h"
#include "vmm/huge_pages.h"
#include "vmm/tcg/fpu_state.h"
#include "vmm/tcg/mmu.h"

namespace vmm::tcg {

using namespace Xbyak::util;
using Xbyak::Address;
using Xbyak::Reg32;
using Xbyak::Reg64;
using Xbyak::RegExp;

namespace {
const Reg64 kTlb = r12, kBudget = r13, kCpu = r14;
constexpr u8 kHostOf[8] = {3, 1, 2, 8, 15, 5, 6, 7};  // rbx rcx rdx r8 r15 rbp rsi rdi
}  // namespace

u32 fpu_mode(const Cpu& cpu) {
    const CpuState& s = cpu.s;
    if ((s.cr0 & (kCr0Em | kCr0Ts)) != 0) return 0;
    u32 mode = 0;
    if ((s.cr4 & kCr4Osfxsr) != 0) mode |= (s.mxcsr >> 7 & 0x3f) == 0x3f ? kModeSse | kModeSseMasked : kModeSse;
    if ((s.fpu.control & kX87Exceptions) == kX87Exceptions && (s.fpu.status & kX87Es) == 0) mode |= kModeX87;
    return mode;
}

u32 current_mode(const Cpu& cpu) {
    const CpuState& s = cpu.s;
    u32 mode = 0;
    if (cpu.code32()) mode |= kMode32;
    if (cpu.stack32()) mode |= kModeStack32;
    if (cpu.cpl() == 0) mode |= kModeRing0;
    if (cpu.cpl() == 3) {
        mode |= kModeUser;
        if ((s.cr0 & kCr0Am) != 0 && (s.eflags & kAc) != 0) mode |= kModeSlow;
    }
    if ((s.dr7 & 0xff) != 0) mode |= kModeSlow;
    if (s.seg[kCs].base == 0 && s.seg[kCs].limit == ~u32{0}) mode |= kModeCsFlat;
    if (s.seg[kCs].limit >= 0xffff) mode |= kModeCs64k;
    mode |= fpu_mode(cpu);
    const bool pmode = cpu.pmode();
    for (unsigned i = 0; i < 6; ++i) {
        const Segment& d = s.seg[i];
        if (d.limit != ~u32{0}) continue;
        // In protected mode: a present, writable, expand-up data segment. CS never qualifies there.
        if (pmode && (d.attr & 0x8e) != 0x82) continue;
        mode |= (kModeSegOpen | (d.base == 0 ? kModeSegZero : 0u)) << (kModeSegShift + 2 * i);
    }
    return mode;
}

Emitter::Emitter(Cpu& cpu, std::size_t size, Helper callee)
    : CodeGenerator(size, nullptr), cpu_(cpu), helper_(callee), limit_(size) {
    advise_huge_pages(getCode(), size);
    emit_thunks();
    thunks_end_ = getSize();
}

void Emitter::clear() { setSize(thunks_end_); }

Reg32 Emitter::r32(unsigned gpr) const { return Reg32(kHostOf[gpr]); }

Xbyak::Reg Emitter::reg(unsigned gpr, unsigned width) const {
    const int n = kHostOf[gpr];
    switch (width) {
        case 1:
            if (gpr >= 4) return Xbyak::Reg8(4 + kHostOf[gpr - 4]);  // BH CH DH for AH CH DH
            return Xbyak::Reg8(n, n >= 4 && n < 8);
        case 2: return Xbyak::Reg16(n);
        default: return Xbyak::Reg32(n);
    }
}

Address Emitter::state(const void* member) const {
    return dword[kCpu + static_cast<int>(static_cast<const u8*>(member) - reinterpret_cast<const u8*>(&cpu_))];
}

Address Emitter::state64(const void* member) const {
    return qword[kCpu + static_cast<int>(static_cast<const u8*>(member) - reinterpret_cast<const u8*>(&cpu_))];
}

void Emitter::jump(JumpTarget& target) {
    db(0xe9);
    dd(0);
    target.aim(const_cast<u8*>(getCurr()));
}

void Emitter::jump(If condition, JumpTarget& target) {
    db(0x0f);
    db(0x80 | static_cast<int>(condition));
    dd(0);
    target.aim(const_cast<u8*>(getCurr()));
}

// The assembler takes the immediate of a store as a sign-extended number.
void Emitter::store_imm(const Address& to, u32 value) { mov(to, static_cast<u64>(i64{static_cast<i32>(value)})); }

// --- flags ---------------------------------------------------------------------------------------------------------

// RAX to the host's EFLAGS.
void Emitter::load_host_flags() {
    cmp(al, 0x81);  // OF = (AL == 1)
    sahf();
}

void Emitter::need_host_flags() {
    if (flags_ != Flags::Rax) return;
    load_host_flags();
    flags_ = Flags::Both;
}

void Emitter::need_carry() {
    if (flags_ != Flags::Rax) return;
    bt(eax, 8);
}

void Emitter::materialise() {
    if (flags_ != Flags::Host) return;
    lahf();
    seto(al);
    flags_ = Flags::Both;
}

void Emitter::clobber() {
    if (flags_ == Flags::Host) materialise();
    if (flags_ == Flags::Both) flags_ = Flags::Rax;
}

// The instruction just emitted left its flags in the host's. Where the documented value of undefined ones differs from what
// the host made, they are written out and masked at once.
void Emitter::produced(u32 ah_keep, bool of_known_zero) {
    if (live_after() == 0) {
        flags_ = Flags::Dead;
        return;
    }
    flags_ = Flags::Host;
    if (ah_keep == 0xff && !of_known_zero) return;
    lahf();
    if (of_known_zero) mov(al, 0);
    else seto(al);
    if (ah_keep != 0xff) and_(ah, ah_keep);
    flags_ = Flags::Rax;
}

// --- memory -----------------------------------------------------------------------------------------------------------

Address Emitter::at(unsigned width, const RegExp& e) const {
    switch (width) {
        case 1: return byte[e];
        case 2: return word[e];
        case 8: return qword[e];
        case 0: return ptr[e];
        default: return dword[e];
    }
}

// Base, index and displacement in 64-bit registers; the low 32 bits of the sum are the effective address. There must be a
// base or an index.
RegExp Emitter::effective_address(const MemOperand& m) const {
    const auto disp = static_cast<int>(m.disp);
    if (m.index == MemOperand::kNone) return Reg64(kHostOf[m.base]) + disp;
    const RegExp index(Reg64(kHostOf[m.index]), m.scale);
    return m.base == MemOperand::kNone ? index + disp : RegExp(Reg64(kHostOf[m.base])) + index + disp;
}

Reg64 Emitter::linear(const MemOperand& m) {
    clobber();
    const bool base = m.base != MemOperand::kNone, index = m.index != MemOperand::kNone;
    const bool plain = m.addr_size == 4 && zero_base(m.seg);
    if (plain && base && !index && m.disp == 0) return Reg64(kHostOf[m.base]);
    if (!base && !index) {
        mov(r9d, m.addr_size == 2 ? m.disp & 0xffff : m.disp);
    } else {
        lea(r9d, ptr[effective_address(m)]);
        if (m.addr_size == 2) movzx(r9d, r9w);
    }
    if (!zero_base(m.seg)) add(r9d, state(&cpu_.s.seg[m.seg].base));
    return r9;
}

RegExp Emitter::access(Reg64 lin, unsigned width, bool write, bool aligned) {
    clobber();
    Cold& c = cold();
    c.width = width;
    c.lin = lin;
    c.table = write ? TlbLayout::kWrite : TlbLayout::kRead;
    const Reg32 lin32(lin.getIdx());
    mov(r10d, lin32);
    shr(r10d, kPageShift);
    mov(r10, ptr[kTlb + r10 * 8 + static_cast<int>(c.table)]);
    test(r10, r10);
    jump(If::E, c.slow);
    if (width >= 8 && !aligned) {
        // Seldom aligned in i386 code: looks for a page crossing at once.
        lea(r11d, ptr[lin + static_cast<int>(width - 1)]);
        xor_(r11d, lin32);
        cmp(r11d, kPageSize);
        jump(If::AE, c.slow);
    } else if (width > 1) {
        test(Xbyak::Reg8(lin.getIdx(), lin.getIdx() >= 4 && lin.getIdx() < 8), static_cast<int>(width - 1));
        jump(If::NE, aligned ? c.slow : c.unaligned);
        c.has_unaligned = !aligned;
        bind(c.access);
    }
    return r10 + lin;
}

Emitter::Cold& Emitter::cold() {
    Cold& c = cold_.emplace_back();
    c.k = k_;
    return c;
}

Reg64 Emitter::stack_linear(i32 offset) {
    clobber();
    if (offset == 0 && zero_base(kSs)) return r15;
    lea(r9d, ptr[r15 + offset]);
    if (!zero_base(kSs)) add(r9d, state(&cpu_.s.seg[kSs].base));
    return r9;
}

// --- leaving ------------------------------------------------------------------------------------------------------------

// An edge to `eip`, at the end of the code emitted so far. Flags must be in RAX.
void Emitter::edge(unsigned n, u32 eip) {
    Link& link = block_->links[n];
    link.eip = eip;
    link.from = block_;
    const u32 here = a_->insns[0].eip;
    const i64 offset = i64{block_->key.offset} + static_cast<i32>(eip - here);
    link.same_page = offset >= 0 && offset < kPageSize;
    Edge& e = edges_.emplace_back();
    e.link = &link;
    if (!link.same_page) {
        if ((mode_ & kModeCsFlat) == 0) {
            // The page behind EIP depends on CS.base: always ask the dispatcher.
            jump(e.unlinked);
            link.jump = nullptr;
            return;
        }
        cmp(dword[kTlb + static_cast<int>(TlbLayout::kExec + (eip >> kPageShift) * 4)], 0x7fffffff);
        link.expect = const_cast<u8*>(getCurr()) - 4;
        *reinterpret_cast<u32*>(link.expect) = 0;
        jump(If::NE, e.unlinked);
    }
    jump(e.unlinked);
    link.jump = const_cast<u8*>(getCurr()) - 4;
}

// Indirect jump to the EIP in r9d, through the jump cache. Flags must be in RAX.
void Emitter::jump_to_r9() {
    if ((mode_ & kModeCsFlat) == 0) return jmp(exit_to_r9_, T_NEAR);
    mov(r10d, r9d);
    shr(r10d, kPageShift);
    xor_(r10d, r9d);
    and_(r10d, TlbLayout::kJumpEntries - 1);
    shl(r10d, 4);
    cmp(r9d, dword[kTlb + r10 + static_cast<int>(TlbLayout::kJump)]);
    jne(exit_to_r9_);
    cmp(dword[kTlb + r10 + static_cast<int>(TlbLayout::kJump + 4)], mode_);
    jne(exit_to_r9_);
    jmp(ptr[kTlb + r10 + static_cast<int>(TlbLayout::kJump + 8)]);
}

void Emitter::helper(unsigned k) {
    if (flags_ == Flags::Host) materialise();
    note_x87();
    live_ = 0;
    mov(r11, reinterpret_cast<u64>(&block_->calls[k]));
    call(call_helper_);
    flags_ = Flags::Rax;
}

void Emitter::cold_paths() {
    for (Cold& c : cold_) {
        if (c.has_unaligned) {
            const Reg32 lin32(c.lin.getIdx());
            bind(c.unaligned);
            mov(r10d, lin32);
            and_(r10d, kPageSize - 1);
            cmp(r10d, kPageSize - c.width);
            jump(If::A, c.slow);
            mov(r10d, lin32);
            shr(r10d, kPageShift);
            mov(r10, ptr[kTlb + r10 * 8 + static_cast<int>(c.table)]);
            jump(c.access);
        }
        bind(c.slow);
        if (c.x87_last != nullptr) store_x87_note(c.x87_last, c.x87_segment);
        mov(r11, reinterpret_cast<u64>(&block_->calls[c.k]));
        call(call_helper_);
        if (c.leaves) {
            jmp(exit_, T_NEAR);  // a transfer, done by the helper: s.eip says where to
            continue;
        }
        if ((c.live & kLiveSse) != 0) call(load_sse_);
        if ((c.live & kLiveX87) != 0) call(load_x87_);
        if (c.host_flags) load_host_flags();
        jump(c.done);
    }
    cold_.clear();
    for (Load& load : loads_) {
        bind(load.load);
        call(load.what == kLiveSse ? load_sse_ : load_x87_);
        jump(load.back);
    }
    loads_.clear();
    for (Edge& e : edges_) {
        bind(e.unlinked);
        e.link->unlinked = getCurr();
        store_imm(state(&cpu_.s.eip), e.link->eip);
        if (e.link->jump != nullptr) {
            mov(r11, reinterpret_cast<u64>(e.link));
            jmp(exit_link_, T_NEAR);
        } else {
            jmp(exit_, T_NEAR);
        }
    }
    edges_.clear();
}

void Emitter::instruction(unsigned k) {
    k_ = k;
    first_cold_ = cold_.size();
    const Insn& insn = a_->insns[k].insn;
    if (ends_block(insn)) note_x87();
    const HelperCall* const x87_last = x87_last_;
    const u32 x87_segment = x87_segment_;
    if (emits_inline(insn, mode_)) {
        inline_instruction(insn);
    } else {
        helper(k);
        if (ends_block(insn)) {
            left_ = true;
            jmp(exit_, T_NEAR);  // s.eip is where the helper put it
        }
    }
    for (std::size_t i = first_cold_; i < cold_.size(); ++i) {
        Cold& c = cold_[i];
        c.leaves = left_;
        c.live = live_;
        c.x87_last = x87_last;
        c.x87_segment = x87_segment;
        c.host_flags = flags_ == Flags::Host || flags_ == Flags::Both;
        bind(c.done);
    }
}

void Emitter::emit(Block& block, const Analysis& a) {
    block_ = &block;
    a_ = &a;
    mode_ = block.key.mode;
    flags_ = Flags::Rax;
    live_ = 0;
    x87_last_ = nullptr;
    x87_segment_ = 0;
    left_ = false;
    const auto n = static_cast<u32>(a.insns.size());
    block.steps = n;
    block.bytes = a.bytes;
    CHECK(block.calls.size() >= n, "a block without room for its instructions");
    for (u32 i = 0; i < n; ++i)
        block.calls[i] = {exec_for(a.insns[i].insn.op), a.insns[i].insn, a.insns[i].eip, n - i};
    align(16);
    dq(0);
    dq(n);
    block.code = getCurr();
    JumpTarget no_budget;
    sub(kBudget, n);
    jump(If::S, no_budget);
    for (u32 k = 0; k < n; ++k) instruction(k);
    if (!left_) {
        note_x87();
        materialise();
        edge(0, (mode_ & kMode32) != 0 ? a.next_eip : a.next_eip & 0xffff);
    }
    cold_paths();
    bind(no_budget);
    add(kBudget, n);
    block.dead_entry = getCurr();
    store_imm(state(&cpu_.s.eip), block.key.eip);
    jmp(exit_, T_NEAR);
    block_ = nullptr;
    a_ = nullptr;
}

}  // namespace vmm::tcg
