// SPDX-License-Identifier: Apache-2.0
// Cases of what loads and looks at segments, transfers far, raises interrupts or is for the system only: selectors that the
// host has with the same meaning, far pointers and stack frames made of them. Where chance could make a selector that means
// something else to the host's kernel (its 64-bit code segment above all), there is no case.
#include <algorithm>
#include <cstring>

#include "tests/tcg/case_generator.h"
#include "tests/tcg/user_engine.h"

namespace vmm::test {

using namespace tcg;

u16 CaseGenerator::selector(bool code) {
    const u16 rpl = static_cast<u16>(one_in(6) ? below(4) : 3);
    switch (below(16)) {
    case 0: return static_cast<u16>(below(4));                                       // null
    case 1: return static_cast<u16>((one_in(2) ? 8u : 0x18u) | rpl);                  // the kernel's
    case 2: return static_cast<u16>((kFlatCode & ~7) | rpl);
    case 3: return static_cast<u16>((kFlatData & ~7) | rpl);
    case 4: return static_cast<u16>((9 + below(3)) << 3 | 4 | rpl);                   // past the table
    case 5: case 6: return static_cast<u16>(below(std::size(kLdt)) << 3 | 4 | rpl);
    default: return static_cast<u16>((code ? below(2) : 2 + below(6)) << 3 | 4 | rpl);
    }
}

// Where a far transfer may go: mostly into the code pages.
u32 CaseGenerator::code_offset(const NativeCase& c, u16 code) {
    if (one_in(8)) return value();
    const u32 linear = c.code_at + below(64);
    return code >> 2 == kFlatCode >> 2 ? linear : linear - kCodeBase;
}

bool CaseGenerator::choose_system(const Insn& insn, NativeCase& c) {
    NativeState& s = c.state;
    const Segment stack = segment_of(s.seg[kNativeSs]);
    const u32 top = stack.base + (stack.big() ? s.gpr[kEsp] : s.gpr[kEsp] & 0xffff);
    const unsigned size = insn.op_size;
    u8 bytes[12];
    unsigned length = 0;
    const auto put = [&](u32 v, unsigned n) {
        std::memcpy(bytes + length, &v, n);
        length += n;
    };
    // A selector in a register or in memory.
    const auto operand = [&](unsigned i, u16 v) {
        if (insn.is_reg(i)) {
            u32& r = s.gpr[insn.operand[i].reg];
            r = (r & 0xffff0000) | v;
            return true;
        }
        put(v, 2);
        return patch(c, operand_at(insn, c), {bytes, length});
    };
    switch (insn.op) {
    case Op::Pushf: c.sequence = 1; return true;                     // a single step would push TF
    case Op::Popf:
        put((*this)() & ~(kTf | kNt | kId | kRf), size);
        c.sequence = 1;
        return patch(c, top, {bytes, length}) || one_in(4);
    case Op::MovSeg: case Op::PopSeg: case Op::Lss: {
        // MOV SS keeps the trap of the step away.
        const u8 segment = insn.op == Op::Lss ? u8{kSs} : insn.operand[0].reg;
        const bool loads = insn.op != Op::MovSeg || insn.operand[0].kind == OperandKind::SegReg;
        if (!loads) return true;
        if (segment == kSs) c.sequence = 1;
        if (insn.op == Op::MovSeg) return operand(1, selector(false));
        if (insn.op == Op::PopSeg) {
            put(selector(false), size);
            return patch(c, top, {bytes, length});
        }
        [[fallthrough]];
    }
    case Op::Lds: case Op::Les: case Op::Lfs: case Op::Lgs:
        put(value(), size), put(selector(false), 2);
        return patch(c, operand_at(insn, c), {bytes, length});
    case Op::Lar: case Op::Lsl: return operand(1, selector(one_in(2)));
    case Op::Verr: case Op::Verw: return operand(0, selector(one_in(2)));
    case Op::Arpl: return true;
    case Op::JmpFar: case Op::CallFar: {
        const u16 to = selector(true);
        put(code_offset(c, to), size), put(to, 2);
        std::memcpy(c.code + insn.length - length, bytes, length);
        return true;
    }
    case Op::JmpFarInd: case Op::CallFarInd: {
        const u16 to = selector(true);
        put(code_offset(c, to), size), put(to, 2);
        return patch(c, operand_at(insn, c), {bytes, length});
    }
    case Op::RetFar: case Op::Iret: {
        const u16 to = selector(true);
        put(code_offset(c, to), size), put(to, size);
        if (insn.op == Op::Iret) put((*this)() & ~(kTf | kNt | kId | kRf | kVm), size);
        return patch(c, top, {bytes, length});
    }
    // 80 is a system call there.
    case Op::Int: return insn.imm != 0x80;
    default: return true;
    }
}

}  // namespace vmm::test
