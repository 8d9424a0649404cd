// SPDX-License-Identifier: Apache-2.0
// HostIo: reads and writes of host files that are under way while the machine runs.
//
// Two ways that give the same results: io_uring (one ring; what the page cache has is done when submit() returns), and a pool
// of threads where io_uring is forbidden. Interrupted and short transfers are continued.
#pragma once

#include <functional>
#include <memory>

#include "vmm/result.h"
#include "vmm/types.h"

namespace vmm::block {

enum class Aio : u8 { Auto, IoUring, Threads };

struct HostOp {
    enum class Kind : u8 { Read, Write, Sync, Discard };
    Kind kind{};
    int fd = -1;
    u64 offset = 0;
    u8* data = nullptr;             // stays where it is until the operation is done
    u64 length = 0;
};

class HostIo {
  public:
    // Auto: io_uring, or threads where it is forbidden.
    static Result<std::unique_ptr<HostIo>> create(Aio aio);
    virtual ~HostIo() = default;    // what is under way is waited for
    HostIo(const HostIo&) = delete;
    HostIo& operator=(const HostIo&) = delete;

    // errno, or 0; bytes moved: less than asked for at the end of the file only.
    using Done = std::function<void(int error, u64 bytes)>;
    virtual void submit(const HostOp& op, Done done) = 0;
    // Until `done()`, or `ns` are over: false. Operations may be completed on this thread.
    virtual bool wait(const std::function<bool()>& done, u64 ns) = 0;
    // What is under way now is completed on another thread if nobody waits for it here.
    virtual void watch() = 0;
    // What somebody waits for may have been done without this: wait() looks again.
    virtual void wake() = 0;
    virtual Aio aio() const = 0;

  protected:
    HostIo() = default;
};

std::unique_ptr<HostIo> make_thread_io();
Result<std::unique_ptr<HostIo>> make_uring_io();

}  // namespace vmm::block
