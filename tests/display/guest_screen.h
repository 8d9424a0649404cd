// SPDX-License-Identifier: Apache-2.0
// A machine in this process that runs until its guest says so on port E9h, and what its screen shows then.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "devices/vga.h"
#include "display/screen.h"
#include "vmm/board.h"
#include "vmm/machine.h"

namespace vmm::display {

class GuestScreen {
  public:
    explicit GuestScreen(MachineConfig config) {
        config.debugcon_port = 0xe9;
        config.rtc_from = RtcFrom::Date;
        Outputs outputs;
        outputs.debug_console = [this](u8 byte) { said += static_cast<char>(byte); };
        auto made = Machine::create(config, std::move(outputs));
        EXPECT_TRUE(made) << made.error().text;
        if (made) machine = std::move(*made);
    }
    // Until `there`, asked every so often; false: not within `steps`, nor the time of twice as many.
    bool run_until(const std::function<bool()>& there, u64 steps) {
        const Icount end = machine->icount() + steps;
        const GuestTime late = machine->time() + 2 * steps;
        while (machine->icount() < end && machine->time() < late) {
            if (there()) return true;
            const Stop stop = machine->run(machine->icount() + 2'000'000);
            if (stop == Stop::Idle) machine->idle_jump(machine->time() + 10'000'000);
            else if (stop != Stop::Limit) return there();
        }
        return there();
    }
    Screen screen() const {
        Screen s;
        copy_screen(*machine->board().vga(), machine->time(), s);
        return s;
    }
    std::string text() const {
        const auto t = read_text(screen());
        return t ? t->text() : "";
    }

    std::string said;                      // on port E9h
    std::unique_ptr<Machine> machine;
};

}  // namespace vmm::display
