// SPDX-License-Identifier: Apache-2.0
#include "devices/vga.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace vmm {
namespace {

constexpr u32 kWindowBase = 0xa0000, kWindowBytes = 128 << 10;
constexpr u32 kBar2Bytes = 4096, kBar2Ports = 0x400, kBar2Vbe = 0x500, kBar2Order = 0x600;
constexpr u32 kOrderRegisters = 8, kLittleEndian = 0x1e1e'1e1e;   // size of the block at 600h, and the only byte order
constexpr u32 kFirstPort = 0x3c0, kPorts = 32;

}  // namespace

Vga::Vga(PciBus& bus, IoBus& ports, IoBus& mmio, Memory& memory, const Timers& timers, std::span<const u8> rom, Hole hole)
    : PciDevice(bus, pci_devfn(2, 0), {.vendor = 0x1234, .device = 0x1111, .revision = 2, .base_class = 3, .sub_class = 0}),
      memory_(memory), timers_(timers), hole_(hole), vram_(memory.allocate(kVramBytes)) {
    const auto map_ports = [&](u32 first, u32 count) {
        ports.map("vga", first, count, {.read = [this, first](u32 at, unsigned) -> u32 { return port_read(first + at); },
                                        .write = [this, first](u32 at, unsigned, u32 v) { port_write(first + at, static_cast<u8>(v)); }});
    };
    map_ports(0x3b4, 2);
    map_ports(0x3ba, 1);
    map_ports(0x3c0, 16);
    map_ports(0x3d4, 2);
    map_ports(0x3da, 1);
    ports.map("vga", 0x1ce, 4, {[this](u32 at, unsigned size) { return vbe_port_read(at, size); },
                                [this](u32 at, unsigned size, u32 v) { vbe_port_write(at, size, v); }, 2});
    mmio.map("vga", kWindowBase, kWindowBytes, {[this](u32 at, unsigned size) { return window_read(at, size); },
                                                [this](u32 at, unsigned size, u32 v) { window_write(at, size, v); }, 4});
    memory_bar(0, kVramBytes, [this](std::optional<u32> at) { lfb_at_ = at; map_bars(); }, true);
    memory_bar(2, kBar2Bytes, {[this](u32 at, unsigned size) { return bar2_read(at, size); },
                               [this](u32 at, unsigned size, u32 v) { bar2_write(at, size, v); }, 4});
    if (rom.empty()) return;
    rom_bytes_ = std::bit_ceil(std::max<u32>(static_cast<u32>(rom.size()), kPageSize));
    rom_ = memory_.allocate(rom_bytes_);
    std::memcpy(memory_.page(rom_), rom.data(), rom.size());
    for (u32 p = 0; p < rom_bytes_ >> kPageShift; ++p) memory_.written(rom_ + p, 0, kPageSize);
    rom_bar(rom_bytes_, [this](std::optional<u32> at) { rom_at_ = at; map_bars(); });
}

void Vga::reset() {
    s_ = State{};
    reset_config();
    map_window();
}

void Vga::after_load() {
    PciDevice::after_load();
    map_window();
}

// --- registers ----------------------------------------------------------------------------------------------------------

u8 Vga::port_read(u32 port) {
    if (port == 0x3c2) return 0x10;                     // the monitor's sense line: there is one
    if ((port == 0x3ba || port == 0x3da) && s_.regs.answers_at(port)) {
        s_.regs.attr_data = false;
        return VgaTiming(s_.regs, s_.vbe, kVramBytes).status(timers_.now());
    }
    return s_.regs.read(port);
}

void Vga::port_write(u32 port, u8 value) {
    s_.regs.write(port, value, s_.vbe.dac_mask());
    map_window();
}

// Words only: 1CEh the index, 1CFh and 1D0h the data.
u32 Vga::vbe_port_read(u32 offset, unsigned size) const {
    if (size != 2) return 0xff;
    if (offset == 0) return s_.vbe.index;
    return offset <= 2 ? s_.vbe.read(s_.vbe.index, kVramBytes) : 0xffff;
}

void Vga::vbe_port_write(u32 offset, unsigned size, u32 value) {
    if (size != 2) return;
    if (offset == 0) s_.vbe.index = static_cast<u16>(value);
    else if (offset <= 2) vbe_write(s_.vbe.index, static_cast<u16>(value));
}

void Vga::vbe_write(u16 index, u16 value) {
    if (s_.vbe.write(index, value, kVramBytes)) {
        const VbeMode m = s_.vbe.mode(kVramBytes);
        const u32 bytes = std::min(kVramBytes, m.height * m.pitch * (m.bits == 4 ? 4 : 1));
        std::memset(memory_.page(vram_), 0, bytes);
        for (u32 at = 0; at < bytes; at += kPageSize) memory_.written(vram_ + (at >> kPageShift), 0, std::min(bytes - at, kPageSize));
    }
    map_window();
}

u32 Vga::bar2_read(u32 offset, unsigned size) {
    u32 value = 0;
    if (offset >= kBar2Ports && offset < kBar2Ports + kPorts) {
        for (unsigned i = 0; i < size; ++i) value |= u32{port_read(kFirstPort + (offset + i - kBar2Ports) % kPorts)} << 8 * i;
    } else if (offset >= kBar2Vbe && offset < kBar2Vbe + 2 * VbeRegisters::kCount) {
        const u32 at = offset - kBar2Vbe;
        value = s_.vbe.read(static_cast<u16>(at / 2), kVramBytes) >> 8 * (at & 1);
        if (size == 4) value |= u32{s_.vbe.read(static_cast<u16>(at / 2 + 1), kVramBytes)} << 16;
    } else if (offset == kBar2Order && size == 4) {
        value = kOrderRegisters;
    } else if (offset == kBar2Order + 4 && size == 4) {
        value = kLittleEndian;
    }
    return value;
}

void Vga::bar2_write(u32 offset, unsigned size, u32 value) {
    if (offset >= kBar2Ports && offset < kBar2Ports + kPorts) {
        for (unsigned i = 0; i < size; ++i) port_write(kFirstPort + (offset + i - kBar2Ports) % kPorts, static_cast<u8>(value >> 8 * i));
    } else if (offset >= kBar2Vbe && offset < kBar2Vbe + 2 * VbeRegisters::kCount && offset % 2 == 0 && size >= 2) {
        for (unsigned i = 0; i < size / 2; ++i)
            vbe_write(static_cast<u16>((offset - kBar2Vbe) / 2 + i), static_cast<u16>(value >> 16 * i));
    }
}

// --- memory -------------------------------------------------------------------------------------------------------------

u32 Vga::window_read(u32 offset, unsigned size) {
    VgaPlanar planar(s_.regs, s_.vbe, s_.latch, memory_.page(vram_), kVramBytes);
    u32 value = 0;
    for (unsigned i = 0; i < size; ++i) value |= u32{planar.read(offset + i)} << 8 * i;
    return value;
}

void Vga::window_write(u32 offset, unsigned size, u32 value) {
    VgaPlanar planar(s_.regs, s_.vbe, s_.latch, memory_.page(vram_), kVramBytes);
    for (unsigned i = 0; i < size; ++i) {
        const auto word = planar.write(offset + i, static_cast<u8>(value >> 8 * i));
        if (word) memory_.written(vram_ + (*word >> kPageShift), *word & (kPageSize - 1), 4);
    }
}

// Both anew whenever one moves, in one order: where they overlap, history must not decide. The frame buffer wins.
void Vga::map_bars() {
    for (Pages& pages : bar_pages_) {
        if (pages.count != 0) memory_.map_io(pages.first, pages.count);
        pages = {};
    }
    const auto place = [this](std::optional<u32> at, u32 bytes, u32& skipped) -> Pages {
        if (!at) return {};
        const u32 base = *at >> kPageShift;
        const u32 first = std::max(base, hole_.first_page), end = std::min(base + (bytes >> kPageShift), hole_.end_page);
        skipped = first - base;
        return first < end ? Pages{first, end - first} : Pages{};
    };
    u32 skipped = 0;
    bar_pages_[0] = place(rom_at_, rom_bytes_, skipped);
    if (bar_pages_[0].count != 0) memory_.map_rom(bar_pages_[0].first, rom_ + skipped, bar_pages_[0].count);
    bar_pages_[1] = place(lfb_at_, kVramBytes, skipped);
    if (bar_pages_[1].count != 0) memory_.map_ram(bar_pages_[1].first, vram_ + skipped, bar_pages_[1].count);
}

void Vga::map_window() {
    const auto direct = vga_direct(s_.regs, s_.vbe);
    const VgaWindow window = direct ? vga_window(s_.regs, s_.vbe) : VgaWindow{};
    const u32 store = direct ? vram_ + (*direct >> kPageShift) : 0;
    if (window == mapped_ && store == mapped_store_) return;
    memory_.map_io(kWindowBase >> kPageShift, kWindowBytes >> kPageShift);
    if (window.size != 0) memory_.map_ram((kWindowBase + window.first) >> kPageShift, store, window.size >> kPageShift);
    mapped_ = window;
    mapped_store_ = store;
}

}  // namespace vmm
