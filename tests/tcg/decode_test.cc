// SPDX-License-Identifier: Apache-2.0
// The decoder against Zydis: validity and length agree for every opcode and ModRM byte of the one-byte and two-byte maps
// under many prefixes, in 16 and 32-bit code; and every form of the table is reached.
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
    {}, {0x66}, {0xf3}, {0xf2}, {0x67}, {0xf0}, {0x66, 0xf3}, {0xf2, 0x66}, {0xf2, 0xf3}, {0xf3, 0xf2}, {0x2e},
    {0x66, 0x67, 0x26, 0x64}, {0xf0, 0x66}, {0xf3, 0xf0}, {0xf0, 0xf2},
};

// Calls `visit(bytes)` for every opcode and ModRM byte under every prefix, the rest random.
template <class Visit>
void every_opcode(Visit visit) {
    std::mt19937 random(20261101);
    for (const auto& prefix : kPrefixes) {
        for (unsigned code = 0; code < 0x20000; ++code) {
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
    every_opcode([&](const std::vector<u8>& bytes) {
        Insn insn;
        const bool ours = decode(bytes, code32, insn) == DecodeStatus::Ok;
        const bool theirs = zydis.decode(bytes) && !zydis.newer();
        if (ours == theirs && (!ours || insn.length == zydis.length())) return;
        if (++differences > 20) return;
        ADD_FAILURE() << hex(bytes) << "ours: " << (ours ? op_name(insn.op) : "invalid") << ' ' << int{insn.length}
                      << "; Zydis: " << (theirs ? zydis.mnemonic() : "invalid") << ' ' << zydis.length();
    });
    EXPECT_EQ(differences, 0u);
}

TEST(Decode, AgreesWithZydisOnValidityAndLengthIn32BitCode) { compare_with_zydis(true); }
TEST(Decode, AgreesWithZydisOnValidityAndLengthIn16BitCode) { compare_with_zydis(false); }

TEST(Decode, EveryFormOfTheTableIsReachable) {
    std::set<const Form*> reached;
    every_opcode([&](const std::vector<u8>& bytes) {
        Insn insn;
        if (decode(bytes, true, insn) == DecodeStatus::Ok) reached.insert(insn.form);
    });
    for (const Form& form : all_forms()) EXPECT_TRUE(reached.contains(&form)) << op_name(form.op) << ' ' << form.operands;
    std::cout << reached.size() << " of " << all_forms().size() << " forms\n";
}

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
