// SPDX-License-Identifier: Apache-2.0
// Cpu: the state the translator works on, and the services that instruction helpers use.
//
// The contract of an instruction helper (exec_*.cc), `void f(Cpu&, const Insn&)`:
//  - on entry s.eip is the address of this instruction, next_eip that of the following one; all of s is architectural
//    (s.eflags whole). A control transfer writes next_eip; the caller commits s.eip = next_eip on return.
//  - a fault is thrown as Fault before anything the guest can see was changed (registers, memory, flags), except where the
//    manual says otherwise (REP progress, task switches, A bits). The caller delivers it.
//  - REP: perform up to rep_budget iterations (>= 1), a page at a time where that is the same; set `steps` to the number
//    done (at least 1; 1 when ECX was 0); if iterations remain, set next_eip = s.eip. One iteration is one step. When an
//    iteration faults after others succeeded: registers show the iterations done, set steps_before_fault = that number.
//  - whatever changes what translation or interrupt acceptance depends on (segments, CR0, CR3, CR4, EFLAGS.IF/TF/VM, CPL,
//    device access) calls end_block(); memory access and I/O do so by themselves where needed.
// Machine thread only. No mutable statics: two machines in one process are normal.
#pragma once

#include <functional>
#include <memory>

#include "vmm/bus.h"
#include "vmm/clock.h"
#include "vmm/cpu_pins.h"
#include "vmm/cpu_state.h"
#include "vmm/memory.h"
#include "vmm/tcg/debug_stops.h"
#include "vmm/tcg/decode.h"

namespace vmm::tcg {

enum Vector : u8 {
    kDe = 0, kDb = 1, kNmi = 2, kBp = 3, kOfTrap = 4, kBr = 5, kUd = 6, kNm = 7, kDfault = 8, kTs = 10, kNp = 11,
    kSsFault = 12, kGp = 13, kPfault = 14, kMf = 16, kAcFault = 17, kMc = 18, kXm = 19,
};

// A fault of the present instruction. Thrown inside the translator's room only.
struct Fault {
    u8 vector;
    bool has_error = false;
    u32 error = 0;
};
[[noreturn]] inline void raise(u8 vector) { throw Fault{vector, false, 0}; }
[[noreturn]] inline void raise(u8 vector, u32 error) { throw Fault{vector, true, error}; }
struct TripleFaultStop {};  // thrown by event delivery: shutdown

enum class Access : u8 { Read, Write, Execute };

struct CpuModel;  // cpu_model.h: CPUID leaves and features of 486, pentium, pentium3, pentium4

class Mmu;
struct HelperCall;   // block.h

// Told when bytes that translated code came from change; the translator.
class CodeWatcher {
  public:
    virtual ~CodeWatcher() = default;
    virtual void code_written(u32 store_page, u32 offset, u32 size) = 0;   // after the bytes changed
};

class Cpu final : public MemoryWatcher {
  public:
    Cpu(Memory& memory, IoBus& ports, Clock& clock, CpuPins& pins, const CpuModel& model);
    ~Cpu() override;
    Cpu(const Cpu&) = delete;
    Cpu& operator=(const Cpu&) = delete;

    CpuState s;

    // --- the running instruction -------------------------------------------------------------------------
    u32 next_eip = 0;
    u32 steps = 1;                 // steps this instruction took
    u32 steps_before_fault = 0;
    u32 rep_budget = 1;            // iterations a REP may do now
    bool block_end = false;        // see end_block()
    void end_block() { block_end = true; }

    // --- where we are ---------------------------------------------------------------------------------------
    unsigned cpl() const { return cpl_; }
    // Recompute cpl_ and what else is derived after CS, SS, EFLAGS.VM or CR0.PE changed; calls end_block().
    void mode_changed();
    bool protected_mode() const { return (s.cr0 & kCr0Pe) != 0; }       // includes virtual-8086
    bool v86() const { return (s.eflags & kVm) != 0; }
    bool real_mode() const { return (s.cr0 & kCr0Pe) == 0; }
    bool pmode() const { return protected_mode() && !v86(); }           // protected and not virtual-8086
    unsigned iopl() const { return s.eflags >> 12 & 3; }
    bool stack32() const { return s.seg[kSs].big(); }
    bool code32() const { return s.seg[kCs].big(); }
    GuestTime time() { sync_clock(); return clock.time(); }             // of the boundary this instruction starts from
    void sync_clock();                                                  // clock.icount() = that boundary; before any device access

    // --- memory through segments: limit, type and alignment checks, then paging. size 1, 2, 4. Throw Fault. --------
    u32 read(Seg seg, u32 offset, unsigned size);
    void write(Seg seg, u32 offset, unsigned size, u32 value);
    u64 read64(Seg seg, u32 offset);
    void write64(Seg seg, u32 offset, u64 value);
    void read_bytes(Seg seg, u32 offset, void* out, unsigned size);       // up to 512 bytes; all checks before any byte
    void write_bytes(Seg seg, u32 offset, const void* in, unsigned size);
    // Segment checks only: the linear address of [offset, offset+size), or #GP/#SS.
    u32 linear(Seg seg, u32 offset, unsigned size, Access access);
    // Throws what writing there would throw, and writes nothing (RMW instructions and multi-part stores).
    void probe_write(Seg seg, u32 offset, unsigned size);

    // --- memory by linear address. `supervisor`: as system accesses to GDT, IDT, TSS (CPL 0 whatever CPL is). ----------
    u32 read_linear(u32 address, unsigned size, bool supervisor = false);
    void write_linear(u32 address, unsigned size, u32 value, bool supervisor = false);
    void probe_linear(u32 address, unsigned size, Access access, bool supervisor = false);
    // Host memory behind a linear address, for page-wise work; null when it is not plain memory, is watched or would
    // fault. Valid up to the end of the page and until the next call into Cpu. Sets A and D as the access would.
    u8* host_pointer(u32 address, Access access);

    // --- effective addresses and operands -----------------------------------------------------------------------------
    u32 effective_address(const MemOperand& m) const;
    u32 get(unsigned gpr, unsigned size) const;            // size 1: AL..BH numbering
    void set(unsigned gpr, unsigned size, u32 value);
    u32 load_operand(const Insn& insn, unsigned i);        // Reg, Mem, Imm; zero-extended to 32 bits
    void store_operand(const Insn& insn, unsigned i, u32 value);

    // --- stack: by SS.B, checks, does not change ESP before it succeeded -------------------------------------------------
    void push(unsigned size, u32 value);
    u32 pop(unsigned size);
    u32 esp() const { return stack32() ? s.gpr[kEsp] : s.gpr[kEsp] & 0xffff; }
    void set_esp(u32 value) { s.gpr[kEsp] = stack32() ? value : (s.gpr[kEsp] & 0xffff0000) | (value & 0xffff); }

    // --- paging control (Mmu) -----------------------------------------------------------------------------------------------
    void paging_changed();                                 // after CR0.PG/WP, CR4.PSE/PAE/PGE, EFER.NX, A20
    void cr3_changed();                                    // after CR3 (and PDPTEs) were set

    Memory& memory;
    IoBus& ports;
    Clock& clock;
    CpuPins& pins;
    const CpuModel& model;
    std::function<void(u64)> apic_base_changed;            // IA32_APIC_BASE was written
    std::function<u32()> random;                           // unused: no source the program cannot control is offered

    CodeWatcher* code_watcher = nullptr;
    DebugStops debug;                                      // of a debugger outside; no part of the machine

    Mmu& mmu() { return *mmu_; }

    // MemoryWatcher
    void watched_write(u32 store_page, u32 offset, u32 size) override;
    void map_changed() override;
    void write_protect(u32 store_page) override;

  private:
    friend class Translator;
    template <class T> T read_slow(u32 address, bool user);
    template <class T> void write_slow(u32 address, T value, bool user);
    void check_data_breakpoint(u32 address, unsigned size, bool write);
    void note_access(u32 address, u32 size, bool write) {
        if (debug.any_watch()) debug.accessed(address, size, write, s.cr3);
    }
    void note_device(GuestPhys phys, u32 size) {
        if (debug.any_event() && memory.view(phys).read == Memory::PageView::kNone)
            debug.happened(PointKind::Device, static_cast<u32>(phys.v), size, s.cr3);
    }
    unsigned cpl_ = 0;
    std::unique_ptr<Mmu> mmu_;

  public:
    // --- what generated code and its dispatcher share (see emit.h) -----------------------------------------------
    struct Jit {
        i64 budget = 0;            // steps left after the present block, as generated code last stored it
        u64 limit = 0;             // clock.icount() at budget 0
        u32 pending = 0;           // steps of the present block not yet done, this instruction included
        u8* tables = nullptr;      // TLB tables that the next block runs with
        u32 scratch = 0;
        u64 flags = 0;             // arithmetic flags in the form of emitter.h
        // Which of the guest's registers are in the host's units now instead of in `s`. Never anything outside of generated
        // code: helpers and the dispatcher find all of `s` in place.
        u32 live = 0;
        u32 host_mxcsr = 0x1f80;
        // While the x87 unit is live: the last instruction that sets FIP, FCS and FOP, and the segment + 1 of the last one
        // with a memory operand, since they were last written to `s`; or none.
        const HelperCall* x87_last = nullptr;
        u32 x87_segment = 0;
        Fault fault{};             // what a helper threw, for the dispatcher to deliver
        bool faulted = false;
        bool shutdown = false;     // a triple fault
        bool code_changed = false; // translated code was rewritten or unmapped since generated code was entered
        class Translator* translator = nullptr;
    } jit;
};

using ExecFn = void (*)(Cpu&, const Insn&);
// The helper for an Op, or null. One table over exec_*.cc.
ExecFn exec_for(Op op);

}  // namespace vmm::tcg
