// SPDX-License-Identifier: Apache-2.0
// load_kernel() from files to fw_cfg. The real kernels are those of the guest cache (tools/guests).
#include "vmm/loader/loader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "vmm/bytes.h"

namespace vmm {
namespace {

constexpr u64 kRam = 256u << 20;

struct LoaderTest : testing::Test {
    LoaderTest() { std::filesystem::create_directories(dir); }
    ~LoaderTest() override { std::filesystem::remove_all(dir); }
    std::string write(const std::string& name, const std::vector<u8>& content) {
        std::ofstream(dir / name, std::ios::binary).write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
        return dir / name;
    }
    std::string error(const BootOptions& options) {
        const auto result = load_kernel(fw_cfg, options, kRam);
        return result ? "" : result.error().text;
    }
    std::string boot_order() {
        const auto* file = fw_cfg.find_file("bootorder");
        return file == nullptr ? "" : std::string(file->begin(), file->end()).c_str();
    }

    const std::filesystem::path dir =
        std::filesystem::path(testing::TempDir()) / ("vmm_loader_" + std::to_string(getpid()));
    IoBus ports{"port"}, mmio{"mmio"};
    Memory memory{1u << 20, 0, mmio};
    FwCfg fw_cfg{ports, memory};
};

// A flat Multiboot kernel, by the specification's table.
std::vector<u8> flat_kernel() {
    std::vector<u8> k;
    for (const u32 word : {0x1badb002u, 0x10000u, 0u - 0x1badb002u - 0x10000u, 0x100000u, 0x100000u, 0u, 0u, 0x100020u}) append_le(k, word, 4);
    k.resize(64, 0x90);
    return k;
}

TEST_F(LoaderTest, WithoutKernelNothingIsAdded) {
    EXPECT_EQ(error({}), "");
    EXPECT_EQ(boot_order(), "");
}

TEST_F(LoaderTest, InitrdAndAppendNeedAKernel) {
    EXPECT_EQ(error({.initrd = "i"}), "-initrd i needs -kernel");
    EXPECT_EQ(error({.append = "x"}), "-append needs -kernel");
}

TEST_F(LoaderTest, MissingFilesAreNamed) {
    EXPECT_EQ(error({.kernel = "/no/such/kernel"}), "cannot read /no/such/kernel: No such file or directory");
    const auto kernel = write("k", flat_kernel());
    EXPECT_EQ(error({.kernel = kernel, .initrd = "/no/module args"}), "cannot read /no/module: No such file or directory");
    EXPECT_EQ(error({.kernel = dir}), "cannot read " + dir.string() + ": Is a directory");
}

TEST_F(LoaderTest, FilesThatAreNoKernelAreNamed) {
    const auto small = write("small", {1, 2, 3});
    EXPECT_EQ(error({.kernel = small}), small + " is too short for a kernel: it has 3 bytes");
    const auto junk = write("junk", std::vector<u8>(5000, 0x55));
    EXPECT_EQ(error({.kernel = junk}), junk + " is neither a Linux bzImage nor a Multiboot kernel");
}

TEST_F(LoaderTest, MultibootKernelGoesIntoFwCfgWithItsRom) {
    const auto kernel = write("k", flat_kernel());
    const auto module = write("m", {7, 8, 9});
    ASSERT_EQ(error({.kernel = kernel, .initrd = module + " opt", .append = "hi"}), "");
    EXPECT_EQ(load_le32(fw_cfg.item(0x10), 0), 0x100020u);
    EXPECT_EQ(load_le32(fw_cfg.item(0x07), 0), 0x100000u);
    EXPECT_EQ(load_le32(fw_cfg.item(0x08), 0), 0x1003u);
    EXPECT_EQ(fw_cfg.item(0x11).size(), 0x1003u);
    EXPECT_EQ(fw_cfg.item(0x11)[0x1000], 7);
    EXPECT_EQ(load_le32(fw_cfg.item(0x0a), 0), 0x9000u);
    EXPECT_EQ(load_le32(fw_cfg.item(0x0b), 0), fw_cfg.item(0x12).size());
    EXPECT_EQ(boot_order(), "/rom@genroms/multiboot.bin");
    EXPECT_NE(fw_cfg.find_file("genroms/multiboot.bin"), nullptr);
}

class RealKernelTest : public LoaderTest, public testing::WithParamInterface<const char*> {
  protected:
    static std::filesystem::path cache() {
        if (const char* named = std::getenv("VMM_GUESTS")) return named;
        if (const char* xdg = std::getenv("XDG_CACHE_HOME")) return std::filesystem::path(xdg) / "vmm/guests";
        const char* home = std::getenv("HOME");
        return std::filesystem::path(home != nullptr ? home : "/") / ".cache/vmm/guests";
    }
};

TEST_P(RealKernelTest, GoesIntoFwCfgWithItsRom) {
    const std::string kernel = cache() / GetParam();
    if (!std::filesystem::exists(kernel)) GTEST_SKIP() << kernel << " is not there; tools/guests makes it";
    const auto initrd = write("initrd", std::vector<u8>(10000, 0x33));
    ASSERT_EQ(error({.kernel = kernel, .initrd = initrd, .append = "console=ttyS0"}), "");
    const auto setup = fw_cfg.item(0x18);
    ASSERT_EQ(load_le32(fw_cfg.item(0x17), 0), setup.size());
    EXPECT_EQ(setup.size() % 512, 0u);
    EXPECT_EQ(setup.size() + fw_cfg.item(0x11).size(), std::filesystem::file_size(kernel));
    EXPECT_EQ(load_le32(fw_cfg.item(0x16), 0), 0x10000u);
    EXPECT_EQ(load_le32(fw_cfg.item(0x13), 0), load_le32(setup, 0x228));
    EXPECT_EQ(load_le32(fw_cfg.item(0x0a), 0), load_le32(setup, 0x218));
    EXPECT_EQ(load_le32(fw_cfg.item(0x0b), 0), 10000u);
    EXPECT_EQ(fw_cfg.item(0x12)[9999], 0x33);
    EXPECT_EQ(boot_order(), "/rom@genroms/linuxboot.bin");
}

INSTANTIATE_TEST_SUITE_P(Debian, RealKernelTest, testing::Values("vmlinuz-686", "vmlinuz-686-pae"));

}  // namespace
}  // namespace vmm
