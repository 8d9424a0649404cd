// SPDX-License-Identifier: Apache-2.0
#include "vmm/tcg/fpu_state.h"

#include <cstring>

namespace vmm::tcg {
namespace {

// The image of FNSAVE and FRSTOR in 64-bit mode: the 32-bit protected-mode format, registers in stack order.
struct HostImage {
    u32 control = 0, status = 0, tags = 0;
    std::array<u32, 4> pointers{};
    std::array<u8, 80> st{};
};
static_assert(sizeof(HostImage) == 108);

}  // namespace

void x87_init(X87& f) {
    f.control = kX87ControlInit;
    f.status = 0;
    f.tag = 0;
    f.opcode = 0;
    f.ip = f.dp = 0;
    f.cs = f.ds = 0;
}

u16 x87_full_tags(const X87& f) {
    u32 tags = 0;
    for (unsigned r = 0; r < 8; ++r) {
        const u32 exponent = f.exponent[r] & 0x7fffu;
        u32 tag = 0;
        if ((f.tag >> r & 1) == 0) tag = 3;
        else if (exponent == 0 && f.significand[r] == 0) tag = 1;
        else if (exponent == 0 || exponent == 0x7fff || f.significand[r] >> 63 == 0) tag = 2;
        tags |= tag << (2 * r);
    }
    return static_cast<u16>(tags);
}

void x87_set_full_tags(X87& f, u16 tags) {
    f.tag = 0;
    for (unsigned r = 0; r < 8; ++r) {
        if ((tags >> (2 * r) & 3) != 3) f.tag = static_cast<u8>(f.tag | 1u << r);
    }
}

void load_host_x87(const X87& f) {
    HostImage image;
    image.control = f.control | kX87Exceptions;
    image.status = f.status & ~u32{kX87Es | kX87Busy};
    image.tags = 0;
    for (unsigned r = 0; r < 8; ++r) {
        if ((f.tag >> r & 1) == 0) image.tags |= 3u << (2 * r);
    }
    for (unsigned i = 0; i < 8; ++i) {
        const unsigned r = x87_register(f, i);
        std::memcpy(&image.st[10 * i], &f.significand[r], 8);
        std::memcpy(&image.st[10 * i + 8], &f.exponent[r], 2);
    }
    asm volatile("frstor %0" : : "m"(image));
}

void save_host_x87(X87& f) {
    HostImage image;
    asm volatile("fnsave %0" : "=m"(image));
    f.status = static_cast<u16>(image.status & ~u32{kX87Es | kX87Busy});
    x87_set_full_tags(f, static_cast<u16>(image.tags));
    for (unsigned i = 0; i < 8; ++i) {
        const unsigned r = x87_register(f, i);
        std::memcpy(&f.significand[r], &image.st[10 * i], 8);
        std::memcpy(&f.exponent[r], &image.st[10 * i + 8], 2);
    }
    x87_refresh_summary(f);
}

}  // namespace vmm::tcg
