// SPDX-License-Identifier: Apache-2.0
// Recordings for tests: made in this process, with input at boundaries drawn with a seed.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "replay/recorder.h"
#include "replay/session.h"
#include "tests/machine/lane.h"
#include "vmm/disks.h"
#include "vmm/runner.h"

namespace vmm::testing {

struct Temp {
    Temp() : path((std::filesystem::temp_directory_path() / "vmm-replay-test-XXXXXX").string()) {
        const int fd = mkstemp(path.data());
        if (fd >= 0) close(fd);
    }
    ~Temp() { std::filesystem::remove(path); }
    Temp(const Temp&) = delete;
    Temp& operator=(const Temp&) = delete;
    std::string path;
};

inline std::unique_ptr<Machine> make_machine(const MachineConfig& config) {
    auto made = Machine::create(config, {});
    EXPECT_TRUE(made) << (made ? "" : made.error().text);
    return made ? std::move(*made) : nullptr;
}

// The guest of kept.S, which is always busy and echoes what it reads.
inline MachineConfig busy_config(const std::string& rom) {
    MachineConfig config = firmware_config();
    config.bios = rom;
    config.vga = VgaCard::None;
    config.debug_exit = true;
    return config;
}

// The guest of disk_walker.S at a disk.
inline MachineConfig disk_config(const std::string& rom, const std::string& image) {
    MachineConfig config = busy_config(rom);
    config.drives = {{.id = "hda"}};
    config.images = {{.id = "hda", .file = image, .format = "raw", .snapshot = true}};
    return config;
}

// A run of which `boundary` decides what comes in, and when it ends (Control::quit).
// `to`: the file to record in, if it is wanted; `checkpoint_every`: steps, 0 for none; `late`: disks are, always.
inline replay::Recording record_run(const MachineConfig& config, const std::function<void(Machine&, Control&)>& boundary, const std::string& to = {},
                                    u64 checkpoint_every = 0, bool late = false) {
    const Temp temporary;
    const std::string path = to.empty() ? temporary.path : to;
    const auto header = replay::make_header(config, "test");
    EXPECT_TRUE(header) << (header ? "" : header.error().text);
    auto log = replay::LogWriter::create(path, *header);
    EXPECT_TRUE(log);
    const auto machine = make_machine(config);
    if (late) machine->disks().set_patience_ns(0);      // what the host is not ready for is late
    replay::Recorder recorder(log->get());
    if (checkpoint_every != 0) recorder.keep_checkpoints(*machine, checkpoint_every);
    Control control(*machine, RrMode::Record, path);
    RunnerOptions options;
    options.sleep = config.sleep;
    options.no_reboot = config.no_reboot;
    options.unattended = true;
    options.boundary = [&] { boundary(*machine, control); };
    EXPECT_EQ(run_machine(control, options, recorder), 0);
    auto recording = replay::read_recording(path);
    EXPECT_TRUE(recording);
    EXPECT_EQ(recording->damage, "");
    return *recording;
}

// The firmware, with input at boundaries drawn with a seed, until it is asked to quit.
inline replay::Recording record(unsigned seed, u64 until, MachineConfig config = firmware_config(), bool resets = true, u64 most_boundaries = 300,
                                const std::string& to = {}, u64 checkpoint_every = 0) {
    std::mt19937 random(seed);
    unsigned boundaries = 0;
    Icount last{~u64{0}};
    u64 still = 0, total = 0;
    const auto boundary = [&](Machine& machine, Control& control) {
        Inbox& inbox = machine.inbox();
        if (random() % 4 == 0) inbox.post({InputKind::Serial, 0, std::string(random() % 5, static_cast<char>(random()))});
        if (random() % 16 == 0) inbox.post({InputKind::Request, static_cast<u8>(RequestKind::PowerButton), {}});
        if (resets && ++boundaries % 64 == 0) inbox.post({InputKind::Request, static_cast<u8>(RequestKind::Reset), {}});
        still = machine.icount() == last ? still + 1 : 0;
        last = machine.icount();
        if (last.v >= until || still == 8 || ++total == most_boundaries) control.quit();
    };
    return record_run(config, boundary, to, checkpoint_every, seed % 2 == 1);
}

}  // namespace vmm::testing
