// SPDX-License-Identifier: Apache-2.0
// The ACPI tables as an operating system finds them after the firmware has run etc/table-loader. Offsets are those of the
// ACPI specification; the disassembler and compiler are Intel's iasl.
#include "vmm/acpi/acpi.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>

#include "vmm/bytes.h"

namespace vmm {
namespace {

std::string text(std::span<const u8> bytes, std::size_t at, std::size_t n) {
    const auto part = bytes.subspan(at, n);
    return std::string(part.begin(), part.end()).c_str();
}
u8 sum(std::span<const u8> bytes) {
    return std::accumulate(bytes.begin(), bytes.end(), u8{0}, [](u8 a, u8 b) { return static_cast<u8>(a + b); });
}

// A firmware's part: allocates the files in a small memory and obeys the three commands.
struct Firmware {
    explicit Firmware(const AcpiTables& acpi) : files{{"etc/acpi/rsdp", {0xf0000, acpi.rsdp}}, {"etc/acpi/tables", {0x3ff0000, acpi.tables}}} {
        const std::span<const u8> script = acpi.loader;
        EXPECT_EQ(script.size() % 128, 0u);
        for (std::size_t at = 0; at < script.size(); at += 128) run(script.subspan(at, 128));
    }
    struct File { u32 address; std::vector<u8> content; bool allocated = false; };

    void run(std::span<const u8> entry) {
        File& file = files.at(text(entry, 4, 56));
        const u32 command = load_le32(entry, 0);
        if (command == 1) {
            file.allocated = true;
            EXPECT_EQ(file.address % load_le32(entry, 60), 0u);
            zones[text(entry, 4, 56)] = entry[64];
        } else if (command == 2) {
            const File& target = files.at(text(entry, 60, 56));
            EXPECT_TRUE(file.allocated && target.allocated);
            ASSERT_EQ(entry[120], 4);
            const u32 at = load_le32(entry, 116);
            ASSERT_LE(at + 4, file.content.size());
            store_le(file.content, at, load_le32(file.content, at) + target.address, 4);
        } else {
            ASSERT_EQ(command, 3u);
            const u32 at = load_le32(entry, 60), start = load_le32(entry, 64), length = load_le32(entry, 68);
            ASSERT_LE(start + length, file.content.size());
            file.content[at] = static_cast<u8>(file.content[at] - sum(std::span<const u8>(file.content).subspan(start, length)));
        }
    }
    std::span<const u8> at(u32 address) {
        const File& tables = files.at("etc/acpi/tables");
        return std::span<const u8>(tables.content).subspan(address - tables.address);
    }
    std::span<const u8> table_at(u32 address) { return at(address).first(load_le32(at(address), 4)); }
    std::span<const u8> rsdt() { return table_at(load_le32(files.at("etc/acpi/rsdp").content, 16)); }
    std::span<const u8> find(const std::string& signature) {
        for (std::size_t i = 36; i < rsdt().size(); i += 4)
            if (const auto t = table_at(load_le32(rsdt(), i)); text(t, 0, 4) == signature) return t;
        return {};
    }
    std::span<const u8> dsdt() { return table_at(load_le32(find("FACP"), 40)); }

    std::map<std::string, File> files;
    std::map<std::string, u8> zones;
};

Firmware boot(u64 ram = 64u << 20, std::array<bool, 4> serial = {true, false, false, false}) {
    return Firmware(build_acpi({.ram_bytes = ram, .serial = serial, .pm_base = 0x600}));
}

TEST(Acpi, RsdpIsAtTheBiosAndSumsToZero) {
    auto fw = boot();
    const auto& rsdp = fw.files.at("etc/acpi/rsdp").content;
    ASSERT_EQ(rsdp.size(), 20u);
    EXPECT_EQ(text(rsdp, 0, 8), "RSD PTR ");
    EXPECT_EQ(sum(rsdp), 0);
    EXPECT_EQ(fw.zones.at("etc/acpi/rsdp"), 2);
    EXPECT_EQ(fw.zones.at("etc/acpi/tables"), 1);
}

TEST(Acpi, EveryTableSumsToZero) {
    auto fw = boot();
    EXPECT_EQ(text(fw.rsdt(), 0, 4), "RSDT");
    EXPECT_EQ(sum(fw.rsdt()), 0);
    EXPECT_EQ(sum(fw.find("FACP")), 0);
    EXPECT_EQ(sum(fw.find("APIC")), 0);
    EXPECT_EQ(text(fw.dsdt(), 0, 4), "DSDT");
    EXPECT_EQ(sum(fw.dsdt()), 0);
}

TEST(Acpi, FadtNamesTheChipSetsPorts) {
    auto fw = boot();
    const auto fadt = fw.find("FACP");
    ASSERT_EQ(fadt.size(), 116u);
    const u32 facs = load_le32(fadt, 36);
    EXPECT_EQ(facs % 64, 0u);
    EXPECT_EQ(text(fw.at(facs), 0, 4), "FACS");
    EXPECT_EQ(load_le16(fadt, 46), 9);              // SCI
    EXPECT_EQ(load_le32(fadt, 48), 0xb2u);
    EXPECT_EQ(fadt[52], 0xf1);
    EXPECT_EQ(fadt[53], 0xf0);
    EXPECT_EQ(load_le32(fadt, 56), 0x600u);
    EXPECT_EQ(load_le32(fadt, 64), 0x604u);
    EXPECT_EQ(load_le32(fadt, 76), 0x608u);
    EXPECT_EQ(load_le32(fadt, 80), 0xafe0u);
    EXPECT_EQ(fadt[92], 4);
    EXPECT_EQ(fadt[108], 0x32);
}

TEST(Acpi, MadtHasOneProcessorOneIoApicAndTheOverrides) {
    auto fw = boot();
    const auto madt = fw.find("APIC");
    EXPECT_EQ(load_le32(madt, 36), 0xfee00000u);
    EXPECT_EQ(load_le32(madt, 40), 1u);
    std::map<u8, int> count;
    std::map<u8, std::pair<u32, u16>> overrides;
    std::size_t at = 44;
    for (; at < madt.size(); at += madt[at + 1]) {
        ++count[madt[at]];
        ASSERT_NE(madt[at + 1], 0);
        if (madt[at] == 1) { EXPECT_EQ(load_le32(madt, at + 4), 0xfec00000u); }
        if (madt[at] == 2) overrides[madt[at + 3]] = {load_le32(madt, at + 4), load_le16(madt, at + 8)};
    }
    EXPECT_EQ(at, madt.size());
    EXPECT_EQ(count, (std::map<u8, int>{{0, 1}, {1, 1}, {2, 5}, {4, 1}}));
    EXPECT_EQ(overrides.at(0), (std::pair<u32, u16>{2, 0}));
    EXPECT_EQ(overrides.at(9), (std::pair<u32, u16>{9, 0x0d}));
    EXPECT_EQ(overrides.at(11), (std::pair<u32, u16>{11, 0x0d}));
}

struct AcpiText : testing::Test {
    AcpiText() { std::filesystem::create_directories(dir); }
    ~AcpiText() override { std::filesystem::remove_all(dir); }
    std::string file(const std::string& name) { return dir / name; }
    // Runs a shell command in dir; its output, and whether it succeeded.
    std::pair<std::string, bool> shell(const std::string& command) {
        std::string out;
        std::FILE* pipe = popen(("cd '" + dir.string() + "' && " + command + " 2>&1").c_str(), "r");
        for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) out.push_back(static_cast<char>(c));
        return {out, pclose(pipe) == 0};
    }
    // The source that iasl makes of a table; fails on anything that it finds wrong.
    std::string disassemble(const std::string& name, std::span<const u8> table) {
        std::ofstream(file(name + ".aml"), std::ios::binary).write(reinterpret_cast<const char*>(table.data()), static_cast<std::streamsize>(table.size()));
        const auto [out, ok] = shell("iasl -d " + name + ".aml");
        EXPECT_TRUE(ok) << out;
        EXPECT_EQ(out.find("rror"), std::string::npos) << out;
        EXPECT_EQ(out.find("arning"), std::string::npos) << out;
        std::ifstream in(file(name + ".dsl"));
        return {std::istreambuf_iterator<char>(in), {}};
    }
    const std::filesystem::path dir =
        std::filesystem::path(testing::TempDir()) / ("vmm_acpi_" + std::to_string(getpid()));
};

TEST_F(AcpiText, EveryTableDisassemblesWithoutComplaint) {
    auto fw = boot();
    EXPECT_NE(disassemble("facp", fw.find("FACP")).find("PM Timer Block Address : 00000608"), std::string::npos);
    EXPECT_NE(disassemble("apic", fw.find("APIC")).find("[Local APIC NMI]"), std::string::npos);
    EXPECT_NE(disassemble("rsdt", fw.rsdt()).find("ACPI Table Address"), std::string::npos);
    EXPECT_NE(disassemble("facs", fw.at(load_le32(fw.find("FACP"), 36)).first(64)).find("FACS"), std::string::npos);
}

TEST_F(AcpiText, DsdtCompilesAgainToTheSameCode) {
    auto fw = boot();
    const auto dsdt = fw.dsdt();
    disassemble("dsdt", dsdt);
    const auto [out, ok] = shell("iasl -p again dsdt.dsl");
    EXPECT_TRUE(ok) << out;
    // But for Name (CFGS, 1), which iasl makes a one-byte constant of.
    EXPECT_EQ(std::filesystem::file_size(file("again.aml")), dsdt.size() - 4);
}

TEST_F(AcpiText, DsdtSaysWhichSerialPortsAreThereAndWherePciMemoryBegins) {
    auto small = boot(64u << 20, {true, false, true, false});
    const auto source = disassemble("small", small.dsdt());
    EXPECT_NE(source.find("Name (CFGS, 0x00000005)"), std::string::npos);
    EXPECT_NE(source.find("Name (PWIN, 0x80000000)"), std::string::npos);
    auto large = boot(u64{3584} << 20);
    EXPECT_NE(disassemble("large", large.dsdt()).find("Name (PWIN, 0xE0000000)"), std::string::npos);
}

}  // namespace
}  // namespace vmm
