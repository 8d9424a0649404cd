// SPDX-License-Identifier: Apache-2.0
// Instructions among others: every integer form in the middle of a random sequence, in generated code, interpreted, and on the
// host processor. Flags that live in the host's register, are made and not used, or pending when something faults, must be what
// they would be one instruction at a time. VMM_SEQUENCE_SEED and VMM_SEQUENCE_CASES choose another run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include "tests/tcg/native_host.h"
#include "tests/tcg/oracle_rules.h"
#include "tests/tcg/sequence_generator.h"
#include "tests/tcg/translator_engine.h"
#include "vmm/tcg/exec_table.h"

namespace vmm::test {
namespace {

using namespace tcg;

u32 setting(const char* name, u32 otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? static_cast<u32>(std::strtoul(text, nullptr, 0)) : otherwise;
}

// Faults that processors report differently, with what was done before (see user_oracle_test.cc).
bool faults_differ(Op op) { return op == Op::Cmps || op == Op::Pusha || op == Op::Popa || op == Op::Enter || op == Op::Nop; }

std::string show(const NativeResult& r) {
    constexpr const char* kNames[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    std::ostringstream out;
    out << std::hex;
    for (unsigned i = 0; i < 8; ++i) out << kNames[i] << '=' << r.state.gpr[i] << ' ';
    out << "eip=" << r.state.eip << " eflags=" << r.state.eflags;
    if (r.vector != kNoFault) out << " fault " << std::dec << r.vector << std::hex << " error " << r.error << " cr2 " << r.cr2;
    out << " memory " << r.digest;
    return out.str();
}

std::string difference(const NativeResult& a, const NativeResult& b, u32 ignored_flags) {
    if (a.vector != b.vector) return "fault";
    const bool has_error = a.vector == kGp || a.vector == kSsFault || a.vector == kPfault;
    if (has_error && a.error != b.error) return "error code";
    if (a.vector == kPfault && a.cr2 != b.cr2) return "CR2";
    for (unsigned i = 0; i < 8; ++i)
        if (a.state.gpr[i] != b.state.gpr[i]) return "registers";
    if (a.state.eip != b.state.eip) return "EIP";
    if (a.digest != b.digest) return "memory";
    if (((a.state.eflags ^ b.state.eflags) & (kArithFlags | kDf) & ~ignored_flags) != 0) return "flags";
    return {};
}

class SequenceOracle : public testing::TestWithParam<Segments> {
  protected:
    SequenceOracle() {
        std::vector<u8> data(kDataSize), read_only(kPageSize);
        generate_.fill_memory(data, read_only);
        native_.set_memory(data, read_only);
        generated_->set_memory(data, read_only);
        interpreted_->set_memory(data, read_only);
    }

    struct Pending {
        Sequence sequence;
        NativeResult ours;
    };

    void complain(const std::string& what, const Sequence& q, const NativeCase& c, const NativeResult& ours, const NativeResult& theirs, const char* name) {
        if (++complaints_ > 8) return;
        std::ostringstream out;
        for (const Sequence::Part& p : q.parts) {
            out << "\n   ";
            for (u32 i = p.at; i < p.at + p.insn.length; ++i) out << ' ' << std::hex << (c.code[i] < 16 ? "0" : "") << unsigned{c.code[i]};
            out << "  " << disassemble(p.insn, c.state.eip + p.at) << (p.undefined != 0 ? "  (flags undefined)" : "");
        }
        NativeResult before{};
        before.state = c.state;
        before.vector = kNoFault;
        ADD_FAILURE() << what << " (ours, " << name << "), cs=" << std::hex << c.state.seg[kNativeCs] << " ss=" << c.state.seg[kNativeSs] << " ds="
                      << c.state.seg[kNativeDs] << out.str() << "\n  before " << show(before) << "\n  ours   " << show(ours) << "\n  theirs " << show(theirs);
    }

    void compare_with_host(std::vector<Pending>& pending) {
        std::vector<unsigned> failed;
        ASSERT_TRUE(native_.run(static_cast<unsigned>(pending.size()))) << "the native runner died";
        for (unsigned i = 0; i < pending.size(); ++i) {
            const auto& [q, ours] = pending[i];
            const NativeCase& c = native_.slot(i);
            const NativeResult& host = native_.result(i);
            const Sequence::Part* const at = q.part_at(c, ours.state.eip);
            if (ours.vector != kNoFault && host.vector != kNoFault && at != nullptr && faults_differ(at->insn.op)) continue;
            // 0F 0D with a register: #UD on AMD, NOP on Intel.
            const Sequence::Part* const host_at = q.part_at(c, host.state.eip);
            if (host.vector == kUd && host_at != nullptr && host_at->insn.op == Op::Nop && host_at->insn.modrm >= 0xc0) continue;
            const u32 undefined = ours.vector == kNoFault || at == nullptr ? q.undefined : at->undefined;
            const std::string what = difference(ours, host, undefined);
            ++compared_;
            faults_ += host.vector != kNoFault;
            if (what.empty()) continue;
            complain(what, q, c, ours, host, "host");
            if (what == "memory") failed.push_back(i);
        }
        pending.clear();
        for (const unsigned i : failed) show_memory(i);
    }

    // Which bytes: the cases up to this one once more.
    void show_memory(unsigned last) {
        if (complaints_ > 8) return;
        ASSERT_TRUE(native_.run(last + 1)) << "the native runner died";
        generated_->run_case(native_.slot(last));
        for (u32 i = 0; i < kDataSize; ++i)
            if (native_.data()[i] != generated_->data()[i])
                std::cout << std::hex << kDataBase + i << ": ours " << unsigned{generated_->data()[i]} << ", host " << unsigned{native_.data()[i]} << '\n';
    }

    const u32 seed_ = setting("VMM_SEQUENCE_SEED", 20261121);
    CaseGenerator generate_{seed_};
    NativeHost native_;
    std::unique_ptr<UserEngine> generated_ = make_translator_engine();
    std::unique_ptr<UserEngine> interpreted_ = make_interpreter_engine();
    u32 complaints_ = 0, compared_ = 0, faults_ = 0;
};

TEST_P(SequenceOracle, InstructionsAmongOthersDoWhatTheyDoAlone) {
    std::vector<unsigned> forms;
    std::set<Op> ops = {Op::Clc, Op::Stc, Op::Cmc, Op::Cld, Op::Std, Op::Lahf, Op::Sahf};
    for (const auto list : {alu_exec_entries(), shift_exec_entries(), muldiv_exec_entries(), move_exec_entries(), string_exec_entries(), branch_exec_entries()})
        for (const ExecEntry& e : list) ops.insert(e.op);
    for (unsigned i = 0; i < all_forms().size(); ++i)
        if (ops.contains(all_forms()[i].op)) forms.push_back(i);
    std::vector<Pending> pending;
    u32 run = 0;
    for (u32 n = setting("VMM_SEQUENCE_CASES", 40); n != 0 && complaints_ < 8; --n) {
        for (const unsigned form : forms) {
            Pending p;
            NativeCase& c = native_.slot(static_cast<unsigned>(pending.size()));
            if (!make_sequence(generate_, form, GetParam(), c, p.sequence)) continue;
            p.ours = generated_->run_case(c);
            const NativeResult reference = interpreted_->run_case(c);
            ++run;
            const std::string what = difference(p.ours, reference, 0);
            if (!what.empty()) complain(what, p.sequence, c, p.ours, reference, "interpreted");
            if (!p.sequence.host_knows || (p.ours.vector == kPfault && runner_lives_at(p.ours.cr2)) || on_signal_stack(p.ours.state.gpr[kEsp])) continue;
            pending.push_back(p);
            if (pending.size() == kBatch) compare_with_host(pending);
            if (HasFatalFailure()) return;
        }
    }
    if (!pending.empty()) compare_with_host(pending);
    std::cout << "seed " << seed_ << ": " << run << " sequences, " << compared_ << " of them on the host, " << faults_ << " with a fault\n";
    EXPECT_GT(compared_, run / 2);
}

INSTANTIATE_TEST_SUITE_P(, SequenceOracle, testing::Values(Segments::Flat, Segments::Mixed),
                         [](const auto& p) { return p.param == Segments::Flat ? "FlatSegments" : "MixedSegments"; });

}  // namespace
}  // namespace vmm::test
