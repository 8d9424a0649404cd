// SPDX-License-Identifier: Apache-2.0
// x87 control: initialisation, control and status word, environment and state images, FWAIT, FXSAVE and FXRSTOR, and the
// error pin. Complete. Reference: Intel SDM volume 1, 8.1.10 (figures 8-9 to 8-12), 8.7, 10.5; volume 2.
// FERR# is asserted when a waiting instruction meets the error, not when the error arises (as P6 and later do).
#include <algorithm>
#include <cstring>

#include "vmm/tcg/cpu_model.h"
#include "vmm/tcg/exec_sse.h"
#include "vmm/tcg/exec_table.h"
#include "vmm/tcg/exec_x87.h"

namespace vmm::tcg {

bool x87_check_pending(Cpu& cpu) {
    if ((cpu.s.fpu.status & kX87Es) == 0) return true;
    if ((cpu.s.cr0 & kCr0Ne) != 0) raise(kMf);
    if (cpu.pins.ignne) return true;
    cpu.sync_clock();
    cpu.pins.ferr.set(true);
    cpu.next_eip = cpu.s.eip;
    cpu.end_block();
    return false;
}

void x87_errors_changed(Cpu& cpu) {
    if ((cpu.s.fpu.status & kX87Es) != 0) return;
    cpu.sync_clock();
    cpu.pins.ferr.set(false);
    cpu.pins.ignne = false;
    cpu.end_block();
}

void require_aligned16(Cpu& cpu, const MemOperand& mem, u32 offset) {
    if (((cpu.s.seg[mem.seg].base + offset) & 15) != 0) raise(kGp, 0);
}

namespace {

// A non-waiting control instruction.
template <void (*Body)(X87Op&)>
void control(Cpu& cpu, const Insn& insn) {
    x87_require_available(cpu);
    X87Op op(cpu, insn);
    Body(op);
}

// Runs `change`, which may take the pending error away.
template <class Change>
void with_error_pin(X87Op& op, Change change) {
    const bool error = (op.f.status & kX87Es) != 0;
    change();
    if (error) x87_errors_changed(op.cpu);
}

void fninit_(X87Op& op) { with_error_pin(op, [&] { x87_init(op.f); }); }

void fnclex_(X87Op& op) {
    with_error_pin(op, [&] { op.f.status &= static_cast<u16>(~(kX87Exceptions | kX87Sf | kX87Es | kX87Busy)); });
}

void fldcw_(X87Op& op) {
    const u16 value = op.load<u16>();
    with_error_pin(op, [&] { x87_set_control(op.f, value); });
}
void fnstcw_(X87Op& op) { op.store(op.f.control); }

void fnstsw_(X87Op& op) {
    if (op.memory()) return op.store(op.f.status);
    op.cpu.set(kEax, 2, op.f.status);
}

void nothing(X87Op&) {}

// --- FNSTENV, FLDENV, FNSAVE, FRSTOR ------------------------------------------------------------------------------------

constexpr unsigned kMaxEnvironment = 28, kRegisters = 80;

unsigned environment_size(const X87Op& op) { return op.insn.op_size == 4 ? 28 : 14; }

void put16(u8* at, u32 value) {
    const u16 v = static_cast<u16>(value);
    std::memcpy(at, &v, 2);
}
void put32(u8* at, u32 value) { std::memcpy(at, &value, 4); }
u16 get16(const u8* at) {
    u16 v;
    std::memcpy(&v, at, 2);
    return v;
}
u32 get32(const u8* at) {
    u32 v;
    std::memcpy(&v, at, 4);
    return v;
}

// In real and virtual-8086 mode the images hold linear addresses and the opcode, in protected mode selectors.
void pack_environment(const X87Op& op, u8* out) {
    const X87& f = op.f;
    const u32 ip = (u32{f.cs} << 4) + f.ip, dp = (u32{f.ds} << 4) + f.dp;
    const u16 words[3] = {f.control, f.status, x87_full_tags(f)};
    if (op.insn.op_size == 4) {
        for (unsigned i = 0; i < 3; ++i) put32(out + 4 * i, 0xffff0000u | words[i]);
        if (op.cpu.pmode()) {
            put32(out + 12, f.ip);
            put32(out + 16, u32{f.cs} | u32{f.opcode} << 16);
            put32(out + 20, f.dp);
            put32(out + 24, 0xffff0000u | f.ds);
        } else {
            put32(out + 12, 0xffff0000u | (ip & 0xffff));
            put32(out + 16, (ip >> 16) << 12 | f.opcode);
            put32(out + 20, 0xffff0000u | (dp & 0xffff));
            put32(out + 24, (dp >> 16) << 12);
        }
        return;
    }
    for (unsigned i = 0; i < 3; ++i) put16(out + 2 * i, words[i]);
    if (op.cpu.pmode()) {
        put16(out + 6, f.ip);
        put16(out + 8, f.cs);
        put16(out + 10, f.dp);
        put16(out + 12, f.ds);
    } else {
        put16(out + 6, ip);
        put16(out + 8, (ip >> 16 & 15) << 12 | f.opcode);
        put16(out + 10, dp);
        put16(out + 12, (dp >> 16 & 15) << 12);
    }
}

void unpack_environment(X87Op& op, const u8* in) {
    X87& f = op.f;
    const bool wide = op.insn.op_size == 4;
    const unsigned step = wide ? 4 : 2;
    f.status = get16(in + step);
    x87_set_full_tags(f, get16(in + 2 * step));
    if (wide && op.cpu.pmode()) {
        f.ip = get32(in + 12);
        f.cs = get16(in + 16);
        f.opcode = get16(in + 18) & 0x7ff;
        f.dp = get32(in + 20);
        f.ds = get16(in + 24);
    } else if (wide) {
        f.ip = get16(in + 12) | (get32(in + 16) >> 12 & 0xffff) << 16;
        f.opcode = get16(in + 16) & 0x7ff;
        f.dp = get16(in + 20) | (get32(in + 24) >> 12 & 0xffff) << 16;
        f.cs = f.ds = 0;
    } else if (op.cpu.pmode()) {
        f.ip = get16(in + 6);
        f.cs = get16(in + 8);
        f.dp = get16(in + 10);
        f.ds = get16(in + 12);
    } else {
        f.ip = get16(in + 6) | (u32{get16(in + 8)} >> 12) << 16;
        f.opcode = get16(in + 8) & 0x7ff;
        f.dp = get16(in + 10) | (u32{get16(in + 12)} >> 12) << 16;
        f.cs = f.ds = 0;
    }
    x87_set_control(f, get16(in));
}

void fnstenv_(X87Op& op) {
    u8 image[kMaxEnvironment];
    pack_environment(op, image);
    op.store_bytes(image, environment_size(op));
    with_error_pin(op, [&] { x87_set_control(op.f, op.f.control | kX87Exceptions); });
}

void fldenv_(X87Op& op) {
    u8 image[kMaxEnvironment];
    op.cpu.read_bytes(op.insn.mem.seg, op.offset(), image, environment_size(op));
    with_error_pin(op, [&] { unpack_environment(op, image); });
}

void fnsave_(X87Op& op) {
    u8 image[kMaxEnvironment + kRegisters];
    const unsigned size = environment_size(op);
    pack_environment(op, image);
    for (unsigned i = 0; i < 8; ++i) {
        const F80 v = x87_get(op.f, i);
        std::memcpy(image + size + 10 * i, &v.significand, 8);
        std::memcpy(image + size + 10 * i + 8, &v.exponent, 2);
    }
    op.store_bytes(image, size + kRegisters);
    fninit_(op);
}

void frstor_(X87Op& op) {
    u8 image[kMaxEnvironment + kRegisters];
    const unsigned size = environment_size(op);
    op.cpu.read_bytes(op.insn.mem.seg, op.offset(), image, size + kRegisters);
    with_error_pin(op, [&] { unpack_environment(op, image); });
    for (unsigned i = 0; i < 8; ++i) {
        const unsigned r = x87_register(op.f, i);
        std::memcpy(&op.f.significand[r], image + size + 10 * i, 8);
        std::memcpy(&op.f.exponent[r], image + size + 10 * i + 8, 2);
    }
}

// --- FWAIT --------------------------------------------------------------------------------------------------------------

void fwait_(Cpu& cpu, const Insn&) {
    if ((cpu.s.cr0 & (kCr0Mp | kCr0Ts)) == (kCr0Mp | kCr0Ts)) raise(kNm);
    (void)x87_check_pending(cpu);
}

// --- FXSAVE, FXRSTOR --------------------------------------------------------------------------------------------------------

// Table 10-2. Bytes 288-463 are reserved and 464-511 belong to software: never written.
constexpr unsigned kFxArea = 512, kFxLegacy = 160, kFxWritten = 288;

void fxsave_(Cpu& cpu, const Insn& insn) {
    x87_require_available(cpu);
    const u32 offset = cpu.effective_address(insn.mem);
    require_aligned16(cpu, insn.mem, offset);
    cpu.probe_write(insn.mem.seg, offset, kFxArea);
    const X87& f = cpu.s.fpu;
    const bool sse = (cpu.s.cr4 & kCr4Osfxsr) != 0 && cpu.model.has(Feature::Sse);
    std::array<u8, kFxWritten> image{};
    put16(&image[0], f.control);
    put16(&image[2], f.status);
    image[4] = f.tag;
    put16(&image[6], f.opcode);
    put32(&image[8], f.ip);
    put16(&image[12], f.cs);
    put32(&image[16], f.dp);
    put16(&image[20], f.ds);
    for (unsigned i = 0; i < 8; ++i) {
        const F80 v = x87_get(f, i);
        std::memcpy(&image[32 + 16 * i], &v.significand, 8);
        std::memcpy(&image[40 + 16 * i], &v.exponent, 2);
    }
    if (sse) {
        for (unsigned i = 0; i < 8; ++i) std::memcpy(&image[kFxLegacy + 16 * i], &cpu.s.xmm[i], 16);
    }
    if (cpu.model.has(Feature::Sse)) {
        put32(&image[24], cpu.s.mxcsr);
        put32(&image[28], mxcsr_mask(cpu));
    }
    cpu.write_bytes(insn.mem.seg, offset, image.data(), sse ? kFxWritten : kFxLegacy);
}

void fxrstor_(Cpu& cpu, const Insn& insn) {
    x87_require_available(cpu);
    const u32 offset = cpu.effective_address(insn.mem);
    require_aligned16(cpu, insn.mem, offset);
    std::array<u8, kFxArea> image;
    cpu.read_bytes(insn.mem.seg, offset, image.data(), kFxArea);
    const bool sse = (cpu.s.cr4 & kCr4Osfxsr) != 0 && cpu.model.has(Feature::Sse);
    if (sse) {
        const u32 mxcsr = get32(&image[24]);
        if ((mxcsr & ~mxcsr_mask(cpu)) != 0) raise(kGp, 0);
        cpu.s.mxcsr = mxcsr;
        for (unsigned i = 0; i < 8; ++i) std::memcpy(&cpu.s.xmm[i], &image[kFxLegacy + 16 * i], 16);
    }
    X87& f = cpu.s.fpu;
    const bool error = (f.status & kX87Es) != 0;
    f.status = get16(&image[2]);
    f.tag = image[4];
    f.opcode = get16(&image[6]) & 0x7ff;
    f.ip = get32(&image[8]);
    f.cs = get16(&image[12]);
    f.dp = get32(&image[16]);
    f.ds = get16(&image[20]);
    for (unsigned i = 0; i < 8; ++i) {
        const unsigned r = x87_register(f, i);
        std::memcpy(&f.significand[r], &image[32 + 16 * i], 8);
        std::memcpy(&f.exponent[r], &image[40 + 16 * i], 2);
    }
    x87_set_control(f, get16(&image[0]));
    if (error) x87_errors_changed(cpu);
}

constexpr ExecEntry kEntries[] = {
    {Op::Fninit, control<fninit_>},   {Op::Fnclex, control<fnclex_>},   {Op::Fldcw, x87<fldcw_>},
    {Op::Fnstcw, control<fnstcw_>},   {Op::Fnstsw, control<fnstsw_>},   {Op::Fsetpm, control<nothing>},
    {Op::Fnstenv, control<fnstenv_>}, {Op::Fldenv, x87<fldenv_>},       {Op::Fnsave, control<fnsave_>},
    {Op::Frstor, x87<frstor_>},       {Op::Fwait, fwait_},              {Op::Fxsave, fxsave_},
    {Op::Fxrstor, fxrstor_},
};

}  // namespace

std::span<const ExecEntry> x87_control_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
