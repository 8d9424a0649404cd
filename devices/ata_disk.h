// SPDX-License-Identifier: Apache-2.0
// AtaDisk: an ATA hard disk.
//
// Done: READ and WRITE SECTORS, MULTIPLE and DMA with CHS, 28-bit and 48-bit addresses, READ VERIFY, FLUSH CACHE, SET FEATURES,
// SET MULTIPLE, INITIALIZE DEVICE PARAMETERS, IDENTIFY, READ NATIVE MAX, READ/WRITE BUFFER, power modes, SMART (a disk in good
// health), and errors: ABRT, IDNF, UNC. A disk that may not be written aborts writes with WP. Missing: HPA (SET MAX), security,
// TRIM, queued commands, standby timer (a disk never stops by itself), error log in SMART.
// A command that goes beyond the end transfers nothing. After an error the address registers hold the first sector of the
// request that failed.
// Time: devices/ide_drive.h; spinning up takes none.
// Document: ATA/ATAPI-6 (T13/1410D), section 8 (commands).
#pragma once

#include "devices/ide_drive.h"

namespace vmm {

struct DiskGeometry {
    u32 cylinders, heads, sectors;
};
// As firmware without better knowledge takes it: 16 heads of 63 sectors.
DiskGeometry default_geometry(u64 sectors);

class AtaDisk final : public IdeDrive {
  public:
    AtaDisk(IdeCable& cable, DiskQueue& queue, std::string serial, bool read_only);

    u64 sectors() const { return sectors_; }
    std::string_view kind() const override { return "disk"; }
    void power_on() override;
    void soft_reset() override;
    void serialize(Archive& ar) override;

  protected:
    void execute(u8 code) override;
    bool accepts(u8 code) const override;
    u8 ready_status() const override { return ide::kDrdy | ide::kDsc; }
    void signature() override;
    void buffer_drained() override;
    void buffer_filled() override;
    void host_done(block::Op op, DiskReply reply) override;

  private:
    enum class Job : u8 { None, Read, Write, Verify, Flush, Data, BufferWrite };   // Data: of the drive's own, to the host
    enum class Power : u8 { Active, Idle, Standby, Sleep };
    struct State {
        u32 heads = 16, sectors_per_track = 63;      // of CHS addresses
        u8 multiple = 0;                             // sectors a block; 0: not set
        u8 mode = 0x02;                              // DMA: 0x40 | UDMA mode, 0x20 | multiword mode
        bool write_cache = true, look_ahead = true, smart = true;
        Power power = Power::Active;
        Job job = Job::None;
        bool dma = false, extended = false, multiple_command = false;
        u64 lba = 0;                                 // the next sector
        u32 left = 0;                                // sectors
        u32 chunk = 0;                               // sectors under way
        std::array<u8, 512> scratch{};               // READ and WRITE BUFFER
    };

    void abort() { finish(ide::kAbrt); }
    bool take_address(bool extended);
    void start(Job job, bool dma, bool extended, bool multiple);
    void next_chunk(bool first);
    void set_address(u64 lba);
    void done();
    void fail(DiskError error);
    void give(std::vector<u8> data);
    std::vector<u8> identify() const;
    void set_features();
    void smart();
    u32 block_bytes() const;

    const u64 sectors_;
    const std::string serial_;
    const bool read_only_;
    State s_;
};

}  // namespace vmm
