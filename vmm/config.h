// SPDX-License-Identifier: Apache-2.0
// MachineConfig: what a machine is made of, as plain data. The command line becomes this (options.h); a recording carries
// the part that the guest can see.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "vmm/types.h"

namespace vmm {

struct MachineConfig {
    // --- what the guest can see ---------------------------------------------------------------------------
    u64 ram_bytes = u64{128} << 20;      // a multiple of 1 MiB, at most 3584 MiB
    std::string cpu = "pentium4";
    std::string bios;                    // firmware image; empty: the seabios package's
    std::string kernel, initrd, append;  // as -kernel -initrd -append
    unsigned shift = 0;                  // ns of guest time a step, as a power of two: 0..10
    i64 rtc_base = 0;                    // seconds since the epoch that the RTC shows at power-on
    std::array<bool, 4> serial_present{true, false, false, false};
    bool debug_exit = false;             // isa-debug-exit
    u16 debug_exit_port = 0x501;
    u16 debug_exit_size = 2;             // ports
    // --- what it cannot -----------------------------------------------------------------------------------
    bool no_reboot = false;              // a reset ends the program
    bool no_shutdown = false;            // power-off pauses instead of ending the program
    bool sleep = true;                   // idle time passes in host time
};

}  // namespace vmm
