// SPDX-License-Identifier: Apache-2.0
// The stepper on QEMU (stepper.h): before a step, QEMU's memory is made that of the board, and where the test changed a register since
// the last step the whole state is loaded again; after it, memory and registers are copied back.
//
// Not loaded, as nothing can load it from outside: interrupt shadows, NMI blocking, a debug exception that is pending, the x87 and SSE
// state. Not seen: MSRs but EFER. Ports are QEMU's, not the board's. QEMU takes a debug trap together with the instruction that caused it;
// the step that would deliver it does nothing then.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "tests/tcg/qemu_peer.h"
#include "tests/tcg/stepper.h"

namespace vmm::tcg::test {

namespace {

constexpr u32 kList = 0x800000, kTable = 0x810000, kRomAt = 0xffff0000, kGoProtected = kRomAt + 0x200, kGoReal = kRomAt + 0x300;
// Selectors in the table of the firmware, as in qemu_rom.S.
constexpr u16 kCode32 = 0xff00, kData32 = 0xff08, kCode16At = 0xff10, kList16 = 0xff18, kHidden = 0xff20;
constexpr Seg kHiddenOrder[] = {kEs, kFs, kGs, kDs};
constexpr u32 kHole = 0xa0000, kHoleEnd = 0x100000;          // no memory there in a PC

std::string hex(u32 v) {
    char text[16];
    std::snprintf(text, sizeof text, "%x", v);
    return text;
}

// The descriptor that gives a segment register this content. `type_mask`: bits of the type to leave out.
std::array<u32, 2> descriptor_of(const Segment& g, u16 type_mask = 0) {
    const bool pages = (g.attr & 0x8000) != 0 || g.limit > 0xfffff;
    const u32 limit = pages ? g.limit >> 12 : g.limit;
    return {(limit & 0xffff) | g.base << 16,
            (g.base >> 16 & 0xff) | ((g.attr & u32{0x70ff} & ~u32{type_mask}) | (pages ? 0x8000u : 0u)) << 8 | (limit & 0xf0000) | (g.base & 0xff000000)};
}

bool same(const Segment& a, const Segment& b) {
    if (a.selector != b.selector || a.present() != b.present()) return false;
    return !a.present() || (a.base == b.base && a.limit == b.limit && ((a.attr ^ b.attr) & 0x70ff) == 0);      // G is in the limit
}

// The first register in which two states differ, with both values; empty: none.
std::string difference(const CpuState& want, const CpuState& have) {
    const auto differ = [](const std::string& name, u32 w, u32 h) { return name + " is " + hex(h) + ", not " + hex(w); };
    static constexpr const char* kSegments[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    for (unsigned i = 0; i < 8; ++i)
        if (want.gpr[i] != have.gpr[i]) return differ("register " + std::to_string(i), want.gpr[i], have.gpr[i]);
    for (unsigned i = 0; i < 6; ++i)
        if (!same(want.seg[i], have.seg[i])) return differ(kSegments[i], want.seg[i].attr, have.seg[i].attr) + ", limit " + hex(have.seg[i].limit);
    if (!same(want.ldtr, have.ldtr)) return differ("LDTR", want.ldtr.selector, have.ldtr.selector);
    if (!same(want.tr, have.tr)) return differ("TR", want.tr.selector, have.tr.selector);
    if (want.eip != have.eip) return differ("EIP", want.eip, have.eip);
    if (want.eflags != have.eflags) return differ("EFLAGS", want.eflags, have.eflags);
    if (want.gdtr.base != have.gdtr.base || want.gdtr.limit != have.gdtr.limit) return differ("GDTR", want.gdtr.base, have.gdtr.base);
    if (want.idtr.base != have.idtr.base || want.idtr.limit != have.idtr.limit) return differ("IDTR", want.idtr.base, have.idtr.base);
    if (want.cr0 != have.cr0) return differ("CR0", want.cr0, have.cr0);
    if (want.cr2 != have.cr2) return differ("CR2", want.cr2, have.cr2);
    if (want.cr3 != have.cr3) return differ("CR3", want.cr3, have.cr3);
    if (want.cr4 != have.cr4) return differ("CR4", want.cr4, have.cr4);
    for (unsigned i = 0; i < 4; ++i)
        if (want.dr[i] != have.dr[i]) return differ("DR" + std::to_string(i), want.dr[i], have.dr[i]);
    if (want.dr6 != have.dr6) return differ("DR6", want.dr6, have.dr6);
    if (want.dr7 != have.dr7) return differ("DR7", want.dr7, have.dr7);
    if (want.msr.efer != have.msr.efer) return differ("EFER", static_cast<u32>(want.msr.efer), static_cast<u32>(have.msr.efer));
    return {};
}

bool same_sysenter(const Msrs& a, const Msrs& b) {
    return a.sysenter_cs == b.sysenter_cs && a.sysenter_esp == b.sysenter_esp && a.sysenter_eip == b.sysenter_eip;
}

// QEMU's processor that is nearest to a model.
std::string qemu_model(const CpuModel& model) { return model.name == "pentium4" ? "coreduo,+nx,+de" : std::string(model.name); }

class QemuStepper final : public Stepper {
  public:
    QemuStepper(Board& b, const CpuModel& model)
        : board_(b), cpu_(b.memory, b.ports, b.clock, b.pins, model), qemu_(QEMU_PROGRAM, QEMU_ROM, qemu_model(model)) {}
    Cpu& cpu() override { return cpu_; }

    void step() override {
        CpuState& s = cpu_.s;
        const bool changed = !loaded_ || !difference(s, seen_).empty() || !same_sysenter(s.msr, seen_.msr);
        if (trap_taken_ && !changed) {
            trap_taken_ = false;
            return;
        }
        trap_taken_ = false;
        if (changed) load();
        memory_to_qemu();
        raise_events();
        const CpuState before = s;
        const u32 from = s.eip;
        const u8 opcode = first_byte();
        // QEMU may end a step before anything was done, as when an event has just been raised. No instruction here leaves all as it was.
        for (unsigned n = 0; n < 4; ++n) {
            if (qemu_.step(true, opcode == 0xf4) == QemuPeer::Stopped::Shutdown) {
                loaded_ = false;
                throw TripleFaultStop{};
            }
            CpuState now = s;
            qemu_.read_state(now);
            if ((now.halted && !before.halted) || !difference(before, now).empty()) break;
        }
        read_back();
        if (s.shadow != Shadow::None && opcode != 0xfb) s.shadow = seen_.shadow = Shadow::MovSs;
        // A trap's frame shows the next instruction (or, stepping, a REP that goes on), a fault's the same one. INT1 is an instruction by itself.
        if (opcode != 0xf1 && cpu_.pmode() && s.eip == debug_handler()) {
            const u32 pushed = board_.memory.load({s.seg[kSs].base + cpu_.esp()}, 4);
            trap_taken_ = pushed != from || (before.eflags & kTf) != 0;
        }
    }

  private:
    void load() {
        const CpuState s = cpu_.s;
        qemu_.reset();
        std::array<u32, 0x120 / 4> list{};
        const auto put = [&](u32 offset, u32 value) { list[offset / 4] = value; };
        const auto put_table = [&](u32 offset, const TableRegister& t) {
            put(offset, t.limit | t.base << 16);
            put(offset + 4, t.base >> 16);
        };
        put_table(0x00, s.gdtr);
        put_table(0x08, s.idtr);
        for (u32 i = 0; i < 4; ++i) put(0x10 + 4 * i, s.dr[i]);
        put(0x20, s.dr6);
        put(0x24, s.dr7);
        put(0x28, s.msr.sysenter_cs), put(0x2c, s.msr.sysenter_esp), put(0x30, s.msr.sysenter_eip);
        put(0x34, cpu_.model.has(Feature::Sep) ? 1 : 0);
        put(0x38, cpu_.model.has(Feature::Apic) ? 1 : 0);
        put(0x3c, cpu_.real_mode() ? 1 : 0);
        put(0x40, s.ldtr.present() ? s.ldtr.selector : 0u);
        put(0x44, s.tr.selector);
        put(0x48, s.seg[kEs].selector | u32{s.seg[kFs].selector} << 16);
        put(0x4c, s.seg[kGs].selector | u32{s.seg[kDs].selector} << 16);
        // EIP, CS, EFLAGS; to an outer ring ESP, SS as well; to virtual-8086 mode ES, DS, FS, GS.
        put(0x80, s.eip), put(0x84, s.seg[kCs].selector), put(0x88, s.eflags);
        put(0x8c, s.gpr[kEsp]), put(0x90, s.seg[kSs].selector);
        put(0x94, s.seg[kEs].selector), put(0x98, s.seg[kDs].selector), put(0x9c, s.seg[kFs].selector), put(0xa0, s.seg[kGs].selector);
        write32(kList, list);
        const auto entry = [&](u16 selector, std::array<u32, 2> d) { write32(kTable + (selector & 0xfff8u), d); };
        entry(kCode32, {0x0000ffff, 0x00cf9b00});
        entry(kData32, {0x0000ffff, 0x00cf9300});
        entry(kCode16At, {0x0000ffff, 0xff009bff});
        entry(kList16, {0x0000ffff, 0x00009380});
        for (u16 i = 0; i < 4; ++i) entry(static_cast<u16>(kHidden + 8 * i), descriptor_of(s.seg[kHiddenOrder[i]]));
        if (s.ldtr.present()) entry(s.ldtr.selector, descriptor_of(s.ldtr));
        entry(s.tr.selector, descriptor_of(s.tr, 2));
        memory_to_qemu();

        const u32 go = cpu_.real_mode() ? kGoReal : kGoProtected;
        qemu_.run_to(go);
        CpuState have = s;
        for (unsigned n = 0; n < 4; ++n) {                   // as in step()
            if (qemu_.step(false) != QemuPeer::Stopped::Stepped) throw std::runtime_error("QEMU does not enter the program");
            qemu_.read_state(have);
            if (have.seg[kCs].base + have.eip != go) break;
        }
        for (unsigned i = 0; i < 6; ++i)
            if (!same(s.seg[i], have.seg[i])) load_segment(static_cast<Seg>(i), s);
        for (unsigned i = 0; i < 8; ++i) qemu_.write_register(static_cast<QemuPeer::Register>(QemuPeer::kGpr0 + i), s.gpr[i]);
        qemu_.write_register(QemuPeer::kEip, s.eip);
        if (cpu_.model.has(Feature::Nx)) qemu_.write_register(QemuPeer::kEferReg, static_cast<u32>(s.msr.efer));
        qemu_.write_register(QemuPeer::kCr2Reg, s.cr2);
        qemu_.write_register(QemuPeer::kCr3Reg, s.cr3);
        if (s.cr4 != 0) qemu_.write_register(QemuPeer::kCr4Reg, s.cr4);
        qemu_.write_register(QemuPeer::kCr0Reg, s.cr0);
        qemu_.read_state(have);
        memory_from_qemu();                                  // the way in has set A bits of descriptors at most
        const std::string wrong = difference(s, have);
        if (!wrong.empty()) throw std::runtime_error("QEMU cannot be brought into this state: " + wrong);
        loaded_ = true;
        seen_ = s;
    }

    // With its hidden part, by a descriptor that is there for the moment.
    void load_segment(Seg which, const CpuState& s) {
        static constexpr QemuPeer::Register kRegister[] = {QemuPeer::kEsReg, QemuPeer::kCsReg, QemuPeer::kSsReg,
                                                           QemuPeer::kDsReg, QemuPeer::kFsReg, QemuPeer::kGsReg};
        const Segment& g = s.seg[which];
        const QemuPeer::Register r = kRegister[which];
        const u32 at = ((g.selector & 4) != 0 ? s.ldtr.base : s.gdtr.base) + (g.selector & 0xfff8u);
        const bool by_descriptor = cpu_.pmode() && at + 8 <= QemuPeer::kMemory;
        std::array<u8, 8> before{};
        if (by_descriptor) {
            std::memcpy(before.data(), qemu_.memory() + at, 8);
            write32(at, descriptor_of(g));
        }
        qemu_.write_register(r, g.selector ^ 8u);            // what it has already is not loaded again
        qemu_.write_register(r, g.selector);
        if (by_descriptor) qemu_.write_memory(at, before);
    }

    template <size_t N>
    void write32(u32 at, const std::array<u32, N>& words) {
        std::array<u8, 4 * N> bytes;
        std::memcpy(bytes.data(), words.data(), bytes.size());
        qemu_.write_memory(at, bytes);
    }

    // Calls f(address, size) for pieces of the board's memory that differ from QEMU's.
    template <class F>
    void for_each_difference(F f) {
        const u32 end = board_ram();
        for (u32 page = 0; page < end; page += kPageSize) {
            if (page >= kHole && page < kHoleEnd) continue;
            const u8* const ours = board_.memory.page(page >> kPageShift);
            const u8* const theirs = qemu_.memory() + page;
            if (std::memcmp(ours, theirs, kPageSize) == 0) continue;
            u32 first = 0, last = kPageSize;
            while (ours[first] == theirs[first]) ++first;
            while (ours[last - 1] == theirs[last - 1]) --last;
            f(page + first, last - first);
        }
    }
    void memory_to_qemu() {
        for_each_difference([&](u32 at, u32 size) {
            qemu_.write_memory(at, {board_.memory.page(at >> kPageShift) + at % kPageSize, size});
        });
    }
    void memory_from_qemu() {
        for_each_difference([&](u32 at, u32 size) { board_.memory.write({at}, {qemu_.memory() + at, size}); });
    }
    static constexpr u32 board_ram() { return 0x200000; }

    void raise_events() {
        CpuPins& pins = board_.pins;
        if (pins.s.nmi) {
            pins.s.nmi = false;
            qemu_.raise_nmi();
        }
        if (pins.source != nullptr && pins.source->pending()) qemu_.raise_interrupt(pins.source->acknowledge());
    }

    void read_back() {
        CpuState& s = cpu_.s;
        memory_from_qemu();
        qemu_.read_state(s);
        s.pending_debug = 0;
        seen_ = s;
        cpu_.mode_changed();
        cpu_.paging_changed();
    }

    u8 first_byte() {
        const u32 linear = cpu_.s.seg[kCs].base + cpu_.s.eip;
        return linear < board_ram() ? board_.memory.page(linear >> kPageShift)[linear % kPageSize] : u8{0};
    }
    u32 debug_handler() {
        const u32 gate = cpu_.s.idtr.base + 8 * kDb;
        return board_.memory.load({gate}, 2) | board_.memory.load({gate + 6}, 2) << 16;
    }

    Board& board_;
    Cpu cpu_;
    QemuPeer qemu_;
    CpuState seen_;
    bool loaded_ = false, trap_taken_ = false;
};

}  // namespace

std::unique_ptr<Stepper> make_qemu(Board& board, const CpuModel& model) { return std::make_unique<QemuStepper>(board, model); }

bool qemu_is_there() { return QEMU_PROGRAM[0] != '\0'; }

}  // namespace vmm::tcg::test
