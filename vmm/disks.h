// SPDX-License-Identifier: Apache-2.0
// Disks: the queues of all disks of a machine, and what they share: host I/O, the journal, how long to wait for the host.
// Machine thread only.
#pragma once

#include "block/overlay.h"
#include "vmm/clock.h"
#include "vmm/disk_queue.h"
#include "vmm/inbox.h"

namespace vmm {

class Disks {
  public:
    static constexpr u64 kPatienceNs = 20'000'000;               // of host time
    static constexpr u64 kForever = ~u64{0};

    Disks(const Clock& clock, Inbox& inbox) : clock_(clock), inbox_(inbox) {}

    // Opens the image. The queue's number is how many there were before.
    Result<DiskQueue*> add(const block::ImageConfig& config);
    // With a node that is there already (tests).
    DiskQueue& add(block::OpenImage image, block::ImageConfig config, block::HostIo* io = nullptr);

    // Null again: the host decides, and nothing is noted.
    void set_journal(DiskJournal* journal) { journal_ = journal != nullptr ? journal : &plain_; }
    void set_patience_ns(u64 ns) { patience_ns_ = ns; }

    // What the disks hold, of those whose writes stay in memory.
    struct Version {
        std::vector<block::Overlay::Version> overlays;
    };
    Version version() const;
    void restore(const Version& version);                        // before the drives' state is loaded
    // The hashes of these contents, as part of the machine's state. Loading: they must be there already, or it fails.
    void serialize(Archive& ar);
    // The contents themselves; loading them comes before the drives' state.
    void serialize_content(Archive& ar);

    // Errors for which the machine is to pause; empty: none.
    std::string trouble() const;
    void try_again();

    const std::vector<std::unique_ptr<DiskQueue>>& queues() const { return queues_; }
    DiskJournal& journal() { return *journal_; }
    Inbox& inbox() { return inbox_; }
    Icount now() const { return clock_.icount(); }
    u64 patience_ns() const { return patience_ns_; }

  private:
    block::HostIo* io_for(block::Aio aio) const;

    const Clock& clock_;
    Inbox& inbox_;
    DiskJournal plain_;
    DiskJournal* journal_ = &plain_;
    u64 patience_ns_ = kPatienceNs;
    std::vector<std::unique_ptr<block::HostIo>> ios_;            // at most one of each way
    std::vector<std::unique_ptr<DiskQueue>> queues_;             // go before what they use
};

}  // namespace vmm
