// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/loader.h"

#include "devices/optionrom/optionrom.h"
#include "vmm/file.h"
#include "vmm/loader/boot_config.h"
#include "vmm/loader/bzimage.h"
#include "vmm/loader/multiboot.h"

namespace vmm {
namespace {

using namespace fw_cfg_key;

// An item with its address and size, as the boot ROMs read it.
void set_part(FwCfg& fw_cfg, u16 addr_key, u16 size_key, u16 data_key, u32 address, std::vector<u8> content) {
    fw_cfg.set_u32(addr_key, address);
    fw_cfg.set_u32(size_key, static_cast<u32>(content.size()));
    fw_cfg.set(data_key, std::move(content));
}

void add_rom(FwCfg& fw_cfg, const std::string& rom, std::span<const u8> content) {
    const std::string file = "genroms/" + rom;
    fw_cfg.add_file(file, {content.begin(), content.end()});
    boot_first(fw_cfg, "/rom@" + file);
}

Result<void> load_linux(FwCfg& fw_cfg, const BootOptions& options, std::span<const u8> image, u64 ram_bytes) {
    std::vector<u8> initrd;
    std::optional<InitrdFile> initrd_file;
    if (!options.initrd.empty()) {
        auto content = read_file(options.initrd);
        if (!content) return content.error();
        initrd = std::move(*content);
        initrd_file = InitrdFile{options.initrd, initrd.size()};
    }
    auto boot = prepare_linux(options.kernel, image, options.append, initrd_file, ram_bytes);
    if (!boot) return boot.error();
    set_part(fw_cfg, kSetupAddr, kSetupSize, kSetupData, LinuxBoot::kSetupAddress, std::move(boot->setup));
    set_part(fw_cfg, kKernelAddr, kKernelSize, kKernelData, LinuxBoot::kKernelAddress, std::move(boot->kernel));
    set_part(fw_cfg, kCmdlineAddr, kCmdlineSize, kCmdlineData, LinuxBoot::kCmdlineAddress, std::move(boot->cmdline));
    set_part(fw_cfg, kInitrdAddr, kInitrdSize, kInitrdData, boot->initrd_address, std::move(initrd));
    add_rom(fw_cfg, "linuxboot.bin", kLinuxbootRom);
    return {};
}

Result<void> load_multiboot(FwCfg& fw_cfg, const BootOptions& options, std::span<const u8> image, u64 ram_bytes) {
    auto modules = split_modules(options.initrd);
    for (auto& module : modules) {
        auto content = read_file(module.file);
        if (!content) return content.error();
        module.content = std::move(*content);
    }
    auto boot = prepare_multiboot(options.kernel, image, options.append, modules, ram_bytes);
    if (!boot) return boot.error();
    fw_cfg.set_u32(kKernelEntry, boot->entry);
    set_part(fw_cfg, kKernelAddr, kKernelSize, kKernelData, boot->load_address, std::move(boot->memory));
    set_part(fw_cfg, kInitrdAddr, kInitrdSize, kInitrdData, MultibootBoot::kInfoAddress, std::move(boot->info));
    add_rom(fw_cfg, "multiboot.bin", kMultibootRom);
    return {};
}

}  // namespace

Result<void> load_kernel(FwCfg& fw_cfg, const BootOptions& options, u64 ram_bytes) {
    if (options.kernel.empty()) {
        if (!options.initrd.empty()) return Error{"-initrd " + options.initrd + " needs -kernel"};
        if (!options.append.empty()) return Error{"-append needs -kernel"};
        return {};
    }
    const auto image = read_file(options.kernel);
    if (!image) return image.error();
    if (is_linux_image(*image)) return load_linux(fw_cfg, options, *image, ram_bytes);
    if (is_multiboot_image(*image)) return load_multiboot(fw_cfg, options, *image, ram_bytes);
    if (image->size() < 1024) return Error{options.kernel + " is too short for a kernel: it has " + std::to_string(image->size()) + " bytes"};
    return Error{options.kernel + " is neither a Linux bzImage nor a Multiboot kernel"};
}

}  // namespace vmm
