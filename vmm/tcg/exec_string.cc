// SPDX-License-Identifier: Apache-2.0
// Helpers: MOVS, CMPS, SCAS, LODS, STOS with REP, REPE, REPNE. Reference: Intel SDM volume 2 (REP), volume 1, 7.3.9.
//
// One call does one run: as many elements as lie, one after another, in plain memory of one page (of each operand), inside
// the segments' limits; or else (devices, watched pages, page-crossing elements, faults) one element through Cpu::read and
// write. So a device sees the time of its own iteration, an iteration that faults is the first of its call, and nothing is
// touched ahead of its boundary: how far a call may go leaves no trace.
#include <algorithm>
#include <cstring>

#include "vmm/tcg/alu.h"
#include "vmm/tcg/exec_table.h"

namespace vmm::tcg {
namespace {

struct Side {
    Seg seg;
    Gpr reg;
    Access access;
};

class StringOp {
  public:
    StringOp(Cpu& cpu, const Insn& insn, unsigned size)
        : cpu_(cpu), size_(size), addr_size_(insn.mem.addr_size), down_((cpu.s.eflags & kDf) != 0), rep_(insn.rep != Rep::None) {}

    // `run(n)`: do up to n elements at the prepared pointers, return how many; `one()`: do one element through Cpu.
    // Either commits everything but ECX, ESI and EDI. `stop()`: the last element done ends the repetition.
    template <class Run, class One, class Stop>
    void repeat(std::span<Side> sides, Run run, One one, Stop stop) {
        if (!rep_) {
            one();
            advance(sides, 1);
            return;
        }
        const u32 left = cpu_.get(kEcx, addr_size_);
        if (left == 0) return;
        u32 n = prepare(sides, std::min(left, cpu_.rep_budget));
        if (n != 0) {
            n = run(n);
        } else {
            one();
            n = 1;
        }
        advance(sides, n);
        cpu_.set(kEcx, addr_size_, left - n);
        cpu_.steps = n;
        if (n != left && !stop()) cpu_.next_eip = cpu_.s.eip;
    }

    // Host memory of the prepared run, lowest address.
    u8* host(unsigned side) const { return host_[side]; }
    bool down() const { return down_; }
    unsigned size() const { return size_; }
    u32 offset(const Side& side) const { return cpu_.get(side.reg, addr_size_); }

  private:
    // The length of the run that starts here, 0 if none; sets host_. May throw what the first element would.
    u32 prepare(std::span<Side> sides, u32 n) {
        for (const Side& side : sides) n = std::min(n, within_page_and_segment(side));
        if (n == 0) return 0;
        for (unsigned i = 0; i < sides.size(); ++i) {
            const u32 first = cpu_.s.seg[sides[i].seg].base + offset(sides[i]);
            const u32 lowest = down_ ? first - (n - 1) * size_ : first;
            u8* const p = cpu_.host_pointer(first, sides[i].access);
            if (p == nullptr) return 0;
            host_[i] = p - (first - lowest);
        }
        return n;
    }

    u32 within_page_and_segment(const Side& side) const {
        const Segment& d = cpu_.s.seg[side.seg];
        const u32 at = offset(side);
        const u32 last_offset = addr_size_ == 2 ? 0xffff : ~u32{0};
        const u32 in_page = (d.base + at) & (kPageSize - 1);
        if (in_page + size_ > kPageSize) return 0;
        if ((in_page & (size_ - 1)) != 0 && (cpu_.s.eflags & kAc) != 0) return 0;
        const bool expand_down = (d.type() & 0xc) == 4;
        const bool code = (d.type() & 8) != 0;
        if (expand_down || at > last_offset - (size_ - 1) || at + (size_ - 1) > d.limit) return 0;
        if (cpu_.pmode()) {
            const bool allowed = side.access == Access::Write ? !code && (d.type() & 2) != 0 : !code || (d.type() & 2) != 0;
            if (!d.present() || !allowed) return 0;
        }
        // Downwards: offsets and page offsets fall to 0; upwards: to the end of page, segment and address size.
        if (down_) return std::min(at, in_page) / size_ + 1;
        const u32 room = std::min(d.limit, last_offset) - at;   // bytes after the first
        return std::min((kPageSize - in_page) / size_, room == ~u32{0} ? room : (room + 1) / size_);
    }

    void advance(std::span<Side> sides, u32 n) {
        const u32 by = down_ ? 0 - n * size_ : n * size_;
        for (const Side& side : sides) cpu_.set(side.reg, addr_size_, offset(side) + by);
    }

    Cpu& cpu_;
    unsigned size_;
    unsigned addr_size_;
    bool down_;
    bool rep_;
    u8* host_[2] = {};
};

u32 load_element(const u8* p, unsigned size) {
    u32 v = 0;
    std::memcpy(&v, p, size);
    return v;
}

bool never() { return false; }

// f(element of the type that has this size), so that loops are compiled for it.
template <class F>
auto with_element(unsigned size, F f) {
    switch (size) {
        case 1: return f(u8{});
        case 2: return f(u16{});
        default: return f(u32{});
    }
}

template <class T>
T load(const u8* p) {
    T v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

// Element by element, as overlapping operands need it.
void copy_elements(u8* to, const u8* from, u32 n, unsigned size, bool down) {
    with_element(size, [&]<class T>(T) {
        for (u32 i = 0; i < n; ++i) {
            const std::size_t at = std::size_t{down ? n - 1 - i : i} * sizeof(T);
            const T v = load<T>(from + at);
            std::memcpy(to + at, &v, sizeof v);
        }
    });
}

void fill_elements(u8* to, u32 value, u32 n, unsigned size) {
    with_element(size, [&]<class T>(T) {
        const T v = static_cast<T>(value);
        for (u32 i = 0; i < n; ++i) std::memcpy(to + std::size_t{i} * sizeof v, &v, sizeof v);
    });
}

// How many elements of a run of n are looked at: up to the first pair that ends it, which is unequal ones with `while_equal`,
// equal ones without; n if none does. Pairs lie at the same distance from `a` and `b`.
u32 compared_elements(const u8* a, const u8* b, u32 n, unsigned size, bool down, bool while_equal) {
    return with_element(size, [&]<class T>(T) -> u32 {
        u32 i = 0;
        if (while_equal && !down) {
            constexpr u32 kAtOnce = sizeof(u64) / sizeof(T);
            for (; n - i > kAtOnce; i += kAtOnce) {
                const std::size_t at = std::size_t{i} * sizeof(T);
                if (load<u64>(a + at) != load<u64>(b + at)) break;
            }
        }
        for (; i + 1 < n; ++i) {
            const std::size_t at = std::size_t{down ? n - 1 - i : i} * sizeof(T);
            if ((load<T>(a + at) == load<T>(b + at)) != while_equal) return i + 1;
        }
        return n;
    });
}

// The same against one value.
u32 scanned_elements(u32 value, const u8* b, u32 n, unsigned size, bool down, bool while_equal) {
    if (size == 1 && !down && !while_equal) {
        const void* const found = std::memchr(b, static_cast<int>(value), n);
        return found == nullptr ? n : static_cast<u32>(static_cast<const u8*>(found) - b) + 1;
    }
    return with_element(size, [&]<class T>(T) -> u32 {
        for (u32 i = 0; i + 1 < n; ++i) {
            const std::size_t at = std::size_t{down ? n - 1 - i : i} * sizeof(T);
            if ((load<T>(b + at) == static_cast<T>(value)) != while_equal) return i + 1;
        }
        return n;
    });
}

void exec_movs(Cpu& cpu, const Insn& insn) {
    StringOp op(cpu, insn, insn.operand[0].width);
    Side sides[] = {{insn.mem.seg, kEsi, Access::Read}, {kEs, kEdi, Access::Write}};
    const auto run = [&](u32 n) {
        const u32 bytes = n * op.size();
        u8* const to = op.host(1);
        const u8* const from = op.host(0);
        if (to + bytes <= from || from + bytes <= to) std::memcpy(to, from, bytes);
        else copy_elements(to, from, n, op.size(), op.down());
        return n;
    };
    const auto one = [&] {
        const u32 v = cpu.read(sides[0].seg, op.offset(sides[0]), op.size());
        cpu.write(kEs, op.offset(sides[1]), op.size(), v);
    };
    op.repeat(sides, run, one, never);
}

void exec_stos(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    StringOp op(cpu, insn, size);
    Side sides[] = {{kEs, kEdi, Access::Write}};
    const u32 v = cpu.get(kEax, size);
    const auto run = [&](u32 n) {
        u8* const to = op.host(0);
        fill_elements(to, v, n, size);
        return n;
    };
    const auto one = [&] { cpu.write(kEs, op.offset(sides[0]), size, v); };
    op.repeat(sides, run, one, never);
}

void exec_lods(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    StringOp op(cpu, insn, size);
    Side sides[] = {{insn.mem.seg, kEsi, Access::Read}};
    const auto run = [&](u32 n) {
        const std::size_t last = op.down() ? 0 : std::size_t{n - 1} * size;
        cpu.set(kEax, size, load_element(op.host(0) + last, size));
        return n;
    };
    const auto one = [&] { cpu.set(kEax, size, cpu.read(sides[0].seg, op.offset(sides[0]), size)); };
    op.repeat(sides, run, one, never);
}

// CMPS and SCAS: `left(i)` and `right(i)` are the elements of a run, `load_left()` and `load_right()` through Cpu.
// REPE goes on while equal, REPNE while different.
void exec_cmps(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    StringOp op(cpu, insn, size);
    Side sides[] = {{insn.mem.seg, kEsi, Access::Read}, {kEs, kEdi, Access::Read}};
    bool ended = false;
    const auto compare = [&](u32 a, u32 b) {
        ended = (a == b) != (insn.rep == Rep::Rep);
        set_flags(cpu, kArithFlags, alu_sub(a, b, 0, size).flags);
    };
    const auto run = [&](u32 n) {
        const u32 done = compared_elements(op.host(0), op.host(1), n, size, op.down(), insn.rep == Rep::Rep);
        const std::size_t last = std::size_t{op.down() ? n - done : done - 1} * size;
        compare(load_element(op.host(0) + last, size), load_element(op.host(1) + last, size));
        return done;
    };
    const auto one = [&] {
        const u32 a = cpu.read(sides[0].seg, op.offset(sides[0]), size);
        compare(a, cpu.read(kEs, op.offset(sides[1]), size));
    };
    op.repeat(sides, run, one, [&] { return ended; });
}

void exec_scas(Cpu& cpu, const Insn& insn) {
    const unsigned size = insn.operand[0].width;
    StringOp op(cpu, insn, size);
    Side sides[] = {{kEs, kEdi, Access::Read}};
    const u32 a = cpu.get(kEax, size);
    bool ended = false;
    const auto compare = [&](u32 b) {
        ended = (a == b) != (insn.rep == Rep::Rep);
        set_flags(cpu, kArithFlags, alu_sub(a, b, 0, size).flags);
    };
    const auto run = [&](u32 n) {
        const u32 done = scanned_elements(a, op.host(0), n, size, op.down(), insn.rep == Rep::Rep);
        compare(load_element(op.host(0) + std::size_t{op.down() ? n - done : done - 1} * size, size));
        return done;
    };
    const auto one = [&] { compare(cpu.read(kEs, op.offset(sides[0]), size)); };
    op.repeat(sides, run, one, [&] { return ended; });
}

constexpr ExecEntry kEntries[] = {
    {Op::Movs, exec_movs}, {Op::Cmps, exec_cmps}, {Op::Stos, exec_stos}, {Op::Lods, exec_lods}, {Op::Scas, exec_scas},
};

}  // namespace

std::span<const ExecEntry> string_exec_entries() { return kEntries; }

}  // namespace vmm::tcg
