// SPDX-License-Identifier: Apache-2.0
// BlockTable against std::map, and jumps that wait for their target.
#include "vmm/tcg/block_table.h"
#include "vmm/tcg/jump_target.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>
#include <random>

namespace vmm::tcg {
namespace {

TEST(BlockTable, finds_what_a_map_finds_through_coming_and_going) {
    std::mt19937 random(1);
    BlockTable table;
    std::deque<Block> blocks;
    std::map<u32, Block*> model;
    auto key = [](u32 n) { return BlockKey{n % 7, n * 16, static_cast<u16>(n & 0xfff), n % 3}; };
    for (int round = 0; round < 200'000; ++round) {
        const u32 n = static_cast<u32>(random() % 6000);
        const auto it = model.find(n);
        ASSERT_EQ(table.find(key(n)), it == model.end() ? nullptr : it->second) << "round " << round;
        if (it == model.end()) {
            Block& block = blocks.emplace_back(*std::pmr::get_default_resource());
            block.key = key(n);
            table.insert(block);
            model[n] = &block;
        } else if (random() % 3 != 0) {
            table.erase(*it->second);
            model.erase(it);
        }
        ASSERT_EQ(table.size(), model.size());
    }
    std::size_t seen = 0;
    table.each([&](Block& block) { seen += model.at(block.key.eip / 16) == &block ? 1 : 0; });
    EXPECT_EQ(seen, model.size());
    table.clear();
    EXPECT_EQ(table.size(), 0u);
    EXPECT_EQ(table.find(key(1)), nullptr);
}

TEST(JumpTarget, is_where_all_jumps_go_that_waited_for_it_and_that_come_later) {
    std::array<u8, 64> code{};
    JumpTarget target;
    for (const std::size_t end : {6u, 17u, 30u}) target.aim(&code[end]);
    target.bind(&code[40]);
    target.aim(&code[60]);
    for (const int end : {6, 17, 30, 60}) {
        i32 displacement = 0;
        std::memcpy(&displacement, &code[static_cast<std::size_t>(end) - 4], 4);
        EXPECT_EQ(end + displacement, 40);
    }
}

}  // namespace
}  // namespace vmm::tcg
