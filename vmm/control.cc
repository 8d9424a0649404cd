// SPDX-License-Identifier: Apache-2.0
#include "vmm/control.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "vmm/tcg/mmu.h"
#include "vmm/tcg/translator.h"

namespace vmm {

Control::Control(Machine& machine, RrMode mode, std::string rr_file)
    : machine_(machine), mode_(mode), rr_file_(std::move(rr_file)) {}

CodePlace code_place(const CpuState& s) {
    const bool user = (s.seg[kCs].selector & 3) == 3 || (s.eflags & kVm) != 0;
    return {s.eip, s.seg[kCs].selector, s.gpr[kEsp], user ? s.cr3 : 0};
}

// --- any thread -----------------------------------------------------------------------------------------------------------

void Control::post(std::function<void()> task) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    posted_.notify_one();
    machine_.inbox().wake();
}

std::string Control::rr_file() const {
    const std::lock_guard lock(mutex_);
    return rr_file_;
}

void Control::interrupt() {
    interrupted_.store(true);
    posted_.notify_one();
    machine_.inbox().wake();
}

// --- what front ends ask for ----------------------------------------------------------------------------------------------

void Control::go(const Go& go) {
    const bool was = move_.has_value();
    move_ = go;
    move_->over_interrupts = go.one_step && !step_irq_;
    last_pause_ = {};
    interrupted_.store(false);
    publish();
    if (was) return;
    ++moves_;
    happened(Happening::Resumed);
}

void Control::pause(Pause why) {
    if (move_) paused({why, {}, {}});
}

void Control::set_recording(RrMode mode, const std::string& file) {
    {
        const std::lock_guard lock(mutex_);
        rr_file_ = file;
    }
    mode_.store(mode, std::memory_order_relaxed);
}

void Control::quit(int status) {
    const bool first = !std::exchange(quit_, status);
    if (first) happened(Happening::Quit);
}

Result<void> Control::seek(Icount position) {
    if (travel_ == nullptr) return Error{why_not_};
    pause();
    (void)take_interrupt();                              // it was for what is over now
    if (auto done = travel_->seek(position); !done) return done;
    last_pause_ = {Pause::Position, {}, {}};
    publish();
    return {};
}

void Control::paused(PauseEvent event) {
    const bool moved = std::exchange(move_, std::nullopt).has_value();
    last_pause_ = std::move(event);
    publish();
    if (moved) happened(Happening::Paused);
}

void Control::happened(Happening what) {
    // An observer may forget itself.
    const auto observers = observers_;
    for (const auto& [handle, observer] : observers) observer(what, last_pause_);
}

unsigned Control::observe(Observer observer) {
    observers_.emplace_back(++last_handle_, std::move(observer));
    return last_handle_;
}

void Control::forget(unsigned handle) {
    std::erase_if(observers_, [handle](const auto& o) { return o.first == handle; });
}

// --- the guest's state -----------------------------------------------------------------------------------------------------

bool Control::read_memory(u32 address, std::span<u8> out, bool physical) {
    Memory& memory = machine_.memory();
    while (!out.empty()) {
        const std::size_t n = std::min<std::size_t>(out.size(), kPageSize - (address & (kPageSize - 1)));
        GuestPhys at{address};
        if (!physical && !machine_.translator().cpu().mmu().probe(address, at)) return false;
        if (memory.view(at).read == Memory::PageView::kNone) return false;
        memory.read_ram(at, out.first(n));
        out = out.subspan(n);
        address += static_cast<u32>(n);
    }
    return true;
}

Result<void> Control::write_memory(u32 address, std::span<const u8> bytes, bool physical) {
    // All of it or nothing.
    std::vector<u8> old(bytes.size());
    if (!read_memory(address, old, physical)) return Error{"no memory is mapped at that address"};
    if (auto open = before_write(); !open) return open;
    for (std::size_t done = 0; done < bytes.size();) {
        const u32 from = address + static_cast<u32>(done);
        const std::size_t n = std::min<std::size_t>(bytes.size() - done, kPageSize - (from & (kPageSize - 1)));
        GuestPhys at{from};
        if (!physical) (void)machine_.translator().cpu().mmu().probe(from, at);
        apply_write(at, bytes.subspan(done, n));
        done += n;
    }
    return {};
}

Result<void> Control::enter(Input input) {
    if (mode_ == RrMode::Replay) return Error{"the input of a replay comes from its recording"};
    if (move_ || !write_) machine_.inbox().post(std::move(input));
    else write_(input);
    return {};
}

Result<void> Control::write_registers(const CpuState& state) {
    if (auto open = before_write(); !open) return open;
    SaveArchive ar;
    CpuState copy = state;
    serialize(ar, copy);
    const auto bytes = ar.take();
    write_({InputKind::Request, static_cast<u8>(RequestKind::SetRegisters), std::string(bytes.begin(), bytes.end())});
    return {};
}

Result<void> Control::before_write() {
    if (!write_) return Error{"the guest cannot be changed in this run"};
    if (move_) return Error{"the machine is running; stop it first"};
    return {};
}

void Control::apply_write(GuestPhys at, std::span<const u8> bytes) {
    std::string data;
    for (unsigned i = 0; i < 8; ++i) data.push_back(static_cast<char>(at.v >> (8 * i)));
    data.append(bytes.begin(), bytes.end());
    write_({InputKind::Request, static_cast<u8>(RequestKind::SetMemory), std::move(data)});
}

// --- the machine thread's loop -----------------------------------------------------------------------------------------------

// One round: whoever posts without end has a slice of the machine's between two rounds like everybody else.
void Control::run_tasks() {
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard lock(mutex_);
        tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
}

void Control::wait_for_task(u64 host_ns) {
    std::unique_lock lock(mutex_);
    posted_.wait_for(lock, std::chrono::nanoseconds(host_ns), [this] { return !tasks_.empty(); });
}

void Control::publish() {
    position_.store(machine_.icount().v, std::memory_order_relaxed);
    running_.store(move_.has_value(), std::memory_order_relaxed);
}

}  // namespace vmm
