// SPDX-License-Identifier: Apache-2.0
// What a QMP command takes, as data: checks arguments with QEMU's words, and writes the reference in docs/monitor.md.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "vmm/monitor/json_stream.h"

namespace vmm::monitor {

struct Member;

struct Type {
    enum class Kind : u8 { Integer, Boolean, String, Enum, Array, Struct, Union };
    Kind kind;
    std::string_view name;                               // of an enum, struct or union, for the reference
    std::span<const std::string_view> values{};          // Enum
    const Type* element = nullptr;                       // Array
    std::span<const Member> members{};                   // Struct
    std::span<const Member> branches{};                  // Union {"type": branch, "data": what the branch takes}
};

struct Member {
    std::string_view name;
    const Type* type;
    bool optional = false;
};

inline constexpr Type kInteger{Type::Kind::Integer, "integer"};
inline constexpr Type kBoolean{Type::Kind::Boolean, "boolean"};
inline constexpr Type kString{Type::Kind::String, "string"};

// What is wrong with `arguments` (an object); nothing: it fits.
std::optional<std::string> check_arguments(const Json& arguments, std::span<const Member> members);

// "icount: integer, format: png|ppm (optional)"
std::string describe(std::span<const Member> members);

}  // namespace vmm::monitor
