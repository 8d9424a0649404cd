// SPDX-License-Identifier: Apache-2.0
// DiskQueue: stands in front of every disk and makes the host's time invisible. A request is submitted with a due time in
// guest time; at that time the drive takes its result. If the host is not ready by then, the machine waits for it with guest
// time frozen, within a bound; past that the delivery is late, and comes through the Inbox.
//
// Requests under way are state of the drive, not of the queue: after loading, a drive calls restart() and submits them again.
// Machine thread only; completions may come on any. Document: docs/disks.md, "When a request is done".
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "block/image.h"
#include "vmm/disk_journal.h"

namespace vmm {

class Disks;

struct DiskReply {
    DiskError error{};
    std::vector<u8> data{};          // of a read
};

class DiskQueue {
  public:
    DiskQueue(Disks& disks, u8 number, block::OpenImage image, block::ImageConfig config, block::HostIo* io);
    ~DiskQueue();
    DiskQueue(const DiskQueue&) = delete;
    DiskQueue& operator=(const DiskQueue&) = delete;

    u8 number() const { return number_; }
    const block::ImageConfig& config() const { return config_; }
    u64 bytes() const { return node_->size(); }
    bool read_only() const { return node_->read_only(); }
    block::Overlay* overlay() { return overlay_; }
    block::Qcow2Node* qcow2() { return qcow2_; }             // below an overlay, if there is one; null: the image is raw

    // `id` is the drive's, and not under way. `late`: again, after loading; it was found late before.
    void submit(u64 id, block::Op op, u64 offset, u64 length, std::span<const u8> data, bool late = false);
    // At its due time. Nothing: it is late.
    std::optional<DiskReply> take(u64 id);
    // The Inbox says that a late one is there.
    DiskReply take_late(u64 id, DiskError error);
    // The drive does not want it any more. A write is done nevertheless.
    void drop(u64 id);
    void restart();                  // drops all

    // An error for which the machine is to pause (werror=, rerror=); empty: none. try_again() submits again what met it.
    std::string trouble();
    void try_again();

  private:
    struct Slot;
    using SlotRef = std::shared_ptr<Slot>;
    SlotRef find(u64 id);
    void remove(u64 id);
    void start(const SlotRef& slot, block::Request request);
    void completed(const SlotRef& slot, block::Reply reply);
    void make_late(const SlotRef& slot);
    bool pauses(const Slot& slot) const;
    bool may_pause(block::Op op) const;
    std::optional<u32> first_read(const Slot& slot);
    DiskReply reply_of(const SlotRef& slot, DiskError expected);
    bool wait(const SlotRef& slot, u64 ns);
    void post(u64 id, DiskError error);

    Disks& disks_;
    block::HostIo* const io_;        // null: the node answers at once
    const u8 number_;
    const block::ImageConfig config_;
    std::mutex mutex_;               // guards what is in the slots, and trouble_
    std::vector<SlotRef> slots_;
    std::vector<bool> known_;        // sectors whose first read was noted; empty: none
    std::string trouble_;
    block::Overlay* overlay_;
    block::Qcow2Node* qcow2_;
    std::unique_ptr<block::Node> node_;      // goes first: it waits for what is under way
};

// What is in an input that says that a late request is done.
std::string disk_input(u64 id, DiskError error);
std::optional<std::pair<u64, DiskError>> parse_disk_input(std::string_view data);

}  // namespace vmm
