// SPDX-License-Identifier: Apache-2.0
// Disks as drivers use them. Expectations: ATA/ATAPI-6 (T13/1410D): 8 (each command's outputs), 9.5 to 9.7 (protocols: when
// there is an interrupt), 6.2 (addresses). How long a request takes: docs/disks.md, 10 us, and a nanosecond for 8 bytes.
#include "tests/devices/ide_rig.h"

namespace vmm {
namespace {

using block::pattern;
using block::TempFile;

constexpr u64 kSectors = 64 * 1024;                       // 32 MiB

class AtaDiskTest : public testing::Test {
  protected:
    AtaDiskTest() { rig.disk(0, 0, file.path); }
    void fill(u64 sector, u64 count) { file.put(sector * 512, pattern(sector, count)); }
    void expect_error(u8 error) {
        rig.wait();
        EXPECT_TRUE(rig.irq());
        EXPECT_EQ(rig.get(kErrorPort), error);
        EXPECT_EQ(rig.get(kStatusPort), kStatusError);
        EXPECT_FALSE(rig.irq());
    }
    void expect_done() {
        rig.wait();
        EXPECT_TRUE(rig.irq());
        EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    }
    u64 lba() { return rig.get(kLowPort) | u64{rig.get(kMidPort)} << 8 | u64{rig.get(kHighPort)} << 16 | u64{rig.get(kDevicePort) & 0xfu} << 24; }

    TempFile file{kSectors * 512};
    IdeRig rig;
};

TEST_F(AtaDiskTest, says_that_it_is_a_disk_after_reset) {
    EXPECT_EQ(rig.get(kErrorPort), 0x01);                 // diagnostic code: passed
    EXPECT_EQ(rig.get(kCountPort), 0x01);
    EXPECT_EQ(rig.get(kLowPort), 0x01);
    EXPECT_EQ(rig.get(kMidPort), 0x00);
    EXPECT_EQ(rig.get(kHighPort), 0x00);
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
}

TEST_F(AtaDiskTest, identifies_itself) {
    rig.put(kDevicePort, 0xa0);
    const auto id = rig.identify();
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady) << "DRQ after the last word";
    EXPECT_EQ(IdeRig::word(id, 0) & 0x8000, 0) << "an ATA device";
    EXPECT_EQ(IdeRig::word(id, 49) & 0x0300, 0x0300) << "LBA and DMA";
    EXPECT_EQ(IdeRig::word(id, 60) | IdeRig::word(id, 61) << 16, static_cast<int>(kSectors));
    EXPECT_EQ(IdeRig::word(id, 100) | u64{IdeRig::word(id, 101)} << 16 | u64{IdeRig::word(id, 102)} << 32 | u64{IdeRig::word(id, 103)} << 48, kSectors);
    EXPECT_EQ(std::string(id.begin() + 20, id.begin() + 28), "ESIRLA  ") << "serial number, the characters of each word swapped";
    EXPECT_EQ(IdeRig::word(id, 83) & 0xc400, 0x4400) << "valid, and 48-bit addresses";
    EXPECT_EQ(IdeRig::word(id, 53) & 6, 6) << "words 64-70 and 88";
    EXPECT_EQ(id[510], 0xa5);
    u8 sum = 0;
    for (const u8 b : id) sum = static_cast<u8>(sum + b);
    EXPECT_EQ(sum, 0);
}

TEST_F(AtaDiskTest, reads_sectors_with_an_interrupt_for_each) {
    fill(1000, 3);
    rig.lba28(1000, 3);
    rig.command(0x20);
    for (u64 i = 0; i < 3; ++i) {
        rig.wait();
        ASSERT_TRUE(rig.irq()) << "sector " << i;
        EXPECT_EQ(rig.alternate(), kStatusDrq);
        EXPECT_TRUE(rig.irq()) << "the alternate status register acknowledges nothing";
        EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
        EXPECT_FALSE(rig.irq());
        EXPECT_EQ(rig.read_data(512), pattern(1000 + i, 1));
    }
    EXPECT_FALSE(rig.irq()) << "an interrupt after the last block of data-in";
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
}

TEST_F(AtaDiskTest, takes_10_us_and_a_nanosecond_for_8_bytes) {
    rig.lba28(0, 2);
    rig.command(0x20);
    rig.bench.pass(10'000 + 1024 / 8 - 1);
    EXPECT_EQ(rig.alternate(), kStatusBusy);
    EXPECT_FALSE(rig.irq());
    rig.bench.pass(1);
    EXPECT_EQ(rig.alternate(), kStatusDrq);
    EXPECT_TRUE(rig.irq());
}

TEST_F(AtaDiskTest, a_write_takes_as_long_as_a_read) {
    rig.lba28(0, 2);
    rig.command(0x30);
    rig.write_data(pattern(0, 2));
    rig.bench.pass(10'000 + 1024 / 8 - 1);
    EXPECT_EQ(rig.alternate(), kStatusBusy);
    rig.bench.pass(1);
    EXPECT_EQ(rig.alternate(), kStatusReady);
}

// Saved while the request is under way, in a machine that is made anew.
TEST_F(AtaDiskTest, a_write_under_way_is_saved_and_done) {
    rig.lba28(500, 2);
    rig.command(0x30);
    rig.write_data(pattern(5, 2));
    rig.bench.pass(10'000);
    IdeRig other;
    other.disk(0, 0, file.path);
    ASSERT_TRUE(other.bench.load(rig.bench.save()));
    EXPECT_EQ(other.alternate(), kStatusBusy);
    other.wait();
    EXPECT_TRUE(other.irq());
    EXPECT_EQ(other.get(kStatusPort), kStatusReady);
    EXPECT_EQ(other.read_sectors(500, 2), pattern(5, 2));
}

TEST_F(AtaDiskTest, a_count_of_0_is_256_sectors) {
    fill(0, 256);
    EXPECT_EQ(rig.read_sectors(0, 0), pattern(0, 256));
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
}

TEST_F(AtaDiskTest, reads_by_doublewords_as_by_words) {
    fill(7, 1);
    rig.lba28(7, 1);
    rig.command(0x20);
    rig.wait();
    std::vector<u8> data;
    for (int i = 0; i < 128; ++i) {
        const u32 v = rig.bench.ports.read(0x1f0, 4);
        for (unsigned b = 0; b < 4; ++b) data.push_back(static_cast<u8>(v >> (8 * b)));
    }
    EXPECT_EQ(data, pattern(7, 1));
}

TEST_F(AtaDiskTest, writes_sectors_without_an_interrupt_before_the_first) {
    rig.lba28(500, 2);
    rig.command(0x30);
    EXPECT_EQ(rig.alternate(), kStatusDrq);
    EXPECT_FALSE(rig.irq());
    rig.write_data(pattern(77, 1));
    EXPECT_TRUE(rig.irq()) << "ready for the second sector";
    EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
    rig.write_data(pattern(78, 1));
    EXPECT_EQ(rig.alternate(), kStatusBusy);
    expect_done();
    EXPECT_EQ(rig.read_sectors(500, 2), pattern(77, 2));
    EXPECT_EQ(rig.read_sectors(499, 1), std::vector<u8>(512));
    EXPECT_EQ(rig.read_sectors(502, 1), std::vector<u8>(512));
}

TEST_F(AtaDiskTest, multiple_commands_move_blocks) {
    fill(100, 20);
    rig.lba28(100, 20);
    rig.command(0xc4);
    expect_error(0x04);                                   // not set
    rig.put(kCountPort, 8);
    rig.command(0xc6);
    expect_done();
    rig.lba28(100, 20);
    rig.command(0xc4);
    std::vector<u8> data;
    for (const std::size_t sectors : {8u, 8u, 4u}) {
        rig.wait();
        ASSERT_TRUE(rig.irq());
        EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
        const auto part = rig.read_data(sectors * 512);
        data.insert(data.end(), part.begin(), part.end());
    }
    EXPECT_EQ(data, pattern(100, 20));
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    rig.lba28(200, 12);
    rig.command(0xc5);
    rig.write_data(pattern(5, 8));
    EXPECT_TRUE(rig.irq());
    EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
    rig.write_data(pattern(13, 4));
    expect_done();
    EXPECT_EQ(rig.read_sectors(200, 12), pattern(5, 12));
}

TEST_F(AtaDiskTest, refuses_block_sizes_that_are_not_powers_of_two_or_too_large) {
    for (const u8 count : {u8{3}, u8{32}}) {
        rig.put(kCountPort, count);
        rig.command(0xc6);
        expect_error(0x04);
    }
}

TEST_F(AtaDiskTest, dma_reads_into_the_regions_and_interrupts_after_the_data) {
    fill(2000, 4);
    rig.regions({{0x1000, 0x300}, {0x5002, 0x100}, {0x2000, 0x400}});
    rig.lba28(2000, 4);
    rig.command(0xc8);
    rig.start_master(true);
    EXPECT_EQ(rig.master_status() & 7, 1) << "active, no interrupt yet";
    rig.wait();
    EXPECT_TRUE(rig.irq());
    EXPECT_EQ(rig.master_status() & 7, 4) << "interrupt, and the regions are used up";
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    rig.stop_master();
    const auto expected = pattern(2000, 4);
    EXPECT_EQ(rig.memory(0x1000, 0x300), std::vector<u8>(expected.begin(), expected.begin() + 0x300));
    EXPECT_EQ(rig.memory(0x5002, 0x100), std::vector<u8>(expected.begin() + 0x300, expected.begin() + 0x400));
    EXPECT_EQ(rig.memory(0x2000, 0x400), std::vector<u8>(expected.begin() + 0x400, expected.end()));
}

TEST_F(AtaDiskTest, dma_writes_from_the_regions) {
    rig.content.memory.write({0x1000}, pattern(9, 4));
    rig.regions({{0x1000, 0x200}, {0x1200, 0x600}});
    rig.lba28(3000, 4);
    rig.command(0xca);
    rig.start_master(false);
    expect_done();
    EXPECT_EQ(rig.master_status() & 7, 4);
    EXPECT_EQ(rig.read_sectors(3000, 4), pattern(9, 4));
}

TEST_F(AtaDiskTest, regions_larger_than_the_data_leave_the_master_active) {
    rig.regions({{0x1000, 0x1000}});                      // Bus Master IDE 1.0, 3.1: interrupt 1, active 1
    rig.lba28(0, 1);
    rig.command(0xc8);
    rig.start_master(true);
    rig.wait();
    EXPECT_EQ(rig.master_status() & 7, 5);
}

TEST_F(AtaDiskTest, regions_smaller_than_the_data_end_the_master_and_leave_the_drive_waiting) {
    rig.regions({{0x1000, 0x200}});                       // interrupt 0, active 0
    rig.lba28(0, 2);
    rig.command(0xc8);
    rig.start_master(true);
    rig.bench.pass(1'000'000);
    EXPECT_EQ(rig.master_status() & 7, 0);
    EXPECT_FALSE(rig.irq());
    EXPECT_EQ(rig.alternate(), kStatusDrq);
    rig.control(4);                                       // a driver resets then
    rig.control(0);
    EXPECT_EQ(rig.alternate(), kStatusReady);
}

TEST_F(AtaDiskTest, a_master_started_before_the_command_moves_the_same) {
    fill(10, 1);
    rig.regions({{0x1000, 0x200}});
    rig.start_master(true);
    rig.lba28(10, 1);
    rig.command(0xc8);
    expect_done();
    EXPECT_EQ(rig.memory(0x1000, 512), pattern(10, 1));
}

TEST_F(AtaDiskTest, nothing_moves_while_the_function_may_not_master_the_bus) {
    fill(10, 1);
    rig.config.write(kIdeFunction, 0x04, 2, 1);
    rig.regions({{0x1000, 0x200}});
    rig.lba28(10, 1);
    rig.command(0xc8);
    rig.start_master(true);
    rig.bench.pass(1'000'000);
    EXPECT_EQ(rig.memory(0x1000, 512), std::vector<u8>(512));
    rig.config.write(kIdeFunction, 0x04, 2, 5);
    expect_done();
    EXPECT_EQ(rig.memory(0x1000, 512), pattern(10, 1));
}

TEST_F(AtaDiskTest, initializes_geometry_and_reads_by_cylinder_head_and_sector) {
    rig.put(kCountPort, 17);                              // sectors a track
    rig.put(kDevicePort, 0xa0 | 3);                       // the highest head
    rig.command(0x91);
    expect_done();
    const u64 lba28 = (300 * 4 + 2) * 17 + 16;            // 6.2.1: (c * heads + h) * sectors + s - 1
    fill(lba28, 1);
    rig.put(kCountPort, 1);
    rig.put(kLowPort, 17);
    rig.put(kMidPort, 300 & 0xff);
    rig.put(kHighPort, 300 >> 8);
    rig.put(kDevicePort, 0xa0 | 2);
    rig.command(0x20);
    rig.wait();
    EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
    EXPECT_EQ(rig.read_data(512), pattern(lba28, 1));
    const auto id = rig.identify();
    EXPECT_EQ(IdeRig::word(id, 55), 4);
    EXPECT_EQ(IdeRig::word(id, 56), 17);
    rig.put(kLowPort, 18);                                // there is no such sector
    rig.put(kCountPort, 1);
    rig.command(0x20);
    expect_error(0x10);
    rig.put(kLowPort, 0);
    rig.put(kCountPort, 1);
    rig.command(0x20);
    expect_error(0x10);
}

TEST_F(AtaDiskTest, addresses_beyond_the_end_are_not_found) {
    for (const u8 code : {u8{0x20}, u8{0x30}, u8{0x40}, u8{0xc8}, u8{0xca}}) {
        rig.lba28(kSectors, 1);
        rig.command(code);
        expect_error(0x10);
    }
    rig.lba28(kSectors - 1, 2);
    rig.command(0x20);
    expect_error(0x10);
    rig.lba48(kSectors, 1);
    rig.command(0x24);
    expect_error(0x10);
    EXPECT_EQ(rig.read_sectors(kSectors - 1, 1), std::vector<u8>(512));
}

TEST_F(AtaDiskTest, says_its_last_address) {
    rig.lba28(0, 0);
    rig.command(0xf8);
    expect_done();
    EXPECT_EQ(lba(), kSectors - 1);
    rig.command(0x27);
    expect_done();
    EXPECT_EQ(rig.get(kLowPort) | rig.get(kMidPort) << 8 | rig.get(kHighPort) << 16, static_cast<int>(kSectors - 1));
    rig.control(0x80);
    EXPECT_EQ(rig.get(kLowPort) | rig.get(kMidPort) | rig.get(kHighPort), 0);
}

TEST_F(AtaDiskTest, verify_and_seek_transfer_nothing) {
    rig.lba28(50, 10);
    rig.command(0x40);
    rig.bench.pass(1'000'000);
    expect_done();
    rig.lba28(50, 10);
    rig.command(0x70);
    expect_done();
    rig.lba28(kSectors, 1);
    rig.command(0x70);
    expect_error(0x10);
}

TEST_F(AtaDiskTest, a_file_that_became_shorter_is_an_uncorrectable_sector) {
    std::filesystem::resize_file(file.path, 1000 * 512);
    EXPECT_EQ(rig.read_sectors(999, 1), std::vector<u8>(512));
    rig.lba28(5000, 1);
    rig.command(0x20);
    expect_error(0x40);
    EXPECT_EQ(lba(), 5000u) << "the sector at fault";
    rig.regions({{0x1000, 0x200}});
    rig.lba28(5000, 1);
    rig.command(0xc8);
    rig.start_master(true);
    expect_error(0x40);
    EXPECT_EQ(rig.read_sectors(0, 1), std::vector<u8>(512)) << "and works on";
}

TEST_F(AtaDiskTest, flushes) {
    rig.command(0xe7);
    EXPECT_EQ(rig.alternate(), kStatusBusy);
    expect_done();
    rig.command(0xea);
    expect_done();
}

TEST_F(AtaDiskTest, transfer_modes_are_set_and_shown) {
    const auto set = [&](u8 mode) {
        rig.put(kErrorPort, 3);
        rig.put(kCountPort, mode);
        rig.command(0xef);
    };
    set(0x45);                                            // Ultra DMA 5
    expect_done();
    auto id = rig.identify();
    EXPECT_EQ(IdeRig::word(id, 88) >> 8, 1 << 5);
    EXPECT_EQ(IdeRig::word(id, 63) >> 8, 0);
    set(0x21);                                            // multiword DMA 1
    expect_done();
    id = rig.identify();
    EXPECT_EQ(IdeRig::word(id, 88) >> 8, 0);
    EXPECT_EQ(IdeRig::word(id, 63) >> 8, 1 << 1);
    set(0x0c);                                            // PIO 4
    expect_done();
    set(0x47);
    expect_error(0x04);
    set(0x23);
    expect_error(0x04);
    rig.put(kErrorPort, 0x99);                            // no such feature
    rig.command(0xef);
    expect_error(0x04);
}

TEST_F(AtaDiskTest, features_show_in_its_identity) {
    const auto feature = [&](u8 code) {
        rig.put(kErrorPort, code);
        rig.command(0xef);
        expect_done();
        return IdeRig::word(rig.identify(), 85);
    };
    EXPECT_EQ(feature(0x82) & 0x20, 0);                   // write cache off, on
    EXPECT_EQ(feature(0x02) & 0x20, 0x20);
    EXPECT_EQ(feature(0x55) & 0x40, 0);                   // look-ahead off, on
    EXPECT_EQ(feature(0xaa) & 0x40, 0x40);
}

TEST_F(AtaDiskTest, smart_tells_of_a_healthy_disk) {
    const auto smart = [&](u8 what, u8 mid = 0x4f, u8 high = 0xc2) {
        rig.put(kErrorPort, what);
        rig.put(kMidPort, mid);
        rig.put(kHighPort, high);
        rig.command(0xb0);
    };
    smart(0xda);
    expect_done();
    EXPECT_EQ(rig.get(kMidPort), 0x4f);                   // 8.41.7: no threshold exceeded
    EXPECT_EQ(rig.get(kHighPort), 0xc2);
    smart(0xd0);
    rig.wait();
    EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
    u8 sum = 0;
    for (const u8 b : rig.read_data(512)) sum = static_cast<u8>(sum + b);
    EXPECT_EQ(sum, 0);
    smart(0xd0, 0x4f, 0xc3);
    expect_error(0x04);
    smart(0xd9);
    expect_done();
    smart(0xda);
    expect_error(0x04);                                   // disabled
    smart(0xd8);
    expect_done();
    smart(0xda);
    expect_done();
}

TEST_F(AtaDiskTest, power_modes) {
    const auto mode = [&] {
        rig.command(0xe5);
        expect_done();
        return rig.get(kCountPort);
    };
    EXPECT_EQ(mode(), 0xff);
    rig.command(0xe0);                                    // STANDBY IMMEDIATE
    expect_done();
    EXPECT_EQ(mode(), 0x00);
    rig.read_sectors(0, 1);
    EXPECT_EQ(mode(), 0xff) << "media access makes it active";
    rig.command(0xe6);                                    // SLEEP
    expect_done();
    rig.command(0xec);
    rig.bench.pass(10'000'000);
    EXPECT_FALSE(rig.irq()) << "asleep";
    rig.control(4);
    rig.control(0);
    EXPECT_EQ(rig.identify().size(), 512u);
}

TEST_F(AtaDiskTest, unknown_commands_are_aborted) {
    for (const u8 code : {u8{0x00}, u8{0x08}, u8{0xa0}, u8{0xa1}, u8{0xf1}, u8{0x60}, u8{0xff}}) {
        rig.command(code);
        expect_error(0x04);
    }
}

TEST_F(AtaDiskTest, buffer_keeps_what_is_written_to_it) {
    rig.command(0xe8);
    EXPECT_EQ(rig.alternate(), kStatusDrq);
    rig.write_data(pattern(3, 1));
    expect_done();
    rig.command(0xe4);
    rig.wait();
    EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
    EXPECT_EQ(rig.read_data(512), pattern(3, 1));
}

TEST_F(AtaDiskTest, busy_it_takes_no_command_and_no_parameter) {
    fill(1, 1);
    rig.lba28(1, 1);
    rig.command(0x20);
    rig.put(kLowPort, 99);
    rig.command(0xec);
    rig.wait();
    EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
    EXPECT_EQ(rig.read_data(512), pattern(1, 1));
}

TEST_F(AtaDiskTest, a_soft_reset_ends_what_is_under_way) {
    rig.lba28(1, 8);
    rig.command(0x20);
    rig.control(4);
    EXPECT_EQ(rig.alternate(), kStatusBusy);
    rig.control(0);
    EXPECT_EQ(rig.alternate(), kStatusReady);
    EXPECT_EQ(rig.get(kErrorPort), 0x01);
    EXPECT_EQ(rig.get(kCountPort), 0x01);
    rig.bench.pass(10'000'000);
    EXPECT_FALSE(rig.irq()) << "an interrupt of a command that is over";
}

TEST_F(AtaDiskTest, interrupts_can_be_masked) {
    rig.control(2);                                       // nIEN
    rig.lba28(1, 1);
    rig.command(0x20);
    rig.wait();
    EXPECT_FALSE(rig.irq());
    rig.control(0);
    EXPECT_TRUE(rig.irq()) << "pending all the while";
}

TEST(AtaDisk, beyond_137_gigabytes_only_48_bit_addresses_reach) {
    constexpr u64 kHuge = u64{400} << 30, kFar = u64{1} << 29 | 12345;
    const TempFile file(kHuge);                           // sparse
    file.put(kFar * 512, pattern(kFar, 2));
    IdeRig rig;
    rig.disk(0, 0, file.path);
    rig.put(kDevicePort, 0xe0);
    const auto id = rig.identify();
    EXPECT_EQ(IdeRig::word(id, 60) | u32{IdeRig::word(id, 61)} << 16, 0x0fff'ffffu);
    EXPECT_EQ(IdeRig::word(id, 100) | u64{IdeRig::word(id, 101)} << 16, kHuge / 512);
    rig.lba48(kFar, 2);
    rig.control(0x80);                                    // HOB: what was written before
    EXPECT_EQ(rig.get(kLowPort), kFar >> 24 & 0xff);
    rig.control(0);
    EXPECT_EQ(rig.get(kLowPort), kFar & 0xff);
    rig.command(0x24);
    for (u64 i = 0; i < 2; ++i) {
        rig.wait();
        EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
        EXPECT_EQ(rig.read_data(512), pattern(kFar + i, 1));
    }
    rig.content.memory.write({0x1000}, pattern(4, 1));
    rig.regions({{0x1000, 0x200}});
    rig.lba48(kFar + 100, 1);
    rig.command(0x35);
    rig.start_master(false);
    rig.wait();
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    rig.regions({{0x2000, 0x200}});
    rig.lba48(kFar + 100, 1);
    rig.command(0x25);
    rig.start_master(true);
    rig.wait();
    EXPECT_EQ(rig.memory(0x2000, 512), pattern(4, 1));
}

TEST(AtaDisk, a_large_transfer_goes_in_one_command) {
    const TempFile file(u64{64} << 20);
    IdeRig rig;
    file.put(0, pattern(0, 1024));
    rig.disk(0, 0, file.path);
    rig.regions({{0x10000, 0}, {0x20000, 0}, {0x30000, 0}, {0x40000, 0}, {0x50000, 0}, {0x60000, 0}, {0x70000, 0}, {0x80000, 0}});   // 0: 64 KiB
    rig.lba48(0, 1024);
    rig.command(0x25);
    rig.start_master(true);
    rig.wait();
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    EXPECT_EQ(rig.master_status() & 7, 4);
    EXPECT_EQ(rig.memory(0x10000, 512 * 1024), pattern(0, 1024));
}

TEST(AtaDisk, writes_reach_the_file) {
    const TempFile file(kSectors * 512);
    IdeRig rig;
    rig.disk(0, 0, file.path, false, true);
    rig.lba28(40, 1);
    rig.command(0x30);
    rig.write_data(pattern(40, 1));
    rig.wait();
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    rig.command(0xe7);
    rig.wait();
    auto content = file.content();
    EXPECT_EQ(std::vector<u8>(content.begin() + 40 * 512, content.begin() + 41 * 512), pattern(40, 1));
}

TEST(AtaDisk, one_that_may_not_be_written_aborts_writes) {
    const TempFile file(kSectors * 512);
    IdeRig rig;
    rig.disk(0, 0, file.path, true);
    rig.lba28(40, 1);
    rig.command(0x30);
    rig.wait();
    EXPECT_EQ(rig.get(kStatusPort), kStatusError);
    EXPECT_EQ(rig.get(kErrorPort), 0x44);                 // WP, ABRT
    EXPECT_EQ(rig.read_sectors(40, 1), std::vector<u8>(512));
}

}  // namespace
}  // namespace vmm
