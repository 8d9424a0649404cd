// SPDX-License-Identifier: Apache-2.0
// Options about what is connected to the machine: character devices, -device, display, network.
#include "vmm/option_handlers.h"

namespace vmm::opt {

// --- character devices

namespace {

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

}  // namespace

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
    if (value == "vc" || value.starts_with("vc:")) return {};   // a window of its own: there is none
    auto& host = s.line.config.host;
    auto id = short_chardev(s, option, value, "monitor" + std::to_string(host.monitors.size()));
    if (!id) return id.error();
    if (!id->empty() && !value.starts_with("mon:")) host.monitors.push_back(*id);
    return {};
}

Result<void> add_mon(OptionState& s, Text option, Text value) {
    constexpr Text kKeys[] = {"chardev", "mode"};
    std::string id;
    bool first = true, control = false;
    for (const KeyValue& kv : split_options(value)) {
        const bool bare = std::exchange(first, false) && !kv.has_value;
        if (bare || kv.key == "chardev") id = bare ? kv.key : kv.value;
        else if (kv.key == "mode" && (kv.value == "readline" || kv.value == "control")) control = kv.value == "control";
        else if (kv.key == "mode") return error(option, "mode= is readline or control, not " + quoted(kv.value));
        else return unknown_key(option, kv.key, kKeys);
    }
    if (id.empty()) return error(option, "chardev= is missing");
    auto& host = s.line.config.host;
    if (control) host.qmps.push_back(id);
    else host.monitors.push_back(id);
    s.monitor_given |= !control;
    return {};
}

Result<void> add_qmp(OptionState& s, Text option, Text value) {
    auto& host = s.line.config.host;
    auto id = short_chardev(s, option, value, "qmp" + std::to_string(host.qmps.size()));
    if (!id) return id.error();
    if (!id->empty()) host.qmps.push_back(*id);
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

// Always the end that listens, and never waited for.
Result<void> set_gdb(OptionState& s, Text option, Text value) {
    s.line.gdb.reset();
    if (value == "none") return {};
    if (!value.starts_with("tcp:") && !value.starts_with("unix:"))
        return error(option, quoted(value) + " is none of tcp:[HOST]:PORT, unix:PATH, none");
    auto choice = parse_char_short(option, std::string(value) + ",server=on,wait=off");
    if (!choice) return choice.error();
    s.line.gdb = choice->device;
    return {};
}

Result<void> set_gdb_default(OptionState& s, Text option, Text) { return set_gdb(s, option, "tcp::1234"); }

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

namespace {

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

Result<void> add_recording_port(OptionState& s, const std::string& option, std::span<const KeyValue> settings) {
    constexpr Text kKeys[] = {"iobase"};
    auto& port = s.line.config.recording_port;
    if (port) return error(option, "given twice");
    port = 0x5e0;
    for (const KeyValue& kv : settings) {
        if (kv.key != "iobase") return unknown_key(option, kv.key, kKeys);
        const auto n = number(option, "iobase=", kv.value, 0xffff);
        if (!n) return n.error();
        port = static_cast<u16>(*n);
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
    {"vmm-rr", "[,iobase=0x5e0]   a port by which the guest sets marks, starts and stops recording, and says that it has failed", add_recording_port},
    {"isa-serial", "[,chardev=ID][,index=0..3][,baud=instant|exact]   a serial port", add_isa_serial},
    {"isa-debugcon", "[,iobase=0xe9][,chardev=ID]   what is written to the port appears on the chardev", add_isa_debugcon},
    {"rtl8139", "", nullptr}, {"AC97", "", nullptr}, {"VGA", "", nullptr}, {"ide-hd", ",drive=ID[,bus=ide.0][,unit=0][,serial=TEXT]   a hard disk, of a -drive if=none,id=ID", add_ide_device},
    {"ide-cd", "[,drive=ID][,bus=ide.1][,unit=0]   a CD-ROM drive", add_ide_device},
   
    {"piix3-ide", "", nullptr}, {"piix4-ide", "", nullptr}, {"i8042", "", nullptr},
};

}  // namespace

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
    s.line.config.vga = value == "std" ? VgaCard::Std : VgaCard::None;
    return {};
}

Result<void> set_display(OptionState& s, Text option, Text value) {
    constexpr Text kNames[] = {"none", "curses"};
    for (const Text other : {"vnc", "gtk", "sdl", "spice-app", "egl-headless", "dbus"})
        if (value.substr(0, value.find_first_of(",=")) == other) return not_yet(option, other);
    if (!one_of(value, kNames)) return error(option, quoted(value) + " is neither none nor curses" + did_you_mean(value, kNames));
    s.line.display_given = true;
    s.line.config.host.display = value == "curses" ? DisplayKind::Curses : DisplayKind::None;
    return {};
}

Result<void> set_net(OptionState&, Text option, Text value) {
    if (value != "none") return not_yet(option, value);
    return {};
}

}  // namespace vmm::opt
