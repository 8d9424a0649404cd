// SPDX-License-Identifier: Apache-2.0
#include "tests/tcg/translator_engine.h"

#include <cstring>

#include "tests/tcg/random.h"
#include "vmm/check.h"
#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/interrupts.h"
#include "vmm/tcg/mmu.h"
#include "vmm/tcg/translator.h"

namespace vmm::test {
namespace {

using namespace tcg;

constexpr u32 kRamBytes = 1 << 20;
constexpr u32 kDirectoryAt = 0x1000, kCodeTableAt = 0x2000, kDataTableAt = 0x3000, kSystemTableAt = 0x4000, kTssAt = 0x5000, kGdtAt = 0x5800,
              kLdtAt = 0x5900, kIdtAt = 0x6000, kHandlersAt = 0x7000, kStackTop = 0xa000, kCodeAt = 0x10000, kDataAt = 0x20000;
// The system's memory: out of what cases reach, and nothing of a user's.
constexpr u32 kSystemBase = 0xf8000000;
// The flat user segments are where Linux has them (kFlatCode, kFlatData).
constexpr u16 kRing0Code = 8, kRing0Data = 0x18, kTssSelector = 0x30;
constexpr u16 kGdtLimit = 0x2f, kTssLimit = 0x67;
constexpr u64 kSequenceSteps = 1 << 20;

class TranslatorEngine final : public UserEngine {
  public:
    explicit TranslatorEngine(bool interpret) {
        memory_.map_ram(0, 0, kRamBytes / kPageSize);
        constexpr u32 kPresent = 1, kWritable = 2, kUser = 4;
        put(kDirectoryAt + (kCodeBase >> 22) * 4, kCodeTableAt | kPresent | kWritable | kUser);
        put(kDirectoryAt + (kDataBase >> 22) * 4, kDataTableAt | kPresent | kWritable | kUser);
        put(kDirectoryAt + (kSystemBase >> 22) * 4, kSystemTableAt | kPresent | kWritable);
        for (u32 i = 0; i < kCodeSize / kPageSize; ++i) put(kCodeTableAt + i * 4, (kCodeAt + i * kPageSize) | kPresent | kUser);
        for (u32 i = 0; i < 3; ++i)
            put(kDataTableAt + i * 4, (kDataAt + i * kPageSize) | kPresent | kUser | (i < 2 ? kWritable : 0));
        for (u32 i = 0; i < 16; ++i) put(kSystemTableAt + i * 4, i * kPageSize | kPresent | kWritable);
        put(kGdtAt + kRing0Code, 0xffff), put(kGdtAt + kRing0Code + 4, 0x00cf9b00);
        put(kGdtAt + kRing0Data, 0xffff), put(kGdtAt + kRing0Data + 4, 0x00cf9300);
        put(kGdtAt + (kFlatCode & ~7), 0xffff), put(kGdtAt + (kFlatCode & ~7) + 4, 0x00cffb00);
        put(kGdtAt + (kFlatData & ~7), 0xffff), put(kGdtAt + (kFlatData & ~7) + 4, 0x00cff300);
        for (u32 i = 0; i < std::size(kLdt); ++i) {
            const Segment d = segment_of(ldt_selector(i));
            put(kLdtAt + 8 * i, d.base << 16 | (d.limit & 0xffff));
            put(kLdtAt + 8 * i + 4, (d.base & 0xff000000) | (d.limit & 0xf0000) | u32{d.attr} << 8 | (d.base >> 16 & 0xff));
        }
        put(kTssAt + 4, kSystemBase + kStackTop), put(kTssAt + 8, kRing0Data), put(kTssAt + 0x64, (kTssLimit + 1u) << 16);
        for (u32 v = 0; v < 256; ++v) {
            const u32 handler = kSystemBase + kHandlersAt + 16 * v;
            put(kIdtAt + 8 * v, u32{kRing0Code} << 16 | (handler & 0xffff));
            // INT3 and INTO are there for users, as in Linux.
            put(kIdtAt + 8 * v + 4, (handler & 0xffff0000) | (v == kBp || v == kOfTrap ? 0xee00u : 0x8e00u));
            put(kHandlersAt + 16 * v, 0x90fdebf4);   // HLT, and again
        }
        memory_.write({kCodeAt}, std::vector<u8>(kCodeSize, 0x90));
        system_.cr0 = kCr0Pe | kCr0Pg | kCr0Wp | kCr0Ne | kCr0Et | kCr0Mp | kCr0Am;
        system_.cr3 = kDirectoryAt;
        system_.cr4 = kCr4Osfxsr | kCr4Osxmmexcpt;
        system_.gdtr = {kSystemBase + kGdtAt, kGdtLimit};
        system_.idtr = {kSystemBase + kIdtAt, 0x7ff};
        system_.ldtr = {0x38, kSystemBase + kLdtAt, 8 * std::size(kLdt) - 1, 0x82};
        system_.tr = {kTssSelector, kSystemBase + kTssAt, kTssLimit, 0x8b};
        translator_.set_interpret(interpret);
    }

    void set_memory(std::span<const u8> data, std::span<const u8> read_only) override {
        initial_.assign(data.begin(), data.end());
        initial_digest_ = digest(initial_.data());
        memory_.write({kDataAt}, data);
        memory_.write({kDataAt + kDataSize}, read_only);
    }

    NativeResult run_case(const NativeCase& c) override {
        random_ = SplitMix(c.state.gpr[kEax], c.code_at);
        if (dirty_) memory_.write({kDataAt}, initial_);
        memory_.write({kCodeAt + (c.code_at - kCodeBase)}, {c.code, c.code_length});
        if (c.patch_size != 0) memory_.write({kDataAt + (c.patch_at - kDataBase)}, {c.patch, c.patch_size});
        // Misses of the TLB, now and then.
        if (random_() % 3 == 0) translator_.cpu().mmu().flush_all();
        translator_.set_state(state_of(c.state));
        NativeResult r{};
        r.vector = kNoFault;
        if (c.sequence != 0) run_sequence(r);
        else run_one(c, r);
        store(r.state);
        if (translator_.cpu().cpl() == 0) read_frame(c, r);
        forget_ignored(c, memory_.base() + kDataAt);
        r.digest = digest(data());
        dirty_ = r.digest != initial_digest_;
        const std::vector<u8> nops(c.code_length, 0x90);
        memory_.write({kCodeAt + (c.code_at - kCodeBase)}, nops);
        return r;
    }

    const u8* data() const override { return memory_.base() + kDataAt; }

  private:
    void put(u32 at, u32 value) { memory_.store({at}, 4, value); }

    // A block of its own for the instruction. A REP is cut anywhere by the limit, and by interrupts where it ends in steps.
    void run_one(const NativeCase& c, NativeResult& r) {
        translator_.set_block_limit(1);
        const u32 chunk = c.repeat == 1 || random_() % 2 == 0 ? 1 : 1 + random_() % 8;
        do {
            const u64 before = clock_.icount().v;
            const StopReason reason = translator_.run({before + chunk});
            r.steps += static_cast<u32>(clock_.icount().v - before);
            if (reason != StopReason::Limit) return;
            // Past the end of the REP there are NOPs.
            const u32 next = c.state.eip + c.code_length, eip = translator_.state().eip;
            if (chunk != 1 && eip != c.state.eip && eip - next < chunk) {
                CpuState s = translator_.state();
                s.eip = next;
                translator_.set_state(s);
            }
        } while (r.steps < c.repeat && translator_.state().eip == c.state.eip && translator_.cpu().cpl() == 3);
    }

    void run_sequence(NativeResult&) {
        constexpr unsigned kLimits[] = {2, 3, 5, 32, 32, 32};
        translator_.set_block_limit(kLimits[random_() % std::size(kLimits)]);
        const u64 end = clock_.icount().v + kSequenceSteps;
        while (clock_.icount().v < end && translator_.run({end}) != StopReason::Halted) {}
        CHECK(translator_.state().halted, "a sequence went on and on");
    }

    // What the delivery of an exception pushed is the state of the user program.
    void read_frame(const NativeCase& c, NativeResult& r) {
        const CpuState& s = translator_.state();
        const u32 vector = (s.eip - kSystemBase - kHandlersAt) / 16;
        u32 at = s.gpr[kEsp] - kSystemBase;
        const auto pop = [&] {
            at += 4;
            return memory_.load({at - 4}, 4);
        };
        const bool error = vector == kDfault || (vector >= kTs && vector <= kPfault) || vector == kAcFault;
        // What ends a sequence, and ICEBP, which looks like the trap after a step.
        r.vector = vector == (c.sequence != 0 ? kBp : kDb) ? kNoFault : vector;
        r.error = error ? pop() : 0;
        r.state.eip = pop();
        r.state.seg[kNativeCs] = static_cast<u16>(pop());
        r.state.eflags = pop() & ~kRf;
        r.state.gpr[kEsp] = pop();
        r.state.seg[kNativeSs] = static_cast<u16>(pop());
        r.cr2 = s.cr2;
    }

    CpuState state_of(const NativeState& n) const {
        CpuState s = system_;
        for (unsigned i = 0; i < 8; ++i) s.gpr[i] = n.gpr[i];
        s.eip = n.eip;
        s.eflags = n.eflags;
        for (unsigned i = 0; i < 6; ++i) s.seg[i] = segment_of(n.seg[i]);
        s.fpu.control = n.fp.control;
        s.fpu.status = n.fp.status;
        s.fpu.tag = 0;
        for (unsigned i = 0; i < 8; ++i) {
            if ((n.fp.tag >> (2 * i) & 3) != 3) s.fpu.tag = static_cast<u8>(s.fpu.tag | 1u << i);
            const unsigned r = (i + (n.fp.status >> 11)) & 7;
            std::memcpy(&s.fpu.significand[r], n.fp.st[i], 8);
            std::memcpy(&s.fpu.exponent[r], n.fp.st[i] + 8, 2);
            std::memcpy(&s.xmm[i], n.fp.xmm[i], 16);
        }
        s.mxcsr = n.fp.mxcsr;
        return s;
    }

    void store(NativeState& n) {
        const CpuState& s = translator_.state();
        for (unsigned i = 0; i < 8; ++i) n.gpr[i] = s.gpr[i];
        n.eip = s.eip;
        n.eflags = s.eflags & ~kRf;
        for (unsigned i = 0; i < 6; ++i) n.seg[i] = s.seg[i].selector;
        n.fp.control = s.fpu.control;
        n.fp.status = s.fpu.status;
        n.fp.tag = 0;
        for (unsigned i = 0; i < 8; ++i) {
            if ((s.fpu.tag >> i & 1) == 0) n.fp.tag = static_cast<u16>(n.fp.tag | 3u << (2 * i));
            const unsigned r = (i + (s.fpu.status >> 11)) & 7;
            std::memcpy(n.fp.st[i], &s.fpu.significand[r], 8);
            std::memcpy(n.fp.st[i] + 8, &s.fpu.exponent[r], 2);
            std::memcpy(n.fp.xmm[i], &s.xmm[i], 16);
        }
        n.fp.mxcsr = s.mxcsr;
        n.fp.opcode = s.fpu.opcode;
        n.fp.ip = s.fpu.ip;
        n.fp.dp = s.fpu.dp;
    }

    IoBus ports_{"ports"}, mmio_{"mmio"};
    Memory memory_{kRamBytes, 0, mmio_};
    Clock clock_;
    Timers timers_{clock_};
    CpuPins pins_;
    Translator translator_{memory_, ports_, clock_, timers_, pins_, **find_cpu_model("pentium4")};
    CpuState system_;
    std::vector<u8> initial_;
    u64 initial_digest_ = 0;
    bool dirty_ = false;
    SplitMix random_{1};
};

}  // namespace

Segment segment_of(u16 selector) {
    constexpr u16 kUserPresent = 0x80 | 0x60 | 0x10, kBig = 0x4000, kPages = 0x8000, kAccessed = 1, kCode = 8;
    if (selector == kFlatCode) return {selector, 0, ~u32{0}, kUserPresent | kBig | kPages | kAccessed | kCode | 2};
    if (selector == kFlatData) return {selector, 0, ~u32{0}, kUserPresent | kBig | kPages | kAccessed | 2};
    if (selector == 0) return {0, 0, 0, 0};
    const LdtEntry& e = kLdt[selector >> 3];
    const unsigned attr = kUserPresent | kAccessed | (e.code ? kCode : 0) | (e.expand_down_or_conforming ? 4 : 0) |
                          (e.writable_or_readable ? 2 : 0) | (e.big ? kBig : 0);
    return {selector, e.base, e.limit, static_cast<u16>(attr)};
}

std::unique_ptr<UserEngine> make_translator_engine() { return std::make_unique<TranslatorEngine>(false); }
std::unique_ptr<UserEngine> make_interpreter_engine() { return std::make_unique<TranslatorEngine>(true); }

}  // namespace vmm::test
