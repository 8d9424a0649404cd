// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/cmos_disks.h"

#include "devices/ata_disk.h"

namespace vmm {
namespace {

constexpr u8 kTypes = 0x12, kExtendedType = 0x19, kParameters[2] = {0x1b, 0x24}, kTranslation = 0x39;
constexpr u8 kBootThird = 0x38, kBootFirst = 0x3d;
constexpr u8 kUserType = 47, kManyHeads = 8;
constexpr u64 kLargestUntranslated = 1024 * 16 * 63;           // sectors that BIOS calls reach without translation
constexpr u8 kNoTranslation = 0, kLba = 1;

}  // namespace

void set_cmos_disks(Mc146818& cmos, const std::array<std::optional<u64>, 2>& sectors) {
    u8 types = 0, translation = 0;
    for (unsigned n = 0; n < 2; ++n) {
        if (!sectors[n]) continue;
        const DiskGeometry g = default_geometry(*sectors[n]);
        types = static_cast<u8>(types | 0xf << (n == 0 ? 4 : 0));
        translation = static_cast<u8>(translation | (*sectors[n] > kLargestUntranslated ? kLba : kNoTranslation) << (2 * n));
        cmos.set_cmos(static_cast<u8>(kExtendedType + n), kUserType);
        const u8 at = kParameters[n];
        const u8 values[9] = {static_cast<u8>(g.cylinders), static_cast<u8>(g.cylinders >> 8), static_cast<u8>(g.heads), 0xff, 0xff,
                              static_cast<u8>(0xc0 | (g.heads > 8 ? kManyHeads : 0)), static_cast<u8>(g.cylinders), static_cast<u8>(g.cylinders >> 8),
                              static_cast<u8>(g.sectors)};
        for (u8 i = 0; i < 9; ++i) cmos.set_cmos(static_cast<u8>(at + i), values[i]);
    }
    cmos.set_cmos(kTypes, types);
    cmos.set_cmos(kTranslation, translation);
}

void set_cmos_boot_order(Mc146818& cmos, std::string_view order) {
    if (order.empty()) order = "cad";
    u8 codes[3] = {};
    for (std::size_t i = 0; i < order.size() && i < 3; ++i) {
        switch (order[i]) {
            case 'a': codes[i] = 1; break;
            case 'c': codes[i] = 2; break;
            case 'd': codes[i] = 3; break;
            default: codes[i] = 4; break;
        }
    }
    cmos.set_cmos(kBootFirst, static_cast<u8>(codes[1] << 4 | codes[0]));
    cmos.set_cmos(kBootThird, static_cast<u8>(codes[2] << 4));
}

}  // namespace vmm
