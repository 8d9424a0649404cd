// SPDX-License-Identifier: Apache-2.0
#include "devices/atapi_cdrom.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "devices/ata_identity.h"
#include "devices/mmc_answers.h"

namespace vmm {
namespace {

constexpr u32 kPioChunk = 64, kDmaChunk = 1024;            // blocks asked of the host at once

// The interrupt reason, in the count register.
constexpr u8 kCommandOrData = 1, kToHost = 2;              // C/D, I/O

constexpr u8 kNotReady = 2, kMediumError = 3, kIllegalRequest = 5, kUnitAttention = 6;

constexpr u8 kEventNewMedia = 2, kEventRemoval = 3;

}  // namespace

using namespace ide;

AtapiCdrom::AtapiCdrom(IdeCable& cable, DiskQueue* queue, std::string serial) : IdeDrive(cable, queue), serial_(std::move(serial)) {}

u32 AtapiCdrom::blocks() const {
    if (!loaded()) return 0;
    return static_cast<u32>(std::min<u64>((queue()->bytes() + kBlock - 1) / kBlock, std::numeric_limits<u32>::max()));
}

bool AtapiCdrom::is_dvd() const { return blocks() > mmc::kLargestCd; }

void AtapiCdrom::power_on() {
    drop_pending();
    s_ = {};
    s_.attention = {kUnitAttention, 0x29, 0x00};           // power on, or reset
    if (queue() != nullptr) s_.event = kEventNewMedia;
    t_ = {.next_id = t_.next_id};
    soft_reset();
}

void AtapiCdrom::soft_reset() {
    s_.job = Job::None;
    s_.spoken_to = false;
    IdeDrive::soft_reset();
}

void AtapiCdrom::signature() {
    t_.regs = {.count = {1, 0}, .lba_low = {1, 0}, .lba_mid = {0x14, 0}, .lba_high = {0xeb, 0}};
}

// DEVICE RESET is for a drive that hangs.
bool AtapiCdrom::accepts(u8 code) const { return !busy() || code == 0x08; }

void AtapiCdrom::execute(u8 code) {
    s_.job = Job::None;
    switch (code) {
        case 0x08:                                                           // DEVICE RESET: no interrupt
            soft_reset();
            return;
        case 0x90:
            soft_reset();
            return raise_interrupt();
        case 0xa0:                                                           // PACKET
            s_.spoken_to = true;
            s_.dma = (t_.regs.features[0] & 1) != 0;
            s_.limit = t_.regs.lba_mid[0] | u32{t_.regs.lba_high[0]} << 8;
            if (s_.limit == 0xffff) s_.limit = 0xfffe;
            if (s_.limit == 0) s_.limit = 0xfffe;
            s_.limit = std::max(s_.limit & ~1u, 2u);
            s_.job = Job::Packet;
            return pio_out(kPacket, kPacket, false);
        case 0xa1:                                                           // IDENTIFY PACKET DEVICE
            s_.spoken_to = true;
            s_.job = Job::Identify;
            return pio_in(ata::identify_cdrom(serial_, s_.mode), 512);
        case 0x20: case 0xec:                                                // READ SECTORS, IDENTIFY DEVICE: who asks learns what this is
            signature();
            return finish(kAbrt);
        case 0xe1: case 0xe0: case 0xe3: case 0xe2:
            return finish();
        case 0xe5:
            t_.regs.count[0] = 0xff;
            return finish();
        case 0xef: return set_features();
        default: return finish(kAbrt);
    }
}

void AtapiCdrom::set_features() {
    const u8 count = t_.regs.count[0];
    if (t_.regs.features[0] != 0x03) return finish(t_.regs.features[0] == 0x66 || t_.regs.features[0] == 0xcc ? 0 : kAbrt);
    const unsigned family = count >> 3, mode = count & 7;
    const bool dma = (family == 4 || family == 8) && mode <= 2;
    if (!dma && !(family == 0 && count <= 1) && !(family == 1 && mode <= 4)) return finish(kAbrt);
    if (dma) s_.mode = count;
    finish();
}

// --- the packet protocol -------------------------------------------------------------------------------------------------------------

// Called for each DRQ block: how much, and which way.
void AtapiCdrom::block_starts(u32 bytes) {
    if (s_.job == Job::Identify) return;
    t_.regs.count[0] = s_.job == Job::Packet ? kCommandOrData : kToHost;
    if (s_.job == Job::Packet) return;
    t_.regs.lba_mid[0] = static_cast<u8>(bytes);
    t_.regs.lba_high[0] = static_cast<u8>(bytes >> 8);
}

void AtapiCdrom::buffer_filled() {
    std::copy_n(t_.buffer.begin(), kPacket, s_.packet.begin());
    perform();
}

void AtapiCdrom::buffer_drained() {
    if (s_.job == Job::Identify) {
        s_.job = Job::None;
        return go_idle();
    }
    if (s_.job != Job::Read) return good();
    s_.lba += s_.chunk;
    s_.left -= std::exchange(s_.chunk, 0);
    next_chunk();
}

void AtapiCdrom::good() {
    s_.job = Job::None;
    s_.sense = {};
    t_.regs.count[0] = kCommandOrData | kToHost;
    finish();
}

void AtapiCdrom::fail(Sense sense) {
    s_.job = Job::None;
    s_.sense = sense;
    t_.regs.count[0] = kCommandOrData | kToHost;
    finish(static_cast<u8>(sense.key << 4 | (sense.key == kIllegalRequest ? kAbrt : 0)), kErr);
}

// Data that the drive has at hand, cut to what the packet allows.
void AtapiCdrom::answer(std::vector<u8> data, u32 allowed) {
    if (data.size() > allowed) data.resize(allowed);
    if (data.empty()) return good();
    s_.job = Job::Answer;
    if (s_.dma) dma_in(std::move(data));
    else pio_in(std::move(data), s_.limit);
}

void AtapiCdrom::read(u64 lba, u64 count) {
    if (lba > blocks() || count > blocks() - lba) return fail({kIllegalRequest, 0x21, 0x00});   // address out of range
    s_.lba = static_cast<u32>(lba);
    s_.left = static_cast<u32>(count);
    next_chunk();
}

void AtapiCdrom::next_chunk() {
    if (s_.left == 0) return good();
    s_.job = Job::Read;
    s_.chunk = std::min(s_.left, s_.dma ? kDmaChunk : kPioChunk);
    const u64 offset = u64{s_.lba} * kBlock;
    request(block::Op::Read, offset, std::min(u64{s_.chunk} * kBlock, queue()->bytes() - offset));   // the image may end within a block
}

void AtapiCdrom::host_done(block::Op, DiskReply reply) {
    if (reply.error != DiskError::None) return fail({kMediumError, 0x11, 0x00});      // unrecovered read error
    reply.data.resize(std::size_t{s_.chunk} * kBlock);
    if (s_.dma) dma_in(std::move(reply.data));
    else pio_in(std::move(reply.data), s_.limit);
}

// --- packets --------------------------------------------------------------------------------------------------------------------------

void AtapiCdrom::perform() {
    const u8 code = s_.packet[0];
    const bool tells_state = code == 0x03 || code == 0x12 || code == 0x46 || code == 0x4a;   // these come through an attention
    if (s_.attention.key != 0 && !tells_state) return fail(std::exchange(s_.attention, {}));
    const bool needs_disc = code == 0x00 || code == 0x25 || code == 0x28 || code == 0xa8 || code == 0xbe || code == 0x2b || code == 0x43 ||
                            code == 0x51 || code == 0x52 || code == 0x42;
    if (needs_disc && !loaded()) return fail({kNotReady, 0x3a, static_cast<u8>(s_.tray_open ? 2 : 1)});   // medium not present
    switch (code) {
        case 0x00: return good();                                            // TEST UNIT READY
        case 0x03: {                                                         // REQUEST SENSE
            Sense sense = s_.sense;
            if (s_.attention.key != 0) sense = std::exchange(s_.attention, {});
            s_.sense = {};
            return answer(mmc::sense_data(sense.key, sense.asc, sense.ascq), s_.packet[4]);
        }
        case 0x12:                                                           // INQUIRY
            if ((s_.packet[1] & 3) != 0 || s_.packet[2] != 0) return fail({kIllegalRequest, 0x24, 0x00});
            return answer(mmc::inquiry(), s_.packet[4]);
        case 0x1b: return start_stop();
        case 0x1e:                                                           // PREVENT ALLOW MEDIUM REMOVAL
            s_.locked = (s_.packet[4] & 1) != 0;
            return good();
        case 0x25: return answer(mmc::capacity(blocks()), 8);                // READ CAPACITY
        case 0x28: return read(dword(2), word(7));                           // READ (10)
        case 0xa8: return read(dword(2), dword(6));                          // READ (12)
        case 0xbe: return read_cd();
        case 0x2b:                                                           // SEEK
            if (dword(2) >= blocks()) return fail({kIllegalRequest, 0x21, 0x00});
            return good();
        case 0x42: return answer(mmc::sub_channel((s_.packet[2] & 0x40) != 0, s_.packet[3]), word(7));
        case 0x43: return read_toc();
        case 0x46: return get_configuration();
        case 0x4a: return get_event_status();
        case 0x51: return answer(mmc::disc_information(), word(7));
        case 0x52: return answer(mmc::track_information(blocks()), word(7));
        case 0x5a: return mode_sense();
        case 0xbb: return good();                                            // SET CD SPEED
        case 0xbd: return answer(mmc::mechanism_status(s_.tray_open), word(8));
        default: return fail({kIllegalRequest, 0x20, 0x00});                 // invalid operation code
    }
}

void AtapiCdrom::start_stop() {
    const bool eject = (s_.packet[4] & 2) != 0, start = (s_.packet[4] & 1) != 0;
    if (eject && !start) {
        if (s_.locked) return fail({kIllegalRequest, 0x53, 0x02});           // medium removal prevented
        if (!s_.tray_open && queue() != nullptr) s_.event = kEventRemoval;
        s_.tray_open = true;
    } else if (eject && s_.tray_open) {
        s_.tray_open = false;
        if (queue() != nullptr) {
            s_.event = kEventNewMedia;
            s_.attention = {kUnitAttention, 0x28, 0x00};                     // the medium may have changed
        }
    }
    good();
}

void AtapiCdrom::read_cd() {
    const u32 count = u32{s_.packet[6]} << 16 | word(7);
    const u8 what = s_.packet[9] & 0xf8;
    const u8 type = s_.packet[1] >> 2 & 7;
    if (what == 0 || count == 0) return good();
    // User data of data sectors; these have no other kind.
    if (what != 0x10 || (type != 0 && type != 2)) return fail({kIllegalRequest, 0x24, 0x00});
    read(dword(2), count);
}

void AtapiCdrom::read_toc() {
    const bool msf = (s_.packet[1] & 2) != 0;
    u8 format = s_.packet[2] & 0xf;
    if (format == 0) format = s_.packet[9] >> 6;
    const auto toc = mmc::toc(format, msf, s_.packet[6], blocks());
    if (toc.empty()) return fail({kIllegalRequest, 0x24, 0x00});
    answer(toc, word(7));
}

void AtapiCdrom::mode_sense() {
    if (s_.packet[2] >> 6 == 3) return fail({kIllegalRequest, 0x39, 0x00});  // saved values: there are none
    const auto pages = mmc::mode_pages(s_.packet[2] & 0x3f, s_.packet[2] >> 6 == 1, loaded(), is_dvd(), s_.tray_open, s_.locked);
    if (pages.empty()) return fail({kIllegalRequest, 0x24, 0x00});
    answer(pages, word(7));
}

void AtapiCdrom::get_configuration() {
    const u8 which = s_.packet[1] & 3;
    if (which == 3) return fail({kIllegalRequest, 0x24, 0x00});
    answer(mmc::configuration(which, static_cast<u16>(word(2)), loaded(), is_dvd()), word(7));
}

void AtapiCdrom::get_event_status() {
    if ((s_.packet[1] & 1) == 0) return fail({kIllegalRequest, 0x24, 0x00}); // only when asked, never by itself
    const bool media = (s_.packet[4] & 0x10) != 0;
    answer(mmc::event_status(media, s_.event, loaded(), s_.tray_open), word(7));
    if (media && word(7) > 4) s_.event = 0;
}

void AtapiCdrom::serialize(Archive& ar) {
    IdeDrive::serialize(ar);
    VMM_FIELDS(ar, s_, spoken_to, tray_open, locked, sense, attention, event, mode, job, packet, dma, limit, lba, left, chunk);
    if (!ar.loading()) return;
    // Nothing that a guest can bring about; from a spoilt state.
    s_.limit = std::clamp(s_.limit & ~1u, 2u, 0xfffeu);
    s_.chunk = std::min(s_.chunk, kDmaChunk);
    s_.left = std::max(s_.left, s_.chunk);
    if (s_.job == Job::Read && (u64{s_.lba} + s_.left > blocks())) s_.job = Job::None;
}

}  // namespace vmm
