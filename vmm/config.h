// SPDX-License-Identifier: Apache-2.0
// MachineConfig: everything that makes one machine, as plain data. A recording carries it as text.
//
// What the guest cannot see a replay may change.
// Text form: one "key=value" a line, in a fixed order, defaults included; a list repeats its key; keys of what the
// guest cannot see begin with "host.". In values a backslash is "\\" and a line feed "\n". A key that is not known is refused by name, so
// that nothing is lost silently.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "serial/char_config.h"
#include "vmm/drive_config.h"
#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm {

inline constexpr u64 kMaxRamBytes = u64{3584} << 20;
inline constexpr unsigned kMaxShift = 10;

enum class VgaCard : u8 { None, Std };
enum class DisplayKind : u8 { None, Curses };
enum class RtcFrom : u8 { Utc, Localtime, Date };
enum class Accel : u8 { Tcg, Kvm };

// Where the machine meets this host.
struct HostConfig {
    std::string name{};
    std::vector<Accel> accels{Accel::Tcg};   // the first that works here
    bool nographic = false;
    DisplayKind display = DisplayKind::None;
    std::vector<CharConfig> chardevs{};      // by id, in order of opening
    std::array<std::string, 4> serial{};     // ids; meaningful where the port is present, empty: nothing connected
    std::vector<std::string> monitors{};     // ids
    std::vector<std::string> qmps{};         // ids
    std::string debugcon{};                  // id

    bool operator==(const HostConfig&) const = default;
};

struct MachineConfig {
    // --- what the guest can see ---------------------------------------------------------------------------
    std::string machine = "pc";
    u64 ram_bytes = u64{128} << 20;          // a multiple of 1 MiB, at most 3584 MiB
    std::string cpu = "pentium4";
    std::vector<std::string> cpu_add{};      // features beyond the model's, and without
    std::vector<std::string> cpu_remove{};
    std::string bios{};                      // firmware image; empty: the seabios package's
    std::string kernel{}, initrd{}, append{};
    std::string boot_order{};                // letters a c d n; empty: the firmware's own
    std::string boot_once{};
    bool boot_menu = false;
    bool boot_strict = false;
    unsigned shift = 0;                      // ns of guest time a step, as a power of two: 0..10
    RtcFrom rtc_from = RtcFrom::Utc;         // Utc, Localtime: rtc_base is still to be filled in, see resolve_rtc
    i64 rtc_base = 0;                        // seconds since the epoch that the RTC shows at power-on
    VgaCard vga = VgaCard::Std;
    std::string vga_bios{};                  // its firmware image; empty: the seabios package's
    std::array<bool, 4> serial_present{true, false, false, false};
    std::array<bool, 4> serial_exact{};      // characters take the time of their bits
    std::optional<u16> debugcon_port{};      // 0xe9, or where it was asked for
    bool debug_exit = false;                 // isa-debug-exit: writing V ends the program with status (V << 1) | 1
    u16 debug_exit_port = 0x501;
    u16 debug_exit_size = 2;                 // ports
    std::optional<u64> chaos{};              // seed: interrupts are held back now and then (vmm/chaos.h)
    std::optional<u16> recording_port{};     // vmm-rr
    std::vector<DriveConfig> drives{};       // at most one at each place
    // --- what it cannot -----------------------------------------------------------------------------------
    bool no_reboot = false;                  // a reset ends the program
    bool no_shutdown = false;                // power-off pauses instead of ending the program
    bool sleep = true;                       // idle time passes in host time
    bool disk_exact = false;                 // wait for the host's disks for ever rather than deliver late
    std::vector<block::ImageConfig> images{};
    HostConfig host{};

    bool operator==(const MachineConfig&) const = default;
};

// Before power-on: the calendar from the host's clock, unless it is fixed already. From then on it is data.
void resolve_rtc(MachineConfig& config, i64 utc_now, i64 seconds_east_of_utc);

// Ranges and references, whichever way the configuration came: the first thing wrong, in the command line's words.
Result<void> check(const MachineConfig& config);

std::string to_text(const MachineConfig& config);
// The part that the guest can see: equal text, equal machine.
std::string guest_text(const MachineConfig& config);
Result<MachineConfig> config_from_text(std::string_view text);

// Seconds since 1970-01-01 of "2026-11-21" or "2026-11-21T18:30:00".
std::optional<i64> parse_date(std::string_view text);

}  // namespace vmm
