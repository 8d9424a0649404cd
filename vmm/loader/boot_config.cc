// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/boot_config.h"

#include "vmm/bytes.h"
#include "vmm/check.h"

namespace vmm {
namespace {

constexpr std::string_view kBootOrder = "bootorder";
constexpr u32 kE820Ram = 1;

std::vector<u8> number(u64 value, unsigned bytes) {
    std::vector<u8> out;
    append_le(out, value, bytes);
    return out;
}

// Paths, one a line, with a terminating zero.
std::vector<u8> boot_order_file(const std::vector<std::string>& paths) {
    std::vector<u8> out;
    for (const auto& path : paths) {
        out.insert(out.end(), path.begin(), path.end());
        out.push_back('\n');
    }
    if (!out.empty()) out.back() = 0;
    return out;
}

}  // namespace

std::vector<u8> e820_file(u64 ram_bytes) {
    CHECK(ram_bytes <= kMaxRam, "more RAM than fits below the PCI window");
    std::vector<u8> out;
    append_le(out, 0, 8);
    append_le(out, ram_bytes, 8);
    append_le(out, kE820Ram, 4);
    return out;
}

void add_boot_config(FwCfg& fw_cfg, const BootConfig& config) {
    fw_cfg.set_u64(fw_cfg_key::kRamSize, config.ram_bytes);
    fw_cfg.set_u16(fw_cfg_key::kNoGraphic, 0);
    fw_cfg.set_u16(fw_cfg_key::kCpuCount, 1);
    fw_cfg.set_u16(fw_cfg_key::kMaxCpus, 1);
    fw_cfg.set_u64(fw_cfg_key::kNuma, 0);
    fw_cfg.set_u16(fw_cfg_key::kBootMenu, config.boot_menu ? 1 : 0);
    fw_cfg.set_u32(fw_cfg_key::kIrq0Override, 1);
    fw_cfg.add_file("etc/e820", e820_file(config.ram_bytes));
    if (config.menu_wait_ms) fw_cfg.add_file("etc/boot-menu-wait", number(*config.menu_wait_ms, 2));
    if (config.fail_wait_ms) fw_cfg.add_file("etc/boot-fail-wait", number(*config.fail_wait_ms, 4));
    if (!config.boot_order.empty()) fw_cfg.add_file(kBootOrder, boot_order_file(config.boot_order));
}

void boot_first(FwCfg& fw_cfg, std::string_view path) {
    std::vector<u8> order = boot_order_file({std::string(path)});
    if (const auto* rest = fw_cfg.find_file(kBootOrder); rest != nullptr && !rest->empty()) {
        order.back() = '\n';
        order.insert(order.end(), rest->begin(), rest->end());
    }
    fw_cfg.add_file(kBootOrder, std::move(order));
}

}  // namespace vmm
