// SPDX-License-Identifier: Apache-2.0
// Packets of gdb's remote protocol: bytes to payloads and back. Pure: no socket, no machine, no memory beyond one packet.
// Document: "Debugging with GDB", appendix E, "Overview" and "Packet Acknowledgment".
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/types.h"

namespace vmm::gdb {

inline constexpr std::size_t kPacketSize = 0x4000;      // longest payload in either direction, before escapes

class PacketReader {
  public:
    enum class Kind : u8 {
        Packet,        // `payload`: unescaped, runs expanded
        Damaged,       // wrong checksum
        TooLong,       // came whole, and had more than kPacketSize bytes
        Interrupt,     // 0x03 between packets
        Ack,           // +
        Nack,          // -
    };
    struct Event {
        Kind kind;
        std::string payload{};
    };
    // Any cut of the stream gives the same events. What lies between packets and means nothing is skipped.
    void feed(std::string_view bytes, const std::function<void(const Event&)>& sink);

  private:
    enum class In : u8 { Between, Payload, Escape, Run, Sum1, Sum2 };
    void between(u8 byte, const std::function<void(const Event&)>& sink);
    void payload(u8 byte);
    void begin();
    void add(u8 byte, std::size_t times = 1);
    void end(const std::function<void(const Event&)>& sink);

    In in_ = In::Between;
    std::string payload_;
    bool too_long_ = false;
    u8 sum_ = 0;
    u8 sum_high_ = 0;
    bool sum_bad_ = false;
};

// "$...#cc": escaped, repeated characters as runs.
std::string encode(std::string_view payload);

std::string to_hex(std::span<const u8> bytes);
std::string to_hex(std::string_view text);
std::string hex_number(u64 value);
std::optional<std::vector<u8>> from_hex(std::string_view text);      // an even number of digits
// Takes a hexadecimal number off the front: 1 to 16 digits.
std::optional<u64> take_hex(std::string_view& text);
bool take(std::string_view& text, std::string_view prefix);

}  // namespace vmm::gdb
