// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/translator.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "vmm/check.h"
#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/interrupts.h"
#include "vmm/tcg/mmu.h"
#include "vmm/tcg/reset.h"

namespace vmm::tcg {
namespace {
constexpr std::size_t kCodeBytes = 64 << 20;
constexpr unsigned kMaxInsnBytes = 15;
constexpr u32 kDr7Enabled = 0xff;
}  // namespace

Translator::Translator(Memory& memory, IoBus& ports, Clock& clock, Timers& timers, CpuPins& pins, const CpuModel& model)
    : memory_(memory), clock_(clock), timers_(timers), pins_(pins), cpu_(memory, ports, clock, pins, model),
      cache_(memory), emitter_(cpu_, kCodeBytes, &Translator::helper) {
    cpu_.code_watcher = this;
    cpu_.jit.translator = this;
    cpu_reset(cpu_, false);
}

Translator::~Translator() { cpu_.code_watcher = nullptr; }

void Translator::set_state(const CpuState& s) {
    cpu_.s = s;
    cpu_.jit.faulted = cpu_.jit.shutdown = false;
    cpu_.mode_changed();
    cpu_.mmu().space_changed();
    cpu_.debug.hit.reset();              // another state is no event
}

void Translator::reset(bool init_only) {
    cpu_reset(cpu_, init_only);
    cpu_.jit.faulted = cpu_.jit.shutdown = false;
}

// --- helpers called by generated code ------------------------------------------------------------------------------

namespace {

// Runs one helper on architectural state. Returns true when the instruction completed (s.eip = next_eip then).
bool run_helper(Cpu& cpu, ExecFn fn, const Insn& insn, u32 eip, i64 most_iterations = 1 << 30) {
    cpu.s.eip = eip;
    cpu.next_eip = eip + insn.length;
    if (!cpu.code32()) cpu.next_eip &= 0xffff;
    cpu.steps = 1;
    cpu.steps_before_fault = 0;
    cpu.block_end = false;
    auto& jit = cpu.jit;
    cpu.rep_budget = static_cast<u32>(std::clamp<i64>(jit.budget + jit.pending, 1, most_iterations));
    try {
        if (fn == nullptr) raise(kUd);
        fn(cpu, insn);
    } catch (const Fault& fault) {
        cpu.debug.hit.reset();               // the instruction did not happen
        jit.fault = fault;
        jit.faulted = true;
        jit.budget += static_cast<i64>(jit.pending) - cpu.steps_before_fault;
        jit.pending = 0;
        return false;
    } catch (const TripleFaultStop&) {
        jit.shutdown = true;
        jit.budget += static_cast<i64>(jit.pending) - 1;
        jit.pending = 0;
        return false;
    }
    // Between the iterations of a REP an instruction breakpoint on it has been dealt with (SDM volume 3, 18.3.1.1).
    if (cpu.next_eip == eip && insn.rep != Rep::None && (insn.form->attributes & kString) != 0) cpu.s.eflags |= kRf;
    cpu.s.eip = cpu.next_eip;
    return true;
}

}  // namespace

u64 Translator::helper(Cpu* cpu, const HelperCall* call) {
    auto& jit = cpu->jit;
    cpu->s.eflags = (cpu->s.eflags & ~kArithFlags) | Emitter::to_eflags(jit.flags);
    jit.pending = call->pending;
    const bool completed = run_helper(*cpu, call->fn, call->insn, call->eip);
    jit.flags = Emitter::from_eflags(cpu->s.eflags);
    if (!completed) return Emitter::kLeave;
    Translator& t = *jit.translator;
    // After one that may have changed what x87 and SSE code rests on.
    const bool fpu_changed = (call->insn.form->attributes & (kX87 | kMmx | kSse)) != 0 && fpu_mode(*cpu) != (t.mode_ & kModeFpu);
    const i64 more_steps = i64{cpu->steps} - 1;
    if (cpu->s.eip == call->eip + call->insn.length && jit.budget >= more_steps && !fpu_changed && !t.must_leave()) {
        jit.budget -= more_steps;
        return Emitter::kGoOn;
    }
    jit.budget += static_cast<i64>(jit.pending) - cpu->steps;
    jit.pending = 0;
    const u8* const code = t.next_code();
    return code == nullptr ? Emitter::kLeave : reinterpret_cast<u64>(code);
}

// After an instruction that may have changed what the rest of the block rests on: is there anything to do at this boundary,
// or may the block go on?
bool Translator::must_leave() const {
    if (cpu_.s.pending_debug != 0 || cpu_.debug.hit) return true;
    if (!cpu_.block_end) return false;
    const CpuState& s = cpu_.s;
    if (s.halted || s.shadow != Shadow::None || pins_.attention || timers_.attention) return true;
    if ((s.eflags & (kTf | kRf)) != 0 || ((s.eflags & kIf) != 0 && pins_.source != nullptr && pins_.source->pending())) return true;
    // Code that was rewritten, mapped elsewhere or that runs in another mode now.
    return cpu_.jit.code_changed || current_mode(cpu_) != mode_;
}

// What run_until() and execute() would do at this boundary, where that is nothing but going on with a known block.
const u8* Translator::next_code() {
    CpuState& s = cpu_.s;
    auto& jit = cpu_.jit;
    if (s.halted || s.pending_debug != 0 || cpu_.debug.hit || cpu_.debug.any_breakpoint() || pins_.attention || timers_.attention ||
        pins_.s.nmi || (s.eflags & kTf) != 0 || (s.dr7 & kDr7Enabled) != 0) {
        return nullptr;
    }
    if (((s.eflags & kIf) != 0 || s.shadow != Shadow::None) && pins_.source != nullptr && pins_.source->pending()) return nullptr;
    const u32 mode = current_mode(cpu_);
    if ((mode & kModeCsFlat) == 0) return nullptr;
    const bool user = (mode & kModeUser) != 0;
    cpu_.mmu().prepare(user);
    const JumpEntry& entry = cpu_.mmu().jump_entry(user, s.eip);
    if (!entry.leads_to(s.eip, mode) || steps_of(entry.code) > jit.budget) return nullptr;
    mode_ = mode;
    jit.tables = cpu_.mmu().tables(user);
    jit.code_changed = false;
    s.eflags &= ~kRf;
    s.shadow = Shadow::None;
    jit.flags = Emitter::from_eflags(s.eflags);
    return entry.code;
}

void Translator::code_written(u32 store_page, u32 offset, u32 size) {
    const u64 before = cache_.invalidations();
    cache_.written(store_page, offset, size);
    if (cache_.invalidations() != before) cpu_.jit.code_changed = true;
}

// --- boundaries ------------------------------------------------------------------------------------------------------

bool Translator::interrupt_ready() const {
    return (cpu_.s.eflags & kIf) != 0 && cpu_.s.shadow == Shadow::None && pins_.source != nullptr && pins_.source->pending();
}

// SDM volume 3, table 6-2: traps on the previous instruction, NMI, maskable interrupts.
bool Translator::boundary_event() {
    CpuState& s = cpu_.s;
    auto& jit = cpu_.jit;
    bool interrupt = false;
    try {
        if (jit.faulted) {
            jit.faulted = false;
            deliver_fault(cpu_, jit.fault);
        } else if (pins_.s.init) {
            pins_.s.init = false;
            cpu_reset(cpu_, true);
        } else if (s.pending_debug != 0 && s.shadow != Shadow::MovSs) {
            deliver_debug_trap(cpu_);
        } else if (pins_.s.nmi && !s.nmi_blocked && s.shadow != Shadow::MovSs) {
            pins_.s.nmi = false;
            interrupt = true;
            deliver_event(cpu_, kNmi, EventKind::Nmi, {}, s.eip);
        } else if (interrupt_ready()) {
            interrupt = true;
            deliver_event(cpu_, pins_.source->acknowledge(), EventKind::External, {}, s.eip);
        } else {
            return false;
        }
    } catch (const TripleFaultStop&) {
        jit.shutdown = true;
    }
    jit.budget -= 1;
    sync();
    if (interrupt) interrupted_at_ = clock_.icount();
    return true;
}

StopReason Translator::run(Icount limit) {
    const StopReason reason = run_until(limit);
    // Outside of here the clock is exact as it is; see Cpu::sync_clock().
    cpu_.jit.limit = 0;
    return reason;
}

StopReason Translator::run_until(Icount limit) {
    auto& jit = cpu_.jit;
    jit.limit = limit.v;
    jit.budget = static_cast<i64>(limit - clock_.icount());
    jit.pending = 0;
    CHECK(jit.budget >= 0, "asked to run into the past");
    for (;;) {
        sync();
        if (jit.shutdown) {
            jit.shutdown = false;
            cpu_.debug.hit.reset();
            if (cpu_.debug.any_event()) cpu_.debug.happened(PointKind::TripleFault, 0, 1, cpu_.s.cr3);
            if (cpu_.debug.hit) {
                hit_ = std::exchange(cpu_.debug.hit, std::nullopt);
                triple_fault_ = true;
            }
            return StopReason::TripleFault;
        }
        if (cpu_.debug.hit) {
            hit_ = std::exchange(cpu_.debug.hit, std::nullopt);
            return StopReason::DebugPoint;
        }
        if (timers_.attention) return StopReason::Attention;
        if (jit.budget <= 0) return StopReason::Limit;
        pins_.attention = false;
        if (boundary_event()) continue;
        if (cpu_.s.halted) return StopReason::Halted;
        if (cpu_.debug.any_breakpoint() && at_breakpoint()) return StopReason::DebugPoint;
        execute();
    }
}

void Translator::set_debug_points(const DebugPoints* points, Icount seen) {
    seen_ = seen;
    triple_fault_ = false;
    cpu_.debug.hit.reset();
    const auto change = cpu_.debug.update(points, memory_);
    if (!change) return;
    for (const u32 page : change->pages) cpu_.mmu().forget_page(page);
    // Blocks must end before a breakpoint, and none may be chained to one.
    for (const u32 address : change->fresh) cache_.drop_at(address);
}

bool Translator::at_breakpoint() {
    const CpuState& s = cpu_.s;
    // RF is set between the iterations of a REP: only the first is the instruction's beginning.
    if (clock_.icount() == seen_) return false;
    auto hit = cpu_.debug.stop_at(s.seg[kCs].base + s.eip, s.cr3, (s.eflags & kRf) != 0);
    if (!hit) return false;
    hit_ = std::move(hit);
    return true;
}

// --- execution -----------------------------------------------------------------------------------------------------------

void Translator::execute() {
    const CpuState& s = cpu_.s;
    // What has to be looked at after every instruction is done one instruction at a time.
    const bool step = interpret_ || (s.eflags & kTf) != 0 || (s.dr7 & kDr7Enabled) != 0 ||
                      (s.shadow != Shadow::None && (pins_.s.nmi || s.pending_debug != 0 ||
                                                    (pins_.source != nullptr && pins_.source->pending())));
    if (step) return single_step();
    auto& jit = cpu_.jit;
    mode_ = current_mode(cpu_);
    ++stats_.dispatches;
    const bool user = (mode_ & kModeUser) != 0, flat = (mode_ & kModeCsFlat) != 0;
    cpu_.mmu().prepare(user);
    jit.code_changed = false;
    Link* link = nullptr;
    const JumpEntry& entry = cpu_.mmu().jump_entry(user, s.eip);
    if (flat && entry.leads_to(s.eip, mode_) && steps_of(entry.code) <= jit.budget) {
        link = enter(entry.code, user);
    } else {
        Block* block = nullptr;
        try {
            block = find_block(mode_);
        } catch (const Fault& fault) {
            jit.fault = fault;
            jit.faulted = true;
            return;
        }
        if (block == nullptr || block->steps > jit.budget) return single_step();
        if (!flat && (s.eip > s.seg[kCs].limit || block->bytes - 1 > s.seg[kCs].limit - s.eip)) return single_step();
        if (flat && chainable(*block)) cpu_.mmu().jump_entry(user, s.eip) = {s.eip, mode_, block->code};
        link = enter(block->code, user);
    }
    if (link == nullptr || link->to != nullptr || !link->from->valid || jit.budget <= 0) return;
    try {
        const u64 flushes = stats_.flushes;
        Block* to = find_block(mode_);
        // Making room may have thrown away the block we came from. A linked block is entered without a look at CS.limit.
        const bool within_limit = (mode_ & kModeCsFlat) != 0 ||
                                  ((mode_ & kModeCs64k) != 0 && to != nullptr && u64{to->key.eip} + to->bytes <= 0x10000);
        if (to != nullptr && within_limit && flushes == stats_.flushes && chainable(*to)) CodeCache::link(*link, *to);
    } catch (const Fault& fault) {
        jit.fault = fault;
        jit.faulted = true;
    }
}

Link* Translator::enter(const u8* code, bool user) {
    CpuState& s = cpu_.s;
    auto& jit = cpu_.jit;
    // The first instruction of the block will complete or fault: either ends these.
    s.eflags &= ~kRf;
    s.shadow = Shadow::None;
    jit.flags = Emitter::from_eflags(s.eflags);
    Link* link = emitter_.run(code, cpu_.mmu().tables(user));
    s.eflags = (s.eflags & ~kArithFlags) | Emitter::to_eflags(jit.flags);
    return link;
}

Block* Translator::find_block(u32 mode) {
    const CpuState& s = cpu_.s;
    const u32 linear = s.seg[kCs].base + s.eip;
    if ((mode & kModeCsFlat) == 0 && s.eip > s.seg[kCs].limit) return nullptr;
    GuestPhys phys;
    const u32 exec = cpu_.mmu().lookup_exec(linear, (mode & kModeUser) != 0, phys);
    if (exec == 0) return nullptr;
    BlockKey key{exec >> 1, s.eip, static_cast<u16>(linear & (kPageSize - 1)), mode};
    if (Block* found = cache_.find(key)) return found;
    const u8* code = memory_.page(key.store_page) + key.offset;
    const Analysis a = analyse({code, cpu_.debug.free_bytes(linear, kPageSize - key.offset)}, s.eip, mode, block_limit_, cpu_.model);
    if (a.insns.empty()) return nullptr;
    if (emitter_.full()) {
        cache_.clear();
        emitter_.clear();
        cpu_.mmu().flush_jump_caches();
        ++stats_.flushes;
    }
    Block& block = cache_.make(key, a.insns.size());
    emitter_.emit(block, a);
    ++stats_.blocks;
    return cache_.insert(block);
}

// One instruction through its helper: near a limit, under TF or debug registers, across a page, outside plain memory.
void Translator::single_step() {
    ++stats_.single_steps;
    CpuState& s = cpu_.s;
    auto& jit = cpu_.jit;
    const bool user = cpu_.cpl() == 3;
    const bool trap = (s.eflags & kTf) != 0;
    auto fault = [&jit](const Fault& f) {
        jit.fault = f;
        jit.faulted = true;
    };
    try {
        const u32 linear = s.seg[kCs].base + s.eip;
        const u32 limit = s.seg[kCs].limit;
        if (s.eip > limit) raise(kGp, 0);
        if ((s.dr7 & kDr7Enabled) != 0 && (s.eflags & kRf) == 0) {
            u32 hit = 0;
            for (unsigned i = 0; i < 4; ++i)
                if ((s.dr7 >> (2 * i) & 3) != 0 && (s.dr7 >> (16 + 4 * i) & 3) == 0 && s.dr[i] == linear) hit |= 1u << i;
            if (hit != 0) return fault({kDb, false, hit});
        }
        // Fetch: up to 15 bytes, the second page only if the first does not hold the whole instruction.
        u8 bytes[kMaxInsnBytes];
        unsigned have = 0;
        auto fetch = [&](u32 upto) {
            GuestPhys phys;
            const u32 at = linear + have;
            const u32 exec = cpu_.mmu().lookup_exec(at, user, phys);
            const unsigned n = std::min(upto - have, kPageSize - (at & (kPageSize - 1)));
            if (exec != 0) std::memcpy(bytes + have, memory_.page(exec >> 1) + (at & (kPageSize - 1)), n);
            else for (unsigned i = 0; i < n; ++i) bytes[have + i] = static_cast<u8>(memory_.load(phys + i, 1));
            have += n;
        };
        const u32 room = limit - s.eip >= kMaxInsnBytes - 1 ? kMaxInsnBytes : limit - s.eip + 1;
        fetch(room);
        Insn insn;
        DecodeStatus status = decode({bytes, have}, cpu_.code32(), insn);
        if (status == DecodeStatus::Truncated && have < room) {
            fetch(room);
            status = decode({bytes, have}, cpu_.code32(), insn);
        }
        if (status == DecodeStatus::Truncated || status == DecodeStatus::TooLong) raise(kGp, 0);
        if (status == DecodeStatus::Invalid || !available(cpu_.model, insn)) raise(kUd);
        s.eflags &= ~kRf;
        s.shadow = Shadow::None;
        jit.pending = 1;
        jit.budget -= 1;
        if (!run_helper(cpu_, exec_for(insn.op), insn, s.eip, trap ? 1 : 1 << 30)) return;
        jit.budget += 1 - static_cast<i64>(cpu_.steps);
        jit.pending = 0;
        // INT n and the like clear TF and are not followed by a trap; neither is what a fault interrupted.
        const bool event = insn.op == Op::Int || insn.op == Op::Int3 || insn.op == Op::Into || insn.op == Op::Icebp;
        if (trap && !(event && (s.eflags & kTf) == 0)) s.pending_debug |= kDr6Bs;
    } catch (const Fault& f) {
        fault(f);
    }
}

}  // namespace vmm::tcg
