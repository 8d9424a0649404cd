// SPDX-License-Identifier: Apache-2.0
// QemuPeer: a QEMU of its own, stopped, that is looked at and moved through its debugger's stub: packets on two pipes, and its monitor
// inside them. Its memory is a file that both sides map, for reading; writes go through packets, so that QEMU notices changed code.
// Reference: GDB's remote protocol ("Packets", "General Query Packets"), QEMU's manual (GDB usage, monitor).
#pragma once

#include <memory>
#include <span>
#include <string>

#include "vmm/cpu_state.h"

namespace vmm::tcg::test {

class QemuPeer {
  public:
    static constexpr u32 kMemory = 16u << 20;

    // Throws std::runtime_error when it cannot be started.
    QemuPeer(const std::string& program, const std::string& rom, const std::string& cpu);
    ~QemuPeer();
    QemuPeer(const QemuPeer&) = delete;
    QemuPeer& operator=(const QemuPeer&) = delete;

    const u8* memory() const { return memory_; }
    void write_memory(u32 physical, std::span<const u8> bytes);

    void reset();
    void run_to(u32 linear);                     // with a breakpoint there
    enum class Stopped { Stepped, Halted, Shutdown };
    // `interrupts`: events may be taken before the instruction. `may_halt`: it is a HLT, so that nothing may ever come back.
    Stopped step(bool interrupts, bool may_halt = false);
    void raise_nmi() { monitor("nmi"); }
    void raise_interrupt(u8 vector);             // by way of the 8259; vector & 7 is 3: the line of a serial port

    // Registers by their name in the debugger's description of the target.
    enum Register : unsigned { kGpr0 = 0, kEip = 8, kCsReg = 10, kSsReg, kDsReg, kEsReg, kFsReg, kGsReg, kCr0Reg = 19, kCr2Reg, kCr3Reg, kCr4Reg,
                               kEferReg = 24 };
    void write_register(Register which, u32 value);
    // Everything the monitor shows, into a state.
    void read_state(CpuState& s);

  private:
    std::string command(const std::string& packet);
    std::string monitor(const std::string& line);
    void send(const std::string& packet);
    std::string receive(int patience_ms);        // empty: nothing came in time
    int get(int patience_ms);                    // a byte, or -1

    int pid_ = -1, in_ = -1, out_ = -1;
    const u8* memory_ = nullptr;
    bool interrupts_ = true;
    std::string arrived_;
    size_t next_ = 0;                            // in arrived_
};

}  // namespace vmm::tcg::test
