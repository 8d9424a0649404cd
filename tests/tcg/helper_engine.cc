// SPDX-License-Identifier: Apache-2.0
// Runs cases through decode() and exec_for() on a Cpu in user mode, over page tables that map test memory as the native
// runner has it.
#include <cstring>
#include <random>

#include "tests/tcg/user_engine.h"
#include "vmm/tcg/cpu.h"
#include "vmm/tcg/cpu_model.h"

namespace vmm::test {
namespace {

using namespace tcg;

constexpr u32 kRamBytes = 1 << 20;
constexpr u32 kDirectoryAt = 0x1000, kCodeTableAt = 0x2000, kDataTableAt = 0x3000, kCodeAt = 0x10000, kDataAt = 0x20000;

class HelperEngine final : public UserEngine {
  public:
    HelperEngine() {
        memory_.map_ram(0, 0, kRamBytes / kPageSize);
        constexpr u32 kPresent = 1, kWritable = 2, kUser = 4;
        put(kDirectoryAt + (kCodeBase >> 22) * 4, kCodeTableAt | kPresent | kWritable | kUser);
        put(kDirectoryAt + (kDataBase >> 22) * 4, kDataTableAt | kPresent | kWritable | kUser);
        for (u32 i = 0; i < kCodeSize / kPageSize; ++i) put(kCodeTableAt + i * 4, (kCodeAt + i * kPageSize) | kPresent | kUser);
        for (u32 i = 0; i < 3; ++i)
            put(kDataTableAt + i * 4, (kDataAt + i * kPageSize) | kPresent | kUser | (i < 2 ? kWritable : 0));
        const std::vector<u8> nops(kCodeSize, 0x90);
        memory_.write({kCodeAt}, nops);
        cpu_.s.cr0 = kCr0Pe | kCr0Pg | kCr0Wp | kCr0Ne | kCr0Et | kCr0Mp | kCr0Am;
        cpu_.s.cr3 = kDirectoryAt;
        cpu_.s.cr4 = kCr4Osfxsr | kCr4Osxmmexcpt;
        cpu_.paging_changed();
        cpu_.cr3_changed();
    }

    void set_memory(std::span<const u8> data, std::span<const u8> read_only) override {
        initial_.assign(data.begin(), data.end());
        initial_digest_ = digest(initial_.data());
        memory_.write({kDataAt}, data);
        memory_.write({kDataAt + kDataSize}, read_only);
    }

    NativeResult run_case(const NativeCase& c) override {
        if (dirty_) memory_.write({kDataAt}, initial_);
        memory_.write({kCodeAt + (c.code_at - kCodeBase)}, {c.code, c.code_length});
        load(c.state);
        NativeResult r{};
        r.vector = kNoFault;
        Insn insn;
        const DecodeStatus status = decode({c.code, sizeof c.code}, cpu_.code32(), insn);
        if (status == DecodeStatus::TooLong) r.vector = kGp;
        else if (status != DecodeStatus::Ok || !available(cpu_.model, insn)) r.vector = kUd;
        else execute(insn, c, r);
        store(r.state);
        r.digest = digest(data());
        dirty_ = r.digest != initial_digest_;
        const std::vector<u8> nops(c.code_length, 0x90);
        memory_.write({kCodeAt + (c.code_at - kCodeBase)}, nops);
        return r;
    }

    const u8* data() const override { return memory_.base() + kDataAt; }

  private:
    void put(u32 at, u32 value) { memory_.store({at}, 4, value); }

    void execute(const Insn& insn, const NativeCase& c, NativeResult& r) {
        const ExecFn fn = exec_for(insn.op);
        CHECK(fn != nullptr, "no helper for this instruction");
        do {
            cpu_.next_eip = cpu_.s.eip + insn.length;
            cpu_.steps = 1;
            cpu_.steps_before_fault = 0;
            cpu_.rep_budget = 1 + random_() % 8;
            cpu_.block_end = false;
            try {
                fn(cpu_, insn);
            } catch (const Fault& fault) {
                r.vector = fault.vector;
                r.error = fault.error;
                r.cr2 = cpu_.s.cr2;
                return;
            }
            r.steps += cpu_.steps;
            cpu_.s.eip = cpu_.next_eip;
        } while (r.steps < c.repeat && cpu_.s.eip == c.state.eip);
    }

    void load(const NativeState& n) {
        CpuState& s = cpu_.s;
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
        s.cr2 = 0;
        cpu_.mode_changed();
    }

    void store(NativeState& n) const {
        const CpuState& s = cpu_.s;
        for (unsigned i = 0; i < 8; ++i) n.gpr[i] = s.gpr[i];
        n.eip = s.eip;
        n.eflags = s.eflags;
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
    }

    IoBus ports_{"ports"}, mmio_{"mmio"};
    Memory memory_{kRamBytes, 0, mmio_};
    Clock clock_;
    CpuPins pins_;
    Cpu cpu_{memory_, ports_, clock_, pins_, *find_cpu_model("pentium4").operator*()};
    std::vector<u8> initial_;
    u64 initial_digest_ = 0;
    bool dirty_ = false;
    std::mt19937 random_{1};
};

}  // namespace

std::unique_ptr<UserEngine> make_helper_engine() { return std::make_unique<HelperEngine>(); }

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

}  // namespace vmm::test
