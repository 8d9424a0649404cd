// SPDX-License-Identifier: Apache-2.0
// IdeDrive: what every drive on an IDE cable has: the command block registers, the transfer of data by PIO blocks and by DMA,
// the interrupt, and requests to the disk behind it. What commands do is in ata_disk.h and atapi_cdrom.h.
//
// Time: a request to the disk is done 10 us, and a nanosecond for 8 bytes, after it was made; everything else at once. While a drive is busy
// its registers cannot be written. A command written while data is being transferred ends the transfer.
// Documents: ATA/ATAPI-6 (T13/1410D), sections 7 (registers) and 9 (protocols).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vmm/device.h"
#include "vmm/disk_queue.h"
#include "vmm/types.h"

namespace vmm {

// What a drive asks of the cable it is on.
class IdeCable {
  public:
    virtual ~IdeCable() = default;
    virtual void interrupt_changed() = 0;
    virtual void dma_requested() = 0;          // DMARQ
    virtual void due_changed() = 0;
    virtual GuestTime now() const = 0;
};

namespace ide {
enum Register : u8 { kData, kFeatures, kCount, kLbaLow, kLbaMid, kLbaHigh, kDevice, kCommand };   // kFeatures reads as error, kCommand as status
inline constexpr u8 kBsy = 0x80, kDrdy = 0x40, kDf = 0x20, kDsc = 0x10, kDrq = 0x08, kErr = 0x01;
inline constexpr u8 kAbrt = 0x04, kIdnf = 0x10, kUnc = 0x40, kWp = 0x40;
inline constexpr u8 kDeviceLba = 0x40, kDeviceDev = 0x10;
}  // namespace ide

class IdeDrive {
  public:
    IdeDrive(IdeCable& cable, DiskQueue* queue) : cable_(cable), queue_(queue) {}
    virtual ~IdeDrive() = default;
    IdeDrive(const IdeDrive&) = delete;
    IdeDrive& operator=(const IdeDrive&) = delete;

    // --- registers. Writes reach both drives on a cable; `high`: the previous content (HOB).
    void write(ide::Register reg, u8 value);
    u8 read(ide::Register reg, bool high) const;
    u8 status() const { return t_.status; }
    bool busy() const { return (t_.status & ide::kBsy) != 0; }
    void command(u8 code);
    u16 read_data();
    void write_data(u16 value);
    bool interrupt() const { return t_.interrupt; }
    void clear_interrupt();

    // --- the bus master. Bytes that the drive has for it, and that it wants of it.
    std::span<const u8> dma_offers() const;
    u32 dma_wants() const;
    void dma_taken(u32 bytes);
    void dma_given(std::span<const u8> bytes);

    // --- requests to the disk
    std::optional<GuestTime> due() const;
    void run_due(GuestTime now);
    void came_late(u64 id, DiskError error);
    DiskQueue* queue() const { return queue_; }

    // SRST, and EXECUTE DEVICE DIAGNOSTIC: idle, with the signature of its kind.
    virtual void soft_reset();
    virtual void power_on() = 0;                // RESET#
    virtual void diagnose() { soft_reset(); }
    virtual void serialize(Archive& ar);
    void after_load();

    virtual std::string_view kind() const = 0;

  protected:
    enum class Phase : u8 { Idle, Busy, PioIn, PioOut, DmaIn, DmaOut };

    struct Registers {
        // [0] as written last, [1] as before that.
        std::array<u8, 2> features{}, count{}, lba_low{}, lba_mid{}, lba_high{};
        u8 device = 0;
        friend void serialize(Archive& ar, Registers& r) { VMM_FIELDS(ar, r, features, count, lba_low, lba_mid, lba_high, device); }
    };
    // A request under way.
    struct Pending {
        u64 id = 0;
        block::Op op{};
        u64 offset = 0, length = 0;
        GuestTime due{};
        bool late = false;
        std::vector<u8> data{};                 // of a write
        friend void serialize(Archive& ar, Pending& p) { VMM_FIELDS(ar, p, id, op, offset, length, due, late, data); }
    };
    struct Transport {
        Registers regs{};
        u8 status = 0, error = 0;
        bool interrupt = false;
        Phase phase = Phase::Idle;
        std::vector<u8> buffer{};
        u32 position = 0;                       // in the buffer
        u32 block = 0;                          // bytes that go in one DRQ block
        u32 block_end = 0;                      // where the present one ends
        u64 next_id = 1;
        std::optional<Pending> pending{};
    };

    virtual void execute(u8 code) = 0;
    virtual bool accepts(u8 /*code*/) const { return true; }
    virtual u8 ready_status() const = 0;        // when idle without error
    virtual void signature() = 0;
    virtual void buffer_drained() = 0;          // the host took all of it
    virtual void buffer_filled() = 0;           // the host gave all of it
    virtual void block_starts(u32 /*bytes*/) {} // of PIO
    virtual void host_done(block::Op op, DiskReply reply) = 0;

    // Data to the host, and from it. Without `interrupts` the first block is announced by DRQ alone.
    void pio_in(std::vector<u8> data, u32 block, bool interrupts = true);
    void pio_out(u32 bytes, u32 block, bool interrupts);
    void dma_in(std::vector<u8> data);
    void dma_out(u32 bytes);
    void request(block::Op op, u64 offset, u64 length, std::vector<u8> data = {});
    void drop_pending();
    void go_idle();                             // no transfer, no request, not busy
    void finish(u8 error_register = 0, u8 status_bits = 0);   // the command is over, with an interrupt
    void raise_interrupt();

    Transport t_;

  private:
    void start_block(bool interrupts);
    void block_done();
    IdeCable& cable_;
    DiskQueue* const queue_;
};

}  // namespace vmm
