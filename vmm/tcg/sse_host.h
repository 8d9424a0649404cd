// SPDX-License-Identifier: Apache-2.0
// Single MMX and SSE operations on the host's unit. Those that MXCSR governs run under the MXCSR they are given and return
// the flags they raised; the host's own is back before they return. MMX forms leave the host's x87 stack empty.
#pragma once

#include <emmintrin.h>

#include "vmm/tcg/fpu_state.h"

namespace vmm::tcg::sse_host {

inline constexpr u32 kHostControl = kHostMxcsr;
inline constexpr u32 kFlags = 0x3f;

inline __m128i in(const Xmm& v) { return _mm_set_epi64x(static_cast<i64>(v.hi), static_cast<i64>(v.lo)); }
inline Xmm out(__m128i v) {
    Xmm r;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(&r), v);
    return r;
}

#define VMM_SSE_BEGIN "ldmxcsr %[guest]\n\t"
#define VMM_SSE_END "\n\tstmxcsr %[flags]\n\tldmxcsr %[host]"

// Bitwise and integer operations on XMM registers: d = d op s.
#define VMM_SSE_PLAIN(Name, text)                             \
    struct Name {                                             \
        static void run(Xmm& d, const Xmm& s) {               \
            __m128i a = sse_host::in(d);                                \
            asm(text " %[b], %[a]" : [a] "+x"(a) : [b] "x"(sse_host::in(s))); \
            d = sse_host::out(a);                                       \
        }                                                     \
    };
// The same mnemonic on XMM and on MMX registers.
#define VMM_SSE_AND_MMX(Name, text)                                                                            \
    struct Name {                                                                                              \
        static void run(Xmm& d, const Xmm& s) {                                                                \
            __m128i a = sse_host::in(d);                                                                                 \
            asm(text " %[b], %[a]" : [a] "+x"(a) : [b] "x"(sse_host::in(s)));                                            \
            d = sse_host::out(a);                                                                                        \
        }                                                                                                      \
        static void run(u64& d, u64 s) {                                                                       \
            asm volatile("movq %[a], %%mm0\n\tmovq %[b], %%mm1\n\t" text " %%mm1, %%mm0\n\tmovq %%mm0, %[a]\n\temms" \
                         : [a] "+m"(d)                                                                         \
                         : [b] "m"(s)                                                                          \
                         : "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");               \
        }                                                                                                      \
    };
// Floating point: d = d op s, or d = op s.
#define VMM_SSE_FLOAT(Name, text)                                                                 \
    struct Name {                                                                                 \
        static u32 run(Xmm& d, const Xmm& s, u32 mxcsr) {                                         \
            __m128i a = sse_host::in(d);                                                                    \
            u32 flags;                                                                            \
            asm volatile(VMM_SSE_BEGIN text " %[b], %[a]" VMM_SSE_END                             \
                         : [a] "+x"(a), [flags] "=m"(flags)                                       \
                         : [b] "x"(sse_host::in(s)), [guest] "m"(mxcsr), [host] "m"(sse_host::kHostControl));         \
            d = sse_host::out(a);                                                                           \
            return flags & sse_host::kFlags;                                                                \
        }                                                                                         \
    };
#define VMM_SSE_COMPARE(Name, text)                                                               \
    template <unsigned Predicate>                                                                 \
    struct Name {                                                                                 \
        static u32 run(Xmm& d, const Xmm& s, u32 mxcsr) {                                         \
            __m128i a = sse_host::in(d);                                                                    \
            u32 flags;                                                                            \
            asm volatile(VMM_SSE_BEGIN text " %[p], %[b], %[a]" VMM_SSE_END                       \
                         : [a] "+x"(a), [flags] "=m"(flags)                                       \
                         : [b] "x"(sse_host::in(s)), [p] "i"(Predicate), [guest] "m"(mxcsr), [host] "m"(sse_host::kHostControl)); \
            d = sse_host::out(a);                                                                           \
            return flags & sse_host::kFlags;                                                                \
        }                                                                                         \
    };
// Comparison to EFLAGS.
#define VMM_SSE_ORDER(Name, text)                                                                          \
    struct Name {                                                                                          \
        static u32 run(const Xmm& d, const Xmm& s, u32 mxcsr, u32& eflags) {                               \
            u32 flags;                                                                                     \
            bool z, p, c;                                                                                  \
            asm volatile(VMM_SSE_BEGIN text " %[b], %[a]" VMM_SSE_END                                      \
                         : [flags] "=m"(flags), "=@ccz"(z), "=@ccp"(p), "=@ccc"(c)                         \
                         : [a] "x"(sse_host::in(d)), [b] "x"(sse_host::in(s)), [guest] "m"(mxcsr), [host] "m"(sse_host::kHostControl));  \
            eflags = (z ? kZf : 0) | (p ? kPf : 0) | (c ? kCf : 0);                                        \
            return flags & sse_host::kFlags;                                                                         \
        }                                                                                                  \
    };
#define VMM_SSE_FROM_INT(Name, text)                                                            \
    struct Name {                                                                               \
        static u32 run(Xmm& d, u32 s, u32 mxcsr) {                                              \
            __m128i a = sse_host::in(d);                                                                  \
            u32 flags;                                                                          \
            asm volatile(VMM_SSE_BEGIN text " %[b], %[a]" VMM_SSE_END                           \
                         : [a] "+x"(a), [flags] "=m"(flags)                                     \
                         : [b] "r"(s), [guest] "m"(mxcsr), [host] "m"(sse_host::kHostControl));           \
            d = sse_host::out(a);                                                                         \
            return flags & sse_host::kFlags;                                                              \
        }                                                                                       \
    };
#define VMM_SSE_TO_INT(Name, text)                                                              \
    struct Name {                                                                               \
        static u32 run(u32& d, const Xmm& s, u32 mxcsr) {                                       \
            u32 flags;                                                                          \
            asm volatile(VMM_SSE_BEGIN text " %[b], %[a]" VMM_SSE_END                           \
                         : [a] "=&r"(d), [flags] "=m"(flags)                                     \
                         : [b] "x"(sse_host::in(s)), [guest] "m"(mxcsr), [host] "m"(sse_host::kHostControl));       \
            return flags & sse_host::kFlags;                                                              \
        }                                                                                       \
    };

}  // namespace vmm::tcg::sse_host
