// SPDX-License-Identifier: Apache-2.0
// The way into and out of generated code: entry, exits, the call of a helper, and the guest's XMM and x87 registers on their
// way between Cpu's state and the host's units.
#include "vmm/tcg/emitter.h"
#include "vmm/tcg/fpu_state.h"

namespace vmm::tcg {

using namespace Xbyak::util;

namespace {

void load_x87(Cpu* cpu) { load_host_x87(cpu->s.fpu); }

void save_x87(Cpu* cpu) {
    X87& f = cpu->s.fpu;
    auto& jit = cpu->jit;
    save_host_x87(f);
    if (jit.x87_last != nullptr) {
        f.ip = jit.x87_last->eip;
        f.cs = cpu->s.seg[kCs].selector;
        f.opcode = jit.x87_last->insn.x87_opcode & 0x7ff;
    }
    if (jit.x87_segment != 0) f.ds = cpu->s.seg[jit.x87_segment - 1].selector;
    jit.x87_last = nullptr;
    jit.x87_segment = 0;
}

}  // namespace

void Emitter::emit_thunks() {
    auto& jit = cpu_.jit;
    auto load_all = [&] {
        for (unsigned i = 0; i < 8; ++i) mov(r32(i), state(&cpu_.s.gpr[i]));
        mov(rax, state64(&jit.flags));
        mov(r13, state64(&jit.budget));
    };
    auto store_all = [&] {
        for (unsigned i = 0; i < 8; ++i) mov(state(&cpu_.s.gpr[i]), r32(i));
        mov(state64(&jit.flags), rax);
        mov(state64(&jit.budget), r13);
        Xbyak::Label none;
        cmp(state(&jit.live), 0);
        je(none);
        call(save_live_);
        L(none);
    };
    auto xmm = [&](int i) { return ptr[r14 + static_cast<int>(reinterpret_cast<const u8*>(&cpu_.s.xmm[static_cast<unsigned>(i)]) - reinterpret_cast<const u8*>(&cpu_))]; };
    auto save_sse = [&] {
        for (int i = 0; i < 8; ++i) movups(xmm(i), Xbyak::Xmm(i));
        stmxcsr(state(&cpu_.s.mxcsr));
        ldmxcsr(state(&jit.host_mxcsr));
    };

    // Called behind the general registers' saving, which are free; r11 survives. Any stack alignment.
    save_live_ = getCurr();
    {
        Xbyak::Label no_sse, no_x87;
        test(state(&jit.live), kLiveSse);
        jz(no_sse, T_NEAR);
        save_sse();
        L(no_sse);
        test(state(&jit.live), kLiveX87);
        jz(no_x87);
        mov(rbp, r11);
        mov(rbx, rsp);
        and_(rsp, -16);
        mov(rdi, r14);
        mov(rax, reinterpret_cast<u64>(&save_x87));
        call(rax);
        mov(rsp, rbx);
        mov(r11, rbp);
        L(no_x87);
        mov(state(&jit.live), 0);
        ret();
    }

    // Called in the middle of generated code; r9-r11 and the host's flags are lost.
    load_sse_ = getCurr();
    for (int i = 0; i < 8; ++i) movups(Xbyak::Xmm(i), xmm(i));
    ldmxcsr(state(&cpu_.s.mxcsr));
    or_(state(&jit.live), kLiveSse);
    ret();

    load_x87_ = getCurr();
    {
        Xbyak::Label no_sse, done;
        for (const auto& r : {rax, rcx, rdx, rsi, rdi, r8}) push(r);
        sub(rsp, 8);
        test(state(&jit.live), kLiveSse);
        jz(no_sse, T_NEAR);
        save_sse();
        L(no_sse);
        mov(rdi, r14);
        mov(rax, reinterpret_cast<u64>(&load_x87));
        call(rax);
        add(rsp, 8);
        for (const auto& r : {r8, rdi, rsi, rdx, rcx, rax}) pop(r);
        or_(state(&jit.live), kLiveX87);
        test(state(&jit.live), kLiveSse);
        jz(done);
        call(load_sse_);
        L(done);
        ret();
    }

    enter_ = reinterpret_cast<decltype(enter_)>(reinterpret_cast<std::uintptr_t>(getCurr()));
    for (const auto& r : {rbx, rbp, r12, r13, r14, r15}) push(r);
    sub(rsp, 8);
    mov(r14, rdi);
    mov(r12, rdx);
    mov(r11, rsi);
    load_all();
    jmp(r11);

    // r11: the Link.
    exit_link_ = getCurr();
    store_all();
    mov(rax, r11);
    Xbyak::Label leave;
    L(leave);
    add(rsp, 8);
    for (const auto& r : {r15, r14, r13, r12, rbp, rbx}) pop(r);
    ret();

    exit_ = getCurr();
    store_all();
    xor_(eax, eax);
    jmp(leave);

    exit_to_r9_ = getCurr();
    mov(state(&cpu_.s.eip), r9d);
    jmp(exit_);

    // r11: the HelperCall. Called; returns when generated code goes on.
    call_helper_ = getCurr();
    store_all();
    mov(rdi, r14);
    mov(rsi, r11);
    sub(rsp, 8);
    mov(rax, reinterpret_cast<u64>(helper_));
    call(rax);
    add(rsp, 8);
    Xbyak::Label out, elsewhere;
    cmp(rax, kLeave);
    je(out);
    ja(elsewhere);
    load_all();
    ret();
    L(out);
    add(rsp, 8);  // the return address
    xor_(eax, eax);
    jmp(leave);
    L(elsewhere);
    add(rsp, 8);
    mov(r11, rax);
    mov(r12, state64(&jit.tables));
    load_all();
    jmp(r11);
}

// Puts `what` into the host's unit if it is not there.
void Emitter::need(u32 what) {
    if ((live_ & what) != 0) return;
    clobber();
    Load& load = loads_.emplace_back();
    load.what = what;
    test(state(&cpu_.jit.live), what);
    jump(If::E, load.load);
    bind(load.back);
    live_ |= what;
}

void Emitter::store_x87_note(const HelperCall* last, u32 segment) {
    mov(r11, reinterpret_cast<u64>(last));
    mov(state64(&cpu_.jit.x87_last), r11);
    if (segment != 0) mov(state(&cpu_.jit.x87_segment), segment);
}

void Emitter::note_x87() {
    if (x87_last_ != nullptr) store_x87_note(x87_last_, x87_segment_);
    x87_last_ = nullptr;
    x87_segment_ = 0;
}

}  // namespace vmm::tcg
