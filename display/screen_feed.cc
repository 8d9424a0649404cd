// SPDX-License-Identifier: Apache-2.0
#include "display/screen_feed.h"

#include "vmm/board.h"

namespace vmm::display {

void ScreenFeed::set_ready(Ready ready) { *ready_ = std::move(ready); }

void ScreenFeed::request() {
    if (!under_way_) {
        under_way_ = true;
        wanted_.store(true);
    }
    if (!control_.running() && wanted_.load()) control_.post([this] { boundary(); });
}

void ScreenFeed::copy() {
    const Vga* vga = control_.machine().board().vga();
    if (vga == nullptr || !wanted_.exchange(false)) return;
    // One copy is under way at a time, so nobody reads this one now.
    copy_screen(*vga, control_.machine().time(), *screen_);
    io_.run([this, ready = ready_, screen = screen_] {
        if (!*ready) return;
        under_way_ = false;
        (*ready)(*screen);
    });
}

}  // namespace vmm::display
