// SPDX-License-Identifier: Apache-2.0
// The debug console and the exit port. Expectations: what SeaBIOS asks of port 402h (a read gives E9h), and the exit codes
// that guests written for QEMU's isa-debug-exit count on.
#include <gtest/gtest.h>

#include "devices/debug_console.h"
#include "devices/isa_debug_exit.h"

namespace vmm {
namespace {

TEST(DebugConsole, characters_reach_the_sink_in_order) {
    IoBus ports{"ports"};
    std::string text;
    DebugConsole console(ports, "debugcon", 0x402, [&text](u8 c) { text += static_cast<char>(c); });
    ports.write(0x402, 1, 'o');
    ports.write(0x402, 1, 'k');
    EXPECT_EQ(text, "ok");
}

TEST(DebugConsole, a_read_says_that_somebody_listens) {
    IoBus ports{"ports"};
    DebugConsole firmware(ports, "debugcon", 0x402, {});
    DebugConsole bochs(ports, "port-e9", 0xe9, {});
    EXPECT_EQ(ports.read(0x402, 1), 0xe9u);
    EXPECT_EQ(ports.read(0xe9, 1), 0xe9u);
}

TEST(IsaDebugExit, the_exit_code_is_odd) {
    IoBus ports{"ports"};
    std::vector<u32> codes;
    IsaDebugExit device(ports, IsaDebugExit::kDefaultBase, IsaDebugExit::kDefaultSize, [&codes](u32 c) { codes.push_back(c); });
    ports.write(0x501, 1, 0);
    ports.write(0x501, 1, 0x10);
    ports.write(0x501, 2, 0x1234);
    EXPECT_EQ(codes, (std::vector<u32>{1, 0x21, 0x2469}));
}

TEST(IsaDebugExit, takes_a_dword_where_its_range_is_that_wide) {
    IoBus ports{"ports"};
    u32 code = 0;
    IsaDebugExit device(ports, 0xf4, 4, [&code](u32 c) { code = c; });
    ports.write(0xf4, 4, 0x10);
    EXPECT_EQ(code, 0x21u);
    EXPECT_EQ(ports.read(0xf4, 4), 0u);
}

}  // namespace
}  // namespace vmm
