// SPDX-License-Identifier: Apache-2.0
#include "vmm/loader/multiboot.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "vmm/bytes.h"
#include "vmm/loader/loader.h"

namespace vmm {
namespace {

constexpr u32 kHeaderMagic = 0x1badb002;
constexpr std::size_t kHeaderSearch = 8192;
constexpr u32 kKnownRequirements = 0x7;        // page-aligned modules, memory information, video mode
constexpr u32 kHasAddresses = 1u << 16;

// The information structure, offsets and flags.
enum : std::size_t {
    kFlags = 0, kCmdline = 16, kModsCount = 20, kModsAddr = 24, kMmapAddr = 48, kLoaderName = 64, kInfoBytes = 88,
};
constexpr u32 kHasCmdline = 1u << 2, kHasModules = 1u << 3, kHasLoaderName = 1u << 9;
constexpr u32 kMmapBytes = 32 * 24;            // room that the boot ROM fills
constexpr u32 kModuleEntry = 16;

// Below kLowFree are the BIOS's data, the boot ROM's stack and the information structure.
constexpr u64 kLowFree = MultibootBoot::kInfoEnd, kLowEnd = 0x9f000, kBiosRom = 0xf0000, kHighFree = 0x100000;

struct Piece {
    u64 address;
    std::span<const u8> content;
    u64 bytes;                                 // in memory; zeros after the content
};
struct Layout {
    std::vector<Piece> pieces;
    u32 entry = 0;
};

// Offset of the header: 32-bit aligned within the first 8192 bytes, its three first words adding up to 0.
std::optional<std::size_t> find_header(std::span<const u8> image) {
    const std::size_t end = std::min(image.size(), kHeaderSearch);
    for (std::size_t at = 0; at + 12 <= end; at += 4)
        if (load_le32(image, at) == kHeaderMagic &&
            load_le32(image, at) + load_le32(image, at + 4) + load_le32(image, at + 8) == 0)
            return at;
    return std::nullopt;
}

Result<Layout> layout_by_header(const std::string& file, std::span<const u8> image, std::size_t header) {
    if (header + 32 > image.size()) return Error{file + " is too short: its Multiboot header has no addresses"};
    const u32 header_addr = load_le32(image, header + 12), load_addr = load_le32(image, header + 16);
    const u32 load_end = load_le32(image, header + 20), bss_end = load_le32(image, header + 24);
    if (load_addr > header_addr || header_addr - load_addr > header)
        return Error{file + " has a Multiboot header whose load address lies outside the file"};
    const std::size_t from = header - (header_addr - load_addr);
    const u64 bytes = load_end == 0 ? image.size() - from : u64{load_end} - load_addr;
    if (load_end != 0 && (load_end < load_addr || bytes > image.size() - from))
        return Error{file + " is cut short: its Multiboot header speaks of more than the file has"};
    const u64 end = std::max<u64>(u64{load_addr} + bytes, bss_end);
    Layout out;
    out.pieces.push_back({load_addr, image.subspan(from, bytes), end - load_addr});
    out.entry = load_le32(image, header + 28);
    return out;
}

Result<Layout> layout_by_elf(const std::string& file, std::span<const u8> image) {
    constexpr std::array<u8, 4> kElf = {0x7f, 'E', 'L', 'F'};
    if (image.size() < 52 || std::memcmp(image.data(), kElf.data(), kElf.size()) != 0)
        return Error{file + " has a Multiboot header but is neither an ELF file nor says where it is to be loaded"};
    if (image[4] != 1 || image[5] != 1 || load_le16(image, 18) != 3)
        return Error{file + " is an ELF file for another machine; a Multiboot kernel is a 32-bit i386 one"};
    const u64 table = load_le32(image, 28);
    const unsigned entry_bytes = load_le16(image, 42), count = load_le16(image, 44);
    if (entry_bytes < 32 || table + u64{entry_bytes} * count > image.size())
        return Error{file + " is cut short: its program headers lie outside the file"};
    Layout out;
    out.entry = load_le32(image, 24);
    for (unsigned i = 0; i < count; ++i) {
        const auto header = image.subspan(table + u64{entry_bytes} * i, 32);
        const u32 offset = load_le32(header, 4), vaddr = load_le32(header, 8), paddr = load_le32(header, 12);
        const u32 file_bytes = load_le32(header, 16), bytes = load_le32(header, 20);
        if (load_le32(header, 0) != 1 || bytes == 0) continue;   // PT_LOAD
        if (u64{offset} + file_bytes > image.size() || file_bytes > bytes)
            return Error{file + " is cut short: a segment lies outside the file"};
        out.pieces.push_back({paddr, image.subspan(offset, file_bytes), bytes});
        // The entry is a virtual address; a kernel linked high starts where that segment is loaded.
        const u32 elf_entry = load_le32(image, 24);
        if (elf_entry >= vaddr && elf_entry - vaddr < bytes) out.entry = elf_entry - vaddr + paddr;
    }
    if (out.pieces.empty()) return Error{file + " has nothing to load: no segment of type LOAD"};
    return out;
}

u32 append_string(std::vector<u8>& info, const std::string& text) {
    const auto at = static_cast<u32>(MultibootBoot::kInfoAddress + info.size());
    info.insert(info.end(), text.begin(), text.end());
    info.push_back(0);
    return at;
}

constexpr u64 page_up(u64 value) { return (value + kPageSize - 1) & ~u64{kPageSize - 1}; }

}  // namespace

bool is_multiboot_image(std::span<const u8> image) { return find_header(image).has_value(); }

std::vector<MultibootModule> split_modules(const std::string& text) {
    std::vector<MultibootModule> out;
    std::string one;
    auto finish = [&] {
        if (!one.empty()) out.push_back({one.substr(0, one.find(' ')), one, {}});
        one.clear();
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != ',') one.push_back(text[i]);
        else if (i + 1 < text.size() && text[i + 1] == ',') one.push_back(text[i++]);
        else finish();
    }
    finish();
    return out;
}

Result<MultibootBoot> prepare_multiboot(const std::string& file, std::span<const u8> image, const std::string& append,
                                        const std::vector<MultibootModule>& modules, u64 ram_bytes) {
    const std::size_t header = find_header(image).value();
    const u32 flags = load_le32(image, header + 4);
    if (const u32 unknown = flags & 0xffff & ~kKnownRequirements; unknown != 0)
        return Error{file + " requires a Multiboot feature that is not there: flag " +
                     std::to_string(__builtin_ctz(unknown)) + " of its header"};
    auto layout = (flags & kHasAddresses) != 0 ? layout_by_header(file, image, header) : layout_by_elf(file, image);
    if (!layout) return layout.error();

    // Where it all goes.
    u64 first = ~u64{0}, end = 0;
    for (auto& piece : layout->pieces) {
        // Linkers like to put the file's headers on the page before 1 MiB. That is ROM, where writes vanish.
        if (piece.address >= kBiosRom && piece.address < kHighFree) {
            const u64 cut = std::min(kHighFree - piece.address, piece.bytes);
            piece = {piece.address + cut, piece.content.subspan(std::min<u64>(cut, piece.content.size())), piece.bytes - cut};
        }
        if (piece.bytes == 0) continue;
        first = std::min(first, piece.address);
        end = std::max(end, piece.address + piece.bytes);
    }
    if (end == 0) return Error{file + " has nothing to load above the firmware's memory"};
    const u64 ram_end = ram_bytes > kFirmwareReserve ? ram_bytes - kFirmwareReserve : 0;
    const u64 top = first < kHighFree ? std::min(kLowEnd, ram_end) : ram_end;
    if (first < kLowFree || (first < kHighFree && end > kLowEnd))
        return Error{file + " wants to be loaded where the firmware's memory is, below 1 MiB"};
    if (end > top) return Error{file + " does not fit into the machine's RAM"};
    std::vector<u64> module_at;
    u64 next = end;
    for (const auto& module : modules) {
        module_at.push_back(page_up(next));
        next = module_at.back() + module.content.size();
        if (next > top) return Error{module.file + " does not fit into memory after " + file};
    }

    MultibootBoot boot;
    boot.load_address = static_cast<u32>(first);
    boot.entry = layout->entry;
    boot.memory.assign(next - first, 0);
    for (const auto& piece : layout->pieces)
        if (piece.bytes != 0) std::copy(piece.content.begin(), piece.content.end(), boot.memory.begin() + static_cast<std::ptrdiff_t>(piece.address - first));
    for (std::size_t i = 0; i < modules.size(); ++i)
        std::copy(modules[i].content.begin(), modules[i].content.end(),
                  boot.memory.begin() + static_cast<std::ptrdiff_t>(module_at[i] - first));

    // The information structure: fixed part, room for the memory map, module table, strings.
    auto& info = boot.info;
    const u32 mods_at = kInfoBytes + kMmapBytes;
    info.assign(mods_at + modules.size() * kModuleEntry, 0);
    const u32 cmdline = append_string(info, append.empty() ? file : file + " " + append);
    const u32 loader_name = append_string(info, "vmm");
    store_le(info, kFlags, kHasCmdline | kHasLoaderName | (modules.empty() ? 0 : kHasModules), 4);
    store_le(info, kCmdline, cmdline, 4);
    store_le(info, kLoaderName, loader_name, 4);
    store_le(info, kMmapAddr, MultibootBoot::kInfoAddress + kInfoBytes, 4);
    store_le(info, kModsCount, modules.size(), 4);
    store_le(info, kModsAddr, MultibootBoot::kInfoAddress + mods_at, 4);
    for (std::size_t i = 0; i < modules.size(); ++i) {
        const u32 text = append_string(info, modules[i].text);
        const std::size_t at = mods_at + i * kModuleEntry;
        store_le(info, at, module_at[i], 4);
        store_le(info, at + 4, module_at[i] + modules[i].content.size(), 4);
        store_le(info, at + 8, text, 4);
    }
    if (info.size() > MultibootBoot::kInfoEnd - MultibootBoot::kInfoAddress)
        return Error{"the command lines of " + file + " and its modules are longer than the 27 KiB that there is room for"};
    return boot;
}

}  // namespace vmm
