// SPDX-License-Identifier: Apache-2.0
// Options about the machine itself: memory, processor, accelerator, time, what to boot.
#include <cmath>

#include "vmm/option_handlers.h"
#include "vmm/tcg/cpu_model.h"

namespace vmm::opt {

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

namespace {

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

}  // namespace

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

namespace {

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

}  // namespace

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

// Minutes, or seconds with an s.
static Result<void> set_ring(OptionState& s, Text option, Text value) {
    const bool seconds = value.ends_with('s');
    const auto n = number(option, "ring=", seconds ? value.substr(0, value.size() - 1) : value, 1'000'000);
    if (!n) return n.error();
    if (*n == 0) return error(option, "ring=0 would hold nothing");
    s.line.rr = Rr::Live;
    s.line.rr_ring_ns = u64{*n} * (seconds ? 1 : 60) * 1'000'000'000;
    return {};
}

Result<void> set_rr_from(OptionState& s, Text, Text value) {
    s.line.rr_from = value;
    return {};
}

Result<void> set_chaos(OptionState& s, Text option, Text value) {
    const auto seed = number(option, "", value, 0xffff'ffff);
    if (!seed) return seed.error();
    s.line.config.chaos = *seed;
    return {};
}

Result<void> set_rr_panic(OptionState& s, Text option, Text value) {
    if (value.empty() || value.size() > 256) return error(option, "a text of 1 to 256 characters");
    s.line.rr_panic.emplace_back(value);
    return {};
}

Result<void> set_rr(OptionState& s, Text option, Text value) {
    if (value == "record") s.line.rr = Rr::Record;
    else if (value == "replay") s.line.rr = Rr::Replay;
    else if (value == "live") s.line.rr = Rr::Live;
    else if (value.starts_with("ring=")) return set_ring(s, option, value.substr(5));
    else return error(option, "record, replay, live or ring=MINUTES, not " + quoted(value));
    return {};
}

Result<void> set_rr_memory(OptionState& s, Text option, Text value) {
    const auto megabytes = number(option, "", value, 1u << 20);
    if (!megabytes) return megabytes.error();
    s.line.rr_memory = u64{*megabytes} << 20;
    return {};
}

Result<void> set_rr_end(OptionState& s, Text option, Text value) {
    if (value != "exit" && value != "pause") return error(option, "exit or pause, not " + quoted(value));
    s.line.rr_end_pause = value == "pause";
    return {};
}

Result<void> set_rr_checkpoint_every(OptionState& s, Text option, Text value) {
    constexpr u64 kFewestSteps = 1'000'000;
    const auto steps = parse_steps(value);
    if (!steps || *steps < kFewestSteps) return error(option, quoted(value) + " is not a number of steps of at least a million, such as 500M or 4G");
    s.line.rr_checkpoint_every = *steps;
    return {};
}

// What QEMU needs to be told, and we do not: everything from outside is recorded.
Result<void> set_object(OptionState&, Text option, Text value) {
    constexpr Text kKeys[] = {"id", "netdev", "queue", "status"};
    bool first = true;
    for (const KeyValue& kv : split_options(value)) {
        if (std::exchange(first, false)) {
            if (kv.has_value || kv.key != "filter-replay") return error(option, "unknown object " + quoted(kv.key) + " (filter-replay)");
        } else if (!one_of(kv.key, kKeys)) {
            return unknown_key(option, kv.key, kKeys);
        }
    }
    return {};
}

Result<void> set_rrfile(OptionState& s, Text, Text value) {
    s.line.rrfile = value;
    return {};
}

Result<void> set_icount(OptionState& s, Text option, Text value) {
    constexpr Text kKeys[] = {"shift", "sleep", "align", "rr", "rrfile"};
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
        } else if (kv.key == "rr") {
            if (auto ok = set_rr(s, std::string(option) + " rr", kv.value); !ok) return ok;
        } else if (kv.key == "rrfile") {
            s.line.rrfile = kv.value;
        } else if (kv.key == "rrsnapshot") {
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

Result<void> set_kernel(OptionState& s, Text, Text value) { s.line.config.kernel = value; return {}; }
Result<void> set_initrd(OptionState& s, Text, Text value) { s.line.config.initrd = value; return {}; }
Result<void> set_bios(OptionState& s, Text, Text value) { s.line.config.bios = value; return {}; }

Result<void> set_append(OptionState& s, Text, Text value) {
    s.line.config.append = value;
    return {};
}

}  // namespace vmm::opt
