// SPDX-License-Identifier: Apache-2.0
// Little-endian fields in byte images (boot headers, firmware tables). The caller checks bounds.
#pragma once

#include <span>
#include <vector>

#include "vmm/types.h"

namespace vmm {

inline u64 load_le(std::span<const u8> image, std::size_t at, unsigned bytes) {
    u64 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= u64{image[at + i]} << (8 * i);
    return value;
}
inline u16 load_le16(std::span<const u8> image, std::size_t at) { return static_cast<u16>(load_le(image, at, 2)); }
inline u32 load_le32(std::span<const u8> image, std::size_t at) { return static_cast<u32>(load_le(image, at, 4)); }

inline void store_le(std::span<u8> image, std::size_t at, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) image[at + i] = static_cast<u8>(value >> (8 * i));
}
inline void append_le(std::vector<u8>& out, u64 value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<u8>(value >> (8 * i)));
}

}  // namespace vmm
