// SPDX-License-Identifier: Apache-2.0
// The two 8237A DMA controllers of a PC with their page registers, as the PIIX3 contains them.
//
// Done: address, count, mode, mask, request, status and command registers, the byte pointer, auto-initialisation, terminal
// count, address decrement, verify transfers, 8-bit channels 0-3 cascaded through channel 4, 16-bit channels 5-7.
// Missing: memory-to-memory transfers (the PC cannot do them), transfers that software requests, extended write, scatter/gather.
// Time: a transfer happens at once, when its device asks for it; the device decides when that is.
// Documents: Intel 8237A data sheet (231466); 82371SB (PIIX3), section 2.5.1 "DMA Registers".
#pragma once

#include <array>
#include <span>

#include "vmm/bus.h"
#include "vmm/device.h"
#include "vmm/memory.h"

namespace vmm {

class I8237 final : public Device {
  public:
    // Ports 00-0F, 80-8F, C0-DF.
    I8237(IoBus& ports, Memory& memory);

    // For devices. A transfer stops at the end of the span or at terminal count, whichever comes first; on channels 5-7 it
    // moves whole words. No byte moves while the channel is not ready or is programmed for the other direction.
    struct Transfer {
        std::size_t bytes = 0;
        bool terminal_count = false;
    };
    void set_dreq(unsigned channel, bool level);
    bool ready(unsigned channel) const;
    Transfer to_memory(unsigned channel, std::span<const u8> data);
    Transfer from_memory(unsigned channel, std::span<u8> data);

    std::string_view name() const override { return "dma"; }
    void serialize(Archive& ar) override { VMM_FIELDS(ar, s_, controller, page); }
    void reset() override;

    struct Channel {
        u16 base_address = 0;
        u16 base_count = 0;
        u16 address = 0;
        u16 count = 0;
        u8 mode = 0;                 // D7-D2 of the mode register
    };
    struct Controller {
        std::array<Channel, 4> channel{};
        u8 command = 0;
        u8 mask = 0x0f;
        u8 request = 0;              // software requests
        u8 dreq = 0;                 // levels of the DREQ pins
        u8 terminal = 0;             // TC bits of the status register
        bool high_byte = false;      // the byte pointer
    };

  private:
    struct State {
        std::array<Controller, 2> controller{};
        std::array<u8, 16> page{};   // 80h-8Fh; 80h is where firmware writes its POST code
    };
    enum class Direction : u8 { Verify = 0, ToMemory = 1, FromMemory = 2 };

    u8 read(Controller& c, u32 reg);
    void write(Controller& c, u32 reg, u8 value);
    u32 physical(unsigned channel) const;
    // Moves the address and count on; the bytes themselves go through `move(address, offset in the span, length)`.
    template <class Move>
    Transfer run(unsigned channel, std::size_t size, Direction wanted, Move move);

    Memory& memory_;
    State s_;
};

void serialize(Archive& ar, I8237::Channel& channel);
void serialize(Archive& ar, I8237::Controller& controller);

}  // namespace vmm
