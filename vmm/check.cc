// SPDX-License-Identifier: Apache-2.0
#include "vmm/check.h"

#include <cstdio>
#include <cstdlib>

namespace vmm {
namespace {
CheckContext g_context = nullptr;  // process-wide by nature: a failed CHECK ends the process
}

void set_check_context(CheckContext context) { g_context = context; }

void check_failed(const char* file, int line, const char* condition, const char* message) {
    std::fprintf(stderr, "vmm: internal error at %s:%d: %s (%s)\n", file, line, message, condition);
    if (g_context != nullptr) g_context();
    std::abort();
}

}  // namespace vmm
