// SPDX-License-Identifier: Apache-2.0
// Runs instructions natively, in a 32-bit process: the outside oracle for what user programs can execute.
//
// The parent shares memory (file descriptor 3) and sends one byte per batch (descriptor 4), answered by one byte
// (descriptor 5). Each case is entered by returning from a signal handler into it with TF set, and ends in the next signal:
// SIGTRAP after one instruction, or the fault; a sequence runs without TF to its INT3. Everything is loaded from and read back from the signal frame. Freestanding:
// test segments are in FS and GS while the handler runs, so nothing here may use thread-local storage.
#include <asm/ldt.h>
#include <asm/sigcontext.h>
#include <asm/unistd.h>

#include "tests/tcg/native_protocol.h"

using namespace vmm::test;

namespace {

long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
    long result;
    asm volatile("pushl %[f]; push %%ebp; mov 4(%%esp), %%ebp; int $0x80; pop %%ebp; add $4, %%esp"
                 : "=a"(result)
                 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "g"(f)
                 : "memory");
    return result;
}

void copy(void* to, const void* from, unsigned n) {
    asm volatile("cld; rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

[[noreturn]] void leave(int code) {
    for (;;) call(__NR_exit, code);
}

struct UserContext {
    unsigned long flags;
    UserContext* link;
    void* stack;
    int stack_flags;
    unsigned long stack_size;
    sigcontext mc;
};

constexpr unsigned kTrapFlag = 0x100;
Shared* const shared = reinterpret_cast<Shared*>(kSharedBase);
unsigned current;
bool running;
unsigned steps;
sigcontext resume_at;

void load_float(const NativeFloat& fp, _fpstate_32& frame) {
    frame.cw = 0xffff0000u | fp.control;
    frame.sw = 0xffff0000u | fp.status;
    frame.tag = 0xffff0000u | fp.tag;
    frame.ipoff = frame.cssel = frame.dataoff = frame.datasel = 0;
    for (unsigned i = 0; i < 8; ++i) copy(&frame._st[i], fp.st[i], 10);
    frame.mxcsr = fp.mxcsr;
    copy(frame._xmm, fp.xmm, sizeof fp.xmm);
}

void save_float(NativeFloat& fp, const _fpstate_32& frame) {
    fp.control = static_cast<std::uint16_t>(frame.cw);
    fp.status = static_cast<std::uint16_t>(frame.sw);
    fp.tag = static_cast<std::uint16_t>(frame.tag);
    for (unsigned i = 0; i < 8; ++i) copy(fp.st[i], &frame._st[i], 10);
    fp.mxcsr = frame.mxcsr;
    copy(fp.xmm, frame._xmm, sizeof fp.xmm);
    // The FXSAVE image is whole; the FSAVE image in front of it has the kernel's idea of the selectors.
    const auto* const image = reinterpret_cast<const std::uint8_t*>(frame._fxsr_env);
    copy(&fp.opcode, image + 6, 2);
    copy(&fp.ip, image + 8, 4);
    copy(&fp.dp, image + 16, 4);
}

void load_case(sigcontext& mc) {
    const NativeCase& c = shared->cases[current];
    copy(shared->code + (c.code_at - kCodeBase), c.code, c.code_length);
    copy(shared->data + (c.patch_at - kDataBase), c.patch, c.patch_size);
    const NativeState& s = c.state;
    mc.eax = s.gpr[0], mc.ecx = s.gpr[1], mc.edx = s.gpr[2], mc.ebx = s.gpr[3];
    mc.esp = s.gpr[4], mc.ebp = s.gpr[5], mc.esi = s.gpr[6], mc.edi = s.gpr[7];
    mc.es = s.seg[kNativeEs], mc.cs = s.seg[kNativeCs], mc.ss = s.seg[kNativeSs];
    mc.ds = s.seg[kNativeDs], mc.fs = s.seg[kNativeFs], mc.gs = s.seg[kNativeGs];
    mc.eip = s.eip;
    mc.eflags = s.eflags | (c.sequence != 0 ? 0 : kTrapFlag);
    if (c.use_fp != 0) load_float(s.fp, *reinterpret_cast<_fpstate_32*>(mc.fpstate));
    steps = 0;
}

void save_result(const sigcontext& mc, bool trap) {
    const NativeCase& c = shared->cases[current];
    NativeResult& r = shared->results[current];
    NativeState& s = r.state;
    s.gpr[0] = mc.eax, s.gpr[1] = mc.ecx, s.gpr[2] = mc.edx, s.gpr[3] = mc.ebx;
    s.gpr[4] = mc.esp, s.gpr[5] = mc.ebp, s.gpr[6] = mc.esi, s.gpr[7] = mc.edi;
    s.eip = mc.eip;
    s.eflags = mc.eflags;
    s.seg[kNativeEs] = mc.es, s.seg[kNativeCs] = mc.cs, s.seg[kNativeSs] = mc.ss;
    s.seg[kNativeDs] = mc.ds, s.seg[kNativeFs] = mc.fs, s.seg[kNativeGs] = mc.gs;
    if (c.use_fp != 0) save_float(s.fp, *reinterpret_cast<_fpstate_32*>(mc.fpstate));
    r.vector = trap ? kNoFault : mc.trapno;
    r.error = mc.err;
    r.cr2 = mc.cr2;
    r.steps = steps;
    forget_ignored(c, shared->data);
    r.digest = digest(shared->data);
    if (r.digest != shared->initial_digest && current + 1 != shared->count) copy(shared->data, shared->initial, kDataSize);
    for (unsigned i = 0; i < c.code_length; ++i) shared->code[c.code_at - kCodeBase + i] = 0x90;
}

}  // namespace

extern "C" void handle_signal(int, void*, UserContext* context) {
    // A case may have set EFLAGS.AC, for which nothing here is aligned, or NT and ID, which would stay set for the next.
    asm volatile("pushfl; andl $0xffdbbfff, (%%esp); popfl" : : : "memory", "cc");
    sigcontext& mc = context->mc;
    if (!running) {
        resume_at = mc;
        running = true;
        current = 0;
    } else {
        const NativeCase& c = shared->cases[current];
        const bool trap = mc.trapno == (c.sequence != 0 ? 3 : 1);
        if (trap) ++steps;
        if (trap && steps < c.repeat && mc.eip == c.state.eip) {
            mc.eflags |= kTrapFlag;
            return;
        }
        save_result(mc, trap);
        ++current;
    }
    if (current < shared->count) return load_case(mc);
    running = false;
    const auto fpstate = mc.fpstate;
    mc = resume_at;
    mc.fpstate = fpstate;
}

extern "C" void restore_from_signal();
asm("restore_from_signal: mov $173, %eax; int $0x80");

extern "C" [[noreturn]] void run() {
    struct Mapping { unsigned long at, size, offset; int protection; };
    // Populated, so that the error codes of faults show protection and not pages that are still to come.
    constexpr int kRead = 1, kWrite = 2, kExecute = 4, kSharedFixedPopulate = 0x8011, kPrivateFixedAnonymous = 0x32;
    const Mapping mappings[] = {
        {kSharedBase, sizeof(Shared), 0, kRead | kWrite},
        {kCodeBase, kCodeSize, 0, kRead | kExecute},
        {kDataBase, kDataSize, kCodeSize, kRead | kWrite},
        {kReadOnlyBase, 0x1000, kCodeSize + kDataSize, kRead},
    };
    for (const Mapping& m : mappings) {
        const long at = call(__NR_mmap2, static_cast<long>(m.at), static_cast<long>(m.size), m.protection, kSharedFixedPopulate,
                             3,
                             static_cast<long>(m.offset >> 12));
        if (at != static_cast<long>(m.at)) leave(2);
    }
    for (unsigned i = 0; i < sizeof kLdt / sizeof kLdt[0]; ++i) {
        const LdtEntry& e = kLdt[i];
        user_desc d{};
        d.entry_number = i;
        d.base_addr = e.base;
        d.limit = e.limit;
        d.seg_32bit = e.big;
        d.contents = (e.code ? 2u : 0u) | (e.expand_down_or_conforming ? 1u : 0u);
        d.read_exec_only = !e.writable_or_readable;
        if (call(__NR_modify_ldt, 1, reinterpret_cast<long>(&d), sizeof d) != 0) leave(3);
    }
    constexpr unsigned long kStackAt = kSignalStack, kStackSize = kSignalStackSize;
    if (call(__NR_mmap2, static_cast<long>(kStackAt), kStackSize, kRead | kWrite, kPrivateFixedAnonymous, -1) !=
        static_cast<long>(kStackAt))
        leave(4);
    struct { void* sp; int flags; unsigned long size; } stack = {reinterpret_cast<void*>(kStackAt), 0, kStackSize};
    if (call(__NR_sigaltstack, reinterpret_cast<long>(&stack)) != 0) leave(5);
    struct { void* handler; unsigned long flags; void (*restorer)(); unsigned long mask[2]; } action = {
        reinterpret_cast<void*>(handle_signal), 0x4 | 0x04000000 | 0x08000000 | 0x40000000, restore_from_signal, {0, 0}};
    constexpr int kSignals[] = {4, 5, 7, 8, 11};   // ILL, TRAP, BUS, FPE, SEGV
    for (const int signal : kSignals)
        if (call(__NR_rt_sigaction, signal, reinterpret_cast<long>(&action), 0, 8) != 0) leave(6);
    for (;;) {
        char byte = 0;
        if (call(__NR_read, 4, reinterpret_cast<long>(&byte), 1) != 1) leave(0);
        asm volatile("int3" : : : "memory");
        if (call(__NR_write, 5, reinterpret_cast<long>(&byte), 1) != 1) leave(0);
    }
}

asm(".globl _start\n_start: and $-16, %esp; call run");
