// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/sse_exceptions.h"

#include "vmm/tcg/sse_host.h"
#include "vmm/tcg/x87_host.h"

namespace vmm::tcg {
namespace {

VMM_SSE_FLOAT(Addss, "addss")
VMM_SSE_FLOAT(Addsd, "addsd")
VMM_SSE_FLOAT(Subss, "subss")
VMM_SSE_FLOAT(Subsd, "subsd")
VMM_SSE_FLOAT(Mulss, "mulss")
VMM_SSE_FLOAT(Mulsd, "mulsd")
VMM_SSE_FLOAT(Divss, "divss")
VMM_SSE_FLOAT(Divsd, "divsd")
VMM_SSE_FLOAT(Cvtsd2ss, "cvtsd2ss")

enum class Calculation : u8 { Add, Sub, Mul, Div, Narrow };
enum class Layout : u8 { Scalar, Packed, AddSub, Horizontal };

struct Shape {
    Calculation calculation;
    Layout layout;
    bool is_double;          // of the operands
};

// Instructions whose results can overflow or underflow.
bool shape_of(Op op, Shape& out) {
    using enum Calculation;
    using enum Layout;
    switch (op) {
    case Op::Addss: out = {Add, Scalar, false}; return true;
    case Op::Addsd: out = {Add, Scalar, true}; return true;
    case Op::Addps: out = {Add, Packed, false}; return true;
    case Op::Addpd: out = {Add, Packed, true}; return true;
    case Op::Subss: out = {Sub, Scalar, false}; return true;
    case Op::Subsd: out = {Sub, Scalar, true}; return true;
    case Op::Subps: out = {Sub, Packed, false}; return true;
    case Op::Subpd: out = {Sub, Packed, true}; return true;
    case Op::Mulss: out = {Mul, Scalar, false}; return true;
    case Op::Mulsd: out = {Mul, Scalar, true}; return true;
    case Op::Mulps: out = {Mul, Packed, false}; return true;
    case Op::Mulpd: out = {Mul, Packed, true}; return true;
    case Op::Divss: out = {Div, Scalar, false}; return true;
    case Op::Divsd: out = {Div, Scalar, true}; return true;
    case Op::Divps: out = {Div, Packed, false}; return true;
    case Op::Divpd: out = {Div, Packed, true}; return true;
    case Op::Addsubps: out = {Add, AddSub, false}; return true;
    case Op::Addsubpd: out = {Add, AddSub, true}; return true;
    case Op::Haddps: out = {Add, Horizontal, false}; return true;
    case Op::Haddpd: out = {Add, Horizontal, true}; return true;
    case Op::Hsubps: out = {Sub, Horizontal, false}; return true;
    case Op::Hsubpd: out = {Sub, Horizontal, true}; return true;
    case Op::Cvtsd2ss: out = {Narrow, Scalar, true}; return true;
    case Op::Cvtpd2ps: out = {Narrow, Packed, true}; return true;
    default: return false;
    }
}

u64 element(const Xmm& v, unsigned i, bool is_double) {
    if (is_double) return i == 0 ? v.lo : v.hi;
    return static_cast<u32>((i < 2 ? v.lo : v.hi) >> (32 * (i & 1)));
}

// The masked computation of one element.
u32 masked_flags(Calculation calculation, bool is_double, u64 a, u64 b, u32 mxcsr) {
    Xmm d{a, 0};
    const Xmm s{b, 0};
    switch (calculation) {
    case Calculation::Add: return is_double ? Addsd::run(d, s, mxcsr) : Addss::run(d, s, mxcsr);
    case Calculation::Sub: return is_double ? Subsd::run(d, s, mxcsr) : Subss::run(d, s, mxcsr);
    case Calculation::Mul: return is_double ? Mulsd::run(d, s, mxcsr) : Mulss::run(d, s, mxcsr);
    case Calculation::Div: return is_double ? Divsd::run(d, s, mxcsr) : Divss::run(d, s, mxcsr);
    case Calculation::Narrow: break;
    }
    return Cvtsd2ss::run(d, s, mxcsr);
}

// The result rounded to the destination's precision with the x87 unit's exponent range, which no element can leave.
x87_host::Result unbounded(Calculation calculation, bool is_double, u64 a, u64 b, u32 mxcsr) {
    const bool daz = (mxcsr & kSseDaz) != 0;
    const auto load = [&](u64 v) {
        const u64 exponent = is_double ? v & u64{0x7ff} << 52 : v & 0x7f800000;
        if (daz && exponent == 0) v &= is_double ? u64{1} << 63 : u64{1} << 31;
        return is_double ? x87_host::LoadM64::run({v}, kHostX87Control).value
                         : x87_host::LoadM32::run({static_cast<u32>(v)}, kHostX87Control).value;
    };
    const bool to_double = is_double && calculation != Calculation::Narrow;
    const u16 control = static_cast<u16>(0x7f | (to_double ? 0x200 : 0) | (mxcsr >> kSseRoundShift & 3) << kX87RoundShift);
    const F80 y = load(b);
    if (calculation == Calculation::Narrow) return x87_host::Mul::run(y, kF80One, control);
    const F80 x = load(a);
    switch (calculation) {
    case Calculation::Add: return x87_host::Add::run(x, y, control);
    case Calculation::Sub: return x87_host::Sub::run(x, y, control);
    case Calculation::Mul: return x87_host::Mul::run(x, y, control);
    default: return x87_host::Div::run(x, y, control);
    }
}

u32 element_flags(Calculation calculation, bool is_double, u64 a, u64 b, u32 mxcsr) {
    const u32 masked = masked_flags(calculation, is_double, a, b, (mxcsr & 0xffc0) | 0x1f80);
    if ((masked & (kSseIe | kSseZe)) != 0) return masked;
    const x87_host::Result r = unbounded(calculation, is_double, a, b, mxcsr);
    const unsigned biased = r.value.exponent & 0x7fff;
    if (biased == 0x7fff || r.value.significand == 0) return masked;          // of an infinity, a NaN, or exactly zero
    const bool to_double = is_double && calculation != Calculation::Narrow;
    const int exponent = static_cast<int>(biased) - 0x3fff, largest = to_double ? 1023 : 127;
    const auto is_unmasked = [&](u32 flag) { return (mxcsr >> kSseMaskShift & flag) == 0; };
    u32 flag = 0;
    if (exponent > largest && is_unmasked(kSseOe)) flag = kSseOe;
    if (exponent < 1 - largest && is_unmasked(kSseUe)) flag = kSseUe;
    if (flag == 0) return masked;
    return (masked & kSseDe) | flag | (r.status & kX87Pe);
}

u32 arithmetic_flags(const Shape& shape, const Xmm& d, const Xmm& s, u32 mxcsr) {
    const bool is_double = shape.is_double;
    const unsigned count = shape.layout == Layout::Scalar ? 1 : is_double ? 2 : 4;
    u32 flags = 0;
    for (unsigned i = 0; i < count; ++i) {
        Calculation calculation = shape.calculation;
        u64 a = element(d, i, is_double), b = element(s, i, is_double);
        if (shape.layout == Layout::AddSub && (i & 1) == 0) calculation = Calculation::Sub;
        if (shape.layout == Layout::Horizontal) {
            const Xmm& from = i < count / 2 ? d : s;
            const unsigned first = 2 * i % count;
            a = element(from, first, is_double);
            b = element(from, first + 1, is_double);
        }
        flags |= element_flags(calculation, is_double, a, b, mxcsr);
    }
    return flags;
}

}  // namespace

void sse_commit(Cpu& cpu, u32 flags) {
    const u32 unmasked = ~(cpu.s.mxcsr >> kSseMaskShift) & flags;
    if (unmasked == 0) {
        cpu.s.mxcsr |= flags;
        return;
    }
    // An exception found before computing stops the computation: no others arise.
    if ((unmasked & kSsePreExceptions) != 0) flags &= kSsePreExceptions;
    cpu.s.mxcsr |= flags;
    raise((cpu.s.cr4 & kCr4Osxmmexcpt) != 0 ? kXm : kUd);
}

void sse_commit_arithmetic(Cpu& cpu, const Insn& insn, const Xmm& d, const Xmm& s, u32 flags) {
    const u32 open = ~(cpu.s.mxcsr >> kSseMaskShift);
    Shape shape;
    if ((open & (kSseOe | kSseUe)) != 0 && (open & flags & kSsePreExceptions) == 0 && shape_of(insn.op, shape)) {
        flags = arithmetic_flags(shape, d, s, cpu.s.mxcsr);
    }
    sse_commit(cpu, flags);
}

}  // namespace vmm::tcg
