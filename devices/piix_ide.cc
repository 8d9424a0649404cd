// SPDX-License-Identifier: Apache-2.0
#include "devices/piix_ide.h"

namespace vmm {
namespace {

constexpr u8 kIdetim = 0x40, kSidetim = 0x44;            // IDETIM of both channels; SIDETIM
constexpr u16 kDecodeEnable = 0x8000;                    // IDETIM.IDE
constexpr u16 kCommandPorts[2] = {0x1f0, 0x170}, kControlPorts[2] = {0x3f6, 0x376};
constexpr u32 kMasterPorts = 16;
constexpr TimerId kTimers[2] = {TimerId::Ide0, TimerId::Ide1};

}  // namespace

PiixIde::PiixIde(PciBus& bus, Timers& timers, Memory& memory, std::array<IrqLine, 2> irqs)
    : PciDevice(bus, pci_devfn(1, 1), {.vendor = 0x8086, .device = 0x7010, .base_class = 1, .sub_class = 1, .interface = 0x80}) {
    define(pci::kCommand, 2, 0, 0x0005);                 // I/O, master
    define(pci::kStatus, 2, 0x0280, 0, 0x3800);
    define(kIdetim, 4, 0, ~u32{0});
    define(kSidetim, 1, 0, 0xff);
    for (unsigned n = 0; n < 2; ++n) {
        channels_[n] = std::make_unique<IdeChannel>(timers, kTimers[n], memory, irqs[n]);
        IdeChannel& channel = *channels_[n];
        const auto decoded = [this, n](u32 port) -> std::optional<u32> {
            const bool on = (reg16(pci::kCommand) & pci::kCommandIo) != 0 && (reg16(static_cast<u8>(kIdetim + 2 * n)) & kDecodeEnable) != 0;
            return on ? std::optional(port) : std::nullopt;
        };
        io_window(8, [decoded, n] { return decoded(kCommandPorts[n]); },
                  {[&channel](u32 offset, unsigned size) { return channel.read(offset, size); },
                   [&channel](u32 offset, unsigned size, u32 value) { channel.write(offset, size, value); }, 4});
        io_window(1, [decoded, n] { return decoded(kControlPorts[n]); },
                  {[&channel](u32, unsigned) { return u32{channel.alternate_status()}; },
                   [&channel](u32, unsigned, u32 value) { channel.control(static_cast<u8>(value)); }, 1});
    }
    io_bar(4, kMasterPorts, {[this](u32 offset, unsigned) { return u32{channels_[offset >> 3]->master_read(offset & 7)}; },
                             [this](u32 offset, unsigned, u32 value) { channels_[offset >> 3]->master_write(offset & 7, static_cast<u8>(value)); }, 1});
}

void PiixIde::config_written(u8 offset, unsigned size) {
    if (offset <= pci::kCommand && offset + size > pci::kCommand)
        for (const auto& channel : channels_) channel->set_mastering(bus_master());
}

void PiixIde::serialize(Archive& ar) {
    ar.field("config", config_);
    for (const auto& channel : channels_) {
        ar.enter(channel == channels_[0] ? "primary" : "secondary");
        channel->serialize(ar);
        ar.leave();
    }
}

void PiixIde::after_load() {
    PciDevice::after_load();
    for (const auto& channel : channels_) {
        channel->after_load();
        channel->set_mastering(bus_master());
    }
}

void PiixIde::reset() {
    reset_config();
    for (const auto& channel : channels_) {
        channel->set_mastering(false);
        channel->reset();
    }
}

}  // namespace vmm
