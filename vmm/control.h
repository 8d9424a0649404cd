// SPDX-License-Identifier: Apache-2.0
// Control: how front ends (gdb, QMP, the human monitor, signals) reach a machine that runs. They live on the I/O thread; what
// they want of the machine is a task for the machine thread, which runs it at a step boundary: within a slice (0.2 ms) while
// the machine runs, at once while it is paused, and at the end of a move through the past while one is under way.
//
// post() and interrupt() are for any thread; everything else is for the machine thread, that is, for tasks and observers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "vmm/bookmarks.h"
#include "vmm/debug_points.h"
#include "vmm/cpu_state.h"
#include "vmm/machine.h"
#include "vmm/printed_text.h"
#include "vmm/result.h"

namespace vmm {

// Why the machine stands still.
enum class Pause : u8 {
    User,              // stop(), Ctrl-C, -S
    Step,              // the step, or the range of steps, is done
    Point,             // a break- or watchpoint; `hit` says which
    Position,          // the position that was asked for (seek, replay-break)
    HistoryBegin,      // going back: the past is not held further
    HistoryEnd,        // a replay came to where the recording ends
    Ended,             // the guest ended (power-off, reset with -no-reboot, debug exit) and -no-shutdown keeps the machine
    LastEqual,         // a replay that differs from its recording went back to where the two were still equal
    Different,         // ... stopped where that showed
    HostError,         // a file of the host's cannot be written or read; resume() tries again
};

struct PauseEvent {
    Pause why = Pause::User;
    std::optional<Hit> hit;
    std::string text;              // one line for people; may be empty
};

enum class Direction : u8 { Forward, Backward };

struct Go {
    Direction direction = Direction::Forward;
    bool one_step = false;
    std::optional<Icount> until;                          // stop there at the latest (Pause::Position)
    std::optional<std::pair<u32, u32>> range;             // keep stepping while EIP is in [first, second)
    bool over_interrupts = false;                         // of one step: go() says so, see set_step_irq()
};

// Where the processor is, as far as an interrupt comes back to it.
struct CodePlace {
    u32 eip = 0, cs = 0, esp = 0, cr3 = 0;                // cr3: of user code only; the kernel's may be lent
    bool operator==(const CodePlace&) const = default;
};
CodePlace code_place(const CpuState& state);

// What the machine did, for monitors' events. Resume and Pause come in pairs.
enum class Happening : u8 {
    Resumed, Paused, PowerButton,
    Reset, HostReset,                        // by the guest; by somebody outside
    Shutdown,                                // the guest powered off or left
    ShutdownByReset, ShutdownByHostReset,    // a reset with -no-reboot
    Quit,                                    // somebody ends the program
};

// Travel through what was recorded. Positions are icounts. Machine thread only.
class TimeTravel {
  public:
    virtual ~TimeTravel() = default;
    virtual Icount begin() const = 0;                     // the first position that can be gone back to
    virtual std::optional<Icount> end_position() const = 0; // of a replay: where the recording ends
    virtual Icount head() const = 0;                      // the last position that can be gone to: the end, or how far a live run came
    // What the recording says of the steps from `from` to `to`: a line each, `most` at most.
    virtual std::vector<std::string> events(Icount from, Icount to, std::size_t most) const = 0;
    virtual Icount passed() const = 0;                    // everything before this was run through, without a gap
    virtual bool fresh() const = 0;                       // what happens now is beyond that, and adds to it
    virtual Result<void> pass(Icount upto) = 0;           // runs through what was not yet; the machine is there then
    virtual Result<void> seek(Icount position) = 0;       // exactly there, with no stop on the way
    virtual PauseEvent back(const Go& go, const DebugPoints& points) = 0;
    // A write to the guest opened a branch, which leaves the recording as it was. Any move back, seek or rejoin() ends it.
    virtual std::optional<Icount> branch() const = 0;     // where it left the recording
    virtual void rejoin() = 0;                            // back to there
};

enum class RrMode : u8 { None, Record, Replay };

// Recording that begins and ends while the machine runs. Machine thread only.
class RecordSwitch {
  public:
    virtual ~RecordSwitch() = default;
    virtual Result<void> start(const std::string& file) = 0;   // with all that went before
    virtual Result<void> stop() = 0;                           // the file gets its end; the run goes on
    virtual Result<void> save(const std::string& file) = 0;    // all that is held, into a file of its own
    // The machine as it is now goes on in a program of its own, with options of its own; `file` is what that begins with. Its process id.
    virtual Result<i64> fork(const std::string& file, std::vector<std::string> options) = 0;
    virtual const std::map<Icount, u32>& marks() const = 0;    // that the guest set, with its numbers
    // Of a replay whose difference has shown: says what it is, and what running the stretch again tells (which may take as long as
    // the replay did). The last position at which its executions are alike, where they are not alike.
    virtual Result<std::optional<Icount>> explain(const std::function<void(const std::string& line)>& say) = 0;
};

class Control {
  public:
    Control(Machine& machine, RrMode mode, std::string rr_file);
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    // --- any thread
    void post(std::function<void()> task);                // tasks run in the order of posting
    void interrupt();                                     // ends a move at the next boundary: the machine pauses (Pause::User)
    Icount position() const { return Icount{position_.load(std::memory_order_relaxed)}; }   // a moment ago
    bool running() const { return running_.load(std::memory_order_relaxed); }
    RrMode mode() const { return mode_.load(std::memory_order_relaxed); }
    std::string rr_file() const;                          // the last, when there is none now

    // --- machine thread: tasks and observers
    Machine& machine() { return machine_; }
    void set_recording(RrMode mode, const std::string& file);
    RecordSwitch* record_switch() { return record_switch_; }   // null: this run cannot be recorded any more
    void set_record_switch(RecordSwitch* to) { record_switch_ = to; }
    DebugPoints& points() { return points_; }
    // Moves start when the task returns; a Paused happening says when they are over. A move while another is under way
    // replaces it.
    void go(const Go& go);
    void pause(Pause why = Pause::User);                  // at this boundary
    void quit(int status = 0);                            // the program ends, with the recording's end written
    const PauseEvent& last_pause() const { return last_pause_; }
    // Somebody looks at the machine: at the end of a recording, or of the guest, it stays rather than that the program ends.
    void hold(bool more) { holders_ += more ? 1 : -1; }
    bool held() const { return holders_ > 0; }
    // Somebody works at a monitor: a replay that differs stays, to be looked at.
    void attend(bool more) { attending_ += more ? 1 : -1; }
    bool attended() const { return held() || attending_ > 0; }
    // Null: this run cannot go back (`why_not_back()` says why, for people).
    TimeTravel* travel() { return travel_; }
    const std::string& why_not_back() const { return why_not_; }
    // Off: single steps leave out interrupts from outside with all that they do until they return, in both directions.
    bool step_irq() const { return step_irq_; }
    void set_step_irq(bool on) { step_irq_ = on; }
    // A debugger's break- and watchpoints (by linear address) stop only while CR3 has this value.
    std::optional<u32> only_cr3() const { return only_cr3_; }
    void set_only_cr3(std::optional<u32> cr3) { only_cr3_ = cr3; }
    Bookmarks& bookmarks() { return bookmarks_; }
    PrintedText& printed() { return printed_; }           // up to travel()->passed()
    // Exactly to a position, at once; then paused.
    Result<void> seek(Icount position);
    // QMP's replay-break: one position at which a forward move pauses (Pause::Position).
    std::optional<Icount> break_at() const { return break_at_; }
    void set_break_at(std::optional<Icount> position) { break_at_ = position; }

    // Something from outside enters: at the next boundary if the machine runs, else at once. A replay takes nothing.
    Result<void> enter(Input input);
    // A debugger's or monitor's writes to the guest. In a recording they are inputs of it; in a replay they open a branch.
    Result<void> write_registers(const CpuState& state);
    Result<void> write_memory(u32 address, std::span<const u8> bytes, bool physical);   // linear: with the present CR3
    // Reads for debuggers: no fault, no device touched, no A or D bit. False: (part of it) is not mapped to memory.
    bool read_memory(u32 address, std::span<u8> out, bool physical);

    // Observers are told on the machine thread, at a boundary.
    using Observer = std::function<void(Happening, const PauseEvent&)>;
    unsigned observe(Observer observer);                  // returns a handle
    void forget(unsigned handle);

    // --- the machine thread's loop (runner.h)
    // How a write enters the machine: as an input of the journal's.
    void set_write(std::function<void(Input)> write) { write_ = std::move(write); }
    void set_travel(TimeTravel* travel, std::string why_not) { travel_ = travel; why_not_ = std::move(why_not); }
    void run_tasks();                                     // what was posted so far
    void wait_for_task(u64 host_ns);
    bool interrupted() const { return interrupted_.load(std::memory_order_relaxed); }
    bool take_interrupt() { return interrupted_.exchange(false); }
    const std::optional<Go>& move() const { return move_; }
    u64 moves() const { return moves_; }                  // how many were begun
    std::optional<int> quitting() const { return quit_; }
    void paused(PauseEvent event);                        // the move is over
    void happened(Happening what);
    void publish();                                       // position() and running()

  private:
    Result<void> before_write();
    void apply_write(GuestPhys at, std::span<const u8> bytes);

    Machine& machine_;
    std::atomic<RrMode> mode_;
    std::string rr_file_;                                 // under mutex_
    DebugPoints points_;
    bool step_irq_ = true;
    std::optional<u32> only_cr3_;
    Bookmarks bookmarks_;
    PrintedText printed_;
    TimeTravel* travel_ = nullptr;
    RecordSwitch* record_switch_ = nullptr;
    std::function<void(Input)> write_;
    std::string why_not_ = "this run does not hold its past; record it, and replay the recording";
    std::optional<Go> move_;
    u64 moves_ = 0;
    std::optional<int> quit_;
    std::optional<Icount> break_at_;
    PauseEvent last_pause_;
    std::vector<std::pair<unsigned, Observer>> observers_;
    unsigned last_handle_ = 0;
    int holders_ = 0, attending_ = 0;

    std::atomic<bool> interrupted_{false}, running_{false};
    std::atomic<u64> position_{0};
    mutable std::mutex mutex_;
    std::condition_variable posted_;
    std::vector<std::function<void()>> tasks_;
};

}  // namespace vmm
