// SPDX-License-Identifier: Apache-2.0
// User-mode instructions against the host processor: random cases of every form run natively in 32-bit mode and on our side;
// registers, memory, faults and defined flags agree, and undefined flags have the value that the table documents.
// VMM_ORACLE_SEED and VMM_ORACLE_CASES choose another run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>

#include "tests/tcg/case_generator.h"
#include "tests/tcg/native_host.h"
#include "tests/tcg/translator_engine.h"
#include "tests/tcg/user_engine.h"
#include "vmm/tcg/exec_table.h"

namespace vmm::test {
namespace {

using namespace tcg;

u32 setting(const char* name, u32 otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? static_cast<u32>(std::strtoul(text, nullptr, 0)) : otherwise;
}

bool is_integer(Op op) {
    static const std::set<Op> ops = [] {
        std::set<Op> all = {Op::Clc, Op::Stc, Op::Cmc, Op::Cld, Op::Std};
        for (const auto list : {alu_exec_entries(), shift_exec_entries(), muldiv_exec_entries(), move_exec_entries(),
                                string_exec_entries(), branch_exec_entries()})
            for (const ExecEntry& e : list) all.insert(e.op);
        return all;
    }();
    return ops.contains(op);
}

// Approximations and transcendentals have tests of their own; what stores the pointers of the last x87 instruction shows
// that AMD processors keep these only when an exception is pending.
bool is_float(Op op) {
    switch (op) {
    case Op::F2xm1: case Op::Fyl2x: case Op::Fyl2xp1: case Op::Fptan: case Op::Fpatan: case Op::Fsin: case Op::Fcos: case Op::Fsincos:
    case Op::Rcpps: case Op::Rcpss: case Op::Rsqrtps: case Op::Rsqrtss:
    case Op::Fnstenv: case Op::Fnsave: case Op::Fxsave:
        return false;
    default:
        return true;
    }
}

// The count of a shift, as it is masked.
u32 shift_count(const Insn& insn, const NativeCase& c) {
    const Operand& o = insn.operand[insn.operand_count - 1];
    return (o.kind == OperandKind::Reg ? c.state.gpr[kEcx] : insn.imm) & 31;
}

// Flags that the manual leaves undefined for this case, and the value we document for each.
struct Undefined {
    u32 flags = 0;
    u32 documented = 0;
    bool result = false;   // the destination is undefined as well
};

Undefined undefined_of(const Insn& insn, const NativeCase& c) {
    Undefined u{insn.form->flags_undefined, insn.form->undefined_set, false};
    const u32 bits = insn.operand[0].width * 8u;
    switch (insn.op) {
    case Op::Shl: case Op::Shr: case Op::Sar: case Op::Rol: case Op::Ror: case Op::Rcl: case Op::Rcr:
    case Op::Shld: case Op::Shrd: {
        const u32 count = shift_count(insn, c);
        if (count == 0) return {};
        u.flags |= kOf;
        if (count == 1) u.flags &= ~kOf;
        if ((insn.op == Op::Shl || insn.op == Op::Shr) && count > bits) u.flags |= kCf;
        if ((insn.op == Op::Shld || insn.op == Op::Shrd) && count > bits) u.result = true;
        break;
    }
    case Op::Bswap: u.result = bits == 16; break;
    default: break;
    }
    return u;
}

// Linear addresses where the runner itself lives, or the kernel puts things.
bool runner_lives_at(u32 address) {
    return (address >= 0x08000000 && address < 0x09000000) || (address >= kSharedBase && address < kSharedBase + 0x8000000) ||
           address >= 0xf0000000 || address < 0x10000;
}

std::string show(const NativeState& s) {
    constexpr const char* kNames[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    std::ostringstream out;
    out << std::hex;
    for (unsigned i = 0; i < 8; ++i) out << kNames[i] << '=' << s.gpr[i] << ' ';
    out << "eip=" << s.eip << " eflags=" << s.eflags;
    return out.str();
}

std::string show(const NativeFloat& fp) {
    std::ostringstream out;
    out << std::hex << std::setfill('0') << "\n    fcw=" << fp.control << " fsw=" << fp.status << " tag=" << fp.tag << " mxcsr=" << fp.mxcsr;
    const auto bytes = [&](const u8* p, unsigned n) {
        while (n-- != 0) out << std::setw(2) << unsigned{p[n]};
        out << ' ';
    };
    out << "\n    st ";
    for (const auto& st : fp.st) bytes(st, 10);
    out << "\n    xmm ";
    for (const auto& xmm : fp.xmm) bytes(xmm, 16);
    return out.str();
}

std::string show(const NativeResult& r, bool with_float) {
    std::ostringstream out;
    out << show(r.state);
    const NativeFloat& fp = r.state.fp;
    if (with_float) out << show(fp);
    if (r.vector != kNoFault) out << " fault " << r.vector << std::hex << " error " << r.error << " cr2 " << r.cr2;
    out << " memory " << std::hex << r.digest;
    return out.str();
}

// What is not compared, because processors differ and we have decided: each with its reason.
struct Tolerance {
    bool all = false, cr2 = false, x87 = false, eflags = false;
    u16 x87_codes = 0;
};

Tolerance tolerance(const Insn& insn, const NativeResult& ours, const NativeResult& native) {
    constexpr u16 kC1 = 0x200, kC0C2C3 = 0x4500, kExceptionSummary = 0x80;
    const bool both_faulted = ours.vector != kNoFault && native.vector != kNoFault;
    const bool host_faulted = native.vector != kNoFault;
    Tolerance t;
    switch (insn.op) {
    case Op::Nop: t.all = insn.modrm >= 0xc0 && host_faulted; break;      // 0F 0D with a register: #UD on AMD, NOP on Intel
    case Op::Cmps: t.all = both_faulted; break;                           // which operand is read first
    case Op::Call: case Op::CallInd: t.all = both_faulted; break;         // the stack or the target first
    case Op::Pusha: case Op::Popa: case Op::Enter: t.all = both_faulted; break;   // partly done on the host, never here
    case Op::Maskmovq: case Op::Maskmovdqu: t.all = host_faulted; break;  // bytes masked off may fault on the host
    case Op::Ldmxcsr: t.all = ours.vector == kGp; break;                  // AMD has a bit 17
    case Op::Fldenv: case Op::Frstor: t.all = both_faulted; break;        // in which order the image is read
    case Op::Fxrstor: t.all = both_faulted || ours.vector == kGp; break;  // likewise, and MXCSR
    case Op::Fbld: case Op::Fbstp: t.all = both_faulted; break;           // AMD accesses 10 bytes in two parts
    case Op::Fld:
        t.all = insn.operand[0].width == 10 && both_faulted;              // as FBLD
        t.x87 = insn.operand[0].width < 10 && (ours.state.fp.status & kExceptionSummary) != 0;  // AMD pushes a denormal all the same
        break;
    case Op::Fstp:
        t.all = insn.modrm >= 0xc0 ? insn.x87_opcode >> 8 == 1            // FSTP1 has no stack fault on AMD
                                   : insn.operand[0].width == 10 && both_faulted;     // as FBSTP
        break;
    case Op::Cvtpi2ps:                                                    // AMD stays in x87 mode for a memory operand
        t.x87 = insn.is_mem(1);
        t.all = insn.is_mem(1) && ours.vector == kMf;
        break;
    case Op::Fcmov: case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip: t.x87_codes = kC1; break;
    default: break;
    }
    switch (insn.op) {
    case Op::Fcom: case Op::Fcomp: case Op::Fcompp: case Op::Ficom: case Op::Ficomp: case Op::Fucom: case Op::Fucomp:
    case Op::Fucompp: case Op::Ftst: case Op::Fcomi: case Op::Fcomip: case Op::Fucomi: case Op::Fucomip:
    case Op::Fprem: case Op::Fprem1:
        // Where an unmasked exception prevents the operation, AMD processors report "unordered" or a complete reduction,
        // Intel's nothing.
        if ((ours.state.fp.status & kExceptionSummary) != 0) t.x87_codes |= kC0C2C3, t.eflags = true;
        break;
    default: break;
    }
    // AMD processors have gone to MMX mode before the operand faults.
    if (host_faulted && (insn.form->attributes & kMmx) != 0) t.x87 = true;
    return t;
}

struct Way {
    const char* name;
    Segments segments;
    std::unique_ptr<UserEngine> (*engine)();
};

class UserOracle : public testing::TestWithParam<Way> {
  protected:
    UserOracle() {
        std::vector<u8> data(kDataSize), read_only(kPageSize);
        generate_.fill_memory(data, read_only);
        native_.set_memory(data, read_only);
        ours_->set_memory(data, read_only);
    }

    struct Pending {
        Insn insn;
        NativeResult ours;
    };

    // What differs, or nothing.
    std::string difference(const Pending& p, const NativeCase& c, const NativeResult& native) {
        const NativeResult& ours = p.ours;
        const Tolerance tolerated = tolerance(p.insn, ours, native);
        if (tolerated.all) return {};
        if (ours.vector != native.vector) return "fault";
        const bool faulted = native.vector != kNoFault;
        if (faulted && (native.vector == kGp || native.vector == kSsFault || native.vector == kPfault) && ours.error != native.error)
            return "error code";
        if (native.vector == kPfault && ours.cr2 != native.cr2 && !tolerated.cr2) return "CR2";
        const Undefined undefined = undefined_of(p.insn, c);
        if (undefined.result && !faulted) return {};
        for (unsigned i = 0; i < 8; ++i)
            if (ours.state.gpr[i] != native.state.gpr[i]) return "registers";
        if (ours.state.eip != native.state.eip) return "EIP";
        if (ours.digest != native.digest) return "memory";
        if (c.use_fp != 0) {
            const NativeFloat& a = ours.state.fp;
            const NativeFloat& b = native.state.fp;
            u16 empty = 0;
            for (unsigned i = 0; i < 16; i += 2)
                if ((b.tag >> i & 3) == 3) empty = static_cast<u16>(empty | 3u << i);
            if (!tolerated.x87) {
                if (a.control != b.control) return "x87 control";
                if (((a.status ^ b.status) & ~tolerated.x87_codes) != 0) return "x87 status";
                if (a.tag != empty) return "x87 tags";
                if (std::memcmp(a.st, b.st, sizeof a.st) != 0) return "x87 registers";
            }
            if (a.mxcsr != b.mxcsr) return "MXCSR";
            if (std::memcmp(a.xmm, b.xmm, sizeof a.xmm) != 0) return "XMM registers";
        }
        const u32 compared = (kArithFlags | kDf) & ~(faulted ? 0 : undefined.flags) & ~(tolerated.eflags ? kArithFlags : 0);
        if (((ours.state.eflags ^ native.state.eflags) & compared) != 0) return "flags";
        if (!faulted && (ours.state.eflags & undefined.flags) != (undefined.documented & undefined.flags)) return "undefined flags";
        return {};
    }

    void run(const std::vector<unsigned>& forms, u32 cases_per_form) {
        std::map<unsigned, u32> tested, shown;
        std::vector<Pending> pending;
        std::map<std::string, u32> outcomes;
        const auto flush = [&] {
            ASSERT_TRUE(native_.run(static_cast<unsigned>(pending.size()))) << "the native runner died";
            for (unsigned i = 0; i < pending.size(); ++i) {
                const Pending& p = pending[i];
                const NativeResult& native = native_.result(i);
                ++outcomes[native.vector == kNoFault ? "completed" : "fault " + std::to_string(native.vector)];
                const std::string what = difference(p, native_.slot(i), native);
                if (what.empty() || ++shown[index_of(p.insn)] > 3) continue;
                ADD_FAILURE() << what << ": " << describe(p.insn, native_.slot(i)) << "\n  before " << show(native_.slot(i).state)
                              << (native_.slot(i).use_fp != 0 ? show(native_.slot(i).state.fp) : "") << "\n  ours   "
                              << show(p.ours, native_.slot(i).use_fp != 0) << "\n  native " << show(native, native_.slot(i).use_fp != 0);
            }
            pending.clear();
        };
        for (u32 n = 0; n < cases_per_form; ++n) {
            for (const unsigned form : forms) {
                Pending p;
                NativeCase& c = native_.slot(static_cast<unsigned>(pending.size()));
                if (!generate_.make(form, GetParam().segments, c, p.insn)) continue;
                p.ours = ours_->run_case(c);
                if (p.ours.vector == kPfault && runner_lives_at(p.ours.cr2)) continue;
                ++tested[form];
                pending.push_back(p);
                if (pending.size() == kBatch) flush();
                if (HasFatalFailure()) return;
            }
        }
        if (!pending.empty()) flush();
        u32 least = ~u32{0};
        for (const unsigned form : forms) {
            least = std::min(least, tested[form]);
            EXPECT_GT(tested[form], 0u) << "no case of " << op_name(all_forms()[form].op) << ' ' << all_forms()[form].operands;
        }
        std::cout << "seed " << seed_ << ": " << forms.size() << " forms, at least " << least << " cases each;";
        for (const auto& [name, count] : outcomes) std::cout << ' ' << name << ": " << count << ';';
        std::cout << '\n';
    }

    static unsigned index_of(const Insn& insn) { return static_cast<unsigned>(insn.form - all_forms().data()); }

    static std::string describe(const Insn& insn, const NativeCase& c) {
        std::ostringstream out;
        for (unsigned i = 0; i < c.code_length; ++i)
            out << std::hex << std::setw(2) << std::setfill('0') << unsigned{c.code[i]} << ' ';
        out << op_name(insn.op) << ' ' << insn.form->operands << " cs=" << c.state.seg[kNativeCs] << " ss=" << c.state.seg[kNativeSs]
            << " ds=" << c.state.seg[kNativeDs] << " es=" << c.state.seg[kNativeEs] << " fs=" << c.state.seg[kNativeFs];
        return out.str();
    }

    const u32 seed_ = setting("VMM_ORACLE_SEED", 20261101);
    CaseGenerator generate_{seed_};
    NativeHost native_;
    std::unique_ptr<UserEngine> ours_ = GetParam().engine();
};

TEST_P(UserOracle, IntegerInstructionsDoWhatTheHostDoes) {
    std::vector<unsigned> forms;
    for (unsigned i = 0; i < all_forms().size(); ++i)
        if (is_integer(all_forms()[i].op)) forms.push_back(i);
    run(forms, setting("VMM_ORACLE_CASES", 60));
}

TEST_P(UserOracle, FloatAndVectorInstructionsDoWhatTheHostDoes) {
    std::vector<unsigned> forms;
    for (unsigned i = 0; i < all_forms().size(); ++i)
        if ((all_forms()[i].attributes & (kX87 | kMmx | kSse)) != 0 && is_float(all_forms()[i].op)) forms.push_back(i);
    run(forms, setting("VMM_ORACLE_CASES", 60));
}

INSTANTIATE_TEST_SUITE_P(, UserOracle,
                         testing::Values(Way{"FlatSegments", Segments::Flat, make_helper_engine},
                                         Way{"MixedSegments", Segments::Mixed, make_helper_engine},
                                         Way{"FlatSegmentsTranslated", Segments::Flat, make_translator_engine},
                                         Way{"MixedSegmentsTranslated", Segments::Mixed, make_translator_engine}),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace vmm::test
