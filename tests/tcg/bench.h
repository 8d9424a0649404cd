// SPDX-License-Identifier: Apache-2.0
// Bench: a Cpu with 2 MiB of memory and the tables of a small operating system in it, for the tests of the privileged
// architecture. Everything is flat except what a test asks for.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>

#include "tests/tcg/qemu_departures.h"
#include "tests/tcg/stepper.h"
#include "vmm/tcg/descriptor.h"

namespace vmm::tcg::test {

// Selectors.
inline constexpr u16 kCode0 = 0x08, kData0 = 0x10, kCode3 = 0x1b, kData3 = 0x23, kTssA = 0x28, kTssB = 0x30, kGate = 0x38,
                     kConforming = 0x40, kCode1 = 0x48, kData1 = 0x51, kLdtSel = 0x58, kSpare = 0x60, kCode16 = 0x68,
                     kData16 = 0x70, kStack16 = 0x70;
// Linear addresses.
inline constexpr u32 kGdt = 0x1000, kIdt = 0x2000, kTssABase = 0x3000, kTssBBase = 0x3400, kLdtBase = 0x3800,
                     kText = 0x10000, kUserText = 0x20000, kHandlers = 0x30000, kStack0 = 0x48000, kStack1 = 0x4a000,
                     kStack3 = 0x4c000, kScratch = 0x50000;

class PendingVector final : public InterruptSource {
  public:
    bool pending() const override { return vector >= 0; }
    u8 acknowledge() override {
        const u8 v = static_cast<u8>(vector);
        vector = -1;
        return v;
    }
    int vector = -1;
};

class Bench : public testing::TestWithParam<StepperFactory> {
  protected:
    explicit Bench(const char* model = "pentium4")
        : ports(board.ports), memory(board.memory), clock(board.clock), pins(board.pins),
          on_qemu(GetParam() == &make_qemu), judge(on_qemu), stepper((judge.runs ? GetParam() : &make_interpreter)(board, **find_cpu_model(model))),
          cpu(stepper->cpu()), s(cpu.s) {
        pins.source = &interrupt;
    }
    void SetUp() override {
        if (!judge.runs) GTEST_SKIP() << judge.reason;
        build_tables();
        enter_ring0();
    }

    // --- memory -------------------------------------------------------------------------------------------------
    void poke(u32 at, std::initializer_list<u8> bytes) { memory.write({at}, {bytes.begin(), bytes.size()}); }
    void poke16(u32 at, u32 v) { memory.store({at}, 2, v); }
    void poke32(u32 at, u32 v) { memory.store({at}, 4, v); }
    u32 peek16(u32 at) { return memory.load({at}, 2); }
    u32 peek32(u32 at) { return memory.load({at}, 4); }
    // The n-th dword on the present stack, segment base included; from the top.
    u32 stack32(unsigned n) { return peek32(s.seg[kSs].base + cpu.esp() + 4 * n); }
    u32 stack16(unsigned n) { return peek16(s.seg[kSs].base + cpu.esp() + 2 * n); }

    // --- tables -------------------------------------------------------------------------------------------------
    // `attributes`: bits 8-23 of the descriptor's high dword shifted down: access byte, and G, D/B in bits 15, 14.
    void descriptor(u16 selector, u32 base, u32 limit, u32 attributes) {
        const u32 at = kGdt + (selector & 0xfff8u);
        poke32(at, (limit & 0xffff) | base << 16);
        poke32(at + 4, (base >> 16 & 0xff) | attributes << 8 | (limit & 0xf0000) | (base & 0xff000000));
    }
    u32 access_byte(u16 selector) { return memory.load({kGdt + (selector & 0xfff8u) + 5}, 1); }
    void gate(u32 at, u16 selector, u32 offset, u8 access, u8 parameters = 0) {
        poke32(at, u32{selector} << 16 | (offset & 0xffff));
        poke32(at + 4, (offset & 0xffff0000) | u32{access} << 8 | parameters);
    }
    void idt_gate(u8 vector, u8 access, u16 selector = kCode0, u32 offset = 0) {
        gate(kIdt + 8u * vector, selector, offset == 0 ? handler(vector) : offset, access);
    }
    void call_gate(u16 target, u32 offset, u8 access, u8 parameters = 0) { gate(kGdt + kGate, target, offset, access, parameters); }
    static u32 handler(u8 vector) { return kHandlers + 16u * vector; }

    void build_tables() {
        descriptor(kCode0, 0, 0xfffff, 0xc09b);
        descriptor(kData0, 0, 0xfffff, 0xc093);
        descriptor(kCode3, 0, 0xfffff, 0xc0fb);
        descriptor(kData3, 0, 0xfffff, 0xc0f3);
        descriptor(kTssA, kTssABase, 0x67, 0x008b);
        descriptor(kTssB, kTssBBase, 0x67, 0x0089);
        descriptor(kConforming, 0, 0xfffff, 0xc09f);
        descriptor(kCode1, 0, 0xfffff, 0xc0bb);
        descriptor(kData1, 0, 0xfffff, 0xc0b3);
        descriptor(kLdtSel, kLdtBase, 0xff, 0x0082);
        descriptor(kCode16, 0, 0xffff, 0x009b);
        descriptor(kData16, 0x40000, 0xffff, 0x0093);
        for (unsigned v = 0; v < 256; ++v) idt_gate(static_cast<u8>(v), 0x8e);
        poke32(kTssABase + 4, kStack0);
        poke32(kTssABase + 8, kData0);
        poke32(kTssABase + 12, kStack1);
        poke32(kTssABase + 16, kData1);
        poke16(kTssABase + 0x66, 0x68);
    }

    // --- where the processor is -----------------------------------------------------------------------------------
    Segment loaded(u16 selector) {
        const u32 at = kGdt + (selector & 0xfff8u);
        return make_segment(selector, {peek32(at), peek32(at + 4)});
    }
    void enter_protected(u16 cs, u16 data, u32 eip, u32 esp) {
        s.cr0 = kCr0Pe | kCr0Et | kCr0Ne;
        s.gdtr = {kGdt, 0xff};
        s.idtr = {kIdt, 0x7ff};
        s.ldtr = null_segment(0);
        s.tr = {kTssA, kTssABase, 0x67, 0x8b};
        for (auto& segment : s.seg) segment = loaded(data);
        s.seg[kCs] = loaded(cs);
        s.gpr[kEsp] = esp;
        s.eip = eip;
        s.eflags = 2;
        cpu.mode_changed();
        cpu.paging_changed();
    }
    void enter_ring0() { enter_protected(kCode0, kData0, kText, 0x47000); }
    void enter_ring3() { enter_protected(kCode3, kData3, kUserText, kStack3); }
    void enter_real(u16 cs = 0x1000, u16 data = 0x4000) {
        s.cr0 = kCr0Et;
        s.eflags = 2;
        s.idtr = {0, 0x3ff};
        for (auto& segment : s.seg) segment = {data, u32{data} << 4, 0xffff, 0x93};
        s.seg[kCs] = {cs, u32{cs} << 4, 0xffff, 0x9b};
        s.gpr[kEsp] = 0x8000;
        s.eip = 0;
        cpu.mode_changed();
        cpu.paging_changed();
    }
    void enter_v86(unsigned iopl) {
        enter_ring3();
        s.eflags = 2 | kVm | iopl << 12;
        for (auto& segment : s.seg) segment = v86_segment(0x4000);
        s.seg[kCs] = v86_segment(0x1000);
        s.gpr[kEsp] = 0x8000;
        s.eip = 0;
        cpu.mode_changed();
    }

    // Puts the instruction where EIP is and takes one step.
    void run(std::initializer_list<u8> bytes) {
        poke(s.seg[kCs].base + s.eip, bytes);
        stepper->step();
    }
    void step() { stepper->step(); }

    // A fault went to its ring 0 handler, with this error code on the stack.
    void expect_fault(u8 vector, u32 error) {
        EXPECT_EQ(s.eip, handler(vector));
        EXPECT_EQ(stack32(0), error);
    }
    void expect_fault(u8 vector) { EXPECT_EQ(s.eip, handler(vector)); }
    // A debug trap is due, or (QEMU) delivered already.
    bool trapped() const { return s.pending_debug != 0 || s.eip == handler(kDb); }

    Board board;
    IoBus& ports;
    Memory& memory;
    Clock& clock;
    CpuPins& pins;
    PendingVector interrupt;
    const bool on_qemu;
    QemuJudge judge;
    std::unique_ptr<Stepper> stepper;
    Cpu& cpu;
    CpuState& s;
};

inline std::string stepper_name(const testing::TestParamInfo<StepperFactory>& info) {
    return info.param == &make_interpreter ? "Interpreter" : info.param == &make_translator ? "Translator" : info.param == &make_qemu ? "Qemu" : "SingleStepper";
}

#define VMM_ON_EVERY_STEPPER(suite)                                                                                        \
    INSTANTIATE_TEST_SUITE_P(Steppers, suite, testing::Values(&make_interpreter, &make_translator, &make_single_stepper, &make_qemu), \
                             stepper_name)

}  // namespace vmm::tcg::test
