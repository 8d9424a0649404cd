// SPDX-License-Identifier: Apache-2.0
#include "tests/tcg/random_system.h"

#include <algorithm>
#include <cstring>

#include "vmm/tcg/exec_table.h"
#include "vmm/tcg/insn_table.h"

namespace vmm::test {

using namespace tcg;

namespace {

class Generator {
  public:
    explicit Generator(u32 seed) : random_(seed) {}

    RandomProgram make() {
        p_.setting = static_cast<Setting>(below(static_cast<u32>(Setting::Count)));
        code32_ = p_.setting != Setting::Real16Like && p_.setting != Setting::Code16Flat;
        p_.code_at = kProgramCode + (one_in(2) ? kPageSize - kChunk * below(8) : kChunk * below(16));
        const Descriptions early = descriptions(p_.setting, 0);
        base_ = early.code.base;
        data_base_ = early.data.base;
        stack_base_ = early.stack.base;
        const u32 count = 5 + below(56);
        functions_ = below(3);
        vectors_ = one_in(3);
        set_pointers();
        while (items_.size() < count) item();
        if (loop_) end_loop();
        byte_item({0xcd, kEndVector});
        const std::size_t end = items_.size();
        for (u32 f = 0; f < functions_; ++f) {
            function_at_.push_back(items_.size());
            new_chunk_ = true;
            for (u32 n = 1 + below(4); n != 0; --n) random_instruction();
            byte_item({0xc3});
        }
        layout();
        resolve(end);
        list();
        fill_window();
        state();
        for (u64 at = below(60); one_in(2) && p_.interrupts.size() < 6; at += 1 + below(80)) p_.interrupts.push_back(at);
        std::sort(p_.interrupts.begin(), p_.interrupts.end());
        return std::move(p_);
    }

  private:
    enum class Refers : u8 { Nothing, Forward, Back, Function, FunctionAbsolute, Code };
    struct Item {
        std::vector<u8> bytes;
        u32 at = 0;               // in code
        Refers refers = Refers::Nothing;
        u8 field = 0, size = 0;   // the field to fill: offset and size
        std::size_t target = 0;
        bool chunk = false;       // begins a chunk
    };

    bool one_in(u32 n) { return random_() % n == 0; }
    u32 below(u32 n) { return static_cast<u32>(random_()) % n; }
    u32 value() {
        constexpr u32 kCorners[] = {0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
        return one_in(3) ? kCorners[below(std::size(kCorners))] : one_in(2) ? below(64) : static_cast<u32>(random_());
    }

    Item& byte_item(std::vector<u8> bytes) {
        items_.push_back({std::move(bytes)});
        items_.back().chunk = std::exchange(new_chunk_, false);
        return items_.back();
    }
    static void put32(std::vector<u8>& bytes, u32 v) {
        for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<u8>(v >> (8 * i)));
    }
    // MOV r32, imm32 whatever the code size.
    Item& set_register(unsigned reg, u32 v) {
        std::vector<u8> bytes;
        if (!code32_) bytes.push_back(0x66);
        bytes.push_back(static_cast<u8>(0xb8 | reg));
        put32(bytes, v);
        return byte_item(std::move(bytes));
    }

    // An offset in the data segment, where something may happen.
    u32 pointer() {
        u32 linear = kWindow + 0x20 + below(0x1fc0);
        switch (below(14)) {
        case 0: case 4: case 5: linear = kWindow + 0xff8 + below(16); break;             // between two writable pages
        case 1: linear = kWindow + 0x1ff8 + below(16); break;            // into the read-only one
        case 2: linear = kWindow + 0x2ff8 + below(16); break;            // into the absent one
        case 3: linear = kWindow + 0x4010 + below(0x1fe0); break;
        default: break;
        }
        if (one_in(2)) linear &= ~u32{one_in(2) ? 15u : 3u};
        return linear - data_base_;
    }
    void set_pointer(unsigned reg) {
        const bool stack_based = reg == kEbp && data_base_ != stack_base_;
        set_register(reg, stack_based ? kProgramStack + 0x1000 + below(0x400) - stack_base_ : pointer());
    }
    void set_pointers() {
        for (const Gpr reg : {kEbx, kEbp, kEsi, kEdi}) set_pointer(reg);
    }

    void item() {
        if (loop_ && loop_left_-- == 0) return end_loop();
        switch (below(20)) {
        case 0: case 1: {
            constexpr Gpr kPointers[] = {kEbx, kEbp, kEsi, kEdi};
            return set_pointer(kPointers[below(4)]);
        }
        case 2: case 3: return forward_jump();
        case 4: if (!loop_) return begin_loop(); else return forward_jump();
        case 5: if (functions_ != 0) return call(); else return random_instruction();
        case 6: return special();
        default: return random_instruction();
        }
    }

    void forward_jump() {
        std::vector<u8> bytes;
        u8 size = 1;
        const u32 kind = below(8);
        if (kind < 5) bytes = {static_cast<u8>(0x70 | below(16))};
        else if (kind == 5) bytes = {static_cast<u8>(0xe0 | below(4))};
        else if (kind == 6) bytes = {0xeb};
        else bytes = {0x0f, static_cast<u8>(0x80 | below(16))}, size = code32_ ? 4 : 2;
        const u8 field = static_cast<u8>(bytes.size());
        bytes.resize(bytes.size() + size);
        Item& i = byte_item(std::move(bytes));
        i.refers = Refers::Forward;
        i.field = field;
        i.size = size;
        i.target = items_.size() + below(6);
    }

    void begin_loop() {
        set_register(kEcx, 1 + below(9));
        loop_ = true;
        loop_start_ = items_.size();
        byte_item({0x83, 0xe1, 0x0f});   // AND ECX, 15: whatever jumps in here
        loop_left_ = 1 + below(6);
    }
    void end_loop() {
        loop_ = false;
        constexpr u8 kLoops[] = {0xe2, 0xe2, 0xe1, 0xe0};
        if (one_in(3)) {
            byte_item({0x49});   // DEC ECX
            Item& i = byte_item({0x75, 0});
            i.refers = Refers::Back, i.field = 1, i.size = 1, i.target = loop_start_;
        } else {
            Item& i = byte_item({kLoops[below(4)], 0});
            i.refers = Refers::Back, i.field = 1, i.size = 1, i.target = loop_start_;
        }
    }

    void call() {
        const u32 function = below(functions_);
        if (one_in(3)) {
            Item& i = set_register(kEax, 0);
            i.refers = Refers::FunctionAbsolute, i.field = code32_ ? 1 : 2, i.size = 4, i.target = function;
            byte_item({0xff, 0xd0});   // CALL EAX
            return;
        }
        Item& i = byte_item(code32_ ? std::vector<u8>{0xe8, 0, 0, 0, 0} : std::vector<u8>{0xe8, 0, 0});
        i.refers = Refers::Function, i.field = 1, i.size = code32_ ? 4 : 2, i.target = function;
    }

    void special() {
        switch (below(13)) {
        case 0: byte_item({0x0f, 0x31}); break;   // RDTSC
        case 10: case 11: case 12: return change_mapping();
        case 1: case 2: {
            // PUSH imm; POPF: arithmetic flags and DF, sometimes AC or TF.
            u32 flags = static_cast<u32>(random_()) & (kArithFlags | (one_in(2) ? kDf : 0u));
            flags |= 2u | kIf | (one_in(4) ? kAc : 0u) | (one_in(4) ? kTf : 0u);
            std::vector<u8> bytes;
            if (!code32_) bytes.push_back(0x66);
            bytes.push_back(0x68);
            put32(bytes, flags);
            byte_item(std::move(bytes));
            byte_item(code32_ ? std::vector<u8>{0x9d} : std::vector<u8>{0x66, 0x9d});
            break;
        }
        case 3: byte_item({0x9c}); byte_item({0x58}); break;   // PUSHF, POP EAX
        case 4: byte_item({0x8c, 0xd0}); byte_item({0x8e, 0xd0}); break;   // MOV EAX, SS; MOV SS, EAX
        case 5: byte_item({0x1e}); byte_item({0x07}); break;   // PUSH DS; POP ES
        case 6: set_register(kEsp, kProgramStack + 0x1800 - 4 * below(16) - (one_in(6) ? below(4) : 0) - stack_base_); break;
        case 7:
            if (p_.setting == Setting::Ring0Flat && one_in(2)) {
                set_register(kEax, one_in(2) ? kPageDirectory : kOtherDirectory);
                byte_item({0x0f, 0x22, 0xd8});   // MOV CR3, EAX
                break;
            }
            byte_item({one_in(2) ? u8{0xfa} : u8{0xfb}});   // CLI, STI: #GP in ring 3
            break;
        case 8: {
            // A byte of the program changes: MOV byte ptr [code], imm, where the code is in reach of the data segment.
            if (!flat_data()) break;
            std::vector<u8> bytes;
            if (!code32_) bytes.push_back(0x67);
            bytes.insert(bytes.end(), {0xc6, 0x05});
            const auto field = static_cast<u8>(bytes.size());
            put32(bytes, 0);
            bytes.push_back(static_cast<u8>(random_()));
            Item& i = byte_item(std::move(bytes));
            i.refers = Refers::Code, i.field = field, i.size = 4, i.target = items_.size() + below(8);
            break;
        }
        default: byte_item({one_in(2) ? u8{0xcc} : u8{0xce}}); break;   // INT3, INTO
        }
    }

    bool flat_data() const { return data_base_ == 0 && p_.setting != Setting::Limited; }

    // Another page, or none, behind a page of the window or of the code: the page table is in reach of flat programs.
    void change_mapping() {
        if (!flat_data()) return;
        const bool of_code = one_in(3);
        const u32 first = (of_code ? kProgramCode : kWindow) >> kPageShift, pages = of_code ? kProgramCodePages : kWindowPages;
        const u32 entry = (first + below(pages)) << kPageShift | 4 | (of_code || !one_in(6) ? 1u : 0) | (of_code || !one_in(4) ? 2u : 0);
        std::vector<u8> bytes;
        if (!code32_) bytes = {0x66, 0x67};
        bytes.insert(bytes.end(), {0xc7, 0x05});   // MOV dword ptr [entry], imm
        put32(bytes, kPageTableAlias + 4 * (first + below(pages)));
        put32(bytes, entry);
        byte_item(std::move(bytes));
    }

    static bool allowed(Op op) {
        switch (op) {
        case Op::Jcc: case Op::Jcxz: case Op::Jmp: case Op::JmpInd: case Op::Call: case Op::CallInd: case Op::Ret: case Op::Loop:
        case Op::Loope: case Op::Loopne: case Op::Enter: case Op::Leave: case Op::Popa:
            return false;
        default: return true;
        }
    }
    static const std::vector<unsigned>& vector_forms() {
        static const std::vector<unsigned> list = [] {
            std::vector<unsigned> l;
            for (unsigned i = 0; i < all_forms().size(); ++i)
                if ((all_forms()[i].attributes & (kMmx | kSse)) != 0) l.push_back(i);
            return l;
        }();
        return list;
    }
    static const std::vector<unsigned>& forms() {
        static const std::vector<unsigned> list = [] {
            std::vector<unsigned> l;
            for (unsigned i = 0; i < all_forms().size(); ++i) {
                bool integer = false;
                for (const auto entries : {alu_exec_entries(), shift_exec_entries(), muldiv_exec_entries(), move_exec_entries(), string_exec_entries()})
                    for (const ExecEntry& e : entries) integer |= e.op == all_forms()[i].op;
                switch (all_forms()[i].op) {
                case Op::Clc: case Op::Stc: case Op::Cmc: case Op::Cld: case Op::Std: case Op::Lahf: case Op::Sahf: case Op::Pushf:
                    integer = true;
                    break;
                default: break;
                }
                if (integer && allowed(all_forms()[i].op)) l.push_back(i);
            }
            return l;
        }();
        return list;
    }

    void random_instruction() {
        for (;;) {
            const std::vector<unsigned>& from = vectors_ && one_in(2) ? vector_forms() : forms();
            std::vector<u8> bytes = random_bytes(from[below(static_cast<u32>(from.size()))]);
            Insn insn;
            if (decode(bytes, code32_, insn) != DecodeStatus::Ok || !allowed(insn.op)) continue;
            // Pointers are changed rarely, the stack pointer by pushes and pops.
            bool spoils = false;
            for (unsigned i = 0; i < std::min<unsigned>(insn.operand_count, insn.op == Op::Xchg || insn.op == Op::Xadd ? 2 : 1); ++i) {
                if (!insn.is_reg(i)) continue;
                const unsigned reg = insn.operand[i].width == 1 ? insn.operand[i].reg & 3u : insn.operand[i].reg;
                const bool compares = insn.op == Op::Cmp || insn.op == Op::Test || insn.op == Op::Bt || insn.op == Op::Push;
                if (compares) continue;
                if (reg == kEsp || (reg >= kEbx && !one_in(8)) || (loop_ && reg == kEcx && !one_in(8))) spoils = true;
            }
            if (spoils || ((insn.op == Op::Div || insn.op == Op::Idiv || insn.op == Op::Bound) && !one_in(4))) continue;
            if (insn.op == Op::Bt || insn.op == Op::Bts || insn.op == Op::Btr || insn.op == Op::Btc) {
                if (insn.is_mem(0) && insn.is_reg(1) && !one_in(8)) continue;   // the bit may lie anywhere
            }
            if (insn.rep != Rep::None && !loop_) set_register(kEcx, below(40));
            bytes.resize(insn.length);
            byte_item(std::move(bytes));
            return;
        }
    }

    std::vector<u8> random_bytes(unsigned index) {
        const Encoding& e = insn_tables().encodings[index];
        const CompiledForm& form = insn_tables().compiled[index];
        std::vector<u8> b;
        const auto put = [&](u32 byte) { b.push_back(static_cast<u8>(byte)); };
        bool addr16 = !code32_;
        if (one_in(30)) put(one_in(2) ? 0x36 : 0x26);
        if (one_in(code32_ ? 40 : 4)) put(0x67), addr16 = !addr16;
        if (e.prefix == 0 && !e.no_prefix && one_in(4)) put(0x66);
        const u16 attributes = all_forms()[index].attributes;
        wide_ = (attributes & (kMmx | kSse)) != 0;
        if ((attributes & kString) != 0 && one_in(2)) put(one_in(2) ? 0xf2 : 0xf3);
        if (e.prefix != 0) put(e.prefix);
        if (e.two_byte) put(0x0f);
        put(e.opcode + below(e.opcode_count));
        if (form.has_modrm) {
            u32 reg = below(8);
            bool memory = one_in(2);
            switch (e.rule) {
            case ModrmRule::AnyMem: memory = true; break;
            case ModrmRule::AnyReg: memory = false; break;
            case ModrmRule::Digit: reg = e.modrm; break;
            case ModrmRule::DigitMem: reg = e.modrm, memory = true; break;
            case ModrmRule::DigitReg: reg = e.modrm, memory = false; break;
            case ModrmRule::Exact: put(e.modrm); break;
            default: break;
            }
            if (e.rule != ModrmRule::Exact) {
                if (memory) address(b, reg, addr16);
                else put(0xc0 | reg << 3 | below(8));
            }
        } else if (form.operand_count == 2 && (form.operand[0].source == Source::Offset || form.operand[1].source == Source::Offset)) {
            const u32 at = pointer();
            for (unsigned i = 0; i < (addr16 ? 2u : 4u); ++i) put(at >> (8 * i));
        }
        const u32 immediate = value();
        for (unsigned i = 0; i < 4; ++i) put(immediate >> (8 * i));
        put(below(8));
        return b;
    }

    void address(std::vector<u8>& b, u32 reg, bool addr16) {
        const auto put = [&](u32 byte) { b.push_back(static_cast<u8>(byte)); };
        const u32 displacement = wide_ && !one_in(4) ? (below(3) - 1) * 16 : below(25) - 12;
        const u32 mod = below(8) == 0 ? 0 : 1 + below(2);
        if (addr16) {
            const u32 rm = mod == 0 ? 4 + (one_in(2) ? 0 : 1) + 2 * below(2) : 4 + below(4);
            put(mod << 6 | reg << 3 | rm);
            if (mod == 0 && rm == 6) {
                const u32 at = pointer();
                put(at), put(at >> 8);
            } else if (mod != 0) {
                put(displacement);
                if (mod == 2) put(displacement >> 8);
            }
            return;
        }
        constexpr u8 kBases[] = {3, 5, 6, 7};
        u32 rm = kBases[below(4)];
        const bool sib = one_in(5);
        if (mod == 0 && rm == 5) {
            put(reg << 3 | 5);
            return put_u32(b, pointer());
        }
        put(mod << 6 | reg << 3 | (sib ? 4 : rm));
        if (sib) {
            if (one_in(3)) rm = 4;
            put(below(4) << 6 | (one_in(6) ? below(8) : 4u) << 3 | rm);
        }
        if (mod == 1) put(displacement);
        if (mod == 2) put_u32(b, displacement);
    }
    static void put_u32(std::vector<u8>& b, u32 v) { put32(b, v); }

    // No instruction lies on two chunks, except now and then.
    void layout() {
        std::vector<u8>& code = p_.code;
        for (Item& i : items_) {
            const u32 room = kChunk - static_cast<u32>(code.size()) % kChunk;
            if (i.chunk || (i.bytes.size() > room && !one_in(8))) code.resize(code.size() + room % kChunk, 0x90);
            i.at = static_cast<u32>(code.size());
            code.insert(code.end(), i.bytes.begin(), i.bytes.end());
        }
        // Behind everything: the end again, so that the last chunk's faults have somewhere to go.
        code.resize((code.size() / kChunk + 1) * kChunk, 0x90);
        for (unsigned i = 0; i < kChunk / 2; ++i) code.insert(code.end(), {0xcd, kEndVector});
    }

    void resolve(std::size_t end) {
        const u32 start = p_.code_at - base_;
        for (Item& i : items_) {
            if (i.refers == Refers::Nothing) continue;
            const u32 next = i.at + static_cast<u32>(i.bytes.size());
            u32 v = 0;
            switch (i.refers) {
            case Refers::Forward: {
                std::size_t target = std::min(i.target, items_.size() - 1);
                if (static_cast<std::size_t>(&i - items_.data()) < end) target = std::min(target, end - 1);
                v = items_[target].at - next;
                if (i.size == 1 && v > 127) v = 0;
                break;
            }
            case Refers::Back: v = items_[i.target].at - next; break;
            case Refers::Function: v = items_[function_at_[i.target]].at - next; break;
            case Refers::FunctionAbsolute: v = start + items_[function_at_[i.target]].at; break;
            case Refers::Code: {
                const Item& target = items_[std::min(i.target, end - 1)];
                v = p_.code_at + target.at + below(static_cast<u32>(target.bytes.size()));
                if (one_in(4)) v = p_.code_at + below(static_cast<u32>(p_.code.size()));
                break;
            }
            default: break;
            }
            std::memcpy(&p_.code[i.at + i.field], &v, i.size);
        }
    }

    void list() {
        for (std::size_t at = 0; at < p_.code.size() - kChunk;) {
            Insn insn;
            const u32 eip = p_.code_at - base_ + static_cast<u32>(at);
            if (decode({&p_.code[at], p_.code.size() - at}, code32_, insn) != DecodeStatus::Ok) break;
            char text[16];
            std::snprintf(text, sizeof text, "%06x: ", eip);
            p_.listing.push_back(text + disassemble(insn, eip));
            at += insn.length;
        }
    }

    void fill_window() {
        for (u32 i = 0; i < kWindowPages * kPageSize / 4; ++i) put32(p_.window, value());
    }

    void state() {
        CpuState& s = p_.initial;
        const Descriptions d = descriptions(p_.setting, p_.code_at + static_cast<u32>(p_.code.size()));
        for (Segment& x : s.seg) x = d.data;
        s.seg[kCs] = d.code;
        s.seg[kSs] = d.stack;
        for (u32& r : s.gpr) r = value();
        s.gpr[kEsp] = kProgramStack + 0x1800 - stack_base_;
        s.eip = p_.code_at - base_;
        s.eflags = 2 | kIf | (static_cast<u32>(random_()) & kArithFlags);
        s.cr0 = kCr0Pe | kCr0Pg | kCr0Wp | kCr0Ne | kCr0Et | kCr0Am;
        s.cr3 = kPageDirectory;
        s.cr4 = kCr4Osfxsr | kCr4Osxmmexcpt;
        for (Xmm& x : s.xmm) x = {u64{value()} << 32 | value(), u64{value()} << 32 | value()};
        s.fpu.control = 0x37f;
        s.gdtr = {kTables, 0x37};
        s.idtr = {kIdtAt, 0x7ff};
        s.ldtr = {0, 0, 0, 0};
        s.tr = {kTss, kTables + 0x100, 0x67, 0x8b};
        if (one_in(10)) {
            s.dr[0] = p_.code_at + below(static_cast<u32>(p_.code.size()));
            s.dr[1] = kWindow + below(0x2000) / 4 * 4;
            s.dr7 |= 2 | (one_in(2) ? 8u | 0xd00000 : 0);   // execution at DR0, and writes of four bytes at DR1
        }
    }

    std::mt19937 random_;
    RandomProgram p_;
    bool code32_ = true;
    u32 base_ = 0, data_base_ = 0, stack_base_ = 0;
    u32 functions_ = 0;
    bool vectors_ = false;   // MMX and SSE among the instructions
    bool wide_ = false;      // operands of the present one
    std::vector<Item> items_;
    std::vector<std::size_t> function_at_;
    bool new_chunk_ = false;
    bool loop_ = false;
    std::size_t loop_start_ = 0;
    u32 loop_left_ = 0;
};

}  // namespace

RandomProgram make_program(u32 seed) { return Generator(seed).make(); }

}  // namespace vmm::test
