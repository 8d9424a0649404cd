// SPDX-License-Identifier: Apache-2.0
// A PIIX IDE function on a bus with drives, driven as a driver does it: through ports, with its interrupts and bus master.
#pragma once

#include "devices/ata_disk.h"
#include "devices/atapi_cdrom.h"
#include "devices/piix_ide.h"
#include "tests/block/bench.h"
#include "tests/devices/generic_device_test.h"
#include "tests/devices/pci_config.h"
#include "vmm/disks.h"

namespace vmm {

// What stands behind the drives; as a device, so that a bench saves it with the rest.
class DiskContent final : public Device {
  public:
    explicit DiskContent(Bench& bench) : disks(bench.clock, inbox), memory(1u << 20, 0, bench.mmio) {
        memory.map_ram(0, 0, 256);
        disks.set_patience_ns(Disks::kForever);
    }
    std::string_view name() const override { return "content"; }
    void serialize(Archive& ar) override {
        disks.serialize_content(ar);
        for (u32 page = 0; page < memory.store_pages(); ++page) {
            std::array<u8, kPageSize> data{};
            std::copy_n(memory.page(page), kPageSize, data.begin());
            bool empty = data == std::array<u8, kPageSize>{};
            ar.field("empty", empty);
            if (empty) data = {};
            else ar.field("page", data);
            if (ar.loading()) std::copy_n(data.begin(), kPageSize, memory.page(page));
        }
    }
    void reset() override {}

    Inbox inbox;
    Disks disks;
    Memory memory;
};

inline constexpr u8 kIdeFunction = pci_devfn(1, 1);
inline constexpr u32 kMasterBase = 0xc000;
enum Offset : u32 { kDataPort = 0, kErrorPort = 1, kCountPort = 2, kLowPort = 3, kMidPort = 4, kHighPort = 5, kDevicePort = 6, kStatusPort = 7 };
inline constexpr u8 kStatusBusy = 0x80, kStatusReady = 0x50, kStatusDrq = 0x58, kStatusError = 0x51;

struct IdeRig {
    explicit IdeRig(u64 patience = Disks::kForever) {
        content.disks.set_patience_ns(patience);
        config.write(kIdeFunction, 0x40, 4, 0x8000'8000);
        config.write(kIdeFunction, 0x20, 4, kMasterBase);
        config.write(kIdeFunction, 0x04, 2, 5);
    }
    // Images stay as they are unless `written`.
    AtaDisk& disk(unsigned cable, unsigned unit, const std::string& path, bool read_only = false, bool written = false) {
        auto& channel = ide.channel(cable);
        channel.attach(unit, std::make_unique<AtaDisk>(channel, queue(path, read_only, written), "SERIAL", read_only));
        return static_cast<AtaDisk&>(power(cable, unit));
    }
    AtapiCdrom& cdrom(unsigned cable, unsigned unit, const std::string& path) {
        auto& channel = ide.channel(cable);
        channel.attach(unit, std::make_unique<AtapiCdrom>(channel, path.empty() ? nullptr : &queue(path, true, false), "SERIAL"));
        return static_cast<AtapiCdrom&>(power(cable, unit));
    }
    IdeDrive& power(unsigned cable, unsigned unit) {
        ide.channel(cable).drive(unit)->power_on();
        return *ide.channel(cable).drive(unit);
    }
    DiskQueue& queue(const std::string& path, bool read_only, bool written) {
        block::ImageConfig image{.id = "d" + std::to_string(content.disks.queues().size()), .file = path, .format = "raw",
                                 .read_only = read_only, .snapshot = !read_only && !written, .aio = block::Aio::Threads};
        auto opened = content.disks.add(image);
        EXPECT_TRUE(opened) << (opened ? "" : opened.error().text);
        return **opened;
    }

    // --- a driver on the primary cable
    u8 get(Offset port) { return bench.in(0x1f0 + port); }
    void put(Offset port, u32 value) { bench.out(0x1f0 + port, value & 0xff); }
    u8 alternate() { return bench.in(0x3f6); }
    void control(u8 value) { bench.out(0x3f6, value); }
    bool irq() { return bench.level("irq14"); }
    void command(u8 code) { put(kStatusPort, code); }
    void lba28(u64 lba, u8 count, u8 device = 0) {
        put(kCountPort, count);
        put(kLowPort, static_cast<u8>(lba));
        put(kMidPort, static_cast<u8>(lba >> 8));
        put(kHighPort, static_cast<u8>(lba >> 16));
        put(kDevicePort, 0xe0u | device | (lba >> 24 & 0xf));
    }
    void lba48(u64 lba, u16 count) {
        put(kDevicePort, 0xe0);
        put(kCountPort, count >> 8);
        put(kLowPort, static_cast<u8>(lba >> 24));
        put(kMidPort, static_cast<u8>(lba >> 32));
        put(kHighPort, static_cast<u8>(lba >> 40));
        put(kCountPort, count & 0xff);
        put(kLowPort, static_cast<u8>(lba));
        put(kMidPort, static_cast<u8>(lba >> 8));
        put(kHighPort, static_cast<u8>(lba >> 16));
    }
    // Time until the drive is not busy; nothing here takes longer.
    void wait() {
        for (int i = 0; i < 1000 && (alternate() & kStatusBusy) != 0; ++i) bench.pass(100'000);
        EXPECT_EQ(alternate() & kStatusBusy, 0) << "busy for ever";
    }
    std::vector<u8> read_data(std::size_t bytes) {
        std::vector<u8> out;
        while (out.size() < bytes) {
            const u32 word = bench.ports.read(0x1f0, 2);
            out.push_back(static_cast<u8>(word));
            out.push_back(static_cast<u8>(word >> 8));
        }
        return out;
    }
    void write_data(std::span<const u8> data) {
        for (std::size_t i = 0; i < data.size(); i += 2) bench.ports.write(0x1f0, 2, data[i] | u32{data[i + 1]} << 8);
    }
    // Whole commands, by PIO.
    std::vector<u8> read_sectors(u64 lba, u8 count) {
        lba28(lba, count);
        command(0x20);
        std::vector<u8> out;
        for (unsigned i = 0; i < (count == 0 ? 256u : count); ++i) {
            wait();
            EXPECT_EQ(get(kStatusPort), kStatusDrq);
            const auto sector = read_data(512);
            out.insert(out.end(), sector.begin(), sector.end());
        }
        return out;
    }
    std::vector<u8> identify(u8 code = 0xec) {
        command(code);
        wait();
        EXPECT_EQ(get(kStatusPort) & 0x88, 0x08);
        return read_data(512);
    }
    static u16 word(const std::vector<u8>& data, unsigned n) { return static_cast<u16>(data[2 * n] | data[2 * n + 1] << 8); }

    // --- the bus master of the primary cable
    struct Region { u32 address; u32 bytes; };
    static constexpr u32 kTable = 0x8000;
    void regions(const std::vector<Region>& list) {
        u32 at = kTable;
        for (std::size_t i = 0; i < list.size(); ++i, at += 8) {
            store(at, list[i].address);
            store(at + 4, (list[i].bytes & 0xffff) | (i + 1 == list.size() ? 0x8000'0000 : 0));
        }
        bench.ports.write(kMasterBase + 4, 4, kTable);
    }
    void store(u32 address, u32 value) {
        for (unsigned i = 0; i < 4; ++i) {
            const u8 byte = static_cast<u8>(value >> (8 * i));
            content.memory.write({address + i}, {&byte, 1});
        }
    }
    void start_master(bool to_memory) {
        bench.out(kMasterBase + 2, 0x06);                   // clear error and interrupt
        bench.out(kMasterBase, to_memory ? 0x08 : 0x00);
        bench.out(kMasterBase, to_memory ? 0x09 : 0x01);
    }
    u8 master_status() { return bench.in(kMasterBase + 2); }
    void stop_master() { bench.out(kMasterBase, 0); }
    std::vector<u8> memory(u32 address, std::size_t bytes) {
        std::vector<u8> out(bytes);
        content.memory.read({address}, out);
        return out;
    }

    Bench bench;
    DiskContent& content = bench.add<DiskContent>(bench);
    PciBus& bus = bench.add<PciBus>(bench.ports, bench.mmio);
    PiixIde& ide = bench.add<PiixIde>(bus, bench.timers, content.memory, std::array{bench.line("irq14"), bench.line("irq15")});
    PciConfigPorts config{bench.ports};
};

}  // namespace vmm
