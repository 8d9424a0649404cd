// SPDX-License-Identifier: Apache-2.0
// The translator runs firmware images from reset to their triple faults: a journey through the modes, every permission of every
// paging format. Their reports are those of another emulator (*.expected), and cutting the code into blocks differently changes
// neither a report nor the count of steps.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/tcg/stepper.h"
#include "vmm/tcg/translator.h"

namespace vmm::tcg::test {
namespace {

std::string file(const char* path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Outcome {
    std::string report;
    u64 steps = 0;
    StopReason why = StopReason::Limit;
};

Outcome travel(const std::string& name, unsigned block_limit, bool interpret) {
    Board board(0x1000000);
    const std::string image = file((std::string(GUEST_IMAGES) + "/" + name + ".bin").c_str());
    EXPECT_EQ(image.size(), 0x10000u);
    const u32 store = board.memory.allocate(image.size());
    std::copy(image.begin(), image.end(), board.memory.page(store));
    board.memory.written(store, 0, kPageSize);
    board.memory.map_rom(0xf0, store, 16);
    board.memory.map_rom(0xffff0, store, 16);
    Outcome outcome;
    board.ports.map("log", 0xe9, 1, {[](u32, unsigned) { return 0xe9u; },
                                     [&](u32, unsigned, u32 value) { outcome.report += static_cast<char>(value); }, 1});
    const auto model = find_cpu_model("pentium4");
    Translator translator(board.memory, board.ports, board.clock, board.timers, board.pins, **model);
    translator.set_block_limit(block_limit);
    translator.set_interpret(interpret);
    translator.reset(false);
    constexpr u64 kPlenty = 8'000'000;
    outcome.why = translator.run({kPlenty});
    outcome.steps = board.clock.icount().v;
    return outcome;
}

class Guest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(, Guest, testing::Values("journey", "paging"), [](const auto& p) { return std::string(p.param); });

TEST_P(Guest, ReportIsThatOfAnotherEmulatorAndEndsInATripleFault) {
    const Outcome outcome = travel(GetParam(), 32, false);
    EXPECT_EQ(outcome.report, file((std::string(GUEST_REPORTS) + "/" + GetParam() + ".expected").c_str()));
    EXPECT_EQ(outcome.why, StopReason::TripleFault);
}

TEST_P(Guest, CuttingIntoBlocksDoesNotShow) {
    const Outcome blocks = travel(GetParam(), 32, false);
    const Outcome small = travel(GetParam(), 1, false);
    const Outcome single = travel(GetParam(), 32, true);
    EXPECT_EQ(small.report, blocks.report);
    EXPECT_EQ(small.steps, blocks.steps);
    EXPECT_EQ(single.report, blocks.report);
    EXPECT_EQ(single.steps, blocks.steps);
}

}  // namespace
}  // namespace vmm::tcg::test
