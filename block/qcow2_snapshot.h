// SPDX-License-Identifier: Apache-2.0
// The snapshots inside a qcow2 image: listed, made, their machine state read, applied, deleted.
//
// A snapshot of a machine has its state in the image as well (vm_state bytes, behind the disk's end), and the icount it was
// taken at, in bytes 56 to 63 of the extra data as QEMU has it there. A snapshot may hold another disk than the image does
// (what an overlay has); the image stays as it is then. Done: all of that, in images of QEMU's too.
// An order of writing as in block/qcow2_image.h: a crash leaves leaks, or flags that `check -r all` puts right, and no wrong data.
// How a machine that runs uses it, with DiskQueue::qcow2():
//
//     Result<void> done;
//     node->alone([&](Qcow2Image& image) {
//         done = Qcow2Snapshots(image).create({.name = "before", .icount = 5}, {.vm_state = state});
//     });
//
// Document: qcow2.txt, "Snapshots".
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "block/qcow2_image.h"

namespace vmm::block {

struct Qcow2Snapshot {
    u64 l1_offset = 0;
    u32 l1_entries = 0;
    std::string id{}, name{};
    u32 date_seconds = 0, date_nanoseconds = 0;
    u64 vm_clock_ns = 0;
    u64 vm_state_bytes = 0;
    u64 disk_bytes = 0;
    u64 icount = ~u64{0};            // all ones: none
    std::vector<u8> more{};          // extra data nobody here knows
};

// The table of an image, and how many bytes it has. `path` is for the error.
Result<std::vector<Qcow2Snapshot>> read_snapshots(const ImageFile& file, const Qcow2Header& header, u64* table_bytes = nullptr);

struct Qcow2SnapshotContent {
    std::span<const u8> vm_state{};
    // Sectors of the disk that are other in the snapshot than in the image: calls `put` for each stretch, and gives the first
    // error it answers, or 0. Empty: there are none. What is behind the disk's end is left out.
    using Put = std::function<int(u64 at, std::span<const u8> bytes)>;
    std::function<int(const Put& put)> changes{};
};

// Lists and reads of any image; all else of one that is open to be written. After an error the image may have clusters nobody
// refers to, nothing worse. A snapshot is named by its id, or else by its name.
class Qcow2Snapshots {
  public:
    explicit Qcow2Snapshots(Qcow2Image& image) : image_(image) {}

    Result<std::vector<Qcow2Snapshot>> list() const;
    Result<Qcow2Snapshot> get(const std::string& id_or_name) const;
    // `snapshot`: name, dates, vm_clock_ns and icount; the rest is found here. The same name may be there already.
    Result<void> create(Qcow2Snapshot snapshot, const Qcow2SnapshotContent& content = {});
    Result<void> read_state(const std::string& id_or_name, u64 at, std::span<u8> out) const;   // inside vm_state_bytes
    Result<void> show(const std::string& id_or_name);        // an image open to be read gives the snapshot's disk from now on
    Result<void> apply(const std::string& id_or_name);       // the disk is what it was then; so is its size
    Result<void> remove(const std::string& id_or_name);

    Result<void> resize(u64 bytes);                          // of the disk; smaller ones lose what is behind, larger ones have zeros there
    Result<void> set_flags_by_counts();                      // after counts were built anew
    static u64 disk_entries(const Qcow2Header& header, u64 disk_bytes);   // of an L1 table, for a disk of that size

  private:
    Result<void> load();
    Result<std::size_t> find(const std::vector<Qcow2Snapshot>& all, const std::string& id_or_name) const;
    Result<void> fail(int error) const;
    u64 covered() const { return image_.cluster_ * image_.header_.l2_entries(); }   // by an entry of an L1 table
    int write_aside(std::vector<u64>& l1, u64 l1_at, const Qcow2SnapshotContent& content);
    int put_content(const Qcow2SnapshotContent& content);
    int clear_flags();
    int read_aside(u64 at, std::span<u8> out) const;
    int write_zeros(u64 from, u64 end);
    int write_table();
    int read_l1(const Qcow2Snapshot& snapshot, std::vector<u64>& l1) const;
    int refer(const std::vector<u64>& l1, int delta);        // to L2 tables, and all they refer to
    int refer_all(const std::vector<u64>& l1, int delta, std::vector<u64>& counted);
    int set_flags();                                         // of the active tables, by the counts
    int write_l1(const std::vector<u64>& l1, u64& offset);   // to new clusters
    int replace_l1(std::vector<u64> l1, u64 disk_bytes);

    Qcow2Image& image_;
    std::vector<Qcow2Snapshot> all_;
    u64 table_bytes_ = 0;
};

}  // namespace vmm::block
