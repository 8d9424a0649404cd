// SPDX-License-Identifier: Apache-2.0
// Qcow2Node: a qcow2 image as a disk.
//
// What the host has in its page cache is read when submit() returns; all else is done by a thread of the node's own, one
// request after the other, in the order they came. So several requests may be under way, but the host's disk sees one at a time.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "block/host_io.h"
#include "block/node.h"
#include "block/qcow2_image.h"

namespace vmm::block {

class Qcow2Node final : public Node {
  public:
    Qcow2Node(HostIo& io, std::unique_ptr<Qcow2Image> image);
    ~Qcow2Node() override;

    u64 size() const override { return size_; }
    bool read_only() const override { return read_only_; }
    void submit(Request request, Done done) override;

    // For snapshots (block/qcow2_snapshot.h) of an image in use: `f` has it alone, after all that was submitted before. The
    // disk's size must stay as it is. Not from a request's callback.
    void alone(const std::function<void(Qcow2Image&)>& f);

  private:
    struct Job {
        Request request;
        Done done;
    };
    void work();
    Reply perform(const Request& request, bool may_wait);

    HostIo& io_;
    std::mutex image_mutex_;                                 // guards image_
    std::unique_ptr<Qcow2Image> image_;
    const u64 size_;
    const bool read_only_;
    std::mutex mutex_;                                       // guards what is below
    std::condition_variable posted_, idle_;
    std::deque<Job> queue_;
    bool busy_ = false, ending_ = false;
    std::thread thread_;
};

}  // namespace vmm::block
