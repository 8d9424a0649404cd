// SPDX-License-Identifier: Apache-2.0
// Translator: the exact engine. Finds or makes the block for the present EIP, runs generated code, and does between blocks
// what boundaries are for: faults, traps, NMI, interrupts, in the order of SDM volume 3 section 6.9.
// How code was cut into blocks never shows: with fewer steps left than a block has, single steps finish.
#pragma once

#include <memory>
#include <utility>

#include "vmm/clock.h"
#include "vmm/engine.h"
#include "vmm/tcg/code_cache.h"
#include "vmm/tcg/emitter.h"

namespace vmm::tcg {

class Translator final : public Engine, private CodeWatcher {
  public:
    Translator(Memory& memory, IoBus& ports, Clock& clock, Timers& timers, CpuPins& pins, const CpuModel& model);
    ~Translator() override;

    StopReason run(Icount limit) override;
    const CpuState& state() override { return cpu_.s; }
    void set_state(const CpuState& s) override;
    void reset(bool init_only) override;

    Cpu& cpu() { return cpu_; }
    // Tests: instructions per block at most (1 to 64); bytes of generated code; interpret everything.
    void set_block_limit(unsigned n) { block_limit_ = n; }
    void set_code_limit(std::size_t bytes) { emitter_.set_limit(bytes); }
    void set_interpret(bool on) { interpret_ = on; }
    // What a debugger wants to stop at; null: nothing. `seen`: breakpoints at this position do not stop any more. To be called
    // again whenever the points changed.
    void set_debug_points(const DebugPoints* points, Icount seen);
    const std::optional<Hit>& hit() const { return hit_; }    // after StopReason::DebugPoint
    // Once, after StopReason::TripleFault: somebody wants to stop for it; hit() says who.
    bool take_triple_fault() { return std::exchange(triple_fault_, false); }
    // The position after the last interrupt from outside, or NMI, that was delivered.
    Icount interrupted_at() const { return interrupted_at_; }
    struct Stats { u64 blocks = 0, dispatches = 0, single_steps = 0, flushes = 0; };
    const Stats& stats() const { return stats_; }

  private:
    StopReason run_until(Icount limit);
    static u64 helper(Cpu* cpu, const HelperCall* call);
    bool must_leave() const;
    const u8* next_code();                       // of the block to go on with; null: the dispatcher has something to do
    bool at_breakpoint();
    bool chainable(const Block& block) const { return !cpu_.debug.any_breakpoint() || !cpu_.debug.breakpoint(cpu_.s.seg[kCs].base + block.key.eip); }
    void code_written(u32 store_page, u32 offset, u32 size) override;
    bool boundary_event();                       // delivers one; true if a step was taken
    bool interrupt_ready() const;
    void execute();                              // at least one step
    Link* enter(const u8* code, bool user);
    void single_step();
    Block* find_block(u32 mode);                 // null: single step
    void deliver(u8 vector, bool has_error, u32 error);
    void sync() { clock_.set_icount({cpu_.jit.limit - static_cast<u64>(cpu_.jit.budget)}); }

    Memory& memory_;
    Clock& clock_;
    Timers& timers_;
    CpuPins& pins_;
    Cpu cpu_;
    CodeCache cache_;
    Emitter emitter_;
    unsigned block_limit_ = 32;
    bool interpret_ = false;
    u32 mode_ = 0;
    Icount seen_{};
    std::optional<Hit> hit_;
    bool triple_fault_ = false;
    Icount interrupted_at_{~u64{0}};
    Stats stats_;
};

}  // namespace vmm::tcg
