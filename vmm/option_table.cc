// SPDX-License-Identifier: Apache-2.0
#include "vmm/option_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "vmm/tcg/cpu_model.h"

namespace vmm {
namespace {

using Text = std::string_view;

std::string quoted(Text s) { return "'" + std::string(s) + "'"; }
Error error(Text option, const std::string& text) { return {std::string(option) + ": " + text}; }
Error not_yet(Text option, Text what) { return {"not available yet: " + std::string(option) + " " + std::string(what)}; }

bool one_of(Text word, std::span<const Text> list) { return std::find(list.begin(), list.end(), word) != list.end(); }

std::string listed(std::span<const Text> list) {
    std::string out;
    for (const Text s : list) out += (out.empty() ? "" : ", ") + std::string(s);
    return out;
}

Error unknown_key(Text option, Text key, std::span<const Text> known) {
    return error(option, "unknown setting " + quoted(key) + " (" + listed(known) + ")" + did_you_mean(key, known));
}

// Decimal or 0x hexadecimal, at most `max`.
Result<u32> number(Text option, Text what, Text text, u32 max) {
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

void print_and_leave(OptionState& s, std::string text) {
    s.line.action = CommandLine::Action::Print;
    s.line.text = std::move(text);
}

// --- machine

Result<void> set_memory(OptionState& s, Text option, Text value) {
    Text size = value;
    for (const KeyValue& kv : split_options(value)) {
        if (!kv.has_value) continue;
        if (kv.key == "slots" || kv.key == "maxmem") return error(option, quoted(kv.key) + ": memory cannot be added while the machine runs");
        if (kv.key != "size") return error(option, "unknown setting " + quoted(kv.key) + " (size)");
    }
    const auto parts = split_options(value);
    if (parts.size() != 1) return error(option, "one size, such as 256, 256M or 1G, not " + quoted(value));
    if (parts[0].has_value) size = Text(value).substr(5);
    double n = 0;
    const auto r = std::from_chars(size.data(), size.data() + size.size(), n, std::chars_format::fixed);
    const Text unit = size.substr(static_cast<std::size_t>(r.ptr - size.data()));
    double mb = 0;
    if (r.ec != std::errc() || std::signbit(n) || !std::isfinite(n)) return error(option, quoted(size) + " is not a size, such as 256, 256M or 1G");
    if (unit.empty() || unit == "M" || unit == "m") mb = n;
    else if (unit == "G" || unit == "g") mb = n * 1024;
    else if (unit == "K" || unit == "k") mb = n / 1024;
    else if (unit == "T" || unit == "t") mb = n * 1024 * 1024;
    else if (unit == "b" || unit == "B") mb = n / 1048576;
    else return error(option, quoted(size) + " is not a size, such as 256, 256M or 1G");
    if (mb < 1 || mb > static_cast<double>(kMaxRamBytes >> 20)) return error(option, quoted(size) + " is outside 1..3584 MB");
    if (mb != std::floor(mb)) return error(option, quoted(size) + " is not a whole number of megabytes");
    s.line.config.ram_bytes = static_cast<u64>(mb) << 20;
    return {};
}

Result<void> add_accels(OptionState& s, Text option, Text list) {
    constexpr Text kNames[] = {"tcg", "kvm"};
    auto& accels = s.line.config.host.accels;
    if (!s.accel_given) accels.clear();
    s.accel_given = true;
    while (true) {
        const auto colon = list.find(':');
        const Text name = list.substr(0, colon);
        const auto* it = std::find(std::begin(kNames), std::end(kNames), name);
        if (it == std::end(kNames)) return error(option, "unknown accelerator " + quoted(name) + " (tcg, kvm)" + did_you_mean(name, kNames));
        const Accel accel = static_cast<Accel>(it - std::begin(kNames));
        if (std::find(accels.begin(), accels.end(), accel) == accels.end()) accels.push_back(accel);
        if (colon == Text::npos) return {};
        list.remove_prefix(colon + 1);
    }
}

Result<void> set_machine(OptionState& s, Text option, Text value) {
    constexpr Text kMachines[] = {"pc"};
    constexpr Text kKeys[] = {"type", "accel", "usb", "hpet", "vmport"};
    if (value == "help" || value == "?") {
        print_and_leave(s, "Machines:\n  pc   i440FX and PIIX, one processor, up to 3584 MB (default)\n");
        return {};
    }
    bool first = true;
    for (const KeyValue& kv : split_options(value)) {
        const bool bare = std::exchange(first, false) && !kv.has_value;
        if (bare || kv.key == "type") {
            const std::string& name = bare ? kv.key : kv.value;
            if (!one_of(name, kMachines)) return error(option, quoted(name) + " is not offered; the machine is 'pc'");
            s.line.config.machine = name;
        } else if (kv.key == "accel") {
            if (auto ok = add_accels(s, option, kv.value); !ok) return ok;
        } else if (kv.key == "usb" || kv.key == "hpet" || kv.key == "vmport") {
            const auto on = parse_on_off(option, kv);
            if (!on) return on.error();
            if (*on) return error(option, "this machine has no " + kv.key);
        } else {
            return unknown_key(option, kv.key, kKeys);
        }
    }
    return {};
}

struct FeatureName {
    Text name;
    tcg::Feature feature;
};
constexpr FeatureName kFeatures[] = {
    {"fpu", tcg::Feature::Fpu}, {"vme", tcg::Feature::Vme}, {"de", tcg::Feature::De}, {"pse", tcg::Feature::Pse},
    {"tsc", tcg::Feature::Tsc}, {"msr", tcg::Feature::Msr}, {"pae", tcg::Feature::Pae}, {"mce", tcg::Feature::Mce},
    {"cx8", tcg::Feature::Cx8}, {"apic", tcg::Feature::Apic}, {"sep", tcg::Feature::Sep}, {"mtrr", tcg::Feature::Mtrr},
    {"pge", tcg::Feature::Pge}, {"mca", tcg::Feature::Mca}, {"cmov", tcg::Feature::Cmov}, {"pat", tcg::Feature::Pat},
    {"pse36", tcg::Feature::Pse36}, {"clflush", tcg::Feature::Clfsh}, {"mmx", tcg::Feature::Mmx}, {"fxsr", tcg::Feature::Fxsr},
    {"sse", tcg::Feature::Sse}, {"sse2", tcg::Feature::Sse2}, {"sse3", tcg::Feature::Sse3}, {"pni", tcg::Feature::Sse3},
    {"nx", tcg::Feature::Nx},
};

Result<void> set_cpu(OptionState& s, Text option, Text value) {
    std::vector<Text> models, features;
    for (const auto& m : tcg::cpu_models()) models.push_back(m.name);
    for (const auto& f : kFeatures) features.push_back(f.name);
    auto& c = s.line.config;
    if (value == "help" || value == "?") {
        std::string text = "Processors:\n";
        for (const auto& m : tcg::cpu_models())
            text += "  " + std::string(m.name) + std::string(m.name.size() < 10 ? 10 - m.name.size() : 1, ' ') + std::string(m.text) +
                    (m.name == MachineConfig{}.cpu ? " (default)" : "") + "\n";
        print_and_leave(s, text + "Features, as in -cpu pentium4,-nx: " + listed(features) + "\n");
        return {};
    }
    const auto parts = split_options(value);
    if (parts.empty() || parts[0].has_value || !one_of(parts[0].key, models)) {
        const std::string name = parts.empty() ? "" : parts[0].key;
        return error(option, "unknown model " + quoted(name) + " (" + listed(models) + ")" + did_you_mean(name, models));
    }
    c.cpu = parts[0].key;
    c.cpu_add.clear();
    c.cpu_remove.clear();
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const KeyValue& kv = parts[i];
        Text name = kv.key;
        bool on = true;
        if (!kv.has_value && (name.starts_with('+') || name.starts_with('-'))) {
            on = name[0] == '+';
            name.remove_prefix(1);
        } else {
            const auto parsed = parse_on_off(option, kv);
            if (!kv.has_value || !parsed)
                return error(option, "a feature is switched with +NAME, -NAME, NAME=on or NAME=off, not " + quoted(kv.key));
            on = *parsed;
        }
        if (!one_of(name, features)) return error(option, "unknown feature " + quoted(name) + did_you_mean(name, features));
        if (name == "pni") name = "sse3";
        std::erase(on ? c.cpu_remove : c.cpu_add, name);
        auto& list = on ? c.cpu_add : c.cpu_remove;
        if (!one_of(name, std::vector<Text>(list.begin(), list.end()))) list.emplace_back(name);
    }
    return {};
}

Result<void> set_smp(OptionState&, Text option, Text value) {
    constexpr Text kKeys[] = {"cpus", "maxcpus", "sockets", "dies", "cores", "threads", "clusters"};
    bool first = true;
    for (const KeyValue& kv : split_options(value)) {
        const bool bare = std::exchange(first, false) && !kv.has_value;
        if (!bare && !one_of(kv.key, kKeys)) return unknown_key(option, kv.key, kKeys);
        const auto n = number(option, "", bare ? kv.key : kv.value, 0xffff);
        if (!n) return n.error();
        if (*n != 1) return error(option, "the machine has one processor, not " + std::to_string(*n));
    }
    return {};
}

Result<void> set_accel(OptionState& s, Text option, Text value) {
    if (value == "help" || value == "?") {
        s.line.action = CommandLine::Action::AccelHelp;
        return {};
    }
    constexpr Text kKeys[] = {"accel", "thread"};
    bool first = true;
    for (const KeyValue& kv : split_options(value)) {
        const bool bare = std::exchange(first, false) && !kv.has_value;
        if (bare || kv.key == "accel") {
            if (auto ok = add_accels(s, option, bare ? kv.key : kv.value); !ok) return ok;
        } else if (kv.key == "thread") {
            if (kv.value != "single") return error(option, "thread=single only: there is one processor");
        } else {
            return unknown_key(option, kv.key, kKeys);
        }
    }
    return {};
}

Result<void> enable_kvm(OptionState& s, Text option, Text) { return add_accels(s, option, "kvm"); }

Result<void> set_icount(OptionState& s, Text option, Text value) {
    constexpr Text kKeys[] = {"shift", "sleep", "align"};
    bool first = true;
    for (const KeyValue& kv : split_options(value)) {
        const bool bare = std::exchange(first, false) && !kv.has_value;
        if (bare || kv.key == "shift") {
            const std::string& text = bare ? kv.key : kv.value;
            if (text == "auto") return error(option, "shift=auto follows the host's clock and cannot be replayed; give shift=0..10");
            const auto n = number(option, "shift=", text, kMaxShift);
            if (!n) return n.error();
            s.line.config.shift = *n;
        } else if (kv.key == "sleep") {
            const auto on = parse_on_off(option, kv);
            if (!on) return on.error();
            s.line.config.sleep = *on;
        } else if (kv.key == "align") {
            const auto on = parse_on_off(option, kv);
            if (!on) return on.error();
            if (*on) return not_yet(option, "align=on");
        } else if (kv.key == "rr" || kv.key == "rrfile" || kv.key == "rrsnapshot") {
            return not_yet(option, kv.key + "=");
        } else {
            return unknown_key(option, kv.key, kKeys);
        }
    }
    return {};
}

Result<void> set_rtc(OptionState& s, Text option, Text value) {
    constexpr Text kKeys[] = {"base", "clock", "driftfix"};
    auto& c = s.line.config;
    for (const KeyValue& kv : split_options(value)) {
        if (kv.key == "base") {
            c.rtc_base = 0;
            if (kv.value == "utc") {
                c.rtc_from = RtcFrom::Utc;
            } else if (kv.value == "localtime") {
                c.rtc_from = RtcFrom::Localtime;
            } else if (const auto seconds = parse_date(kv.value)) {
                c.rtc_from = RtcFrom::Date;
                c.rtc_base = *seconds;
            } else {
                return error(option, "base= is utc, localtime or a date such as 2026-11-21T18:30:00, not " + quoted(kv.value));
            }
        } else if (kv.key == "clock") {
            if (kv.value == "host" || kv.value == "rt") return not_yet(option, "clock=" + kv.value);
            if (kv.value != "vm") return error(option, "clock= is vm, not " + quoted(kv.value));
        } else if (kv.key == "driftfix") {
            if (kv.value != "none") return error(option, "driftfix=none only: no tick is ever lost");
        } else {
            return unknown_key(option, kv.key, kKeys);
        }
    }
    return {};
}

Result<void> set_boot(OptionState& s, Text option, Text value) {
    constexpr Text kKeys[] = {"order", "once", "menu", "strict"};
    auto& c = s.line.config;
    bool first = true;
    for (const KeyValue& kv : split_options(value)) {
        const bool bare = std::exchange(first, false) && !kv.has_value && !one_of(kv.key, kKeys);
        if (bare || kv.key == "order") {
            c.boot_order = bare ? kv.key : kv.value;
        } else if (kv.key == "once") {
            c.boot_once = kv.value;
        } else if (kv.key == "menu" || kv.key == "strict") {
            const auto on = parse_on_off(option, kv);
            if (!on) return on.error();
            (kv.key == "menu" ? c.boot_menu : c.boot_strict) = *on;
        } else if (kv.key == "splash" || kv.key == "splash-time" || kv.key == "reboot-timeout") {
            return not_yet(option, kv.key + "=");
        } else {
            return unknown_key(option, kv.key, kKeys);
        }
    }
    return {};
}

template <std::string MachineConfig::*kMember>
Result<void> set_file(OptionState& s, Text option, Text value) {
    if (value.empty()) return error(option, "a file name is missing");
    s.line.config.*kMember = value;
    return {};
}

Result<void> set_append(OptionState& s, Text, Text value) {
    s.line.config.append = value;
    return {};
}

// --- character devices

// Makes the device a short spelling asks for, and returns its id; empty for "none".
Result<std::string> short_chardev(OptionState& s, Text option, Text value, const std::string& id) {
    auto choice = parse_char_short(option, value);
    if (!choice) return choice.error();
    if (choice->what == CharChoice::What::None) return std::string();
    if (choice->what == CharChoice::What::Reference) return choice->id;
    choice->device.id = id;
    auto& host = s.line.config.host;
    host.chardevs.push_back(choice->device);
    if (choice->with_monitor) {
        host.monitors.push_back(id);
        s.monitor_given = true;
    }
    return id;
}

Result<void> add_serial(OptionState& s, Text option, Text value) {
    s.serial_given = true;
    auto& c = s.line.config;
    // As in QEMU each -serial is the next port, "none" included.
    if (s.serials >= 4) return error(option, "the machine has four serial ports");
    const unsigned i = s.serials++;
    if (value == "none") return {};
    if (c.serial_present[i]) return error(option, "port " + std::to_string(i) + " is taken by -device isa-serial");
    auto id = short_chardev(s, option, value, "serial" + std::to_string(i));
    if (!id) return id.error();
    c.serial_present[i] = true;
    c.host.serial[i] = *id;
    return {};
}

Result<void> add_monitor(OptionState& s, Text option, Text value) {
    s.monitor_given = true;
    auto& host = s.line.config.host;
    auto id = short_chardev(s, option, value, "monitor" + std::to_string(host.monitors.size()));
    if (!id) return id.error();
    if (!id->empty() && !value.starts_with("mon:")) host.monitors.push_back(*id);
    return {};
}

Result<void> add_mon(OptionState& s, Text option, Text value) {
    constexpr Text kKeys[] = {"chardev", "mode"};
    std::string id;
    bool first = true;
    for (const KeyValue& kv : split_options(value)) {
        const bool bare = std::exchange(first, false) && !kv.has_value;
        if (bare || kv.key == "chardev") id = bare ? kv.key : kv.value;
        else if (kv.key == "mode" && kv.value == "control") return not_yet(option, "mode=control");
        else if (kv.key == "mode" && kv.value == "readline") continue;
        else if (kv.key == "mode") return error(option, "mode= is readline, not " + quoted(kv.value));
        else return unknown_key(option, kv.key, kKeys);
    }
    if (id.empty()) return error(option, "chardev= is missing");
    s.monitor_given = true;
    s.line.config.host.monitors.push_back(id);
    return {};
}

Result<void> set_debugcon(OptionState& s, Text option, Text value) {
    if (std::exchange(s.debugcon_given, true)) return error(option, "there is one debug console only");
    auto id = short_chardev(s, option, value, "debugcon");
    if (!id) return id.error();
    if (id->empty()) return {};
    s.line.config.debugcon_port = 0xe9;
    s.line.config.host.debugcon = *id;
    return {};
}

Result<void> add_chardev(OptionState& s, Text option, Text value) {
    if (value == "help" || value == "?") {
        print_and_leave(s,
                        "Character back ends:\n"
                        "  null,id=ID\n"
                        "  stdio,id=ID[,mux=on][,signal=off]\n"
                        "  pty,id=ID\n"
                        "  file,id=ID,path=PATH[,append=on]\n"
                        "  socket,id=ID,path=PATH[,server=on][,wait=off]\n"
                        "  socket,id=ID,host=HOST,port=PORT[,server=on][,wait=off]\n");
        return {};
    }
    auto c = parse_char_long(option, value);
    if (!c) return c.error();
    s.line.config.host.chardevs.push_back(*c);
    return {};
}

// --- devices

Result<void> add_debug_exit(OptionState& s, const std::string& option, std::span<const KeyValue> settings) {
    constexpr Text kKeys[] = {"iobase", "iosize"};
    auto& c = s.line.config;
    if (std::exchange(c.debug_exit, true)) return error(option, "given twice");
    for (const KeyValue& kv : settings) {
        if (!one_of(kv.key, kKeys)) return unknown_key(option, kv.key, kKeys);
        const auto n = number(option, kv.key + "=", kv.value, kv.key == "iobase" ? 0xffff : 4);
        if (!n) return n.error();
        (kv.key == "iobase" ? c.debug_exit_port : c.debug_exit_size) = static_cast<u16>(*n);
    }
    return {};
}

Result<void> add_isa_serial(OptionState& s, const std::string& option, std::span<const KeyValue> settings) {
    constexpr Text kKeys[] = {"chardev", "index", "baud"};
    auto& c = s.line.config;
    std::optional<u32> index;
    bool exact = false;
    std::string chardev;
    for (const KeyValue& kv : settings) {
        if (kv.key == "chardev") {
            chardev = kv.value;
        } else if (kv.key == "index") {
            const auto n = number(option, "index=", kv.value, 3);
            if (!n) return n.error();
            index = *n;
        } else if (kv.key == "baud") {
            if (kv.value != "exact" && kv.value != "instant") return error(option, "baud= is instant or exact, not " + quoted(kv.value));
            exact = kv.value == "exact";
        } else {
            return unknown_key(option, kv.key, kKeys);
        }
    }
    if (!index) {
        for (u32 i = 4; i-- > 0;)
            if (!c.serial_present[i]) index = i;
        if (!index) return error(option, "the machine has four serial ports");
    }
    if (c.serial_present[*index]) return error(option, "port " + std::to_string(*index) + " is taken");
    c.serial_present[*index] = true;
    c.serial_exact[*index] = exact;
    c.host.serial[*index] = chardev;
    s.serial_given = true;
    return {};
}

Result<void> add_isa_debugcon(OptionState& s, const std::string& option, std::span<const KeyValue> settings) {
    constexpr Text kKeys[] = {"iobase", "chardev"};
    if (std::exchange(s.debugcon_given, true)) return error(option, "there is one debug console only");
    auto& c = s.line.config;
    c.debugcon_port = 0xe9;
    for (const KeyValue& kv : settings) {
        if (kv.key == "iobase") {
            const auto n = number(option, "iobase=", kv.value, 0xffff);
            if (!n) return n.error();
            c.debugcon_port = static_cast<u16>(*n);
        } else if (kv.key == "chardev") {
            c.host.debugcon = kv.value;
        } else {
            return unknown_key(option, kv.key, kKeys);
        }
    }
    return {};
}

struct DeviceName {
    Text name;
    Text help;
    Result<void> (*add)(OptionState&, const std::string& option, std::span<const KeyValue>);  // nullptr: not there yet
};
constexpr DeviceName kDevices[] = {
    {"isa-debug-exit", "[,iobase=0x501][,iosize=2]   a write ends the program with status (value << 1) | 1", add_debug_exit},
    {"isa-serial", "[,chardev=ID][,index=0..3][,baud=instant|exact]   a serial port", add_isa_serial},
    {"isa-debugcon", "[,iobase=0xe9][,chardev=ID]   what is written to the port appears on the chardev", add_isa_debugcon},
    {"rtl8139", "", nullptr}, {"AC97", "", nullptr}, {"VGA", "", nullptr}, {"ide-hd", "", nullptr}, {"ide-cd", "", nullptr},
    {"piix3-ide", "", nullptr}, {"piix4-ide", "", nullptr}, {"i8042", "", nullptr},
};

Result<void> add_device(OptionState& s, Text option, Text value) {
    if (value == "help" || value == "?") {
        std::string text = "Devices:\n";
        for (const DeviceName& d : kDevices)
            if (d.add != nullptr) text += "  " + std::string(d.name) + std::string(d.help) + "\n";
        print_and_leave(s, text);
        return {};
    }
    auto parts = split_options(value);
    if (parts.empty()) return error(option, "a device name is missing; -device help lists them");
    if (parts[0].has_value && parts[0].key == "driver") parts[0] = {.key = parts[0].value, .value = "", .has_value = false};
    if (parts[0].has_value) return error(option, "begins with a device name, not " + quoted(parts[0].key + "="));
    const std::string& name = parts[0].key;
    std::vector<Text> names;
    for (const DeviceName& d : kDevices) {
        names.push_back(d.name);
        if (d.name != name) continue;
        if (d.add == nullptr) return not_yet(option, name);
        const auto settings = std::span(parts).subspan(1);
        for (const KeyValue& kv : settings)
            if (!kv.has_value || kv.value.empty()) return error(std::string(option) + " " + name, "the setting " + quoted(kv.key) + " needs a value");
        return d.add(s, std::string(option) + " " + name, settings);
    }
    return error(option, "unknown device " + quoted(name) + (did_you_mean(name, names).empty() ? "; -device help lists them" : did_you_mean(name, names)));
}

Result<void> set_vga(OptionState& s, Text option, Text value) {
    constexpr Text kNames[] = {"none", "std"};
    s.vga_given = true;
    for (const Text other : {"cirrus", "vmware", "qxl", "virtio", "xenfb", "tcx", "cg3"})
        if (value == other) return error(option, quoted(value) + " is not offered; the card is 'std' or 'none'");
    if (!one_of(value, kNames)) return error(option, quoted(value) + " is neither std nor none" + did_you_mean(value, kNames));
    s.line.config.vga = value == "std" ? Vga::Std : Vga::None;
    return {};
}

Result<void> set_display(OptionState&, Text option, Text value) {
    for (const Text other : {"vnc", "gtk", "sdl", "curses", "spice-app", "egl-headless", "dbus"})
        if (value.substr(0, value.find_first_of(",=")) == other) return not_yet(option, other);
    if (value != "none") return error(option, quoted(value) + " is not 'none'");
    return {};
}

Result<void> set_net(OptionState&, Text option, Text value) {
    if (value != "none") return not_yet(option, value);
    return {};
}

// --- the program

Result<void> set_nographic(OptionState& s, Text, Text) { s.line.config.host.nographic = true; return {}; }
Result<void> set_no_reboot(OptionState& s, Text, Text) { s.line.config.no_reboot = true; return {}; }
Result<void> set_no_shutdown(OptionState& s, Text, Text) { s.line.config.no_shutdown = true; return {}; }
Result<void> set_nodefaults(OptionState& s, Text, Text) { s.nodefaults = true; return {}; }

Result<void> set_name(OptionState& s, Text option, Text value) {
    constexpr Text kKeys[] = {"guest", "process", "debug-threads"};
    bool first = true;
    for (const KeyValue& kv : split_options(value)) {
        const bool bare = std::exchange(first, false) && !kv.has_value;
        if (bare || kv.key == "guest") s.line.config.host.name = bare ? kv.key : kv.value;
        else if (!one_of(kv.key, kKeys)) return unknown_key(option, kv.key, kKeys);
    }
    return {};
}

Result<void> show_help(OptionState& s, Text, Text) { print_and_leave(s, help_text()); return {}; }
Result<void> show_version(OptionState& s, Text, Text) { print_and_leave(s, version_text()); return {}; }

constexpr Text kMachineGroup = "Machine", kBootGroup = "What to boot", kCharGroup = "Serial ports, monitor, debug output",
               kTimeGroup = "Time", kDeviceGroup = "Devices", kRunGroup = "Running";

constexpr Option kOptions[] = {
    {"m", "[size=]MEGABYTES", kMachineGroup, "memory, 1 to 3584 MB: 256, 256M, 1G (default 128)", set_memory},
    {"machine", "pc[,accel=...]", kMachineGroup, "the machine; the PC is the only one", set_machine},
    {"M", "pc", "", "", set_machine},
    {"cpu", "MODEL[,+FEATURE][,-FEATURE]", kMachineGroup, "486, pentium, pentium3 or pentium4; 'help' lists features", set_cpu},
    {"smp", "1", kMachineGroup, "one processor", set_smp},
    {"accel", "tcg|kvm|help", kMachineGroup, "what runs the guest; several: the first that works; 'help' says what works here", set_accel},
    {"enable-kvm", "", "", "", enable_kvm},

    {"kernel", "FILE", kBootGroup, "a Linux bzImage or a multiboot kernel", set_file<&MachineConfig::kernel>},
    {"initrd", "FILE", kBootGroup, "its initial RAM disk, or multiboot modules", set_file<&MachineConfig::initrd>},
    {"append", "TEXT", kBootGroup, "its command line", set_append},
    {"bios", "FILE", kBootGroup, "firmware other than SeaBIOS", set_file<&MachineConfig::bios>},
    {"boot", "[order=]LETTERS[,once=LETTERS][,menu=on][,strict=on]", kBootGroup, "a floppy, c disk, d CD-ROM, n network", set_boot},

    {"serial", "DEVICE", kCharGroup, "the next serial port, up to four: none, null, stdio, pty, file:PATH, unix:PATH[,server][,nowait], tcp:HOST:PORT[,server][,nowait], mon:stdio, chardev:ID", add_serial},
    {"monitor", "DEVICE", kCharGroup, "the monitor, on a device as for -serial", add_monitor},
    {"mon", "[chardev=]ID[,mode=readline]", kCharGroup, "the monitor, on a -chardev", add_mon},
    {"debugcon", "DEVICE", kCharGroup, "what the guest writes to port 0xe9, on a device as for -serial", set_debugcon},
    {"chardev", "KIND,id=ID[,...]", kCharGroup, "a device to refer to by id; 'help' lists the kinds", add_chardev},

    {"icount", "[shift=]N[,sleep=on|off]", kTimeGroup, "guest time: 2^N ns a step, 0 to 10 (default 0); sleep=off: an idle guest does not wait", set_icount},
    {"rtc", "base=utc|localtime|DATE[,clock=vm]", kTimeGroup, "the guest's calendar at power-on, DATE as 2026-11-21T18:30:00", set_rtc},

    {"device", "NAME[,SETTING=VALUE]", kDeviceGroup, "a further device; 'help' lists them", add_device},
    {"vga", "std|none", kDeviceGroup, "the graphics card (default std)", set_vga},
    {"net", "none", kDeviceGroup, "no network", set_net},
    {"nic", "none", kDeviceGroup, "no network", set_net},

    {"nographic", "", kRunGroup, "no window; serial port and monitor share this terminal, Ctrl-A h lists the keys", set_nographic},
    {"display", "none", kRunGroup, "no window", set_display},
    {"name", "NAME", kRunGroup, "the guest's name, for titles", set_name},
    {"no-reboot", "", kRunGroup, "a reset ends the program", set_no_reboot},
    {"no-shutdown", "", kRunGroup, "a power-off stops the machine and keeps the program", set_no_shutdown},
    {"nodefaults", "", kRunGroup, "no device that was not asked for", set_nodefaults},
    {"help", "", kRunGroup, "this text", show_help},
    {"h", "", "", "", show_help},
    {"version", "", kRunGroup, "the version", show_version},

    // Planned.
    {"rr", "record|replay", "", "", nullptr}, {"rrfile", "FILE", "", "", nullptr}, {"rrsnapshot", "NAME", "", "", nullptr},
    {"rr-checkpoint-every", "N", "", "", nullptr}, {"image", "ID=PATH", "", "", nullptr}, {"disk-timing", "exact", "", "", nullptr},
    {"drive", "...", "", "", nullptr}, {"hda", "FILE", "", "", nullptr}, {"hdb", "FILE", "", "", nullptr},
    {"hdc", "FILE", "", "", nullptr}, {"hdd", "FILE", "", "", nullptr}, {"cdrom", "FILE", "", "", nullptr},
    {"snapshot", "", "", "", nullptr}, {"loadvm", "NAME", "", "", nullptr}, {"netdev", "...", "", "", nullptr},
    {"object", "...", "", "", nullptr}, {"qmp", "DEVICE", "", "", nullptr}, {"gdb", "DEVICE", "", "", nullptr},
    {"s", "", "", "", nullptr}, {"S", "", "", "", nullptr}, {"vnc", "DISPLAY", "", "", nullptr}, {"audiodev", "...", "", "", nullptr},
};

}  // namespace

std::span<const Option> option_table() { return kOptions; }

const Option* find_option(Text name) {
    const auto* it = std::find_if(std::begin(kOptions), std::end(kOptions), [&](const Option& o) { return o.name == name; });
    return it == std::end(kOptions) ? nullptr : it;
}

std::string version_text() { return "vmm " VMM_VERSION "\n"; }

std::string help_text() {
    std::string out =
        "vmm runs 32-bit PCs, records what they do and replays it exactly.\n"
        "\n"
        "  vmm -kernel bzImage -initrd initrd.gz -append console=ttyS0 -nographic\n"
        "      A Linux kernel on this terminal. Ctrl-A h lists the keys, Ctrl-A x leaves.\n"
        "  vmm -kernel tests.elf -serial stdio -display none -device isa-debug-exit,iobase=0xf4\n"
        "      A kernel that tests itself: output here, the exit status from port 0xf4.\n"
        "  vmm -kernel bzImage -serial file:boot.log -monitor stdio\n"
        "      The serial port in a file, the monitor here.\n"
        "  vmm -bios firmware.bin -m 64 -debugcon stdio\n"
        "      Your own firmware, and what it writes to port 0xe9.\n"
        "  vmm -kernel bzImage -serial tcp:localhost:4444,server,nowait -cpu 486\n"
        "      A serial port to connect to while an old processor runs.\n"
        "\n"
        "Options take one or two dashes. Those of QEMU mean the same.\n";
    Text group;
    for (const Option& o : option_table()) {
        if (o.group.empty() || o.apply == nullptr) continue;
        if (o.group != group) out += "\n" + std::string(o.group) + ":\n";
        group = o.group;
        out += "  -" + std::string(o.name) + (o.value.empty() ? "" : " " + std::string(o.value)) + "\n      " + std::string(o.help) + "\n";
    }
    return out;
}

Result<void> complete(OptionState& s) {
    auto& c = s.line.config;
    auto& host = c.host;
    const auto uses_stdio = [&] {
        return std::any_of(host.chardevs.begin(), host.chardevs.end(), [](const CharConfig& d) { return d.kind == CharKind::Stdio; });
    };
    if (s.nodefaults) {
        if (!s.vga_given) c.vga = Vga::None;
        return check(c);
    }
    if (!s.serial_given) {
        c.serial_present[0] = true;
        if (host.nographic && !uses_stdio()) {
            const bool shared = !s.monitor_given;
            host.chardevs.push_back({.kind = CharKind::Stdio, .id = "serial0", .mux = shared, .signal = false});
            host.serial[0] = "serial0";
            if (shared) host.monitors.push_back("serial0");
        }
    } else if (host.nographic && !s.monitor_given && !uses_stdio()) {
        host.chardevs.push_back({.kind = CharKind::Stdio, .id = "monitor0"});
        host.monitors.push_back("monitor0");
    }
    // Without a window the terminal is the guest's: its interrupt key is for the guest. (-chardev stdio says it with signal=.)
    for (CharConfig& d : host.chardevs)
        if (host.nographic && d.kind == CharKind::Stdio && d.id.starts_with("serial")) d.signal = false;
    return check(c);
}

}  // namespace vmm
