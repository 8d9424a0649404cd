// SPDX-License-Identifier: Apache-2.0
// The instruction table: x87, escapes D8-DF and FWAIT, with the aliases that Intel processors execute but the manual
// does not list (FCOM2, FCOMP3, FXCH4, FCOMP5, FXCH7, FSTP1, FSTP8, FSTP9, FFREEP, and the 8087/287 FENI, FDISI, FSETPM,
// which do nothing and do not wait: Fsetpm stands for all three). Reference: Intel SDM volume 2 table A-7 and following. Notation: insn_table.h.
#include "vmm/tcg/insn_table_flags.h"

namespace vmm::tcg {
namespace {

constexpr u16 kF = kX87;
constexpr u16 kFw = kX87 | kWritesMem;
constexpr FlagEffect kMoveB{f16(kCf), 0, 0, 0}, kMoveE{f16(kZf), 0, 0, 0}, kMoveBe{f16(kCf | kZf), 0, 0, 0},
    kMoveU{f16(kPf), 0, 0, 0};

// Arithmetic with a memory operand: digits 0-7 of an escape byte.
#define MEMORY(escape, w, add, mul, com, comp, sub, subr, div, divr)                                                  \
    {escape " /0m", add, "M" w, kNoFlags, kF}, {escape " /1m", mul, "M" w, kNoFlags, kF},                             \
    {escape " /2m", com, "M" w, kNoFlags, kF}, {escape " /3m", comp, "M" w, kNoFlags, kF},                            \
    {escape " /4m", sub, "M" w, kNoFlags, kF}, {escape " /5m", subr, "M" w, kNoFlags, kF},                            \
    {escape " /6m", div, "M" w, kNoFlags, kF}, {escape " /7m", divr, "M" w, kNoFlags, kF}

constexpr Row kRows[] = {
    {"9B", Op::Fwait, "", kNoFlags, kF},

    MEMORY("D8", "d", Op::Fadd, Op::Fmul, Op::Fcom, Op::Fcomp, Op::Fsub, Op::Fsubr, Op::Fdiv, Op::Fdivr),
    {"D8 C0+i", Op::Fadd, "ST,STi", kNoFlags, kF}, {"D8 C8+i", Op::Fmul, "ST,STi", kNoFlags, kF},
    {"D8 D0+i", Op::Fcom, "STi", kNoFlags, kF}, {"D8 D8+i", Op::Fcomp, "STi", kNoFlags, kF},
    {"D8 E0+i", Op::Fsub, "ST,STi", kNoFlags, kF}, {"D8 E8+i", Op::Fsubr, "ST,STi", kNoFlags, kF},
    {"D8 F0+i", Op::Fdiv, "ST,STi", kNoFlags, kF}, {"D8 F8+i", Op::Fdivr, "ST,STi", kNoFlags, kF},

    {"D9 /0m", Op::Fld, "Md", kNoFlags, kF}, {"D9 /2m", Op::Fst, "Md", kNoFlags, kFw},
    {"D9 /3m", Op::Fstp, "Md", kNoFlags, kFw}, {"D9 /4m", Op::Fldenv, "M0", kNoFlags, kF},
    {"D9 /5m", Op::Fldcw, "Mw", kNoFlags, kF}, {"D9 /6m", Op::Fnstenv, "M0", kNoFlags, kFw},
    {"D9 /7m", Op::Fnstcw, "Mw", kNoFlags, kFw},
    {"D9 C0+i", Op::Fld, "STi", kNoFlags, kF}, {"D9 C8+i", Op::Fxch, "STi", kNoFlags, kF},
    {"D9 D0", Op::Fnop, "", kNoFlags, kF}, {"D9 D8+i", Op::Fstp, "STi", kNoFlags, kF},
    {"D9 E0", Op::Fchs, "", kNoFlags, kF}, {"D9 E1", Op::Fabs, "", kNoFlags, kF},
    {"D9 E4", Op::Ftst, "", kNoFlags, kF}, {"D9 E5", Op::Fxam, "", kNoFlags, kF},
    {"D9 E8", Op::Fld1, "", kNoFlags, kF}, {"D9 E9", Op::Fldl2t, "", kNoFlags, kF},
    {"D9 EA", Op::Fldl2e, "", kNoFlags, kF}, {"D9 EB", Op::Fldpi, "", kNoFlags, kF},
    {"D9 EC", Op::Fldlg2, "", kNoFlags, kF}, {"D9 ED", Op::Fldln2, "", kNoFlags, kF},
    {"D9 EE", Op::Fldz, "", kNoFlags, kF}, {"D9 F0", Op::F2xm1, "", kNoFlags, kF},
    {"D9 F1", Op::Fyl2x, "", kNoFlags, kF}, {"D9 F2", Op::Fptan, "", kNoFlags, kF},
    {"D9 F3", Op::Fpatan, "", kNoFlags, kF}, {"D9 F4", Op::Fxtract, "", kNoFlags, kF},
    {"D9 F5", Op::Fprem1, "", kNoFlags, kF}, {"D9 F6", Op::Fdecstp, "", kNoFlags, kF},
    {"D9 F7", Op::Fincstp, "", kNoFlags, kF}, {"D9 F8", Op::Fprem, "", kNoFlags, kF},
    {"D9 F9", Op::Fyl2xp1, "", kNoFlags, kF}, {"D9 FA", Op::Fsqrt, "", kNoFlags, kF},
    {"D9 FB", Op::Fsincos, "", kNoFlags, kF}, {"D9 FC", Op::Frndint, "", kNoFlags, kF},
    {"D9 FD", Op::Fscale, "", kNoFlags, kF}, {"D9 FE", Op::Fsin, "", kNoFlags, kF},
    {"D9 FF", Op::Fcos, "", kNoFlags, kF},

    MEMORY("DA", "d", Op::Fiadd, Op::Fimul, Op::Ficom, Op::Ficomp, Op::Fisub, Op::Fisubr, Op::Fidiv, Op::Fidivr),
    {"DA C0+i", Op::Fcmov, "ST,STi", kMoveB, kF}, {"DA C8+i", Op::Fcmov, "ST,STi", kMoveE, kF},
    {"DA D0+i", Op::Fcmov, "ST,STi", kMoveBe, kF}, {"DA D8+i", Op::Fcmov, "ST,STi", kMoveU, kF},
    {"DA E9", Op::Fucompp, "", kNoFlags, kF},

    {"DB /0m", Op::Fild, "Md", kNoFlags, kF}, {"DB /1m", Op::Fisttp, "Md", kNoFlags, kFw},
    {"DB /2m", Op::Fist, "Md", kNoFlags, kFw}, {"DB /3m", Op::Fistp, "Md", kNoFlags, kFw},
    {"DB /5m", Op::Fld, "Mt", kNoFlags, kF}, {"DB /7m", Op::Fstp, "Mt", kNoFlags, kFw},
    {"DB C0+i", Op::Fcmov, "ST,STi", kMoveB, kF}, {"DB C8+i", Op::Fcmov, "ST,STi", kMoveE, kF},
    {"DB D0+i", Op::Fcmov, "ST,STi", kMoveBe, kF}, {"DB D8+i", Op::Fcmov, "ST,STi", kMoveU, kF},
    {"DB E0", Op::Fsetpm, "", kNoFlags, kF}, {"DB E1", Op::Fsetpm, "", kNoFlags, kF},
    {"DB E2", Op::Fnclex, "", kNoFlags, kF}, {"DB E3", Op::Fninit, "", kNoFlags, kF},
    {"DB E4", Op::Fsetpm, "", kNoFlags, kF},
    {"DB E8+i", Op::Fucomi, "ST,STi", kFloatCompare, kF}, {"DB F0+i", Op::Fcomi, "ST,STi", kFloatCompare, kF},

    MEMORY("DC", "q", Op::Fadd, Op::Fmul, Op::Fcom, Op::Fcomp, Op::Fsub, Op::Fsubr, Op::Fdiv, Op::Fdivr),
    {"DC C0+i", Op::Fadd, "STi,ST", kNoFlags, kF}, {"DC C8+i", Op::Fmul, "STi,ST", kNoFlags, kF},
    {"DC D0+i", Op::Fcom, "STi", kNoFlags, kF}, {"DC D8+i", Op::Fcomp, "STi", kNoFlags, kF},
    {"DC E0+i", Op::Fsubr, "STi,ST", kNoFlags, kF}, {"DC E8+i", Op::Fsub, "STi,ST", kNoFlags, kF},
    {"DC F0+i", Op::Fdivr, "STi,ST", kNoFlags, kF}, {"DC F8+i", Op::Fdiv, "STi,ST", kNoFlags, kF},

    {"DD /0m", Op::Fld, "Mq", kNoFlags, kF}, {"DD /1m", Op::Fisttp, "Mq", kNoFlags, kFw},
    {"DD /2m", Op::Fst, "Mq", kNoFlags, kFw}, {"DD /3m", Op::Fstp, "Mq", kNoFlags, kFw},
    {"DD /4m", Op::Frstor, "M0", kNoFlags, kF}, {"DD /6m", Op::Fnsave, "M0", kNoFlags, kFw},
    {"DD /7m", Op::Fnstsw, "Mw", kNoFlags, kFw},
    {"DD C0+i", Op::Ffree, "STi", kNoFlags, kF}, {"DD C8+i", Op::Fxch, "STi", kNoFlags, kF},
    {"DD D0+i", Op::Fst, "STi", kNoFlags, kF}, {"DD D8+i", Op::Fstp, "STi", kNoFlags, kF},
    {"DD E0+i", Op::Fucom, "STi", kNoFlags, kF}, {"DD E8+i", Op::Fucomp, "STi", kNoFlags, kF},

    MEMORY("DE", "w", Op::Fiadd, Op::Fimul, Op::Ficom, Op::Ficomp, Op::Fisub, Op::Fisubr, Op::Fidiv, Op::Fidivr),
    {"DE C0+i", Op::Faddp, "STi,ST", kNoFlags, kF}, {"DE C8+i", Op::Fmulp, "STi,ST", kNoFlags, kF},
    {"DE D0+i", Op::Fcomp, "STi", kNoFlags, kF}, {"DE D9", Op::Fcompp, "", kNoFlags, kF},
    {"DE E0+i", Op::Fsubrp, "STi,ST", kNoFlags, kF}, {"DE E8+i", Op::Fsubp, "STi,ST", kNoFlags, kF},
    {"DE F0+i", Op::Fdivrp, "STi,ST", kNoFlags, kF}, {"DE F8+i", Op::Fdivp, "STi,ST", kNoFlags, kF},

    {"DF /0m", Op::Fild, "Mw", kNoFlags, kF}, {"DF /1m", Op::Fisttp, "Mw", kNoFlags, kFw},
    {"DF /2m", Op::Fist, "Mw", kNoFlags, kFw}, {"DF /3m", Op::Fistp, "Mw", kNoFlags, kFw},
    {"DF /4m", Op::Fbld, "Mt", kNoFlags, kF}, {"DF /5m", Op::Fild, "Mq", kNoFlags, kF},
    {"DF /6m", Op::Fbstp, "Mt", kNoFlags, kFw}, {"DF /7m", Op::Fistp, "Mq", kNoFlags, kFw},
    {"DF C0+i", Op::Ffreep, "STi", kNoFlags, kF}, {"DF C8+i", Op::Fxch, "STi", kNoFlags, kF},
    {"DF D0+i", Op::Fstp, "STi", kNoFlags, kF}, {"DF D8+i", Op::Fstp, "STi", kNoFlags, kF},
    {"DF E0", Op::Fnstsw, "AX", kNoFlags, kF},
    {"DF E8+i", Op::Fucomip, "ST,STi", kFloatCompare, kF}, {"DF F0+i", Op::Fcomip, "ST,STi", kFloatCompare, kF},
};

}  // namespace

std::span<const Row> x87_rows() { return kRows; }

}  // namespace vmm::tcg
