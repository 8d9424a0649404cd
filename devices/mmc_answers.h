// SPDX-License-Identifier: Apache-2.0
// What a DVD-ROM drive answers to the packets that ask it about itself and its disc, which has one data track. Pure functions.
// Document: MMC-3 (T10/1363-D), 5 (features, mode pages) and 6 (commands).
#pragma once

#include <vector>

#include "vmm/types.h"

namespace vmm::mmc {

inline constexpr u32 kLargestCd = 80 * 60 * 75;              // blocks; what is larger is a DVD

std::vector<u8> sense_data(u8 key, u8 asc, u8 ascq);
std::vector<u8> inquiry();
std::vector<u8> capacity(u32 blocks);
std::vector<u8> toc(u8 format, bool msf, u8 first, u32 blocks);   // empty: no such format or track
std::vector<u8> sub_channel(bool wanted, u8 format);
std::vector<u8> disc_information();
std::vector<u8> track_information(u32 blocks);
std::vector<u8> mechanism_status(bool open);
std::vector<u8> mode_pages(u8 page, bool changeable, bool loaded, bool dvd, bool open, bool locked);   // empty: no such page
std::vector<u8> configuration(u8 which, u16 from, bool loaded, bool dvd);
std::vector<u8> event_status(bool media, u8 event, bool loaded, bool open);

}  // namespace vmm::mmc
