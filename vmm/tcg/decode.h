// SPDX-License-Identifier: Apache-2.0
// The decoder: bytes to Insn, by one table of instruction forms (insn_table.cc) that also drives the disassembler, the
// emitter's flag liveness and the generator of random tests. Reference: Intel SDM volume 2, appendix A (opcode map).
// Pure: no CPU state, no memory; the caller fetches.
#pragma once

#include <span>
#include <string>

#include "vmm/cpu_state.h"
#include "vmm/types.h"

namespace vmm::tcg {

// Mnemonics. One Op serves all widths; the operands tell. Where Intel's mnemonic depends only on operand size
// (CBW/CWDE, MOVSB/W/D, PUSHA/PUSHAD, IRET/IRETD) the 16-bit name stands for all.
#define VMM_TCG_OPS_INTEGER(X)                                                                                       \
    X(Invalid) X(Aaa) X(Aad) X(Aam) X(Aas) X(Adc) X(Add) X(And) X(Arpl) X(Bound) X(Bsf) X(Bsr) X(Bswap) X(Bt) X(Btc)  \
    X(Btr) X(Bts) X(Call) X(CallInd) X(CallFar) X(CallFarInd) X(Cbw) X(Clc) X(Cld) X(Clflush) X(Cli) X(Clts) X(Cmc)    \
    X(Cmov) X(Cmp) X(Cmps) X(Cmpxchg) X(Cmpxchg8b) X(Cpuid) X(Cwd) X(Daa) X(Das) X(Dec) X(Div) X(Enter) X(Hlt) X(Icebp) \
    X(Idiv) X(Imul) X(Imul1) X(In) X(Inc) X(Ins) X(Int) X(Int3) X(Into) X(Invd) X(Invlpg) X(Iret) X(Jcc) X(Jcxz) X(Jmp)  \
    X(JmpFar) X(JmpFarInd) X(JmpInd) X(Lahf) X(Lar) X(Lds) X(Lea) X(Leave) X(Les) X(Lfence) X(Lfs) X(Lgdt) X(Lgs)       \
    X(Lidt) X(Lldt) X(Lmsw) X(Lods) X(Loop) X(Loope) X(Loopne) X(Lsl) X(Lss) X(Ltr) X(Mfence) X(Monitor) X(Mov)         \
    X(MovCr) X(MovDr) X(MovSeg) X(Movnti) X(Movs) X(Movsx) X(Movzx) X(Mul) X(Mwait) X(Neg) X(Nop) X(Not) X(Or) X(Out)   \
    X(Outs) X(Pause) X(Pop) X(Popa) X(Popf) X(PopSeg) X(Prefetch) X(Push) X(Pusha) X(Pushf) X(PushSeg) X(Rcl) X(Rcr)    \
    X(Rdmsr) X(Rdpmc) X(Rdtsc) X(Ret) X(RetFar) X(Rol) X(Ror) X(Rsm) X(Sahf) X(Salc) X(Sar) X(Sbb) X(Scas) X(Setcc)     \
    X(Sfence) X(Sgdt) X(Shl) X(Shld) X(Shr) X(Shrd) X(Sidt) X(Sldt) X(Smsw) X(Stc) X(Std) X(Sti) X(Stos) X(Str) X(Sub)  \
    X(Sysenter) X(Sysexit) X(Test) X(Ud) X(Verr) X(Verw) X(Wbinvd) X(Wrmsr) X(Xadd) X(Xchg) X(Xlat) X(Xor)

// x87 by mnemonic; memory widths tell m32/m64/m80, m16int and so on. FADDP etc. have names of their own.
#define VMM_TCG_OPS_X87(X)                                                                                           \
    X(F2xm1) X(Fabs) X(Fadd) X(Faddp) X(Fbld) X(Fbstp) X(Fchs) X(Fcmov) X(Fcom) X(Fcomi) X(Fcomip) X(Fcomp) X(Fcompp)  \
    X(Fcos) X(Fdecstp) X(Fdiv) X(Fdivp) X(Fdivr) X(Fdivrp) X(Ffree) X(Ffreep) X(Fiadd) X(Ficom) X(Ficomp) X(Fidiv)     \
    X(Fidivr) X(Fild) X(Fimul) X(Fincstp) X(Fist) X(Fistp) X(Fisttp) X(Fisub) X(Fisubr) X(Fld) X(Fld1) X(Fldcw)        \
    X(Fldenv) X(Fldl2e) X(Fldl2t) X(Fldlg2) X(Fldln2) X(Fldpi) X(Fldz) X(Fmul) X(Fmulp) X(Fnclex) X(Fninit) X(Fnop)    \
    X(Fnsave) X(Fnstcw) X(Fnstenv) X(Fnstsw) X(Fpatan) X(Fprem) X(Fprem1) X(Fptan) X(Frndint) X(Frstor) X(Fscale)      \
    X(Fsin) X(Fsincos) X(Fsqrt) X(Fst) X(Fstp) X(Fsub) X(Fsubp) X(Fsubr) X(Fsubrp) X(Ftst) X(Fucom) X(Fucomi)          \
    X(Fucomip) X(Fucomp) X(Fucompp) X(Fwait) X(Fxam) X(Fxch) X(Fxrstor) X(Fxsave) X(Fxtract) X(Fyl2x) X(Fyl2xp1)       \
    X(Fsetpm)

// MMX and SSE to SSE3. An mnemonic that exists for MMX and XMM registers is one Op; the operands tell.
#define VMM_TCG_OPS_SIMD(X)                                                                                          \
    X(Emms) X(Ldmxcsr) X(Stmxcsr) X(Movd) X(Movq) X(Packsswb) X(Packssdw) X(Packuswb) X(Paddb) X(Paddw) X(Paddd)       \
    X(Paddq) X(Paddsb) X(Paddsw) X(Paddusb) X(Paddusw) X(Pand) X(Pandn) X(Pavgb) X(Pavgw) X(Pcmpeqb) X(Pcmpeqw)         \
    X(Pcmpeqd) X(Pcmpgtb) X(Pcmpgtw) X(Pcmpgtd) X(Pextrw) X(Pinsrw) X(Pmaddwd) X(Pmaxsw) X(Pmaxub) X(Pminsw) X(Pminub)   \
    X(Pmovmskb) X(Pmulhuw) X(Pmulhw) X(Pmullw) X(Pmuludq) X(Por) X(Psadbw) X(Pshufd) X(Pshufhw) X(Pshuflw) X(Pshufw)     \
    X(Psllw) X(Pslld) X(Psllq) X(Pslldq) X(Psraw) X(Psrad) X(Psrlw) X(Psrld) X(Psrlq) X(Psrldq) X(Psubb) X(Psubw)        \
    X(Psubd) X(Psubq) X(Psubsb) X(Psubsw) X(Psubusb) X(Psubusw) X(Punpckhbw) X(Punpckhwd) X(Punpckhdq) X(Punpckhqdq)      \
    X(Punpcklbw) X(Punpcklwd) X(Punpckldq) X(Punpcklqdq) X(Pxor) X(Maskmovq) X(Maskmovdqu) X(Movntq) X(Movntdq)          \
    X(Movntps) X(Movntpd) X(Movaps) X(Movapd) X(Movups) X(Movupd) X(Movdqa) X(Movdqu) X(Movss) X(MovsdX) X(Movlps)       \
    X(Movlpd) X(Movhps) X(Movhpd) X(Movhlps) X(Movlhps) X(Movmskps) X(Movmskpd) X(Movq2dq) X(Movdq2q) X(Movshdup)         \
    X(Movsldup) X(Movddup) X(Lddqu) X(Addps) X(Addpd) X(Addss) X(Addsd) X(Addsubps) X(Addsubpd) X(Andps) X(Andpd)         \
    X(Andnps) X(Andnpd) X(Cmpps) X(Cmppd) X(Cmpss) X(CmpsdX) X(Comiss) X(Comisd) X(Ucomiss) X(Ucomisd) X(Cvtdq2pd)        \
    X(Cvtdq2ps) X(Cvtpd2dq) X(Cvtpd2pi) X(Cvtpd2ps) X(Cvtpi2pd) X(Cvtpi2ps) X(Cvtps2dq) X(Cvtps2pd) X(Cvtps2pi)           \
    X(Cvtsd2si) X(Cvtsd2ss) X(Cvtsi2sd) X(Cvtsi2ss) X(Cvtss2sd) X(Cvtss2si) X(Cvttpd2dq) X(Cvttpd2pi) X(Cvttps2dq)        \
    X(Cvttps2pi) X(Cvttsd2si) X(Cvttss2si) X(Divps) X(Divpd) X(Divss) X(Divsd) X(Haddps) X(Haddpd) X(Hsubps) X(Hsubpd)     \
    X(Maxps) X(Maxpd) X(Maxss) X(Maxsd) X(Minps) X(Minpd) X(Minss) X(Minsd) X(Mulps) X(Mulpd) X(Mulss) X(Mulsd) X(Orps)    \
    X(Orpd) X(Rcpps) X(Rcpss) X(Rsqrtps) X(Rsqrtss) X(Shufps) X(Shufpd) X(Sqrtps) X(Sqrtpd) X(Sqrtss) X(Sqrtsd) X(Subps)   \
    X(Subpd) X(Subss) X(Subsd) X(Unpckhps) X(Unpckhpd) X(Unpcklps) X(Unpcklpd) X(Xorps) X(Xorpd)

enum class Op : u16 {
#define X(name) name,
    VMM_TCG_OPS_INTEGER(X) VMM_TCG_OPS_X87(X) VMM_TCG_OPS_SIMD(X)
#undef X
    Count
};

enum class OperandKind : u8 {
    None,
    Reg,      // general register; reg 0-7; width 1: AL CL DL BL AH CH DH BH
    Mem,      // Insn::mem
    Imm,      // Insn::imm, sign-extended to 32 bits where the form says so
    Rel,      // branch displacement in Insn::imm
    Far,      // Insn::imm offset, Insn::imm2 selector
    SegReg, Cr, Dr,
    St,       // x87 stack register ST(reg)
    Mmx, Xmm,
};

struct Operand {
    OperandKind kind = OperandKind::None;
    u8 reg = 0;
    u8 width = 0;  // bytes: 1 2 4 6 8 10 16; 0 where none makes sense (LEA, FXSAVE: the table says)
};

// An effective address: base + index * scale + disp, wrapped to addr_size.
struct MemOperand {
    static constexpr u8 kNone = 0xff;
    u8 base = kNone, index = kNone;
    u8 scale = 1;          // 1 2 4 8
    u8 addr_size = 4;      // 2 or 4: the effective address is taken modulo 2^16 or 2^32
    Seg seg = kDs;         // effective segment, override applied
    u32 disp = 0;
};

enum class Rep : u8 { None, Rep, Repne };  // F3 (REP, REPE), F2

// One row of the table.
struct Form {
    Op op;
    const char* operands;    // Intel's letters, e.g. "Ev,Gv"
    u16 flags_read, flags_written, flags_undefined;  // EFLAGS bits (arithmetic, and DF IF where they matter)
    u16 undefined_set;       // those of flags_undefined that our documented value sets; the others are cleared
    u16 attributes;          // Attr bits
};

enum Attr : u16 {
    kEndsBlock = 1 << 0,     // control transfer, or changes what translation depends on
    kLockable = 1 << 1,      // LOCK allowed with a memory destination
    kPrivileged = 1 << 2,    // CPL 0 only (#GP otherwise)
    kProtectedOnly = 1 << 3, // #UD in real and virtual-8086 mode
    kString = 1 << 4,        // takes REP
    kMemOnly = 1 << 5,       // register form of ModRM is #UD
    kX87 = 1 << 6, kMmx = 1 << 7, kSse = 1 << 8,   // which availability check applies (CR0.EM/TS, CR4.OSFXSR)
    kWritesMem = 1 << 9,     // operand 0 (if memory) is written
    kReadsDest = 1 << 10,    // operand 0 is read as well as written
    kIo = 1 << 11,           // talks to devices
    kAlign16 = 1 << 12,      // 16-byte memory operand must be aligned (#GP)
};

struct Insn {
    Op op = Op::Invalid;
    u8 length = 0;           // bytes, 1..15
    u8 op_size = 4;          // effective operand size attribute, 2 or 4
    u8 cond = 0;             // Jcc, Setcc, Cmov, Fcmov: low four bits of the opcode
    Rep rep = Rep::None;
    bool lock = false;
    bool has_modrm = false;
    u8 modrm = 0;
    u8 operand_count = 0;
    std::array<Operand, 3> operand{};
    MemOperand mem;
    u32 imm = 0;
    u16 imm2 = 0;            // ENTER's level, a far selector, or the second immediate
    u16 x87_opcode = 0;      // FOP: low 3 bits of the first byte, then the second byte
    const Form* form = nullptr;

    bool is_mem(unsigned i) const { return operand[i].kind == OperandKind::Mem; }
    bool is_reg(unsigned i) const { return operand[i].kind == OperandKind::Reg; }
};

enum class DecodeStatus : u8 {
    Ok,
    Truncated,   // more bytes are needed than `bytes` holds (fetch on, or fault on the next page)
    Invalid,     // #UD (length says how many bytes were consumed, at least 1; an invalid LOCK counts here)
    TooLong,     // more than 15 bytes: #GP(0)
};

// Decodes one instruction. `code32`: CS.D. Never reads beyond `bytes`.
DecodeStatus decode(std::span<const u8> bytes, bool code32, Insn& out);

const char* op_name(Op op);
std::span<const Form> all_forms();
// Intel syntax. `eip`: address of the instruction, for branch targets.
std::string disassemble(const Insn& insn, u32 eip);

}  // namespace vmm::tcg
