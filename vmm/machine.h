// SPDX-License-Identifier: Apache-2.0
// Machine: one PC. Processor, memory, clock, board; forward only, one step boundary after another.
//
// run() is a pure function of the state and of what is applied between calls: no host clock, no input of its own. Who paces
// it, feeds it from the Inbox, records or replays, is outside (runner.h). Two machines in one process are normal.
// Machine thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vmm/bus.h"
#include "vmm/clock.h"
#include "vmm/config.h"
#include "vmm/cpu_pins.h"
#include "vmm/guest_call.h"
#include "vmm/inbox.h"
#include "vmm/memory.h"
#include "vmm/result.h"

namespace vmm {

class Board;
class Chaos;
class Disks;
namespace tcg { class Translator; }

// Where the guest's output goes. Called on the machine thread; may block, never drops.
struct Outputs {
    std::array<std::function<void(std::span<const u8>)>, 4> serial;
    std::function<void(u8)> debug_console;
    std::function<void(GuestCall call, u32 value)> call;   // at the step that makes it
};

enum class Stop {
    Limit,        // the position asked for
    Idle,         // the CPU waits: idle_to() moves time to the next deadline, or an input wakes it
    PowerOff,     // ACPI S5
    Reset,        // the guest asked for a reset and the machine was reset, unless -no-reboot
    DebugExit,    // isa-debug-exit; see exit_code()
    DebugPoint,   // a break- or watchpoint; translator().hit() says which
};

class Machine {
  public:
    // Reads firmware and kernel files. A file that is missing or wrong is an Error that names it.
    static Result<std::unique_ptr<Machine>> create(const MachineConfig& config, Outputs outputs);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    Stop run(Icount limit);                        // stops at `limit` at the latest
    // The idle jump: one step, and time becomes the next deadline, or `upto` if that is earlier.
    void idle_jump(GuestTime upto = {~u64{0}});
    std::optional<GuestTime> next_deadline() const;

    Icount icount() const { return clock_.icount(); }
    GuestTime time() const { return clock_.time(); }
    int exit_code() const { return exit_code_; }
    Inbox& inbox() { return inbox_; }
    Board& board() { return *board_; }
    Memory& memory() { return *memory_; }
    IoBus& ports() { return ports_; }
    IoBus& mmio() { return mmio_; }
    tcg::Translator& translator() { return *engine_; }
    CpuPins& pins() { return pins_; }
    Clock& clock() { return clock_; }
    Disks& disks() { return *disks_; }

    // All state but the content of memory and disks.
    void serialize(Archive& ar);
    // What serialize() saved, into a machine whose memory is as it was then. False: not of such a machine.
    bool load_state(std::span<const u8> state);
    // A hash of everything: registers, devices, memory, what disks hold in memory. Equal machines at equal positions have equal hashes.
    u64 state_hash();
    // Registers and devices in parts, so that a difference can be named. Memory: Memory::part_sums().
    struct StatePart {
        std::string name;
        u32 hash;
    };
    std::vector<StatePart> state_parts();
    // The whole machine, memory and what disks hold in memory included, and back into a machine made from the same config.
    std::vector<u8> save();
    Result<void> load(std::span<const u8> image);
    // What differs between two machines, named by device and field, memory by page.
    static std::vector<std::string> difference(Machine& a, Machine& b);

    void reset();                                  // RESET# at this boundary
    void power_button();

  private:
    explicit Machine(const MachineConfig& config);
    Result<void> build(const MachineConfig& config, Outputs outputs);
    void ask(Stop stop);
    void run_due();                                // what this position's time brings
    void loaded();
    void set_memory(std::string_view data);        // of RequestKind::SetMemory
    void set_registers(std::string_view data);     // of RequestKind::SetRegisters

    Clock clock_;
    Timers timers_;
    IoBus ports_{"port"};
    IoBus mmio_{"memory"};
    CpuPins pins_;
    Inbox inbox_;
    std::unique_ptr<Memory> memory_;
    std::unique_ptr<tcg::Translator> engine_;
    std::unique_ptr<Disks> disks_;                 // goes after the board, which uses it
    std::unique_ptr<Board> board_;
    std::unique_ptr<Chaos> chaos_;                 // null: interrupts are taken as soon as they can be
    bool no_reboot_ = false;
    std::optional<Stop> asked_;
    std::function<void(GuestCall, u32)> call_;
    int exit_code_ = 0;
};

}  // namespace vmm
