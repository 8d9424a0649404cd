// SPDX-License-Identifier: Apache-2.0
#include "vmm/archive.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace vmm {

void SaveArchive::scalar(std::string_view, u64& value, unsigned bytes) {
    const std::size_t at = out_.size();
    out_.resize(at + bytes);
    for (unsigned i = 0; i < bytes; ++i) out_[at + i] = static_cast<u8>(value >> (8 * i));
}

void SaveArchive::bytes(std::string_view, u8* data, std::size_t size) { out_.insert(out_.end(), data, data + size); }

void SaveArchive::length(std::string_view name, u64& n, u64) { scalar(name, n, 8); }

void LoadArchive::scalar(std::string_view, u64& value, unsigned bytes) {
    value = 0;
    if (in_.size() < bytes) {
        fail();
        in_ = {};
        return;
    }
    for (unsigned i = 0; i < bytes; ++i) value |= u64{in_[i]} << (8 * i);
    in_ = in_.subspan(bytes);
}

void LoadArchive::bytes(std::string_view, u8* data, std::size_t size) {
    if (in_.size() < size) {
        fail();
        in_ = {};
        return;
    }
    if (size != 0) std::memcpy(data, in_.data(), size);
    in_ = in_.subspan(size);
}

void LoadArchive::length(std::string_view name, u64& n, u64 max) {
    scalar(name, n, 8);
    // Every element takes at least a byte, so a length beyond what is left is a lie.
    if (n > max || n > in_.size()) {
        fail();
        n = 0;
    }
}

u64 hash_bytes(std::span<const u8> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string DumpArchive::prefix(std::string_view name) const {
    std::string text;
    for (const auto& part : path_) text += part + '.';
    text += name;
    text += " = ";
    return text;
}

void DumpArchive::scalar(std::string_view name, u64& value, unsigned bytes) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%0*llx", static_cast<int>(2 * bytes), static_cast<unsigned long long>(value));
    lines_.push_back(prefix(name) + text);
}

void DumpArchive::bytes(std::string_view name, u8* data, std::size_t size) {
    std::string text = prefix(name);
    for (std::size_t i = 0; i < size; ++i) {
        static constexpr char kHex[] = "0123456789abcdef";
        text += kHex[data[i] >> 4];
        text += kHex[data[i] & 15];
    }
    lines_.push_back(std::move(text));
}

void DumpArchive::length(std::string_view name, u64& n, u64) {
    lines_.push_back(prefix(std::string(name) + ".length") + std::to_string(n));
}

std::vector<std::string> diff_dumps(const DumpArchive& a, const DumpArchive& b, std::size_t limit) {
    std::vector<std::string> out;
    const auto& x = a.lines();
    const auto& y = b.lines();
    for (std::size_t i = 0; i < std::max(x.size(), y.size()) && out.size() < limit; ++i) {
        const std::string left = i < x.size() ? x[i] : "(absent)";
        const std::string right = i < y.size() ? y[i] : "(absent)";
        if (left == right) continue;
        const auto eq = right.find(" = ");
        out.push_back(left + " != " + (eq == std::string::npos ? right : right.substr(eq + 3)));
    }
    return out;
}

}  // namespace vmm
