// SPDX-License-Identifier: Apache-2.0
// The table behind vmm/options.h, and what its handlers work on.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string_view>

#include "vmm/options.h"

namespace vmm {

// What the options leave behind, before defaults are filled in.
struct OptionState {
    CommandLine line;
    bool nodefaults = false;
    bool accel_given = false, vga_given = false, monitor_given = false, debugcon_given = false;
    unsigned serials = 0;                    // -serial options so far
    bool serial_given = false;               // or -device isa-serial
    // Drives until all options are known; then each has a place.
    struct Waiting {
        DriveConfig drive{};
        block::ImageConfig image{};          // of -drive
        std::optional<u8> place{};           // 0 to 3
        bool device = false;                 // of -device: drive.id names an image, or another name of one
        std::optional<u8> bus{};
        bool placed = false;
    };
    std::vector<Waiting> waiting;
    std::map<std::string, std::string> aliases;   // of driver=blkreplay
    bool snapshot = false;
};

struct Option {
    std::string_view name;                   // without dashes
    std::string_view value;                  // what follows, as the help shows it; empty: nothing follows
    std::string_view group;                  // help heading; empty: not listed
    std::string_view help;
    // `option` is "-name", for messages. nullptr: planned and not there yet.
    Result<void> (*apply)(OptionState& state, std::string_view option, std::string_view value);
};

std::span<const Option> option_table();
const Option* find_option(std::string_view name);

// --help, made from the table.
std::string help_text();
std::string version_text();

// The nearest of `candidates`, if it is near enough to be what was meant.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);
// "; did you mean X?" or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates, std::string_view prefix = "");

// Defaults that depend on other options, then the checks.
Result<void> complete(OptionState& state);

}  // namespace vmm
