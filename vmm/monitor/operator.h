// SPDX-License-Identifier: Apache-2.0
// Operator: what monitors do to a machine, and what they tell of it, in QEMU's terms: run states, replay-break, replay-seek,
// requests, events. QMP and the human monitor are two spellings of this.
//
// Everything runs on the machine thread (tasks of Control's), but for state(), which any thread may ask.
// Document: docs/monitor.md; QEMU's QMP reference for names and texts.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "vmm/control.h"
#include "vmm/monitor/json_stream.h"
#include "vmm/monitor/memory_dump.h"

namespace vmm::monitor {

enum class RunState : u8 { Running, Prelaunch, Paused, Debug, Shutdown, InternalError, IoError };
std::string_view name_of(RunState state);                // "running", "prelaunch" ...

// Of the last dump; any thread.
struct DumpStatus {
    enum class State : u8 { None, Active, Completed, Failed };
    std::atomic<State> state{State::None};
    std::atomic<u64> completed{0}, total{0};             // bytes of memory
};
std::string_view name_of(DumpStatus::State state);       // "none", "active" ...

class Operator {
  public:
    // `tell`: an event, on the machine thread.
    using Tell = std::function<void(const std::string& name, const Json& data)>;
    Operator(Control& control, bool start_paused, Tell tell);
    ~Operator();
    Operator(const Operator&) = delete;
    Operator& operator=(const Operator&) = delete;

    Control& control() { return control_; }
    RunState state() const { return state_.load(std::memory_order_relaxed); }

    void stop();
    Result<void> cont();
    void quit();
    Result<void> reset();
    Result<void> power_button();
    Result<void> nmi();
    Result<void> type(Input input);                      // a key or pointer event

    Result<void> record_start(const std::string& file);
    Result<void> record_stop();
    Result<void> save_past(const std::string& file);
    Result<i64> fork(const std::string& file, std::vector<std::string> options);   // the process id

    Result<void> set_break(i64 icount);
    Result<void> delete_break();
    // Whether one can; then, once that was answered, the move itself.
    Result<Icount> check_seek(i64 icount) const;
    void seek(Icount position);

    // The memory from `address` on; what is not there reads as zeros, if `physical`.
    Result<void> save_memory(u64 address, u64 size, const std::string& file, bool physical);
    // `accepted`: nothing was wrong with it so far, and it begins.
    Result<void> dump(const DumpWish& wish, const std::string& file, const std::function<void()>& accepted = [] {});
    const DumpStatus& dump_status() const { return dump_status_; }
    Json dump_object() const;                            // in QMP; any thread

  private:
    void happened(Happening what, const PauseEvent& event);
    Result<void> request(RequestKind kind);

    Control& control_;
    const Tell tell_;
    unsigned observer_;
    std::atomic<RunState> state_;
    DumpStatus dump_status_;
    bool seeking_ = false;
    bool quit_asked_ = false;                            // by a monitor
};

}  // namespace vmm::monitor
