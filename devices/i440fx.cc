// SPDX-License-Identifier: Apache-2.0
#include "devices/i440fx.h"

#include <algorithm>
#include <cstring>

namespace vmm {
namespace {
constexpr u8 kPmccfg = 0x50, kDeturbo = 0x52, kDbc = 0x53, kAxc = 0x54, kDrt = 0x55, kDramc = 0x57, kDramt = 0x58;
constexpr u8 kPam0 = 0x59, kDrb0 = 0x60, kFdhc = 0x68, kMtt = 0x70, kClt = 0x71, kSmram = 0x72, kErrcmd = 0x90, kErrsts = 0x91;
constexpr u8 kReadEnable = 1, kWriteEnable = 2;
constexpr u64 kRowUnit = 8u << 20;
}  // namespace

I440fx::I440fx(PciBus& bus, Memory& memory, Behind behind)
    : PciDevice(bus, pci_devfn(0, 0), {.vendor = 0x8086, .device = 0x1237, .revision = 2, .base_class = 6, .sub_class = 0}),
      memory_(memory), behind_(std::move(behind)), open_bus_(memory.allocate(kPageSize)) {
    applied_.fill(kUnknown);
    std::memset(memory_.page(open_bus_), 0xff, kPageSize);
    memory_.written(open_bus_, 0, kPageSize);

    define(pci::kCommand, 2, 0x0006, 0x0140);         // memory and mastering cannot be turned off
    define(pci::kStatus, 2, 0x0280, 0, 0xf900);
    define(kPmccfg, 2, 0, 0xffff);
    define(kDeturbo, 1, 0, 0xff);
    define(kDbc, 1, 0x83, 0xff);
    define(kAxc, 1, 0, 0xff);
    define(kDrt, 2, 0, 0xffff);
    define(kDramc, 1, 0x01, 0xff);
    define(kDramt, 1, 0x10, 0xff);
    define(kPam0, 1, 0, 0x30);                        // the low half of PAM0 is reserved
    define(kPam0 + 1, 2, 0, 0x3333);
    define(kPam0 + 3, 4, 0, 0x3333'3333);
    // Rows of at most 128 MiB, each boundary counted from 0; what does not fit in eight rows is not told.
    const u64 total = std::min<u64>(memory.ram_size() / kRowUnit, 0xff);
    for (unsigned row = 0; row < 8; ++row) {
        const u64 boundary = row == 7 ? total : std::min<u64>(total, 16 * (u64{row} + 1));
        define(static_cast<u8>(kDrb0 + row), 1, static_cast<u32>(boundary), 0xff);
    }
    define(kFdhc, 1, 0, 0xff);
    define(kMtt, 1, 0, 0xff);
    define(kClt, 1, 0x10, 0xff);
    define(kSmram, 1, 0x02, 0x7f);
    define(kErrcmd, 1, 0, 0xff);
    define(kErrsts, 2, 0, 0, 0x0011);
    update_pam();
}

void I440fx::config_written(u8 offset, unsigned size) {
    if (offset < kPam0 + 7 && offset + size > kPam0) update_pam();
}

void I440fx::update_pam() {
    for (unsigned i = 0; i < kSegments; ++i) {
        // Segment 0 is the high half of PAM0; from there two a register, low half first.
        const unsigned half = i + 1;
        const u8 attributes = reg8(static_cast<u8>(kPam0 + half / 2)) >> (half % 2 * 4) & 3;
        if (attributes == applied_[i]) continue;
        applied_[i] = attributes;
        map_segment(i, attributes);
    }
}

void I440fx::map_segment(unsigned index, u8 attributes) {
    const u32 first = index == 0 ? 0xf0 : 0xc0 + 4 * (index - 1);
    const u32 pages = index == 0 ? 16 : 4;
    switch (attributes) {
        case kReadEnable | kWriteEnable: memory_.map_ram(first, first, pages); return;
        case kReadEnable: memory_.map_rom(first, first, pages); return;
        default: break;
    }
    for (u32 page = first; page < first + pages; ++page) {
        const auto rom = behind_ ? behind_(page) : std::nullopt;
        if (attributes == kWriteEnable) memory_.map_split(page, rom.value_or(open_bus_), page, 1);
        else if (rom) memory_.map_rom(page, *rom, 1);
        else memory_.map_io(page, 1);
    }
}

void I440fx::after_load() {
    PciDevice::after_load();
    update_pam();
}

void I440fx::reset() {
    reset_config();
    update_pam();
}

}  // namespace vmm
