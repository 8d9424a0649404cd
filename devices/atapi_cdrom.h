// SPDX-License-Identifier: Apache-2.0
// AtapiCdrom: a DVD-ROM drive that speaks MMC through the PACKET command, with one data track of 2048-byte sectors.
//
// Done: PACKET by PIO and DMA; TEST UNIT READY, REQUEST SENSE, INQUIRY, START STOP UNIT (the tray), PREVENT ALLOW, READ
// CAPACITY, READ (10, 12), READ CD (user data), SEEK, READ TOC, READ DISC and TRACK INFORMATION, GET CONFIGURATION, GET EVENT
// STATUS NOTIFICATION, MODE SENSE (10), MECHANISM STATUS, SET CD SPEED, READ SUB-CHANNEL; unit attentions; a drive without a
// disc. Missing: audio, raw sectors, writing, DVD structures, changing the disc from outside.
// Time: devices/ide_drive.h; the tray moves in no time.
// Documents: ATA/ATAPI-6 (T13/1410D), 9.8 (PACKET); MMC-3 (T10/1363-D), section 6; SPC-2 for sense data.
#pragma once

#include "devices/ide_drive.h"

namespace vmm {

class AtapiCdrom final : public IdeDrive {
  public:
    // No queue: no disc.
    AtapiCdrom(IdeCable& cable, DiskQueue* queue, std::string serial);

    std::string_view kind() const override { return "cdrom"; }
    void power_on() override;
    void soft_reset() override;
    void serialize(Archive& ar) override;

  protected:
    void execute(u8 code) override;
    bool accepts(u8 code) const override;
    u8 ready_status() const override { return s_.spoken_to ? ide::kDrdy : 0; }
    void signature() override;
    void buffer_drained() override;
    void buffer_filled() override;
    void block_starts(u32 bytes) override;
    void host_done(block::Op op, DiskReply reply) override;

  private:
    static constexpr u32 kBlock = 2048;
    static constexpr std::size_t kPacket = 12;
    enum class Job : u8 { None, Identify, Packet, Answer, Read };
    struct Sense {
        u8 key = 0, asc = 0, ascq = 0;
        friend void serialize(Archive& ar, Sense& s) { VMM_FIELDS(ar, s, key, asc, ascq); }
    };
    struct State {
        bool spoken_to = false;                  // DRDY is 0 from a reset to the first command
        bool tray_open = false, locked = false;
        Sense sense{};                           // of the last packet that failed
        Sense attention{};                       // to be told before anything else
        u8 event = 0;                            // media event, for GET EVENT STATUS NOTIFICATION
        u8 mode = 0x02;                          // DMA mode, as in SET FEATURES
        Job job = Job::None;
        std::array<u8, kPacket> packet{};
        bool dma = false;                        // of the present packet
        u32 limit = 2;                           // bytes a DRQ block
        u32 lba = 0, left = 0, chunk = 0;        // of a read, in blocks
    };

    bool loaded() const { return queue() != nullptr && !s_.tray_open; }
    u32 blocks() const;
    bool is_dvd() const;

    void perform();
    void good();
    void fail(Sense sense);
    void answer(std::vector<u8> data, u32 allowed);
    void read(u64 lba, u64 count);
    void next_chunk();
    u32 word(unsigned at) const { return u32{s_.packet[at]} << 8 | s_.packet[at + 1]; }
    u32 dword(unsigned at) const { return word(at) << 16 | word(at + 2); }

    void start_stop();
    void read_toc();
    void mode_sense();
    void get_configuration();
    void get_event_status();
    void read_cd();
    void set_features();

    const std::string serial_;
    State s_;
};

}  // namespace vmm
