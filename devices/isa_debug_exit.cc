// SPDX-License-Identifier: Apache-2.0
#include "devices/isa_debug_exit.h"

#include <utility>

namespace vmm {

IsaDebugExit::IsaDebugExit(IoBus& ports, u16 iobase, u16 iosize, std::function<void(u32)> exit) {
    ports.map("isa-debug-exit", iobase, iosize, {[](u32, unsigned) { return 0u; },
        [exit = std::move(exit)](u32, unsigned, u32 value) { if (exit) exit(value << 1 | 1); }, 4});
}

}  // namespace vmm
