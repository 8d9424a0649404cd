// SPDX-License-Identifier: Apache-2.0
// Linux kernels in bzImage form: checks the header, fills it in and decides where everything goes.
//
// Boot protocol 2.02 or newer; the older zImage is refused. The 16-bit entry is used, so that the kernel asks the BIOS for
// its memory map and video mode itself. Of the options that concern a loader, vga= is handled and mem= is not.
// Document: the Linux x86 boot protocol, "The real-mode kernel header", "Details of header fields".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm {

struct LinuxBoot {
    static constexpr u32 kSetupAddress = 0x10000, kCmdlineAddress = 0x20000, kKernelAddress = 0x100000;

    std::vector<u8> setup;       // boot sector and setup code, header filled in
    std::vector<u8> kernel;      // the protected-mode part
    std::vector<u8> cmdline;     // with its terminator
    u32 initrd_address = 0;      // 0: none
};

struct InitrdFile {
    std::string file;            // for messages
    u64 size = 0;
};

bool is_linux_image(std::span<const u8> image);

// `file` names the image in messages.
Result<LinuxBoot> prepare_linux(const std::string& file, std::span<const u8> image, const std::string& append,
                                const std::optional<InitrdFile>& initrd, u64 ram_bytes);

}  // namespace vmm
