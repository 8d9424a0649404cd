// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/boot_config.h"

#include <gtest/gtest.h>

#include "vmm/bytes.h"

namespace vmm {
namespace {

struct BootConfigTest : testing::Test {
    std::string file(std::string_view name) {
        const auto* content = fw_cfg.find_file(name);
        return content == nullptr ? "(none)" : std::string(content->begin(), content->end());
    }
    IoBus ports{"port"}, mmio{"mmio"};
    Memory memory{1u << 20, 0, mmio};
    FwCfg fw_cfg{ports, memory};
};

TEST_F(BootConfigTest, E820HasOneRamRange) {
    const auto e820 = e820_file(u64{3584} << 20);
    ASSERT_EQ(e820.size(), 20u);                    // address, length (64 bits), type (32 bits)
    EXPECT_EQ(load_le(e820, 0, 8), 0u);
    EXPECT_EQ(load_le(e820, 8, 8), 0xe000'0000u);
    EXPECT_EQ(load_le32(e820, 16), 1u);
}

TEST_F(BootConfigTest, FixedItemsDescribeTheMachine) {
    add_boot_config(fw_cfg, {.ram_bytes = 64u << 20, .boot_menu = true});
    EXPECT_EQ(load_le(fw_cfg.item(0x03), 0, 8), 0x400'0000u);
    EXPECT_EQ(load_le16(fw_cfg.item(0x05), 0), 1);
    EXPECT_EQ(load_le(fw_cfg.item(0x0d), 0, 8), 0u);
    EXPECT_EQ(load_le16(fw_cfg.item(0x0e), 0), 1);
    EXPECT_EQ(load_le16(fw_cfg.item(0x0f), 0), 1);
    EXPECT_EQ(fw_cfg.item(0x8002)[0], 1);
    EXPECT_NE(fw_cfg.find_file("etc/e820"), nullptr);
    EXPECT_EQ(file("etc/boot-fail-wait"), "(none)");
}

TEST_F(BootConfigTest, WaitingTimesAreNumbersInMilliseconds) {
    add_boot_config(fw_cfg, {.ram_bytes = 1u << 20, .menu_wait_ms = u16{0x1234}, .fail_wait_ms = 0xffffffff});
    EXPECT_EQ(file("etc/boot-menu-wait"), "\x34\x12");
    EXPECT_EQ(file("etc/boot-fail-wait"), "\xff\xff\xff\xff");
}

TEST_F(BootConfigTest, BootOrderIsLinesWithAFinalZero) {
    add_boot_config(fw_cfg, {.ram_bytes = 1u << 20, .boot_order = {"/a", "/b"}});
    EXPECT_EQ(file("bootorder"), std::string("/a\n/b\0", 6));
}

TEST_F(BootConfigTest, BootFirstGoesBeforeTheRest) {
    boot_first(fw_cfg, "/one");
    EXPECT_EQ(file("bootorder"), std::string("/one\0", 5));
    boot_first(fw_cfg, "/zero");
    EXPECT_EQ(file("bootorder"), std::string("/zero\n/one\0", 11));
}

}  // namespace
}  // namespace vmm
