// SPDX-License-Identifier: Apache-2.0
// The boot ROMs' headers, as a BIOS checks them (BIOS Boot Specification; Plug and Play BIOS Specification 3.2).
#include "devices/optionrom/optionrom.h"

#include <gtest/gtest.h>

#include <numeric>

#include "vmm/bytes.h"

namespace vmm {
namespace {

class OptionRom : public testing::TestWithParam<const std::span<const u8>*> {
  protected:
    std::span<const u8> rom = *GetParam();
};

u8 sum(std::span<const u8> bytes) { return std::accumulate(bytes.begin(), bytes.end(), u8{0}, [](u8 a, u8 b) { return static_cast<u8>(a + b); }); }

TEST_P(OptionRom, HasSignatureSizeAndChecksum) {
    EXPECT_EQ(load_le16(rom, 0), 0xaa55);
    EXPECT_EQ(rom[2] * 512u, rom.size());
    EXPECT_EQ(sum(rom), 0);
}

TEST_P(OptionRom, HasAPnpHeaderWithABootEntry) {
    const auto pnp = rom.subspan(load_le16(rom, 0x1a));
    EXPECT_EQ(std::string(pnp.begin(), pnp.begin() + 4), "$PnP");
    const std::size_t bytes = 16u * pnp[5];
    ASSERT_EQ(bytes, 32u);
    EXPECT_EQ(sum(pnp.first(bytes)), 0);
    EXPECT_EQ(load_le16(pnp, 6), 0);            // the only header
    EXPECT_EQ(pnp[0x15] & 0x04, 0x04);          // an initial program load device
    EXPECT_GT(load_le16(pnp, 0x1a), 0x40);      // boot entry vector, within the ROM
    EXPECT_LT(load_le16(pnp, 0x1a), rom.size());
}

INSTANTIATE_TEST_SUITE_P(Roms, OptionRom, testing::Values(&kLinuxbootRom, &kMultibootRom));

}  // namespace
}  // namespace vmm
