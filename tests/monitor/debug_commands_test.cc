// SPDX-License-Identifier: Apache-2.0
// Monitor commands that look into a machine: expressions, memory in all formats, page tables (built by hand after the SDM,
// volume 3, chapter 4), devices. Commands that move the machine are tested in gdb_test.py, through gdb.
#include "vmm/monitor/debug_commands.h"

#include <gtest/gtest.h>

#include <cstring>

#include "vmm/monitor/expression.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

class DebugCommands : public ::testing::Test {
  protected:
    void SetUp() override {
        MachineConfig config;
        config.ram_bytes = 8u << 20;
        auto made = Machine::create(config, {});
        ASSERT_TRUE(made) << made.error().text;
        machine_ = std::move(*made);
        control_ = std::make_unique<Control>(*machine_, RrMode::None, "");
        add_debug_commands(table_);
    }
    std::string run(std::string_view line) {
        std::string out;
        table_.run(line, {*control_, [&](std::string_view t) { out += t; }, [] {}});
        return out;
    }
    template <class T>
    void store(u32 at, T value) {
        u8 bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        machine_->memory().write(GuestPhys{at}, bytes);
    }
    void bytes(u32 at, std::initializer_list<u8> list) {
        for (const u8 b : list) store(at++, b);
    }
    void change(const std::function<void(CpuState&)>& how) {
        CpuState s = machine_->translator().state();
        how(s);
        machine_->translator().set_state(s);
    }
    // 32-bit paging: 0-FFF to itself but user and read-only, 1000 to 5000; 400000 a page of 4 MiB.
    void page_32() {
        store<u32>(0x10000, 0x11000 | 7);
        store<u32>(0x10004, 0x400000 | 0x183);           // global, large
        store<u32>(0x11000, 0x0 | 0x25);                 // accessed
        store<u32>(0x11004, 0x5000 | 0x63);              // accessed, dirty
        change([](CpuState& s) {
            s.cr3 = 0x10000;
            s.cr4 = kCr4Pse | kCr4Pge;
            s.cr0 |= kCr0Pe | kCr0Pg;
        });
    }
    std::unique_ptr<Machine> machine_;
    std::unique_ptr<Control> control_;
    CommandTable table_;
};

TEST_F(DebugCommands, expressions_are_as_in_c) {
    change([](CpuState& s) { s.gpr[kEax] = 0x1000; s.eip = 0x7c00; });
    const std::pair<const char*, u64> cases[] = {{"1+2*3", 7}, {"(1+2)*3", 9}, {"0x10|1", 17}, {"6&3", 2}, {"6^3", 5}, {"017", 15}, {"-1", ~u64{0}},
                                                 {"~0&0xff", 255}, {"7%4", 3}, {"100/7", 14}, {"$eax+4", 0x1004}, {" $pc - $eip ", 0},
                                                 {"'A'", 65}, {"0xffffffffffffffff", ~u64{0}}, {"2-1-1", 0}};
    for (const auto& [text, value] : cases) {
        const auto got = evaluate(*control_, text);
        ASSERT_TRUE(got) << text << ": " << got.error().text;
        EXPECT_EQ(*got, value) << text;
    }
    for (const char* text : {"", "1+", "(1", "1)", "$nothing", "0x", "1/0", "1%0", "zz", "08", "1 2", "0x1ffffffffffffffff", "\xff"})
        EXPECT_FALSE(evaluate(*control_, text)) << text;
    EXPECT_FALSE(evaluate(*control_, std::string(100'000, '(')));
    EXPECT_FALSE(evaluate(*control_, std::string(100'000, '-') + "1"));
}

TEST_F(DebugCommands, memory_in_all_formats) {
    bytes(0x1000, {0x41, 0x42, 0x00, 0xff, 0x01, 0x02, 0x03, 0x84});
    EXPECT_EQ(run("x 0x1000"), "00001000: 0xff004241\n");
    EXPECT_EQ(run("x/2xh 0x1000"), "00001000: 0x4241 0xff00\n");
    EXPECT_EQ(run("xp /1xg 4096"), "00001000: 0x84030201ff004241\n");
    EXPECT_EQ(run("x/2db 0x1003"), "00001003: -1 1\n");
    EXPECT_EQ(run("x/1uw 0x1004"), "00001004: 2214789633\n");
    EXPECT_EQ(run("x/1ob 0x1000"), "00001000: 0101\n");
    EXPECT_EQ(run("x/4c 0x1000"), "00001000: 'A' 'B' '\\x00' '\\xff'\n");
    EXPECT_EQ(run("x/5xw 0x1000 + 0x10"), "00001010: 0x00000000 0x00000000 0x00000000 0x00000000\n00001020: 0x00000000\n");
    EXPECT_EQ(run("x 0xe0000000"), "Error: there is no memory at 0xe0000000\n");
    EXPECT_EQ(run("x/3q 0"), "Error: 'q' is no format: x d u o c i, and b h w g for the size\n");
    EXPECT_EQ(run("x"), "Error: an address is missing\n");
    EXPECT_EQ(run("x/999999 0"), "Error: at most 65536 units at once\n");
}

TEST_F(DebugCommands, instructions_in_the_width_of_the_code_segment) {
    bytes(0x1000, {0xb8, 0x34, 0x12, 0xcd, 0xab, 0xc3});
    change([](CpuState& s) { s.seg[kCs].attr = 0x4093 | 8; });
    EXPECT_NE(run("x/2i 0x1000").find("b83412cdab"), std::string::npos) << run("x/2i 0x1000");
    EXPECT_NE(run("x/2i 0x1000").find("\n0x00001005:  c3"), std::string::npos);
    change([](CpuState& s) { s.seg[kCs].attr = 0x93 | 8; });
    EXPECT_NE(run("x/1i 0x1000").find("b83412 "), std::string::npos);
}

TEST_F(DebugCommands, values) {
    EXPECT_EQ(run("print 10+6"), "0x10\n");
    EXPECT_EQ(run("p/d 0-5"), "-5\n");
    EXPECT_EQ(run("p/u 255"), "255\n");
    EXPECT_EQ(run("p/c 65"), "'A'\n");
}

TEST_F(DebugCommands, without_paging_there_are_no_page_tables) {
    EXPECT_EQ(run("info mem"), "Error: paging is off\n");
    EXPECT_EQ(run("info tlb"), "Error: paging is off\n");
    EXPECT_EQ(run("gva2gpa 0x1234"), "gpa: 0x1234\n");
}

TEST_F(DebugCommands, thirty_two_bit_page_tables) {
    page_32();
    EXPECT_EQ(run("info tlb"),
              "00000000: 000000000 ----A--U-\n"
              "00001000: 000005000 ---DA---W\n"
              "00400000: 000400000 -GP-----W\n");
    EXPECT_EQ(run("info mem"), "00000000-00001000 00001000 ur-\n00001000-00002000 00001000 -rw\n00400000-00800000 00400000 -rw\n");
    EXPECT_EQ(run("info tlb 0x1000"), "00001000: 000005000 ---DA---W\n00400000: 000400000 -GP-----W\n");
    EXPECT_EQ(run("gva2gpa 0x1234"), "gpa: 0x5234\n");
    EXPECT_EQ(run("gva2gpa 0x2000"), "Unmapped\n");
    store<u32>(0x5000, 0x12345678);
    EXPECT_EQ(run("x 0x1000"), "00001000: 0x12345678\n");
    EXPECT_EQ(run("xp 0x5000"), "00005000: 0x12345678\n");
    EXPECT_EQ(run("x 0x2000"), "Error: there is no memory at 0x00002000\n");
}

TEST_F(DebugCommands, pae_page_tables) {
    store<u64>(0x11000, 0x12000 | 7);
    store<u64>(0x11008, u64{0x200000} | 0x83);           // 2 MiB at 40200000
    store<u64>(0x12000, (u64{1} << 63) | 0x3000 | 7);    // no execute
    change([](CpuState& s) {
        s.cr3 = 0x10000;
        s.cr4 = kCr4Pae;
        s.msr.efer = kEferNx;
        s.pdpte = {0, 0x11001, 0, 0};
        s.cr0 |= kCr0Pe | kCr0Pg;
    });
    EXPECT_EQ(run("info tlb"), "40000000: 000003000 X------UW\n40200000: 000200000 --P-----W\n");
    EXPECT_EQ(run("gva2gpa 0x40000010"), "gpa: 0x3010\n");
}

TEST_F(DebugCommands, the_last_page_is_followed_by_nothing) {
    store<u32>(0x10000 + 1023 * 4, 0xffc00000 | 0x83);
    change([](CpuState& s) {
        s.cr3 = 0x10000;
        s.cr4 = kCr4Pse;
        s.cr0 |= kCr0Pe | kCr0Pg;
    });
    EXPECT_EQ(run("info mem"), "ffc00000-100000000 00400000 -rw\n");
}

TEST_F(DebugCommands, registers_and_devices) {
    change([](CpuState& s) { s.gpr[kEsi] = 0xcafe1234; s.eflags = 0x246; });
    EXPECT_NE(run("info registers").find("ESI=cafe1234"), std::string::npos);
    EXPECT_NE(run("info registers").find("EFL=00000246 CPL=0 HLT=0 [PF ZF IF]"), std::string::npos) << run("info registers");
    EXPECT_NE(run("info devices").find("pic\n"), std::string::npos);
    EXPECT_NE(run("info devices pic").find("chip.0.imr = 0x"), std::string::npos);
    EXPECT_EQ(run("info devices flux"), "Error: there is no device 'flux'; 'info devices' lists them\n");
    EXPECT_NE(run("info pic").find("pic1: irr=00 imr="), std::string::npos) << run("info pic");
}

TEST_F(DebugCommands, a_run_without_a_past_says_so) {
    EXPECT_EQ(run("seek 0"), "Error: " + control_->why_not_back() + "\n");
    EXPECT_EQ(run("last-write 0x1000"), "Error: " + control_->why_not_back() + "\n");
    EXPECT_EQ(run("checkpoint"), "Error: " + control_->why_not_back() + "\n");
    EXPECT_EQ(run("next-write 0xe0000000"), "Error: no memory is mapped at 0xe0000000\n");
    EXPECT_EQ(run("next-write 0x1000 65"), "Error: the length is 1 to 64 bytes\n");
}

}  // namespace
}  // namespace vmm::monitor
