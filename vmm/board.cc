// SPDX-License-Identifier: Apache-2.0
#include "vmm/board.h"

#include <algorithm>
#include <cstring>

#include "devices/ata_disk.h"
#include "devices/atapi_cdrom.h"
#include "devices/debug_console.h"
#include "devices/fw_cfg.h"
#include "devices/i440fx.h"
#include "devices/i8042.h"
#include "devices/i8237.h"
#include "devices/i8254.h"
#include "devices/i8259.h"
#include "devices/ioapic.h"
#include "devices/isa_debug_exit.h"
#include "devices/lapic.h"
#include "devices/mc146818.h"
#include "devices/piix3.h"
#include "devices/piix4_pm.h"
#include "devices/piix_ide.h"
#include "devices/port92.h"
#include "devices/ps2_keyboard.h"
#include "devices/ps2_mouse.h"
#include "devices/recording_port.h"
#include "devices/typist.h"
#include "devices/uart16550.h"
#include "devices/user_input.h"
#include "devices/vga.h"
#include "vmm/acpi/acpi.h"
#include "vmm/disks.h"
#include "vmm/file.h"
#include "vmm/loader/boot_config.h"
#include "vmm/loader/cmos_disks.h"
#include "vmm/loader/loader.h"
#include "vmm/tcg/cpu_model.h"

namespace vmm {
namespace {
constexpr u32 kFirstMegabyte = 0x100;              // pages
constexpr u32 kVideoHole = 0xa0;
constexpr u32 kLastPage = 1u << 20;                // end of the address space
constexpr u64 kMaxBios = 16u << 20;
constexpr u32 kLowBios = 128 << 10;                // the end of the image, seen below 1 MiB
constexpr const char* kDefaultBios = "/usr/share/seabios/bios-256k.bin";
constexpr const char* kDefaultVgaBios = "/usr/share/seabios/vgabios-stdvga.bin";
constexpr u64 kMaxVgaBios = 128 << 10;             // what fits where firmware copies it
constexpr u16 kSerialPorts[4] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
constexpr u8 kSerialIrqs[4] = {4, 3, 4, 3};
}  // namespace

template <class T, class... Args>
T* Board::add(Args&&... args) {
    auto device = std::make_unique<T>(std::forward<Args>(args)...);
    T* raw = device.get();
    owned_.push_back(std::move(device));
    devices_.push_back(raw);
    return raw;
}

std::string Board::firmware_file(const MachineConfig& config) { return config.bios.empty() ? kDefaultBios : config.bios; }

Result<std::vector<u8>> Board::read_firmware(const MachineConfig& config) {
    const std::string file = firmware_file(config);
    auto image = read_file(file);
    if (!image) {
        if (config.bios.empty()) return Error{"no firmware: " + image.error().text + " (install the package seabios, or give -bios FILE)"};
        return Error{"-bios: " + image.error().text};
    }
    if (image->empty() || image->size() % (64 << 10) != 0 || image->size() > kMaxBios)
        return Error{"-bios: " + file + " is not a firmware image: its size, " + std::to_string(image->size()) +
                     " bytes, is not a multiple of 64 KiB up to 16 MiB"};
    return image;
}

std::string Board::vga_bios_file(const MachineConfig& config) {
    if (config.vga == VgaCard::None) return {};
    return config.vga_bios.empty() ? kDefaultVgaBios : config.vga_bios;
}

Result<std::vector<u8>> Board::read_vga_bios(const MachineConfig& config) {
    const std::string file = vga_bios_file(config);
    if (file.empty()) return std::vector<u8>{};
    auto image = read_file(file);
    if (!image) return Error{"no VGA BIOS: " + image.error().text + " (install the package seabios, or give -vga none)"};
    if (image->empty() || image->size() > kMaxVgaBios)
        return Error{"the VGA BIOS " + file + " has " + std::to_string(image->size()) + " bytes; at most 128 KiB fit"};
    return image;
}

void Board::place_firmware(std::span<const u8> image) {
    bios_pages_ = static_cast<u32>(image.size() >> kPageShift);
    bios_store_ = w_.memory.allocate(image.size());
    for (u32 p = 0; p < bios_pages_; ++p) {
        std::memcpy(w_.memory.page(bios_store_ + p), image.data() + (std::size_t{p} << kPageShift), kPageSize);
        w_.memory.written(bios_store_ + p, 0, kPageSize);
    }
    w_.memory.map_rom((1u << 20) - bios_pages_, bios_store_, bios_pages_);
}

Board::Board(Wires wires, const MachineConfig& config, std::span<const u8> firmware, std::span<const u8> vga_bios, Outputs outputs,
             BoardSignals signals)
    : w_(wires), signals_(std::move(signals)) {
    auto& [clock, timers, ports, mmio, memory, pins, inbox, disks] = w_;
    const u32 ram_pages = static_cast<u32>(memory.ram_size() >> kPageShift);
    memory.map_ram(0, 0, std::min(kVideoHole, ram_pages));
    if (ram_pages > kFirstMegabyte) memory.map_ram(kFirstMegabyte, kFirstMegabyte, ram_pages - kFirstMegabyte);
    place_firmware(firmware);
    const IrqLine a20([&memory](bool level) { memory.set_a20(level); });
    const IrqLine soft_reset([this](bool level) { if (level) signals_.reset(false); });

    // --- interrupts: ISA wires meet in the PIIX3, which drives the 8259 pair and the I/O APIC ------------------
    pic_ = add<I8259>(ports, IrqLine([this](bool level) { lapic_->lint0().set(level); }));
    lapic_ = add<Lapic>(mmio, timers, pins, [this] { return pic_->acknowledge(); });
    pins.source = lapic_;
    ioapic_ = add<IoApic>(mmio, [this](const ApicMessage& m) { return lapic_->accept(m); });
    lapic_->connect([this](u8 vector) { ioapic_->ended(vector); }, [this] { ioapic_->offer_again(); });

    // --- PCI ------------------------------------------------------------------------------------------------------
    auto* pci = add<PciBus>(ports, mmio);
    add<I440fx>(*pci, memory, [this](u32 page) -> std::optional<u32> {
        const u32 low = kLowBios >> kPageShift;
        const u32 have = std::min(low, bios_pages_);
        if (page < kFirstMegabyte - have) return std::nullopt;
        return bios_store_ + bios_pages_ - (kFirstMegabyte - page);
    });
    std::array<IrqLine, 16> irqs;
    for (unsigned n = 0; n < 16; ++n) {
        const IrqLine to_pic = pic_->irq(n);
        const IrqLine to_apic = ioapic_->pin(n == 0 ? 2 : n);   // the timer is on pin 2
        const bool cascade = n == 2;
        irqs[n] = IrqLine([to_pic, to_apic, cascade](bool level) {
            if (cascade) return;
            to_pic.set(level);
            to_apic.set(level);
        });
    }
    piix3_ = add<Piix3>(*pci, irqs, [this](bool hard) { signals_.reset(hard); });
    ide_ = add<PiixIde>(*pci, timers, memory, std::array{piix3_->isa_irq(14), piix3_->isa_irq(15)});
    pm_ = add<Piix4Pm>(*pci, ports, timers, piix3_->isa_irq(9), [this] { signals_.power_off(); });
    if (config.vga == VgaCard::Std)
        vga_ = add<Vga>(*pci, ports, mmio, memory, timers, vga_bios,
                        Vga::Hole{std::max(ram_pages, kFirstMegabyte), kLastPage - bios_pages_});

    // --- ISA --------------------------------------------------------------------------------------------------------
    add<I8237>(ports, memory);
    add<I8254>(ports, timers, piix3_->isa_irq(0));
    rtc_ = add<Mc146818>(ports, timers, piix3_->isa_irq(8), config.rtc_base);
    rtc_->set_memory_size(memory.ram_size());
    add_drives(config);
    keyboard_ = std::make_unique<Ps2Keyboard>();
    mouse_ = std::make_unique<Ps2Mouse>();
    devices_.push_back(keyboard_.get());
    devices_.push_back(mouse_.get());
    add<I8042>(ports, timers, I8042::Wires{piix3_->isa_irq(1), piix3_->isa_irq(12), a20, soft_reset}, *keyboard_, *mouse_);
    typist_ = add<Typist>(timers, *keyboard_);
    inbox.on(InputKind::Key, kKeyEvent, [this](const Input& in) { apply_key(in, *keyboard_); });
    inbox.on(InputKind::Key, kKeyChord, [this](const Input& in) { apply_chord(in, *typist_); });
    inbox.on(InputKind::Pointer, 0, [this](const Input& in) { apply_pointer(in, *mouse_); });
    add<Port92>(ports, a20, soft_reset);
    for (unsigned n = 0; n < 4; ++n) {
        if (!config.serial_present[n]) continue;
        auto sink = outputs.serial[n];
        serial_[n] = add<Uart16550>(Uart16550::Config{n, kSerialPorts[n], config.serial_exact[n] ? Uart16550::Baud::Exact : Uart16550::Baud::Instant}, ports, timers,
                                    piix3_->isa_irq(kSerialIrqs[n]),
                                    Uart16550::Line{[sink](u8 byte) { if (sink) sink({&byte, 1}); }, {}});
        inbox.on(InputKind::Serial, static_cast<u8>(n), [this, n](const Input& in) { serial_[n]->receive(in.data); });
    }

    // --- firmware and debugging ---------------------------------------------------------------------------------------
    fw_cfg_ = add<FwCfg>(ports, memory);
    if (config.debugcon_port) add<DebugConsole>(ports, "debug_console", *config.debugcon_port, outputs.debug_console);
    if (config.debug_exit)
        add<IsaDebugExit>(ports, config.debug_exit_port, config.debug_exit_size,
                          [this](u32 code) { signals_.debug_exit(static_cast<int>(code & 0xff)); });

    if (config.recording_port) add<RecordingPort>(ports, *config.recording_port, outputs.call);

    // FERR# to IRQ 13, as PCs do; a write to port F0 takes it away and tells the processor to ignore the error.
    pins.ferr = piix3_->isa_irq(13);
    ports.map("coprocessor", 0xf0, 2, {{}, [&pins](u32, unsigned, u32) {
        pins.ignne = true;
        pins.ferr.set(false);
    }, 1});
}

Board::~Board() = default;

void Board::add_drives(const MachineConfig& config) {
    std::array<std::optional<u64>, 2> disk_sectors;            // of the first cable's disks, for the BIOS
    for (const DriveConfig& drive : config.drives) {
        IdeChannel& channel = ide_->channel(drive.bus);
        DiskQueue* queue = nullptr;
        for (const auto& q : w_.disks.queues())
            if (!drive.id.empty() && q->config().id == drive.id) queue = q.get();
        const std::string serial = drive.serial.empty() ? "VM0000" + std::to_string(2 * drive.bus + drive.unit + 1) : drive.serial;
        if (drive.media == Media::Cdrom) {
            channel.attach(drive.unit, std::make_unique<AtapiCdrom>(channel, queue, serial));
        } else {
            channel.attach(drive.unit, std::make_unique<AtaDisk>(channel, *queue, serial, drive.read_only));
            if (drive.bus == 0) disk_sectors[drive.unit] = queue->bytes() / block::kSector;
        }
        if (queue == nullptr) continue;
        w_.inbox.on(InputKind::Disk, queue->number(), [d = channel.drive(drive.unit)](const Input& in) {
            if (const auto done = parse_disk_input(in.data)) d->came_late(done->first, done->second);
        });
    }
    set_cmos_disks(*rtc_, disk_sectors);
    boot_order_ = config.boot_order;
    set_cmos_boot_order(*rtc_, config.boot_once.empty() ? boot_order_ : config.boot_once);
}

void Board::boot_again() { set_cmos_boot_order(*rtc_, boot_order_); }

Result<void> Board::prepare_boot(const MachineConfig& config) {
    add_boot_config(*fw_cfg_, BootConfig{.ram_bytes = w_.memory.ram_size(), .boot_menu = config.boot_menu});
    add_acpi(*fw_cfg_, BoardInfo{.ram_bytes = w_.memory.ram_size(), .serial = config.serial_present});
    if (!config.kernel.empty()) {
        if (auto loaded = load_kernel(*fw_cfg_, {config.kernel, config.initrd, config.append}, w_.memory.ram_size()); !loaded)
            return loaded;
    } else if (!config.initrd.empty() || !config.append.empty()) {
        return Error{std::string(config.initrd.empty() ? "-append" : "-initrd") + " needs a -kernel"};
    }
    const auto model = tcg::find_cpu_model(config.cpu);
    has_apic_ = !model || (*model)->has(tcg::Feature::Apic);
    reset();
    return {};
}

void Board::serialize(Archive& ar) {
    for (Device* d : devices_) {
        ar.enter(d->name());
        d->serialize(ar);
        ar.leave();
    }
}

void Board::after_load() {
    for (Device* d : devices_) d->after_load();
}

void Board::reset() {
    for (Device* d : devices_) d->reset();
    w_.memory.set_a20(true);
    if (!has_apic_) lapic_->set_base(Lapic::kBaseAfterReset & ~u64{0x800});   // hardware-disabled
}

void Board::power_button() { pm_->press_power_button(); }
void Board::set_apic_base(u64 base) { lapic_->set_base(base); }

}  // namespace vmm
