// SPDX-License-Identifier: Apache-2.0
// What a BIOS reads about disks in the CMOS memory: the first two hard disks, and what to boot from.
// Documents: IBM AT technical reference (bytes 12h, 19h-2Ch); SeaBIOS and Bochs BIOS for 38h-3Dh.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "devices/mc146818.h"

namespace vmm {

void set_cmos_disks(Mc146818& cmos, const std::array<std::optional<u64>, 2>& sectors);
// Letters as in -boot: a floppy, c disk, d CD-ROM, n network. Empty: disk, floppy, CD-ROM.
void set_cmos_boot_order(Mc146818& cmos, std::string_view order);

}  // namespace vmm
