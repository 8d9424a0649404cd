// SPDX-License-Identifier: Apache-2.0
// What drives say of themselves: IDENTIFY (PACKET) DEVICE data, SMART data. Pure functions.
// Document: ATA/ATAPI-6 (T13/1410D), 8.15, 8.16, 8.52.
#pragma once

#include "devices/ata_disk.h"

namespace vmm::ata {

struct DiskIdentity {
    u64 sectors;
    DiskGeometry geometry;
    u32 heads, sectors_per_track;            // as initialized
    std::string_view serial;
    u8 max_multiple, multiple;
    u8 mode;                                 // as in SET FEATURES 03h
    bool write_cache, look_ahead, smart;
};
std::vector<u8> identify_disk(const DiskIdentity& d);
std::vector<u8> identify_cdrom(std::string_view serial, u8 mode);

std::vector<u8> smart_data();
std::vector<u8> smart_thresholds();
std::vector<u8> smart_log(u8 address);       // empty: there is no such log

}  // namespace vmm::ata
