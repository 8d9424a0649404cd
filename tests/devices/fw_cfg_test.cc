// SPDX-License-Identifier: Apache-2.0
// FwCfg through its ports, against the QEMU fw_cfg specification.
#include "devices/fw_cfg.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "tests/devices/generic_device_test.h"

namespace vmm {
namespace {

class FwCfgTest : public testing::Test {
  protected:
    static constexpr u32 kDescriptor = 0x1000;

    FwCfgTest() { memory.map_ram(0, 0, 256); }

    void select(u16 key) { ports.write(0x510, 2, key); }
    std::string read(std::size_t n) {
        std::string out;
        for (std::size_t i = 0; i < n; ++i) out.push_back(static_cast<char>(ports.read(0x511, 1)));
        return out;
    }
    void put_be32(u32 at, u32 value) { memory.store({at}, 4, __builtin_bswap32(value)); }
    // Starts a DMA and returns the control field that the device left behind.
    u32 dma(u32 control, u32 length, u64 address) {
        put_be32(kDescriptor, control);
        put_be32(kDescriptor + 4, length);
        put_be32(kDescriptor + 8, static_cast<u32>(address >> 32));
        put_be32(kDescriptor + 12, static_cast<u32>(address));
        ports.write(0x514, 4, 0);
        ports.write(0x518, 4, __builtin_bswap32(kDescriptor));
        return __builtin_bswap32(memory.load({kDescriptor}, 4));
    }
    std::string text_at(u32 at, std::size_t n) {
        std::string out(n, 0);
        memory.read({at}, std::span(reinterpret_cast<u8*>(out.data()), n));
        return out;
    }

    IoBus ports{"port"};
    IoBus mmio{"mmio"};
    Memory memory{1u << 20, 0, mmio};
    FwCfg cfg{ports, memory};
};

TEST_F(FwCfgTest, SignatureReadsQemu) {
    select(0);
    EXPECT_EQ(read(4), "QEMU");
}

TEST_F(FwCfgTest, IdOffersTraditionalAndDmaInterface) {
    select(1);
    EXPECT_EQ(read(4), std::string("\x03\0\0\0", 4));
}

TEST_F(FwCfgTest, DmaRegisterReadsItsSignature) {
    EXPECT_EQ(ports.read(0x514, 4), 0x554d4551u);   // 'Q' at the lowest address
    EXPECT_EQ(ports.read(0x518, 4), 0x47464320u);
    EXPECT_EQ(ports.read(0x51a, 1), u32{'F'});
    EXPECT_EQ(ports.read(0x516, 2), 0x554du);
}

TEST_F(FwCfgTest, ReadsPastTheEndAreZeroAndSelectingRewinds) {
    cfg.set(0x09, {'a', 'b'});
    select(0x09);
    EXPECT_EQ(read(4), std::string("ab\0\0", 4));
    select(0x09);
    EXPECT_EQ(read(1), "a");
}

TEST_F(FwCfgTest, UnknownItemReadsZero) {
    select(0x1a5);
    EXPECT_EQ(read(2), std::string(2, 0));
}

TEST_F(FwCfgTest, WriteModeBitSelectsTheSameItemAndWritesVanish) {
    cfg.set(0x09, {'a', 'b'});
    select(0x4009);
    ports.write(0x511, 1, 'z');
    select(0x4009);
    EXPECT_EQ(read(2), "ab");
}

TEST_F(FwCfgTest, ArchitectureLocalItemsAreApartFromGeneralOnes) {
    cfg.set(0x8002, {7});
    select(0x0002);
    EXPECT_EQ(ports.read(0x511, 1), 0u);
    select(0x8002);
    EXPECT_EQ(ports.read(0x511, 1), 7u);
}

TEST_F(FwCfgTest, SelectorIsWriteOnlyAndIgnoresByteWrites) {
    select(0);
    ports.write(0x510, 1, 1);
    EXPECT_EQ(ports.read(0x510, 1), 0xffu);
    EXPECT_EQ(read(4), "QEMU");
}

TEST_F(FwCfgTest, WordReadOfSelectorTakesOneDataByte) {
    select(0);
    EXPECT_EQ(ports.read(0x510, 2), 0x51ffu);
    EXPECT_EQ(read(3), "EMU");
}

TEST_F(FwCfgTest, DirectoryListsFilesByNameWithBigEndianFields) {
    cfg.add_file("etc/e820", {1, 2, 3});
    cfg.add_file("bootorder", {9});
    select(0x19);
    EXPECT_EQ(read(4), std::string("\0\0\0\x02", 4));
    EXPECT_EQ(read(8), std::string("\0\0\0\x01\0\x20\0\0", 8));
    EXPECT_EQ(read(56), "bootorder" + std::string(47, 0));
    EXPECT_EQ(read(8), std::string("\0\0\0\x03\0\x21\0\0", 8));
    EXPECT_EQ(read(56), "etc/e820" + std::string(48, 0));
    select(0x21);
    EXPECT_EQ(read(4), std::string("\1\2\3\0", 4));
}

TEST_F(FwCfgTest, AddingAFileAgainReplacesIt) {
    cfg.add_file("a", {1});
    cfg.add_file("a", {2, 3});
    EXPECT_EQ(*cfg.find_file("a"), (std::vector<u8>{2, 3}));
    select(0x19);
    EXPECT_EQ(read(4), std::string("\0\0\0\x01", 4));
}

TEST_F(FwCfgTest, DmaSelectsAndReads) {
    cfg.set(0x15, {'h', 'e', 'l', 'l', 'o'});
    EXPECT_EQ(dma(0x0015'000a, 5, 0x2000), 0u);
    EXPECT_EQ(text_at(0x2000, 5), "hello");
}

TEST_F(FwCfgTest, DmaReadContinuesWhereThePortStoppedAndFillsWithZeros) {
    memory.store({0x2000}, 4, ~0u);
    select(0);
    EXPECT_EQ(read(2), "QE");
    EXPECT_EQ(dma(0x2, 4, 0x2000), 0u);
    EXPECT_EQ(text_at(0x2000, 4), std::string("MU\0\0", 4));
}

TEST_F(FwCfgTest, DmaSkipMovesTheOffset) {
    select(0);
    EXPECT_EQ(dma(0x4, 3, 0), 0u);
    EXPECT_EQ(read(2), std::string("U\0", 2));
}

TEST_F(FwCfgTest, DmaSkipOfHugeLengthStopsAtTheEnd) {
    select(0);
    EXPECT_EQ(dma(0x4, 0xffffffff, 0), 0u);
    EXPECT_EQ(dma(0x4, 0xffffffff, 0), 0u);
    EXPECT_EQ(read(1), std::string(1, 0));
}

TEST_F(FwCfgTest, DmaCopiesAnItemAcrossPages) {
    std::vector<u8> big(10000);
    for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<u8>(i * 7);
    cfg.set(0x11, big);
    EXPECT_EQ(dma(0x0011'000a, 10000, 0x2ffd), 0u);
    std::vector<u8> out(big.size());
    memory.read({0x2ffd}, out);
    EXPECT_EQ(out, big);
}

TEST_F(FwCfgTest, DmaWriteToReadOnlyItemFails) {
    EXPECT_EQ(dma(0x0000'0018, 4, 0x2000), 1u);
    select(0);
    EXPECT_EQ(read(4), "QEMU");
}

TEST_F(FwCfgTest, DmaToNoMemoryFails) {
    EXPECT_EQ(dma(0x0000'000a, 4, 0x8000'0000), 1u);
    EXPECT_EQ(dma(0x0000'000a, 4, 0x1'0000'0000), 1u);
}

TEST_F(FwCfgTest, DmaDescriptorOutsideMemoryIsIgnored) {
    select(0);
    ports.write(0x514, 4, __builtin_bswap32(1));
    ports.write(0x518, 4, 0);
    ports.write(0x514, 4, 0);
    ports.write(0x518, 4, __builtin_bswap32(0xf000'0000));
    EXPECT_EQ(read(4), "QEMU");
}

TEST_F(FwCfgTest, DmaRegisterIgnoresNarrowWrites) {
    put_be32(kDescriptor, 0x0015'0008);
    select(0);
    ports.write(0x518, 2, 0);
    ports.write(0x51a, 2, __builtin_bswap32(kDescriptor) >> 16);
    EXPECT_EQ(read(4), "QEMU");
    EXPECT_EQ(memory.load({kDescriptor}, 4), __builtin_bswap32(0x0015'0008));
}

TEST_F(FwCfgTest, UpperHalfOfTheAddressIsForgottenAfterADma) {
    ports.write(0x514, 4, __builtin_bswap32(1));
    ports.write(0x518, 4, __builtin_bswap32(kDescriptor));
    put_be32(kDescriptor, 0x0000'0008);
    ports.write(0x518, 4, __builtin_bswap32(kDescriptor));
    EXPECT_EQ(memory.load({kDescriptor}, 4), 0u);
}

TEST_F(FwCfgTest, StateRoundTripKeepsThePlaceInTheItem) {
    select(0);
    read(2);
    SaveArchive save;
    cfg.serialize(save);
    const auto bytes = save.take();
    cfg.reset();
    LoadArchive load(bytes);
    cfg.serialize(load);
    EXPECT_FALSE(load.failed());
    EXPECT_EQ(read(2), "MU");
}

TEST_F(FwCfgTest, ResetSelectsTheSignature) {
    cfg.set(0x09, {'a'});
    select(0x09);
    cfg.reset();
    EXPECT_EQ(read(4), "QEMU");
}

// Memory stays zero here: descriptors found in it do nothing, so that port traffic is all there is.
GenericDevice on_a_bench() {
    auto memories = std::make_shared<std::vector<std::unique_ptr<Memory>>>();
    return {.make =
                [memories](Bench& b) {
                    memories->push_back(std::make_unique<Memory>(0x10000, 0, b.mmio));
                    memories->back()->map_ram(0, 0, 16);
                    auto& fw_cfg = b.add<FwCfg>(b.ports, *memories->back());
                    fw_cfg.add_file("etc/one", {1, 2, 3, 4, 5, 6, 7, 8, 9});
                    for (u16 key = 2; key < 0x12; ++key) fw_cfg.set(key, std::vector<u8>(key * 3u, static_cast<u8>(key)));
                },
            .ports = {{0x510, 2}, {0x514, 8}},
            .widths = {1, 2, 4}};
}
TEST(FwCfg, StateIsComplete) { expect_state_is_complete(on_a_bench()); }
TEST(FwCfg, SurvivesAnyTraffic) { expect_survives_traffic(on_a_bench()); }

}  // namespace
}  // namespace vmm
