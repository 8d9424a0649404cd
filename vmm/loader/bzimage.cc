// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/bzimage.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "vmm/bytes.h"
#include "vmm/loader/loader.h"

namespace vmm {
namespace {

constexpr std::size_t kSector = 512;

// Offsets of the real-mode kernel header, with the protocol's names.
enum : std::size_t {
    kSetupSects = 0x1f1, kSysSize = 0x1f4, kVidMode = 0x1fa, kBootFlag = 0x1fe, kHeader = 0x202, kVersion = 0x206,
    kTypeOfLoader = 0x210, kLoadFlags = 0x211, kRamdiskImage = 0x218, kRamdiskSize = 0x21c, kHeapEndPtr = 0x224,
    kCmdLinePtr = 0x228, kInitrdAddrMax = 0x22c, kCmdlineSize = 0x238, kPrefAddress = 0x258,
    kInitSize = 0x260, kHeaderEnd = 0x268,
};
constexpr u32 kHdrS = 0x53726448;
constexpr u8 kLoadedHigh = 0x01, kCanUseHeap = 0x80;
constexpr u8 kUnknownLoader = 0xff;

constexpr u32 kMaxSetup = 0x8000;                  // the setup code's part of its 64 KiB segment
constexpr u32 kHeapEnd = 0xe000;                   // heap and stack after it, within the same segment

std::string version_text(u16 version) {
    const unsigned minor = version & 0xff;
    return std::to_string(version >> 8) + "." + (minor < 10 ? "0" : "") + std::to_string(minor);
}

// The value of the last "vga=" on the command line, as the protocol's "special command line options" say.
std::optional<Result<u16>> video_mode(std::string_view cmdline) {
    std::optional<std::string_view> value;
    for (std::size_t at = 0; at < cmdline.size();) {
        const std::size_t end = std::min(cmdline.find(' ', at), cmdline.size());
        if (cmdline.substr(at, end - at).starts_with("vga=")) value = cmdline.substr(at + 4, end - at - 4);
        at = end + 1;
    }
    if (!value) return std::nullopt;
    if (*value == "normal") return u16{0xffff};
    if (*value == "ext") return u16{0xfffe};
    if (*value == "ask") return u16{0xfffd};
    const bool hex = value->starts_with("0x") || value->starts_with("0X");
    const auto digits = value->substr(hex ? 2 : 0);
    u16 mode = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mode, hex ? 16 : 10);
    if (error != std::errc{} || end != digits.data() + digits.size())
        return Error{"-append: vga=" + std::string(*value) + " is no video mode; a number, normal, ext or ask is one"};
    return mode;
}

// The end of what the kernel uses while it unpacks itself, where nothing else may be.
u64 kernel_end(std::span<const u8> setup, u16 version, u64 kernel_bytes) {
    u64 end = LinuxBoot::kKernelAddress + kernel_bytes;
    if (version >= 0x20a && setup.size() >= kHeaderEnd) {
        const u64 start = std::max<u64>(load_le(setup, kPrefAddress, 8), LinuxBoot::kKernelAddress);
        end = std::max(end, start + load_le32(setup, kInitSize));
    }
    return end;
}

}  // namespace

bool is_linux_image(std::span<const u8> image) {
    return image.size() >= kVersion + 2 && load_le16(image, kBootFlag) == 0xaa55 && load_le32(image, kHeader) == kHdrS;
}

Result<LinuxBoot> prepare_linux(const std::string& file, std::span<const u8> image, const std::string& append,
                                const std::optional<InitrdFile>& initrd, u64 ram_bytes) {
    const u16 version = load_le16(image, kVersion);
    if (version < 0x202)
        return Error{file + " uses Linux boot protocol " + version_text(version) + ", and 2.02 is the oldest that is supported"};
    const std::size_t sects = image[kSetupSects] == 0 ? 4 : image[kSetupSects];
    const std::size_t setup_bytes = (sects + 1) * kSector;
    const u16 last_field = version >= 0x20a ? kHeaderEnd : version >= 0x206 ? kCmdlineSize + 4 : kInitrdAddrMax + 4;
    if (image.size() <= setup_bytes || setup_bytes < last_field)
        return Error{file + " is too short for a Linux kernel: it ends before its protected-mode code"};
    if (setup_bytes > kMaxSetup) return Error{file + " is no sound Linux kernel: its setup code is larger than 32 KiB"};
    if ((image[kLoadFlags] & kLoadedHigh) == 0)
        return Error{file + " is a zImage, which is loaded below 1 MiB; only a bzImage can be booted"};
    const u64 kernel_bytes = image.size() - setup_bytes;
    const u64 declared = version >= 0x204 ? u64{load_le32(image, kSysSize)} * 16 : 0;   // 16 bits before, too few
    if (declared > kernel_bytes + 15)
        return Error{file + " is cut short: its header speaks of " + std::to_string(declared) +
                     " bytes of protected-mode code, and it has " + std::to_string(kernel_bytes)};

    LinuxBoot boot;
    boot.setup.assign(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(setup_bytes));
    boot.kernel.assign(image.begin() + static_cast<std::ptrdiff_t>(setup_bytes), image.end());
    boot.cmdline.assign(append.begin(), append.end());
    boot.cmdline.push_back(0);

    const u64 max_cmdline = version >= 0x206 ? load_le32(image, kCmdlineSize) : 255;
    if (append.size() > max_cmdline)
        return Error{"-append has " + std::to_string(append.size()) + " characters, and " + file + " takes " +
                     std::to_string(max_cmdline)};
    const u64 ram_end = ram_bytes > kFirmwareReserve ? ram_bytes - kFirmwareReserve : 0;
    if (LinuxBoot::kKernelAddress + kernel_bytes > ram_end)
        return Error{file + " is larger than the machine's RAM"};

    auto& setup = boot.setup;
    if (initrd && initrd->size != 0) {
        const u64 limit = std::min<u64>(version >= 0x203 ? u64{load_le32(setup, kInitrdAddrMax)} + 1 : 0x38000000, ram_end);
        const u64 low = kernel_end(setup, version, kernel_bytes);
        const u64 address = initrd->size <= limit ? (limit - initrd->size) & ~u64{kPageSize - 1} : 0;
        if (address < low)
            return Error{initrd->file + " does not fit into RAM with " + file + ": it has " + std::to_string(initrd->size) +
                         " bytes and " + std::to_string(limit > low ? limit - low : 0) + " are free"};
        boot.initrd_address = static_cast<u32>(address);
        store_le(setup, kRamdiskImage, boot.initrd_address, 4);
        store_le(setup, kRamdiskSize, initrd->size, 4);
    }

    if (const auto mode = video_mode(append)) {
        if (!*mode) return mode->error();
        store_le(setup, kVidMode, **mode, 2);
    }
    setup[kTypeOfLoader] = kUnknownLoader;
    setup[kLoadFlags] |= kCanUseHeap;
    store_le(setup, kHeapEndPtr, kHeapEnd - 0x200, 2);
    store_le(setup, kCmdLinePtr, LinuxBoot::kCmdlineAddress, 4);
    return boot;
}

}  // namespace vmm
