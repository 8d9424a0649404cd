// SPDX-License-Identifier: Apache-2.0
// Numbers in monitor commands: 0x hexadecimal, 0 octal, decimal, 'c', $register (register_table.h), with ( ) ~ - * / % + - & ^ |
// as in C, in 64 bits without sign.
#pragma once

#include <string_view>

#include "vmm/control.h"

namespace vmm::monitor {

Result<u64> evaluate(Control& control, std::string_view text);
Result<u32> evaluate_address(Control& control, std::string_view text);   // at most 32 bits

}  // namespace vmm::monitor
