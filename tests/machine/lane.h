// SPDX-License-Identifier: Apache-2.0
// Lane: one machine of a test, run to positions under settings that must not show: how code is cut into blocks, where it stops.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "vmm/machine.h"
#include "vmm/tcg/translator.h"

namespace vmm::testing {

// What a guest must not be able to see.
struct Setting {
    std::string name;
    unsigned block_limit = 32;
    bool interpret = false;
    u64 stop_every = 0;             // 0: no stops of its own
};

// Where tools/guests put its files.
inline std::filesystem::path guest_file(const std::string& name) {
    if (const char* given = std::getenv("VMM_GUESTS")) return std::filesystem::path(given) / name;
    const char* home = std::getenv("HOME");
    return std::filesystem::path(home != nullptr ? home : "") / ".cache/vmm/guests" / name;
}

// The firmware alone, without a disk to boot from; with a calendar that does not depend on today.
inline MachineConfig firmware_config() {
    MachineConfig config;
    config.rtc_from = RtcFrom::Date;
    config.rtc_base = 1'700'000'000;
    config.sleep = false;
    return config;
}

// flavour: "686", "686-pae"
inline MachineConfig kernel_config(const std::string& flavour, const std::string& append = "vmm.run=poweroff quiet") {
    MachineConfig config = firmware_config();
    config.kernel = guest_file("vmlinuz-" + flavour);
    config.initrd = guest_file("busybox.cpio.gz");
    config.append = "console=ttyS0 " + append;
    return config;
}

class Lane {
  public:
    Lane(const MachineConfig& config, Setting setting) : setting_(std::move(setting)) {
        Outputs outputs;
        outputs.serial[0] = [this](std::span<const u8> bytes) { serial_.append(bytes.begin(), bytes.end()); };
        auto made = Machine::create(config, std::move(outputs));
        if (!made) {
            error_ = made.error().text;
            ended_ = true;
            return;
        }
        machine_ = std::move(*made);
        machine_->translator().set_block_limit(setting_.block_limit);
        machine_->translator().set_interpret(setting_.interpret);
    }

    // To this position, or to the machine's end. Idle time is jumped over, as with -icount sleep=off.
    void run_to(Icount target) {
        if (!error_.empty()) return;
        while (!ended_ && machine_->icount() < target) {
            Icount limit = target;
            if (setting_.stop_every != 0) limit = std::min(limit, machine_->icount() + setting_.stop_every);
            switch (machine_->run(limit)) {
                case Stop::Limit:
                case Stop::DebugPoint: break;
                case Stop::Idle:
                    if (machine_->next_deadline()) machine_->idle_jump();
                    else ended_ = true;              // nothing will ever happen
                    break;
                case Stop::Reset: break;
                case Stop::PowerOff:
                case Stop::DebugExit: ended_ = true; break;
            }
        }
    }

    Result<void> load(std::span<const u8> image) {
        ended_ = false;
        return machine_->load(image);
    }

    Machine& machine() { return *machine_; }
    Icount icount() const { return machine_->icount(); }
    bool ended() const { return ended_; }
    const std::string& error() const { return error_; }
    const std::string& serial() const { return serial_; }
    const Setting& setting() const { return setting_; }

  private:
    Setting setting_;
    std::unique_ptr<Machine> machine_;
    std::string serial_, error_;
    bool ended_ = false;
};

}  // namespace vmm::testing
