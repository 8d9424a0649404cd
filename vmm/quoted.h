// SPDX-License-Identifier: Apache-2.0
// What a user or a file said, as messages show it: in quotes, on one line, with no byte that a terminal would act on.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace vmm {

inline std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out += c;
            continue;
        }
        char hex[8];
        std::snprintf(hex, sizeof hex, "\\x%02x", byte);
        out += hex;
    }
    return out + "'";
}

}  // namespace vmm
