// SPDX-License-Identifier: Apache-2.0
// Dumps of memory, as gdb and readelf read them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "vmm/cpu_state.h"
#include "vmm/monitor/memory_dump.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

constexpr u32 kPresent = 1, kLarge = 0x80;

std::string output_of(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return "cannot run it";
    char piece[4096];
    for (std::size_t n; (n = std::fread(piece, 1, sizeof piece, pipe)) > 0;) out.append(piece, n);
    ::pclose(pipe);
    return out;
}

class Dump : public ::testing::Test {
  protected:
    void SetUp() override {
        file_ = std::filesystem::temp_directory_path() / ("vmm-dump-" + std::to_string(::getpid()));
        MachineConfig config;
        config.ram_bytes = 8 << 20;
        auto made = Machine::create(config, {});
        ASSERT_TRUE(made) << made.error().text;
        machine_ = std::move(*made);
    }
    void TearDown() override { std::filesystem::remove(file_); }

    void put(u32 address, u32 value) { machine_->memory().store(GuestPhys{address}, 4, value); }
    void set(const std::function<void(CpuState&)>& change) {
        CpuState s = machine_->translator().state();
        change(s);
        SaveArchive ar;
        serialize(ar, s);
        const auto bytes = ar.take();
        machine_->inbox().apply({InputKind::Request, static_cast<u8>(RequestKind::SetRegisters), std::string(bytes.begin(), bytes.end())});
        ASSERT_EQ(machine_->translator().state().cr3, s.cr3);
    }
    u64 dump(const DumpWish& wish) {
        const MemoryDump dump(*machine_, wish);
        std::FILE* out = std::fopen(file_.c_str(), "wb");
        u64 last = 0;
        const auto done = dump.write(::fileno(out), [&last](u64 n) { last = n; });
        std::fclose(out);
        EXPECT_TRUE(done) << done.error().text;
        EXPECT_EQ(last, dump.bytes());
        return last;
    }
    std::string gdb(const std::string& commands) { return output_of("gdb -batch -nx -ex 'core-file " + file_ + "' " + commands); }

    std::string file_;
    std::unique_ptr<Machine> machine_;
};

TEST_F(Dump, gdb_reads_registers_and_physical_memory) {
    put(0x1234, 0x11223344);
    put(0x7ffffc, 0x55667788);
    set([](CpuState& s) {
        s.gpr = {1, 2, 3, 4, 5, 6, 7, 8};
        s.eip = 0x4321;
        s.eflags = 0x246;
    });
    dump({});

    const std::string said = gdb("-ex 'x/1xw 0x1234' -ex 'x/1xw 0x7ffffc' -ex 'x/1xb 0xfffffff0' -ex 'info registers eax ecx edx ebx esp ebp esi edi eip eflags cs'");

    for (const char* expected : {"0x11223344", "0x55667788", "0xea", "eax            0x1", "ecx            0x2", "edx            0x3", "ebx            0x4",
                                 "esp            0x5", "ebp            0x6", "esi            0x7", "edi            0x8", "eip            0x4321",
                                 "[ PF ZF IF ]", "cs             0xf000"})
        EXPECT_NE(said.find(expected), std::string::npos) << expected << " in:\n" << said;
}

TEST_F(Dump, holds_ram_and_rom_but_no_device) {
    const u64 bytes = dump({});

    const std::string said = output_of("readelf -lW " + file_);

    EXPECT_NE(said.find("Type           Offset   VirtAddr   PhysAddr   FileSiz MemSiz"), std::string::npos) << said;
    EXPECT_NE(said.find("0x00000000 0x00000000 0xa0000 0xa0000"), std::string::npos) << said;
    // C0000 to DFFFF is nobody's after a reset (i440FX, PAM registers); E0000 is where the firmware shows.
    EXPECT_NE(said.find("0x000e0000 0x000e0000 0x720000 0x720000"), std::string::npos) << said;
    EXPECT_EQ(said.find("0x000a0000 0x000a0000"), std::string::npos) << said;
    EXPECT_GE(bytes, (8u << 20) - 0x20000);
    EXPECT_LT(std::filesystem::file_size(file_), bytes + 2 * kPageSize);
}

TEST_F(Dump, a_range_is_exact) {
    put(0x2000, 0xcafebabe);

    EXPECT_EQ(dump({false, std::pair<u64, u64>{0x1ffe, 5}}), 5u);

    EXPECT_NE(output_of("readelf -lW " + file_).find("0x00001ffe 0x00001ffe 0x00005 0x00005"), std::string::npos);
    EXPECT_NE(gdb("-ex 'x/3xb 0x2000'").find("0xbe\t0xba\t0xfe"), std::string::npos);
    EXPECT_EQ(MemoryDump(*machine_, {false, std::pair<u64, u64>{0xb0000, 0x1000}}).bytes(), 0u);
    EXPECT_EQ(MemoryDump(*machine_, {false, std::pair<u64, u64>{u64{1} << 40, ~u64{0}}}).bytes(), 0u);
}

TEST_F(Dump, with_paging_linear_addresses_are_the_guests) {
    constexpr u32 kDirectory = 0x10000, kTable = 0x11000;
    put(kDirectory + 4 * 0x300, 0x0 | kLarge | kPresent);          // C0000000 to 0, 4 MiB
    put(kDirectory + 4 * 0x20, kTable | kPresent);
    put(kTable + 4 * 0x48, 0x5000 | kPresent);                     // 08048000 to 5000
    put(0x5010, 0x0badcafe);
    set([](CpuState& s) {
        s.cr3 = kDirectory;
        s.cr4 = kCr4Pse;
        s.cr0 |= kCr0Pe | kCr0Pg;
    });
    dump({.paging = true, .range = {}});

    const std::string said = gdb("-ex 'x/1xw 0x8048010' -ex 'x/1xw 0xc0005010' -ex 'x/1xw 0x5010'");
    EXPECT_NE(said.find("0x8048010:\t0x0badcafe"), std::string::npos) << said;
    EXPECT_NE(said.find("0xc0005010:\t0x0badcafe"), std::string::npos) << said;
    EXPECT_NE(said.find("Cannot access memory at address 0x5010"), std::string::npos) << said;
    EXPECT_NE(output_of("readelf -lW " + file_).find("0x08048000 0x00005000 0x01000"), std::string::npos);
}

TEST_F(Dump, more_mappings_than_an_elf_header_can_count) {
    constexpr u32 kDirectory = 0x100000, kTables = 0x101000, kCount = 70'000;
    for (u32 i = 0; i < kCount; ++i) {
        put(kDirectory + 4 * (i >> 10), (kTables + (i >> 10) * kPageSize) | kPresent);
        put(kTables + 4 * i, (i % 2 == 0 ? 0x7000 : 0x9000) | kPresent);   // neighbours never join
    }
    set([](CpuState& s) {
        s.cr3 = kDirectory;
        s.cr0 |= kCr0Pe | kCr0Pg;
    });
    dump({.paging = true, .range = {}});

    const std::string said = output_of("readelf -hW " + file_);
    EXPECT_NE(said.find("65535 (70001)"), std::string::npos) << said;
    EXPECT_EQ(said.find("arning"), std::string::npos) << said;
}

TEST_F(Dump, says_when_it_cannot_be_written) {
    const MemoryDump dump(*machine_, {});
    std::FILE* full = std::fopen("/dev/full", "wb");
    const auto done = dump.write(::fileno(full), [](u64) {});
    std::fclose(full);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().text, "dump: failed to save memory: No space left on device");
}

}  // namespace
}  // namespace vmm::monitor
