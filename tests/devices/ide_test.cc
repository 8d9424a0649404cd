// SPDX-License-Identifier: Apache-2.0
// Two drives on a cable, the PIIX's decoding, and what every device must pass. Expectations: ATA/ATAPI-6, 9.16 (drive 0 answers
// for a drive 1 that is not there), 9.2 (software reset); 82371FB/SB data sheet, 2.3 and 2.6.
#include "tests/devices/ide_rig.h"

namespace vmm {
namespace {

using block::pattern;
using block::TempFile;

TEST(Ide, is_function_1_of_the_piix3) {
    IdeRig rig;
    EXPECT_EQ(rig.config.read(kIdeFunction, 0, 4), 0x7010'8086u);
    EXPECT_EQ(rig.config.read(kIdeFunction, 0x09, 3), 0x01'0180u);
}

TEST(Ide, an_empty_cable_reads_as_pulled_down) {
    IdeRig rig;
    EXPECT_EQ(rig.get(kStatusPort), 0x7f);
    EXPECT_EQ(rig.alternate(), 0x7f);
}

TEST(Ide, ports_are_decoded_when_enabled) {
    const TempFile file(1 << 20);
    IdeRig rig;
    rig.disk(0, 0, file.path);
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    rig.config.write(kIdeFunction, 0x40, 2, 0);
    EXPECT_EQ(rig.get(kStatusPort), 0xff);
    EXPECT_EQ(rig.bench.in(0x177), 0x7f) << "the other cable's are there still";
    rig.config.write(kIdeFunction, 0x40, 2, 0x8000);
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    rig.config.write(kIdeFunction, 0x04, 2, 0);
    EXPECT_EQ(rig.get(kStatusPort), 0xff);
}

TEST(Ide, drive_0_answers_for_a_drive_1_that_is_not_there) {
    const TempFile file(1 << 20);
    IdeRig rig;
    rig.disk(0, 0, file.path);
    rig.put(kDevicePort, 0xb0);
    EXPECT_EQ(rig.get(kStatusPort), 0x00);
    rig.put(kCountPort, 0x55);
    EXPECT_EQ(rig.get(kCountPort), 0x55) << "the registers are drive 0's";
    rig.command(0xec);
    rig.bench.pass(1'000'000);
    EXPECT_EQ(rig.get(kStatusPort), 0x00);
    EXPECT_FALSE(rig.irq());
    rig.put(kDevicePort, 0xa0);
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
}

TEST(Ide, two_drives_take_parameters_together_and_commands_alone) {
    const TempFile first(1 << 20), second(2 << 20);
    first.put(512, pattern(1, 1));
    second.put(512, pattern(1, 1, 7));
    IdeRig rig;
    rig.disk(0, 0, first.path);
    rig.disk(0, 1, second.path);
    rig.put(kDevicePort, 0xa0);
    rig.put(kCountPort, 0x31);
    rig.put(kDevicePort, 0xb0);
    EXPECT_EQ(rig.get(kCountPort), 0x31);
    EXPECT_EQ(IdeRig::word(rig.identify(), 60), 4096);
    rig.lba28(1, 1, 0x10);
    rig.command(0x20);
    rig.wait();
    EXPECT_TRUE(rig.irq());
    rig.put(kDevicePort, 0xa0);
    EXPECT_FALSE(rig.irq()) << "the selected drive's interrupt is on the wire";
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    rig.put(kDevicePort, 0xb0);
    EXPECT_TRUE(rig.irq());
    EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
    EXPECT_EQ(rig.read_data(512), pattern(1, 1, 7));
    EXPECT_EQ(rig.read_sectors(1, 1), pattern(1, 1));
}

TEST(Ide, diagnostics_run_on_both_drives_and_drive_0_interrupts) {
    const TempFile first(1 << 20), second(2 << 20);
    IdeRig rig;
    rig.disk(0, 0, first.path);
    rig.disk(0, 1, second.path);
    rig.put(kDevicePort, 0xb0);
    rig.command(0x90);
    EXPECT_TRUE(rig.irq());
    EXPECT_EQ(rig.get(kDevicePort) & 0x10, 0);
    EXPECT_EQ(rig.get(kErrorPort), 0x01);
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
    rig.put(kDevicePort, 0xb0);
    EXPECT_FALSE(rig.irq());
    EXPECT_EQ(rig.get(kErrorPort), 0x01);
}

TEST(Ide, a_software_reset_selects_drive_0) {
    const TempFile first(1 << 20), second(2 << 20);
    IdeRig rig;
    rig.disk(0, 0, first.path);
    rig.disk(0, 1, second.path);
    rig.put(kDevicePort, 0xb0);
    rig.control(4);
    rig.control(0);
    EXPECT_EQ(rig.get(kDevicePort) & 0x10, 0);
    EXPECT_EQ(rig.get(kStatusPort), kStatusReady);
}

TEST(Ide, cables_work_at_the_same_time) {
    const TempFile first(1 << 20), second(1 << 20);
    IdeRig rig;
    rig.disk(0, 0, first.path);
    rig.disk(1, 0, second.path);
    rig.lba28(0, 1);
    rig.command(0x20);
    rig.bench.out(0x172, 1);
    rig.bench.out(0x176, 0xe0);
    rig.bench.out(0x177, 0x20);
    rig.bench.pass(100'000);
    EXPECT_TRUE(rig.irq());
    EXPECT_TRUE(rig.bench.level("irq15"));
    EXPECT_EQ(rig.bench.in(0x177), kStatusDrq);
    EXPECT_FALSE(rig.bench.level("irq15"));
    EXPECT_TRUE(rig.irq());
}

TEST(Ide, bus_master_registers_hold_what_they_may) {
    IdeRig rig;
    rig.bench.ports.write(kMasterBase + 4, 4, 0x1234'5677);
    EXPECT_EQ(rig.bench.ports.read(kMasterBase + 4, 4), 0x1234'5674u);
    rig.bench.ports.write(kMasterBase + 12, 4, 0xabcd'ef00);
    EXPECT_EQ(rig.bench.ports.read(kMasterBase + 12, 4), 0xabcd'ef00u);
    rig.bench.out(kMasterBase + 2, 0x60);
    EXPECT_EQ(rig.master_status(), 0x60) << "DMA capable bits are the driver's";
    rig.bench.out(kMasterBase, 0xff);
    EXPECT_EQ(rig.bench.in(kMasterBase), 0x09);
}

TEST(Ide, a_late_request_comes_through_the_inbox) {
    const TempFile file(1 << 20);
    file.put(0, pattern(0, 1));
    IdeRig rig(0);                                        // no patience
    AtaDisk& disk = rig.disk(0, 0, file.path);
    rig.content.inbox.on(InputKind::Disk, 0, [&](const Input& in) {
        const auto done = parse_disk_input(in.data);
        ASSERT_TRUE(done);
        disk.came_late(done->first, done->second);
    });
    // Whether the host is ready at once is the host's matter: either way there is one interrupt and the right data.
    for (unsigned i = 0; i < 200; ++i) {
        rig.lba28(0, 1);
        rig.command(0x20);
        rig.bench.pass(70'000);
        for (unsigned k = 0; k < 1000 && !rig.irq(); ++k) {
            EXPECT_EQ(rig.alternate(), kStatusBusy);
            rig.content.inbox.wait_ns(1'000'000);
            for (const Input& in : rig.content.inbox.take()) rig.content.inbox.apply(in);
        }
        ASSERT_TRUE(rig.irq());
        EXPECT_EQ(rig.get(kStatusPort), kStatusDrq);
        EXPECT_EQ(rig.read_data(512), pattern(0, 1));
    }
}

// --- the tests of every device -----------------------------------------------------------------------------------------------------

// Commands worth more than chance would have them.
void some_command(Bench& b, Random& source) {
    const auto random = [&source] { return static_cast<u32>(source()); };
    const u32 base = random() % 2 == 0 ? 0x1f0 : 0x170;
    static constexpr u8 kCommands[] = {0x20, 0x30, 0xc4, 0xc5, 0xc8, 0xca, 0xc6, 0xec, 0xe7, 0x24, 0x34, 0x25, 0x35, 0xef, 0xb0, 0xa0, 0xa1, 0x08, 0x90, 0x40, 0xe4, 0xe8};
    b.out(base + 6, 0xe0 | (random() % 2) << 4);
    if (random() % 2 == 0) {
        b.out(base + 1, random() % 4);
        b.out(base + 2, random() % 9);
        b.out(base + 3, random() % 64);
        b.out(base + 4, random() % 4 == 0 ? random() : 0);
        b.out(base + 5, random() % 16 == 0 ? random() : 0);
    }
    b.out(base + 7, kCommands[random() % std::size(kCommands)]);
    switch (random() % 4) {
        case 0: {                                         // a packet that is likely to be a command
            static constexpr u8 kPackets[] = {0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0xa8, 0x43, 0x46, 0x4a, 0x51, 0x52, 0x5a, 0xbe, 0xbd};
            u8 packet[12] = {kPackets[random() % std::size(kPackets)]};
            for (u8& byte : std::span(packet).subspan(1)) byte = random() % 3 == 0 ? static_cast<u8>(random() % 8) : 0;
            for (unsigned i = 0; i < 12; i += 2) b.ports.write(base, 2, packet[i] | u32{packet[i + 1]} << 8);
            break;
        }
        case 1:
            for (unsigned i = random() % 600; i > 0; --i) b.ports.write(base, 2, random());
            break;
        case 2:
            b.out(kMasterBase + (base == 0x170 ? 8 : 0), random() % 2 == 0 ? 9 : 1);
            break;
        default: b.pass(random() % 200'000); break;
    }
}

GenericDevice generic_ide(const TempFile& disk, const TempFile& cd) {
    return {.make = [&disk, &cd](Bench& b) {
                auto& content = b.add<DiskContent>(b);
                auto& bus = b.add<PciBus>(b.ports, b.mmio);
                auto& ide = b.add<PiixIde>(bus, b.timers, content.memory, std::array{b.line("irq14"), b.line("irq15")});
                const auto queue = [&](const std::string& path, bool cdrom) -> DiskQueue& {
                    auto made = content.disks.add({.id = "d" + std::to_string(content.disks.queues().size()), .file = path, .format = "raw",
                                                   .read_only = cdrom, .snapshot = !cdrom});
                    EXPECT_TRUE(made) << (made ? "" : made.error().text);
                    return **made;
                };
                ide.channel(0).attach(0, std::make_unique<AtaDisk>(ide.channel(0), queue(disk.path, false), "S", false));
                ide.channel(0).attach(1, std::make_unique<AtapiCdrom>(ide.channel(0), &queue(cd.path, true), "S"));
                ide.channel(1).attach(1, std::make_unique<AtaDisk>(ide.channel(1), queue(disk.path, false), "S", false));
                ide.reset();
            },
            .ports = {{0x1f0, 8}, {0x170, 8}, {0x3f6, 1}, {0x376, 1}, {kMasterBase, 16}, {0xcf8, 8}},
            .widths = {1, 2, 4},
            .prepare = [](Bench& b) {
                PciConfigPorts config{b.ports};
                config.write(kIdeFunction, 0x40, 4, 0x8000'8000);
                config.write(kIdeFunction, 0x20, 4, kMasterBase);
                config.write(kIdeFunction, 0x04, 2, 5);
            },
            .input = some_command,
            .longest_pause_ns = 300'000,
            .rounds = 40};
}

TEST(Ide, state_is_complete) {
    const TempFile disk(128 * 512), cd(64 * 2048);
    disk.put(0, pattern(0, 128));
    cd.put(0, pattern(0, 256));
    expect_state_is_complete(generic_ide(disk, cd));
}

TEST(Ide, survives_any_traffic) {
    const TempFile disk(128 * 512), cd(64 * 2048);
    expect_survives_traffic(generic_ide(disk, cd));
    EXPECT_EQ(disk.content(), std::vector<u8>(128 * 512)) << "what stays in memory reached the file";
}

}  // namespace
}  // namespace vmm
