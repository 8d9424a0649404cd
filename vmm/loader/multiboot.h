// SPDX-License-Identifier: Apache-2.0
// Multiboot 1 kernels: ELF, or any image whose header says where it goes ("a.out kludge"), with modules.
//
// Everything that lies at and after the kernel's load address (kernel with its zeroed part, modules on pages of their own)
// becomes one blob; the information structure with its strings becomes another below 64 KiB, which the boot ROM completes
// with the memory map. Missing: the video mode request (flag 2) is ignored, symbol tables are not passed.
// Document: Multiboot Specification 0.6.96, sections 3.1 to 3.3.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm {

struct MultibootModule {
    std::string file;
    std::string text;             // what the kernel is told: the file and its arguments
    std::vector<u8> content;
};

struct MultibootBoot {
    static constexpr u32 kInfoAddress = 0x9000, kInfoEnd = 0x10000;

    u32 load_address = 0;
    u32 entry = 0;
    std::vector<u8> memory;       // from load_address on
    std::vector<u8> info;         // at kInfoAddress
};

bool is_multiboot_image(std::span<const u8> image);

Result<MultibootBoot> prepare_multiboot(const std::string& file, std::span<const u8> image, const std::string& append,
                                        const std::vector<MultibootModule>& modules, u64 ram_bytes);

// Splits -initrd into modules without their content: "a x,b" is {a, "a x"}, {b, "b"}.
std::vector<MultibootModule> split_modules(const std::string& text);

}  // namespace vmm
