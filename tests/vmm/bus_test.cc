// SPDX-License-Identifier: Apache-2.0
// IoBus: the promises at the top of vmm/bus.h.
#include <gtest/gtest.h>

#include "vmm/bus.h"

namespace vmm {
namespace {

IoOps constant(u32 value) {
    return {[value](u32, unsigned) { return value; }, {}, 4};
}

TEST(IoBus, nobody_there_reads_all_ones) {
    IoBus bus{"ports"};
    EXPECT_EQ(bus.read(0x100, 1), 0xffu);
    EXPECT_EQ(bus.read(0x100, 2), 0xffffu);
    EXPECT_EQ(bus.read(0x100, 4), 0xffff'ffffu);
}

TEST(IoBus, a_wide_access_is_split_lowest_address_first) {
    IoBus bus{"ports"};
    std::vector<std::pair<u32, u32>> seen;
    bus.map("bytes", 0x100, 4, {{}, [&seen](u32 offset, unsigned, u32 value) { seen.emplace_back(offset, value); }, 1});
    bus.write(0x100, 4, 0x4433'2211);
    EXPECT_EQ(seen, (std::vector<std::pair<u32, u32>>{{0, 0x11}, {1, 0x22}, {2, 0x33}, {3, 0x44}}));
}

TEST(IoBus, an_access_across_the_end_of_a_range_meets_both_neighbours) {
    IoBus bus{"ports"};
    bus.map("low", 0x100, 2, constant(0x11));
    bus.map("high", 0x102, 2, constant(0x22));
    EXPECT_EQ(bus.read(0x101, 2), 0x2211u);
}

TEST(IoBus, the_latest_movable_range_wins_and_uncovers_what_it_hid) {
    IoBus bus{"memory"};
    bus.map("fixed", 0x1000, 0x100, constant(1));
    const auto first = bus.map_movable("first", 0x1010, 0x10, constant(2));
    const auto second = bus.map_movable("second", 0x1018, 0x10, constant(3));
    EXPECT_EQ(bus.read(0x1010, 1), 2u);
    EXPECT_EQ(bus.read(0x1018, 1), 3u);
    EXPECT_EQ(bus.read(0x1028, 1), 1u);
    bus.unmap(second);
    EXPECT_EQ(bus.read(0x1018, 1), 2u);
    bus.unmap(first);
    EXPECT_EQ(bus.read(0x1018, 1), 1u);
}

TEST(IoBus, the_last_address_of_the_space_can_be_mapped) {
    IoBus bus{"memory"};
    bus.map("top", 0xffff'f000, 0x1000, constant(7));
    EXPECT_EQ(bus.read(0xffff'ffff, 1), 7u);
    EXPECT_FALSE(bus.claimed(0xffff'efff));
}

TEST(IoBus, a_handler_may_remove_its_own_range) {
    IoBus bus{"ports"};
    IoBus::Handle handle = 0;
    std::vector<u32> log;
    handle = bus.map_movable("moves", 0x100, 1, {{}, [&bus, &handle, &log](u32, unsigned, u32 value) {
        bus.unmap(handle);
        handle = bus.map_movable("moved", 0x200, 1, constant(0x5a));
        log.push_back(value);                // the captures are still there
    }, 1});
    bus.write(0x100, 1, 9);
    EXPECT_EQ(log, std::vector<u32>{9});
    EXPECT_FALSE(bus.claimed(0x100));
    EXPECT_EQ(bus.read(0x200, 1), 0x5au);
}

}  // namespace
}  // namespace vmm
