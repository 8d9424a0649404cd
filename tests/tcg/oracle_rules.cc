// SPDX-License-Identifier: Apache-2.0
#include "tests/tcg/oracle_rules.h"

#include <cstring>
#include <iomanip>
#include <sstream>

#include "vmm/tcg/cpu.h"
#include "vmm/tcg/fpu_state.h"

namespace vmm::test {

using namespace tcg;

const char* not_on_host(Op op) {
    switch (op) {
    case Op::Cpuid: return "the answer is the processor's own; every leaf: system_test";
    case Op::Rdtsc: return "the answer is the host's clock; step_count_test";
    case Op::Rdpmc: return "whether a user may is the host kernel's choice; system_test";
    case Op::Sgdt: case Op::Sidt: case Op::Smsw: case Op::Sldt: case Op::Str:
        return "the host's kernel answers for the processor (UMIP); segmentation_test, system_test";
    case Op::Sysenter: return "enters the host's kernel; far_transfer_test";
    case Op::Monitor: case Op::Mwait: return "no model offers it, the host may; system_test";
    default: return nullptr;
    }
}

const char* results_not_compared(Op op) {
    switch (op) {
    case Op::F2xm1: case Op::Fyl2x: case Op::Fyl2xp1: case Op::Fptan: case Op::Fpatan: case Op::Fsin: case Op::Fcos: case Op::Fsincos:
        return "transcendental: results against MPFR in x87_transcendental_test";
    case Op::Rcpps: case Op::Rcpss: case Op::Rsqrtps: case Op::Rsqrtss:
        return "an approximation of our own: fpu_system_test";
    default: return nullptr;
    }
}

namespace {

// The count of a shift, as it is masked.
u32 shift_count(const Insn& insn, const NativeCase& c) {
    const Operand& o = insn.operand[insn.operand_count - 1];
    return (o.kind == OperandKind::Reg ? c.state.gpr[kEcx] : insn.imm) & 31;
}

}  // namespace

Undefined undefined_of(const Insn& insn, const NativeCase& c) {
    Undefined u{insn.form->flags_undefined, insn.form->undefined_set, false};
    const u32 bits = insn.operand[0].width * 8u;
    switch (insn.op) {
    case Op::Shl: case Op::Shr: case Op::Sar: case Op::Rol: case Op::Ror: case Op::Rcl: case Op::Rcr:
    case Op::Shld: case Op::Shrd: {
        const u32 count = shift_count(insn, c);
        if (count == 0) return {};
        u.flags |= kOf;
        if (count == 1) u.flags &= ~kOf;
        if ((insn.op == Op::Shl || insn.op == Op::Shr) && count > bits) u.flags |= kCf;
        if ((insn.op == Op::Shld || insn.op == Op::Shrd) && count > bits) u.result = true;
        break;
    }
    case Op::Bswap: u.result = bits == 16; break;
    default: break;
    }
    return u;
}

u32 operand_offset(const MemOperand& m, const NativeState& s) {
    u32 a = m.disp;
    if (m.base != MemOperand::kNone) a += s.gpr[m.base];
    if (m.index != MemOperand::kNone) a += s.gpr[m.index] * m.scale;
    return m.addr_size == 2 ? a & 0xffff : a;
}

bool runner_lives_at(u32 address) {
    return (address >= 0x08000000 && address < 0x09000000) || (address >= kSharedBase && address < kSharedBase + 0x8000000) ||
           address >= 0xf0000000 || address < 0x10000;
}

bool on_signal_stack(u32 esp) { return esp - kSignalStack <= kSignalStackSize; }

std::string show(const NativeState& s) {
    constexpr const char* kNames[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    std::ostringstream out;
    out << std::hex;
    for (unsigned i = 0; i < 8; ++i) out << kNames[i] << '=' << s.gpr[i] << ' ';
    out << "eip=" << s.eip << " eflags=" << s.eflags << " segments ";
    for (const u16 selector : s.seg) out << selector << ' ';
    return out.str();
}

std::string show(const NativeFloat& fp) {
    std::ostringstream out;
    out << std::hex << std::setfill('0') << "\n    fcw=" << fp.control << " fsw=" << fp.status << " tag=" << fp.tag << " mxcsr=" << fp.mxcsr;
    const auto bytes = [&](const u8* p, unsigned n) {
        while (n-- != 0) out << std::setw(2) << unsigned{p[n]};
        out << ' ';
    };
    out << "\n    st ";
    for (const auto& st : fp.st) bytes(st, 10);
    out << "\n    xmm ";
    for (const auto& xmm : fp.xmm) bytes(xmm, 16);
    return out.str();
}

std::string show(const NativeResult& r, bool with_float) {
    std::ostringstream out;
    out << show(r.state);
    const NativeFloat& fp = r.state.fp;
    if (with_float) out << show(fp);
    if (r.vector != kNoFault) out << " fault " << r.vector << std::hex << " error " << r.error << " cr2 " << r.cr2;
    out << " memory " << std::hex << r.digest;
    return out.str();
}

Tolerance tolerance(const Insn& insn, const NativeResult& ours, const NativeResult& native) {
    constexpr u16 kC1 = 0x200, kC0C2C3 = 0x4500, kExceptionSummary = 0x80;
    const bool both_faulted = ours.vector != kNoFault && native.vector != kNoFault;
    const bool host_faulted = native.vector != kNoFault;
    Tolerance t;
    if (results_not_compared(insn.op) != nullptr) t.x87 = t.xmm = true;
    switch (insn.op) {
    case Op::Nop: t.all = insn.modrm >= 0xc0 && host_faulted; break;      // 0F 0D with a register: #UD on AMD, NOP on Intel
    case Op::Cmps: t.all = both_faulted; break;                           // which operand is read first
    case Op::Call: case Op::CallInd: t.all = both_faulted; break;         // the stack or the target first
    case Op::CallFar: case Op::CallFarInd: case Op::RetFar: case Op::Iret: t.all = both_faulted; break;   // likewise
    case Op::Pusha: case Op::Popa: case Op::Enter: t.all = both_faulted; break;   // partly done on the host, never here
    case Op::Maskmovq: case Op::Maskmovdqu: t.all = host_faulted; break;  // bytes masked off may fault on the host
    case Op::Ldmxcsr: t.all = ours.vector == kGp; break;                  // AMD has a bit 17
    case Op::Fldenv: case Op::Frstor: t.all = both_faulted; break;        // in which order the image is read
    case Op::Fnstenv: case Op::Fnsave: case Op::Fxsave: t.all = both_faulted; break;   // or written
    case Op::Movups: case Op::Movupd: case Op::Movdqu: case Op::Lddqu:
        t.all = ours.vector == kAcFault || native.vector == kAcFault;     // 8-byte alignment or 16: the implementation's choice
        break;
    case Op::Lar: t.ignored_bits = insn.op_size == 4 ? 0x000f0000 : 0; break;   // undefined; 0 with us
    case Op::Fxrstor: t.all = both_faulted || ours.vector == kGp; break;  // likewise, and MXCSR
    case Op::Fbld: case Op::Fbstp: t.all = both_faulted; break;           // AMD accesses 10 bytes in two parts
    case Op::Fld:
        t.all = insn.operand[0].width == 10 && both_faulted;              // as FBLD
        t.x87 = insn.operand[0].width < 10 && (ours.state.fp.status & kExceptionSummary) != 0;  // AMD pushes a denormal all the same
        break;
    case Op::Fstp:
        t.all = insn.modrm >= 0xc0 ? insn.x87_opcode >> 8 == 1            // FSTP1 has no stack fault on AMD
                                   : insn.operand[0].width == 10 && both_faulted;     // as FBSTP
        break;
    case Op::Cvtpi2ps:                                                    // AMD stays in x87 mode for a memory operand
        t.x87 = insn.is_mem(1);
        t.all = insn.is_mem(1) && ours.vector == kMf;
        break;
    case Op::Fcmov: case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip: t.x87_codes = kC1; break;
    default: break;
    }
    switch (insn.op) {
    case Op::Fcom: case Op::Fcomp: case Op::Fcompp: case Op::Ficom: case Op::Ficomp: case Op::Fucom: case Op::Fucomp:
    case Op::Fucompp: case Op::Ftst: case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip:
    case Op::Fprem: case Op::Fprem1:
        // Where an unmasked exception prevents the operation, AMD processors report "unordered" or a complete reduction,
        // Intel's nothing.
        if ((ours.state.fp.status & kExceptionSummary) != 0) t.x87_codes |= kC0C2C3, t.eflags = true;
        break;
    default: break;
    }
    // AMD processors have gone to MMX mode before the operand faults.
    if (host_faulted && (insn.form->attributes & kMmx) != 0) t.x87 = true;
    return t;
}

std::string difference(const Insn& insn, const NativeCase& c, const NativeResult& ours, const NativeResult& native) {
    const Tolerance tolerated = tolerance(insn, ours, native);
    if (tolerated.all) return {};
    // Across the end of 4 GiB: #GP or #SS on AMD, with us the next page is 0.
    constexpr u32 kLast = 0xffffff00;
    const bool bit_string = insn.op == Op::Bt || insn.op == Op::Bts || insn.op == Op::Btr || insn.op == Op::Btc;
    if (bit_string && insn.is_reg(1) && native.vector == kGp && ours.vector == kAcFault) return {};
    if ((native.vector == kGp || native.vector == kSsFault) && ours.vector == kAcFault && (operand_offset(insn.mem, c.state) > kLast || c.state.gpr[kEdi] > kLast)) return {};
    if (ours.vector != native.vector) return "fault";
    const bool faulted = native.vector != kNoFault;
    const bool has_error = native.vector == kGp || native.vector == kSsFault || native.vector == kPfault || native.vector == kNp ||
                           native.vector == kTs || native.vector == kAcFault;
    if (has_error && ours.error != native.error) return "error code";
    if (native.vector == kPfault && ours.cr2 != native.cr2) return "CR2";
    const Undefined undefined = undefined_of(insn, c);
    if (undefined.result && !faulted) return {};
    for (unsigned i = 0; i < 8; ++i)
        if (((ours.state.gpr[i] ^ native.state.gpr[i]) & ~tolerated.ignored_bits) != 0) return "registers";
    if (ours.state.eip != native.state.eip) return "EIP";
    if (std::memcmp(ours.state.seg, native.state.seg, sizeof native.state.seg) != 0) return "selectors";
    if (ours.digest != native.digest) return "memory";
    if (c.use_fp != 0) {
        const NativeFloat& a = ours.state.fp;
        const NativeFloat& b = native.state.fp;
        u16 empty = 0;
        for (unsigned i = 0; i < 16; i += 2)
            if ((b.tag >> i & 3) == 3) empty = static_cast<u16>(empty | 3u << i);
        if (!tolerated.x87) {
            if (a.control != b.control) return "x87 control";
            if (((a.status ^ b.status) & ~tolerated.x87_codes) != 0) return "x87 status";
            if (a.tag != empty) return "x87 tags";
            if (std::memcmp(a.st, b.st, sizeof a.st) != 0) return "x87 registers";
            // AMD processors keep the pointers of the last instruction only where it left an unmasked exception.
            const bool error_is_new = !faulted && (b.status & kX87Es) != 0 && (c.state.fp.status & kX87Es) == 0;
            if (error_is_new && (insn.form->attributes & kX87) != 0 && (a.opcode != b.opcode || a.ip != b.ip || a.dp != b.dp)) return "x87 pointers";
        }
        if (a.mxcsr != b.mxcsr) return "MXCSR";
        if (!tolerated.xmm && std::memcmp(a.xmm, b.xmm, sizeof a.xmm) != 0) return "XMM registers";
    }
    const u32 compared = (kArithFlags | kDf | kAc) & ~(faulted ? 0 : undefined.flags) & ~(tolerated.eflags ? kArithFlags : 0);
    if (((ours.state.eflags ^ native.state.eflags) & compared) != 0) return "flags";
    if (!faulted && (ours.state.eflags & undefined.flags) != (undefined.documented & undefined.flags)) return "undefined flags";
    return {};
}

}  // namespace vmm::test
