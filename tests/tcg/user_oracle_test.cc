// SPDX-License-Identifier: Apache-2.0
// User-mode instructions against the host processor: random cases of every row of the table run natively in 32-bit mode and on
// our side, in generated code and interpreted; registers, memory, faults and defined flags agree, and undefined flags have the
// value that the table documents. Case n of a seed is a function of both: a failure says how to run it alone.
// VMM_ORACLE_SEED, VMM_ORACLE_FIRST and VMM_ORACLE_CASES choose another run; VMM_ORACLE_OP one instruction.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>

#include "tests/tcg/case_generator.h"
#include "tests/tcg/native_host.h"
#include "tests/tcg/oracle_coverage.h"
#include "tests/tcg/oracle_rules.h"
#include "tests/tcg/translator_engine.h"
#include "vmm/tcg/cpu.h"

namespace vmm::test {
namespace {

using namespace tcg;

#ifdef __SANITIZE_ADDRESS__
constexpr u64 kCases = 150'000;
#else
constexpr u64 kCases = 1'000'000;
#endif
constexpr u64 kRound = 65'536;                  // cases with the same contents of memory
constexpr unsigned kShownPerForm = 2, kShown = 40;

u64 setting(const char* name, u64 otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

class UserOracle : public testing::Test {
  protected:
    struct Pending {
        u64 number = 0;
        Insn insn;
        NativeResult generated, interpreted;
    };

    void fill_memory(u64 round) {
        generate_.restart(seed_, ~round);
        std::vector<u8> data(kDataSize), read_only(kPageSize);
        generate_.fill_memory(data, read_only);
        native_.set_memory(data, read_only);
        generated_->set_memory(data, read_only);
        interpreted_->set_memory(data, read_only);
    }

    bool make(u64 number, const std::vector<unsigned>& forms, NativeCase& c, Pending& p) {
        generate_.restart(seed_, number);
        const unsigned form = forms[number % forms.size()];
        const Segments segments = generate_.one_in(2) ? Segments::Mixed : Segments::Flat;
        for (unsigned tries = 0; tries < 100; ++tries) {
            if (!generate_.make(form, segments, c, p.insn)) continue;
            p.number = number;
            p.interpreted = interpreted_->run_case(c);
            if (p.interpreted.vector == kPfault && runner_lives_at(p.interpreted.cr2)) continue;
            if (on_signal_stack(c.state.gpr[kEsp]) || on_signal_stack(p.interpreted.state.gpr[kEsp])) continue;
            p.generated = generated_->run_case(c);
            return true;
        }
        return false;
    }

    void compare(const std::vector<Pending>& pending) {
        ASSERT_TRUE(native_.run(static_cast<unsigned>(pending.size()))) << "the native runner died among cases " << pending.front().number << " to " << pending.back().number;
        for (unsigned i = 0; i < pending.size(); ++i) {
            const Pending& p = pending[i];
            const NativeCase& c = native_.slot(i);
            const NativeResult& native = native_.result(i);
            coverage_.note(p.insn, c, native);
            complain(difference(p.insn, c, p.interpreted, native), "interpreted", p, c, p.interpreted, native);
            complain(difference(p.insn, c, p.generated, native), "generated code", p, c, p.generated, native);
        }
    }

    void complain(const std::string& what, const char* side, const Pending& p, const NativeCase& c, const NativeResult& ours, const NativeResult& native) {
        if (what.empty()) return;
        ++differences_;
        if (++shown_of_[p.insn.form] > kShownPerForm || ++shown_ > kShown) return;
        const bool fp = c.use_fp != 0;
        ADD_FAILURE() << what << " (" << side << "): " << describe(p.insn, c) << "\n  before " << show(c.state) << (fp ? show(c.state.fp) : "")
                      << "\n  ours   " << show(ours, fp) << "\n  native " << show(native, fp) << "\n  again: VMM_ORACLE_SEED=" << seed_
                      << " VMM_ORACLE_FIRST=" << p.number << " VMM_ORACLE_CASES=1 tests/test_user_oracle";
    }

    static std::string describe(const Insn& insn, const NativeCase& c) {
        std::ostringstream out;
        out << std::hex << std::setfill('0');
        for (unsigned i = 0; i < c.code_length; ++i) out << std::setw(2) << unsigned{c.code[i]} << ' ';
        out << op_name(insn.op) << ' ' << insn.form->operands << ' ';
        if (c.patch_size != 0) {
            out << '[' << c.patch_at << "]=";
            for (unsigned i = 0; i < c.patch_size; ++i) out << std::setw(2) << unsigned{c.patch[i]};
        }
        return out.str();
    }

    const u64 seed_ = setting("VMM_ORACLE_SEED", 20261101);
    CaseGenerator generate_{seed_};
    NativeHost native_;
    std::unique_ptr<UserEngine> generated_ = make_translator_engine(), interpreted_ = make_interpreter_engine();
    OracleCoverage coverage_;
    std::map<const Form*, unsigned> shown_of_;
    unsigned shown_ = 0;
    u64 differences_ = 0;
};

TEST_F(UserOracle, InstructionsDoWhatTheHostDoes) {
    const char* const only = std::getenv("VMM_ORACLE_OP");
    std::vector<unsigned> forms;
    for (unsigned i = 0; i < all_forms().size(); ++i) {
        const Op op = all_forms()[i].op;
        if (not_on_host(op) == nullptr && (only == nullptr || std::strcmp(only, op_name(op)) == 0)) forms.push_back(i);
    }
    ASSERT_FALSE(forms.empty());
    const u64 first = setting("VMM_ORACLE_FIRST", 0), cases = setting("VMM_ORACLE_CASES", kCases);
    std::vector<Pending> pending;
    for (u64 n = first; n < first + cases; ++n) {
        if (n % kRound == 0 || n == first) {
            if (!pending.empty()) compare(pending);
            pending.clear();
            fill_memory(n / kRound);
        }
        Pending p;
        if (make(n, forms, native_.slot(static_cast<unsigned>(pending.size())), p)) pending.push_back(p);
        if (pending.size() == kBatch) {
            compare(pending);
            pending.clear();
        }
        if (HasFatalFailure()) return;
    }
    if (!pending.empty()) compare(pending);
    std::cout << "seed " << seed_ << ", cases " << first << " to " << first + cases - 1 << ": " << differences_ << " differences\n";
    if (only != nullptr || cases < 500'000) return;
    coverage_.print(std::cout);
    for (const std::string& what : coverage_.missing()) ADD_FAILURE() << what;
}

}  // namespace
}  // namespace vmm::test
