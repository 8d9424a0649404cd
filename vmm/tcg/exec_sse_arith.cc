// SPDX-License-Identifier: Apache-2.0
// SSE, SSE2 and SSE3 arithmetic and comparison on floating-point data, and the approximations RCPPS and RSQRTPS. Complete.
// Reference: Intel SDM volume 1, 10.4, 11.4, 11.5, 12.3; volume 2.
// RCPPS and RSQRTPS return the true value rounded to 12 bits (nearest, ties to even), so that they do not depend on the
// host; the manual allows an error of 1.5 * 2^-12. CMPPS and its like use the low three bits of their predicate.
#include <bit>
#include <cmath>

#include "vmm/tcg/exec_sse.h"
#include "vmm/tcg/exec_table.h"
#include "vmm/tcg/sse_exceptions.h"
#include "vmm/tcg/sse_host.h"

namespace vmm::tcg {
namespace {


#define VMM_FLOAT_OPS(X)                                                                                              \
    X(Addps) X(Addpd) X(Addss) X(Addsd) X(Subps) X(Subpd) X(Subss) X(Subsd) X(Mulps) X(Mulpd) X(Mulss) X(Mulsd)       \
    X(Divps) X(Divpd) X(Divss) X(Divsd) X(Sqrtps) X(Sqrtpd) X(Sqrtss) X(Sqrtsd) X(Maxps) X(Maxpd) X(Maxss) X(Maxsd)   \
    X(Minps) X(Minpd) X(Minss) X(Minsd) X(Addsubps) X(Addsubpd) X(Haddps) X(Haddpd) X(Hsubps) X(Hsubpd)
// The assembler takes mnemonics in any case.
#define X(name) VMM_SSE_FLOAT(name, #name)
VMM_FLOAT_OPS(X)
#undef X
VMM_SSE_COMPARE(HostCmpps, "cmpps")
VMM_SSE_COMPARE(HostCmppd, "cmppd")
VMM_SSE_COMPARE(HostCmpss, "cmpss")
VMM_SSE_COMPARE(HostCmpsd, "cmpsd")
VMM_SSE_ORDER(HostComiss, "comiss")
VMM_SSE_ORDER(HostComisd, "comisd")
VMM_SSE_ORDER(HostUcomiss, "ucomiss")
VMM_SSE_ORDER(HostUcomisd, "ucomisd")

using CompareFn = u32 (*)(Xmm&, const Xmm&, u32);
template <template <unsigned> class Compare>
void compare(Cpu& cpu, const Insn& insn) {
    static constexpr CompareFn kByPredicate[8] = {Compare<0>::run, Compare<1>::run, Compare<2>::run, Compare<3>::run,
                                                  Compare<4>::run, Compare<5>::run, Compare<6>::run, Compare<7>::run};
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    Xmm d = op.xmm(0);
    sse_commit(cpu, kByPredicate[op.imm8() & 7](d, s, sse_control(cpu)));
    op.xmm(0) = d;
}

template <class Order>
void order(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    u32 eflags;
    sse_commit(cpu, Order::run(op.xmm(0), s, sse_control(cpu), eflags));
    cpu.s.eflags = (cpu.s.eflags & ~kArithFlags) | eflags;
}

// --- approximations -------------------------------------------------------------------------------------------

constexpr u32 kSign = 0x80000000, kInfinity = 0x7f800000, kQuiet = 0x00400000, kIndefinite = 0xffc00000;

bool is_nan(u32 v) { return (v & ~kSign) > kInfinity; }
bool is_tiny(u32 v) { return (v & kInfinity) == 0; }   // zero or denormal

// A positive value in the range of normal single numbers to 12 significant bits.
u32 to_12_bits(double v) {
    constexpr int kDropped = 52 - 11;
    u64 bits = std::bit_cast<u64>(v);
    const u64 even = bits >> kDropped & 1;
    bits += (u64{1} << (kDropped - 1)) - 1 + even;
    bits &= ~u64{0} << kDropped;
    return std::bit_cast<u32>(static_cast<float>(std::bit_cast<double>(bits)));
}

u32 reciprocal(u32 v) {
    const u32 sign = v & kSign;
    if (is_nan(v)) return v | kQuiet;
    if (is_tiny(v)) return sign | kInfinity;
    const double r = 1.0 / double{std::bit_cast<float>(v & ~kSign)};
    if (r < 0x1p-126) return sign;                     // infinity too; a tiny result is flushed
    return sign | to_12_bits(r);
}

u32 reciprocal_root(u32 v) {
    if (is_nan(v)) return v | kQuiet;
    if (is_tiny(v)) return (v & kSign) | kInfinity;
    if ((v & kSign) != 0) return kIndefinite;
    if (v == kInfinity) return 0;
    return to_12_bits(1.0 / std::sqrt(double{std::bit_cast<float>(v)}));
}

template <u32 (*Function)(u32), bool Packed>
void approximate(Cpu& cpu, const Insn& insn) {
    const SimdOp op(cpu, insn);
    op.require_sse();
    const Xmm s = op.source(1);
    Xmm& d = op.xmm(0);
    const auto low = [](u64 v) { return Function(static_cast<u32>(v)); };
    const auto both = [&](u64 v) { return u64{low(v >> 32)} << 32 | low(v); };
    if (Packed) d = {both(s.lo), both(s.hi)};
    else d.lo = (d.lo & ~u64{0xffffffff}) | low(s.lo);
}

constexpr ExecEntry kEntries[] = {
#define X(name) {Op::name, sse_arithmetic<name>},
    VMM_FLOAT_OPS(X)
#undef X
    {Op::Cmpps, compare<HostCmpps>},
    {Op::Cmppd, compare<HostCmppd>},
    {Op::Cmpss, compare<HostCmpss>},
    {Op::CmpsdX, compare<HostCmpsd>},
    {Op::Comiss, order<HostComiss>},
    {Op::Comisd, order<HostComisd>},
    {Op::Ucomiss, order<HostUcomiss>},
    {Op::Ucomisd, order<HostUcomisd>},
    {Op::Rcpps, approximate<reciprocal, true>},
    {Op::Rcpss, approximate<reciprocal, false>},
    {Op::Rsqrtps, approximate<reciprocal_root, true>},
    {Op::Rsqrtss, approximate<reciprocal_root, false>},
};

}  // namespace

std::span<const ExecEntry> sse_arith_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
