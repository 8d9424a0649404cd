// SPDX-License-Identifier: Apache-2.0
#include "vmm/monitor/memory_dump.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "vmm/cpu_state.h"
#include "vmm/monitor/page_tables.h"
#include "vmm/tcg/translator.h"

namespace vmm::monitor {
namespace {

constexpr u32 kPhysicalPages = 1u << 20;
constexpr u64 kWritePiece = 1u << 20;
constexpr u64 kQemuNoteBytes = 440;

template <class T>
void append(std::string& out, const T& value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof value);
    out.append(bytes, sizeof bytes);
}

void pad(std::string& out, std::size_t to) { out.resize((out.size() + to - 1) / to * to); }

// Name and content at multiples of four.
std::string note(const char* name, u32 type, const std::string& content) {
    const std::string whole_name(name, std::strlen(name) + 1);
    std::string out;
    append(out, Elf32_Nhdr{static_cast<u32>(whole_name.size()), static_cast<u32>(content.size()), type});
    out += whole_name;
    pad(out, 4);
    out += content;
    pad(out, 4);
    return out;
}

// struct elf_prstatus of i386: signal, process, times, then the registers as ptrace has them.
std::string process_status(const CpuState& s) {
    std::string out(24, '\0');
    append(out, u32{1});                                 // the process: processor 0
    out.resize(72);
    for (const u32 r : {s.gpr[kEbx], s.gpr[kEcx], s.gpr[kEdx], s.gpr[kEsi], s.gpr[kEdi], s.gpr[kEbp], s.gpr[kEax], u32{s.seg[kDs].selector},
                        u32{s.seg[kEs].selector}, u32{s.seg[kFs].selector}, u32{s.seg[kGs].selector}, ~u32{0}, s.eip, u32{s.seg[kCs].selector},
                        s.eflags, s.gpr[kEsp], u32{s.seg[kSs].selector}})
        append(out, r);
    append(out, u32{0});                                 // no x87 note comes
    return out;
}

// Version and size; general registers (room for sixteen), EIP, EFLAGS; segments and tables as selector, limit, the descriptor's second
// dword without its address bits, base; CR0-4; GS base of x86-64.
std::string qemu_status(const CpuState& s) {
    std::string out;
    append(out, u32{1});
    append(out, static_cast<u32>(kQemuNoteBytes));
    for (const Gpr r : {kEax, kEbx, kEcx, kEdx, kEsi, kEdi, kEsp, kEbp}) append(out, u64{s.gpr[r]});
    out.resize(out.size() + 8 * sizeof(u64));
    append(out, u64{s.eip});
    append(out, u64{s.eflags});
    const auto segment = [&out](u32 selector, u32 limit, u32 flags, u64 base) {
        append(out, selector);
        append(out, limit);
        append(out, flags);
        append(out, u32{0});
        append(out, base);
    };
    for (const vmm::Segment* d : {&s.seg[kCs], &s.seg[kDs], &s.seg[kEs], &s.seg[kFs], &s.seg[kGs], &s.seg[kSs], &s.ldtr, &s.tr})
        segment(d->selector, d->limit, u32{d->attr} << 8, d->base);
    segment(0, s.gdtr.limit, 0, s.gdtr.base);
    segment(0, s.idtr.limit, 0, s.idtr.base);
    for (const u32 r : {s.cr0, u32{0}, s.cr2, s.cr3, s.cr4}) append(out, u64{r});
    append(out, u64{0});
    return out;
}

Result<void> write_all(int fd, const char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t n = ::write(fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Error{std::string("dump: failed to save memory: ") + std::strerror(errno)};
        data += n;
        size -= static_cast<std::size_t>(n);
    }
    return {};
}

}  // namespace

MemoryDump::MemoryDump(Machine& machine, const DumpWish& wish) : machine_(machine) {
    find_memory(wish);
    find_windows(wish.paging);
}

void MemoryDump::find_memory(const DumpWish& wish) {
    const auto [from, length] = wish.range.value_or(std::pair<u64, u64>{0, ~u64{0}});
    const u64 to = length > ~u64{0} - from ? ~u64{0} : from + length;
    for (u32 page = 0; page < kPhysicalPages; ++page) {
        const u64 at = u64{page} << kPageShift, first = std::max(at, from), end = std::min(at + kPageSize, to);
        if (first >= end || machine_.memory().view(GuestPhys{at}).read == Memory::PageView::kNone) continue;
        if (segments_.empty() || segments_.back().physical + segments_.back().bytes != first) segments_.push_back({first, 0, bytes_});
        segments_.back().bytes += end - first;
        bytes_ += end - first;
    }
}

void MemoryDump::find_windows(bool paging) {
    const auto add = [this](const PageMapping& m) {
        add_window(m.linear, m.physical, m.bytes);
        return true;
    };
    if (paging && for_each_mapping(machine_, 0, add)) return;
    for (const Segment& s : segments_) add_window(static_cast<u32>(s.physical), s.physical, s.bytes);
}

void MemoryDump::add_window(u32 linear, u64 physical, u64 bytes) {
    auto s = std::partition_point(segments_.begin(), segments_.end(), [&](const Segment& e) { return e.physical + e.bytes <= physical; });
    for (; s != segments_.end() && s->physical < physical + bytes; ++s) {
        const u64 from = std::max(physical, s->physical), to = std::min(physical + bytes, s->physical + s->bytes);
        const Window w{linear + static_cast<u32>(from - physical), static_cast<u32>(from), to - from, s->offset + (from - s->physical)};
        Window* last = windows_.empty() ? nullptr : &windows_.back();
        if (last != nullptr && u64{last->linear} + last->bytes == w.linear && u64{last->physical} + last->bytes == w.physical &&
            last->offset + last->bytes == w.offset)
            last->bytes += w.bytes;
        else
            windows_.push_back(w);
    }
}

std::string MemoryDump::notes() const {
    const CpuState& s = machine_.translator().state();
    return note("CORE", NT_PRSTATUS, process_status(s)) + note("QEMU", 0, qemu_status(s));
}

std::string MemoryDump::head() const {
    const std::size_t count = windows_.size() + 1;
    const bool many = count >= PN_XNUM;                  // then the first section header has the number
    const std::string about = notes();
    Elf32_Ehdr h{};
    std::memcpy(h.e_ident, ELFMAG, SELFMAG);
    h.e_ident[EI_CLASS] = ELFCLASS32;
    h.e_ident[EI_DATA] = ELFDATA2LSB;
    h.e_ident[EI_VERSION] = EV_CURRENT;
    h.e_type = ET_CORE;
    h.e_machine = EM_386;
    h.e_version = EV_CURRENT;
    h.e_phoff = sizeof h;
    h.e_ehsize = sizeof h;
    h.e_phentsize = sizeof(Elf32_Phdr);
    h.e_phnum = static_cast<u16>(many ? PN_XNUM : count);
    const auto after_programs = static_cast<u32>(sizeof h + count * sizeof(Elf32_Phdr));
    if (many) {
        h.e_shoff = after_programs;
        h.e_shentsize = sizeof(Elf32_Shdr);
        h.e_shnum = 1;
    }
    const auto notes_at = static_cast<u32>(after_programs + (many ? sizeof(Elf32_Shdr) : 0));
    const u32 memory_at = (notes_at + static_cast<u32>(about.size()) + kPageSize - 1) / kPageSize * kPageSize;
    std::string out;
    append(out, h);
    Elf32_Phdr n{};
    n.p_type = PT_NOTE;
    n.p_offset = notes_at;
    n.p_filesz = static_cast<u32>(about.size());
    append(out, n);
    for (const Window& w : windows_) {
        Elf32_Phdr p{};
        p.p_type = PT_LOAD;
        p.p_offset = memory_at + static_cast<u32>(w.offset);
        p.p_vaddr = w.linear;
        p.p_paddr = w.physical;
        p.p_filesz = p.p_memsz = static_cast<u32>(w.bytes);
        append(out, p);
    }
    if (many) {
        Elf32_Shdr first{};
        first.sh_info = static_cast<u32>(count);
        append(out, first);
    }
    out += about;
    pad(out, kPageSize);
    return out;
}

Result<void> MemoryDump::write(int fd, const std::function<void(u64)>& progress) const {
    const std::string beginning = head();
    if (auto done = write_all(fd, beginning.data(), beginning.size()); !done) return done;
    std::string piece;
    u64 written = 0;
    for (const Segment& s : segments_)
        for (u64 at = 0; at < s.bytes; at += piece.size()) {
            piece.resize(static_cast<std::size_t>(std::min(kWritePiece, s.bytes - at)));
            machine_.memory().read_ram(GuestPhys{s.physical + at}, {reinterpret_cast<u8*>(piece.data()), piece.size()});
            if (auto done = write_all(fd, piece.data(), piece.size()); !done) return done;
            progress(written += piece.size());
        }
    return {};
}

}  // namespace vmm::monitor
