// SPDX-License-Identifier: Apache-2.0
// The instruction table: segments, far transfers, interrupts, input/output and system instructions.
// Reference: Intel SDM volume 2. Notation: insn_table.h.
#include "vmm/tcg/insn_table_flags.h"

namespace vmm::tcg {
namespace {

constexpr u16 kPriv = kPrivileged;
constexpr u16 kProt = kProtectedOnly;

constexpr Row kRows[] = {
    {"06", Op::PushSeg, "ES"}, {"0E", Op::PushSeg, "CS"}, {"16", Op::PushSeg, "SS"}, {"1E", Op::PushSeg, "DS"},
    {"0F A0", Op::PushSeg, "FS"}, {"0F A8", Op::PushSeg, "GS"},
    {"07", Op::PopSeg, "ES", kNoFlags, kEnd}, {"17", Op::PopSeg, "SS", kNoFlags, kEnd},
    {"1F", Op::PopSeg, "DS", kNoFlags, kEnd}, {"0F A1", Op::PopSeg, "FS", kNoFlags, kEnd},
    {"0F A9", Op::PopSeg, "GS", kNoFlags, kEnd},
    {"8C", Op::MovSeg, "Eu,Sw", kNoFlags, kWritesMem}, {"8E", Op::MovSeg, "Sw,Ew", kNoFlags, kEnd},
    {"C4", Op::Les, "Gv,Mp", kNoFlags, kEnd}, {"C5", Op::Lds, "Gv,Mp", kNoFlags, kEnd},
    {"0F B2", Op::Lss, "Gv,Mp", kNoFlags, kEnd}, {"0F B4", Op::Lfs, "Gv,Mp", kNoFlags, kEnd},
    {"0F B5", Op::Lgs, "Gv,Mp", kNoFlags, kEnd},
    {"63", Op::Arpl, "Ew,Gw", kZeroOnly, kRw | kProt},

    {"9A", Op::CallFar, "Ap", kNoFlags, kEnd}, {"EA", Op::JmpFar, "Ap", kNoFlags, kEnd},
    {"FF /3m", Op::CallFarInd, "Mp", kNoFlags, kEnd}, {"FF /5m", Op::JmpFarInd, "Mp", kNoFlags, kEnd},
    {"CA", Op::RetFar, "Iw", kNoFlags, kEnd}, {"CB", Op::RetFar, "", kNoFlags, kEnd},
    {"CC", Op::Int3, "", kInterrupt, kEnd}, {"CD", Op::Int, "Ib", kInterrupt, kEnd},
    {"CE", Op::Into, "", {f16(kA | kDf | kIf), f16(kIf), 0, 0}, kEnd}, {"F1", Op::Icebp, "", kInterrupt, kEnd},
    {"CF", Op::Iret, "", kWritesAll, kEnd},
    {"0F 0B", Op::Ud, "", kNoFlags, kEnd}, {"0F B9", Op::Ud, "Gv,Ev", kNoFlags, kEnd},
    {"0F FF", Op::Ud, "Gv,Ev", kNoFlags, kEnd},

    {"9C", Op::Pushf, "", kReadsAll}, {"9D", Op::Popf, "", kWritesAll, kEnd},
    {"FA", Op::Cli, "", kWritesIf, kEnd}, {"FB", Op::Sti, "", kWritesIf, kEnd},

    {"E4", Op::In, "AL,Ib", kNoFlags, kIo}, {"E5", Op::In, "eAX,Ib", kNoFlags, kIo},
    {"EC", Op::In, "AL,DX", kNoFlags, kIo}, {"ED", Op::In, "eAX,DX", kNoFlags, kIo},
    {"E6", Op::Out, "Ib,AL", kNoFlags, kIo}, {"E7", Op::Out, "Ib,eAX", kNoFlags, kIo},
    {"EE", Op::Out, "DX,AL", kNoFlags, kIo}, {"EF", Op::Out, "DX,eAX", kNoFlags, kIo},
    {"6C", Op::Ins, "Yb,DX", kReadsDf, kIo | kString | kWritesMem},
    {"6D", Op::Ins, "Yz,DX", kReadsDf, kIo | kString | kWritesMem},
    {"6E", Op::Outs, "DX,Xb", kReadsDf, kIo | kString}, {"6F", Op::Outs, "DX,Xz", kReadsDf, kIo | kString},

    {"F4", Op::Hlt, "", kNoFlags, kEnd | kPriv},
    {"0F 00 /0", Op::Sldt, "Eu", kNoFlags, kWritesMem | kProt}, {"0F 00 /1", Op::Str, "Eu", kNoFlags, kWritesMem | kProt},
    {"0F 00 /2", Op::Lldt, "Ew", kNoFlags, kEnd | kPriv | kProt}, {"0F 00 /3", Op::Ltr, "Ew", kNoFlags, kEnd | kPriv | kProt},
    {"0F 00 /4", Op::Verr, "Ew", kZeroOnly, kProt}, {"0F 00 /5", Op::Verw, "Ew", kZeroOnly, kProt},
    {"0F 01 /0m", Op::Sgdt, "M0", kNoFlags, kWritesMem}, {"0F 01 /1m", Op::Sidt, "M0", kNoFlags, kWritesMem},
    {"0F 01 /2m", Op::Lgdt, "M0", kNoFlags, kEnd | kPriv}, {"0F 01 /3m", Op::Lidt, "M0", kNoFlags, kEnd | kPriv},
    {"0F 01 /4", Op::Smsw, "Eu", kNoFlags, kWritesMem}, {"0F 01 /6", Op::Lmsw, "Ew", kNoFlags, kEnd | kPriv},
    {"0F 01 /7m", Op::Invlpg, "Mb", kNoFlags, kEnd | kPriv},
    {"NP 0F 01 C8", Op::Monitor, "", kNoFlags, kEnd}, {"NP 0F 01 C9", Op::Mwait, "", kNoFlags, kEnd},
    {"0F 02", Op::Lar, "Gv,Ew", kZeroOnly, kReadsDest | kProt}, {"0F 03", Op::Lsl, "Gv,Ew", kZeroOnly, kReadsDest | kProt},
    {"0F 06", Op::Clts, "", kNoFlags, kEnd | kPriv},
    {"0F 08", Op::Invd, "", kNoFlags, kEnd | kPriv}, {"0F 09", Op::Wbinvd, "", kNoFlags, kEnd | kPriv},
    {"0F 20", Op::MovCr, "Rd,Cd", kNoFlags, kPriv}, {"0F 22", Op::MovCr, "Cd,Rd", kNoFlags, kEnd | kPriv},
    {"0F 21", Op::MovDr, "Rd,Dd", kNoFlags, kEnd | kPriv}, {"0F 23", Op::MovDr, "Dd,Rd", kNoFlags, kEnd | kPriv},
    {"0F 30", Op::Wrmsr, "", kNoFlags, kEnd | kPriv}, {"0F 32", Op::Rdmsr, "", kNoFlags, kEnd | kPriv},
    {"0F 31", Op::Rdtsc, ""}, {"0F 33", Op::Rdpmc, ""},
    {"0F 34", Op::Sysenter, "", kWritesIf, kEnd}, {"0F 35", Op::Sysexit, "", kNoFlags, kEnd | kPriv},
    {"0F A2", Op::Cpuid, ""},
    {"0F AA", Op::Rsm, "", kWritesAll, kEnd},
};

}  // namespace

std::span<const Row> system_rows() { return kRows; }

}  // namespace vmm::tcg
