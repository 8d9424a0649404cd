// SPDX-License-Identifier: Apache-2.0
// Session: registers, memory, break- and watchpoints.
#include <array>

#include "gdbstub/packet.h"
#include "gdbstub/session.h"
#include "vmm/register_table.h"
#include "vmm/tcg/translator.h"

namespace vmm::gdb {
namespace {

constexpr std::size_t kHexMost = kPacketSize / 2;       // bytes in a packet of digits
constexpr std::size_t kBinaryMost = kPacketSize - 1;
constexpr u64 kLongestWatch = u64{1} << 20;
constexpr const char* kNoMemory = "E14";                // EFAULT, as gdb expects it where memory cannot be read

std::string hex_of(const CpuState& s, const Register& reg) {
    u128 value = reg.get(s, reg.n);
    std::string out;
    for (unsigned i = 0; i < reg.bytes; ++i, value >>= 8) out += to_hex(std::array{static_cast<u8>(value)});
    return out;
}

u128 value_of(std::span<const u8> bytes) {
    u128 value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

// gdb may extend the sign of a 32-bit address.
std::optional<u32> address32(u64 address) {
    if (address >> 32 != 0 && address >> 31 != 0x1ffffffff) return std::nullopt;
    return static_cast<u32>(address);
}

}  // namespace

bool Session::writable() {
    if (control_.mode() != RrMode::Replay || control_.travel() != nullptr) return true;
    error("this replay cannot be changed");
    return false;
}

// --- registers ---------------------------------------------------------------------------------------------------------------

void Session::read_registers(std::string_view) {
    std::string out;
    for (const Register& r : register_table()) out += hex_of(control_.machine().translator().state(), r);
    host_.send(out);
}

void Session::write_registers(std::string_view text) {
    const auto bytes = from_hex(text);
    if (!bytes) return malformed();
    if (!writable()) return;
    CpuState s = control_.machine().translator().state();
    std::span<const u8> left = *bytes;
    // Those that are there and differ; a short packet leaves the rest alone.
    for (const Register& r : register_table()) {
        if (left.size() < r.bytes) break;
        const u128 value = value_of(left.first(r.bytes));
        left = left.subspan(r.bytes);
        if (r.set == nullptr || r.get(s, r.n) == value) continue;
        if (auto done = vmm::write_register(control_, s, r, value); !done) return error(done.error().text);
    }
    if (auto done = control_.write_registers(s); !done) return error(done.error().text);
    ok();
}

void Session::read_register(std::string_view text) {
    const auto n = take_hex(text);
    if (!n || !text.empty()) return malformed();
    if (*n >= register_table().size()) return error("there is no such register");
    host_.send(hex_of(control_.machine().translator().state(), register_table()[*n]));
}

void Session::write_register(std::string_view text) {
    const auto n = take_hex(text);
    const bool equals = take(text, "=");
    const auto bytes = from_hex(text);
    if (!n || !equals || !bytes || bytes->empty()) return malformed();
    if (*n >= register_table().size()) return error("there is no such register");
    const Register& reg = register_table()[*n];
    if (bytes->size() != reg.bytes) return error("the register " + std::string(reg.name) + " has " + std::to_string(reg.bytes) + " bytes");
    if (!writable()) return;
    CpuState s = control_.machine().translator().state();
    if (auto done = vmm::write_register(control_, s, reg, value_of(*bytes)); !done) return error(done.error().text);
    if (auto done = control_.write_registers(s); !done) return error(done.error().text);
    ok();
}

// --- memory ------------------------------------------------------------------------------------------------------------------

// ADDRESS,LENGTH: as much as there is, up to the first page that is not.
std::optional<std::vector<u8>> Session::memory(std::string_view text, std::size_t most) {
    const auto address = take_hex(text);
    const bool comma = take(text, ",");
    const auto length = take_hex(text);
    if (!address || !comma || !length || !text.empty()) {
        malformed();
        return std::nullopt;
    }
    const auto at = address32(*address);
    std::vector<u8> out(std::min<u64>(*length, most));
    std::size_t done = 0;
    while (at && done < out.size()) {
        const u32 from = *at + static_cast<u32>(done);
        const std::size_t n = std::min<std::size_t>(out.size() - done, kPageSize - (from & (kPageSize - 1)));
        if (!control_.read_memory(from, std::span(out).subspan(done, n), physical_)) break;
        done += n;
    }
    if (done == 0 && *length != 0) {
        host_.send(kNoMemory);
        return std::nullopt;
    }
    out.resize(done);
    return out;
}

void Session::read_memory(std::string_view text) {
    if (const auto bytes = memory(text, kHexMost)) host_.send(to_hex(*bytes));
}

void Session::read_memory_binary(std::string_view text) {
    if (const auto bytes = memory(text, kBinaryMost)) host_.send("b" + std::string(bytes->begin(), bytes->end()));
}

void Session::write_memory(std::string_view text) {
    const auto address = take_hex(text);
    const bool comma = take(text, ",");
    const auto length = take_hex(text);
    const bool colon = take(text, ":");
    const auto bytes = from_hex(text);
    if (!address || !comma || !length || !colon || !bytes) return malformed();
    store(*address, *length, *bytes);
}

void Session::write_memory_binary(std::string_view text) {
    const auto address = take_hex(text);
    const bool comma = take(text, ",");
    const auto length = take_hex(text);
    const bool colon = take(text, ":");
    if (!address || !comma || !length || !colon) return malformed();
    store(*address, *length, std::span(reinterpret_cast<const u8*>(text.data()), text.size()));
}

void Session::store(u64 address, u64 length, std::span<const u8> bytes) {
    if (length != bytes.size()) return malformed();
    if (bytes.empty()) return ok();                     // gdb asks so whether X is known
    const auto at = address32(address);
    if (!at) return error("the address is beyond 32 bits");
    if (!writable()) return;
    if (auto done = control_.write_memory(*at, bytes, physical_); !done) return error(done.error().text);
    ok();
}

// --- points ------------------------------------------------------------------------------------------------------------------

// TYPE,ADDRESS,LENGTH[;...]. Conditions were not offered, so what follows is of no interest. The same twice is once.
void Session::change_point(std::string_view text, bool insert) {
    const auto type = take_hex(text);
    bool well = type && take(text, ",");
    const auto address = take_hex(text);
    well = well && address && take(text, ",");
    const auto length = take_hex(text);
    if (!well || !length || (!text.empty() && text[0] != ';')) return malformed();
    if (*type > 4) return host_.send("");
    const auto at = address32(*address);
    if (!at) return error("the address is beyond 32 bits");
    const bool execute = *type <= 1;
    const u64 bytes = execute ? 1 : std::max<u64>(*length, 1);
    if (bytes > kLongestWatch) return error("at most 1 MiB can be watched at once");
    const PointKey key{static_cast<u8>(*type), *at, static_cast<u32>(bytes)};
    const auto found = points_.find(key);
    if (!insert) {
        if (found != points_.end()) {
            if (found->second.id) dropped_.push_back(*found->second.id);
            points_.erase(found);
        }
        return ok();
    }
    constexpr PointKind kKinds[] = {PointKind::Execute, PointKind::Execute, PointKind::Write, PointKind::Read, PointKind::Access};
    // Breakpoints are by linear address whatever the memory packets mean.
    const bool physical = physical_ && !execute;
    if (physical && kKinds[*type] != PointKind::Write) return error("by physical address only writes can be watched");
    const Point point{kKinds[*type], *at, static_cast<u32>(bytes), physical, physical ? std::nullopt : control_.only_cr3()};
    if (found != points_.end()) {
        if (found->second.point.physical == physical && found->second.point.cr3 == point.cr3) return ok();
        if (found->second.id) dropped_.push_back(*found->second.id);
        points_.erase(found);
    }
    points_.emplace(key, Wanted{point, {}});
    ok();
}

}  // namespace vmm::gdb
