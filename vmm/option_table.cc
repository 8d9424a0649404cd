// SPDX-License-Identifier: Apache-2.0
#include "vmm/option_table.h"

#include <algorithm>

#include "vmm/option_handlers.h"

namespace vmm {
namespace {

using namespace opt;

// --- the program

Result<void> set_nographic(OptionState& s, Text, Text) { s.line.config.host.nographic = true; return {}; }
Result<void> set_no_reboot(OptionState& s, Text, Text) { s.line.config.no_reboot = true; return {}; }
Result<void> set_no_shutdown(OptionState& s, Text, Text) { s.line.config.no_shutdown = true; return {}; }
Result<void> set_start_paused(OptionState& s, Text, Text) { s.line.start_paused = true; return {}; }
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

constexpr Text kMachineGroup = "Machine", kDiskGroup = "Disks", kBootGroup = "What to boot", kCharGroup = "Serial ports, monitor, debug output",
               kTimeGroup = "Time", kDeviceGroup = "Devices", kRunGroup = "Running", kReplayGroup = "Record and replay",
               kDebugGroup = "Debugging";

constexpr Option kOptions[] = {
    {"m", "[size=]MEGABYTES", kMachineGroup, "memory, 1 to 3584 MB: 256, 256M, 1G (default 128)", set_memory},
    {"machine", "pc[,accel=...]", kMachineGroup, "the machine; the PC is the only one", set_machine},
    {"M", "pc", "", "", set_machine},
    {"cpu", "MODEL[,+FEATURE][,-FEATURE]", kMachineGroup, "486, pentium, pentium3 or pentium4; 'help' lists features", set_cpu},
    {"smp", "1", kMachineGroup, "one processor", set_smp},
    {"accel", "tcg|kvm|help", kMachineGroup, "what runs the guest; several: the first that works; 'help' says what works here", set_accel},
    {"enable-kvm", "", "", "", enable_kvm},

    {"kernel", "FILE", kBootGroup, "a Linux bzImage or a multiboot kernel", set_kernel},
    {"initrd", "FILE", kBootGroup, "its initial RAM disk, or multiboot modules", set_initrd},
    {"append", "TEXT", kBootGroup, "its command line", set_append},
    {"bios", "FILE", kBootGroup, "firmware other than SeaBIOS", set_bios},
    {"boot", "[order=]LETTERS[,once=LETTERS][,menu=on][,strict=on]", kBootGroup, "a floppy, c disk, d CD-ROM, n network", set_boot},

    {"hda", "FILE", kDiskGroup, "the first disk's image; -hdb, -hdc, -hdd: the second to the fourth", set_hd},
    {"hdb", "FILE", "", "", set_hd},
    {"hdc", "FILE", "", "", set_hd},
    {"hdd", "FILE", "", "", set_hd},
    {"cdrom", "FILE", kDiskGroup, "the image of a CD or DVD, in place of -hdc", set_cdrom},
    {"drive", "file=FILE[,if=ide|none][,index=N][,media=disk|cdrom][,readonly=on][,snapshot=on][,format=raw|qcow2][,aio=io_uring|threads][,cache=MODE][,werror=ACTION][,rerror=ACTION][,fault=RULES][,id=ID]",
     kDiskGroup, "a drive; cache: writeback, none, unsafe, writethrough, directsync; on errors: report, ignore, stop, enospc", add_drive},
    {"snapshot", "", kDiskGroup, "all images stay as they are; what the guest writes is dropped at the end", set_snapshot},
    {"disk-timing", "exact|bounded", kDiskGroup, "exact: wait for this host's disks for as long as it takes, rather than 20 ms (bounded)", set_disk_timing},

    {"serial", "DEVICE", kCharGroup, "the next serial port, up to four: none, null, stdio, pty, file:PATH, unix:PATH[,server][,nowait], tcp:HOST:PORT[,server][,nowait], mon:stdio, chardev:ID", add_serial},
    {"monitor", "DEVICE", kCharGroup, "the monitor, on a device as for -serial", add_monitor},
    {"mon", "[chardev=]ID[,mode=readline|control]", kCharGroup, "the monitor, on a -chardev; control: QMP", add_mon},
    {"qmp", "DEVICE", kCharGroup, "a monitor for programs (QMP), as in unix:PATH,server=on,wait=off", add_qmp},
    {"debugcon", "DEVICE", kCharGroup, "what the guest writes to port 0xe9, on a device as for -serial", set_debugcon},
    {"chardev", "KIND,id=ID[,...]", kCharGroup, "a device to refer to by id; 'help' lists the kinds", add_chardev},

    {"icount", "[shift=]N[,sleep=on|off][,rr=record|replay,rrfile=FILE]", kTimeGroup, "guest time: 2^N ns a step, 0 to 10 (default 0); sleep=off: an idle guest does not wait", set_icount},
    {"rtc", "base=utc|localtime|DATE[,clock=vm]", kTimeGroup, "the guest's calendar at power-on, DATE as 2026-11-21T18:30:00", set_rtc},

    {"device", "NAME[,SETTING=VALUE]", kDeviceGroup, "a further device; 'help' lists them", add_device},
    {"vga", "std|none", kDeviceGroup, "the graphics card (default std)", set_vga},
    {"net", "none", kDeviceGroup, "no network", set_net},
    {"nic", "none", kDeviceGroup, "no network", set_net},

    {"nographic", "", kRunGroup, "no window; serial port and monitor share this terminal, Ctrl-A h lists the keys", set_nographic},
    {"display", "none|curses", kRunGroup, "no window (default), or the text screen on this terminal; Ctrl-A h lists the keys, Ctrl-A x leaves", set_display},
    {"name", "NAME", kRunGroup, "the guest's name, for titles", set_name},
    {"no-reboot", "", kRunGroup, "a reset ends the program", set_no_reboot},
    {"no-shutdown", "", kRunGroup, "a power-off stops the machine and keeps the program", set_no_shutdown},
    {"nodefaults", "", kRunGroup, "no device that was not asked for", set_nodefaults},
    {"help", "", kRunGroup, "this text", show_help},
    {"h", "", "", "", show_help},
    {"version", "", kRunGroup, "the version", show_version},

    {"rr", "record|replay|live|ring=MINUTES", kReplayGroup,
     "record the run, or replay it (a replay takes the machine from the recording); live: hold the past in memory, to go back in it; ring: the last minutes (90s: seconds) of guest time, written to -rrfile when the guest fails (vmm-rr, triple fault, -rr-panic) or a monitor says rr-save", set_rr},
    {"rrfile", "FILE", kReplayGroup, "the recording; with -rr live and ring: where what the guest asks for is written", set_rrfile},
    {"rr-panic", "TEXT", kReplayGroup, "with -rr live and ring: the guest has failed when this appears on a serial port, as in 'Kernel panic'; several may be given", set_rr_panic},
    {"image", "ID=PATH", kReplayGroup, "where a replay finds the disk image ID", set_image},
    {"rr-memory", "MB", kReplayGroup, "what checkpoints for going back may take (512)", set_rr_memory},
    {"rr-end", "exit|pause", kReplayGroup, "where the recording ends: end (default), or pause there, for gdb or the monitor", set_rr_end},
    {"rr-checkpoint-every", "STEPS", kReplayGroup,
     "while recording: a whole state into the file every STEPS steps (4G, 500M), so that parts of it can be replayed; 'vmm rr index' adds them later", set_rr_checkpoint_every},
    {"rr-from", "FILE", kReplayGroup, "a run that begins where this file of rr-save or rr-fork begins, with its machine; input is fresh, and it can be recorded", set_rr_from},
    {"chaos", "SEED", kReplayGroup, "interrupts come late now and then, as hardware may have it, to bring rare races out; equal seeds, equal runs; a recording carries the seed", set_chaos},
    {"object", "filter-replay,id=ID,netdev=ID", "", "", set_object},

    {"gdb", "tcp:[HOST]:PORT|unix:PATH|none", kDebugGroup, "gdb can connect there; without a host, from this machine only", set_gdb},
    {"s", "", kDebugGroup, "the same as -gdb tcp::1234", set_gdb_default},
    {"S", "", kDebugGroup, "the machine waits before its first step, for gdb or the monitor", set_start_paused},

    // Planned.
    {"rrsnapshot", "NAME", "", "", nullptr},
    {"loadvm", "NAME", "", "", nullptr}, {"netdev", "...", "", "", nullptr},
    {"vnc", "DISPLAY", "", "", nullptr}, {"audiodev", "...", "", "", nullptr},
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
        "  vmm -kernel bzImage -initrd initrd.gz -display curses\n"
        "      The text screen and the keyboard on this terminal. Ctrl-A h lists the keys, Ctrl-A x leaves.\n"
        "  vmm -bios firmware.bin -m 64 -debugcon stdio\n"
        "      Your own firmware, and what it writes to port 0xe9.\n"
        "  vmm -kernel bzImage -serial tcp:localhost:4444,server,nowait -cpu 486\n"
        "      A serial port to connect to while an old processor runs.\n"
        "\n"
        "  vmm --rr record --rrfile boot.rr -kernel bzImage -nographic\n"
        "  vmm --rr replay --rrfile boot.rr\n"
        "      The same, recorded; and then exactly that again. 'vmm rr info boot.rr' says what is in it.\n"
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
    const bool needs_file = s.line.rr == Rr::Record || s.line.rr == Rr::Replay;
    if (needs_file && s.line.rrfile.empty()) return Error{"-rr: which file? -rrfile FILE says it"};
    if (s.line.rr == Rr::None && !s.line.rrfile.empty()) return Error{"-rrfile goes with -rr record, replay, live or ring=MINUTES"};
    if (s.line.rr_ring_ns != 0 && s.line.rr != Rr::Live) return Error{"-rr: ring=MINUTES, or something else, not both"};
    if (s.line.rr_ring_ns != 0 && s.line.rrfile.empty()) return Error{"-rr ring: into which file, when it is wanted? -rrfile FILE says it"};
    if (!s.line.rr_panic.empty() && (s.line.rr != Rr::Live || s.line.rrfile.empty())) return Error{"-rr-panic goes with -rr live or -rr ring=MINUTES, and -rrfile FILE"};
    if (!s.line.image_places.empty() && s.line.rr != Rr::Replay) return Error{"--image goes with -rr replay"};
    if (auto ok = place_drives(s); !ok) return ok;
    if (!s.line.rr_from.empty() && s.line.rr == Rr::Replay) return Error{"-rr-from begins a run of its own; -rr replay needs -rrfile only"};
    if (!s.line.rr_from.empty() && s.line.rr_checkpoint_every != 0) return Error{"-rr-checkpoint-every: not available yet with -rr-from"};
    auto& c = s.line.config;
    auto& host = c.host;
    const auto uses_stdio = [&] {
        return std::any_of(host.chardevs.begin(), host.chardevs.end(), [](const CharConfig& d) { return d.kind == CharKind::Stdio; });
    };
    if (s.nodefaults) {
        if (!s.vga_given) c.vga = VgaCard::None;
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
