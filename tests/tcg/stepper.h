// SPDX-License-Identifier: Apache-2.0
// Stepper: something that moves a Cpu one step. The tests of the privileged architecture run on each of them: the plainest
// possible interpreter (look at the boundary, decode, exec_for(), commit), the translator with generated code, the translator in
// single steps, and another emulator, QEMU, where it is installed.
#pragma once

#include <memory>

#include "vmm/tcg/cpu.h"
#include "vmm/tcg/cpu_model.h"

namespace vmm::tcg::test {

class Stepper {
  public:
    virtual ~Stepper() = default;
    virtual Cpu& cpu() = 0;
    // One step: the delivery of an event that is due, or an instruction (one iteration of a REP). A fault of the
    // instruction is delivered within the step. Throws TripleFaultStop.
    virtual void step() = 0;
};

// What a Cpu is connected to.
struct Board {
    explicit Board(u32 ram = 0x200000) : mmio("mmio"), ports("ports"), memory(ram, 0x10000, mmio), timers(clock) {
        memory.map_ram(0, 0, ram >> kPageShift);
    }
    IoBus mmio, ports;
    Memory memory;
    Clock clock;
    Timers timers;
    CpuPins pins;
};

using StepperFactory = std::unique_ptr<Stepper> (*)(Board&, const CpuModel&);

std::unique_ptr<Stepper> make_interpreter(Board& board, const CpuModel& model);
std::unique_ptr<Stepper> make_translator(Board& board, const CpuModel& model);         // blocks of one instruction
std::unique_ptr<Stepper> make_single_stepper(Board& board, const CpuModel& model);     // the translator without blocks
std::unique_ptr<Stepper> make_qemu(Board& board, const CpuModel& model);               // a QEMU of its own, see qemu_stepper.cc
bool qemu_is_there();

}  // namespace vmm::tcg::test
