// SPDX-License-Identifier: Apache-2.0
#include "tests/tcg/sequence_generator.h"

#include <algorithm>
#include <cstring>

#include "tests/tcg/user_engine.h"

namespace vmm::test {

using namespace tcg;

namespace {

constexpr u8 kInt3 = 0xcc;

bool is_shift(Op op) {
    switch (op) {
    case Op::Shl: case Op::Shr: case Op::Sar: case Op::Rol: case Op::Ror: case Op::Rcl: case Op::Rcr: case Op::Shld: case Op::Shrd: return true;
    default: return false;
    }
}

class Builder {
  public:
    Builder(CaseGenerator& generate, NativeCase& c, Sequence& sequence) : g_(generate), c_(c), q_(sequence) {
        const Segment code = segment_of(c.state.seg[kNativeCs]);
        code32_ = code.big();
    }

    bool build(const Insn& subject) {
        const std::vector<u8> bytes(c_.code, c_.code + c_.code_length);
        choose_free(subject);
        for (u32 n = 1 + g_.below(4); n != 0; --n) neighbour();
        q_.subject = q_.parts.size();
        if (!add(bytes)) return false;
        free_ = {kEax, kEcx, kEdx, kEbx, kEbp, kEsi, kEdi};
        const std::size_t after = q_.parts.size();
        for (u32 n = 2 + g_.below(5); n != 0; --n) neighbour();
        // A branch goes over some of what follows.
        if (subject.operand_count != 0 && subject.operand[0].kind == OperandKind::Rel) {
            const std::size_t to = after + g_.below(static_cast<u32>(q_.parts.size() - after));
            const u32 distance = q_.parts[to].at - q_.parts[after].at;
            const bool byte = std::strchr(subject.form->operands, 'b') != nullptr;
            const unsigned size = byte ? 1u : subject.op_size;
            std::memcpy(&code_[q_.parts[after].at - size], &distance, size);
            skipped_until(to, after);
        }
        q_.undefined = undefined_;
        code_.push_back(kInt3);
        if (code_.size() > sizeof c_.code) return false;
        std::memset(c_.code, 0x90, sizeof c_.code);
        std::copy(code_.begin(), code_.end(), c_.code);
        c_.code_length = static_cast<u32>(code_.size());
        c_.sequence = 1;
        return true;
    }

  private:
    // Registers that neighbours before the subject may change.
    void choose_free(const Insn& i) {
        const bool keep_operands = g_.one_in(2);
        const bool string = (i.form->attributes & kString) != 0;
        for (const u8 r : {kEax, kEcx, kEdx, kEbx, kEbp, kEsi, kEdi}) {
            bool used = r == i.mem.base || r == i.mem.index || i.op == Op::Xlat;
            if (string && (r == kEcx || r == kEsi || r == kEdi)) used = true;
            if ((i.op == Op::Leave || i.op == Op::Enter) && r == kEbp) used = true;
            if ((i.op == Op::Div || i.op == Op::Idiv || i.op == Op::Cmpxchg || i.op == Op::Cmpxchg8b) && (r == kEax || r == kEdx)) used = true;
            if (i.op == Op::Bt || i.op == Op::Bts || i.op == Op::Btr || i.op == Op::Btc)
                used |= i.is_mem(0) && i.is_reg(1) && i.operand[1].reg == r;
            for (unsigned o = 0; keep_operands && o < i.operand_count; ++o)
                used |= i.is_reg(o) && (i.operand[o].width == 1 ? i.operand[o].reg & 3 : i.operand[o].reg) == r;
            if (!used) free_.push_back(r);
        }
    }

    u8 free_register() { return free_.empty() ? u8{8} : free_[g_.below(static_cast<u32>(free_.size()))]; }
    u8 low_register() {
        for (unsigned i = 0; i < 8; ++i)
            if (const u8 r = free_register(); r < 4) return r;
        return 8;
    }

    // Appends an instruction with its effect on which flags are defined; false where it would use an undefined one.
    bool add(const std::vector<u8>& bytes) {
        Sequence::Part part;
        if (decode(bytes, code32_, part.insn) != DecodeStatus::Ok || part.insn.length != bytes.size()) return false;
        const Insn& i = part.insn;
        u32 undefined = i.form->flags_undefined, defined = i.form->flags_written, read = i.form->flags_read;
        if (is_shift(i.op)) {
            const Operand& by = i.operand[i.operand_count - 1];
            const u32 bits = i.operand[0].width * 8u;
            const bool known = by.kind == OperandKind::Imm;
            const u32 count = i.imm & 31;
            const bool through_carry = i.op == Op::Rcl || i.op == Op::Rcr;
            read = through_carry ? u32{kCf} : 0;
            if (!known || count != 1) undefined |= kOf;
            if ((!known || count > bits) && bits < 32) undefined |= kCf;
            if ((i.op == Op::Shld || i.op == Op::Shrd) && bits == 16 && (!known || count > 16)) q_.host_knows = false;
            if (!known || count == 0) defined = 0;
            if (known && count == 0) undefined = 0;
        }
        if (i.op == Op::Bswap && i.operand[0].width == 2) q_.host_knows = false;
        if (i.rep != Rep::None) defined = 0, read &= kDf;
        if ((read & undefined_ & kArithFlags) != 0) return false;
        part.undefined = undefined_;
        part.at = static_cast<u32>(code_.size());
        q_.parts.push_back(part);
        code_.insert(code_.end(), bytes.begin(), bytes.end());
        // What may be jumped over defines nothing.
        if (q_.parts.size() > skip_until_) undefined_ &= ~defined;
        undefined_ = (undefined_ | undefined) & kArithFlags;
        return true;
    }
    // Parts [after, to) may not run: their definitions do not count for what follows.
    void skipped_until(std::size_t to, std::size_t after) {
        u32 ever = 0;
        for (std::size_t i = after; i <= to; ++i) ever |= q_.parts[i].undefined;
        for (std::size_t i = to; i < q_.parts.size(); ++i) {
            if ((q_.parts[i].insn.form->flags_read & ever) != 0) q_.host_knows = false;
            q_.parts[i].undefined |= ever;
        }
        undefined_ |= ever;
    }

    void neighbour() {
        for (unsigned tries = 0; tries < 20; ++tries) {
            const std::vector<u8> bytes = random_neighbour();
            if (bytes.empty()) continue;
            const bool jump = (bytes[0] & 0xf0) == 0x70;
            if (!jump) {
                if (add(bytes)) return;
                continue;
            }
            // Over the next neighbour.
            const std::size_t at = code_.size();
            const u32 before = undefined_;
            if (!add(bytes)) continue;
            const std::size_t first = code_.size();
            for (unsigned i = 0; i < 20; ++i) {
                const std::vector<u8> next = random_neighbour();
                if (next.empty() || (next[0] & 0xf0) == 0x70) continue;
                skip_until_ = q_.parts.size() + 1;
                if (add(next)) break;
            }
            code_[at + 1] = static_cast<u8>(code_.size() - first);
            undefined_ |= before;
            return;
        }
    }

    std::vector<u8> random_neighbour() {
        const u8 r = free_register();
        const u8 low = low_register();
        const u8 any = static_cast<u8>(g_.below(8));
        const auto byte = [](u32 v) { return static_cast<u8>(v); };
        const auto rr = [&](u8 to, u8 from) { return byte(0xc0u | u32{from} << 3 | to); };
        std::vector<u8> b;
        if (g_.one_in(5)) b.push_back(0x66);
        const auto put = [&](std::initializer_list<u32> list) {
            for (const u32 v : list) b.push_back(byte(v));
            return b;
        };
        constexpr u8 kAlu[] = {0x01, 0x11, 0x19, 0x29, 0x39, 0x03, 0x13, 0x2b, 0x3b};
        switch (g_.below(22)) {
        case 0: return put({0x39, rr(any, static_cast<u8>(g_.below(8)))});
        case 1: return put({0x38, rr(any, static_cast<u8>(g_.below(8)))});
        case 2: return put({0x83, 0xf8u | any, g_()});                                        // CMP r, imm8
        case 3: return b = {}, put({g_.one_in(2) ? 0xf5u : 0xf8u + g_.below(2)});               // CMC, CLC, STC
        case 4: case 5: return b = {}, put({0x70 | g_.below(16), 0});
        case 6: return b = {}, put({0x9c});
        case 7: case 8: case 9: return absolute(b, r);
        case 10: return low == 8 ? std::vector<u8>{} : (b = {}, put({0x0f, 0x90 | g_.below(16), 0xc0u | low}));
        case 11: return std::find(free_.begin(), free_.end(), u8{kEax}) == free_.end() ? std::vector<u8>{} : (b = {}, put({0x9f}));
        default: break;
        }
        if (r == 8) return {};
        switch (g_.below(9)) {
        case 0: return put({kAlu[g_.below(5)], rr(r, any)});
        case 1: return put({0x40 | g_.below(2) << 3 | r});
        case 2: return put({0xd1, 0xc0u | (g_.one_in(2) ? 4u : g_.below(8)) << 3 | r});
        case 3: return put({0xc1, 0xc0u | (g_.one_in(2) ? 5u : g_.below(8)) << 3 | r, g_()});
        case 4: return put({0x83, 0xc0u | g_.below(8) << 3 | r, g_()});
        case 5: return put({0xf7, 0xd8u | r});
        case 6: return put({0x0f, 0x40 | g_.below(16), byte(0xc0u | u32{r} << 3 | any)});
        case 7: return put({0x0f, 0xaf, byte(0xc0u | u32{r} << 3 | any)});
        default: return put({0x85, rr(r, any)});
        }
    }

    // An instruction with an absolute operand: MOV, CMP, ADC, SETcc, PUSH and so on.
    std::vector<u8> absolute(std::vector<u8> b, u8 r) {
        const u32 at = g_.target(segment_of(c_.state.seg[kNativeDs]));
        const auto put = [&](std::initializer_list<u32> list) {
            for (const u32 v : list) b.push_back(static_cast<u8>(v));
        };
        u32 reg = g_.below(8);
        switch (g_.below(9)) {
        case 0: put({0x89}); break;
        case 1: if (r == 8) return {}; put({0x8b}); reg = r; break;
        case 2: put({0x3b}); break;
        case 3: put({0x11}); break;
        case 4: b = {}, put({0x0f, 0x90 | g_.below(16)}); break;
        case 5: put({0x01}); break;
        case 6: put({0xff}), reg = g_.below(2); break;          // INC, DEC
        case 7: put({0xd1}), reg = g_.below(8); break;
        default: if (r == 8) return {}; put({0x0f, 0x40 | g_.below(16)}); reg = r; break;
        }
        put({reg << 3 | (code32_ ? 5u : 6u)});
        for (unsigned i = 0; i < (code32_ ? 4u : 2u); ++i) put({at >> (8 * i)});
        return b;
    }

    CaseGenerator& g_;
    NativeCase& c_;
    Sequence& q_;
    bool code32_;
    std::vector<u8> code_, free_;
    u32 undefined_ = 0;
    std::size_t skip_until_ = 0;
};

}  // namespace

const Sequence::Part* Sequence::part_at(const NativeCase& c, u32 eip) const {
    for (const Part& p : parts)
        if (c.state.eip + p.at == eip) return &p;
    return nullptr;
}

bool make_sequence(CaseGenerator& generate, unsigned index, Segments segments, NativeCase& c, Sequence& sequence) {
    Insn subject;
    if (!generate.make(index, segments, c, subject)) return false;
    switch (subject.op) {
    case Op::Call: case Op::CallInd: case Op::JmpInd: case Op::Ret: return false;   // they lead out of the sequence
    case Op::Jmp: case Op::Jcc: case Op::Jcxz: case Op::Loop: case Op::Loope: case Op::Loopne:
        if (subject.op_size != (segment_of(c.state.seg[kNativeCs]).big() ? 4 : 2)) return false;
        break;
    default: break;
    }
    sequence = {};
    return Builder(generate, c, sequence).build(subject);
}

}  // namespace vmm::test
