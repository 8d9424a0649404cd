// SPDX-License-Identifier: Apache-2.0
// Options about disks: -hda, -cdrom, -drive, -device ide-hd and ide-cd, -snapshot, --disk-timing, --image.
#include "vmm/option_handlers.h"

namespace vmm::opt {
namespace {

constexpr u8 kPlaces = 4;
constexpr u8 kCdromPlace = 2;

// The first drive option replaces what a replay's recording has.
void begin(OptionState& s) {
    if (std::exchange(s.line.drives_given, true)) return;
    s.line.config.drives.clear();
    s.line.config.images.clear();
}

DriveConfig at(u8 place, DriveConfig drive) {
    drive.bus = place / 2;
    drive.unit = place % 2;
    return drive;
}

Result<void> add_image(OptionState& s, Text option, block::ImageConfig image) {
    begin(s);
    for (const auto& other : s.line.config.images)
        if (other.id == image.id) return error(option, "the id " + quoted(image.id) + " is given twice");
    s.line.config.images.push_back(std::move(image));
    return {};
}

std::string id_of(u8 place, Media media) {
    return "ide" + std::to_string(place / 2) + (media == Media::Cdrom ? "-cd" : "-hd") + std::to_string(place % 2);
}

Result<void> add_at(OptionState& s, Text option, Text file, u8 place, Media media) {
    DriveConfig drive = at(place, {.id = id_of(place, media), .media = media});
    block::ImageConfig image{.id = drive.id, .file = std::string(file), .read_only = media == Media::Cdrom};
    if (auto ok = add_image(s, option, std::move(image)); !ok) return ok;
    s.line.config.drives.push_back(std::move(drive));
    return {};
}

}  // namespace

Result<void> set_hd(OptionState& s, Text option, Text value) {
    return add_at(s, option, value, static_cast<u8>(option.back() - 'a'), Media::Disk);
}

Result<void> set_cdrom(OptionState& s, Text option, Text value) { return add_at(s, option, value, kCdromPlace, Media::Cdrom); }

Result<void> set_snapshot(OptionState& s, Text, Text) {
    s.snapshot = true;
    return {};
}

Result<void> set_disk_timing(OptionState& s, Text option, Text value) {
    constexpr Text kNames[] = {"exact", "bounded"};
    if (!one_of(value, kNames)) return error(option, quoted(value) + " is neither exact nor bounded" + did_you_mean(value, kNames));
    s.line.config.disk_exact = value == "exact";
    return {};
}

Result<void> set_image(OptionState& s, Text option, Text value) {
    const auto equals = value.find('=');
    if (equals == Text::npos || equals == 0 || equals + 1 == value.size()) return error(option, "ID=PATH, not " + quoted(value));
    s.line.image_places.emplace_back(value.substr(0, equals), value.substr(equals + 1));
    return {};
}

Result<void> add_drive(OptionState& s, Text option, Text value) {
    constexpr Text kKeys[] = {"file", "format", "driver", "if", "index", "bus", "unit", "media", "readonly", "snapshot", "aio",
                              "cache", "werror", "rerror", "fault", "id", "image", "discard", "detect-zeroes", "serial"};
    block::ImageConfig image;
    DriveConfig drive;
    std::optional<u32> index, bus, unit;
    std::string alias_of;
    bool none = false, filter = false, read_only_given = false;
    for (const KeyValue& kv : split_options(value)) {
        const std::string key = kv.key == "read-only" ? "readonly" : kv.key;
        if (key == "readonly" || key == "snapshot") {
            const auto on = parse_on_off(option, kv);
            if (!on) return on.error();
            (key == "readonly" ? image.read_only : image.snapshot) = *on;
            read_only_given |= key == "readonly";
            continue;
        }
        if (!one_of(key, kKeys)) return unknown_key(option, kv.key, kKeys);
        if (!kv.has_value || kv.value.empty()) return error(option, "the setting " + quoted(kv.key) + " needs a value");
        if (key == "index" || key == "bus" || key == "unit") {
            const auto n = number(option, key + "=", kv.value, key == "index" ? kPlaces - 1 : 1);
            if (!n) return n.error();
            (key == "index" ? index : key == "bus" ? bus : unit) = *n;
        } else if (key == "if") {
            if (kv.value != "ide" && kv.value != "none") return error(option, "if= is ide or none, not " + quoted(kv.value));
            none = kv.value == "none";
        } else if (key == "media") {
            if (kv.value != "disk" && kv.value != "cdrom") return error(option, "media= is disk or cdrom, not " + quoted(kv.value));
            drive.media = kv.value == "cdrom" ? Media::Cdrom : Media::Disk;
        } else if (key == "driver" || key == "format") {
            filter = kv.value == "blkreplay";
            if (filter) continue;
            if (kv.value != "raw" && kv.value != "qcow2") return not_yet(option, key + "=" + kv.value);
            image.format = kv.value;
        } else if (key == "image") {
            alias_of = kv.value;
        } else if (key == "serial") {
            drive.serial = kv.value;
        } else if (key == "discard" || key == "detect-zeroes") {
            continue;                        // there is no TRIM yet that could be ignored or not
        } else if (!set(image, key == "aio" && kv.value == "native" ? "aio" : Text(key), key == "aio" && kv.value == "native" ? "io_uring" : Text(kv.value))) {
            return error(option, key + "= cannot be " + quoted(kv.value));
        }
    }
    if (filter) {
        if (alias_of.empty() || image.id.empty()) return error(option, "driver=blkreplay needs image= and id=");
        s.aliases[image.id] = alias_of;      // every disk has one in front of it
        return {};
    }
    if (image.file.empty()) {
        if (drive.media != Media::Cdrom || none) return error(option, "file= is missing");
    }
    if (index && (bus || unit)) return error(option, "index= and bus=, unit= exclude each other");
    if (bus || unit) index = bus.value_or(0) * 2 + unit.value_or(0);
    if (drive.media == Media::Cdrom) {
        if (read_only_given && !image.read_only) return error(option, "a CD-ROM cannot be written: readonly=off and media=cdrom exclude each other");
        image.read_only = true;
    }
    drive.read_only = image.read_only && drive.media == Media::Disk;
    begin(s);
    if (image.id.empty() && none) return error(option, "if=none needs id=, for -device to name it");
    if (none) {
        if (index) return error(option, "if=none has no place: -device says it");
        return add_image(s, option, std::move(image));
    }
    s.waiting.push_back({std::move(drive), std::move(image), index ? std::optional(static_cast<u8>(*index)) : std::nullopt, false});
    return {};
}

// `kind`: "ide-hd" or "ide-cd".
Result<void> add_ide_device(OptionState& s, const std::string& option, std::span<const KeyValue> settings) {
    constexpr Text kKeys[] = {"drive", "bus", "unit", "serial", "id", "write-cache", "rerror", "werror"};
    OptionState::Waiting w;
    w.device = true;
    w.drive.media = option.ends_with("cd") ? Media::Cdrom : Media::Disk;
    std::optional<u32> bus, unit;
    for (const KeyValue& kv : settings) {
        if (kv.key == "drive") {
            w.drive.id = kv.value;
        } else if (kv.key == "serial") {
            w.drive.serial = kv.value;
        } else if (kv.key == "bus") {
            if (kv.value != "ide.0" && kv.value != "ide.1") return error(option, "bus= is ide.0 or ide.1, not " + quoted(kv.value));
            bus = static_cast<u32>(kv.value.back() - '0');
        } else if (kv.key == "unit") {
            const auto n = number(option, "unit=", kv.value, 1);
            if (!n) return n.error();
            unit = *n;
        } else if (kv.key == "bootindex" || kv.key == "model" || kv.key == "ver") {
            return not_yet(option, kv.key + "=");
        } else if (kv.key != "id" && kv.key != "write-cache") {
            return unknown_key(option, kv.key, kKeys);
        }
    }
    if (w.drive.id.empty() && w.drive.media == Media::Disk) return error(option, "drive= is missing");
    w.bus = bus ? std::optional(static_cast<u8>(*bus)) : std::nullopt;
    if (unit) w.place = static_cast<u8>(bus.value_or(0) * 2 + *unit);
    begin(s);
    s.waiting.push_back(std::move(w));
    return {};
}

// Places for the drives that did not ask for one, when all options are known.
Result<void> place_drives(OptionState& s) {
    auto& c = s.line.config;
    const auto taken = [&](u8 place) {
        return std::any_of(c.drives.begin(), c.drives.end(), [&](const DriveConfig& d) { return d.bus * 2 + d.unit == place; });
    };
    for (const bool asked : {true, false}) {
        for (auto& w : s.waiting) {
            if (w.placed || (asked && !w.place)) continue;
            w.placed = true;
            if (!w.place) {
                for (u8 place = 0; place < kPlaces && !w.place; ++place)
                    if (!taken(place) && (!w.bus || place / 2 == *w.bus)) w.place = place;
                if (!w.place) return Error{"-drive: there is room for four drives on the two IDE cables, and no more"};
            }
            w.drive = at(*w.place, std::move(w.drive));
            if (w.device) {
                for (unsigned depth = 0; depth < 8 && s.aliases.contains(w.drive.id); ++depth) w.drive.id = s.aliases[w.drive.id];
                for (auto& image : c.images) {
                    if (image.id != w.drive.id) continue;
                    image.read_only |= w.drive.media == Media::Cdrom;
                    w.drive.read_only = image.read_only && w.drive.media == Media::Disk;
                }
            } else if (!w.image.file.empty()) {
                if (w.image.id.empty()) w.image.id = id_of(*w.place, w.drive.media);
                w.drive.id = w.image.id;
                if (auto ok = add_image(s, "-drive", std::move(w.image)); !ok) return ok;
            }
            c.drives.push_back(std::move(w.drive));
        }
    }
    std::sort(c.drives.begin(), c.drives.end(), [](const DriveConfig& a, const DriveConfig& b) { return std::pair(a.bus, a.unit) < std::pair(b.bus, b.unit); });
    for (auto& image : c.images) image.snapshot |= s.snapshot && !image.read_only;
    return {};
}

}  // namespace vmm::opt
