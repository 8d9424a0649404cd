// SPDX-License-Identifier: Apache-2.0
// What hangs on a PS/2 connector: it takes bytes, and has bytes to give when the controller lets it send.
#pragma once

#include <functional>
#include <optional>

#include "vmm/types.h"

namespace vmm {

class Ps2Device {
  public:
    virtual ~Ps2Device() = default;
    virtual void receive(u8 byte) = 0;                              // from the controller
    virtual std::optional<GuestTime> ready_at() const = 0;          // from when there is a byte to send; none: nothing to send
    virtual u8 take(GuestTime now) = 0;                             // the next byte; only when ready_at() <= now

    // The controller's ear: called whenever ready_at() may have changed.
    void connect(std::function<void()> changed) { changed_ = std::move(changed); }

  protected:
    void changed() const { if (changed_) changed_(); }

  private:
    std::function<void()> changed_;
};

}  // namespace vmm
