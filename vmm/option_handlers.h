// SPDX-License-Identifier: Apache-2.0
// The handlers of the option table, and what they have in common: reading values, and messages that name the option.
#pragma once

#include <algorithm>
#include <charconv>

#include "vmm/option_table.h"
#include "vmm/quoted.h"

namespace vmm::opt {

using Text = std::string_view;

inline Error error(Text option, const std::string& text) { return {std::string(option) + ": " + text}; }
inline Error not_yet(Text option, Text what) { return {"not available yet: " + std::string(option) + " " + std::string(what)}; }

inline bool one_of(Text word, std::span<const Text> list) { return std::find(list.begin(), list.end(), word) != list.end(); }

inline std::string listed(std::span<const Text> list) {
    std::string out;
    for (const Text s : list) out += (out.empty() ? "" : ", ") + std::string(s);
    return out;
}

inline Error unknown_key(Text option, Text key, std::span<const Text> known) {
    return error(option, "unknown setting " + quoted(key) + " (" + listed(known) + ")" + did_you_mean(key, known));
}

// Decimal or 0x hexadecimal, at most `max`.
inline Result<u32> number(Text option, Text what, Text text, u32 max) {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    const Text digits = hex ? text.substr(2) : text;
    u32 n = 0;
    const auto r = std::from_chars(digits.data(), digits.data() + digits.size(), n, hex ? 16 : 10);
    const bool whole = !digits.empty() && r.ptr == digits.data() + digits.size();
    if (!whole || r.ec == std::errc::invalid_argument) return error(option, std::string(what) + quoted(text) + " is not a number");
    if (r.ec == std::errc::result_out_of_range || n > max)
        return error(option, std::string(what) + std::string(text) + " is outside 0.." + std::to_string(max));
    return n;
}

inline void print_and_leave(OptionState& s, std::string text) {
    s.line.action = CommandLine::Action::Print;
    s.line.text = std::move(text);
}

// option_machine.cc
Result<void> set_memory(OptionState& s, Text option, Text value);
Result<void> set_machine(OptionState& s, Text option, Text value);
Result<void> set_cpu(OptionState& s, Text option, Text value);
Result<void> set_smp(OptionState& s, Text option, Text value);
Result<void> set_accel(OptionState& s, Text option, Text value);
Result<void> enable_kvm(OptionState& s, Text option, Text value);
Result<void> set_icount(OptionState& s, Text option, Text value);
Result<void> set_rr(OptionState& s, Text option, Text value);
Result<void> set_rrfile(OptionState& s, Text option, Text value);
Result<void> set_chaos(OptionState& s, Text option, Text value);
Result<void> set_rr_from(OptionState& s, Text option, Text value);
Result<void> set_rr_panic(OptionState& s, Text option, Text value);
Result<void> set_rr_memory(OptionState& s, Text option, Text value);
Result<void> set_rr_end(OptionState& s, Text option, Text value);
Result<void> set_rr_checkpoint_every(OptionState& s, Text option, Text value);
Result<void> set_object(OptionState& s, Text option, Text value);
Result<void> set_rtc(OptionState& s, Text option, Text value);
Result<void> set_boot(OptionState& s, Text option, Text value);
Result<void> set_append(OptionState& s, Text option, Text value);
Result<void> set_kernel(OptionState& s, Text option, Text value);
Result<void> set_initrd(OptionState& s, Text option, Text value);
Result<void> set_bios(OptionState& s, Text option, Text value);
// option_drives.cc
Result<void> set_hd(OptionState& s, Text option, Text value);
Result<void> set_cdrom(OptionState& s, Text option, Text value);
Result<void> set_snapshot(OptionState& s, Text option, Text value);
Result<void> set_disk_timing(OptionState& s, Text option, Text value);
Result<void> set_image(OptionState& s, Text option, Text value);
Result<void> add_drive(OptionState& s, Text option, Text value);
Result<void> add_ide_device(OptionState& s, const std::string& option, std::span<const KeyValue> settings);
Result<void> place_drives(OptionState& s);
// option_devices.cc
Result<void> add_serial(OptionState& s, Text option, Text value);
Result<void> add_monitor(OptionState& s, Text option, Text value);
Result<void> add_mon(OptionState& s, Text option, Text value);
Result<void> set_gdb(OptionState& s, Text option, Text value);
Result<void> set_gdb_default(OptionState& s, Text option, Text value);
Result<void> add_qmp(OptionState& s, Text option, Text value);
Result<void> set_debugcon(OptionState& s, Text option, Text value);
Result<void> add_chardev(OptionState& s, Text option, Text value);
Result<void> add_device(OptionState& s, Text option, Text value);
Result<void> set_vga(OptionState& s, Text option, Text value);
Result<void> set_display(OptionState& s, Text option, Text value);
Result<void> set_net(OptionState& s, Text option, Text value);

}  // namespace vmm::opt
