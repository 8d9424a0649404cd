// SPDX-License-Identifier: Apache-2.0
#include "devices/ata_disk.h"

#include <algorithm>
#include <utility>

#include "devices/ata_identity.h"

namespace vmm {
namespace {

constexpr u32 kSectorBytes = 512;
constexpr u32 kPioChunk = 256, kDmaChunk = 4096;         // sectors asked of the host at once
constexpr u8 kMaxMultiple = 16;
constexpr u64 kMax28 = u64{1} << 28;

constexpr u8 kSmartKeyMid = 0x4f, kSmartKeyHigh = 0xc2;

}  // namespace

using namespace ide;

DiskGeometry default_geometry(u64 sectors) {
    return {static_cast<u32>(std::clamp<u64>(sectors / (16 * 63), 1, 16383)), 16, 63};
}

AtaDisk::AtaDisk(IdeCable& cable, DiskQueue& queue, std::string serial, bool read_only)
    : IdeDrive(cable, &queue), sectors_(queue.bytes() / kSectorBytes), serial_(std::move(serial)), read_only_(read_only || queue.read_only()) {}

void AtaDisk::power_on() {
    drop_pending();
    s_ = {};
    t_ = {.next_id = t_.next_id};
    soft_reset();
}

void AtaDisk::soft_reset() {
    s_.job = Job::None;
    s_.power = Power::Active;
    IdeDrive::soft_reset();
}

void AtaDisk::signature() {
    t_.regs = {.count = {1, 0}, .lba_low = {1, 0}};
}

// Asleep it hears resets only.
bool AtaDisk::accepts(u8) const { return !busy() && s_.power != Power::Sleep; }

// --- addresses ------------------------------------------------------------------------------------------------------------------

// Where and how much, from the registers. False: there is no such sector, and the command is over.
bool AtaDisk::take_address(bool extended) {
    const Registers& r = t_.regs;
    const auto low = [](const std::array<u8, 2>& reg) { return u64{reg[0]}; };
    const auto high = [](const std::array<u8, 2>& reg) { return u64{reg[1]}; };
    bool valid = true;
    if (extended) {
        s_.lba = low(r.lba_low) | low(r.lba_mid) << 8 | low(r.lba_high) << 16 | high(r.lba_low) << 24 | high(r.lba_mid) << 32 | high(r.lba_high) << 40;
        s_.left = static_cast<u32>(low(r.count) | high(r.count) << 8);
        if (s_.left == 0) s_.left = 0x1'0000;
    } else {
        s_.left = r.count[0] == 0 ? 256 : r.count[0];
        if ((r.device & kDeviceLba) != 0) {
            s_.lba = low(r.lba_low) | low(r.lba_mid) << 8 | low(r.lba_high) << 16 | u64{r.device & 0xfu} << 24;
        } else {
            const u64 cylinder = low(r.lba_mid) | low(r.lba_high) << 8, head = r.device & 0xfu;
            valid = r.lba_low[0] != 0 && r.lba_low[0] <= s_.sectors_per_track && head < s_.heads;
            s_.lba = (cylinder * s_.heads + head) * s_.sectors_per_track + r.lba_low[0] - 1u;
        }
    }
    s_.extended = extended;
    if (valid && s_.lba < sectors_ && s_.left <= sectors_ - s_.lba) return true;
    if (valid && s_.lba < sectors_) set_address(sectors_);
    finish(kIdnf);
    return false;
}

void AtaDisk::set_address(u64 lba) {
    Registers& r = t_.regs;
    const auto byte = [lba](unsigned n) { return static_cast<u8>(lba >> (8 * n)); };
    if (s_.extended) {
        r.lba_low = {byte(0), byte(3)};
        r.lba_mid = {byte(1), byte(4)};
        r.lba_high = {byte(2), byte(5)};
    } else if ((r.device & kDeviceLba) != 0) {
        r.lba_low[0] = byte(0);
        r.lba_mid[0] = byte(1);
        r.lba_high[0] = byte(2);
        r.device = static_cast<u8>((r.device & 0xf0) | (byte(3) & 0xf));
    } else {
        const u64 track = lba / s_.sectors_per_track, cylinder = track / s_.heads;
        r.lba_low[0] = static_cast<u8>(lba % s_.sectors_per_track + 1);
        r.lba_mid[0] = static_cast<u8>(cylinder);
        r.lba_high[0] = static_cast<u8>(cylinder >> 8);
        r.device = static_cast<u8>((r.device & 0xf0) | (track % s_.heads & 0xf));
    }
}

// --- reading and writing ------------------------------------------------------------------------------------------------------------

u32 AtaDisk::block_bytes() const { return kSectorBytes * (s_.multiple_command ? s_.multiple : 1); }

void AtaDisk::start(Job job, bool dma, bool extended, bool multiple) {
    if (multiple && s_.multiple == 0) return abort();
    if (!take_address(extended)) return;
    s_.power = Power::Active;
    if (job == Job::Write && read_only_) return finish(kAbrt | kWp);
    s_.job = job;
    s_.dma = dma;
    s_.multiple_command = multiple;
    next_chunk(true);
}

void AtaDisk::next_chunk(bool first) {
    if (s_.left == 0) return done();
    s_.chunk = std::min(s_.left, s_.dma ? kDmaChunk : kPioChunk);
    const u32 bytes = s_.chunk * kSectorBytes;
    if (s_.job != Job::Write) return request(block::Op::Read, s_.lba * kSectorBytes, bytes);
    if (s_.dma) dma_out(bytes);
    else pio_out(bytes, block_bytes(), !first);
}

void AtaDisk::buffer_filled() {
    if (s_.job == Job::BufferWrite) {
        std::copy(t_.buffer.begin(), t_.buffer.end(), s_.scratch.begin());
        return done();
    }
    std::vector<u8> data = std::move(t_.buffer);
    t_.buffer.clear();
    const u64 length = data.size();
    request(block::Op::Write, s_.lba * kSectorBytes, length, std::move(data));
}

void AtaDisk::host_done(block::Op op, DiskReply reply) {
    if (reply.error != DiskError::None) return fail(reply.error);
    if (op == block::Op::Flush) return done();
    if (op == block::Op::Read && s_.job == Job::Read) {
        reply.data.resize(std::size_t{s_.chunk} * kSectorBytes);
        if (s_.dma) dma_in(std::move(reply.data));
        else pio_in(std::move(reply.data), block_bytes());
        return;
    }
    s_.lba += s_.chunk;
    s_.left -= std::exchange(s_.chunk, 0);
    next_chunk(false);
}

void AtaDisk::buffer_drained() {
    if (s_.job == Job::Data) {
        s_.job = Job::None;
        return go_idle();
    }
    s_.lba += s_.chunk;
    s_.left -= std::exchange(s_.chunk, 0);
    if (s_.left != 0) return next_chunk(false);
    if (s_.dma) return done();
    // The host has taken the last block: nothing is left to tell it.
    set_address(s_.lba - 1);
    t_.regs.count = {};
    s_.job = Job::None;
    go_idle();
}

void AtaDisk::done() {
    const bool addressed = s_.job == Job::Read || s_.job == Job::Write || s_.job == Job::Verify;
    if (addressed) {
        set_address(s_.lba - 1);
        t_.regs.count = {};
    }
    s_.job = Job::None;
    finish();
}

void AtaDisk::fail(DiskError error) {
    const bool reading = s_.job == Job::Read || s_.job == Job::Verify;
    if (s_.job != Job::Flush) set_address(s_.lba);
    s_.job = Job::None;
    // What cannot be read is uncorrectable; what cannot be written, a fault of the drive.
    if (reading && error == DiskError::Io) finish(kUnc);
    else finish(kAbrt, kDf);
}

void AtaDisk::give(std::vector<u8> data) {
    s_.job = Job::Data;
    pio_in(std::move(data), kSectorBytes);
}

// --- commands ----------------------------------------------------------------------------------------------------------------------------

void AtaDisk::execute(u8 code) {
    s_.job = Job::None;
    Registers& r = t_.regs;
    switch (code) {
        case 0x20: case 0x21: return start(Job::Read, false, false, false);
        case 0x24: return start(Job::Read, false, true, false);
        case 0x25: return start(Job::Read, true, true, false);
        case 0x29: return start(Job::Read, false, true, true);
        case 0x30: case 0x31: case 0x3c: return start(Job::Write, false, false, false);
        case 0x34: return start(Job::Write, false, true, false);
        case 0x35: return start(Job::Write, true, true, false);
        case 0x39: return start(Job::Write, false, true, true);
        case 0x40: case 0x41: return start(Job::Verify, true, false, false);
        case 0x42: return start(Job::Verify, true, true, false);
        case 0xc4: return start(Job::Read, false, false, true);
        case 0xc5: return start(Job::Write, false, false, true);
        case 0xc8: case 0xc9: return start(Job::Read, true, false, false);
        case 0xca: case 0xcb: return start(Job::Write, true, false, false);

        case 0xe7: case 0xea:                                                // FLUSH CACHE (EXT)
            s_.job = Job::Flush;
            return request(block::Op::Flush, 0, 0);

        case 0x27: case 0xf8: {                                              // READ NATIVE MAX ADDRESS (EXT)
            s_.extended = code == 0x27;
            r.device |= kDeviceLba;
            set_address(s_.extended ? sectors_ - 1 : std::min(sectors_, kMax28) - 1);
            return finish();
        }
        case 0x70: case 0x71: case 0x72: case 0x73: case 0x74: case 0x75: case 0x76: case 0x77:
        case 0x78: case 0x79: case 0x7a: case 0x7b: case 0x7c: case 0x7d: case 0x7e: case 0x7f:   // SEEK
            s_.extended = false;
            r.count[0] = 1;
            if (take_address(false)) finish();
            return;
        case 0x10: case 0x11: case 0x12: case 0x13: case 0x14: case 0x15: case 0x16: case 0x17:
        case 0x18: case 0x19: case 0x1a: case 0x1b: case 0x1c: case 0x1d: case 0x1e: case 0x1f:   // RECALIBRATE
            return finish();
        case 0x90:                                                           // EXECUTE DEVICE DIAGNOSTIC
            soft_reset();
            return raise_interrupt();
        case 0x91:                                                           // INITIALIZE DEVICE PARAMETERS
            if (r.count[0] == 0) return abort();
            s_.heads = (r.device & 0xfu) + 1;
            s_.sectors_per_track = r.count[0];
            return finish();
        case 0xb0: return smart();
        case 0xc6:                                                           // SET MULTIPLE MODE
            if (r.count[0] > kMaxMultiple || (r.count[0] & (r.count[0] - 1)) != 0) return abort();
            s_.multiple = r.count[0];
            return finish();
        case 0x95: case 0x97: case 0xe1: case 0xe3:                          // IDLE (IMMEDIATE)
            s_.power = Power::Idle;
            return finish();
        case 0x94: case 0x96: case 0xe0: case 0xe2:                          // STANDBY (IMMEDIATE)
            s_.power = Power::Standby;
            return finish();
        case 0x98: case 0xe5:                                                // CHECK POWER MODE
            r.count[0] = s_.power == Power::Standby ? 0x00 : s_.power == Power::Idle ? 0x80 : 0xff;
            return finish();
        case 0x99: case 0xe6:                                                // SLEEP
            s_.power = Power::Sleep;
            return finish();
        case 0xe4: return give({s_.scratch.begin(), s_.scratch.end()});      // READ BUFFER
        case 0xe8:                                                           // WRITE BUFFER
            s_.job = Job::BufferWrite;
            return pio_out(kSectorBytes, kSectorBytes, false);
        case 0xec: return give(identify());
        case 0xef: return set_features();
        default: return abort();
    }
}

void AtaDisk::set_features() {
    const u8 count = t_.regs.count[0];
    switch (t_.regs.features[0]) {
        case 0x02: s_.write_cache = true; break;
        case 0x82: s_.write_cache = false; break;
        case 0x55: s_.look_ahead = false; break;
        case 0xaa: s_.look_ahead = true; break;
        case 0x66: case 0xcc: break;                                         // keep, or drop, settings at a soft reset
        case 0x03:                                                           // transfer mode
            switch (count >> 3) {
                case 0x00: if (count > 1) return abort(); break;             // PIO default
                case 0x01: if ((count & 7) > 4) return abort(); break;       // PIO with flow control
                case 0x04: if ((count & 7) > 2) return abort(); s_.mode = count; break;
                case 0x08: if ((count & 7) > 5) return abort(); s_.mode = count; break;
                default: return abort();
            }
            break;
        default: return abort();
    }
    finish();
}

void AtaDisk::smart() {
    Registers& r = t_.regs;
    if (r.lba_mid[0] != kSmartKeyMid || r.lba_high[0] != kSmartKeyHigh) return abort();
    const u8 what = r.features[0];
    if (!s_.smart && what != 0xd8) return abort();
    switch (what) {
        case 0xd0: return give(ata::smart_data());
        case 0xd1: return give(ata::smart_thresholds());
        case 0xd2: case 0xdb: return finish();                               // autosave, automatic off-line
        case 0xd4: return finish();                                          // off-line tests: done, and passed
        case 0xd5: {
            const auto log = ata::smart_log(r.lba_low[0]);
            return log.empty() ? abort() : give(log);
        }
        case 0xd8: s_.smart = true; return finish();
        case 0xd9: s_.smart = false; return finish();
        case 0xda: return finish();                                          // the key in the registers says: no threshold passed
        default: return abort();
    }
}

std::vector<u8> AtaDisk::identify() const {
    return ata::identify_disk({.sectors = sectors_,
                               .geometry = default_geometry(sectors_),
                               .heads = s_.heads,
                               .sectors_per_track = s_.sectors_per_track,
                               .serial = serial_,
                               .max_multiple = kMaxMultiple,
                               .multiple = s_.multiple,
                               .mode = s_.mode,
                               .write_cache = s_.write_cache,
                               .look_ahead = s_.look_ahead,
                               .smart = s_.smart});
}

void AtaDisk::serialize(Archive& ar) {
    IdeDrive::serialize(ar);
    VMM_FIELDS(ar, s_, heads, sectors_per_track, multiple, mode, write_cache, look_ahead, smart, power, job, dma, extended, multiple_command, lba,
               left, chunk, scratch);
    if (!ar.loading()) return;
    // Nothing that a guest can bring about; from a spoilt state.
    if (s_.heads == 0 || s_.heads > 16) s_.heads = 16;
    if (s_.sectors_per_track == 0 || s_.sectors_per_track > 255) s_.sectors_per_track = 63;
    if (s_.multiple > kMaxMultiple || (s_.multiple_command && s_.multiple == 0)) s_.multiple = kMaxMultiple;
    s_.chunk = std::min(s_.chunk, kDmaChunk);
    s_.left = std::max(s_.left, s_.chunk);
}

}  // namespace vmm
