// SPDX-License-Identifier: Apache-2.0
// ScreenFeed: copies of the screen for a display on the I/O thread, taken by the machine thread at a boundary.
//
// Asking never wakes a guest that sleeps: what it shows does not change then, and the end of an idle wait by the host is an
// input. So a copy comes with the next boundary, at most 0.1 s later; while the machine is paused, at once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "display/screen.h"
#include "vmm/control.h"
#include "vmm/io_thread.h"

namespace vmm::display {

class ScreenFeed {
  public:
    using Ready = std::function<void(const Screen&)>;      // on the I/O thread

    ScreenFeed(Control& control, IoThread& io) : control_(control), io_(io) {}
    ScreenFeed(const ScreenFeed&) = delete;
    ScreenFeed& operator=(const ScreenFeed&) = delete;

    void set_ready(Ready ready);                           // I/O thread; empty: no more copies
    void request();                                        // I/O thread; nothing while one is on its way
    void boundary() {                                      // machine thread, at each boundary
        if (wanted_.load(std::memory_order_relaxed)) copy();
    }

  private:
    void copy();
    Control& control_;
    IoThread& io_;
    std::shared_ptr<Ready> ready_ = std::make_shared<Ready>();   // I/O thread
    std::shared_ptr<Screen> screen_ = std::make_shared<Screen>();
    std::atomic<bool> wanted_{false};
    bool under_way_ = false;                               // I/O thread
};

}  // namespace vmm::display
