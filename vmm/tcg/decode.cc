// SPDX-License-Identifier: Apache-2.0
// The decoder: prefixes, one lookup by opcode, prefix slot and ModRM, then the operands of the form found.
// Done: i386 to SSE3 in 16 and 32-bit code. String instructions name their memory by the operands' widths: Insn::mem is
// [eSI] with its segment where the instruction has such an operand, else ES:[eDI]; [eDI] beside [eSI] is implied. XLAT's
// Insn::mem is [eBX] without AL, MASKMOVQ's is [eDI]. Reference: Intel SDM volume 2 chapter 2.
#include "vmm/tcg/decode.h"

#include "vmm/tcg/insn_table.h"

namespace vmm::tcg {
namespace {

constexpr unsigned kMaxLength = 15;

struct Prefixes {
    bool data16 = false, addr16 = false, lock = false;
    u8 segment = MemOperand::kNone;
    Slot repeat = kSlotNone;   // the last of F2 and F3
};

class Reader {
  public:
    explicit Reader(std::span<const u8> bytes)
        : bytes_(bytes.data()), end_(static_cast<unsigned>(bytes.size() < kMaxLength ? bytes.size() : kMaxLength)) {}

    // Past the end: 0, and status() tells.
    u8 byte() { return position_ < end_ ? bytes_[position_++] : missing(); }
    u16 word() {
        const u8 low = byte();
        return static_cast<u16>(low | byte() << 8);
    }
    u32 dword() {
        const u16 low = word();
        return low | u32{word()} << 16;
    }
    u32 value(unsigned size) { return size == 1 ? byte() : size == 2 ? word() : dword(); }
    u32 signed_value(unsigned size) {
        const u32 v = value(size);
        return size == 1 ? static_cast<u32>(static_cast<i8>(v)) : size == 2 ? static_cast<u32>(static_cast<i16>(v)) : v;
    }

    unsigned position() const { return position_; }
    bool short_of_bytes() const { return short_; }
    DecodeStatus status() const { return end_ == kMaxLength ? DecodeStatus::TooLong : DecodeStatus::Truncated; }

  private:
    u8 missing() {
        short_ = true;
        return 0;
    }
    const u8* bytes_;
    unsigned end_;
    unsigned position_ = 0;
    bool short_ = false;
};

void read_address16(Reader& in, u8 modrm, MemOperand& mem) {
    constexpr u8 kNone = MemOperand::kNone;
    constexpr u8 kBase[8] = {kEbx, kEbx, kEbp, kEbp, kEsi, kEdi, kEbp, kEbx};
    constexpr u8 kIndex[8] = {kEsi, kEdi, kEsi, kEdi, kNone, kNone, kNone, kNone};
    const unsigned mod = modrm >> 6;
    const unsigned rm = modrm & 7;
    if (mod == 0 && rm == 6) {
        mem.disp = in.word();
        return;
    }
    mem.base = kBase[rm];
    mem.index = kIndex[rm];
    if (mod != 0) mem.disp = in.signed_value(mod);
}

void read_address32(Reader& in, u8 modrm, MemOperand& mem) {
    const unsigned mod = modrm >> 6;
    u8 base = modrm & 7;
    if (base == 4) {
        const u8 sib = in.byte();
        base = sib & 7;
        if ((sib >> 3 & 7) != 4) {
            mem.index = sib >> 3 & 7;
            mem.scale = static_cast<u8>(1 << (sib >> 6));
        }
    }
    if (base == 5 && mod == 0) {
        mem.disp = in.dword();
        return;
    }
    mem.base = base;
    if (mod != 0) mem.disp = in.signed_value(mod == 1 ? 1 : 4);
}

class Decoder {
  public:
    Decoder(std::span<const u8> bytes, bool code32, Insn& out) : in_(bytes), insn_(out), code32_(code32) {}

    DecodeStatus run() {
        insn_ = Insn{};
        const DecodeStatus status = decode();
        insn_.length = static_cast<u8>(in_.position() == 0 ? 1 : in_.position());
        if (status == DecodeStatus::Ok) return status;
        insn_.op = Op::Invalid;
        insn_.form = nullptr;
        return status;
    }

  private:
    DecodeStatus decode() {
        u8 opcode = read_prefixes();
        const u8 escape = opcode;
        const unsigned map = opcode == 0x0f ? 1 : 0;
        if (map == 1) opcode = in_.byte();
        if (in_.short_of_bytes()) return in_.status();
        const Slot slot = prefix_.repeat != kSlotNone ? prefix_.repeat : prefix_.data16 ? kSlot66 : kSlotNone;
        const InsnTables& tables = insn_tables();
        u16 entry = tables.map[map][opcode][slot];
        if ((entry & kGroup) != 0) {
            read_modrm();
            if (in_.short_of_bytes()) return in_.status();
            const auto& group = tables.groups[entry & ~kGroup];
            entry = insn_.modrm >= 0xc0 ? group[8 + (insn_.modrm & 63)] : group[insn_.modrm >> 3 & 7];
        }
        if (entry == 0) return DecodeStatus::Invalid;
        const CompiledForm& form = tables.compiled[entry - 1];
        insn_.form = &tables.forms[entry - 1];
        insn_.op = insn_.form->op;
        insn_.op_size = prefix_.data16 == code32_ ? 2 : 4;
        insn_.mem.addr_size = prefix_.addr16 == code32_ ? 2 : 4;
        insn_.cond = form.cond;
        insn_.lock = prefix_.lock;
        if ((insn_.form->attributes & kString) != 0 && prefix_.repeat != kSlotNone)
            insn_.rep = prefix_.repeat == kSlotF3 ? Rep::Rep : Rep::Repne;
        if (form.has_modrm) {
            if (!insn_.has_modrm) read_modrm();
            if (insn_.modrm < 0xc0 && !form.ignores_mod) read_address();
        }
        if ((insn_.form->attributes & kX87) != 0 && map == 0)
            insn_.x87_opcode = static_cast<u16>((escape & 7) << 8 | insn_.modrm);
        for (unsigned i = 0; i < form.operand_count; ++i)
            if (!read_operand(form.operand[i], opcode)) return DecodeStatus::Invalid;
        if (form.implied_edi) set_string_address(kEdi, kDs, true);
        if (in_.short_of_bytes()) return in_.status();
        if (insn_.lock && ((insn_.form->attributes & kLockable) == 0 || !insn_.is_mem(0))) return DecodeStatus::Invalid;
        return DecodeStatus::Ok;
    }

    // Returns the first byte that is no prefix.
    u8 read_prefixes() {
        for (;;) {
            const u8 byte = in_.byte();
            switch (byte) {
            case 0x26: prefix_.segment = kEs; break;
            case 0x2e: prefix_.segment = kCs; break;
            case 0x36: prefix_.segment = kSs; break;
            case 0x3e: prefix_.segment = kDs; break;
            case 0x64: prefix_.segment = kFs; break;
            case 0x65: prefix_.segment = kGs; break;
            case 0x66: prefix_.data16 = true; break;
            case 0x67: prefix_.addr16 = true; break;
            case 0xf0: prefix_.lock = true; break;
            case 0xf2: prefix_.repeat = kSlotF2; break;
            case 0xf3: prefix_.repeat = kSlotF3; break;
            default: return byte;
            }
        }
    }

    void read_modrm() {
        insn_.modrm = in_.byte();
        insn_.has_modrm = true;
    }

    Seg segment(Seg by_default) const {
        return prefix_.segment == MemOperand::kNone ? by_default : static_cast<Seg>(prefix_.segment);
    }

    void read_address() {
        MemOperand& mem = insn_.mem;
        if (mem.addr_size == 2) read_address16(in_, insn_.modrm, mem);
        else read_address32(in_, insn_.modrm, mem);
        mem.seg = segment(mem.base == kEbp || mem.base == kEsp ? kSs : kDs);
    }

    void set_string_address(Gpr base, Seg by_default, bool override_applies) {
        insn_.mem.base = base;
        insn_.mem.seg = override_applies ? segment(by_default) : by_default;
    }

    u8 width_of(u8 code, bool in_register) const {
        switch (code) {
        case kWidthV: return insn_.op_size;
        case kWidthP: return static_cast<u8>(insn_.op_size + 2);
        case kWidthA: return static_cast<u8>(insn_.op_size * 2);
        case kWidthU: return in_register ? insn_.op_size : u8{2};
        case kWidthK: return in_register ? u8{4} : u8{2};
        default: return code;
        }
    }

    bool read_operand(OperandCode code, u8 opcode) {
        const u8 reg = insn_.modrm >> 3 & 7;
        const u8 rm = insn_.modrm & 7;
        const bool rm_is_reg = insn_.modrm >= 0xc0;
        switch (code.source) {
        case Source::RegReg: return add(OperandKind::Reg, reg, code.width);
        case Source::RegRm: return add(rm_is_reg ? OperandKind::Reg : OperandKind::Mem, rm, code.width);
        case Source::RegRmOnly: return add(OperandKind::Reg, rm, code.width);
        case Source::RegOpcode: return add(OperandKind::Reg, opcode & 7, code.width);
        case Source::RegFixed: return add(OperandKind::Reg, code.reg, code.width);
        case Source::MemOnly: return add(OperandKind::Mem, 0, code.width);
        case Source::Offset:
            insn_.mem.disp = in_.value(insn_.mem.addr_size);
            insn_.mem.seg = segment(kDs);
            return add(OperandKind::Mem, 0, code.width);
        case Source::StringX:
            set_string_address(kEsi, kDs, true);
            return add(OperandKind::Mem, 0, code.width);
        case Source::StringY:
            if (insn_.mem.base != kEsi) set_string_address(kEdi, kEs, false);
            return add(OperandKind::Mem, 0, code.width);
        case Source::XlatMem:
            set_string_address(kEbx, kDs, true);
            return add(OperandKind::Mem, 0, code.width);
        case Source::Imm: return read_immediate(width_of(code.width, false));
        case Source::ImmSigned:
            insn_.imm = in_.signed_value(1);
            return add(OperandKind::Imm, 0, code.width);
        case Source::One:
            insn_.imm = 1;
            return add(OperandKind::Imm, 0, code.width);
        case Source::Rel:
            insn_.imm = in_.signed_value(width_of(code.width, false));
            return add(OperandKind::Rel, 0, code.width);
        case Source::Far:
            insn_.imm = in_.value(insn_.op_size);
            insn_.imm2 = in_.word();
            return add(OperandKind::Far, 0, code.width);
        case Source::SegField: return reg <= kGs && !loads_cs(reg) && add(OperandKind::SegReg, reg, code.width);
        case Source::SegFixed: return add(OperandKind::SegReg, code.reg, code.width);
        case Source::CrField: return (reg == 0 || (reg >= 2 && reg <= 4)) && add(OperandKind::Cr, reg, code.width);
        case Source::DrField: return add(OperandKind::Dr, reg, code.width);
        case Source::St0: return add(OperandKind::St, 0, code.width);
        case Source::StRm: return add(OperandKind::St, rm, code.width);
        case Source::MmxReg: return add(OperandKind::Mmx, reg, code.width);
        case Source::MmxRm: return add(rm_is_reg ? OperandKind::Mmx : OperandKind::Mem, rm, code.width);
        case Source::MmxRmOnly: return add(OperandKind::Mmx, rm, code.width);
        case Source::XmmReg: return add(OperandKind::Xmm, reg, code.width);
        case Source::XmmRm: return add(rm_is_reg ? OperandKind::Xmm : OperandKind::Mem, rm, code.width);
        case Source::XmmRmOnly: return add(OperandKind::Xmm, rm, code.width);
        }
        return false;
    }

    // MOV to CS is #UD; from CS is fine.
    bool loads_cs(u8 reg) const { return reg == kCs && insn_.operand_count == 0; }

    bool read_immediate(unsigned width) {
        const u32 value = in_.value(width);
        const bool second = insn_.operand_count != 0 && insn_.operand[insn_.operand_count - 1].kind == OperandKind::Imm;
        if (second) insn_.imm2 = static_cast<u16>(value);
        else insn_.imm = value;
        return add(OperandKind::Imm, 0, static_cast<u8>(width));
    }

    bool add(OperandKind kind, u8 reg, u8 width) {
        const bool in_register = kind != OperandKind::Mem;
        insn_.operand[insn_.operand_count++] = {kind, kind == OperandKind::Mem ? u8{0} : reg, width_of(width, in_register)};
        return true;
    }

    Reader in_;
    Insn& insn_;
    bool code32_;
    Prefixes prefix_;
};

}  // namespace

DecodeStatus decode(std::span<const u8> bytes, bool code32, Insn& out) { return Decoder(bytes, code32, out).run(); }

}  // namespace vmm::tcg
