// SPDX-License-Identifier: Apache-2.0
#include "vmm/config.h"
#include "vmm/quoted.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <span>

namespace vmm {
namespace {


constexpr std::string_view kVgaNames[] = {"none", "std"};
constexpr std::string_view kDisplayNames[] = {"none", "curses"};
constexpr std::string_view kRtcFromNames[] = {"utc", "localtime", "date"};
constexpr std::string_view kAccelNames[] = {"tcg", "kvm"};
template <class E> constexpr std::span<const std::string_view> names_of();
template <> constexpr std::span<const std::string_view> names_of<VgaCard>() { return kVgaNames; }
template <> constexpr std::span<const std::string_view> names_of<DisplayKind>() { return kDisplayNames; }
template <> constexpr std::span<const std::string_view> names_of<RtcFrom>() { return kRtcFromNames; }
template <> constexpr std::span<const std::string_view> names_of<Accel>() { return kAccelNames; }

// One value as text and back; `parse` says whether the text was one.
std::string print(const std::string& s) {
    std::string out;
    for (const char c : s) {
        if (c == '\\') out += "\\\\";
        else if (c == '\n') out += "\\n";
        else out.push_back(c);
    }
    return out;
}
bool parse(std::string_view text, std::string& s) {
    s.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            s.push_back(text[i]);
        } else if (++i < text.size() && (text[i] == '\\' || text[i] == 'n')) {
            s.push_back(text[i] == 'n' ? '\n' : '\\');
        } else {
            return false;
        }
    }
    return true;
}

std::string print(bool b) { return b ? "on" : "off"; }
bool parse(std::string_view text, bool& b) {
    b = text == "on";
    return b || text == "off";
}

template <class N>
    requires std::is_integral_v<N>
std::string print(N n) { return std::to_string(n); }
template <class N>
    requires std::is_integral_v<N>
bool parse(std::string_view text, N& n) {
    const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
    return r.ec == std::errc() && r.ptr == text.data() + text.size();
}

template <class E>
    requires std::is_enum_v<E>
std::string print(E e) { return std::string(names_of<E>()[static_cast<std::size_t>(e)]); }
template <class E>
    requires std::is_enum_v<E>
bool parse(std::string_view text, E& e) {
    for (std::size_t i = 0; i < names_of<E>().size(); ++i) {
        if (names_of<E>()[i] != text) continue;
        e = static_cast<E>(i);
        return true;
    }
    return false;
}

std::string print(const CharConfig& c) { return print(to_string(c)); }
bool parse(std::string_view text, CharConfig& c) {
    std::string plain;
    if (!parse(text, plain)) return false;
    auto r = parse_char_long("", plain);
    if (r) c = *r;
    return static_cast<bool>(r);
}

std::string print(const DriveConfig& c) { return print(to_string(c)); }
std::string print(const block::ImageConfig& c) { return print(to_string(c)); }
template <class C>
    requires std::is_same_v<C, DriveConfig> || std::is_same_v<C, block::ImageConfig>
bool parse(std::string_view text, C& c) {
    std::string plain;
    return parse(text, plain) && parse_text(plain, c);
}

// Every member once, with its key; a member left out does not compile, since the bindings must be as many as the members.
template <class Visitor, class Config>
void visit_host(Visitor& v, Config& host) {
    auto& [name, accels, nographic, display, chardevs, serial, monitors, qmps, debugcon] = host;
    v("host.name", name);
    v("host.accel", accels);
    v("host.nographic", nographic);
    v("host.display", display);
    v("host.chardev", chardevs);
    v("host.serial", serial);
    v("host.monitor", monitors);
    v("host.qmp", qmps);
    v("host.debugcon", debugcon);
}

template <class Visitor, class Config>
void visit(Visitor& v, Config& config) {
    auto& [machine, ram_bytes, cpu, cpu_add, cpu_remove, bios, kernel, initrd, append, boot_order, boot_once, boot_menu,
           boot_strict, shift, rtc_from, rtc_base, vga, vga_bios, serial_present, serial_exact, debugcon_port, debug_exit, debug_exit_port,
           debug_exit_size, chaos, recording_port, drives, no_reboot, no_shutdown, sleep, disk_exact, images, host] = config;
    v("machine", machine);
    v("ram-bytes", ram_bytes);
    v("cpu", cpu);
    v("cpu-add", cpu_add);
    v("cpu-remove", cpu_remove);
    v("bios", bios);
    v("kernel", kernel);
    v("initrd", initrd);
    v("append", append);
    v("boot-order", boot_order);
    v("boot-once", boot_once);
    v("boot-menu", boot_menu);
    v("boot-strict", boot_strict);
    v("shift", shift);
    v("rtc-from", rtc_from);
    v("rtc-base", rtc_base);
    v("vga", vga);
    v("vga-bios", vga_bios);
    v("serial-present", serial_present);
    v("serial-exact", serial_exact);
    v("debugcon-port", debugcon_port);
    v("debug-exit", debug_exit);
    v("debug-exit-port", debug_exit_port);
    v("debug-exit-size", debug_exit_size);
    v("chaos", chaos);
    v("recording-port", recording_port);
    v("drive", drives);
    v("host.no-reboot", no_reboot);
    v("host.no-shutdown", no_shutdown);
    v("host.sleep", sleep);
    v("host.disk-exact", disk_exact);
    v("host.image", images);
    visit_host(v, host);
}

struct Writer {
    std::string out;

    template <class T>
    void operator()(std::string_view key, const T& value) { line(key, print(value)); }
    template <class T>
    void operator()(std::string_view key, const std::vector<T>& list) {
        for (const T& value : list) line(key, print(value));
    }
    template <class T, std::size_t N>
    void operator()(std::string_view key, const std::array<T, N>& list) {
        for (std::size_t i = 0; i < N; ++i) line(std::string(key) + std::to_string(i), print(list[i]));
    }
    template <class T>
    void operator()(std::string_view key, const std::optional<T>& value) {
        if (value) line(key, print(*value));
    }
    void line(std::string_view key, const std::string& value) { out += std::string(key) + "=" + value + "\n"; }
};

// Looks for one key and takes its value.
struct Taker {
    std::string_view key, value;
    bool first = true;           // of this key
    bool found = false, bad = false, repeats = false;

    template <class T>
    void operator()(std::string_view name, T& to) {
        if (name != key) return;
        take(to);
        repeats = !first;
    }
    template <class T>
    void operator()(std::string_view name, std::vector<T>& list) {
        if (name != key) return;
        if (first) list.clear();
        list.emplace_back();
        take(list.back());
    }
    template <class T, std::size_t N>
    void operator()(std::string_view name, std::array<T, N>& list) {
        for (std::size_t i = 0; i < N; ++i) (*this)(std::string(name) + std::to_string(i), list[i]);
    }
    template <class T>
    void operator()(std::string_view name, std::optional<T>& to) {
        if (name == key) (*this)(name, to.emplace());
    }
    template <class T>
    void take(T& to) {
        found = true;
        bad = !parse(value, to);
    }
};

bool letters_of(std::string_view text, std::string_view allowed) { return text.find_first_not_of(allowed) == std::string_view::npos; }

// What a user of a chardev needs: that it exists, and that it is shared only with mux.
Result<void> check_users(const MachineConfig& c) {
    std::set<std::string> ids;
    const CharConfig* terminal = nullptr;
    for (const CharConfig& d : c.host.chardevs) {
        if (d.id.empty()) return Error{"-chardev: id= is missing"};
        if (!ids.insert(d.id).second) return Error{"-chardev: the id " + quoted(d.id) + " is given twice"};
        if (d.kind != CharKind::Stdio) continue;
        if (terminal != nullptr) return Error{"stdio can be used once only: " + quoted(terminal->id) + " and " + quoted(d.id) + " both ask for it; mon:stdio shares it with the monitor"};
        terminal = &d;
    }
    std::vector<std::pair<std::string, std::string>> uses;
    for (std::size_t i = 0; i < 4; ++i) {
        if (c.host.serial[i].empty()) continue;
        if (!c.serial_present[i]) return Error{"serial port " + std::to_string(i) + " has a chardev but is not there"};
        uses.emplace_back("-serial", c.host.serial[i]);
    }
    if (!c.host.debugcon.empty()) uses.emplace_back("-debugcon", c.host.debugcon);
    for (const std::string& m : c.host.monitors) uses.emplace_back("-monitor", m);
    std::set<std::string> taken;
    for (const auto& [user, id] : uses) {
        if (!ids.contains(id)) return Error{user + ": there is no -chardev with id=" + quoted(id)};
        const auto device = std::find_if(c.host.chardevs.begin(), c.host.chardevs.end(), [&wanted = id](const CharConfig& d) { return d.id == wanted; });
        if (!taken.insert(id).second && !device->mux) return Error{user + ": the chardev " + quoted(id) + " is in use already; mux=on lets several share it"};
    }
    if (c.host.display == DisplayKind::Curses) {
        if (terminal != nullptr) return Error{"-display curses needs the terminal, which " + quoted(terminal->id) + " has"};
        if (c.host.nographic) return Error{"-display curses and -nographic exclude each other"};
        if (c.vga == VgaCard::None) return Error{"-display curses: there is no graphics card to show (-vga std)"};
    }
    return {};
}

// Drives at different places, each with an image of its own.
Result<void> check_drives(const MachineConfig& c) {
    std::set<std::string> ids, used;
    for (const auto& image : c.images) {
        if (image.id.empty() || image.file.empty()) return Error{"-drive: file= is missing"};
        if (!ids.insert(image.id).second) return Error{"-drive: the id " + quoted(image.id) + " is given twice"};
    }
    std::set<std::pair<u8, u8>> places;
    for (const auto& drive : c.drives) {
        const std::string place = "ide." + std::to_string(drive.bus) + ", unit " + std::to_string(drive.unit);
        if (drive.bus > 1 || drive.unit > 1) return Error{"-drive: there is no place " + place};
        if (!places.emplace(drive.bus, drive.unit).second) return Error{"-drive: two drives at one place (" + place + ")"};
        if (drive.id.empty() && drive.media == Media::Disk) return Error{"-drive: a disk needs an image"};
        if (drive.id.empty()) continue;
        if (!ids.contains(drive.id)) return Error{"-device: there is no -drive with id=" + drive.id};
        if (!used.insert(drive.id).second) return Error{"-device: the drive " + quoted(drive.id) + " is in use already"};
    }
    return {};
}

}  // namespace

Result<void> check(const MachineConfig& c) {
    if (c.machine != "pc") return Error{"-machine: " + quoted(c.machine) + " is not offered; the machine is 'pc'"};
    if (c.ram_bytes == 0 || c.ram_bytes > kMaxRamBytes || c.ram_bytes % (1u << 20) != 0)
        return Error{"-m: " + std::to_string(c.ram_bytes) + " bytes are not 1 to 3584 whole megabytes"};
    if (c.shift > kMaxShift) return Error{"-icount: shift=" + std::to_string(c.shift) + " is outside 0..10"};
    if (c.kernel.empty() && !c.initrd.empty()) return Error{"-initrd goes with -kernel only"};
    if (c.kernel.empty() && !c.append.empty()) return Error{"-append goes with -kernel only"};
    for (const std::string* order : {&c.boot_order, &c.boot_once})
        if (!letters_of(*order, "acdn")) return Error{"-boot: " + quoted(*order) + " has letters other than a (floppy), c (disk), d (CD-ROM), n (network)"};
    if (c.recording_port && *c.recording_port > 0xfffc) return Error{"-device vmm-rr: the ports end beyond 0xffff"};
    if (c.debug_exit) {
        const u16 size = c.debug_exit_size;
        if (size != 1 && size != 2 && size != 4) return Error{"-device isa-debug-exit: iosize is 1, 2 or 4"};
        if (c.debug_exit_port + size > 0x10000) return Error{"-device isa-debug-exit: the ports end beyond 0xffff"};
    }
    if (c.host.accels.empty()) return Error{"-accel: none given"};
    if (c.host.accels.size() > 2) return Error{"-accel: there are only two, tcg and kvm"};
    if (auto ok = check_drives(c); !ok) return ok;
    return check_users(c);
}

void resolve_rtc(MachineConfig& config, i64 utc_now, i64 seconds_east_of_utc) {
    if (config.rtc_from == RtcFrom::Date) return;
    config.rtc_base = utc_now + (config.rtc_from == RtcFrom::Localtime ? seconds_east_of_utc : 0);
    config.rtc_from = RtcFrom::Date;
}

std::string to_text(const MachineConfig& config) {
    Writer w;
    visit(w, config);
    return w.out;
}

std::string guest_text(const MachineConfig& config) {
    std::string text = to_text(config);
    return text.substr(0, text.find("\nhost.") + 1);   // values have no line feeds, and the host's part is the last
}

Result<MachineConfig> config_from_text(std::string_view text) {
    MachineConfig config;
    std::set<std::string, std::less<>> seen;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (line.empty()) continue;
        const auto equals = line.find('=');
        if (equals == std::string_view::npos) return Error{"configuration: no '=' in " + quoted(line)};
        Taker taker{.key = line.substr(0, equals), .value = line.substr(equals + 1)};
        taker.first = seen.insert(std::string(taker.key)).second;
        visit(taker, config);
        if (!taker.found) return Error{"configuration: unknown key " + quoted(taker.key)};
        if (taker.bad) return Error{"configuration: " + quoted(taker.value) + " is no value of " + quoted(taker.key)};
        if (taker.repeats) return Error{"configuration: " + quoted(taker.key) + " is given twice"};
    }
    if (auto ok = check(config); !ok) return Error{"configuration: " + ok.error().text};
    return config;
}

std::optional<i64> parse_date(std::string_view text) {
    // "YYYY-MM-DD" or "YYYY-MM-DDThh:mm:ss", each field of fixed width.
    const auto number = [&](std::size_t at, std::size_t digits, int& to) {
        const std::string_view field = text.substr(at, digits);
        return letters_of(field, "0123456789") && parse(field, to);
    };
    if (text.size() != 10 && text.size() != 19) return std::nullopt;
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    if (!number(0, 4, year) || text[4] != '-' || !number(5, 2, month) || text[7] != '-' || !number(8, 2, day)) return std::nullopt;
    if (text.size() == 19 && (text[10] != 'T' || !number(11, 2, hour) || text[13] != ':' || !number(14, 2, minute) ||
                              text[16] != ':' || !number(17, 2, second)))
        return std::nullopt;
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int days[12] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days[month - 1] || hour > 23 || minute > 59 || second > 59)
        return std::nullopt;
    const auto leaps_before = [](i64 y) { --y; return y / 4 - y / 100 + y / 400; };
    i64 total = (year - 1970) * i64{365} + leaps_before(year) - leaps_before(1970) + day - 1;
    for (int m = 0; m + 1 < month; ++m) total += days[m];
    return ((total * 24 + hour) * 60 + minute) * 60 + second;
}

}  // namespace vmm
