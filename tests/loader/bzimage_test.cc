// SPDX-License-Identifier: Apache-2.0
// Headers made here by the Linux x86 boot protocol's table of offsets.
#include "vmm/loader/bzimage.h"

#include <gtest/gtest.h>

#include "vmm/bytes.h"

namespace vmm {
namespace {

constexpr u64 kRam = 128u << 20;

// A kernel of protocol 2.15 with 4 setup sectors and 64 KiB of protected-mode code.
std::vector<u8> kernel() {
    std::vector<u8> k(5 * 512 + 0x10000);
    k[0x1f1] = 4;
    store_le(k, 0x1f4, 0x10000 / 16, 4);
    store_le(k, 0x1fe, 0xaa55, 2);
    store_le(k, 0x202, 0x53726448, 4);
    store_le(k, 0x206, 0x20f, 2);
    k[0x211] = 1;
    store_le(k, 0x22c, 0x37ffffff, 4);
    store_le(k, 0x238, 2047, 4);
    store_le(k, 0x258, 0x1000000, 8);
    store_le(k, 0x260, 0x800000, 4);
    k[5 * 512] = 0xc3;
    return k;
}

std::string error_of(const Result<LinuxBoot>& result) { return result ? "" : result.error().text; }

TEST(BzImage, IsRecognisedByItsHeader) {
    auto k = kernel();
    EXPECT_TRUE(is_linux_image(k));
    k[0x202] = 'h';
    EXPECT_FALSE(is_linux_image(k));
    k = kernel();
    EXPECT_FALSE(is_linux_image(std::span(k).first(0x207)));
}

TEST(BzImage, IsSplitAndItsHeaderFilledIn) {
    const auto boot = prepare_linux("k", kernel(), "root=/dev/sda", std::nullopt, kRam);
    ASSERT_TRUE(boot) << error_of(boot);
    EXPECT_EQ(boot->setup.size(), 5 * 512u);
    EXPECT_EQ(boot->kernel.size(), 0x10000u);
    EXPECT_EQ(boot->kernel[0], 0xc3);
    EXPECT_EQ(boot->setup[0x210], 0xff);                          // a loader without a number of its own
    EXPECT_EQ(boot->setup[0x211], 0x81);                          // loaded high, heap usable
    EXPECT_EQ(load_le32(boot->setup, 0x228), 0x20000u);           // command line
    EXPECT_LE(load_le16(boot->setup, 0x224), 0xfe00u);            // heap end within the segment
    EXPECT_EQ(load_le32(boot->setup, 0x218), 0u);
    EXPECT_EQ(std::string(boot->cmdline.begin(), boot->cmdline.end()), std::string("root=/dev/sda\0", 14));
}

TEST(BzImage, ZeroSetupSectorsMeanFour) {
    auto k = kernel();
    k[0x1f1] = 0;
    const auto boot = prepare_linux("k", k, "", std::nullopt, kRam);
    ASSERT_TRUE(boot);
    EXPECT_EQ(boot->setup.size(), 5 * 512u);
}

TEST(BzImage, InitrdEndsBelowTheTopOfRamOnAPage) {
    const auto boot = prepare_linux("k", kernel(), "", InitrdFile{"i", 5'000'001}, kRam);
    ASSERT_TRUE(boot) << error_of(boot);
    EXPECT_EQ(boot->initrd_address % 4096, 0u);
    EXPECT_LE(boot->initrd_address + 5'000'001, kRam - 256 * 1024);   // what SeaBIOS may use at the top
    EXPECT_GE(boot->initrd_address, kRam - 5'000'001 - (1u << 20));
    EXPECT_EQ(load_le32(boot->setup, 0x218), boot->initrd_address);
    EXPECT_EQ(load_le32(boot->setup, 0x21c), 5'000'001u);
}

TEST(BzImage, InitrdStaysBelowTheKernelsLimit) {
    const auto boot = prepare_linux("k", kernel(), "", InitrdFile{"i", 4096}, u64{3584} << 20);
    ASSERT_TRUE(boot);
    EXPECT_EQ(boot->initrd_address, 0x37fff000u);
}

TEST(BzImage, InitrdThatWouldMeetTheUnpackingKernelIsRefused) {
    // 32 MiB, less 0.5 for the firmware, less the kernel's 16 + 8 MiB: 7.5 MiB are free.
    EXPECT_TRUE(prepare_linux("k", kernel(), "", InitrdFile{"big", 7'500'000}, 32u << 20));
    EXPECT_EQ(error_of(prepare_linux("k", kernel(), "", InitrdFile{"big", 8'000'000}, 32u << 20)),
              "big does not fit into RAM with k: it has 8000000 bytes and 7864320 are free");
    EXPECT_NE(error_of(prepare_linux("k", kernel(), "", InitrdFile{"big", u64{1} << 32}, 32u << 20)), "");
}

TEST(BzImage, KernelLargerThanRamIsRefused) {
    EXPECT_EQ(error_of(prepare_linux("k", kernel(), "", std::nullopt, 1u << 20)), "k is larger than the machine's RAM");
}

TEST(BzImage, ZImageIsRefused) {
    auto k = kernel();
    k[0x211] = 0;
    EXPECT_EQ(error_of(prepare_linux("k", k, "", std::nullopt, kRam)),
              "k is a zImage, which is loaded below 1 MiB; only a bzImage can be booted");
}

TEST(BzImage, OldProtocolIsRefused) {
    auto k = kernel();
    store_le(k, 0x206, 0x201, 2);
    EXPECT_EQ(error_of(prepare_linux("k", k, "", std::nullopt, kRam)),
              "k uses Linux boot protocol 2.01, and 2.02 is the oldest that is supported");
}

TEST(BzImage, CutFileIsRefused) {
    auto k = kernel();
    k.resize(k.size() - 100);
    EXPECT_EQ(error_of(prepare_linux("k", k, "", std::nullopt, kRam)),
              "k is cut short: its header speaks of 65536 bytes of protected-mode code, and it has 65436");
    k.resize(5 * 512);
    EXPECT_EQ(error_of(prepare_linux("k", k, "", std::nullopt, kRam)),
              "k is too short for a Linux kernel: it ends before its protected-mode code");
}

TEST(BzImage, CommandLineIsLimitedByTheHeader) {
    EXPECT_TRUE(prepare_linux("k", kernel(), std::string(2047, 'x'), std::nullopt, kRam));
    EXPECT_EQ(error_of(prepare_linux("k", kernel(), std::string(2048, 'x'), std::nullopt, kRam)),
              "-append has 2048 characters, and k takes 2047");
    auto old = kernel();
    store_le(old, 0x206, 0x205, 2);
    EXPECT_TRUE(prepare_linux("k", old, std::string(255, 'x'), std::nullopt, kRam));
    EXPECT_FALSE(prepare_linux("k", old, std::string(256, 'x'), std::nullopt, kRam));
}

TEST(BzImage, VgaOptionSetsTheVideoMode) {
    const auto mode = [](const std::string& append) {
        const auto boot = prepare_linux("k", kernel(), append, std::nullopt, kRam);
        return boot ? load_le16(boot->setup, 0x1fa) : 0;
    };
    EXPECT_EQ(mode("quiet vga=0x317 x"), 0x317);
    EXPECT_EQ(mode("vga=791"), 791);
    EXPECT_EQ(mode("vga=ask"), 0xfffd);
    EXPECT_EQ(mode("vga=ext"), 0xfffe);
    EXPECT_EQ(mode("vga=normal"), 0xffff);
    EXPECT_EQ(mode("novga=5"), 0);
    EXPECT_EQ(error_of(prepare_linux("k", kernel(), "vga=high", std::nullopt, kRam)),
              "-append: vga=high is no video mode; a number, normal, ext or ask is one");
}

}  // namespace
}  // namespace vmm
