// SPDX-License-Identifier: Apache-2.0
// The steppers. What is due at a boundary, in order: SDM volume 3, 6.9, table 6-2.
#include "tests/tcg/stepper.h"

#include "vmm/tcg/interrupts.h"
#include "vmm/tcg/mmu.h"
#include "vmm/tcg/translator.h"

namespace vmm::tcg::test {

namespace {

class Interpreter final : public Stepper {
  public:
    Interpreter(Board& b, const CpuModel& model) : cpu_(b.memory, b.ports, b.clock, b.pins, model) {}
    Cpu& cpu() override { return cpu_; }

    void step() override {
        CpuState& s = cpu_.s;
        if (deliver_due()) return;
        if (s.halted) return;
        s.shadow = Shadow::None;
        const bool trap = (s.eflags & kTf) != 0;
        try {
            check_instruction_breakpoints();
            s.eflags &= ~kRf;
            Insn insn;
            fetch(insn);
            cpu_.next_eip = s.eip + insn.length;
            if (!s.seg[kCs].big()) cpu_.next_eip &= 0xffff;
            cpu_.rep_budget = 1;
            const ExecFn fn = exec_for(insn.op);
            if (fn == nullptr || !available(cpu_.model, insn)) raise(kUd);
            fn(cpu_, insn);
            if (cpu_.next_eip == s.eip && insn.rep != Rep::None) s.eflags |= kRf;
            s.eip = cpu_.next_eip;
            const bool event = insn.op == Op::Int || insn.op == Op::Int3 || insn.op == Op::Into || insn.op == Op::Icebp;
            if (trap && !(event && (s.eflags & kTf) == 0)) s.pending_debug |= kDr6Bs;
        } catch (const Fault& fault) {
            deliver_fault(cpu_, fault);
        }
    }

  private:
    bool deliver_due() {
        CpuState& s = cpu_.s;
        if (s.shadow == Shadow::MovSs) return false;
        if (s.pending_debug != 0) {
            deliver_debug_trap(cpu_);
            return true;
        }
        if (cpu_.pins.s.nmi && !s.nmi_blocked) {
            cpu_.pins.s.nmi = false;
            deliver_event(cpu_, kNmi, EventKind::Nmi, std::nullopt, s.eip);
            return true;
        }
        InterruptSource* source = cpu_.pins.source;
        if (source != nullptr && source->pending() && (s.eflags & kIf) != 0 && s.shadow == Shadow::None) {
            deliver_event(cpu_, source->acknowledge(), EventKind::External, std::nullopt, s.eip);
            return true;
        }
        return false;
    }

    void check_instruction_breakpoints() {
        const CpuState& s = cpu_.s;
        if ((s.eflags & kRf) != 0) return;
        u32 hits = 0;
        for (unsigned i = 0; i < 4; ++i) {
            const bool enabled = (s.dr7 >> (2 * i) & 3) != 0 && (s.dr7 >> (16 + 4 * i) & 3) == 0;
            if (enabled && s.dr[i] == s.seg[kCs].base + s.eip) hits |= 1u << i;
        }
        if (hits != 0) throw Fault{kDb, false, hits};
    }

    void fetch(Insn& insn) {
        const CpuState& s = cpu_.s;
        u8 bytes[15];
        for (unsigned n = 0; n < sizeof bytes; ++n) {
            if (s.eip + n > s.seg[kCs].limit) raise(kGp, 0);
            const auto at = cpu_.mmu().translate(s.seg[kCs].base + s.eip + n, Access::Execute, cpu_.cpl() == 3);
            cpu_.memory.read_ram(at.phys, {bytes + n, 1});
            switch (decode({bytes, n + 1}, cpu_.code32(), insn)) {
                case DecodeStatus::Ok: return;
                case DecodeStatus::Truncated: break;
                case DecodeStatus::Invalid: raise(kUd);
                case DecodeStatus::TooLong: raise(kGp, 0);
            }
        }
        raise(kGp, 0);
    }

    Cpu cpu_;
};

class TranslatorStepper final : public Stepper {
  public:
    TranslatorStepper(Board& b, const CpuModel& model, bool interpret)
        : clock_(b.clock), translator_(b.memory, b.ports, b.clock, b.timers, b.pins, model) {
        translator_.set_block_limit(1);
        translator_.set_interpret(interpret);
    }
    Cpu& cpu() override { return translator_.cpu(); }
    void step() override {
        // Attention asks the machine to look at timers and pins again; nothing is due here.
        for (;;) {
            switch (translator_.run(clock_.icount() + 1)) {
                case StopReason::Attention: continue;
                case StopReason::TripleFault: throw TripleFaultStop{};
                default: return;
            }
        }
    }

  private:
    Clock& clock_;
    Translator translator_;
};

}  // namespace

std::unique_ptr<Stepper> make_interpreter(Board& board, const CpuModel& model) {
    return std::make_unique<Interpreter>(board, model);
}

std::unique_ptr<Stepper> make_translator(Board& board, const CpuModel& model) {
    return std::make_unique<TranslatorStepper>(board, model, false);
}

std::unique_ptr<Stepper> make_single_stepper(Board& board, const CpuModel& model) {
    return std::make_unique<TranslatorStepper>(board, model, true);
}

}  // namespace vmm::tcg::test
