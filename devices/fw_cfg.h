// SPDX-License-Identifier: Apache-2.0
// FwCfg: the firmware configuration device, through which firmware and option ROMs learn about the machine.
//
// Done: selector and data port, DMA with read, skip and select, signature, feature bits, file directory. No item is
// writable, so a DMA write always ends with the error bit; writes to the data port vanish. A DMA completes within the OUT
// instruction that starts it and takes no guest time. Items are configuration: set once before the machine starts, the
// same for record and replay, and no part of State.
// Document: QEMU specification docs/specs/fw_cfg, "Guest-side Hardware Interface".
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/bus.h"
#include "vmm/device.h"
#include "vmm/memory.h"

namespace vmm {

namespace fw_cfg_key {
inline constexpr u16 kSignature = 0x00, kId = 0x01, kRamSize = 0x03, kNoGraphic = 0x04, kCpuCount = 0x05;
inline constexpr u16 kKernelAddr = 0x07, kKernelSize = 0x08, kInitrdAddr = 0x0a, kInitrdSize = 0x0b;
inline constexpr u16 kNuma = 0x0d, kBootMenu = 0x0e, kMaxCpus = 0x0f;
inline constexpr u16 kKernelEntry = 0x10, kKernelData = 0x11, kInitrdData = 0x12;
inline constexpr u16 kCmdlineAddr = 0x13, kCmdlineSize = 0x14, kCmdlineData = 0x15;
inline constexpr u16 kSetupAddr = 0x16, kSetupSize = 0x17, kSetupData = 0x18;
inline constexpr u16 kFileDir = 0x19, kFileFirst = 0x20;
inline constexpr u16 kIrq0Override = 0x8002;   // x86: the timer interrupt is on GSI 2
}  // namespace fw_cfg_key

class FwCfg final : public Device {
  public:
    static constexpr std::size_t kMaxFileName = 55;   // 56 bytes in the directory, with the terminator

    FwCfg(IoBus& ports, Memory& memory);

    // --- configuration, before the machine starts -----------------------------------------------------------
    void set(u16 key, std::vector<u8> value);
    void set_u16(u16 key, u16 value);
    void set_u32(u16 key, u32 value);
    void set_u64(u16 key, u64 value);
    // Adds or replaces a named file; the name is at most kMaxFileName characters (the caller checks a user's name). Keys
    // follow the order of the names, so that the order of calls cannot be seen by the guest.
    void add_file(std::string_view file_name, std::vector<u8> content);
    const std::vector<u8>* find_file(std::string_view file_name) const;   // null: no such file
    std::span<const u8> item(u16 key) const;                              // what the guest reads there; empty if nothing

    std::string_view name() const override { return "fw_cfg"; }
    void serialize(Archive& ar) override { VMM_FIELDS(ar, s_, selector, offset, dma_address); }
    void reset() override { s_ = {}; }

  private:
    struct State {
        u16 selector = 0;
        u32 offset = 0;          // next byte of the selected item
        u64 dma_address = 0;     // upper half, waiting for the lower half
    };

    void select(u16 key);
    u8 next_byte();
    void run_dma();
    bool transfer(GuestPhys address, u32 length);
    void rebuild_directory();

    Memory& memory_;
    std::map<u16, std::vector<u8>> items_;
    std::map<std::string, std::vector<u8>, std::less<>> files_;
    std::vector<const std::vector<u8>*> file_items_;   // by key - kFileFirst; into files_
    State s_;
};

}  // namespace vmm
