// SPDX-License-Identifier: Apache-2.0
// The command line, in QEMU's spellings: long options with one or two dashes alike, "-m 256" as well as "--m=256".
//
// One table (option_table.cc) drives parsing, the help text and the suggestions. Nothing here touches the host: files are
// not looked at. A wrong option is refused by name in one sentence, with the nearest right one.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "vmm/config.h"

namespace vmm {

enum class Rr {
    None,
    Record,
    Replay,
    Live,             // the past is held in memory; into the file goes what the guest or a monitor asks for
};

struct CommandLine {
    enum class Action {
        Run,          // config is complete and checked
        Print,        // print text and leave with status 0: --help, --version, -cpu help, ...
        AccelHelp,    // -accel help: say what this host offers
    };
    Action action = Action::Run;
    std::string text;
    MachineConfig config;
    Rr rr = Rr::None;
    std::string rrfile{};
    std::string rr_from{};            // a recording at whose beginning the run begins
    u64 rr_memory = u64{512} << 20;   // bytes that checkpoints may take
    u64 rr_checkpoint_every = 0;      // steps between checkpoints in the recording; 0: none
    u64 rr_ring_ns = 0;               // of guest time: what a live run holds of its past; 0: all
    std::vector<std::string> rr_panic{};   // on a serial port: the guest has failed
    bool rr_end_pause = false;        // where a recording ends, the replay pauses rather than that the program ends
    std::optional<CharConfig> gdb{};   // where a debugger can connect
    bool start_paused = false;
    bool serial_given = false;   // config.serial_present was asked for, not filled in
    bool drives_given = false;   // config.drives was asked for
    std::vector<std::pair<std::string, std::string>> image_places{};   // --image: where a replay looks
    bool display_given = false;  // if only to say none
};

// A number of steps: 1000000, 500M, 4G (thousands). Nothing: not one.
std::optional<u64> parse_steps(std::string_view text);

// Without the program's own name. An error means status 1.
Result<CommandLine> parse_command_line(std::span<const std::string> args);
// With what the options leave unsaid as in `base`, for replays.
Result<CommandLine> parse_command_line(std::span<const std::string> args, const MachineConfig& base);
Result<CommandLine> parse_command_line(int argc, const char* const* argv);

}  // namespace vmm
