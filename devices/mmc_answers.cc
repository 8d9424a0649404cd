// SPDX-License-Identifier: Apache-2.0
#include "devices/mmc_answers.h"

#include <string_view>

namespace vmm::mmc {
namespace {

constexpr u32 kLeadIn = 150;                                 // blocks before address 0, in MSF terms
constexpr u8 kDataTrack = 0x14, kLeadOut = 0xaa;             // ADR 1, control 4

// Big-endian.
void put(std::vector<u8>& out, u64 value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) out.push_back(static_cast<u8>(value >> (8 * i)));
}
void set(std::vector<u8>& out, std::size_t at, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out[at + i] = static_cast<u8>(value >> (8 * (bytes - 1 - i)));
}
void text(std::vector<u8>& out, std::string_view s, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) out.push_back(static_cast<u8>(i < s.size() ? s[i] : ' '));
}
void address(std::vector<u8>& out, u32 lba, bool msf) {
    if (!msf) return put(out, lba, 4);
    const u32 frames = lba + kLeadIn;
    out.push_back(0);
    out.push_back(static_cast<u8>(frames / 75 / 60));
    out.push_back(static_cast<u8>(frames / 75 % 60));
    out.push_back(static_cast<u8>(frames % 75));
}
void raw_entry(std::vector<u8>& out, u8 point, u8 minute, u8 second, u8 frame) {
    out.insert(out.end(), {1, kDataTrack, 0, point, 0, 0, 0, 0, minute, second, frame});
}

// A feature descriptor.
void feature(std::vector<u8>& out, u16 code, u8 version, bool persistent, bool current, const std::vector<u8>& data) {
    put(out, code, 2);
    out.push_back(static_cast<u8>(version << 2 | (persistent ? 2 : 0) | (current ? 1 : 0)));
    out.push_back(static_cast<u8>(data.size()));
    out.insert(out.end(), data.begin(), data.end());
}

}  // namespace

std::vector<u8> sense_data(u8 key, u8 asc, u8 ascq) {
    std::vector<u8> out(18);
    out[0] = 0x70;
    out[2] = key;
    out[7] = 10;
    out[12] = asc;
    out[13] = ascq;
    return out;
}

std::vector<u8> inquiry() {
    std::vector<u8> out{0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0};   // CD-ROM, removable; ATAPI says its version here
    text(out, "VMM", 8);
    text(out, "DVD-ROM", 16);
    text(out, "1.0", 4);
    return out;
}

std::vector<u8> capacity(u32 blocks) {
    std::vector<u8> out;
    put(out, blocks - 1, 4);
    put(out, 2048, 4);
    return out;
}

std::vector<u8> toc(u8 format, bool msf, u8 first, u32 blocks) {
    std::vector<u8> out(2);
    if (format == 0) {
        if (first > 1 && first != kLeadOut) return {};
        out.insert(out.end(), {1, 1});                       // first and last track
        if (first <= 1) {
            out.insert(out.end(), {0, kDataTrack, 1, 0});
            address(out, 0, msf);
        }
        out.insert(out.end(), {0, kDataTrack, kLeadOut, 0});
        address(out, blocks, msf);
    } else if (format == 1) {
        out.insert(out.end(), {1, 1, 0, kDataTrack, 1, 0});  // sessions
        address(out, 0, msf);
    } else if (format == 2) {
        out.insert(out.end(), {1, 1});
        const u32 end = blocks + kLeadIn;
        raw_entry(out, 0xa0, 1, 0, 0);
        raw_entry(out, 0xa1, 1, 0, 0);
        raw_entry(out, 0xa2, static_cast<u8>(end / 75 / 60), static_cast<u8>(end / 75 % 60), static_cast<u8>(end % 75));
        raw_entry(out, 1, 0, 2, 0);
    } else {
        return {};
    }
    set(out, 0, out.size() - 2, 2);
    return out;
}

std::vector<u8> sub_channel(bool wanted, u8 format) {
    std::vector<u8> out{0, 0x15, 0, 0};                      // no audio status
    if (!wanted || format != 1) return out;
    out.insert(out.end(), {1, kDataTrack, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0});
    set(out, 2, out.size() - 4, 2);
    return out;
}

std::vector<u8> disc_information() {
    std::vector<u8> out(34);
    set(out, 0, 32, 2);
    out[2] = 0x0e;                                           // complete, and so is its last session
    out[3] = out[4] = out[5] = out[6] = 1;                   // first track, sessions, first and last track of the last
    out[7] = 0x20;                                           // unrestricted use
    for (std::size_t i = 16; i < 24; ++i) out[i] = 0xff;
    return out;
}

std::vector<u8> track_information(u32 blocks) {
    std::vector<u8> out(36);
    set(out, 0, 34, 2);
    out[2] = out[3] = 1;
    out[5] = 4;
    out[6] = 1;                                              // data mode 1
    set(out, 24, blocks, 4);
    return out;
}

std::vector<u8> mechanism_status(bool open) {
    std::vector<u8> out(8);
    out[1] = open ? 0x10 : 0;
    out[5] = 1;                                              // changer slots
    return out;
}

std::vector<u8> mode_pages(u8 page, bool changeable, bool loaded, bool dvd, bool open, bool locked) {
    std::vector<u8> out(8);
    out[2] = open ? 0x71 : !loaded ? 0x70 : dvd ? 0x02 : 0x01;   // medium type
    const bool all = page == 0x3f;
    const auto add = [&](u8 code, std::vector<u8> data) {
        if (!all && page != code) return;
        out.push_back(code);
        out.push_back(static_cast<u8>(data.size()));
        if (changeable) data.assign(data.size(), 0);         // nothing can be changed
        out.insert(out.end(), data.begin(), data.end());
    };
    add(0x01, {0, 5, 0, 0, 0, 0});                           // error recovery: five tries
    add(0x0e, {4, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff, 0, 0, 0, 0});   // audio
    // What the drive can: reads CD-R, CD-RW, DVD-ROM; multisession; lock, eject, a tray.
    add(0x2a, {0x0b, 0x00, 0x70, 0x00, static_cast<u8>(0x29 | (locked ? 2 : 0)), 0x00,
               0x10, 0x8a, 0x00, 0x02, 0x02, 0x00, 0x10, 0x8a, 0x00, 0x00, 0x00, 0x00});
    if (out.size() == 8) return {};
    set(out, 0, out.size() - 2, 2);
    return out;
}

std::vector<u8> configuration(u8 which, u16 from, bool loaded, bool dvd) {
    constexpr u8 kCdRom = 0x08, kDvdRom = 0x10;
    const bool cd_now = loaded && !dvd, dvd_now = loaded && dvd;
    std::vector<u8> out(8);
    set(out, 6, cd_now ? kCdRom : dvd_now ? kDvdRom : 0, 2);
    const auto add = [&](u16 code, u8 version, bool persistent, bool current, const std::vector<u8>& data) {
        const bool wanted = which == 2 ? code == from : code >= from && (which == 0 || current);
        if (wanted) feature(out, code, version, persistent, current, data);
    };
    add(0x0000, 0, true, true, {0, kDvdRom, static_cast<u8>(dvd_now), 0, 0, kCdRom, static_cast<u8>(cd_now), 0});   // profiles
    add(0x0001, 0, true, true, {0, 0, 0, 2});                // core: ATAPI
    add(0x0002, 0, true, true, {0, 0, 0, 0});                // morphing: only when asked
    add(0x0003, 0, true, true, {0x29, 0, 0, 0});   // removable: tray, eject, lock
    add(0x0010, 0, false, loaded, {0, 0, 8, 0, 0, 16, 0, 0});   // random readable: 2048 bytes a block
    add(0x001e, 0, false, cd_now, {});                       // CD read
    add(0x001f, 0, false, dvd_now, {});                      // DVD read
    set(out, 0, out.size() - 4, 4);
    return out;
}

std::vector<u8> event_status(bool media, u8 event, bool loaded, bool open) {
    constexpr u8 kMediaClass = 4, kSupported = 1 << kMediaClass, kNone = 0x80;
    if (!media) return {0, 2, kNone, kSupported};
    return {0, 6, kMediaClass, kSupported, event, static_cast<u8>((loaded ? 2 : 0) | (open ? 1 : 0)), 0, 0};
}

}  // namespace vmm::mmc
