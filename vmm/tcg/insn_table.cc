// SPDX-License-Identifier: Apache-2.0
// Reads the rows of the instruction table once and builds the lookup arrays of decode(). A row that cannot be read, or
// that claims an encoding twice, is our bug and aborts. Notation: insn_table.h.
#include "vmm/tcg/insn_table.h"

#include <string_view>

#include "vmm/check.h"

namespace vmm::tcg {
namespace {

using std::string_view;

string_view next_token(string_view& text, char separator) {
    const auto end = text.find(separator);
    const string_view token = text.substr(0, end);
    text = end == string_view::npos ? string_view{} : text.substr(end + 1);
    return token;
}

u8 hex_byte(string_view text) {
    unsigned value = 0;
    CHECK(text.size() >= 2, "instruction table: a byte has two digits");
    for (const char c : text.substr(0, 2)) {
        const bool digit = c >= '0' && c <= '9';
        CHECK(digit || (c >= 'A' && c <= 'F'), "instruction table: not a hexadecimal digit");
        value = value * 16 + static_cast<unsigned>(digit ? c - '0' : c - 'A' + 10);
    }
    return static_cast<u8>(value);
}

// "58", "0F 58", "F3 0F 58", "C7 /0", "D8 C0+i", "40+r", "0F 80+cc", "NP 0F 12 /m".
Encoding parse_encoding(string_view text) {
    Encoding e;
    string_view token = next_token(text, ' ');
    if (token == "NP") e.no_prefix = true;
    if (token == "66" || token == "F2" || token == "F3") e.prefix = hex_byte(token);
    if (e.no_prefix || e.prefix != 0) token = next_token(text, ' ');
    if (token == "0F") {
        e.two_byte = true;
        token = next_token(text, ' ');
    }
    e.opcode = hex_byte(token);
    if (token.ends_with("+r")) e.opcode_count = static_cast<u8>(8 - (e.opcode & 7));
    if (token.ends_with("+cc")) e.opcode_count = 16;
    if (text.empty()) return e;
    if (text[0] == '/') {
        const bool digit = text.size() > 1 && text[1] >= '0' && text[1] <= '7';
        if (digit) e.modrm = static_cast<u8>(text[1] - '0');
        if (text.ends_with("m")) e.rule = digit ? ModrmRule::DigitMem : ModrmRule::AnyMem;
        else if (text.ends_with("r")) e.rule = digit ? ModrmRule::DigitReg : ModrmRule::AnyReg;
        else e.rule = ModrmRule::Digit;
    } else {
        e.rule = ModrmRule::Exact;
        e.modrm = hex_byte(text);
        if (text.ends_with("+i")) e.modrm_count = 8;
    }
    return e;
}

u8 parse_width(string_view letters) {
    struct Name { string_view letters; u8 width; };
    constexpr Name kNames[] = {{"b", 1}, {"w", 2}, {"d", 4}, {"q", 8}, {"t", 10}, {"dq", 16}, {"x", 16}, {"0", 0}, {"s", kWidthV},
                               {"v", kWidthV}, {"z", kWidthV}, {"p", kWidthP}, {"a", kWidthA}, {"u", kWidthU}, {"k", kWidthK}};
    for (const Name& n : kNames)
        if (n.letters == letters) return n.width;
    CHECK(false, "instruction table: unknown width letters");
    return 0;
}

OperandCode parse_operand(string_view text) {
    struct Name { string_view text; OperandCode code; };
    constexpr Name kNames[] = {
        {"AL", {Source::RegFixed, 1, kEax}}, {"CL", {Source::RegFixed, 1, kEcx}}, {"AX", {Source::RegFixed, 2, kEax}},
        {"DX", {Source::RegFixed, 2, kEdx}}, {"eAX", {Source::RegFixed, kWidthV, kEax}}, {"1", {Source::One, 1, 0}},
        {"ES", {Source::SegFixed, kWidthV, kEs}}, {"CS", {Source::SegFixed, kWidthV, kCs}},
        {"SS", {Source::SegFixed, kWidthV, kSs}}, {"DS", {Source::SegFixed, kWidthV, kDs}},
        {"FS", {Source::SegFixed, kWidthV, kFs}}, {"GS", {Source::SegFixed, kWidthV, kGs}},
        {"ST", {Source::St0, 10, 0}}, {"STi", {Source::StRm, 10, 0}}, {"BBb", {Source::XlatMem, 1, 0}},
    };
    for (const Name& n : kNames)
        if (n.text == text) return n.code;
    struct Letter { char letter; Source source; };
    constexpr Letter kLetters[] = {
        {'A', Source::Far}, {'C', Source::CrField}, {'D', Source::DrField}, {'E', Source::RegRm}, {'G', Source::RegReg},
        {'I', Source::Imm}, {'J', Source::Rel}, {'M', Source::MemOnly}, {'N', Source::MmxRmOnly}, {'O', Source::Offset},
        {'P', Source::MmxReg}, {'Q', Source::MmxRm}, {'R', Source::RegRmOnly}, {'S', Source::SegField},
        {'U', Source::XmmRmOnly}, {'V', Source::XmmReg}, {'W', Source::XmmRm}, {'X', Source::StringX},
        {'Y', Source::StringY}, {'Z', Source::RegOpcode},
    };
    for (const Letter& l : kLetters) {
        if (l.letter != text[0]) continue;
        const string_view width = text.substr(1);
        return {width == "s" ? Source::ImmSigned : l.source, parse_width(width), 0};
    }
    CHECK(false, "instruction table: unknown operand");
    return {};
}

bool in_modrm(Source s) {
    switch (s) {
    case Source::RegReg: case Source::RegRm: case Source::RegRmOnly: case Source::MemOnly: case Source::SegField:
    case Source::CrField: case Source::DrField: case Source::StRm: case Source::MmxReg: case Source::MmxRm:
    case Source::MmxRmOnly: case Source::XmmReg: case Source::XmmRm: case Source::XmmRmOnly:
        return true;
    default:
        return false;
    }
}

// FCMOVcc: DA for the condition, DB for its opposite.
u8 fcmov_condition(const Encoding& e) {
    constexpr u8 kConditions[4] = {2, 4, 6, 10};  // B, E, BE, U (parity)
    return static_cast<u8>(kConditions[e.modrm >> 3 & 3] | (e.opcode == 0xdb ? 1 : 0));
}

bool takes_slot(const Encoding& e, unsigned slot) {
    if (e.no_prefix) return slot == kSlotNone;
    switch (e.prefix) {
    case 0x66: return slot == kSlot66;
    case 0xf3: return slot == kSlotF3;
    case 0xf2: return slot == kSlotF2;
    default: return true;
    }
}

}  // namespace

u16 condition_flags(unsigned cond) {
    constexpr u32 kFlags[8] = {kOf, kCf, kZf, kCf | kZf, kSf, kPf, kSf | kOf, kZf | kSf | kOf};
    return static_cast<u16>(kFlags[cond >> 1 & 7]);
}

InsnTables::InsnTables() {
    for (const auto rows : {integer_rows(), system_rows(), x87_rows(), simd_rows()}) {
        // Rows of a mandatory prefix take their slot before rows that take whatever is left.
        for (const Row& row : rows)
            if (const Encoding e = parse_encoding(row.encoding); e.prefix != 0 || e.no_prefix) add(row);
        for (const Row& row : rows)
            if (const Encoding e = parse_encoding(row.encoding); e.prefix == 0 && !e.no_prefix) add(row);
    }
}

void InsnTables::add(const Row& row) {
    Encoding e = parse_encoding(row.encoding);
    CompiledForm c;
    u16 attributes = row.attributes;
    bool mem_only = false;
    bool reg_only = false;
    for (string_view text = row.operands; !text.empty();) {
        const string_view token = next_token(text, ',');
        if (token == "BD") {
            c.implied_edi = true;
            continue;
        }
        const OperandCode code = parse_operand(token);
        if (code.source == Source::MemOnly) mem_only = true;
        if (code.source == Source::MmxRmOnly || code.source == Source::XmmRmOnly) reg_only = true;
        if (code.source == Source::CrField || code.source == Source::DrField) c.ignores_mod = true;
        if (in_modrm(code.source)) c.has_modrm = true;
        const bool memory = code.source == Source::MemOnly || code.source == Source::XmmRm;
        if (memory && token.ends_with("dq")) attributes |= kAlign16;
        c.operand[c.operand_count++] = code;
    }
    if (e.rule != ModrmRule::None) c.has_modrm = true;
    if (c.has_modrm && e.rule == ModrmRule::None)
        e.rule = mem_only ? ModrmRule::AnyMem : reg_only ? ModrmRule::AnyReg : ModrmRule::Any;
    if (mem_only) attributes |= kMemOnly;
    if (row.op == Op::Fcmov) c.cond = fcmov_condition(e);

    const bool by_condition = e.opcode_count == 16;
    for (unsigned i = 0; i < (by_condition ? 16u : 1u); ++i) {
        Form form{row.op, row.operands, row.flags.read, row.flags.written, row.flags.undefined, row.flags.undefined_set,
                  attributes};
        if (by_condition) {
            form.flags_read |= condition_flags(i);
            c.cond = static_cast<u8>(i);
        }
        Encoding one = e;
        if (by_condition) {
            one.opcode = static_cast<u8>(e.opcode + i);
            one.opcode_count = 1;
            one.cond = c.cond;
        }
        forms.push_back(form);
        compiled.push_back(c);
        encodings.push_back(one);
        const auto entry = static_cast<u16>(forms.size());
        for (unsigned opcode = one.opcode; opcode < one.opcode + unsigned{one.opcode_count}; ++opcode)
            for (unsigned slot = 0; slot < 4; ++slot)
                if (takes_slot(one, slot)) place(one, opcode, slot, entry);
    }
}

void InsnTables::place(const Encoding& where, unsigned opcode, unsigned slot, u16 entry) {
    u16& cell = map[where.two_byte ? 1 : 0][opcode][slot];
    const bool leftover = where.prefix == 0 && !where.no_prefix;
    if (where.rule == ModrmRule::None || where.rule == ModrmRule::Any) {
        CHECK(cell == 0 || leftover, "instruction table: two forms for one opcode");
        if (cell == 0) cell = entry;
        return;
    }
    if (cell == 0) {
        groups.emplace_back();
        cell = static_cast<u16>(kGroup | (groups.size() - 1));
    }
    CHECK((cell & kGroup) != 0, "instruction table: a group and a form for one opcode");
    auto& group = groups[cell & ~kGroup];
    const auto claim = [&](unsigned index) {
        CHECK(group[index] == 0, "instruction table: two forms for one ModRM byte");
        group[index] = entry;
    };
    const bool memory = where.rule == ModrmRule::AnyMem || where.rule == ModrmRule::Digit || where.rule == ModrmRule::DigitMem;
    const bool registers = where.rule == ModrmRule::AnyReg || where.rule == ModrmRule::Digit || where.rule == ModrmRule::DigitReg;
    const bool any = where.rule == ModrmRule::AnyMem || where.rule == ModrmRule::AnyReg;
    for (unsigned reg = 0; reg < 8; ++reg) {
        if (!any && reg != where.modrm) continue;
        if (memory) claim(reg);
        for (unsigned rm = 0; registers && rm < 8; ++rm) claim(8 + reg * 8 + rm);
    }
    if (where.rule == ModrmRule::Exact)
        for (unsigned i = 0; i < where.modrm_count; ++i) claim(8 + ((where.modrm + i) & 63));
}

const InsnTables& insn_tables() {
    static const InsnTables tables;
    return tables;
}

std::span<const Form> all_forms() { return insn_tables().forms; }

const char* op_name(Op op) {
    static constexpr const char* kNames[] = {
#define X(name) #name,
        VMM_TCG_OPS_INTEGER(X) VMM_TCG_OPS_X87(X) VMM_TCG_OPS_SIMD(X)
#undef X
    };
    const auto index = static_cast<unsigned>(op);
    return index < std::size(kNames) ? kNames[index] : "?";
}

}  // namespace vmm::tcg
