// SPDX-License-Identifier: Apache-2.0
// Single x87 operations on the host's unit, on operands in memory, under the guest's control word, masks included.
// The host's unit applies the rules of SDM volume 1, 8.5 itself (operands kept, results adjusted by 2^24576), and the
// non-waiting FNSTSW and FNCLEX that follow keep an unmasked exception from ever reaching the host. What the host leaves
// behind is an empty stack and the control word of C++ code.
// Only operations whose result every x86-64 processor defines alike are here: no transcendentals, no long FPREM.
#pragma once

#include "vmm/tcg/fpu_state.h"

namespace vmm::tcg::x87_host {

struct Result {
    F80 value;
    u16 status = 0;  // exception flags and C0-C3 as the operation left them
};

// Operands in memory, by format.
struct M32 { u32 bits; };
struct M64 { u64 bits; };
struct I16 { u16 bits; };
struct I32 { u32 bits; };

inline constexpr u16 kHostControl = kHostX87Control;

#define VMM_X87_CLOBBERS "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc"
#define VMM_X87_BEGIN "fnclex\n\tfldcw %[cw]\n\t"
#define VMM_X87_END "\n\tfnstsw %[sw]\n\tfnclex\n\tfldcw %[host]\n\t"

// Two operands, `a` in ST(0) and `b` in ST(1); the result is ST(0).
#define VMM_X87_REG(text)                                                                                    \
    static Result run(const F80& a, const F80& b, u16 cw) {                                                  \
        Result r;                                                                                            \
        asm volatile(VMM_X87_BEGIN "fldt %[b]\n\tfldt %[a]\n\t" text VMM_X87_END "fstpt %[r]\n\tfstp %%st(0)" \
                     : [r] "=m"(r.value), [sw] "=m"(r.status)                                                \
                     : [a] "m"(a), [b] "m"(b), [cw] "m"(cw), [host] "m"(kHostControl)                        \
                     : VMM_X87_CLOBBERS);                                                                    \
        return r;                                                                                            \
    }
#define VMM_X87_MEM(type, text)                                                        \
    static Result run(const F80& a, type b, u16 cw) {                                  \
        Result r;                                                                      \
        asm volatile(VMM_X87_BEGIN "fldt %[a]\n\t" text " %[b]" VMM_X87_END "fstpt %[r]" \
                     : [r] "=m"(r.value), [sw] "=m"(r.status)                          \
                     : [a] "m"(a), [b] "m"(b.bits), [cw] "m"(cw), [host] "m"(kHostControl) \
                     : VMM_X87_CLOBBERS);                                              \
        return r;                                                                      \
    }
#define VMM_X87_BINARY(Name, reg, m32, m64, i16, i32) \
    struct Name {                                     \
        VMM_X87_REG(reg)                              \
        VMM_X87_MEM(M32, m32)                         \
        VMM_X87_MEM(M64, m64)                         \
        VMM_X87_MEM(I16, i16)                         \
        VMM_X87_MEM(I32, i32)                         \
    };
#define VMM_X87_REGISTER_ONLY(Name, text) struct Name { VMM_X87_REG(text) };
#define VMM_X87_UNARY(Name, text)                                                     \
    struct Name {                                                                     \
        static Result run(const F80& a, u16 cw) {                                     \
            Result r;                                                                 \
            asm volatile(VMM_X87_BEGIN "fldt %[a]\n\t" text VMM_X87_END "fstpt %[r]"  \
                         : [r] "=m"(r.value), [sw] "=m"(r.status)                     \
                         : [a] "m"(a), [cw] "m"(cw), [host] "m"(kHostControl)         \
                         : VMM_X87_CLOBBERS);                                         \
            return r;                                                                 \
        }                                                                             \
    };
#define VMM_X87_CONSTANT(Name, text)                                  \
    struct Name {                                                     \
        static Result run(u16 cw) {                                   \
            Result r;                                                 \
            asm volatile(VMM_X87_BEGIN text VMM_X87_END "fstpt %[r]"  \
                         : [r] "=m"(r.value), [sw] "=m"(r.status)     \
                         : [cw] "m"(cw), [host] "m"(kHostControl)     \
                         : VMM_X87_CLOBBERS);                         \
            return r;                                                 \
        }                                                             \
    };
// A load that converts. If it raises an unmasked exception nothing is pushed, and FSTP then stores what the caller ignores.
#define VMM_X87_LOAD(Name, type, text)                                                           \
    struct Name {                                                                                \
        static Result run(type b, u16 cw) {                                                      \
            Result r;                                                                            \
            asm volatile(VMM_X87_BEGIN text " %[b]" VMM_X87_END "fstpt %[r]\n\tfninit"           \
                         : [r] "=m"(r.value), [sw] "=m"(r.status)                                \
                         : [b] "m"(b.bits), [cw] "m"(cw), [host] "m"(kHostControl)               \
                         : VMM_X87_CLOBBERS);                                                    \
            return r;                                                                            \
        }                                                                                        \
    };
// A store that converts: `out` is written only as the exceptions allow (see X87Op users).
#define VMM_X87_STORE(Name, Type, text)                                                          \
    struct Name {                                                                                \
        using Out = Type;                                                                        \
        static u16 run(const F80& a, u16 cw, Out& out) {                                         \
            u16 status;                                                                          \
            asm volatile(VMM_X87_BEGIN "fldt %[a]\n\t" text " %[out]" VMM_X87_END "fninit"       \
                         : [out] "+m"(out), [sw] "=m"(status)                                    \
                         : [a] "m"(a), [cw] "m"(cw), [host] "m"(kHostControl)                    \
                         : VMM_X87_CLOBBERS);                                                    \
            return status;                                                                       \
        }                                                                                        \
    };

VMM_X87_BINARY(Add, "fadd %%st(1), %%st", "fadds", "faddl", "fiadds", "fiaddl")
VMM_X87_BINARY(Mul, "fmul %%st(1), %%st", "fmuls", "fmull", "fimuls", "fimull")
VMM_X87_BINARY(Sub, "fsub %%st(1), %%st", "fsubs", "fsubl", "fisubs", "fisubl")
VMM_X87_BINARY(SubR, "fsubr %%st(1), %%st", "fsubrs", "fsubrl", "fisubrs", "fisubrl")
VMM_X87_BINARY(Div, "fdiv %%st(1), %%st", "fdivs", "fdivl", "fidivs", "fidivl")
VMM_X87_BINARY(DivR, "fdivr %%st(1), %%st", "fdivrs", "fdivrl", "fidivrs", "fidivrl")
VMM_X87_BINARY(Com, "fcom %%st(1)", "fcoms", "fcoml", "ficoms", "ficoml")
VMM_X87_REGISTER_ONLY(Ucom, "fucom %%st(1)")
VMM_X87_REGISTER_ONLY(Scale, "fscale")
VMM_X87_REGISTER_ONLY(Prem, "fprem")
VMM_X87_REGISTER_ONLY(Prem1, "fprem1")
VMM_X87_UNARY(Sqrt, "fsqrt")
VMM_X87_UNARY(RndInt, "frndint")
VMM_X87_CONSTANT(Ld1, "fld1")
VMM_X87_CONSTANT(LdL2t, "fldl2t")
VMM_X87_CONSTANT(LdL2e, "fldl2e")
VMM_X87_CONSTANT(LdPi, "fldpi")
VMM_X87_CONSTANT(LdLg2, "fldlg2")
VMM_X87_CONSTANT(LdLn2, "fldln2")
VMM_X87_CONSTANT(LdZ, "fldz")
VMM_X87_LOAD(LoadM32, M32, "flds")
VMM_X87_LOAD(LoadM64, M64, "fldl")
VMM_X87_STORE(StoreM32, u32, "fstps")
VMM_X87_STORE(StoreM64, u64, "fstpl")
VMM_X87_STORE(StoreI16, u16, "fistps")
VMM_X87_STORE(StoreI32, u32, "fistpl")
VMM_X87_STORE(StoreI64, u64, "fistpll")
VMM_X87_STORE(TruncI16, u16, "fisttps")
VMM_X87_STORE(TruncI32, u32, "fisttpl")
VMM_X87_STORE(TruncI64, u64, "fisttpll")

struct Bcd { u8 bytes[10]; };
VMM_X87_STORE(StoreBcd, Bcd, "fbstp")

// FXTRACT: `value` is what ends in ST(0), the significand; `exponent` what ends in ST(1).
struct Extract {
    static Result run(const F80& a, u16 cw, F80& exponent) {
        Result r;
        asm volatile(VMM_X87_BEGIN "fldt %[a]\n\tfxtract" VMM_X87_END "fstpt %[r]\n\tfstpt %[e]\n\tfninit"
                     : [r] "=m"(r.value), [e] "=m"(exponent), [sw] "=m"(r.status)
                     : [a] "m"(a), [cw] "m"(cw), [host] "m"(kHostControl)
                     : VMM_X87_CLOBBERS);
        return r;
    }
};

#undef VMM_X87_REG
#undef VMM_X87_MEM
#undef VMM_X87_BINARY
#undef VMM_X87_REGISTER_ONLY
#undef VMM_X87_UNARY
#undef VMM_X87_CONSTANT
#undef VMM_X87_LOAD
#undef VMM_X87_STORE

}  // namespace vmm::tcg::x87_host
