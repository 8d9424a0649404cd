// SPDX-License-Identifier: Apache-2.0
// x87 loads, stores, conversions, constants, exchange, conditional moves and stack-pointer instructions. Complete.
// Reference: Intel SDM volume 2; volume 1, 8.5 for what an unmasked exception lets through.
// FBLD of digits above 9 is undefined: here each of them counts with its binary value.
#include "vmm/tcg/exec_table.h"
#include "vmm/tcg/exec_x87.h"
#include "vmm/tcg/x87_host.h"

namespace vmm::tcg {
namespace {

namespace host = x87_host;

// --- loads ---------------------------------------------------------------------------------------------------

void push_value(X87Op& op, const F80& value) {
    op.note_pointers();
    if (!x87_empty(op.f, 7)) {
        if (op.overflow()) x87_push(op.f, kF80Indefinite);
        return;
    }
    op.set_codes(kX87C1, 0);
    x87_push(op.f, value);
}

// A full register is found before the operand is looked at. An unmasked #D does not keep a value from being loaded.
void push_result(X87Op& op, const host::Result& r) {
    op.note_pointers();
    if (!x87_empty(op.f, 7)) {
        if (op.overflow()) x87_push(op.f, kF80Indefinite);
        return;
    }
    if (op.commit(r.status) || op.unmasked(r.status & kX87Ie) == 0) x87_push(op.f, r.value);
}

F80 from_integer(bool negative, u64 magnitude) {
    const u16 sign = negative ? 0x8000 : 0;
    if (magnitude == 0) return {0, sign};
    const int leading = __builtin_clzll(magnitude);
    return {magnitude << leading, static_cast<u16>(sign | (0x3fff + 63 - leading))};
}
F80 from_signed(i64 v) { return from_integer(v < 0, v < 0 ? 0 - static_cast<u64>(v) : static_cast<u64>(v)); }

void fld_register(X87Op& op) {
    op.note_pointers();
    const bool empty = x87_empty(op.f, op.sti());
    if (empty || !x87_empty(op.f, 7)) {
        if (empty ? op.underflow() : op.overflow()) x87_push(op.f, kF80Indefinite);
        return;
    }
    op.set_codes(kX87C1, 0);
    x87_push(op.f, x87_get(op.f, op.sti()));
}

void fld_(X87Op& op) {
    if (!op.memory()) return fld_register(op);
    switch (op.opcode()) {
    case 1: return push_result(op, host::LoadM32::run(op.load<host::M32>(), op.f.control));
    case 5: return push_result(op, host::LoadM64::run(op.load<host::M64>(), op.f.control));
    default: return push_value(op, op.load80());
    }
}

void fild_(X87Op& op) {
    if (op.opcode() == 3) return push_value(op, from_signed(op.load<i32>()));
    if (op.digit() == 0) return push_value(op, from_signed(op.load<i16>()));
    return push_value(op, from_signed(op.load<i64>()));
}

void fbld_(X87Op& op) {
    const host::Bcd bcd = op.load<host::Bcd>();
    u64 v = 0;
    for (int i = 8; i >= 0; --i) v = v * 100 + (bcd.bytes[i] >> 4) * 10u + (bcd.bytes[i] & 15);
    push_value(op, from_integer((bcd.bytes[9] & 0x80) != 0, v));
}

template <class Constant>
void constant(X87Op& op) { push_result(op, Constant::run(op.f.control)); }

// --- stores --------------------------------------------------------------------------------------------------------

// An operand that cannot be written faults even where an unmasked exception keeps the value from it.
// What may not reach memory: besides the exceptions found before computing, unmasked overflow and underflow.
constexpr u16 kStoreExceptions = kX87PreExceptions | kX87Oe | kX87Ue;

template <class Store>
void store_converted(X87Op& op, const typename Store::Out& indefinite, bool pop) {
    typename Store::Out out = indefinite;
    if (x87_empty(op.f, 0)) {
        if (op.unmasked(kX87Ie) == 0) op.store(out);
        else op.probe(sizeof out);
        op.note_pointers();
        if (op.underflow() && pop) x87_pop(op.f);
        return;
    }
    const u16 status = Store::run(x87_get(op.f, 0), op.f.control, out);
    const bool stored = op.unmasked(status & kStoreExceptions) == 0;
    if (stored) op.store(out);
    else op.probe(sizeof out);
    op.note_pointers();
    if (op.commit(status) && stored && pop) x87_pop(op.f);
}

void store80(X87Op& op) {
    const bool empty = x87_empty(op.f, 0);
    if (!empty || op.unmasked(kX87Ie) == 0) {
        const F80 v = empty ? kF80Indefinite : x87_get(op.f, 0);
        u8 bytes[10];
        __builtin_memcpy(bytes, &v.significand, 8);
        __builtin_memcpy(bytes + 8, &v.exponent, 2);
        op.store_bytes(bytes, sizeof bytes);
    } else {
        op.probe(10);
    }
    op.note_pointers();
    if (empty) {
        if (op.underflow()) x87_pop(op.f);
        return;
    }
    op.set_codes(kX87C1, 0);
    x87_pop(op.f);
}

template <bool Pop>
void fst_(X87Op& op) {
    if (op.memory()) {
        switch (op.opcode()) {
        case 1: return store_converted<host::StoreM32>(op, 0xffc00000, Pop);
        case 5: return store_converted<host::StoreM64>(op, 0xfff8000000000000, Pop);
        default: return store80(op);
        }
    }
    op.note_pointers();
    F80 v = x87_get(op.f, 0);
    const bool unchecked = op.opcode() == 1;      // FSTP1, D9 D8+i: pops an empty register
    if (x87_empty(op.f, 0)) {
        if (!unchecked && !op.underflow()) return;
        op.set_codes(kX87C1, 0);
        if (unchecked) return x87_pop(op.f);
        v = kF80Indefinite;
    } else {
        op.set_codes(kX87C1, 0);
    }
    x87_set(op.f, op.sti(), v);
    if (Pop) x87_pop(op.f);
}

// FIST m32 DB /2, m16 DF /2; FISTP m32 DB /3, m16 DF /3, m64 DF /7.
template <bool Pop>
void fist_(X87Op& op) {
    if (op.opcode() == 3) return store_converted<host::StoreI32>(op, 0x80000000, Pop);
    if (op.digit() == 7) return store_converted<host::StoreI64>(op, 0x8000000000000000, Pop);
    store_converted<host::StoreI16>(op, 0x8000, Pop);
}

// FISTTP m32 DB /1, m64 DD /1, m16 DF /1.
void fisttp_(X87Op& op) {
    switch (op.opcode()) {
    case 3: return store_converted<host::TruncI32>(op, 0x80000000, true);
    case 5: return store_converted<host::TruncI64>(op, 0x8000000000000000, true);
    default: return store_converted<host::TruncI16>(op, 0x8000, true);
    }
}

void fbstp_(X87Op& op) {
    constexpr host::Bcd kIndefinite{{0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff}};
    store_converted<host::StoreBcd>(op, kIndefinite, true);
}

// --- within the stack ---------------------------------------------------------------------------------------------

void fxch_(X87Op& op) {
    op.note_pointers();
    const unsigned i = op.sti();
    const bool empty0 = x87_empty(op.f, 0), empty_i = x87_empty(op.f, i);
    if (empty0 || empty_i) {
        if (!op.underflow()) return;
    } else {
        op.set_codes(kX87C1, 0);
    }
    const F80 a = empty0 ? kF80Indefinite : x87_get(op.f, 0), b = empty_i ? kF80Indefinite : x87_get(op.f, i);
    x87_set(op.f, 0, b);
    x87_set(op.f, i, a);
}

// FCMOVB DA C0, E C8, BE D0, U D8; DB: the opposite.
// Whether C1 is cleared without a stack fault differs between processors; here it is.
void fcmov_(X87Op& op) {
    op.note_pointers();
    op.set_codes(kX87C1, 0);
    const u32 eflags = op.cpu.s.eflags;
    static constexpr u32 kFlags[4] = {kCf, kZf, kCf | kZf, kPf};
    const bool condition = ((eflags & kFlags[op.digit() & 3]) != 0) == (op.opcode() == 2);
    const unsigned i = op.sti();
    F80 v = x87_get(op.f, i);
    if (x87_empty(op.f, 0) || x87_empty(op.f, i)) {
        if (!op.underflow()) return;
        v = kF80Indefinite;
        if (!condition) return x87_set(op.f, 0, v);
    }
    if (condition) x87_set(op.f, 0, v);
}

void fincstp_(X87Op& op) {
    op.note_pointers();
    op.set_codes(kX87C1, 0);
    x87_set_top(op.f, x87_top(op.f) + 1);
}
void fdecstp_(X87Op& op) {
    op.note_pointers();
    op.set_codes(kX87C1, 0);
    x87_set_top(op.f, x87_top(op.f) - 1);
}
void ffree_(X87Op& op) {
    op.note_pointers();
    op.set_codes(kX87C1, 0);
    x87_free(op.f, op.sti());
}
void ffreep_(X87Op& op) {
    op.note_pointers();
    op.set_codes(kX87C1, 0);
    x87_free(op.f, op.sti());
    x87_pop(op.f);
}
void fnop_(X87Op& op) { op.note_pointers(); }

constexpr ExecEntry kEntries[] = {
    {Op::Fld, x87<fld_>},
    {Op::Fild, x87<fild_>},
    {Op::Fbld, x87<fbld_>},
    {Op::Fld1, x87<constant<host::Ld1>>},
    {Op::Fldl2t, x87<constant<host::LdL2t>>},
    {Op::Fldl2e, x87<constant<host::LdL2e>>},
    {Op::Fldpi, x87<constant<host::LdPi>>},
    {Op::Fldlg2, x87<constant<host::LdLg2>>},
    {Op::Fldln2, x87<constant<host::LdLn2>>},
    {Op::Fldz, x87<constant<host::LdZ>>},
    {Op::Fst, x87<fst_<false>>},
    {Op::Fstp, x87<fst_<true>>},
    {Op::Fist, x87<fist_<false>>},
    {Op::Fistp, x87<fist_<true>>},
    {Op::Fisttp, x87<fisttp_>},
    {Op::Fbstp, x87<fbstp_>},
    {Op::Fxch, x87<fxch_>},
    {Op::Fcmov, x87<fcmov_>},
    {Op::Fincstp, x87<fincstp_>},
    {Op::Fdecstp, x87<fdecstp_>},
    {Op::Ffree, x87<ffree_>},
    {Op::Ffreep, x87<ffreep_>},
    {Op::Fnop, x87<fnop_>},
};

}  // namespace

std::span<const ExecEntry> x87_move_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
