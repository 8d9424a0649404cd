// SPDX-License-Identifier: Apache-2.0
// Kernels made here by the tables of the Multiboot specification 0.6.96 and of the ELF specification.
#include "vmm/loader/multiboot.h"

#include <gtest/gtest.h>

#include "vmm/bytes.h"

namespace vmm {
namespace {

constexpr u64 kRam = 64u << 20;

void put_header(std::vector<u8>& image, std::size_t at, u32 flags) {
    store_le(image, at, 0x1badb002, 4);
    store_le(image, at + 4, flags, 4);
    store_le(image, at + 8, 0u - 0x1badb002u - flags, 4);
}

// ELF32 for i386: one segment of 0x20 bytes at file offset 0x1000, 0x3000 in memory, linked at 0xc0100000, loaded at 1 MiB.
std::vector<u8> elf_kernel() {
    std::vector<u8> k(0x1020, 0);
    const u8 ident[] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
    std::copy(std::begin(ident), std::end(ident), k.begin());
    store_le(k, 16, 2, 2);
    store_le(k, 18, 3, 2);
    store_le(k, 24, 0xc0100010, 4);   // entry
    store_le(k, 28, 52, 4);           // program headers
    store_le(k, 42, 32, 2);
    store_le(k, 44, 1, 2);
    store_le(k, 52, 1, 4);            // PT_LOAD
    store_le(k, 56, 0x1000, 4);
    store_le(k, 60, 0xc0100000, 4);
    store_le(k, 64, 0x100000, 4);
    store_le(k, 68, 0x20, 4);
    store_le(k, 72, 0x3000, 4);
    put_header(k, 0x1000, 3);
    k[0x1010] = 0xf4;
    return k;
}

// A flat image with its header at offset 0x40, loaded from its first byte to 0x200000.
std::vector<u8> flat_kernel() {
    std::vector<u8> k(0x100, 0xee);
    put_header(k, 0x40, 0x10000);
    store_le(k, 0x4c, 0x200040, 4);   // header_addr
    store_le(k, 0x50, 0x200000, 4);   // load_addr
    store_le(k, 0x54, 0, 4);          // load_end_addr: all of the file
    store_le(k, 0x58, 0x200400, 4);   // bss_end_addr
    store_le(k, 0x5c, 0x200080, 4);   // entry_addr
    return k;
}

std::string error_of(const Result<MultibootBoot>& result) { return result ? "" : result.error().text; }

std::string info_text(const MultibootBoot& boot, u32 address) {
    std::string out;
    for (std::size_t i = address - 0x9000; i < boot.info.size() && boot.info[i] != 0; ++i) out.push_back(static_cast<char>(boot.info[i]));
    return out;
}

TEST(Multiboot, HeaderIsFoundAlignedInTheFirst8192BytesOnly) {
    std::vector<u8> image(16384);
    EXPECT_FALSE(is_multiboot_image(image));
    put_header(image, 8180, 0);
    EXPECT_TRUE(is_multiboot_image(image));
    image.assign(16384, 0);
    put_header(image, 8184, 0);
    EXPECT_FALSE(is_multiboot_image(image));
    image.assign(16384, 0);
    put_header(image, 102, 0);
    EXPECT_FALSE(is_multiboot_image(image));
}

TEST(Multiboot, WrongChecksumIsNoHeader) {
    auto k = elf_kernel();
    k[0x1008] ^= 1;
    EXPECT_FALSE(is_multiboot_image(k));
}

TEST(Multiboot, ElfIsLoadedAtPhysicalAddressesWithItsZeros) {
    const auto boot = prepare_multiboot("k", elf_kernel(), "", {}, kRam);
    ASSERT_TRUE(boot) << error_of(boot);
    EXPECT_EQ(boot->load_address, 0x100000u);
    EXPECT_EQ(boot->memory.size(), 0x3000u);
    EXPECT_EQ(boot->memory[0x10], 0xf4);
    EXPECT_EQ(boot->memory[0x2fff], 0);
    EXPECT_EQ(boot->entry, 0x100010u);   // linked high, entered where it was loaded
}

TEST(Multiboot, PhysicalElfEntryStaysAsItIs) {
    auto k = elf_kernel();
    store_le(k, 24, 0x100010, 4);
    const auto boot = prepare_multiboot("k", k, "", {}, kRam);
    ASSERT_TRUE(boot);
    EXPECT_EQ(boot->entry, 0x100010u);
}

TEST(Multiboot, HeaderAddressesPlaceAFlatImage) {
    const auto boot = prepare_multiboot("k", flat_kernel(), "", {}, kRam);
    ASSERT_TRUE(boot) << error_of(boot);
    EXPECT_EQ(boot->load_address, 0x200000u);
    EXPECT_EQ(boot->memory.size(), 0x400u);
    EXPECT_EQ(boot->memory[0xff], 0xee);
    EXPECT_EQ(boot->memory[0x100], 0);
    EXPECT_EQ(boot->entry, 0x200080u);
}

TEST(Multiboot, LoadAddressMayBeginAfterTheStartOfTheFile) {
    auto k = flat_kernel();
    store_le(k, 0x50, 0x200020, 4);
    store_le(k, 0x54, 0x200080, 4);
    store_le(k, 0x58, 0, 4);
    const auto boot = prepare_multiboot("k", k, "", {}, kRam);
    ASSERT_TRUE(boot) << error_of(boot);
    EXPECT_EQ(boot->load_address, 0x200020u);
    EXPECT_EQ(boot->memory.size(), 0x60u);
    EXPECT_EQ(load_le32(boot->memory, 0x20), 0x1badb002u);
}

TEST(Multiboot, InformationHasCommandLineLoaderNameAndRoomForTheMap) {
    const auto boot = prepare_multiboot("dir/k", elf_kernel(), "a=1", {}, kRam);
    ASSERT_TRUE(boot);
    EXPECT_EQ(load_le32(boot->info, 0), (1u << 2) | (1u << 9));
    EXPECT_EQ(info_text(*boot, load_le32(boot->info, 16)), "dir/k a=1");
    EXPECT_EQ(info_text(*boot, load_le32(boot->info, 64)), "vmm");
    EXPECT_EQ(load_le32(boot->info, 48), 0x9058u);
    EXPECT_GE(boot->info.size(), 88 + 32 * 24u);
}

TEST(Multiboot, ModulesStartOnPagesAfterTheKernel) {
    const std::vector<MultibootModule> modules = {{"m1", "m1 x y", {1, 2, 3}}, {"m2", "m2", {4}}};
    const auto boot = prepare_multiboot("k", elf_kernel(), "", modules, kRam);
    ASSERT_TRUE(boot) << error_of(boot);
    EXPECT_EQ(load_le32(boot->info, 0) & 8, 8u);
    EXPECT_EQ(load_le32(boot->info, 20), 2u);
    const std::size_t table = load_le32(boot->info, 24) - 0x9000;
    EXPECT_EQ(load_le32(boot->info, table), 0x103000u);
    EXPECT_EQ(load_le32(boot->info, table + 4), 0x103003u);
    EXPECT_EQ(info_text(*boot, load_le32(boot->info, table + 8)), "m1 x y");
    EXPECT_EQ(load_le32(boot->info, table + 16), 0x104000u);
    EXPECT_EQ(load_le32(boot->info, table + 20), 0x104001u);
    EXPECT_EQ(boot->memory.size(), 0x4001u);
    EXPECT_EQ(boot->memory[0x3001], 2);
    EXPECT_EQ(boot->memory[0x4000], 4);
}

TEST(Multiboot, ModuleListIsSplitAtSingleCommas) {
    const auto modules = split_modules("a x=1,,2 y,b,,c");
    ASSERT_EQ(modules.size(), 2u);
    EXPECT_EQ(modules[0].file, "a");
    EXPECT_EQ(modules[0].text, "a x=1,2 y");
    EXPECT_EQ(modules[1].file, "b,c");
    EXPECT_TRUE(split_modules("").empty());
}

TEST(Multiboot, UnknownRequirementIsRefused) {
    auto k = elf_kernel();
    put_header(k, 0x1000, 1u << 5);
    EXPECT_EQ(error_of(prepare_multiboot("k", k, "", {}, kRam)),
              "k requires a Multiboot feature that is not there: flag 5 of its header");
}

TEST(Multiboot, Elf64IsRefused) {
    auto k = elf_kernel();
    k[4] = 2;
    EXPECT_EQ(error_of(prepare_multiboot("k", k, "", {}, kRam)),
              "k is an ELF file for another machine; a Multiboot kernel is a 32-bit i386 one");
}

TEST(Multiboot, SegmentOutsideTheFileIsRefused) {
    auto k = elf_kernel();
    k.resize(0x1018);
    EXPECT_EQ(error_of(prepare_multiboot("k", k, "", {}, kRam)), "k is cut short: a segment lies outside the file");
    store_le(k, 28, 0xffffffff, 4);
    EXPECT_EQ(error_of(prepare_multiboot("k", k, "", {}, kRam)), "k is cut short: its program headers lie outside the file");
}

TEST(Multiboot, HeaderAddressesOutsideTheFileAreRefused) {
    auto k = flat_kernel();
    store_le(k, 0x50, 0x1fffff, 4);
    EXPECT_EQ(error_of(prepare_multiboot("k", k, "", {}, kRam)),
              "k has a Multiboot header whose load address lies outside the file");
    k = flat_kernel();
    store_le(k, 0x54, 0x200101, 4);
    EXPECT_EQ(error_of(prepare_multiboot("k", k, "", {}, kRam)),
              "k is cut short: its Multiboot header speaks of more than the file has");
}

TEST(Multiboot, KernelInTheFirmwaresMemoryIsRefused) {
    auto k = elf_kernel();
    store_le(k, 64, 0x8000, 4);
    EXPECT_EQ(error_of(prepare_multiboot("k", k, "", {}, kRam)),
              "k wants to be loaded where the firmware's memory is, below 1 MiB");
    store_le(k, 64, 0x9e000, 4);
    EXPECT_FALSE(prepare_multiboot("k", k, "", {}, kRam));
    store_le(k, 64, 0x20000, 4);
    EXPECT_TRUE(prepare_multiboot("k", k, "", {}, kRam));
}

TEST(Multiboot, HeaderPageInTheBiosRomIsLeftOut) {
    auto k = elf_kernel();
    store_le(k, 60, 0xffff0, 4);
    store_le(k, 64, 0xffff0, 4);
    store_le(k, 24, 0x100004, 4);
    k[0x1014] = 0x77;
    const auto boot = prepare_multiboot("k", k, "", {}, kRam);
    ASSERT_TRUE(boot) << error_of(boot);
    EXPECT_EQ(boot->load_address, 0x100000u);
    EXPECT_EQ(boot->memory.size(), 0x2ff0u);
    EXPECT_EQ(boot->memory[4], 0x77);
    EXPECT_EQ(boot->entry, 0x100004u);
}

TEST(Multiboot, WhatDoesNotFitIsRefused) {
    auto k = elf_kernel();
    store_le(k, 72, 0x4000000, 4);
    EXPECT_EQ(error_of(prepare_multiboot("k", k, "", {}, kRam)), "k does not fit into the machine's RAM");
    const std::vector<MultibootModule> modules = {{"m", "m", std::vector<u8>(2u << 20)}};
    EXPECT_EQ(error_of(prepare_multiboot("k", elf_kernel(), "", modules, 3u << 20)), "m does not fit into memory after k");
    EXPECT_NE(error_of(prepare_multiboot("k", elf_kernel(), std::string(30000, 'x'), {}, kRam)), "");
}

}  // namespace
}  // namespace vmm
