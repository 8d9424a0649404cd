// SPDX-License-Identifier: Apache-2.0
// See qemu_peer.h.
#include "tests/tcg/qemu_peer.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vmm::tcg::test {

namespace {

constexpr int kPatience = 60'000, kHaltPatience = 100;
constexpr u16 kSerial = 0x3f8;

std::string hex_of(std::span<const u8> bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const u8 b : bytes) out += {kDigits[b >> 4], kDigits[b & 15]};
    return out;
}

std::string format(const char* text, unsigned a, unsigned b = 0) {
    char line[64];
    std::snprintf(line, sizeof line, text, a, b);
    return line;
}

struct Unlinked {
    const char* path;
    ~Unlinked() { unlink(path); }
};

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("QEMU: " + what); }

}  // namespace

QemuPeer::QemuPeer(const std::string& program, const std::string& rom, const std::string& cpu) {
    signal(SIGPIPE, SIG_IGN);
    char path[] = "/dev/shm/vmm-test-XXXXXX";
    const int file = mkstemp(path);
    const Unlinked at_the_end{path};
    if (file < 0 || ftruncate(file, kMemory) != 0) fail("no memory to share");
    void* const mapped = mmap(nullptr, kMemory, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) fail("no memory to share");
    memory_ = static_cast<const u8*>(mapped);
    const std::string ram = "memory-backend-file,id=ram,share=on,size=" + std::to_string(kMemory) + ",mem-path=" + path;
    std::vector<std::string> words = {program, "-accel", "tcg", "-cpu", cpu, "-m", "16", "-machine", "pc,memory-backend=ram", "-object", ram, "-nodefaults",
                                      "-display", "none", "-monitor", "none", "-bios", rom, "-device", "isa-serial,index=0,iobase=0x3f8,irq=3",
                                      "-S", "-gdb", "stdio"};
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) fail("no pipes");
    pid_ = fork();
    if (pid_ == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        execv(argv[0], argv.data());
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    out_ = to[1];
    in_ = from[0];
    const std::string stopped = command("?");
    if (stopped.empty()) fail("does not answer");
    // Registers can be written one by one once the description of the target has been asked for.
    command("qXfer:features:read:target.xml:0,ffb");
    if (command("Qqemu.PhyMemMode:1") != "OK") fail("has no access to physical memory for debuggers");
    command("Qqemu.sstep=1");
}

QemuPeer::~QemuPeer() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    if (in_ >= 0) close(in_);
    if (out_ >= 0) close(out_);
    if (memory_ != nullptr) munmap(const_cast<u8*>(memory_), kMemory);
}

// --- packets ----------------------------------------------------------------------------------------------------------------

void QemuPeer::send(const std::string& packet) {
    unsigned sum = 0;
    for (const char c : packet) sum += static_cast<u8>(c);
    const std::string whole = "$" + packet + format("#%02x", sum & 0xff);
    for (size_t done = 0; done < whole.size();) {
        const ssize_t n = write(out_, whole.data() + done, whole.size() - done);
        if (n <= 0) fail("went away");
        done += static_cast<size_t>(n);
    }
}

int QemuPeer::get(int patience_ms) {
    if (next_ == arrived_.size()) {
        pollfd p{in_, POLLIN, 0};
        if (poll(&p, 1, patience_ms) <= 0) return -1;
        arrived_.resize(8192);
        const ssize_t n = read(in_, arrived_.data(), arrived_.size());
        if (n <= 0) fail("went away");
        arrived_.resize(static_cast<size_t>(n));
        next_ = 0;
    }
    return static_cast<u8>(arrived_[next_++]);
}

std::string QemuPeer::receive(int patience_ms) {
    for (int c = 0; c != '$';)
        if ((c = get(patience_ms)) < 0) return {};
    std::string packet;
    for (int c; (c = get(kPatience)) != '#';) {
        if (c < 0) fail("stopped in the middle of a packet");
        packet += static_cast<char>(c);
    }
    get(kPatience);
    get(kPatience);
    if (write(out_, "+", 1) != 1) fail("went away");
    return packet;
}

std::string QemuPeer::command(const std::string& packet) {
    send(packet);
    return receive(kPatience);
}

std::string QemuPeer::monitor(const std::string& line) {
    send("qRcmd," + hex_of({reinterpret_cast<const u8*>(line.data()), line.size()}));
    std::string text;
    for (;;) {
        const std::string packet = receive(kPatience);
        if (packet.empty() || packet[0] != 'O' || packet == "OK") return text;
        for (size_t i = 1; i + 1 < packet.size(); i += 2) text += static_cast<char>(std::stoi(packet.substr(i, 2), nullptr, 16));
    }
}

// --- what it is asked to do -----------------------------------------------------------------------------------------------------

void QemuPeer::write_memory(u32 physical, std::span<const u8> bytes) {
    constexpr size_t kPiece = 1024;
    for (size_t at = 0; at < bytes.size(); at += kPiece) {
        const auto piece = bytes.subspan(at, std::min(kPiece, bytes.size() - at));
        const std::string packet = format("M%x,%x:", physical + static_cast<u32>(at), static_cast<unsigned>(piece.size())) + hex_of(piece);
        if (command(packet) != "OK") fail("refused a write to memory");
    }
}

void QemuPeer::reset() { monitor("system_reset"); }

void QemuPeer::run_to(u32 linear) {
    if (command(format("Z1,%x,1", linear)) != "OK") fail("refused a breakpoint");
    const std::string stopped = command("c");
    if (stopped.empty() || stopped[0] != 'T' || stopped.substr(1, 2) != "05") fail("did not come to " + format("%x", linear) + ": " + stopped);
    command(format("z1,%x,1", linear));
}

QemuPeer::Stopped QemuPeer::step(bool interrupts, bool may_halt) {
    if (interrupts != interrupts_) command(interrupts ? "Qqemu.sstep=1" : "Qqemu.sstep=7");    // 7: without interrupts and timers
    interrupts_ = interrupts;
    send("s");
    std::string stopped = receive(may_halt ? kHaltPatience : kPatience);
    while (stopped.empty()) {
        if (!may_halt) fail("a step does not end");
        if (write(out_, "\x03", 1) != 1) fail("went away");
        stopped = receive(kPatience);
        if (stopped.empty()) fail("does not stop");
        if (monitor("info registers").find("HLT=1") != std::string::npos) return Stopped::Halted;
        if (stopped.substr(0, 3) == "T05") break;
        send("s");                                                   // the host was too slow to come to the HLT
        stopped = receive(kHaltPatience);
    }
    if (stopped.substr(0, 3) != "T05") fail("stopped with " + stopped);
    // A triple fault resets the machine, and it stops in the firmware.
    return monitor("info registers").find("\nCS =f000 ffff0000") == std::string::npos ? Stopped::Stepped : Stopped::Shutdown;
}

void QemuPeer::raise_interrupt(u8 vector) {
    if ((vector & 7) != 3) fail("only the fourth line of the 8259 can be raised");
    // The first 8259: edge-triggered, a slave at line 2, vectors from `vector` - 3, nothing masked but that it waits.
    for (const auto& [port, value] : {std::pair<u16, u8>{0x20, u8{0x11}}, {0x21, static_cast<u8>(vector & 0xf8)}, {0x21, u8{4}}, {0x21, u8{1}}, {0x21, u8{0xf7}}})
        monitor(format("o /b 0x%x 0x%x", port, value));
    // The serial port's transmitter is empty: an interrupt as soon as that is allowed.
    monitor(format("o /b 0x%x 8", kSerial + 4u));
    monitor(format("o /b 0x%x 2", kSerial + 1u));
}

void QemuPeer::write_register(Register which, u32 value) {
    const u8 bytes[8] = {static_cast<u8>(value), static_cast<u8>(value >> 8), static_cast<u8>(value >> 16), static_cast<u8>(value >> 24)};
    if (command(format("P%x=", which) + hex_of({bytes, which == kEferReg ? 8u : 4u})) != "OK") fail(format("refused to write register %u", which));
}

void QemuPeer::read_state(CpuState& s) {
    const std::string text = monitor("info registers");
    // The words behind `name` and its equals sign.
    const auto words_of = [&](const std::string& name) {
        const size_t at = text.find(name + "=");
        if (at == std::string::npos) fail("does not show " + name);
        return std::istringstream(text.substr(at + name.size() + 1));
    };
    const auto number = [&](const std::string& name) {
        u32 v = 0;
        words_of(name) >> std::hex >> v;
        return v;
    };
    const auto segment = [&](const std::string& name) {
        u32 selector = 0, base = 0, limit = 0, flags = 0;
        words_of(name) >> std::hex >> selector >> base >> limit >> flags;
        return Segment{static_cast<u16>(selector), base, limit, static_cast<u16>(flags >> 8 & 0xf0ff)};
    };
    const auto table = [&](const std::string& name) {
        u32 base = 0, limit = 0;
        words_of(name) >> std::hex >> base >> limit;
        return TableRegister{base, static_cast<u16>(limit)};
    };
    const char* const gprs[] = {"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"};
    for (unsigned i = 0; i < 8; ++i) s.gpr[i] = number(gprs[i]);
    s.eip = number("EIP");
    s.eflags = number("EFL");
    const char* const segments[] = {"\nES ", "\nCS ", "\nSS ", "\nDS ", "\nFS ", "\nGS "};
    for (unsigned i = 0; i < 6; ++i) s.seg[i] = segment(segments[i]);
    s.ldtr = segment("\nLDT");
    if ((s.ldtr.selector & 0xfffc) == 0) s.ldtr.attr = 0;            // LLDT of a null selector leaves the rights of another one
    s.tr = segment("\nTR ");
    s.tr.attr |= 2;                                                  // busy: LTR marks the table only
    s.gdtr = table("\nGDT");
    s.idtr = table("\nIDT");
    s.cr0 = number("CR0"), s.cr2 = number("CR2"), s.cr3 = number("CR3"), s.cr4 = number("CR4");
    for (unsigned i = 0; i < 4; ++i) s.dr[i] = number("DR" + std::to_string(i));
    s.dr6 = number("DR6"), s.dr7 = number("DR7");
    s.msr.efer = number("EFER");
    s.halted = number("HLT") != 0;
    s.shadow = number("II") != 0 ? Shadow::Sti : Shadow::None;      // which shadow it does not say
}

}  // namespace vmm::tcg::test
