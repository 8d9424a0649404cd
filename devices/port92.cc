// SPDX-License-Identifier: Apache-2.0
#include "devices/port92.h"

namespace vmm {

Port92::Port92(IoBus& ports, IrqLine a20, IrqLine reset) : a20_(std::move(a20)), reset_(std::move(reset)) {
    ports.map("port92", 0x92, 1, {.read = [this](u32, unsigned) -> u32 { return s_.value; },
                                  .write = [this](u32, unsigned, u32 v) { write(static_cast<u8>(v)); }});
}

// The reset follows the bit from 0 to 1 only.
void Port92::write(u8 value) {
    const bool reset = (value & ~s_.value & kFastReset) != 0;
    s_.value = value & (kFastReset | kFastA20);
    a20_.set((value & kFastA20) != 0);
    if (reset) reset_.pulse();
}

}  // namespace vmm
