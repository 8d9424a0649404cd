// SPDX-License-Identifier: Apache-2.0
// Where the beam is: a function of the registers and guest time, since power-on. Nothing ticks.
//
// Done: dot clocks of 25.175 and 28.322 MHz, the sync and blanking that status register 1 shows, frames for blinking. Pictures
// beyond VGA run at 60 frames a second, with a quarter more dots and a twentieth more lines than they show. Missing: the phase
// is not restarted by a mode change.
// Document: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem", CRT Controller, Input Status Register 1.
#pragma once

#include "devices/vga_registers.h"
#include "devices/vga_vbe.h"

namespace vmm {

struct VgaTiming {
    u64 dot_hz;
    u32 dots, shown_dots;                   // of a line
    u32 lines, shown_lines;                 // of a frame
    u32 sync_first, sync_lines;

    VgaTiming(const VgaRegisters& r, const VbeRegisters& vbe, u32 vram_bytes);
    u64 frame(GuestTime t) const;           // frames finished by then
    u8 status(GuestTime t) const;           // bit 0: nothing is being shown; bit 3: vertical retrace
};

}  // namespace vmm
