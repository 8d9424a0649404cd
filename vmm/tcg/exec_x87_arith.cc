// SPDX-License-Identifier: Apache-2.0
// x87 arithmetic, comparison, FXAM, FPREM and the transcendental instructions. Complete.
// Reference: Intel SDM volume 1, 8.3; volume 2.
// Where the manual leaves something open: a comparison that raises an unmasked #IA leaves C0, C2, C3 (and EFLAGS) as they
// were; FCOMI and its like clear OF, SF, AF; an FPREM that cannot finish reduces the difference D of the exponents by
// 32 + D mod 32 and clears C0, C1, C3; one that computes nothing clears C1 and C2.
#include <bit>

#include "vmm/tcg/exec_table.h"
#include "vmm/tcg/exec_x87.h"
#include "vmm/tcg/x87_host.h"
#include "vmm/tcg/x87_transcendental.h"

namespace vmm::tcg {
namespace {

namespace host = x87_host;

// --- two operands ------------------------------------------------------------------------------------------

template <class Math>
void binary_registers(X87Op& op, unsigned destination, unsigned source, bool pop) {
    op.note_pointers();
    if (x87_empty(op.f, destination) || x87_empty(op.f, source)) {
        if (!op.underflow()) return;
        x87_set(op.f, destination, kF80Indefinite);
    } else {
        const host::Result r = Math::run(x87_get(op.f, destination), x87_get(op.f, source), op.f.control);
        if (!op.commit(r.status)) return;
        x87_set(op.f, destination, r.value);
    }
    if (pop) x87_pop(op.f);
}

template <class Math, class Operand>
void binary_memory(X87Op& op) {
    const Operand b = op.load<Operand>();
    op.note_pointers();
    if (x87_empty(op.f, 0)) {
        if (op.underflow()) x87_set(op.f, 0, kF80Indefinite);
        return;
    }
    const host::Result r = Math::run(x87_get(op.f, 0), b, op.f.control);
    if (op.commit(r.status)) x87_set(op.f, 0, r.value);
}

// FADD and FIADD alike: the first byte tells the format, D8 m32, DA m32int, DC m64, DE m16int.
template <class Math>
void binary(X87Op& op) {
    if (!op.memory()) {
        const bool to_sti = op.opcode() == 4;
        binary_registers<Math>(op, to_sti ? op.sti() : 0, to_sti ? 0 : op.sti(), false);
        return;
    }
    switch (op.opcode()) {
    case 0: return binary_memory<Math, host::M32>(op);
    case 2: return binary_memory<Math, host::I32>(op);
    case 4: return binary_memory<Math, host::M64>(op);
    default: return binary_memory<Math, host::I16>(op);
    }
}

template <class Math>
void binary_pop(X87Op& op) { binary_registers<Math>(op, op.sti(), 0, true); }

template <class Math>
void with_st1(X87Op& op) { binary_registers<Math>(op, 0, 1, false); }

template <class Math>
void unary(X87Op& op) {
    op.note_pointers();
    if (x87_empty(op.f, 0)) {
        if (op.underflow()) x87_set(op.f, 0, kF80Indefinite);
        return;
    }
    const host::Result r = Math::run(x87_get(op.f, 0), op.f.control);
    if (op.commit(r.status)) x87_set(op.f, 0, r.value);
}

// --- sign, and what is in ST(0) -------------------------------------------------------------------------------

void change_sign(X87Op& op, u16 keep, u16 flip) {
    op.note_pointers();
    if (x87_empty(op.f, 0)) {
        if (op.underflow()) x87_set(op.f, 0, kF80Indefinite);
        return;
    }
    op.set_codes(kX87C1, 0);
    F80 v = x87_get(op.f, 0);
    v.exponent = static_cast<u16>((v.exponent & keep) ^ flip);
    x87_set(op.f, 0, v);
}
void fabs_(X87Op& op) { change_sign(op, 0x7fff, 0); }
void fchs_(X87Op& op) { change_sign(op, 0xffff, 0x8000); }

void fxam_(X87Op& op) {
    op.note_pointers();
    const F80 v = x87_get(op.f, 0);
    u16 codes = 0;
    if (x87_empty(op.f, 0)) {
        codes = kX87C3 | kX87C0;
    } else {
        switch (classify(v)) {
        case F80Class::Unsupported: codes = 0; break;
        case F80Class::QNan:
        case F80Class::SNan: codes = kX87C0; break;
        case F80Class::Normal: codes = kX87C2; break;
        case F80Class::Infinity: codes = kX87C2 | kX87C0; break;
        case F80Class::Zero: codes = kX87C3; break;
        case F80Class::Denormal: codes = kX87C3 | kX87C2; break;
        }
    }
    if (v.exponent >> 15 != 0) codes |= kX87C1;
    op.set_codes(kX87Codes, codes);
}

// --- comparison ---------------------------------------------------------------------------------------------------

constexpr u16 kCompareCodes = kX87C0 | kX87C2 | kX87C3;

// True: `codes` (C0, C2, C3) is the answer, also that of an empty register; false: an unmasked exception leaves none.
template <class Math, class Operand>
bool compared(X87Op& op, bool empty, const Operand& b, u16& codes) {
    if (empty) {
        codes = kCompareCodes;
        return op.underflow();
    }
    const host::Result r = Math::run(x87_get(op.f, 0), b, op.f.control);
    codes = r.status & kCompareCodes;
    return op.commit(r.status & kX87Exceptions);
}

void pop_times(X87Op& op, unsigned pops) {
    for (unsigned i = 0; i < pops; ++i) x87_pop(op.f);
}

template <class Math, unsigned Pops>
void compare_registers(X87Op& op) {
    const unsigned i = Pops == 2 ? 1 : op.sti();
    op.note_pointers();
    u16 codes;
    if (!compared<Math>(op, x87_empty(op.f, 0) || x87_empty(op.f, i), x87_get(op.f, i), codes)) return;
    op.set_codes(kCompareCodes, codes);
    pop_times(op, Pops);
}

template <class Operand, unsigned Pops>
void compare_memory(X87Op& op) {
    const Operand b = op.load<Operand>();
    op.note_pointers();
    u16 codes;
    if (!compared<host::Com>(op, x87_empty(op.f, 0), b, codes)) return;
    op.set_codes(kCompareCodes, codes);
    pop_times(op, Pops);
}

template <unsigned Pops>
void compare(X87Op& op) {
    if (!op.memory()) return compare_registers<host::Com, Pops>(op);
    switch (op.opcode()) {
    case 0: return compare_memory<host::M32, Pops>(op);
    case 2: return compare_memory<host::I32, Pops>(op);
    case 4: return compare_memory<host::M64, Pops>(op);
    default: return compare_memory<host::I16, Pops>(op);
    }
}

void ftst_(X87Op& op) {
    op.note_pointers();
    u16 codes;
    if (compared<host::Com>(op, x87_empty(op.f, 0), F80{}, codes)) op.set_codes(kCompareCodes, codes);
}

template <class Math, unsigned Pops>
void compare_to_eflags(X87Op& op) {
    op.note_pointers();
    const unsigned i = op.sti();
    u16 codes;
    if (!compared<Math>(op, x87_empty(op.f, 0) || x87_empty(op.f, i), x87_get(op.f, i), codes)) return;
    u32 flags = 0;
    if ((codes & kX87C0) != 0) flags |= kCf;
    if ((codes & kX87C2) != 0) flags |= kPf;
    if ((codes & kX87C3) != 0) flags |= kZf;
    op.cpu.s.eflags = (op.cpu.s.eflags & ~kArithFlags) | flags;
    pop_times(op, Pops);
}

// --- partial remainder ------------------------------------------------------------------------------------------

// The exponent of a finite value other than zero as if it were normalised.
int true_exponent(const F80& v) {
    const int biased = v.exponent & 0x7fff;
    return (biased == 0 ? 1 : biased) - std::countl_zero(v.significand);
}

// `v` times 2^n, n > 0, exact; the result is known to be far from overflow.
F80 scaled_up(const F80& v, int n) {
    F80 r = v;
    int biased = (v.exponent & 0x7fff) == 0 ? 1 : v.exponent & 0x7fff;
    const int leading = std::countl_zero(v.significand);
    const int shift = std::min(leading, biased - 1 + n);
    r.significand <<= shift;
    biased = biased + n - shift;
    if (r.significand >> 63 == 0) biased = 0;
    r.exponent = static_cast<u16>((v.exponent & 0x8000) | biased);
    return r;
}

template <class Math>
host::Result partial_remainder(const F80& a, const F80& b, u16 control) {
    const F80Class ca = classify(a), cb = classify(b);
    const auto finite = [](F80Class c) { return c == F80Class::Normal || c == F80Class::Denormal; };
    if (!finite(ca) || !finite(cb)) return Math::run(a, b, control);
    const bool denormal = ca == F80Class::Denormal || cb == F80Class::Denormal;
    if (denormal && (control & kX87De) == 0) return Math::run(a, b, control);  // nothing is computed
    const u16 extra = denormal ? kX87De : 0;
    const int difference = true_exponent(a) - true_exponent(b);
    if (difference < 64) {
        host::Result r = Math::run(a, b, control);
        r.status |= extra;
        return r;
    }
    // Reducing by the divisor times 2^(D - N) in one complete step is the partial reduction. It is always exact.
    const int reduce = 32 + (difference & 31);
    host::Result r = host::Prem::run(a, scaled_up(b, difference - reduce), control);
    r.status = static_cast<u16>((r.status & ~kX87Codes) | extra | kX87C2);
    return r;
}

template <class Math>
void remainder(X87Op& op) {
    op.note_pointers();
    if (x87_empty(op.f, 0) || x87_empty(op.f, 1)) {
        op.set_codes(kX87C2, 0);
        if (op.underflow()) x87_set(op.f, 0, kF80Indefinite);
        return;
    }
    const F80 a = x87_get(op.f, 0), b = x87_get(op.f, 1);
    const host::Result r = partial_remainder<Math>(a, b, op.f.control);
    const bool computed = op.commit(r.status);
    // Without a quotient C0 and C3 stay: the host's would be those of whatever it did before.
    if (!computed || is_nan_class(classify(r.value))) {
        op.set_codes(kX87C1 | kX87C2, 0);
    } else {
        op.set_codes(kX87Codes, r.status);
    }
    if (computed) x87_set(op.f, 0, r.value);
}

void fxtract_(X87Op& op) {
    op.note_pointers();
    if (x87_empty(op.f, 0) || !x87_empty(op.f, 7)) {
        if (x87_empty(op.f, 0) ? !op.underflow() : !op.overflow()) return;
        x87_set(op.f, 0, kF80Indefinite);
        x87_push(op.f, kF80Indefinite);
        return;
    }
    F80 exponent;
    const host::Result r = host::Extract::run(x87_get(op.f, 0), op.f.control, exponent);
    if (!op.commit(r.status)) return;
    x87_set(op.f, 0, exponent);
    x87_push(op.f, r.value);
}

// --- transcendental ------------------------------------------------------------------------------------------------

// F2XM1, FSIN, FCOS: ST(0) in, ST(0) out. The latter two define C2.
template <X87Computed (*Compute)(const F80&, u16), bool HasRange>
void transcendental1(X87Op& op) {
    op.note_pointers();
    if (HasRange) op.set_codes(kX87C2, 0);
    if (x87_empty(op.f, 0)) {
        if (op.underflow()) x87_set(op.f, 0, kF80Indefinite);
        return;
    }
    const X87Computed r = Compute(x87_get(op.f, 0), op.f.control);
    if (!op.commit(r.status)) return;
    if (HasRange) op.set_codes(kX87C2, r.status);
    x87_set(op.f, 0, r.value);
}

// FYL2X, FYL2XP1, FPATAN: ST(0) and ST(1) in, popped, one out.
template <X87Computed (*Compute)(const F80&, const F80&, u16)>
void transcendental2(X87Op& op) {
    op.note_pointers();
    F80 value = kF80Indefinite;
    if (x87_empty(op.f, 0) || x87_empty(op.f, 1)) {
        if (!op.underflow()) return;
    } else {
        const X87Computed r = Compute(x87_get(op.f, 0), x87_get(op.f, 1), op.f.control);
        if (!op.commit(r.status)) return;
        value = r.value;
    }
    x87_set(op.f, 1, value);
    x87_pop(op.f);
}

// FSINCOS, FPTAN: ST(0) in; the first result replaces it, the second is pushed.
template <X87Computed (*Compute)(const F80&, u16)>
void transcendental_push(X87Op& op) {
    op.note_pointers();
    if (x87_empty(op.f, 0) || !x87_empty(op.f, 7)) {
        op.set_codes(kX87C2, 0);
        if (x87_empty(op.f, 0) ? !op.underflow() : !op.overflow()) return;
        x87_set(op.f, 0, kF80Indefinite);
        x87_push(op.f, kF80Indefinite);
        return;
    }
    const X87Computed r = Compute(x87_get(op.f, 0), op.f.control);
    op.set_codes(kX87C2, r.status);
    if (!op.commit(r.status) || (r.status & kX87C2) != 0) return;
    x87_set(op.f, 0, r.value);
    x87_push(op.f, r.second);
}

constexpr ExecEntry kEntries[] = {
    {Op::Fadd, x87<binary<host::Add>>},
    {Op::Fiadd, x87<binary<host::Add>>},
    {Op::Faddp, x87<binary_pop<host::Add>>},
    {Op::Fmul, x87<binary<host::Mul>>},
    {Op::Fimul, x87<binary<host::Mul>>},
    {Op::Fmulp, x87<binary_pop<host::Mul>>},
    {Op::Fsub, x87<binary<host::Sub>>},
    {Op::Fisub, x87<binary<host::Sub>>},
    {Op::Fsubp, x87<binary_pop<host::Sub>>},
    {Op::Fsubr, x87<binary<host::SubR>>},
    {Op::Fisubr, x87<binary<host::SubR>>},
    {Op::Fsubrp, x87<binary_pop<host::SubR>>},
    {Op::Fdiv, x87<binary<host::Div>>},
    {Op::Fidiv, x87<binary<host::Div>>},
    {Op::Fdivp, x87<binary_pop<host::Div>>},
    {Op::Fdivr, x87<binary<host::DivR>>},
    {Op::Fidivr, x87<binary<host::DivR>>},
    {Op::Fdivrp, x87<binary_pop<host::DivR>>},
    {Op::Fsqrt, x87<unary<host::Sqrt>>},
    {Op::Frndint, x87<unary<host::RndInt>>},
    {Op::Fscale, x87<with_st1<host::Scale>>},
    {Op::Fprem, x87<remainder<host::Prem>>},
    {Op::Fprem1, x87<remainder<host::Prem1>>},
    {Op::Fxtract, x87<fxtract_>},
    {Op::Fabs, x87<fabs_>},
    {Op::Fchs, x87<fchs_>},
    {Op::Fxam, x87<fxam_>},
    {Op::Ftst, x87<ftst_>},
    {Op::Fcom, x87<compare<0>>},
    {Op::Fcomp, x87<compare<1>>},
    {Op::Fcompp, x87<compare_registers<host::Com, 2>>},
    {Op::Ficom, x87<compare<0>>},
    {Op::Ficomp, x87<compare<1>>},
    {Op::Fucom, x87<compare_registers<host::Ucom, 0>>},
    {Op::Fucomp, x87<compare_registers<host::Ucom, 1>>},
    {Op::Fucompp, x87<compare_registers<host::Ucom, 2>>},
    {Op::Fcomi, x87<compare_to_eflags<host::Com, 0>>},
    {Op::Fcomip, x87<compare_to_eflags<host::Com, 1>>},
    {Op::Fucomi, x87<compare_to_eflags<host::Ucom, 0>>},
    {Op::Fucomip, x87<compare_to_eflags<host::Ucom, 1>>},
    {Op::F2xm1, x87<transcendental1<compute_f2xm1, false>>},
    {Op::Fsin, x87<transcendental1<compute_fsin, true>>},
    {Op::Fcos, x87<transcendental1<compute_fcos, true>>},
    {Op::Fsincos, x87<transcendental_push<compute_fsincos>>},
    {Op::Fptan, x87<transcendental_push<compute_fptan>>},
    {Op::Fpatan, x87<transcendental2<compute_fpatan>>},
    {Op::Fyl2x, x87<transcendental2<compute_fyl2x>>},
    {Op::Fyl2xp1, x87<transcendental2<compute_fyl2xp1>>},
};

}  // namespace

std::span<const ExecEntry> x87_arith_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
