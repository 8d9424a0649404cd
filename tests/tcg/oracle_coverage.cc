// SPDX-License-Identifier: Apache-2.0
#include "tests/tcg/oracle_coverage.h"

#include <bit>
#include <map>
#include <ostream>
#include <set>

#include "tests/tcg/oracle_rules.h"
#include "tests/tcg/user_engine.h"
#include "vmm/tcg/insn_table.h"

namespace vmm::test {

using namespace tcg;

namespace {

constexpr const char* kAspects[] = {"register operand", "memory operand", "16-bit operands", "32-bit operands", "16-bit addresses",
                                    "32-bit addresses", "segment override", "REP", "LOCK", "operand across pages", "completed", "faulted"};

std::string name_of(unsigned form) { return std::string(op_name(all_forms()[form].op)) + ' ' + all_forms()[form].operands; }

bool has_override(const NativeCase& c) {
    for (unsigned i = 0; i < 4; ++i) {
        switch (c.code[i]) {
        case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: return true;
        case 0x66: case 0x67: case 0xf0: case 0xf2: case 0xf3: break;
        default: return false;
        }
    }
    return false;
}

}  // namespace

OracleCoverage::OracleCoverage() : seen_(all_forms().size()) {}

void OracleCoverage::note(const Insn& insn, const NativeCase& c, const NativeResult& native) {
    u16& seen = seen_[static_cast<std::size_t>(insn.form - all_forms().data())];
    ++cases_;
    seen |= native.vector == kNoFault ? kCompleted : kFaulted;
    if (native.vector < 32) ++faults_[native.vector];
    seen |= insn.op_size == 2 ? kOperand16 : kOperand32;
    if (insn.rep != Rep::None) seen |= kRepeated;
    if (insn.lock) seen |= kLocked;
    const bool memory = insn.is_mem(0) || insn.is_mem(1);
    if (!memory) {
        seen |= kRegister;
        return;
    }
    seen |= kMemory;
    seen |= insn.mem.addr_size == 2 ? kAddress16 : kAddress32;
    if (has_override(c)) seen |= kOverride;
    const u32 at = operand_offset(insn.mem, c.state) + segment_of(c.state.seg[insn.mem.seg]).base;
    const unsigned width = insn.operand[insn.is_mem(0) ? 0 : 1].width;
    if (native.vector == kNoFault && (at & 0xfff) + width > 0x1000) seen |= kPageBorder;
}

u16 OracleCoverage::applicable(unsigned form) {
    const CompiledForm& c = insn_tables().compiled[form];
    const Encoding& e = insn_tables().encodings[form];
    const Form& f = all_forms()[form];
    u16 aspects = 0;
    unsigned width = 0;
    for (unsigned i = 0; i < c.operand_count; ++i) {
        const OperandCode& o = c.operand[i];
        bool memory = false;
        switch (o.source) {
        case Source::RegRm: case Source::MmxRm: case Source::XmmRm: {
            const bool only_registers = e.rule == ModrmRule::AnyReg || e.rule == ModrmRule::DigitReg || e.rule == ModrmRule::Exact;
            memory = !only_registers;
            if (e.rule == ModrmRule::Any || e.rule == ModrmRule::Digit || only_registers) aspects |= kRegister;
            break;
        }
        case Source::MemOnly: case Source::Offset: case Source::StringX: case Source::XlatMem: memory = true; break;
        default: break;
        }
        if (memory) {
            aspects |= kMemory | kAddress16 | kAddress32 | kOverride;
            width = o.width;
        }
        if (o.width == kWidthV || o.width == kWidthP || o.width == kWidthA) aspects |= kOperand16 | kOperand32;
    }
    if ((f.attributes & kString) != 0) aspects |= kRepeated;
    if ((f.attributes & kLockable) != 0 && (aspects & kMemory) != 0) aspects |= kLocked;
    const bool accesses = width > 1 && f.op != Op::Lea && f.op != Op::Nop && f.op != Op::Prefetch;
    const bool may_cross = (f.attributes & (kAlign16 | kPrivileged | kIo)) == 0 && f.op != Op::Ud;
    if ((aspects & kMemory) != 0 && accesses && may_cross) aspects |= kPageBorder;
    return aspects;
}

std::vector<std::string> OracleCoverage::missing() const {
    std::vector<std::string> out;
    for (unsigned i = 0; i < seen_.size(); ++i) {
        if (not_on_host(all_forms()[i].op) != nullptr) continue;
        if (seen_[i] == 0) {
            out.push_back(name_of(i) + ": no case");
            continue;
        }
        for (unsigned missing = applicable(i) & ~seen_[i]; missing != 0; missing &= missing - 1)
            out.push_back(name_of(i) + ": never with " + kAspects[std::countr_zero(missing)]);
    }
    return out;
}

void OracleCoverage::print(std::ostream& out) const {
    std::map<std::string, std::set<std::string>> uncovered, partly;
    std::set<std::string> never_completed;
    unsigned covered = 0;
    for (unsigned i = 0; i < seen_.size(); ++i) {
        const Op op = all_forms()[i].op;
        if (const char* const reason = not_on_host(op)) {
            uncovered[reason].insert(op_name(op));
            continue;
        }
        covered += seen_[i] != 0;
        if (const char* const reason = results_not_compared(op)) partly[reason].insert(op_name(op));
        if (seen_[i] != 0 && (seen_[i] & kCompleted) == 0) never_completed.insert(op_name(op));
    }
    const auto list = [&](const std::set<std::string>& names) {
        for (const std::string& name : names) out << ' ' << name;
    };
    out << "coverage: " << cases_ << " cases on the host; " << covered << " of " << seen_.size() << " rows of the table\n";
    for (unsigned a = 0; a < std::size(kAspects); ++a) {
        unsigned seen = 0, wanted = 0;
        for (unsigned i = 0; i < seen_.size(); ++i) {
            if (not_on_host(all_forms()[i].op) != nullptr) continue;
            seen += (seen_[i] >> a & 1) != 0;
            wanted += (applicable(i) >> a & 1) != 0;
        }
        out << "  " << kAspects[a] << ": " << seen << " rows";
        if (wanted != 0) out << ", " << wanted << " need it";
        out << '\n';
    }
    out << "  faults:";
    for (unsigned v = 0; v < 32; ++v)
        if (faults_[v] != 0) out << ' ' << v << ": " << faults_[v] << ';';
    out << "\n  only with a fault, as users have them:";
    list(never_completed);
    for (const auto& [reason, names] : uncovered) {
        out << "\n  not on the host:";
        list(names);
        out << " (" << reason << ')';
    }
    for (const auto& [reason, names] : partly) {
        out << "\n  faults and side effects only:";
        list(names);
        out << " (" << reason << ')';
    }
    out << '\n';
}

}  // namespace vmm::test
