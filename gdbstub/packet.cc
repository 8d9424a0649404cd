// SPDX-License-Identifier: Apache-2.0
#include "gdbstub/packet.h"

#include <algorithm>

namespace vmm::gdb {
namespace {

constexpr char kEscape = '}', kRun = '*';
constexpr u8 kEscapeFlip = 0x20, kInterrupt = 0x03;
constexpr unsigned kRunBias = 29;                       // a run's count is sent as count + 29, which is printable
constexpr unsigned kShortestRun = 3, kLongestRun = 97;  // repetitions beyond the first

std::optional<u8> digit(u8 c) {
    if (c >= '0' && c <= '9') return static_cast<u8>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<u8>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<u8>(c - 'A' + 10);
    return std::nullopt;
}

bool must_escape(char c) { return c == '$' || c == '#' || c == kEscape || c == kRun; }

// Counts that would look like something else on the line are not used.
bool count_is_safe(unsigned times) {
    const unsigned c = times + kRunBias;
    return c != '$' && c != '#' && c != '+' && c != '-';
}

constexpr char kDigits[] = "0123456789abcdef";

}  // namespace

void PacketReader::feed(std::string_view bytes, const std::function<void(const Event&)>& sink) {
    for (const char c : bytes) {
        const auto byte = static_cast<u8>(c);
        switch (in_) {
            case In::Between: between(byte, sink); break;
            case In::Payload:
            case In::Escape:
            case In::Run: payload(byte); break;
            case In::Sum1:
                sum_bad_ = !digit(byte);
                sum_high_ = digit(byte).value_or(0);
                in_ = In::Sum2;
                break;
            case In::Sum2:
                sum_bad_ |= !digit(byte) || (sum_high_ << 4 | *digit(byte)) != sum_;
                end(sink);
                break;
        }
    }
}

void PacketReader::between(u8 byte, const std::function<void(const Event&)>& sink) {
    if (byte == '$') begin();
    else if (byte == '+') sink({Kind::Ack});
    else if (byte == '-') sink({Kind::Nack});
    else if (byte == kInterrupt) sink({Kind::Interrupt});
}

void PacketReader::begin() {
    in_ = In::Payload;
    payload_.clear();
    too_long_ = false;
    sum_ = 0;
}

void PacketReader::payload(u8 byte) {
    // These two are never data: the end, and a packet that begins because the end of the last one was lost.
    if (byte == '#') {
        in_ = In::Sum1;
        return;
    }
    if (byte == '$') return begin();
    sum_ = static_cast<u8>(sum_ + byte);
    if (in_ == In::Escape) {
        add(byte ^ kEscapeFlip);
    } else if (in_ == In::Run) {
        if (byte > kRunBias && !payload_.empty()) add(static_cast<u8>(payload_.back()), byte - kRunBias);
    } else if (byte == kEscape) {
        in_ = In::Escape;
        return;
    } else if (byte == kRun) {
        in_ = In::Run;
        return;
    } else {
        add(byte);
    }
    in_ = In::Payload;
}

void PacketReader::add(u8 byte, std::size_t times) {
    if (payload_.size() + times > kPacketSize) too_long_ = true;
    else payload_.append(times, static_cast<char>(byte));
}

void PacketReader::end(const std::function<void(const Event&)>& sink) {
    in_ = In::Between;
    if (sum_bad_) sink({Kind::Damaged});
    else if (too_long_) sink({Kind::TooLong});
    else sink({Kind::Packet, payload_});
}

std::string encode(std::string_view payload) {
    std::string out = "$";
    for (std::size_t i = 0; i < payload.size();) {
        const char c = payload[i];
        if (must_escape(c)) {
            out += {kEscape, static_cast<char>(static_cast<u8>(c) ^ kEscapeFlip)};
            ++i;
            continue;
        }
        out += c;
        unsigned times = 0;
        while (times < kLongestRun && i + 1 + times < payload.size() && payload[i + 1 + times] == c) ++times;
        while (times >= kShortestRun && !count_is_safe(times)) --times;
        if (times >= kShortestRun) {
            out += {kRun, static_cast<char>(times + kRunBias)};
            i += times;
        }
        ++i;
    }
    u8 sum = 0;
    for (const char c : std::string_view(out).substr(1)) sum = static_cast<u8>(sum + static_cast<u8>(c));
    return out + '#' + kDigits[sum >> 4] + kDigits[sum & 15];
}

std::string to_hex(std::span<const u8> bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const u8 b : bytes) out += {kDigits[b >> 4], kDigits[b & 15]};
    return out;
}

std::string to_hex(std::string_view text) { return to_hex(std::span(reinterpret_cast<const u8*>(text.data()), text.size())); }

std::string hex_number(u64 value) {
    std::string out;
    do out.insert(out.begin(), kDigits[value & 15]);
    while ((value >>= 4) != 0);
    return out;
}

std::optional<std::vector<u8>> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::vector<u8> out;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto high = digit(static_cast<u8>(text[i])), low = digit(static_cast<u8>(text[i + 1]));
        if (!high || !low) return std::nullopt;
        out.push_back(static_cast<u8>(*high << 4 | *low));
    }
    return out;
}

std::optional<u64> take_hex(std::string_view& text) {
    u64 value = 0;
    std::size_t n = 0;
    for (; n < text.size(); ++n) {
        const auto d = digit(static_cast<u8>(text[n]));
        if (!d) break;
        value = value << 4 | *d;
    }
    if (n == 0 || n > 16) return std::nullopt;
    text.remove_prefix(n);
    return value;
}

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

}  // namespace vmm::gdb
