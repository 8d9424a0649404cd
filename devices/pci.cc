// SPDX-License-Identifier: Apache-2.0
#include "devices/pci.h"

#include <utility>

#include "vmm/check.h"

namespace vmm {
namespace {
constexpr u32 kConfigEnable = 1u << 31;
constexpr u32 kAddressBits = 0x80ff'fffc;
constexpr u32 kIoBar = 1, kPrefetchable = 8, kRomEnable = 1;
constexpr u32 all_ones(unsigned size) { return ~u32{0} >> (32 - 8 * size); }
}  // namespace

PciBus::PciBus(IoBus& ports, IoBus& mmio) : ports_(ports), mmio_(mmio) {
    ports_.map("pci", 0xcf8, 8, {[this](u32 offset, unsigned size) { return port_read(offset, size); },
                                 [this](u32 offset, unsigned size, u32 value) { port_write(offset, size, value); }, 4});
}

u32 PciBus::port_read(u32 offset, unsigned size) {
    if (offset >= 4) {
        if ((s_.address & kConfigEnable) == 0 || (s_.address >> 16 & 0xff) != 0) return all_ones(size);
        return config_read(static_cast<u8>(s_.address >> 8), static_cast<u8>((s_.address & 0xfc) + offset - 4), size);
    }
    if (size == 4) return s_.address;
    u32 value = all_ones(size);
    if (offset <= 1 && offset + size > 1 && reset_control_.read) {
        const unsigned at = 8 * (1 - offset);
        value &= ~(0xffu << at);
        value |= (reset_control_.read(0, 1) & 0xff) << at;
    }
    return value;
}

void PciBus::port_write(u32 offset, unsigned size, u32 value) {
    if (offset >= 4) {
        if ((s_.address & kConfigEnable) == 0 || (s_.address >> 16 & 0xff) != 0) return;
        config_write(static_cast<u8>(s_.address >> 8), static_cast<u8>((s_.address & 0xfc) + offset - 4), size, value);
    } else if (size == 4) {
        s_.address = value & kAddressBits;
    } else if (offset <= 1 && offset + size > 1 && reset_control_.write) {
        reset_control_.write(0, 1, value >> (8 * (1 - offset)) & 0xff);
    }
}

u32 PciBus::config_read(u8 devfn, u8 offset, unsigned size) const {
    PciDevice* device = devices_[devfn];
    return device == nullptr ? all_ones(size) : device->config_read(offset, size) & all_ones(size);
}

void PciBus::config_write(u8 devfn, u8 offset, unsigned size, u32 value) {
    if (PciDevice* device = devices_[devfn]) device->config_write(offset, size, value);
}

void PciBus::add(PciDevice& device) {
    CHECK(devices_[device.devfn_] == nullptr, "two PCI functions with one number");
    devices_[device.devfn_] = &device;
}

void PciBus::remap() {
    struct Change { PciDevice::Window* window; std::optional<u32> to; };
    std::vector<Change> changes;
    for (PciDevice* device : devices_) {
        if (device == nullptr) continue;
        for (auto& w : device->windows_) {
            const auto to = w.where();
            if (to != w.at) changes.push_back({&w, to});
        }
    }
    if (changes.empty()) return;
    for (auto& c : changes)
        if (c.window->on_map && c.window->at) c.window->on_map(std::nullopt);
    for (auto& c : changes) {
        c.window->at = c.to;
        if (c.window->on_map && c.to) c.window->on_map(c.to);
    }
    // All of them anew, in one order: the latest mapping wins, and history must not decide.
    for (PciDevice* device : devices_) {
        if (device == nullptr) continue;
        for (auto& w : device->windows_) {
            if (w.on_map) continue;
            IoBus& bus = w.space == PciDevice::Space::Io ? ports_ : mmio_;
            if (w.handle != 0) bus.unmap(w.handle);
            w.handle = w.at ? bus.map_movable(device->name(), *w.at, w.size, w.ops) : 0;
        }
    }
}

void PciBus::update_pirq(unsigned pirq) {
    bool level = false;
    for (const PciDevice* d : devices_) {
        if (d != nullptr && d->config_.intx && pirq_of(d->devfn_, d->initial_[pci::kInterruptPin]) == pirq) level = true;
    }
    if (pirq_sink_) pirq_sink_(pirq, level);
}

PciDevice::PciDevice(PciBus& bus, u8 devfn, const PciIdentity& id) : bus_(bus), devfn_(devfn) {
    define(pci::kVendorId, 2, id.vendor, 0);
    define(pci::kDeviceId, 2, id.device, 0);
    define(pci::kCommand, 2, 0, 0x0147);             // I/O, memory, master, parity response, SERR#
    define(pci::kStatus, 2, 0, 0, 0xf900);
    define(pci::kRevision, 4, u32{id.base_class} << 24 | u32{id.sub_class} << 16 | u32{id.interface} << 8 | id.revision, 0);
    define(pci::kCacheLine, 1, 0, 0xff);
    define(pci::kLatency, 1, 0, 0xff);
    define(pci::kHeaderType, 1, id.multi_function ? 0x80 : 0, 0);
    define(pci::kSubsystemVendor, 2, id.subsystem_vendor, 0);
    define(pci::kSubsystem, 2, id.subsystem, 0);
    define(pci::kInterruptLine, 1, 0, id.interrupt_pin != 0 ? 0xff : 0);
    define(pci::kInterruptPin, 1, id.interrupt_pin, 0);
    bus_.add(*this);
}

void PciDevice::define(u8 offset, unsigned size, u32 value, u32 writable, u32 write_one_clears) {
    CHECK(offset + size <= 256, "register outside configuration space");
    for (unsigned i = 0; i < size; ++i) {
        initial_[offset + i] = static_cast<u8>(value >> (8 * i));
        writable_[offset + i] = static_cast<u8>(writable >> (8 * i));
        clears_[offset + i] = static_cast<u8>(write_one_clears >> (8 * i));
        config_.regs[offset + i] = initial_[offset + i];
    }
}

std::optional<u32> PciDevice::bar_address(u8 offset, Space space, u32 size) const {
    const bool io = space == Space::Io;
    if ((reg16(pci::kCommand) & (io ? pci::kCommandIo : pci::kCommandMemory)) == 0) return std::nullopt;
    if (offset == pci::kRomBar && (reg32(offset) & kRomEnable) == 0) return std::nullopt;
    const u32 base = reg32(offset) & ~(size - 1) & (io ? ~u32{3} : ~u32{15});
    // 0 means not assigned yet, and the top is what is read while the size is being found out.
    const u64 last = u64{base} + size - 1;
    if (base == 0 || last >= (io ? 0xffffu : 0xffff'ffffu)) return std::nullopt;
    return base;
}

void PciDevice::add_bar(unsigned index, Space space, u32 size, u32 type, IoOps ops, OnMap on_map) {
    CHECK(index < 6 && (size & (size - 1)) == 0 && size >= (space == Space::Io ? 4u : 16u), "bad BAR");
    const u8 offset = static_cast<u8>(pci::kBar0 + 4 * index);
    define(offset, 4, type, ~(size - 1));
    windows_.push_back({space, size, [this, offset, space, size] { return bar_address(offset, space, size); }, std::move(ops), std::move(on_map)});
}

void PciDevice::io_bar(unsigned index, u32 size, IoOps ops) { add_bar(index, Space::Io, size, kIoBar, std::move(ops), {}); }
void PciDevice::memory_bar(unsigned index, u32 size, IoOps ops) { add_bar(index, Space::Memory, size, 0, std::move(ops), {}); }

void PciDevice::memory_bar(unsigned index, u32 size, OnMap on_map, bool prefetchable) {
    add_bar(index, Space::Memory, size, prefetchable ? kPrefetchable : 0, {}, std::move(on_map));
}

void PciDevice::rom_bar(u32 size, OnMap on_map) {
    CHECK((size & (size - 1)) == 0 && size >= 2048, "bad expansion ROM size");
    define(pci::kRomBar, 4, 0, ~(size - 1) | kRomEnable);
    windows_.push_back({Space::Memory, size, [this, size] { return bar_address(pci::kRomBar, Space::Memory, size); }, {}, std::move(on_map)});
}

void PciDevice::io_window(u32 size, std::function<std::optional<u32>()> where, IoOps ops) {
    windows_.push_back({Space::Io, size, std::move(where), std::move(ops), {}});
}

u32 PciDevice::config_read(u8 offset, unsigned size) {
    u32 value = 0;
    for (unsigned i = 0; i < size && offset + i < 256; ++i) value |= u32{config_.regs[offset + i]} << (8 * i);
    return value;
}

void PciDevice::config_write(u8 offset, unsigned size, u32 value) {
    for (unsigned i = 0; i < size && offset + i < 256; ++i) {
        const u8 in = static_cast<u8>(value >> (8 * i));
        u8& reg = config_.regs[offset + i];
        reg = static_cast<u8>((reg & ~writable_[offset + i]) | (in & writable_[offset + i]));
        reg = static_cast<u8>(reg & ~(in & clears_[offset + i]));
    }
    config_written(offset, size);
    bus_.remap();
}

void PciDevice::reset_config() {
    set_irq(false);
    config_.regs = initial_;
    bus_.remap();
}

void PciDevice::set_irq(bool level) {
    if (config_.intx == level) return;
    config_.intx = level;
    if (initial_[pci::kInterruptPin] != 0) bus_.update_pirq(PciBus::pirq_of(devfn_, initial_[pci::kInterruptPin]));
}

std::vector<PciDevice::RangeInfo> PciDevice::mapped() const {
    std::vector<RangeInfo> out;
    for (const auto& w : windows_)
        if (w.at) out.push_back({w.space == Space::Io, *w.at, w.size});
    return out;
}

}  // namespace vmm
