// SPDX-License-Identifier: Apache-2.0
// Drives and their images in the configuration, and both as text: "id=hda,bus=0,...", in values "," is ",,".
#pragma once

#include <string>
#include <string_view>

#include "block/image.h"

namespace vmm {

enum class Media : u8 { Disk, Cdrom };

// A drive on the IDE cables, as the guest sees it.
struct DriveConfig {
    std::string id{};               // of its image; empty: a CD drive without a disc
    u8 bus = 0, unit = 0;
    Media media = Media::Disk;
    bool read_only = false;
    std::string serial{};           // empty: one that its place gives

    bool operator==(const DriveConfig&) const = default;
};

std::string to_string(const DriveConfig& c);
std::string to_string(const block::ImageConfig& c);
// One setting of a text form, of an image also as -drive takes it. False: no such setting, or no value of it.
bool set(DriveConfig& c, std::string_view key, std::string_view value);
bool set(block::ImageConfig& c, std::string_view key, std::string_view value);
bool parse_text(std::string_view text, DriveConfig& c);
bool parse_text(std::string_view text, block::ImageConfig& c);

}  // namespace vmm
