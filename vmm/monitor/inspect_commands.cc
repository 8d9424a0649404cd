// SPDX-License-Identifier: Apache-2.0
// Monitor commands that print what is in the machine: registers, memory, page tables, devices. None of them changes anything.
#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "vmm/board.h"
#include "vmm/monitor/debug_commands.h"
#include "vmm/monitor/expression.h"
#include "vmm/monitor/page_tables.h"
#include "vmm/register_table.h"
#include "vmm/tcg/decode.h"
#include "vmm/tcg/mmu.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

constexpr u64 kMostUnits = 65536;                // of x and xp
constexpr unsigned kMostPages = 16384;           // lines of info tlb
constexpr unsigned kLongestInsn = 15;

[[gnu::format(printf, 1, 2)]] std::string format(const char* how, ...) {
    char text[256];
    va_list list;
    va_start(list, how);
    std::vsnprintf(text, sizeof text, how, list);
    va_end(list);
    return text;
}

// --- registers -----------------------------------------------------------------------------------------------------------------

std::string flag_names(RegisterType type, u32 value) {
    std::string out;
    for (const FlagField& f : flag_fields(type)) {
        const u32 field = value >> f.first & ((2u << (f.last - f.first)) - 1);
        if (field == 0) continue;
        out += " " + std::string(f.name) + (f.last > f.first ? format("=%x", field) : "");
    }
    return out.empty() ? "" : " [" + out.substr(1) + "]";
}

std::string segment_line(const char* name, const Segment& s) {
    static constexpr const char* kTypes[] = {"?", "TSS16", "LDT", "TSS16 busy", "?", "?", "?", "?", "?", "TSS", "?", "TSS busy", "?", "?", "?", "?"};
    std::string kind = "null";
    if (s.present() && s.system()) kind = kTypes[s.type() & 15];
    else if (s.present())
        kind = std::string((s.type() & 8) != 0 ? (s.big() ? "CS32" : "CS16") : (s.big() ? "DS" : "DS16")) + " DPL=" + std::to_string(s.dpl());
    return format("%-4s=%04x %08x %08x %04x %s\n", name, s.selector, s.base, s.limit, s.attr, kind.c_str());
}

Result<Outcome> info_registers(const Context& c, Args) {
    const CpuState& s = c.control.machine().translator().state();
    const auto& r = s.gpr;
    std::string out = format("EAX=%08x EBX=%08x ECX=%08x EDX=%08x\nESI=%08x EDI=%08x EBP=%08x ESP=%08x\n", r[kEax], r[kEbx], r[kEcx],
                             r[kEdx], r[kEsi], r[kEdi], r[kEbp], r[kEsp]);
    const unsigned cpl = (s.cr0 & kCr0Pe) == 0 ? 0 : (s.eflags & kVm) != 0 ? 3 : s.seg[kSs].dpl();
    out += format("EIP=%08x EFL=%08x CPL=%u HLT=%d%s\n", s.eip, s.eflags, cpl, s.halted ? 1 : 0, flag_names(RegisterType::Eflags, s.eflags).c_str());
    static constexpr const char* kNames[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    for (unsigned i = 0; i < 6; ++i) out += segment_line(kNames[i], s.seg[i]);
    out += segment_line("LDT", s.ldtr) + segment_line("TR", s.tr);
    out += format("GDT=     %08x %08x\nIDT=     %08x %08x\n", s.gdtr.base, s.gdtr.limit, s.idtr.base, s.idtr.limit);
    out += format("CR0=%08x CR2=%08x CR3=%08x CR4=%08x EFER=%llx\n", s.cr0, s.cr2, s.cr3, s.cr4, static_cast<unsigned long long>(s.msr.efer));
    out += "CR0" + flag_names(RegisterType::Cr0, s.cr0) + " CR4" + flag_names(RegisterType::Cr4, s.cr4) + "\n";
    out += format("DR0=%08x DR1=%08x DR2=%08x DR3=%08x DR6=%08x DR7=%08x\n", s.dr[0], s.dr[1], s.dr[2], s.dr[3], s.dr6, s.dr7);
    out += format("FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n", s.fpu.control, s.fpu.status, s.fpu.status >> 11 & 7, s.fpu.tag, s.mxcsr);
    for (unsigned i = 0; i < 8; ++i)
        out += format("FPR%u=%04x:%016llx%s", i, s.fpu.exponent[i], static_cast<unsigned long long>(s.fpu.significand[i]), i % 2 == 1 ? "\n" : " ");
    for (unsigned i = 0; i < 8; ++i)
        out += format("XMM%u=%016llx%016llx%s", i, static_cast<unsigned long long>(s.xmm[i].hi), static_cast<unsigned long long>(s.xmm[i].lo),
                      i % 2 == 1 ? "\n" : " ");
    c.print(out);
    return Outcome::Done;
}

// --- memory ----------------------------------------------------------------------------------------------------------------------

struct Shape {
    u64 count = 1;
    char letter = 'x';                           // x d u o c i
    unsigned size = 4;
};

// "/16xw", in any order behind the number, as in gdb.
Result<Shape> take_shape(Args& args, bool data) {
    Shape shape;
    if (args.empty() || !args[0].starts_with('/')) return shape;
    std::string_view text = std::string_view(args[0]).substr(1);
    args = args.subspan(1);
    if (!text.empty() && text[0] >= '0' && text[0] <= '9') {
        shape.count = 0;
        while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
            shape.count = shape.count * 10 + static_cast<u64>(text[0] - '0');
            text.remove_prefix(1);
            if (shape.count > kMostUnits) return Error{"at most " + std::to_string(kMostUnits) + " units at once"};
        }
    }
    bool sized = false;
    for (const char c : text) {
        if (std::string_view("xduoci").find(c) != std::string_view::npos) {
            shape.letter = c;
            if (c == 'c' && !sized) shape.size = 1;
        } else if (const auto n = std::string_view("bhwg").find(c); n != std::string_view::npos) {
            shape.size = 1u << n;
            sized = true;
        } else {
            return Error{std::string("'") + c + "' is no format: x d u o c i, and b h w g for the size"};
        }
    }
    if (!data && (shape.count != 1 || shape.letter == 'i')) return Error{"that format is for x and xp"};
    return shape;
}

std::string unit(const Shape& shape, u64 value) {
    const unsigned bits = shape.size * 8;
    if (bits < 64) value &= (u64{1} << bits) - 1;
    const auto v = static_cast<unsigned long long>(value);
    switch (shape.letter) {
        case 'd': return format("%lld", static_cast<long long>(bits == 64 ? value : (value ^ u64{1} << (bits - 1)) - (u64{1} << (bits - 1))));
        case 'u': return format("%llu", v);
        case 'o': return format("0%llo", v);
        case 'c': return value >= 0x20 && value < 0x7f ? format("'%c'", static_cast<char>(value)) : format("'\\x%02llx'", v);
        default: return format("0x%0*llx", static_cast<int>(shape.size * 2), v);
    }
}

Result<Outcome> disassembled(const Context& c, u32 at, u64 count, bool physical) {
    const Segment& cs = c.control.machine().translator().state().seg[kCs];
    for (; count > 0; --count) {
        std::array<u8, kLongestInsn> bytes{};
        unsigned have = 0;
        while (have < kLongestInsn && c.control.read_memory(at + have, std::span(bytes).subspan(have, 1), physical)) ++have;
        if (have == 0) return Error{format("there is no memory at 0x%08x", at)};
        tcg::Insn insn;
        const auto status = tcg::decode(std::span(bytes).first(have), cs.big(), insn);
        const bool good = status == tcg::DecodeStatus::Ok;
        const unsigned length = good ? insn.length : 1;
        std::string hex;
        for (unsigned i = 0; i < length; ++i) hex += format("%02x", bytes[i]);
        c.print(format("0x%08x:  %-20s %s\n", at, hex.c_str(), good ? tcg::disassemble(insn, at).c_str() : "(bad)"));
        at += length;
    }
    return Outcome::Done;
}

Result<Outcome> examine(const Context& c, Args args, bool physical) {
    const auto shape = take_shape(args, true);
    if (!shape) return shape.error();
    if (args.empty()) return Error{"an address is missing"};
    const auto address = evaluate_address(c.control, join(args));
    if (!address) return address.error();
    if (shape->letter == 'i') return disassembled(c, *address, shape->count, physical);
    const u64 in_line = shape->letter == 'c' ? 8 : 16 / shape->size;
    for (u64 i = 0; i < shape->count; i += in_line) {
        const u32 at = *address + static_cast<u32>(i * shape->size);
        std::string line = format("%08x:", at);
        for (u64 n = 0; n < std::min(in_line, shape->count - i); ++n) {
            std::array<u8, 8> bytes{};
            const u32 from = at + static_cast<u32>(n * shape->size);
            if (!c.control.read_memory(from, std::span(bytes).first(shape->size), physical)) {
                if (n > 0) c.print(line + "\n");
                return Error{format("there is no memory at %s0x%08x", physical ? "physical " : "", from)};
            }
            u64 value = 0;
            for (unsigned b = shape->size; b-- > 0;) value = value << 8 | bytes[b];
            line += " " + unit(*shape, value);
        }
        c.print(line + "\n");
    }
    return Outcome::Done;
}

Result<Outcome> print_value(const Context& c, Args args) {
    auto shape = take_shape(args, false);
    if (!shape) return shape.error();
    const auto value = evaluate(c.control, join(args));
    if (!value) return value.error();
    if (shape->letter == 'x') {
        c.print(format("0x%llx\n", static_cast<unsigned long long>(*value)));
    } else {
        shape->size = shape->letter == 'c' ? 1 : 8;
        c.print(unit(*shape, *value) + "\n");
    }
    return Outcome::Done;
}

// --- page tables -----------------------------------------------------------------------------------------------------------------

Result<Outcome> gva2gpa(const Context& c, Args args) {
    const auto address = evaluate_address(c.control, join(args));
    if (!address) return address.error();
    GuestPhys at{};
    if (c.control.machine().translator().cpu().mmu().probe(*address, at)) c.print(format("gpa: 0x%llx\n", static_cast<unsigned long long>(at.v)));
    else c.print("Unmapped\n");
    return Outcome::Done;
}

Result<u32> first_address(const Context& c, Args args) {
    if (args.empty()) return u32{0};
    return evaluate_address(c.control, join(args));
}

Result<Outcome> info_tlb(const Context& c, Args args) {
    const auto first = first_address(c, args);
    if (!first) return first.error();
    unsigned lines = 0;
    const bool paging = for_each_mapping(c.control.machine(), *first, [&](const PageMapping& m) {
        if (lines++ == kMostPages) {
            c.print(format("... further with: info tlb 0x%08x\n", m.linear));
            return false;
        }
        c.print(format("%08x: %09llx %c%c%c%c%c%c%c%c%c\n", m.linear, static_cast<unsigned long long>(m.physical), m.no_execute ? 'X' : '-',
                       m.global ? 'G' : '-', m.bytes > kPageSize ? 'P' : '-', m.dirty ? 'D' : '-', m.accessed ? 'A' : '-',
                       m.uncached ? 'C' : '-', m.write_through ? 'T' : '-', m.user ? 'U' : '-', m.writable ? 'W' : '-'));
        return true;
    });
    if (!paging) return Error{"paging is off"};
    return Outcome::Done;
}

Result<Outcome> info_mem(const Context& c, Args args) {
    const auto first = first_address(c, args);
    if (!first) return first.error();
    u64 begin = 0, end = 0;
    std::string rights;
    const auto flush = [&] {
        if (end > begin) c.print(format("%08llx-%08llx %08llx %s\n", static_cast<unsigned long long>(begin), static_cast<unsigned long long>(end),
                                        static_cast<unsigned long long>(end - begin), rights.c_str()));
    };
    const bool paging = for_each_mapping(c.control.machine(), *first, [&](const PageMapping& m) {
        const std::string now = {m.user ? 'u' : '-', 'r', m.writable ? 'w' : '-'};
        if (m.linear != end || now != rights) {
            flush();
            begin = m.linear;
            rights = now;
        }
        end = u64{m.linear} + m.bytes;
        return true;
    });
    if (!paging) return Error{"paging is off"};
    flush();
    return Outcome::Done;
}

// --- devices -----------------------------------------------------------------------------------------------------------------------

std::vector<std::string> state_of(Device& device) {
    DumpArchive ar;
    device.serialize(ar);
    return ar.lines();
}

Device* find_device(Control& control, std::string_view name) {
    for (Device* d : control.machine().board().devices())
        if (d->name() == name) return d;
    return nullptr;
}

Result<Outcome> info_devices(const Context& c, Args args) {
    if (args.empty()) {
        for (Device* d : c.control.machine().board().devices()) c.print(std::string(d->name()) + "\n");
        return Outcome::Done;
    }
    Device* device = find_device(c.control, args[0]);
    if (device == nullptr) return Error{"there is no device '" + args[0] + "'; 'info devices' lists them"};
    for (const std::string& line : state_of(*device)) c.print(line + "\n");
    return Outcome::Done;
}

Result<Outcome> info_pic(const Context& c, Args) {
    Device* pic = find_device(c.control, "pic");
    if (pic == nullptr) return Error{"the machine has no PIC"};
    const auto lines = state_of(*pic);
    const auto field = [&](unsigned chip, const char* name) -> unsigned {
        const std::string begin = "chip." + std::to_string(chip) + "." + name + " = ";
        for (const std::string& l : lines)
            if (l.starts_with(begin)) return static_cast<unsigned>(std::stoul(l.substr(begin.size()), nullptr, 0));
        return 0;
    };
    for (unsigned n = 0; n < 2; ++n) {
        const unsigned elcr = field(n, "elcr"), irr = (field(n, "lines") & elcr) | (field(n, "latch") & ~elcr);
        c.print(format("pic%u: irr=%02x imr=%02x isr=%02x hprio=%u irq_base=%02x rr_sel=%u elcr=%02x fnm=%u\n", n, irr & 0xff, field(n, "imr"),
                       field(n, "isr"), (field(n, "lowest") + 1) & 7, field(n, "base"), field(n, "read_isr"), elcr, field(n, "nested_specially")));
    }
    return Outcome::Done;
}

}  // namespace

void add_inspect_commands(CommandTable& table) {
    table.add({"info registers", "", "all registers of the processor", info_registers});
    table.add({"info mem", "[ADDRESS]", "what the page tables map, in ranges of equal rights, from that address on", info_mem});
    table.add({"info tlb", "[ADDRESS]", "every page that the page tables map, from that address on", info_tlb});
    table.add({"info pic", "", "the two interrupt controllers", info_pic});
    table.add({"info devices", "[NAME]", "the devices, or all state of one of them", info_devices});
    table.add({"gva2gpa", "ADDRESS", "the physical address that a linear one is mapped to", gva2gpa});
    table.add({"x", "[/COUNT FORMAT SIZE] ADDRESS", "memory by linear address; formats x d u o c i, sizes b h w g",
               [](const Context& c, Args args) { return examine(c, args, false); }});
    table.add({"xp", "[/COUNT FORMAT SIZE] ADDRESS", "memory by physical address",
               [](const Context& c, Args args) { return examine(c, args, true); }});
    table.add({"print|p", "[/FORMAT] EXPRESSION", "a value; $eax and the like are registers", print_value});
}

}  // namespace vmm::monitor
