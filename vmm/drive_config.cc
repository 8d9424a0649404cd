// SPDX-License-Identifier: Apache-2.0
#include "vmm/drive_config.h"

#include <algorithm>
#include <span>

#include "serial/char_config.h"

namespace vmm {
namespace {

constexpr std::string_view kAioNames[] = {"auto", "io_uring", "threads"};
constexpr std::string_view kCacheNames[] = {"writeback", "none", "unsafe", "writethrough", "directsync"};
constexpr std::string_view kErrorNames[] = {"report", "ignore", "stop", "enospc"};
constexpr std::string_view kMediaNames[] = {"disk", "cdrom"};
constexpr std::string_view kSwitch[] = {"off", "on"};

template <class E>
std::string name(std::span<const std::string_view> names, E value) { return std::string(names[static_cast<std::size_t>(value)]); }

template <class E>
bool take(std::span<const std::string_view> names, std::string_view text, E& value) {
    const auto it = std::find(names.begin(), names.end(), text);
    if (it == names.end()) return false;
    value = static_cast<E>(it - names.begin());
    return true;
}

bool take(std::string_view text, u8& digit, char last) {
    if (text.size() != 1 || text[0] < '0' || text[0] > last) return false;
    digit = static_cast<u8>(text[0] - '0');
    return true;
}

}  // namespace

bool set(DriveConfig& c, std::string_view key, std::string_view value) {
    if (key == "id") c.id = value;
    else if (key == "serial") c.serial = value;
    else if (key == "bus") return take(value, c.bus, '1');
    else if (key == "unit") return take(value, c.unit, '1');
    else if (key == "media") return take(kMediaNames, value, c.media);
    else if (key == "readonly") return take(kSwitch, value, c.read_only);
    else return false;
    return true;
}

bool set(block::ImageConfig& c, std::string_view key, std::string_view value) {
    if (key == "id") c.id = value;
    else if (key == "file") c.file = value;
    else if (key == "format") c.format = value;
    else if (key == "readonly") return take(kSwitch, value, c.read_only);
    else if (key == "snapshot") return take(kSwitch, value, c.snapshot);
    else if (key == "aio") return take(kAioNames, value, c.aio);
    else if (key == "cache") return take(kCacheNames, value, c.cache);
    else if (key == "fault") c.faults = value;
    else if (key == "werror") return take(kErrorNames, value, c.on_write_error);
    else if (key == "rerror") return take(kErrorNames, value, c.on_read_error) && c.on_read_error != block::OnError::Enospc;
    else return false;
    return true;
}

std::string to_string(const DriveConfig& c) {
    std::string out;
    if (!c.id.empty()) out += "id=" + escape_commas(c.id) + ",";
    out += "bus=" + std::to_string(c.bus) + ",unit=" + std::to_string(c.unit) + ",media=" + name(kMediaNames, c.media) +
           ",readonly=" + name(kSwitch, c.read_only);
    return out + (c.serial.empty() ? "" : ",serial=" + escape_commas(c.serial));
}

std::string to_string(const block::ImageConfig& c) {
    std::string out = "id=" + escape_commas(c.id) + ",file=" + escape_commas(c.file);
    if (!c.format.empty()) out += ",format=" + c.format;
    if (!c.faults.empty()) out += ",fault=" + escape_commas(c.faults);
    return out + ",readonly=" + name(kSwitch, c.read_only) + ",snapshot=" + name(kSwitch, c.snapshot) + ",aio=" + name(kAioNames, c.aio) +
           ",cache=" + name(kCacheNames, c.cache) + ",werror=" + name(kErrorNames, c.on_write_error) +
           ",rerror=" + name(kErrorNames, c.on_read_error);
}

namespace {

template <class C>
bool parse_settings(std::string_view text, C& c) {
    c = {};
    const auto settings = split_options(text);
    return std::all_of(settings.begin(), settings.end(), [&](const KeyValue& kv) { return kv.has_value && set(c, kv.key, kv.value); });
}

}  // namespace

bool parse_text(std::string_view text, DriveConfig& c) { return parse_settings(text, c); }
bool parse_text(std::string_view text, block::ImageConfig& c) { return parse_settings(text, c); }

}  // namespace vmm
