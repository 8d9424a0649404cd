// SPDX-License-Identifier: Apache-2.0
#include "devices/fw_cfg.h"

#include <algorithm>
#include <array>

#include "vmm/check.h"

namespace vmm {
namespace {

constexpr u32 kSelectorPort = 0x510;   // 16 bits; the data port is its upper byte
constexpr u32 kDmaPort = 0x514;        // two 32-bit halves, big-endian

constexpr u16 kWriteMode = 0x4000;     // of a selector: the item is to be written
constexpr u32 kIdTraditional = 1, kIdDma = 2;

// Control field of a DMA descriptor.
constexpr u32 kDmaError = 1, kDmaRead = 2, kDmaSkip = 4, kDmaSelect = 8, kDmaWrite = 16;

constexpr std::array<u8, 8> kDmaSignature = {'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G'};

u32 load_be32(const u8* p) { return u32{p[0]} << 24 | u32{p[1]} << 16 | u32{p[2]} << 8 | p[3]; }

void append_be(std::vector<u8>& out, u32 value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) out.push_back(static_cast<u8>(value >> (8 * i)));
}

std::vector<u8> little_endian(u64 value, unsigned bytes) {
    std::vector<u8> out;
    for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<u8>(value >> (8 * i)));
    return out;
}

}  // namespace

FwCfg::FwCfg(IoBus& ports, Memory& memory) : memory_(memory) {
    set(fw_cfg_key::kSignature, {'Q', 'E', 'M', 'U'});
    set_u32(fw_cfg_key::kId, kIdTraditional | kIdDma);
    rebuild_directory();

    ports.map("fw_cfg", kSelectorPort, 2,
              {.read =
                   [this](u32 offset, unsigned size) -> u32 {
                       // The selector is write-only and reads as ones.
                       if (size == 2) return 0xffu | u32{next_byte()} << 8;
                       return offset == 0 ? 0xff : next_byte();
                   },
               .write =
                   [this](u32, unsigned size, u32 value) {
                       if (size == 2) select(static_cast<u16>(value));
                   },
               .max_size = 2});
    ports.map("fw_cfg dma", kDmaPort, 8,
              {.read =
                   [](u32 offset, unsigned size) {
                       u32 value = 0;
                       for (unsigned i = 0; i < size; ++i) value |= u32{kDmaSignature[offset + i]} << (8 * i);
                       return value;
                   },
               .write =
                   [this](u32 offset, unsigned size, u32 value) {
                       if (size != 4 || offset % 4 != 0) return;   // whole halves only
                       const u32 half = __builtin_bswap32(value);
                       if (offset == 0) {
                           s_.dma_address = u64{half} << 32;
                           return;
                       }
                       s_.dma_address |= half;
                       run_dma();
                       s_.dma_address = 0;
                   },
               .max_size = 4});
}

void FwCfg::set(u16 key, std::vector<u8> value) {
    CHECK((key & kWriteMode) == 0 && (key >= 0x8000 || key < fw_cfg_key::kFileFirst), "fw_cfg key out of range");
    CHECK(value.size() <= ~u32{0}, "fw_cfg item of 4 GiB or more");
    items_[key] = std::move(value);
}

void FwCfg::set_u16(u16 key, u16 value) { set(key, little_endian(value, 2)); }
void FwCfg::set_u32(u16 key, u32 value) { set(key, little_endian(value, 4)); }
void FwCfg::set_u64(u16 key, u64 value) { set(key, little_endian(value, 8)); }

void FwCfg::add_file(std::string_view file_name, std::vector<u8> content) {
    CHECK(!file_name.empty() && file_name.size() <= kMaxFileName, "fw_cfg file name too long");
    CHECK(content.size() <= ~u32{0}, "fw_cfg file of 4 GiB or more");
    files_.insert_or_assign(std::string(file_name), std::move(content));
    CHECK(files_.size() <= kWriteMode - fw_cfg_key::kFileFirst, "too many fw_cfg files");
    rebuild_directory();
}

const std::vector<u8>* FwCfg::find_file(std::string_view file_name) const {
    const auto it = files_.find(file_name);
    return it == files_.end() ? nullptr : &it->second;
}

void FwCfg::rebuild_directory() {
    std::vector<u8> dir;
    append_be(dir, static_cast<u32>(files_.size()), 4);
    file_items_.clear();
    for (const auto& [file_name, content] : files_) {
        append_be(dir, static_cast<u32>(content.size()), 4);
        append_be(dir, static_cast<u32>(fw_cfg_key::kFileFirst + file_items_.size()), 2);
        append_be(dir, 0, 2);
        dir.insert(dir.end(), file_name.begin(), file_name.end());
        dir.insert(dir.end(), kMaxFileName + 1 - file_name.size(), u8{0});
        file_items_.push_back(&content);
    }
    set(fw_cfg_key::kFileDir, std::move(dir));
}

std::span<const u8> FwCfg::item(u16 key) const {
    key &= static_cast<u16>(~kWriteMode);
    if (key >= fw_cfg_key::kFileFirst && key < 0x8000) {
        const std::size_t i = key - fw_cfg_key::kFileFirst;
        return i < file_items_.size() ? std::span<const u8>(*file_items_[i]) : std::span<const u8>{};
    }
    const auto it = items_.find(key);
    return it == items_.end() ? std::span<const u8>{} : std::span<const u8>(it->second);
}

void FwCfg::select(u16 key) {
    s_.selector = key;
    s_.offset = 0;
}

u8 FwCfg::next_byte() {
    const auto data = item(s_.selector);
    return s_.offset < data.size() ? data[s_.offset++] : 0;   // zeros after the end
}

// The descriptor: control, length (32 bits each), address (64 bits), all big-endian. When done, control becomes 0 or the
// error bit.
void FwCfg::run_dma() {
    const GuestPhys at{s_.dma_address};
    if (memory_.view(at).read == Memory::PageView::kNone) return;   // no descriptor there to report an error in
    std::array<u8, 16> descriptor{};
    memory_.read(at, descriptor);
    const u32 control = load_be32(&descriptor[0]);
    const u32 length = load_be32(&descriptor[4]);
    const GuestPhys address{u64{load_be32(&descriptor[8])} << 32 | load_be32(&descriptor[12])};

    bool ok = true;
    if ((control & kDmaSelect) != 0) select(static_cast<u16>(control >> 16));
    if ((control & kDmaRead) != 0) {
        ok = transfer(address, length);
    } else if ((control & kDmaWrite) != 0) {
        ok = false;
    } else if ((control & kDmaSkip) != 0) {
        const u64 size = item(s_.selector).size();
        s_.offset = static_cast<u32>(std::min<u64>(u64{s_.offset} + length, std::max<u64>(size, s_.offset)));
    }
    const std::array<u8, 4> result = {0, 0, 0, static_cast<u8>(ok ? 0 : kDmaError)};
    memory_.write(at, result);
}

// Copies from the item to memory, zeros after its end. False where there is no memory: a device's registers are no target.
bool FwCfg::transfer(GuestPhys address, u32 length) {
    static constexpr std::array<u8, kPageSize> kZeros{};
    const auto data = item(s_.selector);
    while (length != 0) {
        const auto view = memory_.view(address);
        if (view.write == Memory::PageView::kNone && !view.rom) return false;
        u32 n = std::min(length, kPageSize - static_cast<u32>(address.v & (kPageSize - 1)));
        if (s_.offset < data.size()) {
            n = std::min(n, static_cast<u32>(data.size()) - s_.offset);
            memory_.write(address, data.subspan(s_.offset, n));
            s_.offset += n;
        } else {
            memory_.write(address, std::span(kZeros).first(n));
        }
        address += n;
        length -= n;
    }
    return true;
}

}  // namespace vmm
