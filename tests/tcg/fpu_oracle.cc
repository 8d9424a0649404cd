// SPDX-License-Identifier: Apache-2.0
#include "tests/tcg/fpu_oracle.h"

#include <signal.h>
#include <ucontext.h>

#include <xbyak/xbyak.h>

#include <cstring>
#include <iomanip>
#include <sstream>

#include "vmm/tcg/cpu_model.h"

namespace vmm::tcg::test {
namespace {

// What the native stub loads and stores; offsets are in the stub.
struct alignas(16) Frame {
    u8 fx[512];
    u64 rax;
    u32 ecx, edx;
    u64 flags;
    u32 host_mxcsr = 0x1f80;
};
static_assert(offsetof(Frame, rax) == 512 && offsetof(Frame, ecx) == 520 && offsetof(Frame, flags) == 528 &&
              offsetof(Frame, host_mxcsr) == 536);

// Where SIGFPE goes on, and what it was. A signal handler reaches nothing else.
u64 g_resume;
volatile u8 g_vector;

void on_sigfpe(int, siginfo_t*, void* context) {
    auto* c = static_cast<ucontext_t*>(context);
    g_vector = static_cast<u8>(c->uc_mcontext.gregs[REG_TRAPNO]);
    c->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(g_resume);
}

template <class T>
void put(u8* at, T v) { std::memcpy(at, &v, sizeof v); }
template <class T>
T get(const u8* at) {
    T v;
    std::memcpy(&v, at, sizeof v);
    return v;
}

}  // namespace

struct FpuOracle::Native : Xbyak::CodeGenerator {
    Native() : Xbyak::CodeGenerator(4096, nullptr) {}

    void build(std::span<const u8> bytes) {
        reset();
        push(rbx);
        push(rbp);
        mov(rbx, rdi);
        for (const int b : {0x0f, 0xae, 0x0b}) db(b);   // FXRSTOR [rbx]
        mov(rax, ptr[rbx + 512]);
        mov(rdi, rax);
        mov(ecx, ptr[rbx + 520]);
        mov(edx, ptr[rbx + 524]);
        push(qword[rbx + 528]);
        popfq();
        for (const u8 b : bytes) db(b);
        resume = reinterpret_cast<u64>(getCurr());
        for (const int b : {0x0f, 0xae, 0x03}) db(b);   // FXSAVE [rbx]
        mov(ptr[rbx + 520], ecx);
        mov(ptr[rbx + 524], edx);
        mov(ptr[rbx + 512], rax);
        pushfq();
        pop(qword[rbx + 528]);
        for (const int b : {0xdb, 0xe3}) db(b);         // FNINIT
        ldmxcsr(ptr[rbx + 536]);
        pop(rbp);
        pop(rbx);
        ret();
    }

    u64 resume = 0;
    struct sigaction old {};
};

struct FpuOracle::Guest {
    IoBus ports{"ports"}, mmio{"memory"};
    Memory memory{1 << 20, 1 << 20, mmio};
    Clock clock;
    CpuPins pins;
    std::unique_ptr<Cpu> cpu;
};

FpuOracle::FpuOracle() : guest_(std::make_unique<Guest>()), native_(std::make_unique<Native>()) {
    Guest& g = *guest_;
    g.memory.map_ram(0, 0, 256);
    g.cpu = std::make_unique<Cpu>(g.memory, g.ports, g.clock, g.pins, **find_cpu_model("pentium4"));
    CpuState& s = g.cpu->s;
    s.cr0 = kCr0Pe | kCr0Ne | kCr0Mp | kCr0Et;
    s.cr4 = kCr4Osfxsr | kCr4Osxmmexcpt;
    s.seg.fill({0x10, 0, 0xffffffff, 0xc093});
    s.seg[kCs] = {8, 0, 0xffffffff, 0xc09b};
    g.cpu->mode_changed();

    struct sigaction action {};
    action.sa_sigaction = on_sigfpe;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGFPE, &action, &native_->old);
}

FpuOracle::~FpuOracle() { sigaction(SIGFPE, &native_->old, nullptr); }

Cpu& FpuOracle::cpu() { return *guest_->cpu; }

bool FpuOracle::set_instruction(std::span<const u8> bytes) {
    u8 padded[15] = {};
    std::memcpy(padded, bytes.data(), bytes.size());
    if (decode(padded, true, insn_) != DecodeStatus::Ok || insn_.length != bytes.size()) return false;
    native_->build(bytes);
    std::ostringstream o;
    o << op_name(insn_.op) << std::hex << std::setfill('0');
    for (const u8 b : bytes) o << ' ' << std::setw(2) << unsigned{b};
    text_ = o.str();
    return true;
}

FpuCase FpuOracle::native(const FpuCase& in) {
    alignas(16) std::array<u8, 512> memory = in.memory;
    Frame frame{};
    const X87& f = in.x87;
    put(frame.fx, f.control);
    put(frame.fx + 2, f.status);
    frame.fx[4] = f.tag;
    put(frame.fx + 24, in.mxcsr);
    for (unsigned i = 0; i < 8; ++i) {
        const F80 v = x87_get(f, i);
        put(frame.fx + 32 + 16 * i, v.significand);
        put(frame.fx + 40 + 16 * i, v.exponent);
        put(frame.fx + 160 + 16 * i, in.xmm[i]);
    }
    frame.rax = reinterpret_cast<u64>(memory.data());
    frame.ecx = in.ecx;
    frame.edx = in.edx;
    frame.flags = in.eflags | 0x202;
    g_resume = native_->resume;
    g_vector = 0;

    native_->getCode<void (*)(Frame*)>()(&frame);

    FpuCase out = in;
    out.fault = g_vector;
    X87& o = out.x87;
    o.control = get<u16>(frame.fx);
    o.status = get<u16>(frame.fx + 2);
    o.tag = frame.fx[4];
    out.mxcsr = get<u32>(frame.fx + 24);
    for (unsigned i = 0; i < 8; ++i) {
        const unsigned r = x87_register(o, i);
        o.significand[r] = get<u64>(frame.fx + 32 + 16 * i);
        o.exponent[r] = get<u16>(frame.fx + 40 + 16 * i);
        out.xmm[i] = get<Xmm>(frame.fx + 160 + 16 * i);
    }
    out.ecx = frame.ecx;
    out.edx = frame.edx;
    out.ax = insn_.op == Op::Fnstsw && insn_.modrm == 0xe0 ? static_cast<u16>(frame.rax) : u16{0};
    out.eflags = static_cast<u32>(frame.flags) & kArithFlags;
    out.memory = memory;
    return out;
}

FpuCase FpuOracle::emulated(const FpuCase& in) {
    Cpu& cpu = *guest_->cpu;
    CpuState& s = cpu.s;
    s.fpu = in.x87;
    s.mxcsr = in.mxcsr;
    s.xmm = in.xmm;
    s.gpr = {};
    s.gpr[kEax] = s.gpr[kEdi] = kAddress;
    s.gpr[kEcx] = in.ecx;
    s.gpr[kEdx] = in.edx;
    s.eflags = in.eflags | 2;
    s.eip = 0x8000;
    cpu.next_eip = s.eip + insn_.length;
    guest_->memory.write({kAddress}, in.memory);

    FpuCase out;
    try {
        exec_for(insn_.op)(cpu, insn_);
    } catch (const Fault& fault) {
        out.fault = fault.vector;
    }
    out.x87 = s.fpu;
    out.mxcsr = s.mxcsr;
    out.xmm = s.xmm;
    out.ecx = s.gpr[kEcx];
    out.edx = s.gpr[kEdx];
    out.ax = insn_.op == Op::Fnstsw && insn_.modrm == 0xe0 ? static_cast<u16>(s.gpr[kEax]) : u16{0};
    out.eflags = s.eflags & kArithFlags;
    guest_->memory.read({kAddress}, out.memory);
    return out;
}

std::string FpuCase::describe() const {
    std::ostringstream o;
    o << std::hex << std::setfill('0') << "cw " << x87.control << " sw " << std::setw(4) << x87.status << " tag "
      << std::setw(2) << unsigned{x87.tag} << " mxcsr " << mxcsr << " fault " << unsigned{fault} << " eflags " << eflags
      << " ecx " << ecx << " edx " << edx << " ax " << ax << '\n';
    for (unsigned i = 0; i < 8; ++i) {
        const F80 v = x87_get(x87, i);
        o << "  st" << i << (x87_empty(x87, i) ? " empty " : "       ") << std::setw(4) << v.exponent << ' ' << std::setw(16)
          << v.significand << "   xmm" << i << ' ' << std::setw(16) << xmm[i].hi << ' ' << std::setw(16) << xmm[i].lo << '\n';
    }
    o << "  memory";
    for (unsigned i = 0; i < 32; ++i) o << ' ' << std::setw(2) << unsigned{memory[i]};
    return o.str();
}

// --- operand values -----------------------------------------------------------------------------------------------

namespace {

bool one_in(Random& random, unsigned n) { return random() % n == 0; }

// Few bits, many ones, or anything.
u64 random_bits(Random& random) {
    switch (random() % 6) {
    case 0: return u64{1} << random() % 64;
    case 1: return ~u64{0} << random() % 64;
    case 2: return ~u64{0} >> random() % 64;
    case 3: return 0;
    case 4: return (u64{1} << random() % 64) | (u64{1} << random() % 64);
    default: return random();
    }
}

}  // namespace

F80 random_f80(Random& random) {
    F80 v;
    v.significand = random_bits(random) | u64{1} << 63;
    const u16 sign = one_in(random, 2) ? 0x8000 : 0;
    u64 exponent = 0;
    switch (random() % 12) {
    case 0: exponent = 0; v.significand = one_in(random, 2) ? 0 : v.significand; break;      // zero, pseudo-denormal
    case 1: exponent = 0; v.significand &= ~u64{0} >> 1; break;                               // denormal
    case 2: exponent = 0x7fff; v.significand = u64{1} << 63; break;                           // infinity
    case 3: exponent = 0x7fff; break;                                                         // NaN
    case 4: exponent = random() % 0x8000; v.significand &= ~u64{0} >> random() % 4; break;    // unsupported among others
    case 5: exponent = random() % 0x7fff; break;
    case 6: exponent = 1 + random() % 130; break;                                             // next to the smallest
    case 7: exponent = 0x7ffe - random() % 70; break;                                         // next to the largest
    case 8: exponent = 0x3fff + (one_in(random, 2) ? 127 : 1023) - random() % 3; break;       // limits of the other formats
    case 9: exponent = 0x3fff - (one_in(random, 2) ? 126 : 1022) - random() % 56; break;
    default: exponent = 0x3fff - 20 + random() % 90; break;
    }
    v.exponent = static_cast<u16>(sign | exponent);
    return v;
}

u64 random_f64(Random& random) {
    const u64 sign = one_in(random, 2) ? u64{1} << 63 : 0;
    const u64 fraction = random_bits(random) & ((u64{1} << 52) - 1);
    u64 exponent = 0;
    switch (random() % 9) {
    case 0: return sign;
    case 1: exponent = 0; break;
    case 2: return sign | u64{0x7ff} << 52;
    case 3: exponent = 0x7ff; break;
    case 4: exponent = 1 + random() % 60; break;
    case 5: exponent = 0x7fe - random() % 4; break;
    case 6: exponent = 0x3ff + (one_in(random, 2) ? 127 - random() % 3 : u64{0} - 126 - random() % 25); break;
    case 7: exponent = random() % 0x7ff; break;
    default: exponent = 0x3ff - 3 + random() % 40; break;
    }
    return sign | exponent << 52 | fraction;
}

u32 random_f32(Random& random) {
    const u32 sign = one_in(random, 2) ? 0x80000000 : 0;
    const u32 fraction = static_cast<u32>(random_bits(random) >> (one_in(random, 2) ? 0 : 41)) & 0x7fffff;
    u64 exponent = 0;
    switch (random() % 8) {
    case 0: return sign;
    case 1: exponent = 0; break;
    case 2: return sign | 0x7f800000;
    case 3: exponent = 0xff; break;
    case 4: exponent = 1 + random() % 30; break;
    case 5: exponent = 0xfe - random() % 4; break;
    case 6: exponent = random() % 0xff; break;
    default: exponent = 0x7f - 3 + random() % 36; break;
    }
    return sign | static_cast<u32>(exponent << 23) | fraction;
}

Xmm random_floats(Random& random) {
    switch (random() % 5) {
    case 0:
    case 1: {
        const auto pair = [&] { return u64{random_f32(random)} << 32 | random_f32(random); };
        return {pair(), pair()};
    }
    case 2:
    case 3: return {random_f64(random), random_f64(random)};
    default: return {random_bits(random), random_bits(random)};
    }
}

X87 random_x87(Random& random) {
    X87 f;
    for (unsigned r = 0; r < 8; ++r) {
        const F80 v = random_f80(random);
        f.significand[r] = v.significand;
        f.exponent[r] = v.exponent;
    }
    if (one_in(random, 4)) {                                 // equal or nearly so
        const unsigned from = random() % 8, to = random() % 8;
        f.significand[to] = f.significand[from] ^ random() % 3;
        f.exponent[to] = static_cast<u16>(f.exponent[from] ^ random() % 2);
    }
    static constexpr u16 kPrecision[3] = {0x000, 0x200, 0x300};
    const u16 masks = one_in(random, 2) ? kX87Exceptions : static_cast<u16>(random() & kX87Exceptions);
    f.control = static_cast<u16>(0x40 | masks | kPrecision[random() % 3] | (random() & 3) << kX87RoundShift);
    u16 flags = static_cast<u16>(random() & kX87Exceptions & random());
    if (!one_in(random, 16)) flags &= masks;                 // otherwise perhaps a pending exception
    f.status = static_cast<u16>(flags | (random() & kX87Codes) | (random() & 7) << kX87TopShift);
    x87_refresh_summary(f);
    f.tag = static_cast<u8>(one_in(random, 8) ? random() : 0xff);
    if (one_in(random, 2)) f.tag = static_cast<u8>(f.tag & ~(1u << ((x87_top(f) + 7) & 7)));   // room for a push
    return f;
}

}  // namespace vmm::tcg::test
