// SPDX-License-Identifier: Apache-2.0
// The boot ROMs that firmware runs from fw_cfg (files genroms/...), assembled from the .S files beside this one.
#pragma once

#include <span>

#include "vmm/types.h"

namespace vmm {

extern const std::span<const u8> kLinuxbootRom;
extern const std::span<const u8> kMultibootRom;

}  // namespace vmm
