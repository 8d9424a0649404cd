// SPDX-License-Identifier: Apache-2.0
// Cpu's memory access: segment checks (SDM volume 3, 5.3-5.5), alignment, data breakpoints, then the Mmu.
#include "vmm/tcg/cpu.h"

#include <algorithm>
#include <cstring>

#include "vmm/tcg/mmu.h"

namespace vmm::tcg {
namespace {

constexpr u32 kOffsetMask = kPageSize - 1;

u32 mask_of(unsigned size) { return size >= 4 ? ~u32{0} : (u32{1} << (8 * size)) - 1; }

bool crosses(u32 address, unsigned size) { return (address & kOffsetMask) + size > kPageSize; }

}  // namespace

Cpu::Cpu(Memory& memory_in, IoBus& ports_in, Clock& clock_in, CpuPins& pins_in, const CpuModel& model_in)
    : memory(memory_in), ports(ports_in), clock(clock_in), pins(pins_in), model(model_in) {
    mmu_ = std::make_unique<Mmu>(*this, memory);
    memory.set_watcher(this);
    mode_changed();
    mmu_->space_changed();
}

Cpu::~Cpu() { memory.set_watcher(nullptr); }

void Cpu::mode_changed() {
    if (real_mode()) cpl_ = 0;
    else if (v86()) cpl_ = 3;
    else cpl_ = s.seg[kSs].dpl();
    debug.mode(real_mode() ? kRealMode : v86() ? kV86Mode : kProtectedMode, s.cr3);
    end_block();
}

void Cpu::sync_clock() {
    // Outside generated code jit.limit is 0 and the clock is exact already.
    if (jit.limit != 0) clock.set_icount({jit.limit - static_cast<u64>(jit.budget + jit.pending)});
}

// --- segments ---------------------------------------------------------------------------------------------

u32 Cpu::linear(Seg seg, u32 offset, unsigned size, Access access) {
    const Segment& d = s.seg[seg];
    const u8 vector = seg == kSs ? kSsFault : kGp;
    if (pmode()) {
        if (!d.present()) raise(kGp, 0);
        const bool code = (d.type() & 8) != 0;
        const bool ok = access == Access::Write ? !code && (d.type() & 2) != 0 : !code || (d.type() & 2) != 0;
        if (!ok) raise(vector, 0);
    }
    const u32 last = offset + (size - 1);
    const bool expand_down = (d.type() & 0xc) == 4;
    const bool outside = expand_down ? offset <= d.limit || last < offset || last > (d.big() ? ~u32{0} : 0xffff)
                                     : last > d.limit || last < offset;
    // A segment of 4 GiB lets an access wrap around the end.
    if (outside && (expand_down || d.limit != ~u32{0})) raise(vector, 0);
    return d.base + offset;
}

namespace {
bool alignment_checked(const Cpu& cpu) {
    return cpu.cpl() == 3 && (cpu.s.cr0 & kCr0Am) != 0 && (cpu.s.eflags & kAc) != 0;
}

// SDM volume 3, table 6-7, by the size of the operand: the images of FSAVE and FSTENV are aligned to their words, 10 and 16
// bytes to 8, and FXSAVE's has a check of its own.
unsigned alignment_of(unsigned size) {
    switch (size) {
        case 14: case 94: return 2;
        case 28: case 108: return 4;
        case 8: case 10: case 16: return 8;
        default: return size <= 4 ? size : 1;
    }
}

void check_alignment(const Cpu& cpu, u32 address, unsigned size) {
    if ((address & (alignment_of(size) - 1)) != 0 && alignment_checked(cpu)) raise(kAcFault, 0);
}
}  // namespace

u32 Cpu::read(Seg seg, u32 offset, unsigned size) {
    const u32 a = linear(seg, offset, size, Access::Read);
    check_alignment(*this, a, size);
    return read_linear(a, size);
}

void Cpu::write(Seg seg, u32 offset, unsigned size, u32 value) {
    const u32 a = linear(seg, offset, size, Access::Write);
    check_alignment(*this, a, size);
    write_linear(a, size, value);
}

u64 Cpu::read64(Seg seg, u32 offset) {
    u64 value = 0;
    read_bytes(seg, offset, &value, 8);
    return value;
}

void Cpu::write64(Seg seg, u32 offset, u64 value) { write_bytes(seg, offset, &value, 8); }

void Cpu::read_bytes(Seg seg, u32 offset, void* out, unsigned size) {
    const u32 a = linear(seg, offset, size, Access::Read);
    check_alignment(*this, a, size);
    const bool user = cpl_ == 3;
    u8* to = static_cast<u8*>(out);
    check_data_breakpoint(a, size, false);
    if (crosses(a, size)) probe_linear(a, size, Access::Read);
    for (unsigned done = 0; done < size;) {
        const u32 at = a + done;
        const unsigned n = std::min(size - done, kPageSize - (at & kOffsetMask));
        GuestPhys phys;
        if (const u8* p = mmu_->lookup(at, Access::Read, user, phys)) {
            std::memcpy(to + done, p, n);
        } else {
            sync_clock();
            end_block();
            note_access(at, n, false);
            note_device(phys, n);
            memory.read(phys, {to + done, n});
        }
        done += n;
    }
}

void Cpu::write_bytes(Seg seg, u32 offset, const void* in, unsigned size) {
    const u32 a = linear(seg, offset, size, Access::Write);
    check_alignment(*this, a, size);
    const bool user = cpl_ == 3;
    const u8* from = static_cast<const u8*>(in);
    if (crosses(a, size)) probe_linear(a, size, Access::Write);
    for (unsigned done = 0; done < size;) {
        const u32 at = a + done;
        const unsigned n = std::min(size - done, kPageSize - (at & kOffsetMask));
        GuestPhys phys;
        if (u8* p = mmu_->lookup(at, Access::Write, user, phys)) {
            std::memcpy(p, from + done, n);
        } else {
            sync_clock();
            end_block();
            note_access(at, n, true);
            note_device(phys, n);
            memory.write(phys, {from + done, n});
        }
        done += n;
    }
    check_data_breakpoint(a, size, true);
}

void Cpu::probe_write(Seg seg, u32 offset, unsigned size) {
    const u32 a = linear(seg, offset, size, Access::Write);
    check_alignment(*this, a, size);
    probe_linear(a, size, Access::Write);
}

// --- linear addresses ------------------------------------------------------------------------------------------

void Cpu::probe_linear(u32 address, unsigned size, Access access, bool supervisor) {
    const bool user = cpl_ == 3 && !supervisor;
    GuestPhys phys;
    for (u32 done = 0; done < size;) {
        (void)mmu_->lookup(address + done, access, user, phys);
        done += kPageSize - ((address + done) & kOffsetMask);
    }
}

template <class T>
T Cpu::read_slow(u32 address, bool user) {
    if (crosses(address, sizeof(T))) {
        GuestPhys unused;
        (void)mmu_->lookup(address, Access::Read, user, unused);
        (void)mmu_->lookup((address + sizeof(T) - 1) & ~kOffsetMask, Access::Read, user, unused);
        T value = 0;
        for (unsigned i = 0; i < sizeof(T); ++i)
            value = static_cast<T>(value | static_cast<T>(read_slow<u8>(address + i, user)) << (8 * i));
        return value;
    }
    GuestPhys phys;
    if (const u8* p = mmu_->lookup(address, Access::Read, user, phys)) {
        T value;
        std::memcpy(&value, p, sizeof value);
        return value;
    }
    sync_clock();
    end_block();
    note_access(address, sizeof(T), false);
    note_device(phys, sizeof(T));
    return static_cast<T>(memory.load(phys, sizeof(T)));
}

template <class T>
void Cpu::write_slow(u32 address, T value, bool user) {
    if (crosses(address, sizeof(T))) {
        // Both pages are checked before either is written.
        GuestPhys unused;
        (void)mmu_->lookup(address, Access::Write, user, unused);
        (void)mmu_->lookup((address + sizeof(T) - 1) & ~kOffsetMask, Access::Write, user, unused);
        for (unsigned i = 0; i < sizeof(T); ++i) write_slow<u8>(address + i, static_cast<u8>(value >> (8 * i)), user);
        return;
    }
    GuestPhys phys;
    if (u8* p = mmu_->lookup(address, Access::Write, user, phys)) {
        std::memcpy(p, &value, sizeof value);
        return;
    }
    sync_clock();
    end_block();
    note_access(address, sizeof(T), true);
    note_device(phys, sizeof(T));
    memory.store(phys, sizeof(T), value);
}

u32 Cpu::read_linear(u32 address, unsigned size, bool supervisor) {
    const bool user = cpl_ == 3 && !supervisor;
    u32 value = 0;
    const u64 base = reinterpret_cast<const u64*>(mmu_->tables(user) + TlbLayout::kRead)[address >> kPageShift];
    if (base != 0 && !crosses(address, size)) {
        std::memcpy(&value, reinterpret_cast<const u8*>(base + address), size);
    } else {
        switch (size) {
            case 1: value = read_slow<u8>(address, user); break;
            case 2: value = read_slow<u16>(address, user); break;
            default: value = read_slow<u32>(address, user); break;
        }
    }
    if ((s.dr7 & 0xff) != 0 && !supervisor) check_data_breakpoint(address, size, false);
    return value;
}

void Cpu::write_linear(u32 address, unsigned size, u32 value, bool supervisor) {
    const bool user = cpl_ == 3 && !supervisor;
    const u64 base = reinterpret_cast<const u64*>(mmu_->tables(user) + TlbLayout::kWrite)[address >> kPageShift];
    if (base != 0 && !crosses(address, size)) {
        std::memcpy(reinterpret_cast<u8*>(base + address), &value, size);
    } else {
        switch (size) {
            case 1: write_slow<u8>(address, static_cast<u8>(value), user); break;
            case 2: write_slow<u16>(address, static_cast<u16>(value), user); break;
            default: write_slow<u32>(address, value, user); break;
        }
    }
    if ((s.dr7 & 0xff) != 0 && !supervisor) check_data_breakpoint(address, size, true);
}

// SDM volume 3, 18.2.4: data breakpoints are traps, seen at the next boundary.
void Cpu::check_data_breakpoint(u32 address, unsigned size, bool write) {
    if ((s.dr7 & 0xff) == 0) return;
    for (unsigned i = 0; i < 4; ++i) {
        if ((s.dr7 >> (2 * i) & 3) == 0) continue;
        const u32 kind = s.dr7 >> (16 + 4 * i) & 3;
        if (kind == 0 || kind == 2 || (kind == 1 && !write)) continue;
        static constexpr u8 kLength[] = {1, 2, 8, 4};
        const u32 length = kLength[s.dr7 >> (18 + 4 * i) & 3];
        const u32 first = s.dr[i] & ~(length - 1);
        if (address - first < length || first - address < size) s.pending_debug |= 1u << i;
    }
}

u8* Cpu::host_pointer(u32 address, Access access) {
    // Data breakpoints want to see every access.
    if ((s.dr7 & 0xff) != 0) return nullptr;
    GuestPhys phys;
    return mmu_->lookup(address, access, cpl_ == 3, phys);
}

// --- registers and operands ----------------------------------------------------------------------------------------

u32 Cpu::get(unsigned gpr, unsigned size) const {
    if (size == 1) return (s.gpr[gpr & 3] >> (gpr & 4 ? 8 : 0)) & 0xff;
    return s.gpr[gpr] & mask_of(size);
}

void Cpu::set(unsigned gpr, unsigned size, u32 value) {
    if (size == 1) {
        const unsigned shift = (gpr & 4) != 0 ? 8 : 0;
        s.gpr[gpr & 3] = (s.gpr[gpr & 3] & ~(u32{0xff} << shift)) | (value & 0xff) << shift;
    } else {
        s.gpr[gpr] = (s.gpr[gpr] & ~mask_of(size)) | (value & mask_of(size));
    }
}

u32 Cpu::effective_address(const MemOperand& m) const {
    u32 a = m.disp;
    if (m.base != MemOperand::kNone) a += s.gpr[m.base];
    if (m.index != MemOperand::kNone) a += s.gpr[m.index] * m.scale;
    return m.addr_size == 2 ? a & 0xffff : a;
}

u32 Cpu::load_operand(const Insn& insn, unsigned i) {
    const Operand& o = insn.operand[i];
    switch (o.kind) {
        case OperandKind::Reg: return get(o.reg, o.width);
        case OperandKind::Mem: return read(insn.mem.seg, effective_address(insn.mem), o.width);
        default: return insn.imm & mask_of(o.width == 0 ? 4 : o.width);
    }
}

void Cpu::store_operand(const Insn& insn, unsigned i, u32 value) {
    const Operand& o = insn.operand[i];
    if (o.kind == OperandKind::Reg) set(o.reg, o.width, value);
    else write(insn.mem.seg, effective_address(insn.mem), o.width, value);
}

// --- stack -------------------------------------------------------------------------------------------------------------

void Cpu::push(unsigned size, u32 value) {
    const u32 to = s.gpr[kEsp] - size;
    write(kSs, stack32() ? to : to & 0xffff, size, value);
    set_esp(to);
}

u32 Cpu::pop(unsigned size) {
    const u32 value = read(kSs, esp(), size);
    set_esp(s.gpr[kEsp] + size);
    return value;
}

// --- paging -------------------------------------------------------------------------------------------------------------

void Cpu::paging_changed() {
    mmu_->space_changed();
    jit.code_changed = true;   // generated code holds the tables of the space it was entered with
    end_block();
}

void Cpu::cr3_changed() {
    mmu_->space_changed();
    jit.code_changed = true;
    end_block();
}

void Cpu::watched_write(u32 store_page, u32 offset, u32 size) {
    const u8 watch = memory.watch(store_page);
    if ((watch & kWatchPageTable) != 0) {
        mmu_->page_table_written(store_page, offset, size);
        end_block();
    }
    if ((watch & kWatchCode) != 0 && code_watcher != nullptr) {
        code_watcher->code_written(store_page, offset, size);
        end_block();
    }
    if ((watch & kWatchDebug) != 0) {
        debug.physical_written(store_page, offset, size, s.cr3);
        end_block();
    }
}

void Cpu::map_changed() {
    mmu_->flush_all();
    end_block();
}

void Cpu::write_protect(u32 store_page) { mmu_->write_protect(store_page); }

}  // namespace vmm::tcg
