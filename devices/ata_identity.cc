// SPDX-License-Identifier: Apache-2.0
#include "devices/ata_identity.h"

#include <algorithm>
#include <numeric>

namespace vmm::ata {
namespace {

constexpr u16 kDmaModes = 0x07, kUltraModes = 0x3f, kUltraModesCdrom = 0x07;
constexpr std::string_view kFirmware = "1.0";

class Words {
  public:
    u16& operator[](unsigned n) { return w_[n]; }
    // Two characters a word, the first in the high byte.
    void text(unsigned from, unsigned words, std::string_view text) {
        for (unsigned i = 0; i < words; ++i) {
            const auto c = [&](std::size_t at) { return static_cast<u8>(at < text.size() ? text[at] : ' '); };
            w_[from + i] = static_cast<u16>(c(2 * i) << 8 | c(2 * i + 1));
        }
    }
    void number(unsigned at, u64 value, unsigned words) {
        for (unsigned i = 0; i < words; ++i) w_[at + i] = static_cast<u16>(value >> (16 * i));
    }
    std::vector<u8> take() {
        w_[255] = 0x00a5;                    // the high byte makes the sum of all bytes 0
        std::vector<u8> out;
        for (const u16 w : w_) {
            out.push_back(static_cast<u8>(w));
            out.push_back(static_cast<u8>(w >> 8));
        }
        out[511] = static_cast<u8>(-std::accumulate(out.begin(), out.end(), 0));
        return out;
    }

  private:
    std::array<u16, 256> w_{};
};

void modes(Words& w, u8 mode, u16 ultra) {
    w[53] = 0x0007;                          // words 54-58, 64-70 and 88 are valid
    w[63] = static_cast<u16>(kDmaModes | ((mode >> 3) == 4 ? 0x100 << (mode & 7) : 0));
    w[64] = 0x0003;                          // PIO 3 and 4
    for (const unsigned n : {65u, 66u, 67u, 68u}) w[n] = 120;   // ns
    w[88] = static_cast<u16>(ultra | ((mode >> 3) == 8 ? 0x100 << (mode & 7) : 0));
}

std::vector<u8> with_checksum(std::vector<u8> sector) {
    sector[511] = static_cast<u8>(-std::accumulate(sector.begin(), sector.end() - 1, 0));
    return sector;
}

}  // namespace

std::vector<u8> identify_disk(const DiskIdentity& d) {
    Words w;
    w[0] = 0x0040;                           // ATA, not removable
    w[1] = static_cast<u16>(d.geometry.cylinders);
    w[3] = static_cast<u16>(d.geometry.heads);
    w[6] = static_cast<u16>(d.geometry.sectors);
    w.text(10, 10, d.serial);
    w.text(23, 4, kFirmware);
    w.text(27, 20, "VMM HARDDISK");
    w[47] = static_cast<u16>(0x8000 | d.max_multiple);
    w[49] = 0x2b00;                          // standby timer as in the standard, IORDY, LBA, DMA
    w[50] = 0x4000;
    w[51] = 0x0200;
    modes(w, d.mode, kUltraModes);
    const u64 track = u64{d.heads} * d.sectors_per_track, cylinders = std::min<u64>(d.sectors / track, 65535);
    w[54] = static_cast<u16>(cylinders);
    w[55] = static_cast<u16>(d.heads);
    w[56] = static_cast<u16>(d.sectors_per_track);
    w.number(57, cylinders * track, 2);
    if (d.multiple != 0) w[59] = static_cast<u16>(0x0100 | d.multiple);
    w.number(60, std::min<u64>(d.sectors, 0x0fff'ffff), 2);
    w[80] = 0x007e;                          // ATA-1 to ATA/ATAPI-6
    // SMART, power management, write cache, look-ahead, WRITE BUFFER, READ BUFFER.
    const u16 always = 1 << 3 | 1 << 12 | 1 << 13;
    w[82] = always | 1 << 0 | 1 << 5 | 1 << 6;
    w[83] = 0x4000 | 1 << 10 | 1 << 12 | 1 << 13;    // 48-bit addresses, FLUSH CACHE, FLUSH CACHE EXT
    w[84] = 0x4000;
    w[85] = static_cast<u16>(always | (d.smart ? 1 << 0 : 0) | (d.write_cache ? 1 << 5 : 0) | (d.look_ahead ? 1 << 6 : 0));
    w[86] = 1 << 10 | 1 << 12 | 1 << 13;
    w[87] = 0x4000;
    w[93] = 0x6001;                          // 80 wires, and the answer to a hardware reset
    w.number(100, d.sectors, 4);
    return w.take();
}

std::vector<u8> identify_cdrom(std::string_view serial, u8 mode) {
    Words w;
    w[0] = 0x85c0;                           // ATAPI, CD-ROM, removable, DRQ within 50 us, packets of 12 bytes
    w.text(10, 10, serial);
    w.text(23, 4, kFirmware);
    w.text(27, 20, "VMM DVD-ROM");
    w[49] = 0x0b00;                          // IORDY, LBA, DMA
    w[50] = 0x4000;
    modes(w, mode, kUltraModesCdrom);
    w[53] = 0x0006;
    w[80] = 0x007e;
    w[82] = 1 << 4 | 1 << 9;                 // PACKET, DEVICE RESET
    w[83] = 0x4000;
    w[84] = 0x4000;
    w[85] = 1 << 4 | 1 << 9;
    w[87] = 0x4000;
    w[93] = 0x6001;
    return w.take();
}

std::vector<u8> smart_data() {
    struct Attribute {
        u8 id;
        u16 flags;
        u8 value, worst;
        u64 raw;
    };
    static constexpr Attribute kAttributes[] = {
        {1, 0x0003, 100, 100, 0},            // read errors
        {3, 0x0003, 100, 100, 0},            // spin-up time
        {5, 0x0003, 100, 100, 0},            // reallocated sectors
        {9, 0x0002, 100, 100, 1},            // hours
        {194, 0x0002, 70, 70, 30},           // degrees Celsius
    };
    std::vector<u8> out(512);
    out[0] = 16;                             // structure revision
    std::size_t at = 2;
    for (const Attribute& a : kAttributes) {
        out[at] = a.id;
        out[at + 1] = static_cast<u8>(a.flags);
        out[at + 3] = a.value;
        out[at + 4] = a.worst;
        for (unsigned i = 0; i < 6; ++i) out[at + 5 + i] = static_cast<u8>(a.raw >> (8 * i));
        at += 12;
    }
    out[362] = 0x02;                         // off-line collection done
    out[364] = 1;                            // seconds it takes
    out[367] = 0x19;                         // immediate off-line, and self-tests
    out[368] = 0x03;
    out[370] = 0x01;                         // error logging
    out[372] = out[373] = 1;                 // minutes that self-tests take
    return with_checksum(std::move(out));
}

std::vector<u8> smart_thresholds() {
    std::vector<u8> out(512);
    out[0] = 16;
    std::size_t at = 2;
    for (const u8 id : std::initializer_list<u8>{1, 3, 5, 9, 194}) {
        out[at] = id;
        out[at + 1] = id == 5 ? 36 : id < 4 ? 6 : 0;
        at += 12;
    }
    return with_checksum(std::move(out));
}

std::vector<u8> smart_log(u8 address) {
    std::vector<u8> out(512);
    switch (address) {
        case 0x00:                           // directory
            out[0] = 1;
            out[2 * 1] = out[2 * 6] = 1;
            return out;
        case 0x01: case 0x06:                // errors, self-tests: none
            out[0] = 1;
            return with_checksum(std::move(out));
        default: return {};
    }
}

}  // namespace vmm::ata
