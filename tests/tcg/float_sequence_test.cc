// SPDX-License-Identifier: Apache-2.0
// x87, MMX and SSE instructions among others: random sequences with integer moves and flag users between them, in generated
// code, interpreted, and on the host processor. The guest's stack, tags, control words and XMM registers must be what they
// would be one instruction at a time, also at a fault in the middle. VMM_FLOAT_SEED and VMM_FLOAT_CASES choose another run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>

#include "tests/tcg/case_generator.h"
#include "tests/tcg/native_host.h"
#include "tests/tcg/oracle_rules.h"
#include "tests/tcg/translator_engine.h"
#include "vmm/tcg/cpu.h"
#include "vmm/tcg/fpu_state.h"

namespace vmm::test {
namespace {

using namespace tcg;

#ifdef __SANITIZE_ADDRESS__
constexpr u64 kCases = 10'000;
#else
constexpr u64 kCases = 60'000;
#endif
constexpr u64 kRound = 65'536;
constexpr unsigned kShown = 6;

u64 setting(const char* name, u64 otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

// What is the same on every processor, whatever comes before it.
bool host_knows(Op op) {
    if (results_not_compared(op) != nullptr) return false;
    switch (op) {
    case Op::Fnstenv: case Op::Fnsave: case Op::Fxsave: case Op::Fldenv: case Op::Frstor: case Op::Fxrstor: case Op::Ldmxcsr: case Op::Maskmovq:
    case Op::Maskmovdqu: case Op::Cvtpi2ps: case Op::Cvtpi2pd: case Op::Fcmov: case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip:
    case Op::Fstp: case Op::Fldcw: case Op::Fprem: case Op::Fprem1:
        return false;
    default: return true;
    }
}

class FloatSequence : public testing::Test {
  protected:
    struct Pending {
        u64 number = 0;
        std::vector<Insn> insns;
        NativeResult ours;
    };

    FloatSequence() {
        for (unsigned i = 0; i < all_forms().size(); ++i)
            if ((all_forms()[i].attributes & (kX87 | kMmx | kSse)) != 0) forms_.push_back(i);
    }

    void fill_memory(u64 round) {
        generate_.restart(seed_, ~round);
        std::vector<u8> data(kDataSize), read_only(kPageSize);
        generate_.fill_memory(data, read_only);
        native_.set_memory(data, read_only);
        generated_->set_memory(data, read_only);
        interpreted_->set_memory(data, read_only);
    }

    // Where memory operands are: mostly aligned, now and then across pages or where a fault is.
    u32 address() {
        auto& g = generate_;
        if (g.one_in(40)) return kReadOnlyBase - g.below(32);
        if (g.one_in(40)) return kDataBase + 0x1000 - g.below(16);
        const u32 at = kDataBase + 0x100 + g.below(16) * 0x20;
        return g.one_in(12) ? at + g.below(16) : at;
    }

    std::vector<u8> bytes_of(unsigned form) {
        auto& g = generate_;
        const Encoding& e = insn_tables().encodings[form];
        std::vector<u8> b;
        const auto put = [&](u32 v) { b.push_back(static_cast<u8>(v)); };
        if (e.prefix != 0) put(e.prefix);
        if (e.two_byte) put(0x0f);
        put(e.opcode + g.below(e.opcode_count));
        if (insn_tables().compiled[form].has_modrm) {
            u32 reg = g.below(8), modrm = 0;
            bool memory = g.one_in(2);
            switch (e.rule) {
            case ModrmRule::AnyMem: memory = true; break;
            case ModrmRule::AnyReg: memory = false; break;
            case ModrmRule::Digit: reg = e.modrm; break;
            case ModrmRule::DigitMem: reg = e.modrm, memory = true; break;
            case ModrmRule::DigitReg: reg = e.modrm, memory = false; break;
            default: break;
            }
            if (e.rule == ModrmRule::Exact) modrm = e.modrm + g.below(e.modrm_count);
            else modrm = reg << 3 | (memory ? 5 : 0xc0 | g.below(8));
            put(modrm);
            if (modrm < 0xc0) {
                const u32 at = address();
                for (unsigned i = 0; i < 4; ++i) put(at >> (8 * i));
            }
        }
        if (std::strstr(all_forms()[form].operands, "Ib") != nullptr) put(g());
        return b;
    }

    std::vector<u8> neighbour() {
        auto& g = generate_;
        const u32 at = address();
        const u8 r = static_cast<u8>(g.below(8) == 4 ? 0 : g.below(4));
        const auto u = [](u32 v) { return static_cast<u8>(v); };
        switch (g.below(5)) {
        case 0: return {0x8b, u(5u | r << 3), u(at), u(at >> 8), u(at >> 16), u(at >> 24)};    // MOV r, [at]
        case 1: return {0x89, u(5u | r << 3), u(at), u(at >> 8), u(at >> 16), u(at >> 24)};    // MOV [at], r
        case 2: return {0x01, u(0xc0u | r << 3 | g.below(4))};                                  // ADD
        case 3: return {0x0f, u(0x90 | g.below(16)), u(0xc0 | g.below(4))};                     // SETcc
        default: return {0x70, 0};                                                              // a block ends here
        }
    }

    bool make(u64 number, NativeCase& c, Pending& p) {
        generate_.restart(seed_, number);
        Insn insn;
        do {} while (!generate_.make(forms_[generate_.below(static_cast<u32>(forms_.size()))], Segments::Flat, c, insn));
        c.patch_size = 0;
        for (auto& range : c.ignored) range = {};
        c.repeat = c.sequence = 1;
        c.use_fp = 1;
        c.state.eflags &= ~kAc;
        if (!generate_.one_in(6)) c.state.fp.control |= 0x3f, c.state.fp.status &= u16{0x7f7f}, c.state.fp.mxcsr |= 0x1f80;
        std::vector<u8> code;
        p = {number, {}, {}};
        // Mostly of one kind: x87 and MMX share registers.
        const u16 kind = generate_.one_in(4) ? u16{kX87 | kMmx | kSse} : generate_.one_in(2) ? u16{kX87} : u16{kMmx | kSse};
        for (u32 n = 2 + generate_.below(10); n != 0; --n) {
            std::vector<u8> b;
            if (generate_.one_in(5)) {
                b = neighbour();
            } else {
                unsigned form = 0;
                do form = forms_[generate_.below(static_cast<u32>(forms_.size()))];
                while ((all_forms()[form].attributes & kind) == 0);
                b = bytes_of(form);
            }
            if (b[0] == 0x70) b[0] = static_cast<u8>(0x70 | generate_.below(16));
            Insn one;
            if (decode(b, true, one) != DecodeStatus::Ok || one.length != b.size() || code.size() + b.size() + 1 > sizeof c.code) continue;
            p.insns.push_back(one);
            code.insert(code.end(), b.begin(), b.end());
        }
        code.push_back(0xcc);
        std::memset(c.code, 0x90, sizeof c.code);
        std::copy(code.begin(), code.end(), c.code);
        c.code_length = static_cast<u32>(code.size());
        return true;
    }

    static std::string compare(const NativeResult& a, const NativeResult& b, bool host) {
        if (a.vector != b.vector) return "fault";
        if (a.vector == kPfault && (a.error != b.error || a.cr2 != b.cr2)) return "page fault";
        for (unsigned i = 0; i < 8; ++i)
            if (a.state.gpr[i] != b.state.gpr[i]) return "registers";
        if (a.state.eip != b.state.eip) return "EIP";
        if (a.digest != b.digest) return "memory";
        if (((a.state.eflags ^ b.state.eflags) & (kArithFlags | kDf)) != 0) return "flags";
        const NativeFloat &x = a.state.fp, &y = b.state.fp;
        u16 empty = y.tag;
        if (host) {
            empty = 0;
            for (unsigned i = 0; i < 16; i += 2)
                if ((y.tag >> i & 3) == 3) empty = static_cast<u16>(empty | 3u << i);
        }
        if (x.control != y.control) return "x87 control";
        if (x.status != y.status) return "x87 status";
        if (x.tag != empty) return "x87 tags";
        if (std::memcmp(x.st, y.st, sizeof x.st) != 0) return "x87 registers";
        if (x.mxcsr != y.mxcsr) return "MXCSR";
        if (std::memcmp(x.xmm, y.xmm, sizeof x.xmm) != 0) return "XMM registers";
        if (!host && (x.opcode != y.opcode || x.ip != y.ip || x.dp != y.dp)) return "x87 pointers";
        return {};
    }

    void complain(const std::string& what, const char* side, const Pending& p, const NativeCase& c, const NativeResult& ours, const NativeResult& theirs) {
        if (what.empty()) return;
        if (++differences_ > kShown) return;
        std::ostringstream listing;
        u32 eip = c.state.eip;
        for (const Insn& insn : p.insns) {
            listing << "\n    " << std::hex << eip << "  " << disassemble(insn, eip);
            eip += insn.length;
        }
        ADD_FAILURE() << what << " (generated code and " << side << ")" << listing.str() << "\n  before " << show(c.state) << show(c.state.fp) << "\n  ours   "
                      << show(ours, true) << "\n  theirs " << show(theirs, true) << "\n  again: VMM_FLOAT_SEED=" << seed_ << " VMM_FLOAT_FIRST=" << p.number
                      << " VMM_FLOAT_CASES=1 tests/test_float_sequence";
    }

    void compare_with_host(std::vector<Pending>& pending) {
        if (pending.empty()) return;
        ASSERT_TRUE(native_.run(static_cast<unsigned>(pending.size()))) << "the native runner died";
        for (unsigned i = 0; i < pending.size(); ++i) {
            ++on_host_;
            complain(compare(pending[i].ours, native_.result(i), true), "host", pending[i], native_.slot(i), pending[i].ours, native_.result(i));
        }
        pending.clear();
    }

    const u64 seed_ = setting("VMM_FLOAT_SEED", 20261121);
    CaseGenerator generate_{seed_};
    NativeHost native_;
    std::unique_ptr<UserEngine> generated_ = make_translator_engine(), interpreted_ = make_interpreter_engine();
    std::vector<unsigned> forms_;
    u64 differences_ = 0, on_host_ = 0;
};

TEST_F(FloatSequence, InstructionsAmongOthersDoWhatTheyDoAlone) {
    const u64 first = setting("VMM_FLOAT_FIRST", 0), cases = setting("VMM_FLOAT_CASES", kCases);
    std::vector<Pending> pending;
    u64 faults = 0;
    for (u64 n = first; n < first + cases && differences_ < kShown; ++n) {
        if (n % kRound == 0 || n == first) {
            compare_with_host(pending);
            fill_memory(n / kRound);
        }
        Pending p;
        NativeCase& c = native_.slot(static_cast<unsigned>(pending.size()));
        make(n, c, p);
        p.ours = generated_->run_case(c);
        const NativeResult reference = interpreted_->run_case(c);
        faults += p.ours.vector != kNoFault;
        complain(compare(p.ours, reference, false), "interpreted", p, c, p.ours, reference);
        bool known = (c.state.fp.control & 0x3f) == 0x3f && (c.state.fp.mxcsr & 0x1f80) == 0x1f80 && p.ours.vector == kNoFault;
        for (const Insn& insn : p.insns) known = known && host_knows(insn.op);
        if (!known) continue;
        pending.push_back(p);
        if (pending.size() == kBatch) compare_with_host(pending);
        if (HasFatalFailure()) return;
    }
    compare_with_host(pending);
    std::cout << "seed " << seed_ << ", cases " << first << " to " << first + cases - 1 << ": " << on_host_ << " of them on the host, " << faults << " with a fault, "
              << differences_ << " differences\n";
    if (cases >= kCases) {
        EXPECT_GT(on_host_, cases / 10);
    }
}

}  // namespace
}  // namespace vmm::test
