// SPDX-License-Identifier: Apache-2.0
// CD-ROM drives as drivers use them. Expectations: ATA/ATAPI-6, 9.8 and 9.9 (PACKET: interrupt reason, byte counts), 9.12
// (signature); MMC-3, section 6; SPC-2, 7.20 (sense keys and codes).
#include "tests/devices/ide_rig.h"

namespace vmm {
namespace {

using block::pattern;
using block::TempFile;

constexpr u32 kBlocks = 3000;
constexpr u8 kReasonCommand = 1, kReasonData = 2, kReasonDone = 3;

class AtapiTest : public testing::Test {
  protected:
    AtapiTest() {
        file.put(0, pattern(0, u64{kBlocks} * 4));
        rig.cdrom(0, 0, file.path);
        rig.put(kDevicePort, 0xa0);
    }
    // Sends a packet; the drive's answer to the end, by PIO in pieces of at most `limit`.
    std::vector<u8> packet(std::vector<u8> bytes, u16 limit = 0xfffe) {
        send(std::move(bytes), limit, false);
        std::vector<u8> out;
        for (;;) {
            rig.wait();
            EXPECT_TRUE(rig.irq());
            const u8 status = rig.get(kStatusPort);
            if ((status & 8) == 0) {
                EXPECT_EQ(rig.get(kCountPort) & 7, kReasonDone);
                failed = (status & 1) != 0;
                return out;
            }
            EXPECT_EQ(rig.get(kCountPort) & 7, kReasonData);
            const u32 n = rig.get(kMidPort) | u32{rig.get(kHighPort)} << 8;
            EXPECT_LE(n, limit);
            if (n == 0) return out;
            const auto part = rig.read_data(n + (n & 1));
            out.insert(out.end(), part.begin(), part.begin() + n);
            ++pieces;
        }
    }
    void send(std::vector<u8> bytes, u16 limit, bool dma) {
        bytes.resize(12);
        pieces = 0;
        rig.put(kErrorPort, dma ? 1 : 0);
        rig.put(kMidPort, limit & 0xff);
        rig.put(kHighPort, limit >> 8);
        rig.command(0xa0);
        EXPECT_EQ(rig.alternate() & 0x89, 0x08);
        EXPECT_EQ(rig.get(kCountPort) & 7, kReasonCommand);
        rig.write_data(bytes);
    }
    void expect_sense(u8 key, u8 code, u8 qualifier) {
        EXPECT_TRUE(failed);
        EXPECT_EQ(rig.get(kErrorPort) >> 4, key);
        const auto sense = packet({0x03, 0, 0, 0, 18});
        ASSERT_EQ(sense.size(), 18u);
        EXPECT_EQ(sense[0] & 0x7f, 0x70);
        EXPECT_EQ(sense[2] & 0xf, key);
        EXPECT_EQ(sense[12], code);
        EXPECT_EQ(sense[13], qualifier);
    }
    void forget_attention() { packet({0x03, 0, 0, 0, 18}); }

    TempFile file{u64{kBlocks} * 2048};
    IdeRig rig;
    bool failed = false;
    unsigned pieces = 0;
};

TEST_F(AtapiTest, says_what_it_is_by_its_signature) {
    EXPECT_EQ(rig.get(kMidPort), 0x14);
    EXPECT_EQ(rig.get(kHighPort), 0xeb);
    EXPECT_EQ(rig.get(kStatusPort) & 0x40, 0) << "DRDY stays 0 until it is spoken to";
    rig.put(kMidPort, 0);
    rig.put(kHighPort, 0);
    rig.command(0xec);                                    // IDENTIFY DEVICE
    rig.wait();
    EXPECT_EQ(rig.get(kErrorPort), 0x04);
    EXPECT_EQ(rig.get(kMidPort), 0x14);
    EXPECT_EQ(rig.get(kHighPort), 0xeb);
    const auto id = rig.identify(0xa1);                   // IDENTIFY PACKET DEVICE
    EXPECT_EQ(IdeRig::word(id, 0) & 0xdf83, 0x8580 & 0xdf83) << "ATAPI, CD-ROM, removable, 12-byte packets";
    EXPECT_EQ(IdeRig::word(id, 49) & 0x0300, 0x0300);
}

TEST_F(AtapiTest, tells_of_a_reset_first) {
    packet({0x00});
    expect_sense(6, 0x29, 0x00);
    packet({0x00});
    EXPECT_FALSE(failed);
}

TEST_F(AtapiTest, inquiry_comes_before_the_attention_is_told) {
    const auto data = packet({0x12, 0, 0, 0, 36});
    ASSERT_EQ(data.size(), 36u);
    EXPECT_EQ(data[0], 0x05);
    EXPECT_EQ(data[1] & 0x80, 0x80);
    EXPECT_EQ(data[4], 31);
    packet({0x00});
    EXPECT_TRUE(failed);
}

TEST_F(AtapiTest, answers_are_cut_to_the_allocation_length) {
    EXPECT_EQ(packet({0x12, 0, 0, 0, 5}).size(), 5u);
}

TEST_F(AtapiTest, tells_its_capacity) {
    forget_attention();
    EXPECT_EQ(packet({0x25}), (std::vector<u8>{0, 0, (kBlocks - 1) >> 8, (kBlocks - 1) & 0xff, 0, 0, 8, 0}));
}

TEST_F(AtapiTest, reads_in_pieces_of_the_byte_count) {
    forget_attention();
    EXPECT_EQ(packet({0x28, 0, 0, 0, 0, 100, 0, 0, 5}, 4096), pattern(400, 20));
    EXPECT_EQ(pieces, 3u);                                // 4096, 4096, 2048
    EXPECT_FALSE(failed);
}

TEST_F(AtapiTest, reads_more_than_it_asks_of_the_host_at_once) {
    forget_attention();
    EXPECT_EQ(packet({0x28, 0, 0, 0, 0, 0, 0, 0, 200}, 0x8000), pattern(0, 800));
    EXPECT_EQ(packet({0xa8, 0, 0, 0, 0, 7, 0, 0, 0, 2}), pattern(28, 8));
}

TEST_F(AtapiTest, reads_by_dma) {
    forget_attention();
    rig.regions({{0x10000, 0x2000}, {0x20000, 0x800}});
    send({0x28, 0, 0, 0, 1, 0, 0, 0, 5}, 0, true);
    rig.start_master(true);
    rig.wait();
    EXPECT_TRUE(rig.irq());
    EXPECT_EQ(rig.master_status() & 7, 4);
    EXPECT_EQ(rig.get(kStatusPort) & 0x89, 0);
    EXPECT_EQ(rig.get(kCountPort) & 7, kReasonDone);
    EXPECT_EQ(rig.memory(0x10000, 0x2000), pattern(1024, 16));
    EXPECT_EQ(rig.memory(0x20000, 0x800), pattern(1040, 4));
}

TEST_F(AtapiTest, addresses_beyond_the_disc_are_out_of_range) {
    forget_attention();
    packet({0x28, 0, 0, 0, kBlocks >> 8, kBlocks & 0xff, 0, 0, 1});
    expect_sense(5, 0x21, 0x00);
    packet({0x28, 0, 0, 0, (kBlocks - 1) >> 8, (kBlocks - 1) & 0xff, 0, 0, 2});
    expect_sense(5, 0x21, 0x00);
    packet({0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 1});
    EXPECT_TRUE(failed);
    EXPECT_TRUE(packet({0x28, 0, 0, 0, 0, 0, 0, 0, 0}).empty());   // no blocks: no error
    EXPECT_FALSE(failed);
}

TEST_F(AtapiTest, a_file_that_became_shorter_is_a_medium_error) {
    forget_attention();
    std::filesystem::resize_file(file.path, 2048 * 10);
    packet({0x28, 0, 0, 0, 1, 0, 0, 0, 1});
    expect_sense(3, 0x11, 0x00);
    EXPECT_EQ(packet({0x28, 0, 0, 0, 0, 9, 0, 0, 1}), pattern(36, 4));
}

TEST_F(AtapiTest, sense_is_told_once) {
    forget_attention();
    packet({0xee});
    expect_sense(5, 0x20, 0x00);                          // invalid operation code
    const auto sense = packet({0x03, 0, 0, 0, 18});
    EXPECT_EQ(sense[2] & 0xf, 0);
}

TEST_F(AtapiTest, contents_are_one_data_track_and_the_lead_out) {
    forget_attention();
    EXPECT_EQ(packet({0x43, 0, 0, 0, 0, 0, 0, 0, 100}),
              (std::vector<u8>{0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, kBlocks >> 8, kBlocks & 0xff}));
    // In minutes, seconds and frames: block 0 is 00:02:00; 3150 frames are 42 s.
    EXPECT_EQ(packet({0x43, 2, 0, 0, 0, 0, 0, 0, 100}),
              (std::vector<u8>{0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0, 0, 0x14, 0xaa, 0, 0, 0, 42, 0}));
    EXPECT_EQ(packet({0x43, 0, 1, 0, 0, 0, 0, 0, 12}), (std::vector<u8>{0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0}));
    packet({0x43, 0, 0, 0, 0, 0, 5, 0, 100});             // no track 5
    expect_sense(5, 0x24, 0x00);
}

TEST_F(AtapiTest, the_tray_opens_unless_it_is_locked) {
    forget_attention();
    packet({0x1e, 0, 0, 0, 1});
    packet({0x1b, 0, 0, 0, 2});
    expect_sense(5, 0x53, 0x02);
    packet({0x1e, 0, 0, 0, 0});
    packet({0x1b, 0, 0, 0, 2});
    EXPECT_FALSE(failed);
    packet({0x00});
    expect_sense(2, 0x3a, 0x02);                          // no medium, tray open
    packet({0x28, 0, 0, 0, 0, 0, 0, 0, 1});
    EXPECT_TRUE(failed);
    packet({0x1b, 0, 0, 0, 3});
    EXPECT_FALSE(failed);
    packet({0x00});
    expect_sense(6, 0x28, 0x00);                          // the medium may have changed
    packet({0x00});
    EXPECT_FALSE(failed);
}

TEST_F(AtapiTest, events_tell_of_the_tray) {
    forget_attention();
    const std::vector<u8> poll{0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};
    auto event = packet(poll);
    ASSERT_EQ(event.size(), 8u);
    EXPECT_EQ(event[2] & 7, 4);
    EXPECT_EQ(event[4] & 0xf, 2) << "new media, after power-on";
    EXPECT_EQ(event[5], 2) << "present, tray closed";
    EXPECT_EQ(packet(poll)[4], 0) << "told once";
    packet({0x1b, 0, 0, 0, 2});
    event = packet(poll);
    EXPECT_EQ(event[4] & 0xf, 3) << "removal";
    EXPECT_EQ(event[5], 1) << "tray open";
}

TEST_F(AtapiTest, its_features_are_a_cd_roms) {
    const auto data = packet({0x46, 0, 0, 0, 0, 0, 0, 1, 0});
    ASSERT_GT(data.size(), 16u);
    EXPECT_EQ(u32{data[0]} << 24 | data[1] << 16 | data[2] << 8 | data[3], data.size() - 4);
    EXPECT_EQ(data[6] << 8 | data[7], 0x0008) << "current profile: CD-ROM";
    EXPECT_EQ(data[8] << 8 | data[9], 0x0000) << "the profile list comes first";
}

TEST_F(AtapiTest, mode_page_2a_tells_its_abilities) {
    forget_attention();
    const auto data = packet({0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 100});
    ASSERT_GE(data.size(), 10u);
    EXPECT_EQ(data[0] << 8 | data[1], static_cast<int>(data.size()) - 2);
    EXPECT_EQ(data[8] & 0x3f, 0x2a);
    EXPECT_EQ(data[9], data.size() - 10);
    packet({0x5a, 0, 0x33, 0, 0, 0, 0, 0, 100});
    expect_sense(5, 0x24, 0x00);
}

TEST_F(AtapiTest, a_device_reset_ends_a_command_without_an_interrupt) {
    forget_attention();
    send({0x28, 0, 0, 0, 0, 0, 0, 0, 1}, 2048, false);
    EXPECT_EQ(rig.alternate() & kStatusBusy, kStatusBusy);
    rig.command(0x08);
    EXPECT_EQ(rig.alternate() & kStatusBusy, 0);
    EXPECT_EQ(rig.get(kMidPort), 0x14);
    rig.bench.pass(10'000'000);
    EXPECT_FALSE(rig.irq());
}

TEST(Atapi, a_drive_without_a_disc_says_so) {
    IdeRig rig;
    rig.cdrom(0, 1, "");
    rig.put(kDevicePort, 0xb0);
    const auto packet = [&](u8 code) {
        rig.put(kErrorPort, 0);
        rig.put(kMidPort, 0xfe);
        rig.put(kHighPort, 0xff);
        rig.command(0xa0);
        rig.write_data(std::vector<u8>{code, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0});
        rig.wait();
        return rig.get(kStatusPort);
    };
    EXPECT_EQ(packet(0x03) & 8, 8);                       // forgets the attention
    rig.read_data(18);
    EXPECT_EQ(packet(0x00) & 1, 1);
    EXPECT_EQ(rig.get(kErrorPort) >> 4, 2);
    packet(0x03);
    const auto sense = rig.read_data(18);
    EXPECT_EQ(sense[12], 0x3a);
}

TEST(Atapi, an_image_that_ends_within_a_block_reads_as_with_zeros) {
    const TempFile file(3 * 2048 + 512);
    file.put(0, pattern(0, 13));
    IdeRig rig;
    rig.cdrom(0, 0, file.path);
    rig.put(kDevicePort, 0xa0);
    const auto send = [&](const std::vector<u8>& bytes) {
        rig.put(kErrorPort, 0);
        rig.put(kMidPort, 0xfe);
        rig.put(kHighPort, 0xff);
        rig.command(0xa0);
        rig.write_data(bytes);
        rig.wait();
    };
    send({0x03, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0});
    rig.read_data(18);
    send({0x28, 0, 0, 0, 0, 3, 0, 0, 1, 0, 0, 0});
    auto expected = pattern(12, 1);
    expected.resize(2048);
    EXPECT_EQ(rig.read_data(2048), expected);
}

}  // namespace
}  // namespace vmm
