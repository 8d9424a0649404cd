// SPDX-License-Identifier: Apache-2.0
// The target description that gdb asks for, made from the register table. Registers are numbered in the table's order.
// Document: "Debugging with GDB", appendix G, "Target Descriptions", "i386 Features".
#pragma once

#include <string>

namespace vmm::gdb {

std::string target_xml();

}  // namespace vmm::gdb
