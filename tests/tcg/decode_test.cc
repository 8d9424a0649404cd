// SPDX-License-Identifier: Apache-2.0
// The decoder against Zydis: validity and length agree for every opcode and ModRM byte of the one-byte and two-byte maps
// under many prefixes, in 16 and 32-bit code, and every form of the table is reached; the disassembly agrees in text.
#include <gtest/gtest.h>

#include <iomanip>
#include <random>
#include <set>
#include <sstream>
#include <vector>

#include "tests/tcg/zydis_oracle.h"
#include "vmm/tcg/insn_table.h"

namespace vmm::tcg {
namespace {

std::string hex(std::span<const u8> bytes) {
    std::ostringstream out;
    for (const u8 b : bytes) out << std::hex << std::setw(2) << std::setfill('0') << unsigned{b} << ' ';
    return out.str();
}

const std::vector<std::vector<u8>> kPrefixes = {
    {}, {0x66}, {0xf3}, {0xf2}, {0x67}, {0xf0}, {0x66, 0xf3}, {0xf2, 0x66}, {0xf2, 0xf3}, {0x66, 0x67, 0x26, 0x64}, {0xf3, 0xf0},
};

// Calls `visit(bytes)` for every opcode and ModRM byte (or one in `stride`) under every prefix, the rest random.
template <class Visit>
void every_opcode(Visit visit, unsigned stride = 1) {
    std::mt19937 random(20261101);
    for (const auto& prefix : kPrefixes) {
        for (unsigned code = 0; code < 0x20000; code += stride) {
            std::vector<u8> bytes = prefix;
            if ((code & 0x10000) != 0) bytes.push_back(0x0f);
            bytes.push_back(static_cast<u8>(code >> 8));
            bytes.push_back(static_cast<u8>(code));
            while (bytes.size() < 15) bytes.push_back(static_cast<u8>(random()));
            visit(bytes);
        }
    }
}

void compare_with_zydis(bool code32) {
    test::Zydis zydis(code32);
    unsigned differences = 0;
    std::set<const Form*> reached;
    every_opcode([&](const std::vector<u8>& bytes) {
        Insn insn;
        const bool ours = decode(bytes, code32, insn) == DecodeStatus::Ok;
        const bool theirs = zydis.decode(bytes) && !zydis.newer();
        if (ours) reached.insert(insn.form);
        if (ours == theirs && (!ours || insn.length == zydis.length())) return;
        if (++differences > 20) return;
        ADD_FAILURE() << hex(bytes) << "ours: " << (ours ? op_name(insn.op) : "invalid") << ' ' << int{insn.length}
                      << "; Zydis: " << (theirs ? zydis.mnemonic() : "invalid") << ' ' << zydis.length();
    });
    EXPECT_EQ(differences, 0u);
    for (const Form& form : all_forms()) EXPECT_TRUE(reached.contains(&form)) << op_name(form.op) << ' ' << form.operands;
    std::cout << reached.size() << " of " << all_forms().size() << " forms\n";
}

TEST(Decode, AgreesWithZydisOnValidityAndLengthIn32BitCode) { compare_with_zydis(true); }
TEST(Decode, AgreesWithZydisOnValidityAndLengthIn16BitCode) { compare_with_zydis(false); }

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

// Zydis' text in our spelling: no scale of 1, no segment that is the default anyway, targets of 32 bits, RETF, no hints of
// transactional memory, 8087 instructions that do nothing by what they are now.
std::string in_our_spelling(std::string text) {
    for (const char* const dropped : {"far ", "xacquire ", "xrelease ", "8087_nop", "287_nop", "fword ptr "}) replace_all(text, dropped, "");
    replace_all(text, "fstpnce", "fstp");
    replace_all(text, "*1]", "]");
    replace_all(text, "*1+", "+");
    replace_all(text, "*1-", "-");
    replace_all(text, "ss:[bp", "[bp");
    replace_all(text, "ss:[e", text.find("ss:[ebp") != std::string::npos || text.find("ss:[esp") != std::string::npos ? "[e" : "ss:[e");
    const auto ds = text.find("ds:[");
    if (ds != std::string::npos && text.compare(ds + 4, 2, "bp") != 0 && text.compare(ds + 4, 3, "ebp") != 0 &&
        text.compare(ds + 4, 3, "esp") != 0)
        text.erase(ds, 3);
    const auto wide = text.find("0xffffffff");
    if (wide != std::string::npos && text.size() - wide == 18) text.erase(wide + 2, 8);
    return text;
}

// Spelt another way on purpose.
bool spelt_differently(const Insn& insn) {
    switch (insn.op) {
    case Op::Movs: case Op::Cmps: case Op::Lods: case Op::Outs: case Op::Xlat:
        return insn.mem.seg != kDs;                               // Zydis hides the segment
    case Op::CallFar: case Op::JmpFar: return true;               // Zydis pads selector and offset
    case Op::CallFarInd: case Op::JmpFarInd: return insn.operand[0].width == 6;   // "fword ptr" was dropped above
    case Op::RetFar: return true;                                 // "ret far"
    case Op::Les: case Op::Lds: case Op::Lss: case Op::Lfs: case Op::Lgs: return insn.operand[1].width == 6;
    case Op::Lar: case Op::Lsl: return !insn.is_mem(1);           // Zydis widens a register as source
    case Op::Ud: case Op::Clflush: return true;                   // Zydis' own idea of operand sizes
    case Op::Nop: return insn.has_modrm;                          // 0F 0D-1F: names of later instructions
    case Op::Fsetpm: case Op::Fucomp: return true;
    default: return false;
    }
}

void compare_text_with_zydis(bool code32) {
    test::Zydis zydis(code32);
    unsigned compared = 0;
    unsigned differences = 0;
    every_opcode([&](const std::vector<u8>& bytes) {
        Insn insn;
        if (decode(bytes, code32, insn) != DecodeStatus::Ok || spelt_differently(insn)) return;
        const std::string ours = disassemble(insn, 0x1000);
        const std::string theirs = in_our_spelling(zydis.text(bytes, 0x1000));
        ++compared;
        if (ours == theirs || ++differences > 20) return;
        ADD_FAILURE() << hex(bytes) << "\n  ours  " << ours << "\n  Zydis " << theirs;
    }, 13);
    EXPECT_EQ(differences, 0u);
    EXPECT_GT(compared, 10000u);
}

TEST(Decode, DisassemblesAsZydisDoesIn32BitCode) { compare_text_with_zydis(true); }
TEST(Decode, DisassemblesAsZydisDoesIn16BitCode) { compare_text_with_zydis(false); }

TEST(Decode, EveryShorterPrefixOfAnInstructionIsTruncated) {
    std::mt19937 random(7);
    for (unsigned n = 0; n < 200000; ++n) {
        std::array<u8, 15> bytes;
        for (u8& b : bytes) b = static_cast<u8>(random());
        Insn insn;
        if (decode(bytes, true, insn) != DecodeStatus::Ok) continue;
        const unsigned length = insn.length;
        for (unsigned cut = 0; cut < length; ++cut)
            ASSERT_EQ(decode({bytes.data(), cut}, true, insn), DecodeStatus::Truncated) << hex(bytes) << cut;
        ASSERT_EQ(decode({bytes.data(), length}, true, insn), DecodeStatus::Ok) << hex(bytes);
    }
}

TEST(Decode, SixteenBytesAreTooLong) {
    std::array<u8, 16> bytes;
    bytes.fill(0x66);
    bytes[14] = 0x90;
    Insn insn;
    EXPECT_EQ(decode(bytes, true, insn), DecodeStatus::Ok);
    EXPECT_EQ(insn.length, 15);
    bytes[14] = 0x66;
    bytes[15] = 0x90;
    EXPECT_EQ(decode(bytes, true, insn), DecodeStatus::TooLong);
}

TEST(Decode, BasesOfTheStackUseTheStackSegment) {
    Insn insn;
    const u8 ebp[] = {0x8b, 0x45, 0x08};        // mov eax, [ebp+8]
    const u8 esp[] = {0x8b, 0x04, 0x24};        // mov eax, [esp]
    const u8 index[] = {0x8b, 0x04, 0x28};      // mov eax, [eax+ebp]
    const u8 absolute[] = {0x8b, 0x05, 1, 2, 3, 4};
    const u8 override_ds[] = {0x3e, 0x8b, 0x45, 0x08};
    ASSERT_EQ(decode(ebp, true, insn), DecodeStatus::Ok);
    EXPECT_EQ(insn.mem.seg, kSs);
    ASSERT_EQ(decode(esp, true, insn), DecodeStatus::Ok);
    EXPECT_EQ(insn.mem.seg, kSs);
    EXPECT_EQ(insn.mem.index, MemOperand::kNone);
    ASSERT_EQ(decode(index, true, insn), DecodeStatus::Ok);
    EXPECT_EQ(insn.mem.seg, kDs);
    ASSERT_EQ(decode(absolute, true, insn), DecodeStatus::Ok);
    EXPECT_EQ(insn.mem.seg, kDs);
    EXPECT_EQ(insn.mem.disp, 0x04030201u);
    ASSERT_EQ(decode(override_ds, true, insn), DecodeStatus::Ok);
    EXPECT_EQ(insn.mem.seg, kDs);
}

TEST(Decode, ConditionsReadTheFlagsTheyTest) {
    Insn insn;
    const u8 jbe[] = {0x76, 0x00};
    const u8 fcmovnu[] = {0xdb, 0xd9};
    ASSERT_EQ(decode(jbe, true, insn), DecodeStatus::Ok);
    EXPECT_EQ(insn.cond, 6);
    EXPECT_EQ(insn.form->flags_read, kCf | kZf);
    ASSERT_EQ(decode(fcmovnu, true, insn), DecodeStatus::Ok);
    EXPECT_EQ(insn.cond, 11);
    EXPECT_EQ(insn.operand[1].reg, 1);
}

}  // namespace
}  // namespace vmm::tcg
