// SPDX-License-Identifier: Apache-2.0
#include "serial/char_config.h"
#include "vmm/quoted.h"

#include <array>
#include <cstring>
#include <optional>

namespace vmm {
namespace {

Error error(std::string_view option, const std::string& text) { return {std::string(option) + ": " + text}; }

std::optional<std::string_view> after(std::string_view text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return std::nullopt;
    return text.substr(prefix.size());
}

// Kinds that QEMU's users know and that do not exist here.
constexpr std::array kNotYet = {"vc", "pipe", "udp", "telnet", "tn3270", "websocket", "braille", "msmouse", "ringbuf", "memory",
                                "parallel", "parport", "serial", "tty", "spicevmc", "spiceport", "wctablet", "testdev", "qemu-vdagent"};

bool known_elsewhere(std::string_view kind) {
    for (const char* k : kNotYet)
        if (kind == k) return true;
    return false;
}

constexpr const char* kShortForms =
    "none, null, stdio, pty, file:PATH, unix:PATH[,server], tcp:HOST:PORT[,server], mon:stdio, chardev:ID";

Result<bool> no_yes_value(std::string_view option, const KeyValue& kv) {  // "nowait", "wait=off" have one meaning
    if (kv.has_value) return error(option, quoted(kv.key) + " takes no value");
    return false;
}

Result<void> set_host_port(std::string_view option, std::string_view text, CharConfig& c) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return error(option, "tcp needs HOST:PORT, not " + quoted(text));
    c.host = text.substr(0, colon);
    c.port = text.substr(colon + 1);
    if (c.host.size() >= 2 && c.host.front() == '[' && c.host.back() == ']') c.host = c.host.substr(1, c.host.size() - 2);
    return {};
}

Result<void> check(std::string_view option, const CharConfig& c) {
    if ((c.kind == CharKind::File || c.kind == CharKind::Unix) && c.path.empty()) return error(option, "a path is missing");
    if (c.kind == CharKind::Unix && c.path.size() > 107)
        return error(option, "the socket path " + quoted(c.path) + " is longer than 107 characters");
    if (c.kind == CharKind::Tcp) {
        if (c.port.empty()) return error(option, "a port is missing");
        if (c.port.find_first_not_of("0123456789") == std::string::npos && (c.port.size() > 5 || std::stoul(c.port) > 65535))
            return error(option, "port " + c.port + " is above 65535");
        if (!c.server && c.host.empty()) return error(option, "a host to connect to is missing");
    }
    for (const std::string* s : {&c.id, &c.path, &c.host, &c.port})
        if (s->find('\n') != std::string::npos) return error(option, "a name has a line break in it");
    return {};
}

// One option of a socket; false if it is none.
Result<bool> socket_option(std::string_view option, const KeyValue& kv, CharConfig& c) {
    bool* flag = kv.key == "server" ? &c.server : kv.key == "wait" ? &c.wait : kv.key == "nodelay" ? &c.nodelay : nullptr;
    if (flag != nullptr) {
        const auto on = parse_on_off(option, kv);
        if (!on) return on.error();
        *flag = *on;
        return true;
    }
    if (kv.key == "nowait" || kv.key == "noserver" || kv.key == "nonodelay") {
        const auto off = no_yes_value(option, kv);
        if (!off) return off.error();
        (kv.key == "nowait" ? c.wait : kv.key == "noserver" ? c.server : c.nodelay) = false;
        return true;
    }
    for (const char* k : {"telnet", "websocket", "reconnect", "tls-creds", "tls-authz", "to", "ipv4", "ipv6", "abstract", "tight"})
        if (kv.key == k) return error(option, "not available yet: " + kv.key + "=");
    return false;
}

Result<CharConfig> short_socket(std::string_view option, std::string_view text, CharKind kind) {
    CharConfig c{.kind = kind};
    const auto parts = split_options(text);
    if (parts.empty() || parts[0].key.empty()) return error(option, kind == CharKind::Unix ? "unix: needs a path" : "tcp: needs HOST:PORT");
    const std::string first = parts[0].has_value ? parts[0].key + "=" + parts[0].value : parts[0].key;
    if (kind == CharKind::Unix) {
        c.path = first;
    } else if (auto ok = set_host_port(option, first, c); !ok) {
        return ok.error();
    }
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const auto taken = socket_option(option, parts[i], c);
        if (!taken) return taken.error();
        if (!*taken) return error(option, "unknown socket option " + quoted(parts[i].key) + " (server, wait, nowait, nodelay)");
    }
    if (auto ok = check(option, c); !ok) return ok.error();
    return c;
}

Result<CharConfig> short_device(std::string_view option, std::string_view text) {
    if (text == "null") return CharConfig{.kind = CharKind::Null};
    if (text == "stdio") return CharConfig{.kind = CharKind::Stdio};
    if (text == "pty") return CharConfig{.kind = CharKind::Pty};
    if (const auto path = after(text, "file:")) {
        CharConfig c{.kind = CharKind::File, .path = std::string(*path)};
        if (auto ok = check(option, c); !ok) return ok.error();
        return c;
    }
    if (const auto rest = after(text, "unix:")) return short_socket(option, *rest, CharKind::Unix);
    if (const auto rest = after(text, "tcp:")) return short_socket(option, *rest, CharKind::Tcp);
    const auto word = text.substr(0, text.find(':'));
    if (known_elsewhere(word) || text.starts_with("/dev/")) return error(option, "not available yet: " + quoted(text));
    return error(option, quoted(text) + " is none of " + kShortForms);
}

}  // namespace

std::vector<KeyValue> split_options(std::string_view text) {
    std::vector<KeyValue> out;
    if (text.empty()) return out;
    KeyValue now;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i == text.size() || (text[i] == ',' && (i + 1 >= text.size() || text[i + 1] != ','))) {
            out.push_back(std::move(now));
            now = {};
            continue;
        }
        if (text[i] == ',') ++i;                       // ",," is a comma
        if (text[i] == '=' && !now.has_value) now.has_value = true;
        else (now.has_value ? now.value : now.key).push_back(text[i]);
    }
    return out;
}

std::string escape_commas(std::string_view text) {
    std::string out;
    for (const char c : text) out.append(c == ',' ? 2 : 1, c);
    return out;
}

Result<bool> parse_on_off(std::string_view option, const KeyValue& kv) {
    if (!kv.has_value) return true;
    for (const char* s : {"on", "yes", "true", "y"})
        if (kv.value == s) return true;
    for (const char* s : {"off", "no", "false", "n"})
        if (kv.value == s) return false;
    return error(option, quoted(kv.key) + " is on or off, not " + quoted(kv.value));
}

Result<CharChoice> parse_char_short(std::string_view option, std::string_view text) {
    CharChoice choice;
    if (text.empty()) return error(option, std::string("empty; choose one of ") + kShortForms);
    if (text == "none") return choice;
    if (const auto rest = after(text, "mon:")) {
        choice.with_monitor = true;
        text = *rest;
        if (text == "none") return error(option, "mon: needs a device to share, such as mon:stdio");
    }
    if (const auto id = after(text, "chardev:")) {
        if (id->empty()) return error(option, "chardev: needs the id of a -chardev");
        if (choice.with_monitor) return error(option, "mon: does not go with chardev:; give the -chardev mux=on and use -mon");
        choice.what = CharChoice::What::Reference;
        choice.id = *id;
        return choice;
    }
    auto device = short_device(option, text);
    if (!device) return device.error();
    choice.what = CharChoice::What::Device;
    choice.device = *device;
    if (choice.with_monitor) {
        choice.device.mux = true;
        choice.device.signal = false;                  // Ctrl-C is for the guest
    }
    return choice;
}

Result<CharConfig> parse_char_long(std::string_view option, std::string_view text) {
    const auto parts = split_options(text);
    if (parts.empty() || parts[0].has_value || parts[0].key.empty())
        return error(option, "begins with a back end: null, stdio, pty, file or socket");
    CharConfig c;
    const std::string& kind = parts[0].key;
    const bool socket = kind == "socket";
    if (kind == "null") c.kind = CharKind::Null;
    else if (kind == "stdio") c.kind = CharKind::Stdio;
    else if (kind == "pty") c.kind = CharKind::Pty;
    else if (kind == "file") c.kind = CharKind::File;
    else if (socket) c.kind = CharKind::Tcp;
    else if (known_elsewhere(kind)) return error(option, "not available yet: " + quoted(kind));
    else return error(option, "unknown back end " + quoted(kind) + " (null, stdio, pty, file, socket)");

    for (std::size_t i = 1; i < parts.size(); ++i) {
        const KeyValue& kv = parts[i];
        const bool string_key = kv.key == "id" || (kv.key == "path" && (socket || kind == "file")) ||
                                (socket && (kv.key == "host" || kv.key == "port"));
        if (string_key) {
            if (kv.value.empty()) return error(option, quoted(kv.key) + " needs a value");
            if (kv.key == "id") c.id = kv.value;
            else if (kv.key == "host") c.host = kv.value;
            else if (kv.key == "port") c.port = kv.value;
            else c.path = kv.value;
            continue;
        }
        bool* flag = kv.key == "mux"                        ? &c.mux
                     : kv.key == "signal" && kind == "stdio" ? &c.signal
                     : kv.key == "append" && kind == "file"  ? &c.append
                                                             : nullptr;
        if (flag != nullptr) {
            const auto on = parse_on_off(option, kv);
            if (!on) return on.error();
            *flag = *on;
            continue;
        }
        if (kv.key == "logfile" || kv.key == "logappend") return error(option, "not available yet: " + kv.key + "=");
        if (socket) {
            const auto taken = socket_option(option, kv, c);
            if (!taken) return taken.error();
            if (*taken) continue;
        }
        return error(option, quoted(kind) + " has no option " + quoted(kv.key));
    }
    if (socket && !c.path.empty()) {
        if (!c.host.empty() || !c.port.empty()) return error(option, "a socket has either path= or host= and port=");
        c.kind = CharKind::Unix;
    }
    if (c.id.empty()) return error(option, "id= is missing");
    if (c.id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != std::string::npos)
        return error(option, "the id " + quoted(c.id) + " may have letters, digits, '-', '.' and '_' only");
    if (auto ok = check(option, c); !ok) return ok.error();
    return c;
}

std::string to_string(const CharConfig& c) {
    const auto on_off = [](bool b) { return b ? "on" : "off"; };
    std::string out;
    switch (c.kind) {
        case CharKind::Null: out = "null"; break;
        case CharKind::Stdio: out = std::string("stdio,signal=") + on_off(c.signal); break;
        case CharKind::Pty: out = "pty"; break;
        case CharKind::File: out = "file,path=" + escape_commas(c.path) + ",append=" + on_off(c.append); break;
        case CharKind::Unix: out = "socket,path=" + escape_commas(c.path); break;
        case CharKind::Tcp:
            out = "socket,port=" + escape_commas(c.port);
            if (!c.host.empty()) out += ",host=" + escape_commas(c.host);
            break;
    }
    if (c.kind == CharKind::Unix || c.kind == CharKind::Tcp)
        out += std::string(",server=") + on_off(c.server) + ",wait=" + on_off(c.wait) + ",nodelay=" + on_off(c.nodelay);
    return out + ",mux=" + on_off(c.mux) + ",id=" + c.id;
}

}  // namespace vmm
