// SPDX-License-Identifier: Apache-2.0
// What SeaBIOS wants to know before it boots anything: RAM ranges, CPU count, boot menu and boot order, as fw_cfg items.
//
// Documents: QEMU docs/specs/fw_cfg; SeaBIOS documentation, "Runtime config" (names and formats of the etc/ files).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "devices/fw_cfg.h"

namespace vmm {

inline constexpr u64 kMaxRam = u64{3584} << 20;

struct BootConfig {
    u64 ram_bytes = 0;                       // all of it below 4 GiB, from address 0
    bool boot_menu = false;                  // offer the boot menu (F12/ESC)
    std::optional<u16> menu_wait_ms{};        // for how long
    std::optional<u32> fail_wait_ms{};        // restart so long after finding nothing to boot; ~0: never
    std::vector<std::string> boot_order{};   // Open Firmware device paths, first choice first
};

void add_boot_config(FwCfg& fw_cfg, const BootConfig& config);

// The file etc/e820: one RAM range; the firmware takes out of it what it and the hardware need below 1 MiB.
std::vector<u8> e820_file(u64 ram_bytes);

// Puts `path` at the head of the boot order, whatever it is now.
void boot_first(FwCfg& fw_cfg, std::string_view path);

}  // namespace vmm
