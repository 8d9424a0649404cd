// SPDX-License-Identifier: Apache-2.0
// Inbox: the one door. Whatever the guest could not have predicted enters here, on any thread, and is applied by the machine
// thread at a step boundary. A recorder or a replayer sits between take() and apply().
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "vmm/types.h"

namespace vmm {

enum class InputKind : u8 { Serial, Key, Pointer, Frame, Samples, Request, Disk };
// SetMemory: u64 physical address, then the bytes; SetRegisters: a CpuState as saved. 2 was the request to quit, never logged.
enum class RequestKind : u8 { Reset = 0, PowerButton = 1, Nmi = 3, SetMemory = 4, SetRegisters = 5 };

struct Input {
    InputKind kind{};
    u8 target = 0;              // port number; RequestKind for Request
    std::string data;           // the bytes; layout by kind: docs/recording-format.md, "Inputs"; devices/user_input.h makes Key and Pointer
};

class Inbox {
  public:
    using Handler = std::function<void(const Input&)>;

    void post(Input input);                                  // any thread
    void on(InputKind kind, u8 target, Handler handler);     // wiring, before the machine runs
    std::vector<Input> take();                               // machine thread
    void apply(const Input& input) const;                    // machine thread, at a boundary
    bool wait_ns(u64 host_ns);                               // sleep until something is posted or time is up; true: posted
    bool empty() const;
    void wake();                                             // ends a wait_ns() as if something was posted; any thread

  private:
    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::vector<Input> queue_;
    bool woken_ = false;
    std::vector<std::pair<u16, Handler>> handlers_;
};

}  // namespace vmm
