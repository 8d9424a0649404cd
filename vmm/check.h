// SPDX-License-Identifier: Apache-2.0
// CHECK: an assertion that is always on. For our own mistakes only: neither the guest nor the user can make one fail.
#pragma once

namespace vmm {

// A line that says where the machine is and how to come back here; printed by a failing CHECK. May be null.
using CheckContext = void (*)();
void set_check_context(CheckContext context);

[[noreturn]] void check_failed(const char* file, int line, const char* condition, const char* message);

}  // namespace vmm

#define CHECK(condition, message)                                                \
    do {                                                                         \
        if (!(condition)) [[unlikely]]                                           \
            ::vmm::check_failed(__FILE__, __LINE__, #condition, message);        \
    } while (false)
