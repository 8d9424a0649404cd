// SPDX-License-Identifier: Apache-2.0
// Board: the PC, wired. The constructor's body is the wiring table: which chip sits where and which wire goes where. This is
// the one place that knows all devices. Reference for the layout: i440FX/PIIX4 PCs; interrupt routing as in devices/piix3.h.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "vmm/device.h"
#include "vmm/machine.h"

namespace vmm {

class Disks;
class FwCfg;
class I8042;
class I8259;
class IoApic;
class Lapic;
class Mc146818;
class Piix3;
class Piix4Pm;
class PiixIde;
class Ps2Keyboard;
class Ps2Mouse;
class Typist;
class Uart16550;
class Vga;

// What a board is built on.
struct Wires {
    Clock& clock;
    Timers& timers;
    IoBus& ports;
    IoBus& mmio;
    Memory& memory;
    CpuPins& pins;
    Inbox& inbox;
    Disks& disks;
};

// What the board asks of the machine; acted on at the next boundary.
struct BoardSignals {
    std::function<void(bool hard)> reset;      // soft: INIT#
    std::function<void()> power_off;
    std::function<void(int code)> debug_exit;
};

class Board {
  public:
    // The image that config.bios names, or the distribution's.
    static std::string firmware_file(const MachineConfig& config);
    static Result<std::vector<u8>> read_firmware(const MachineConfig& config);
    // The VGA's, likewise; nothing where there is no VGA.
    static std::string vga_bios_file(const MachineConfig& config);
    static Result<std::vector<u8>> read_vga_bios(const MachineConfig& config);
    // Images: what the two functions above gave.
    Board(Wires wires, const MachineConfig& config, std::span<const u8> firmware, std::span<const u8> vga_bios, Outputs outputs,
          BoardSignals signals);
    ~Board();
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;

    Result<void> prepare_boot(const MachineConfig& config);    // kernel and tables, for the firmware to find
    void serialize(Archive& ar);
    void after_load();
    void reset();                                              // RESET# to every chip
    void boot_again();                                         // after the first time: -boot once= is over
    void power_button();
    void set_apic_base(u64 base);
    Uart16550& serial(unsigned n) { return *serial_[n]; }
    bool has_serial(unsigned n) const { return serial_[n] != nullptr; }
    Mc146818& rtc() { return *rtc_; }
    const Vga* vga() const { return vga_; }                    // null: -vga none
    const std::vector<Device*>& devices() const { return devices_; }

  private:
    void place_firmware(std::span<const u8> image);
    void add_drives(const MachineConfig& config);
    template <class T, class... Args>
    T* add(Args&&... args);

    Wires w_;
    BoardSignals signals_;
    std::vector<std::unique_ptr<Device>> owned_;
    std::vector<Device*> devices_;                             // in order of wiring; also of saving
    bool has_apic_ = true;
    u32 bios_store_ = 0;                                       // store page of the firmware image, which ends at 4 GiB
    u32 bios_pages_ = 0;
    std::unique_ptr<Ps2Keyboard> keyboard_;
    std::unique_ptr<Ps2Mouse> mouse_;
    Typist* typist_ = nullptr;
    std::array<Uart16550*, 4> serial_{};
    FwCfg* fw_cfg_ = nullptr;
    Lapic* lapic_ = nullptr;
    IoApic* ioapic_ = nullptr;
    I8259* pic_ = nullptr;
    Mc146818* rtc_ = nullptr;
    Piix3* piix3_ = nullptr;
    Piix4Pm* pm_ = nullptr;
    PiixIde* ide_ = nullptr;
    std::string boot_order_;
    Vga* vga_ = nullptr;
};

}  // namespace vmm
