// SPDX-License-Identifier: Apache-2.0
// The disassembler: Intel syntax, from the same table as the decoder. For tests, traces and messages about divergence.
// Memory operands always show their size; a segment is shown where it is not the default of the address.
#include <cstdio>

#include "vmm/tcg/decode.h"

namespace vmm::tcg {
namespace {

constexpr const char* kReg8[] = {"al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"};
constexpr const char* kReg16[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
constexpr const char* kReg32[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
constexpr const char* kSeg[] = {"es", "cs", "ss", "ds", "fs", "gs", "?", "?"};
constexpr const char* kCondition[] = {"o", "no", "b", "nb", "z", "nz", "be", "nbe", "s", "ns", "p", "np", "l", "nl", "le", "nle"};

std::string hex(u32 value) {
    char text[16];
    std::snprintf(text, sizeof text, "0x%x", value);
    return text;
}

std::string numbered(const char* name, unsigned number) { return name + std::to_string(number); }

std::string lower_name(Op op) {
    std::string name = op_name(op);
    for (char& c : name)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return name;
}

const char* size_letter(unsigned width) { return width == 1 ? "b" : width == 2 ? "w" : "d"; }

unsigned string_width(const Insn& insn) {
    for (unsigned i = 0; i < insn.operand_count; ++i)
        if (insn.is_mem(i)) return insn.operand[i].width;
    return insn.op_size;
}

std::string mnemonic(const Insn& insn) {
    const bool wide = insn.op_size == 4;
    switch (insn.op) {
    case Op::Jcc: return std::string("j") + kCondition[insn.cond];
    case Op::Setcc: return std::string("set") + kCondition[insn.cond];
    case Op::Cmov: return std::string("cmov") + kCondition[insn.cond];
    case Op::Fcmov: {
        constexpr const char* kFloat[] = {"", "", "b", "nb", "e", "ne", "be", "nbe", "", "", "u", "nu"};
        return std::string("fcmov") + kFloat[insn.cond];
    }
    case Op::Movs: case Op::Cmps: case Op::Scas: case Op::Lods: case Op::Stos: case Op::Ins: case Op::Outs:
        return lower_name(insn.op) + size_letter(string_width(insn));
    case Op::Cbw: return wide ? "cwde" : "cbw";
    case Op::Cwd: return wide ? "cdq" : "cwd";
    case Op::Pusha: case Op::Popa: case Op::Pushf: case Op::Popf: case Op::Iret:
        return lower_name(insn.op) + (wide ? "d" : "");
    case Op::Jcxz: return insn.mem.addr_size == 4 ? "jecxz" : "jcxz";
    case Op::CallInd: case Op::CallFar: case Op::CallFarInd: return "call";
    case Op::JmpInd: case Op::JmpFar: case Op::JmpFarInd: return "jmp";
    case Op::RetFar: return "retf";
    case Op::MovCr: case Op::MovDr: case Op::MovSeg: return "mov";
    case Op::PushSeg: return "push";
    case Op::PopSeg: return "pop";
    case Op::Imul1: return "imul";
    case Op::Icebp: return "int1";
    case Op::MovsdX: return "movsd";
    case Op::CmpsdX: return "cmpsd";
    case Op::Ud: return insn.modrm == 0 && !insn.has_modrm ? "ud2" : "ud1";
    case Op::Prefetch: {
        constexpr const char* kHints[] = {"prefetchnta", "prefetcht0", "prefetcht1", "prefetcht2"};
        return kHints[insn.modrm >> 3 & 3];
    }
    default: return lower_name(insn.op);
    }
}

const char* size_name(unsigned width) {
    switch (width) {
    case 1: return "byte ptr ";
    case 2: return "word ptr ";
    case 4: return "dword ptr ";
    case 6: return "fword ptr ";
    case 8: return "qword ptr ";
    case 10: return "tbyte ptr ";
    case 16: return "xmmword ptr ";
    default: return "";
    }
}

std::string address(const MemOperand& m) {
    const char* const* names = m.addr_size == 2 ? kReg16 : kReg32;
    std::string text;
    if (m.base != MemOperand::kNone) text = names[m.base];
    if (m.index != MemOperand::kNone) {
        if (!text.empty()) text += '+';
        text += names[m.index];
        if (m.scale != 1) text += '*' + std::to_string(m.scale);
    }
    if (text.empty()) return hex(m.addr_size == 2 ? m.disp & 0xffff : m.disp);
    const bool negative = (m.disp & 0x80000000) != 0;
    if (m.disp != 0) text += (negative ? '-' : '+') + hex(negative ? 0 - m.disp : m.disp);
    return text;
}

std::string memory(const Insn& insn, unsigned i) {
    const MemOperand& m = insn.mem;
    const Seg by_default = m.base == kEbp || m.base == kEsp ? kSs : kDs;
    std::string text = size_name(insn.operand[i].width);
    if (m.seg != by_default && insn.op != Op::Lea) text += std::string(kSeg[m.seg]) + ':';
    return text + '[' + address(m) + ']';
}

std::string branch_target(const Insn& insn, u32 eip) {
    const u32 target = eip + insn.length + insn.imm;
    return hex(insn.op_size == 2 ? target & 0xffff : target);
}

std::string operand(const Insn& insn, unsigned i, u32 eip) {
    const Operand& o = insn.operand[i];
    switch (o.kind) {
    case OperandKind::Reg: return o.width == 1 ? kReg8[o.reg] : o.width == 2 ? kReg16[o.reg] : kReg32[o.reg];
    case OperandKind::Mem: return memory(insn, i);
    case OperandKind::Imm: {
        const bool second = i != 0 && insn.operand[i - 1].kind == OperandKind::Imm;
        const u32 value = second ? insn.imm2 : insn.imm;
        return hex(o.width == 1 ? value & 0xff : o.width == 2 ? value & 0xffff : value);
    }
    case OperandKind::Rel: return branch_target(insn, eip);
    case OperandKind::Far: return hex(insn.imm2) + ':' + hex(insn.imm);
    case OperandKind::SegReg: return kSeg[o.reg];
    case OperandKind::Cr: return numbered("cr", o.reg);
    case OperandKind::Dr: return numbered("dr", o.reg);
    case OperandKind::St: return numbered("st", o.reg);
    case OperandKind::Mmx: return numbered("mm", o.reg);
    case OperandKind::Xmm: return numbered("xmm", o.reg);
    case OperandKind::None: break;
    }
    return "?";
}

// Strings and XLAT are complete with their mnemonic, but a source segment that is not DS has to be seen.
bool implied_operands(Op op) {
    switch (op) {
    case Op::Movs: case Op::Cmps: case Op::Scas: case Op::Lods: case Op::Stos: case Op::Ins: case Op::Outs: case Op::Xlat:
        return true;
    default:
        return false;
    }
}

std::string prefixes(const Insn& insn) {
    std::string text = insn.lock ? "lock " : "";
    if (insn.rep == Rep::None) return text;
    if (insn.rep == Rep::Repne) return text + "repne ";
    return text + (insn.op == Op::Cmps || insn.op == Op::Scas ? "repe " : "rep ");
}

}  // namespace

std::string disassemble(const Insn& insn, u32 eip) {
    if (insn.op == Op::Invalid) return "(invalid)";
    std::string text = prefixes(insn);
    if (implied_operands(insn.op)) {
        const bool source = insn.mem.base != kEdi;
        if (source && insn.mem.seg != kDs) text += std::string(kSeg[insn.mem.seg]) + ' ';
        return text + mnemonic(insn);
    }
    text += mnemonic(insn);
    for (unsigned i = 0; i < insn.operand_count; ++i) text += (i == 0 ? " " : ", ") + operand(insn, i, eip);
    return text;
}

}  // namespace vmm::tcg
