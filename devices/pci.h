// SPDX-License-Identifier: Apache-2.0
// The PCI bus: configuration mechanism #1 at ports CF8h/CFCh, the registry of functions, BARs, INTx routing.
//
// Done: bus 0; dword, word and byte access; I/O, memory and ROM BARs with sizing; the four INTx wires of each slot,
// swizzled to PIRQA#-D# as firmware expects it on an i440FX board. Missing: bridges, special cycles, INTx disable (2.3).
// Time: none. Where ranges overlap, the function with the highest number answers, whatever the order of programming, so
// that the map is a function of the state.
// Documents: PCI Local Bus Specification 2.2, sections 3.2.2.3.2, 6.1, 6.2; 82441FX (PMC) 3.1.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vmm/bus.h"
#include "vmm/device.h"
#include "vmm/types.h"

namespace vmm {

class PciDevice;

// Configuration registers that every function has.
namespace pci {
inline constexpr u8 kVendorId = 0x00, kDeviceId = 0x02, kCommand = 0x04, kStatus = 0x06, kRevision = 0x08, kClass = 0x09;
inline constexpr u8 kCacheLine = 0x0c, kLatency = 0x0d, kHeaderType = 0x0e, kBar0 = 0x10, kSubsystemVendor = 0x2c;
inline constexpr u8 kSubsystem = 0x2e, kRomBar = 0x30, kInterruptLine = 0x3c, kInterruptPin = 0x3d;
inline constexpr u16 kCommandIo = 1, kCommandMemory = 2, kCommandMaster = 4;
}  // namespace pci

constexpr u8 pci_devfn(unsigned slot, unsigned function) { return static_cast<u8>(slot << 3 | function); }

class PciBus final : public Device {
  public:
    PciBus(IoBus& ports, IoBus& mmio);

    // PIRQA# is 0; the level is that of all functions on it together. Set once, by the ISA bridge.
    void set_pirq_sink(std::function<void(unsigned pirq, bool level)> sink) { pirq_sink_ = std::move(sink); }
    // CF9h lies inside the configuration address, which takes dwords only; bytes there are the ISA bridge's reset control.
    void set_reset_control(IoOps ops) { reset_control_ = std::move(ops); }

    PciDevice* find(u8 devfn) const { return devices_[devfn]; }
    u32 config_read(u8 devfn, u8 offset, unsigned size) const;             // nobody there: all ones
    void config_write(u8 devfn, u8 offset, unsigned size, u32 value);
    // 0-3 for a pin of 1-4 (INTA#-INTD#).
    static unsigned pirq_of(u8 devfn, u8 pin) { return ((devfn >> 3) + pin - 2u) & 3; }

    std::string_view name() const override { return "pci"; }
    void serialize(Archive& ar) override { VMM_FIELDS(ar, s_, address); }
    void reset() override { s_ = {}; }

  private:
    friend class PciDevice;
    struct State {
        u32 address = 0;       // CONFADD
    };
    void add(PciDevice& device);
    void remap();              // makes both buses agree with every function's registers
    void update_pirq(unsigned pirq);
    u32 port_read(u32 offset, unsigned size);
    void port_write(u32 offset, unsigned size, u32 value);

    IoBus& ports_;
    IoBus& mmio_;
    std::array<PciDevice*, 256> devices_{};
    std::function<void(unsigned, bool)> pirq_sink_;
    IoOps reset_control_;
    State s_;
};

struct PciIdentity {
    u16 vendor = 0;
    u16 device = 0;
    u8 revision = 0;
    u8 base_class = 0;
    u8 sub_class = 0;
    u8 interface = 0;
    u8 interrupt_pin = 0;                  // 1 is INTA#; 0: none
    bool multi_function = false;
    u16 subsystem_vendor = 0x1af4;         // what guests find on the board whose users we welcome
    u16 subsystem = 0x1100;
};

// One function; it lives as long as its bus (there is no hot plug). A derived class describes its registers and BARs in
// its constructor, serializes config_ with its own state, and calls reset_config() from reset() and
// PciDevice::after_load() from after_load().
class PciDevice : public Device {
  public:
    PciDevice(const PciDevice&) = delete;
    PciDevice& operator=(const PciDevice&) = delete;

    u8 devfn() const { return devfn_; }
    virtual u32 config_read(u8 offset, unsigned size);
    void config_write(u8 offset, unsigned size, u32 value);
    void after_load() override { bus_.remap(); }

    struct RangeInfo { bool io; u32 base; u32 size; };
    std::vector<RangeInfo> mapped() const;                                 // for `info pci`

  protected:
    using OnMap = std::function<void(std::optional<u32> base)>;            // nullopt: not mapped any more

    PciDevice(PciBus& bus, u8 devfn, const PciIdentity& identity);

    // Register of 1, 2 or 4 bytes: value at reset, bits that can be written, bits that a written 1 clears.
    void define(u8 offset, unsigned size, u32 value, u32 writable, u32 write_one_clears = 0);
    void io_bar(unsigned index, u32 size, IoOps ops);
    void memory_bar(unsigned index, u32 size, IoOps ops);
    void memory_bar(unsigned index, u32 size, OnMap on_map, bool prefetchable);  // memory behind it, not registers
    void rom_bar(u32 size, OnMap on_map);
    // A range in the port space that no BAR describes; `where` is asked whenever remap() is called.
    void io_window(u32 size, std::function<std::optional<u32>()> where, IoOps ops);
    void remap() { bus_.remap(); }

    // After the guest wrote registers.
    virtual void config_written(u8 /*offset*/, unsigned /*size*/) {}

    void reset_config();                                                   // INTx goes away too
    void set_irq(bool level);                                              // the function's interrupt pin
    bool irq_level() const { return config_.intx; }
    bool bus_master() const { return (reg16(pci::kCommand) & pci::kCommandMaster) != 0; }

    u8 reg8(u8 offset) const { return config_.regs[offset]; }
    u16 reg16(u8 offset) const { return static_cast<u16>(reg8(offset) | reg8(static_cast<u8>(offset + 1)) << 8); }
    u32 reg32(u8 offset) const { return reg16(offset) | u32{reg16(static_cast<u8>(offset + 2))} << 16; }
    void set_reg8(u8 offset, u8 value) { config_.regs[offset] = value; }

    struct Config {
        std::array<u8, 256> regs{};
        bool intx = false;
        friend void serialize(Archive& ar, Config& c) { VMM_FIELDS(ar, c, regs, intx); }
    };
    Config config_;

  private:
    friend class PciBus;
    enum class Space : u8 { Io, Memory };
    struct Window {
        Space space;
        u32 size;
        std::function<std::optional<u32>()> where;
        IoOps ops;
        OnMap on_map;                      // instead of ops
        std::optional<u32> at{};           // derived: where it is mapped now
        IoBus::Handle handle = 0;
    };
    std::optional<u32> bar_address(u8 offset, Space space, u32 size) const;
    void add_bar(unsigned index, Space space, u32 size, u32 type, IoOps ops, OnMap on_map);

    PciBus& bus_;
    u8 devfn_;
    std::array<u8, 256> initial_{};
    std::array<u8, 256> writable_{};
    std::array<u8, 256> clears_{};
    std::vector<Window> windows_;
};

}  // namespace vmm
