// SPDX-License-Identifier: Apache-2.0
// The quantities of the machine, each a type of its own so that they cannot be mixed up.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace vmm {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
using u128 = unsigned __int128;

// A number with a unit. `v` is the bare number.
template <class Tag, class Rep>
struct Quantity {
    using rep = Rep;
    Rep v{};

    friend constexpr auto operator<=>(Quantity, Quantity) = default;
    friend constexpr Quantity operator+(Quantity a, Rep b) { return {static_cast<Rep>(a.v + b)}; }
    friend constexpr Quantity operator-(Quantity a, Rep b) { return {static_cast<Rep>(a.v - b)}; }
    friend constexpr Rep operator-(Quantity a, Quantity b) { return static_cast<Rep>(a.v - b.v); }
    constexpr Quantity& operator+=(Rep b) { return *this = *this + b; }
};

using Icount = Quantity<struct IcountTag, u64>;          // steps since power-on
using GuestTime = Quantity<struct GuestTimeTag, u64>;    // ns of guest time since power-on
using GuestPhys = Quantity<struct GuestPhysTag, u64>;    // physical address, 36 bits with PAE
using GuestLinear = Quantity<struct GuestLinearTag, u32>;

inline constexpr u32 kPageSize = 4096;
inline constexpr u32 kPageShift = 12;

}  // namespace vmm
