// SPDX-License-Identifier: Apache-2.0
// gdb's packets as bytes: framing, checksums, escapes, runs, and whatever else a line can carry.
// Examples: "Debugging with GDB", appendix E, "Overview".
#include "gdbstub/packet.h"

#include <gtest/gtest.h>

#include <random>

namespace vmm::gdb {
namespace {

using Kind = PacketReader::Kind;

std::vector<PacketReader::Event> read(std::string_view bytes, std::size_t piece = ~std::size_t{0}) {
    std::vector<PacketReader::Event> out;
    PacketReader reader;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
        reader.feed(bytes.substr(0, piece), [&](const PacketReader::Event& e) { out.push_back(e); });
    return out;
}

std::string one(std::string_view bytes) {
    const auto events = read(bytes);
    EXPECT_EQ(events.size(), 1u);
    if (events.size() != 1 || events[0].kind != Kind::Packet) return "no packet";
    return events[0].payload;
}

TEST(PacketReaderTest, a_packet_with_its_checksum) {
    EXPECT_EQ(one("$m0,4#fd"), "m0,4");
    EXPECT_EQ(one("$m0,4#FD"), "m0,4");
    EXPECT_EQ(one("$#00"), "");
}

TEST(PacketReaderTest, a_wrong_checksum_is_damage) {
    ASSERT_EQ(read("$m0,4#fe").size(), 1u);
    EXPECT_EQ(read("$m0,4#fe")[0].kind, Kind::Damaged);
    EXPECT_EQ(read("$m0,4#xx")[0].kind, Kind::Damaged);
}

TEST(PacketReaderTest, acknowledgments_and_the_interrupt_lie_between_packets) {
    const auto events = read("+-\x03$g#67\x03");
    ASSERT_EQ(events.size(), 5u);
    EXPECT_EQ(events[0].kind, Kind::Ack);
    EXPECT_EQ(events[1].kind, Kind::Nack);
    EXPECT_EQ(events[2].kind, Kind::Interrupt);
    EXPECT_EQ(events[3].kind, Kind::Packet);
    EXPECT_EQ(events[4].kind, Kind::Interrupt);
}

TEST(PacketReaderTest, escaped_bytes_are_the_byte_xor_20) { EXPECT_EQ(one("$X}\x03}]}\x04}\x0a#ba"), "X#}$*"); }

TEST(PacketReaderTest, a_run_repeats_the_byte_before_it) { EXPECT_EQ(one("$0* #7a"), "0000"); }

TEST(PacketReaderTest, an_interrupt_byte_inside_a_packet_is_data) { EXPECT_EQ(one("$\x03#03"), "\x03"); }

TEST(PacketReaderTest, a_packet_that_lost_its_end_gives_way_to_the_next) { EXPECT_EQ(one("$m0,4$g#67"), "g"); }

TEST(PacketReaderTest, what_is_too_long_is_said_once_and_the_next_packet_counts) {
    const auto events = read("$" + std::string(kPacketSize + 1, 'a') + "#61$g#67");
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[0].kind, Kind::TooLong);
    EXPECT_EQ(events[1].payload, "g");
}

TEST(PacketReaderTest, runs_cannot_make_a_packet_longer_than_the_size) {
    std::string bytes = "$a";
    for (unsigned i = 0; i < 100'000; ++i) bytes += "*~";
    u8 sum = 0;
    for (const char c : bytes.substr(1)) sum = static_cast<u8>(sum + static_cast<u8>(c));
    const auto events = read(bytes + "#" + to_hex(std::span(&sum, 1)));
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, Kind::TooLong);
}

TEST(PacketEncodeTest, the_manuals_examples) {
    EXPECT_EQ(encode("OK"), "$OK#9a");
    EXPECT_EQ(encode(""), "$#00");
    EXPECT_EQ(encode("0000"), "$0* #7a");
}

TEST(PacketEncodeTest, counts_that_look_like_framing_are_not_used) {
    for (std::size_t n = 1; n < 300; ++n) {
        const std::string bytes = encode(std::string(n, '0'));
        for (const char c : {'$', '#', '+', '-'}) EXPECT_EQ(bytes.substr(1, bytes.size() - 4).find(c), std::string::npos) << n;
        EXPECT_EQ(one(bytes), std::string(n, '0'));
    }
}

TEST(PacketEncodeTest, any_bytes_come_back) {
    std::mt19937 random(1);
    for (unsigned round = 0; round < 2000; ++round) {
        std::string payload;
        const std::size_t size = random() % 200;
        while (payload.size() < size) payload.append(1 + random() % 8, "$#}*\x03" "ab0"[random() % 8]);
        EXPECT_EQ(one(encode(payload)), payload);
    }
}

TEST(PacketHexTest, numbers_are_taken_from_the_front) {
    std::string_view text = "c0100000,4";
    EXPECT_EQ(take_hex(text), 0xc0100000u);
    EXPECT_TRUE(take(text, ","));
    EXPECT_EQ(take_hex(text), 4u);
    EXPECT_EQ(take_hex(text), std::nullopt);
    text = "12345678123456789";
    EXPECT_EQ(take_hex(text), std::nullopt);
    EXPECT_EQ(from_hex("abc"), std::nullopt);
    EXPECT_EQ(from_hex("ag"), std::nullopt);
    EXPECT_EQ(from_hex("00fF"), (std::vector<u8>{0, 255}));
    EXPECT_EQ(hex_number(0), "0");
    EXPECT_EQ(hex_number(0xc0de), "c0de");
}

// Bytes of no meaning, and good streams with damage in them: the events do not depend on how the stream is cut, and every
// packet after the damage is found.
TEST(PacketFuzzTest, any_stream_gives_the_same_events_however_it_is_cut) {
    for (unsigned seed = 0; seed < 3000; ++seed) {
        std::mt19937 random(seed);
        std::string bytes;
        for (u64 part = random() % 8; part-- > 0;) {
            if (random() % 2 == 0) {
                for (u64 n = random() % 40; n-- > 0;) bytes += "$#}*+-\x03" "0fmx,\xff\0"[random() % 14];
            } else {
                std::string good = encode(std::string(random() % 30, static_cast<char>(random())));
                if (random() % 3 == 0) good[random() % good.size()] = static_cast<char>(random());
                bytes += good;
            }
        }
        const std::string tail = "#00" + encode("g");
        const auto whole = read(bytes + tail), single = read(bytes + tail, 1), pieces = read(bytes + tail, 1 + random() % 7);
        ASSERT_EQ(whole.size(), single.size()) << "seed " << seed;
        ASSERT_EQ(whole.size(), pieces.size()) << "seed " << seed;
        for (std::size_t i = 0; i < whole.size(); ++i) {
            EXPECT_EQ(whole[i].kind, single[i].kind) << "seed " << seed;
            EXPECT_EQ(whole[i].payload, single[i].payload) << "seed " << seed;
            EXPECT_EQ(whole[i].payload, pieces[i].payload) << "seed " << seed;
        }
        ASSERT_FALSE(whole.empty());
        EXPECT_EQ(whole.back().payload, "g") << "seed " << seed;
    }
}

}  // namespace
}  // namespace vmm::gdb
