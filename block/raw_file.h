// SPDX-License-Identifier: Apache-2.0
// RawFile: an image that is the disk's bytes and nothing else, in a file or on a block device of the host.
//
// Done: the cache modes, locking, sparse files, discard as holes. A last sector that is not whole reads as if zeros followed,
// and grows when written. A file that became shorter since it was opened gives EIO there.
#pragma once

#include <atomic>
#include <string>

#include "block/host_io.h"
#include "block/image_file.h"
#include "block/node.h"
#include "vmm/result.h"

namespace vmm::block {

class RawFile final : public Node {
  public:
    static Result<std::unique_ptr<RawFile>> open(HostIo& io, const std::string& path, bool read_only, Cache cache);
    ~RawFile() override;

    u64 size() const override { return size_; }
    bool read_only() const override { return read_only_; }
    void submit(Request request, Done done) override;

  private:
    RawFile(HostIo& io, int fd) : io_(io), fd_(fd) {}
    void read(const Request& request, Done done);
    void write(Request request, Done done);

    HostIo& io_;
    const int fd_;
    u64 size_ = 0, file_size_ = 0;
    bool read_only_ = false, direct_ = false, flushes_ = true;
    std::atomic<u64> under_way_{0};
};

}  // namespace vmm::block
