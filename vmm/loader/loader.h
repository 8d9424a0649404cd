// SPDX-License-Identifier: Apache-2.0
// -kernel, -initrd and -append: makes the machine boot a kernel image after its firmware.
//
// The kernel is recognised by its content: a Linux bzImage (vmm/loader/bzimage.h) or a Multiboot 1 kernel
// (vmm/loader/multiboot.h). The parts go into fw_cfg with a boot ROM (devices/optionrom) that becomes the first entry of
// the boot order, copies them to where they belong and starts the kernel.
#pragma once

#include <string>

#include "devices/fw_cfg.h"
#include "vmm/result.h"

namespace vmm {

struct BootOptions {
    std::string kernel{};   // file; empty: boot from disks
    std::string initrd{};   // Linux: a file. Multiboot: modules "file arguments", separated by commas (",," is a comma)
    std::string append{};   // command line
};

Result<void> load_kernel(FwCfg& fw_cfg, const BootOptions& options, u64 ram_bytes);

// Top of RAM that the firmware may still occupy with its tables when the kernel starts; nothing is loaded there.
inline constexpr u64 kFirmwareReserve = 512 * 1024;

}  // namespace vmm
