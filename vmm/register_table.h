// SPDX-License-Identifier: Apache-2.0
// The registers of the i386 as debuggers name them: one table for gdb's target description, its register packets, `info
// registers` and $names in the monitor. Names are gdb's own (features org.gnu.gdb.i386.core, .sse) and QEMU's for the rest.
// The x87 registers are ST(i) here, by the present TOP; the tag word is the full one, worked out from the contents.
#pragma once

#include <span>
#include <string_view>

#include "vmm/control.h"

namespace vmm {

enum class RegisterType : u8 { Int, Code, Data, Eflags, Cr0, Cr3, Cr4, Efer, X87, Xmm, Mxcsr };
enum class RegisterGroup : u8 { General, Segment, System, Float, Vector };

struct Register {
    std::string_view name;
    u8 bytes;                                    // 4, 10 or 16
    RegisterType type;
    RegisterGroup group;
    u8 n;                                        // which of its kind
    u128 (*get)(const CpuState& s, u8 n);
    void (*set)(CpuState& s, u8 n, u128 value);  // null: cannot be written
};

std::span<const Register> register_table();
const Register* find_register(std::string_view name);   // also pc, sp, fp, flags

// A field of a flag register: bits first to last.
struct FlagField {
    std::string_view name;
    u8 first, last;
};
std::span<const FlagField> flag_fields(RegisterType type);

// As a debugger writes it: a segment register brings its base and limit along; what no processor can hold is refused.
Result<void> write_register(Control& control, CpuState& state, const Register& reg, u128 value);

}  // namespace vmm
