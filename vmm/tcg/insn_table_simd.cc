// SPDX-License-Identifier: Apache-2.0
// The instruction table: MMX, SSE, SSE2, SSE3. Reference: Intel SDM volume 2 tables. Notation: insn_table.h.
#include "vmm/tcg/insn_table_flags.h"

namespace vmm::tcg {
namespace {

constexpr u16 kM = kMmx, kS = kSse, kMr = kMmx | kReadsDest, kSr = kSse | kReadsDest, kSw = kSse | kWritesMem;

// MMX with its SSE2 twin.
#define PACKED(opcode, op) {"NP 0F " opcode, op, "Pq,Qq", kNoFlags, kMr}, {"66 0F " opcode, op, "Vdq,Wdq", kNoFlags, kSr}
// Unpacking of low halves reads half of its memory operand as MMX.
#define UNPACK(opcode, op) {"NP 0F " opcode, op, "Pq,Qd", kNoFlags, kMr}, {"66 0F " opcode, op, "Vdq,Wdq", kNoFlags, kSr}
#define SHIFT_BY(digit, opcode, op) \
    {"NP 0F " opcode " /" digit "r", op, "Nq,Ib", kNoFlags, kMr}, {"66 0F " opcode " /" digit "r", op, "Udq,Ib", kNoFlags, kSr}
#define FLOAT_PACKED(opcode, ps, pd) \
    {"NP 0F " opcode, ps, "Vdq,Wdq", kNoFlags, kSr}, {"66 0F " opcode, pd, "Vdq,Wdq", kNoFlags, kSr}
#define FLOAT(opcode, ps, pd, ss, sd)                                                                \
    FLOAT_PACKED(opcode, ps, pd), {"F3 0F " opcode, ss, "Vd,Wd", kNoFlags, kSr},                     \
    {"F2 0F " opcode, sd, "Vq,Wq", kNoFlags, kSr}

constexpr Row kRows[] = {
    // --- moves of floating-point data
    {"NP 0F 10", Op::Movups, "Vx,Wx", kNoFlags, kS}, {"66 0F 10", Op::Movupd, "Vx,Wx", kNoFlags, kS},
    {"F3 0F 10", Op::Movss, "Vd,Wd", kNoFlags, kSr}, {"F2 0F 10", Op::MovsdX, "Vq,Wq", kNoFlags, kSr},
    {"NP 0F 11", Op::Movups, "Wx,Vx", kNoFlags, kSw}, {"66 0F 11", Op::Movupd, "Wx,Vx", kNoFlags, kSw},
    {"F3 0F 11", Op::Movss, "Wd,Vd", kNoFlags, kSw}, {"F2 0F 11", Op::MovsdX, "Wq,Vq", kNoFlags, kSw},
    {"NP 0F 12 /m", Op::Movlps, "Vq,Mq", kNoFlags, kSr}, {"NP 0F 12 /r", Op::Movhlps, "Vq,Uq", kNoFlags, kSr},
    {"66 0F 12 /m", Op::Movlpd, "Vq,Mq", kNoFlags, kSr}, {"F3 0F 12", Op::Movsldup, "Vdq,Wdq", kNoFlags, kS},
    {"F2 0F 12", Op::Movddup, "Vdq,Wq", kNoFlags, kS},
    {"NP 0F 13 /m", Op::Movlps, "Mq,Vq", kNoFlags, kSw}, {"66 0F 13 /m", Op::Movlpd, "Mq,Vq", kNoFlags, kSw},
    FLOAT_PACKED("14", Op::Unpcklps, Op::Unpcklpd), FLOAT_PACKED("15", Op::Unpckhps, Op::Unpckhpd),
    {"NP 0F 16 /m", Op::Movhps, "Vq,Mq", kNoFlags, kSr}, {"NP 0F 16 /r", Op::Movlhps, "Vq,Uq", kNoFlags, kSr},
    {"66 0F 16 /m", Op::Movhpd, "Vq,Mq", kNoFlags, kSr}, {"F3 0F 16", Op::Movshdup, "Vdq,Wdq", kNoFlags, kS},
    {"NP 0F 17 /m", Op::Movhps, "Mq,Vq", kNoFlags, kSw}, {"66 0F 17 /m", Op::Movhpd, "Mq,Vq", kNoFlags, kSw},
    {"NP 0F 28", Op::Movaps, "Vdq,Wdq", kNoFlags, kS}, {"66 0F 28", Op::Movapd, "Vdq,Wdq", kNoFlags, kS},
    {"NP 0F 29", Op::Movaps, "Wdq,Vdq", kNoFlags, kSw}, {"66 0F 29", Op::Movapd, "Wdq,Vdq", kNoFlags, kSw},
    {"NP 0F 2B /m", Op::Movntps, "Mdq,Vdq", kNoFlags, kSw}, {"66 0F 2B /m", Op::Movntpd, "Mdq,Vdq", kNoFlags, kSw},
    {"NP 0F 50 /r", Op::Movmskps, "Gd,Udq", kNoFlags, kS}, {"66 0F 50 /r", Op::Movmskpd, "Gd,Udq", kNoFlags, kS},

    // --- conversions and comparisons
    {"NP 0F 2A", Op::Cvtpi2ps, "Vq,Qq", kNoFlags, kMmx | kSr}, {"66 0F 2A", Op::Cvtpi2pd, "Vdq,Qq", kNoFlags, kMmx | kS},
    {"F3 0F 2A", Op::Cvtsi2ss, "Vd,Ed", kNoFlags, kSr}, {"F2 0F 2A", Op::Cvtsi2sd, "Vq,Ed", kNoFlags, kSr},
    {"NP 0F 2C", Op::Cvttps2pi, "Pq,Wq", kNoFlags, kMmx | kS}, {"66 0F 2C", Op::Cvttpd2pi, "Pq,Wdq", kNoFlags, kMmx | kS},
    {"F3 0F 2C", Op::Cvttss2si, "Gd,Wd", kNoFlags, kS}, {"F2 0F 2C", Op::Cvttsd2si, "Gd,Wq", kNoFlags, kS},
    {"NP 0F 2D", Op::Cvtps2pi, "Pq,Wq", kNoFlags, kMmx | kS}, {"66 0F 2D", Op::Cvtpd2pi, "Pq,Wdq", kNoFlags, kMmx | kS},
    {"F3 0F 2D", Op::Cvtss2si, "Gd,Wd", kNoFlags, kS}, {"F2 0F 2D", Op::Cvtsd2si, "Gd,Wq", kNoFlags, kS},
    {"NP 0F 2E", Op::Ucomiss, "Vd,Wd", kFloatCompare, kS}, {"66 0F 2E", Op::Ucomisd, "Vq,Wq", kFloatCompare, kS},
    {"NP 0F 2F", Op::Comiss, "Vd,Wd", kFloatCompare, kS}, {"66 0F 2F", Op::Comisd, "Vq,Wq", kFloatCompare, kS},
    {"NP 0F 5A", Op::Cvtps2pd, "Vdq,Wq", kNoFlags, kS}, {"66 0F 5A", Op::Cvtpd2ps, "Vdq,Wdq", kNoFlags, kS},
    {"F3 0F 5A", Op::Cvtss2sd, "Vq,Wd", kNoFlags, kSr}, {"F2 0F 5A", Op::Cvtsd2ss, "Vd,Wq", kNoFlags, kSr},
    {"NP 0F 5B", Op::Cvtdq2ps, "Vdq,Wdq", kNoFlags, kS}, {"66 0F 5B", Op::Cvtps2dq, "Vdq,Wdq", kNoFlags, kS},
    {"F3 0F 5B", Op::Cvttps2dq, "Vdq,Wdq", kNoFlags, kS},
    {"66 0F E6", Op::Cvttpd2dq, "Vdq,Wdq", kNoFlags, kS}, {"F3 0F E6", Op::Cvtdq2pd, "Vdq,Wq", kNoFlags, kS},
    {"F2 0F E6", Op::Cvtpd2dq, "Vdq,Wdq", kNoFlags, kS},

    // --- floating-point arithmetic
    FLOAT("51", Op::Sqrtps, Op::Sqrtpd, Op::Sqrtss, Op::Sqrtsd),
    {"NP 0F 52", Op::Rsqrtps, "Vdq,Wdq", kNoFlags, kS}, {"F3 0F 52", Op::Rsqrtss, "Vd,Wd", kNoFlags, kSr},
    {"NP 0F 53", Op::Rcpps, "Vdq,Wdq", kNoFlags, kS}, {"F3 0F 53", Op::Rcpss, "Vd,Wd", kNoFlags, kSr},
    FLOAT_PACKED("54", Op::Andps, Op::Andpd), FLOAT_PACKED("55", Op::Andnps, Op::Andnpd),
    FLOAT_PACKED("56", Op::Orps, Op::Orpd), FLOAT_PACKED("57", Op::Xorps, Op::Xorpd),
    FLOAT("58", Op::Addps, Op::Addpd, Op::Addss, Op::Addsd), FLOAT("59", Op::Mulps, Op::Mulpd, Op::Mulss, Op::Mulsd),
    FLOAT("5C", Op::Subps, Op::Subpd, Op::Subss, Op::Subsd), FLOAT("5D", Op::Minps, Op::Minpd, Op::Minss, Op::Minsd),
    FLOAT("5E", Op::Divps, Op::Divpd, Op::Divss, Op::Divsd), FLOAT("5F", Op::Maxps, Op::Maxpd, Op::Maxss, Op::Maxsd),
    {"66 0F 7C", Op::Haddpd, "Vdq,Wdq", kNoFlags, kSr}, {"F2 0F 7C", Op::Haddps, "Vdq,Wdq", kNoFlags, kSr},
    {"66 0F 7D", Op::Hsubpd, "Vdq,Wdq", kNoFlags, kSr}, {"F2 0F 7D", Op::Hsubps, "Vdq,Wdq", kNoFlags, kSr},
    {"66 0F D0", Op::Addsubpd, "Vdq,Wdq", kNoFlags, kSr}, {"F2 0F D0", Op::Addsubps, "Vdq,Wdq", kNoFlags, kSr},
    {"NP 0F C2", Op::Cmpps, "Vdq,Wdq,Ib", kNoFlags, kSr}, {"66 0F C2", Op::Cmppd, "Vdq,Wdq,Ib", kNoFlags, kSr},
    {"F3 0F C2", Op::Cmpss, "Vd,Wd,Ib", kNoFlags, kSr}, {"F2 0F C2", Op::CmpsdX, "Vq,Wq,Ib", kNoFlags, kSr},
    {"NP 0F C6", Op::Shufps, "Vdq,Wdq,Ib", kNoFlags, kSr}, {"66 0F C6", Op::Shufpd, "Vdq,Wdq,Ib", kNoFlags, kSr},

    // --- packed integers
    UNPACK("60", Op::Punpcklbw), UNPACK("61", Op::Punpcklwd), UNPACK("62", Op::Punpckldq),
    PACKED("63", Op::Packsswb), PACKED("64", Op::Pcmpgtb), PACKED("65", Op::Pcmpgtw), PACKED("66", Op::Pcmpgtd),
    PACKED("67", Op::Packuswb), PACKED("68", Op::Punpckhbw), PACKED("69", Op::Punpckhwd), PACKED("6A", Op::Punpckhdq),
    PACKED("6B", Op::Packssdw),
    {"66 0F 6C", Op::Punpcklqdq, "Vdq,Wdq", kNoFlags, kSr}, {"66 0F 6D", Op::Punpckhqdq, "Vdq,Wdq", kNoFlags, kSr},
    {"NP 0F 6E", Op::Movd, "Pd,Ed", kNoFlags, kM}, {"66 0F 6E", Op::Movd, "Vd,Ed", kNoFlags, kS},
    {"NP 0F 7E", Op::Movd, "Ed,Pd", kNoFlags, kM | kWritesMem}, {"66 0F 7E", Op::Movd, "Ed,Vd", kNoFlags, kSw},
    {"NP 0F 6F", Op::Movq, "Pq,Qq", kNoFlags, kM}, {"NP 0F 7F", Op::Movq, "Qq,Pq", kNoFlags, kM | kWritesMem},
    {"F3 0F 7E", Op::Movq, "Vq,Wq", kNoFlags, kS}, {"66 0F D6", Op::Movq, "Wq,Vq", kNoFlags, kSw},
    {"66 0F 6F", Op::Movdqa, "Vdq,Wdq", kNoFlags, kS}, {"66 0F 7F", Op::Movdqa, "Wdq,Vdq", kNoFlags, kSw},
    {"F3 0F 6F", Op::Movdqu, "Vx,Wx", kNoFlags, kS}, {"F3 0F 7F", Op::Movdqu, "Wx,Vx", kNoFlags, kSw},
    {"F2 0F F0 /m", Op::Lddqu, "Vx,Mx", kNoFlags, kS},
    {"F3 0F D6 /r", Op::Movq2dq, "Vdq,Nq", kNoFlags, kMmx | kS}, {"F2 0F D6 /r", Op::Movdq2q, "Pq,Uq", kNoFlags, kMmx | kS},
    {"NP 0F 70", Op::Pshufw, "Pq,Qq,Ib", kNoFlags, kM}, {"66 0F 70", Op::Pshufd, "Vdq,Wdq,Ib", kNoFlags, kS},
    {"F3 0F 70", Op::Pshufhw, "Vdq,Wdq,Ib", kNoFlags, kS}, {"F2 0F 70", Op::Pshuflw, "Vdq,Wdq,Ib", kNoFlags, kS},
    SHIFT_BY("2", "71", Op::Psrlw), SHIFT_BY("4", "71", Op::Psraw), SHIFT_BY("6", "71", Op::Psllw),
    SHIFT_BY("2", "72", Op::Psrld), SHIFT_BY("4", "72", Op::Psrad), SHIFT_BY("6", "72", Op::Pslld),
    SHIFT_BY("2", "73", Op::Psrlq), SHIFT_BY("6", "73", Op::Psllq),
    {"66 0F 73 /3r", Op::Psrldq, "Udq,Ib", kNoFlags, kSr}, {"66 0F 73 /7r", Op::Pslldq, "Udq,Ib", kNoFlags, kSr},
    PACKED("74", Op::Pcmpeqb), PACKED("75", Op::Pcmpeqw), PACKED("76", Op::Pcmpeqd),
    {"NP 0F C4", Op::Pinsrw, "Pq,Ek,Ib", kNoFlags, kMr}, {"66 0F C4", Op::Pinsrw, "Vdq,Ek,Ib", kNoFlags, kSr},
    {"NP 0F C5 /r", Op::Pextrw, "Gd,Nq,Ib", kNoFlags, kM}, {"66 0F C5 /r", Op::Pextrw, "Gd,Udq,Ib", kNoFlags, kS},
    {"NP 0F D7 /r", Op::Pmovmskb, "Gd,Nq", kNoFlags, kM}, {"66 0F D7 /r", Op::Pmovmskb, "Gd,Udq", kNoFlags, kS},
    PACKED("D1", Op::Psrlw), PACKED("D2", Op::Psrld), PACKED("D3", Op::Psrlq), PACKED("D4", Op::Paddq),
    PACKED("D5", Op::Pmullw), PACKED("D8", Op::Psubusb), PACKED("D9", Op::Psubusw), PACKED("DA", Op::Pminub),
    PACKED("DB", Op::Pand), PACKED("DC", Op::Paddusb), PACKED("DD", Op::Paddusw), PACKED("DE", Op::Pmaxub),
    PACKED("DF", Op::Pandn), PACKED("E0", Op::Pavgb), PACKED("E1", Op::Psraw), PACKED("E2", Op::Psrad),
    PACKED("E3", Op::Pavgw), PACKED("E4", Op::Pmulhuw), PACKED("E5", Op::Pmulhw), PACKED("E8", Op::Psubsb),
    PACKED("E9", Op::Psubsw), PACKED("EA", Op::Pminsw), PACKED("EB", Op::Por), PACKED("EC", Op::Paddsb),
    PACKED("ED", Op::Paddsw), PACKED("EE", Op::Pmaxsw), PACKED("EF", Op::Pxor), PACKED("F1", Op::Psllw),
    PACKED("F2", Op::Pslld), PACKED("F3", Op::Psllq), PACKED("F4", Op::Pmuludq), PACKED("F5", Op::Pmaddwd),
    PACKED("F6", Op::Psadbw), PACKED("F8", Op::Psubb), PACKED("F9", Op::Psubw), PACKED("FA", Op::Psubd),
    PACKED("FB", Op::Psubq), PACKED("FC", Op::Paddb), PACKED("FD", Op::Paddw), PACKED("FE", Op::Paddd),
    {"NP 0F E7 /m", Op::Movntq, "Mq,Pq", kNoFlags, kM | kWritesMem}, {"66 0F E7 /m", Op::Movntdq, "Mdq,Vdq", kNoFlags, kSw},
    {"NP 0F F7 /r", Op::Maskmovq, "Pq,Nq,BD", kNoFlags, kM}, {"66 0F F7 /r", Op::Maskmovdqu, "Vdq,Udq,BD", kNoFlags, kS},
    {"NP 0F 77", Op::Emms, "", kNoFlags, kM},

    // --- state
    {"NP 0F AE /0m", Op::Fxsave, "M0", kNoFlags, kX87 | kWritesMem | kAlign16},
    {"NP 0F AE /1m", Op::Fxrstor, "M0", kNoFlags, kX87 | kAlign16},
    {"NP 0F AE /2m", Op::Ldmxcsr, "Md", kNoFlags, kS}, {"NP 0F AE /3m", Op::Stmxcsr, "Md", kNoFlags, kSw},
};

}  // namespace

std::span<const Row> simd_rows() { return kRows; }

}  // namespace vmm::tcg
