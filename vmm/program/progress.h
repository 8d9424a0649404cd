// SPDX-License-Identifier: Apache-2.0
// Progress: a line on the user's terminal while a replay runs: how far it is, how fast, how long it takes still. It appears
// after a moment, changes a few times a second and is gone at the end. The caller sees to it that the terminal is free.
#pragma once

#include <memory>
#include <string>

#include "vmm/control.h"
#include "vmm/io_thread.h"

namespace vmm {

// "replay: 34 % of 7.2e9 steps, 1.1e9 steps/s, 4 s left"
std::string progress_text(Icount at, Icount end, double steps_per_second);

class Progress {
  public:
    Progress(IoThread& io, const Control& control, Icount end);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

  private:
    void show();

    const Control& control_;
    const Icount end_;
    u64 last_ns_;
    Icount last_{};
    double speed_ = 0;                                   // of late
    bool shown_ = false;
    std::unique_ptr<IoTicker> ticker_;
};

}  // namespace vmm
